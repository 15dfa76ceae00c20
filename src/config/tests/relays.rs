//! Relays, their credentials and TLS settings, and what must hold between them.

use std::{num::NonZero, time::Duration};

use secrecy::ExposeSecret as _;

use super::RELAY;
use crate::{
    config::fixture::{Fixture, SECRET},
    relay::PoolLimits,
    smtp::{Credentials, Host, TimeLimits, Transactions},
};

#[test]
fn a_relay_in_full_becomes_what_the_relay_room_takes() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    fixture.write("password", format!("{SECRET}\n"));
    let config = fixture
        .load(
            r#"
default_relay = "primary"
[tls]
post_quantum = false
[relays.primary]
host = "SMTP.Example.com"
ehlo_name = "Bücher.example"
max_recipients = 50
transactions = "eager_if_safe"
[relays.primary.tls]
ca_file = "a.ca.pem"
crl_file = "a.crl.pem"
client_certificate_file = "a.ca.pem"
client_key_file = "a.key.pem"
[relays.primary.credentials]
username = "ada"
password_file = "password"
[relays.primary.limits]
end_of_data = "10m"
mail = "1s"
[relays.primary.pool]
max_connections = 3
idle_time = "10s"
depth = 16
[custom_relays.pool]
max_mails = 1
"#,
        )
        .unwrap();
    let relay = &config.relay.relays[0];
    assert_eq!(relay.host, Host::Name("smtp.example.com".to_owned()));
    assert_eq!(relay.port, 587);
    assert_eq!(relay.ehlo_name, "xn--bcher-kva.example");
    assert_eq!(relay.max_recipients.map(NonZero::get), Some(50));
    assert_eq!(config.relay.custom.max_recipients, None);
    assert_eq!(relay.transactions, Transactions::EagerIfSafe);
    assert_eq!(config.relay.custom.transactions, Transactions::Standard);
    assert_eq!(relay.tls.trust_anchors.as_ref().unwrap().len(), 1);
    assert_eq!(relay.tls.crls.as_ref().unwrap().len(), 1);
    assert_eq!(
        relay.tls.client_certificate.as_ref().unwrap().chain.len(),
        1
    );
    assert_eq!(relay.tls.post_quantum, None);
    assert_eq!(config.relay.tls.post_quantum, Some(false));
    let expected = TimeLimits {
        mail: Duration::from_secs(1),
        ..TimeLimits::default()
    };
    assert_eq!(relay.limits, expected);
    let expected = PoolLimits {
        max_connections: 3,
        idle_time: Duration::from_secs(10),
        depth: 16,
        ..PoolLimits::default()
    };
    assert_eq!(relay.pool, expected);
    assert_eq!(config.relay.custom.pool.max_mails, 1);
    let source = relay.credentials.as_ref().unwrap();
    let Credentials::Password { username, password } = source.current().credentials else {
        panic!("{source:?}");
    };
    assert_eq!(
        (username.as_str(), password.expose_secret()),
        ("ada", SECRET)
    );
}

#[test]
fn mechanisms_are_in_the_order_that_is_asked_for_and_fit_the_credentials() {
    use crate::smtp::{Mechanism, Mechanisms};

    let fixture = Fixture::new();
    fixture.write("secret", SECRET);
    let of = |list: &str, secret: &str| {
        let toml = format!(
            "{RELAY}auth_mechanisms = {list}\n[relays.primary.credentials]\n\
             username = 'ada'\n{secret}_file = 'secret'\n"
        );
        let loaded = fixture.load(&toml);
        let mechanisms = loaded.map(|config| config.relay.relays[0].mechanisms.clone());
        mechanisms.map_err(|error| fixture.told(&error))
    };
    let listed = vec![Mechanism::Plain, Mechanism::CramMd5];
    assert_eq!(
        of("['plain', 'cram-md5']", "password").unwrap(),
        Mechanisms::new(listed).unwrap()
    );
    assert!(of("['plain', 'xoauth2']", "token").is_ok());
    for (list, secret, expected) in [
        (
            "[]",
            "password",
            "must name at least one mechanism, and none twice",
        ),
        (
            "['plain', 'plain']",
            "password",
            "must name at least one mechanism, and none twice",
        ),
        (
            "['xoauth2']",
            "password",
            "has no mechanism for the kind of credentials that there are",
        ),
        (
            "['plain', 'scram-sha-256']",
            "token",
            "has no mechanism for the kind of credentials that there are",
        ),
    ] {
        assert_eq!(
            of(list, secret).unwrap_err(),
            [format!(
                "posthaste.toml:3: `relays.primary.auth_mechanisms` {expected}"
            )]
        );
    }
    let errors = of("['PLAIN']", "password").unwrap_err();
    assert!(
        errors[0].contains("must be one of `scram-sha-256-plus`"),
        "{errors:?}"
    );
}

#[test]
fn a_transaction_has_a_recipient() {
    let fixture = Fixture::new();
    for (most, is_fine) in [
        ("0", false),
        ("1", true),
        ("100000", true),
        ("100001", false),
    ] {
        for section in [RELAY, "[custom_relays]"] {
            let loaded = fixture.load(&format!("{section}\nmax_recipients = {most}\n"));
            assert_eq!(loaded.is_ok(), is_fine, "{section} {most}");
        }
    }
}

#[test]
fn credentials_must_be_whole_and_come_from_files() {
    let fixture = Fixture::new();
    fixture.write("good", "name\r\n");
    fixture.write("two", "a\nb\n");
    fixture.write("empty", "\n");
    fixture.write("long", "x".repeat(1025));
    fixture.write("fits", "x".repeat(1024) + "\r\n");
    let of = |text: &str| {
        let toml = format!("{RELAY}[relays.primary.credentials]\n{text}");
        fixture.load(&toml).map_err(|error| fixture.told(&error))
    };
    let config = of("username_file = 'good'\ntoken_file = 'good'").unwrap();
    let source = config.relay.relays[0].credentials.as_ref().unwrap();
    let Credentials::OAuth { username, token } = source.current().credentials else {
        panic!("not OAuth");
    };
    assert_eq!((username.as_str(), token.expose_secret()), ("name", "name"));
    assert!(of("username = 'a'\npassword_file = 'fits'").is_ok());

    for (text, expected) in [
        (
            "username = 'a'",
            "3: `relays.primary.credentials` needs `password_file` or `token_file`",
        ),
        (
            "password_file = 'good'",
            "3: `relays.primary.credentials` needs `username` or `username_file`",
        ),
        (
            "username = 'a'\nusername_file = 'good'\ntoken_file = 'good'",
            "5: `relays.primary.credentials.username_file` excludes `relays.primary.credentials.username`",
        ),
        (
            "username = 'a'\npassword_file = 'good'\ntoken_file = 'good'",
            "6: `relays.primary.credentials.token_file` excludes `relays.primary.credentials.password_file`",
        ),
        (
            "username = ''\npassword_file = 'good'",
            "4: `relays.primary.credentials.username` must have 1 to 255 bytes and no control characters",
        ),
        (
            "username = 'a'\npassword_file = 'two'",
            "5: `relays.primary.credentials.password_file` names the file two, which must hold one line without NUL",
        ),
        (
            "username = 'a'\npassword_file = 'empty'",
            "5: `relays.primary.credentials.password_file` names the file empty, which is empty",
        ),
        (
            "username = 'a'\npassword_file = 'long'",
            "5: `relays.primary.credentials.password_file` names the file long, which has more than 1024 bytes",
        ),
        (
            "username = 'a'\npassword_file = 'none'",
            "5: `relays.primary.credentials.password_file` names the file none, which cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(
            of(text).unwrap_err(),
            [format!("posthaste.toml:{expected}")]
        );
    }
}

#[test]
fn bad_certificates_keys_and_lists_are_told_by_file() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    fixture.write_pki("b");
    fixture.write("text.pem", "no PEM");
    fixture.write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB");
    fixture.write(
        "junk.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
         -----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
    );
    for (text, expected) in [
        (
            "ca_file = 'text.pem'",
            "ca_file` names the file text.pem, which holds no PEM certificate",
        ),
        (
            "ca_file = 'cut.pem'",
            "ca_file` names the file cut.pem, which is not valid PEM",
        ),
        (
            "ca_file = 'junk.pem'",
            "ca_file` names the file junk.pem, whose certificate 1 is not valid",
        ),
        (
            "ca_file = ''",
            "ca_file` must be the path of a file, not its contents",
        ),
        (
            "crl_file = 'a.ca.pem'",
            "crl_file` names the file a.ca.pem, which holds no PEM revocation list",
        ),
        (
            "crl_file = 'junk.pem'",
            "crl_file` names the file junk.pem, whose list 1 is not valid",
        ),
        (
            "client_certificate_file = 'a.ca.pem'",
            "client_certificate_file` needs `client_key_file` beside it",
        ),
        (
            "client_key_file = 'a.key.pem'",
            "client_key_file` needs `client_certificate_file` beside it",
        ),
        (
            "client_key_file = 'a.ca.pem'\nclient_certificate_file = 'a.ca.pem'",
            "client_key_file` names the file a.ca.pem, which holds no PEM private key without a passphrase",
        ),
        (
            "client_key_file = 'a.key.pem'\nclient_certificate_file = 'b.ca.pem'",
            "client_key_file` does not go with `client_certificate_file`: keys may not be consistent: KeyMismatch",
        ),
    ] {
        let problems = fixture.problems(&format!("{RELAY}[relays.primary.tls]\n{text}"));
        assert_eq!(
            problems,
            [format!("posthaste.toml:4: `relays.primary.tls.{expected}")]
        );
    }
}

#[test]
fn plaintext_is_warned_of_and_needs_loopback_for_credentials() {
    let fixture = Fixture::new();
    fixture.write("password", SECRET);
    let of = |host: &str, mode: &str, credentials: bool| {
        let credentials = if credentials {
            "[relays.a.credentials]\nusername = 'a'\npassword_file = 'password'\n"
        } else {
            ""
        };
        fixture
            .load(&format!(
                "[relays.a]\nhost = '{host}'\ntls.mode = '{mode}'\n{credentials}"
            ))
            .map(|config| config.warnings.len())
            .map_err(|error| fixture.told(&error))
    };
    for host in [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "localhost",
        "a.localhost",
    ] {
        assert_eq!(of(host, "plaintext", true), Ok(1), "{host}");
        assert_eq!(of(host, "starttls", true), Ok(0), "{host}");
    }
    for host in [
        "smtp.example.com",
        "192.0.2.1",
        "localhost.example.com",
        "::ffff:10.0.0.1",
    ] {
        assert_eq!(of(host, "plaintext", false), Ok(1), "{host}");
        assert_eq!(of(host, "starttls_if_offered", true), Ok(1), "{host}");
        assert_eq!(of(host, "starttls", true), Ok(0), "{host}");
        assert_eq!(
            of(host, "plaintext", true),
            Err(vec![
                "posthaste.toml:3: `relays.a.tls.mode` must not be `plaintext` for a relay with \
                 credentials, unless its host is a loopback address"
                    .to_owned()
            ]),
        );
    }
    // The mode may come from the layer below.
    let problems = fixture.problems(
        "tls.mode = 'plaintext'\n[relays.a]\nhost = 'b.example'\n\
         credentials = { username = 'a', password_file = 'password' }",
    );
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn some_version_and_some_trust_must_be_left_over_both_layers() {
    let fixture = Fixture::new();
    let of = |global: &str, relay: &str| {
        let toml = format!("[tls]\n{global}\n{RELAY}[relays.primary.tls]\n{relay}\n");
        match fixture.load(&toml) {
            Ok(_) => Vec::new(),
            Err(error) => fixture.told(&error),
        }
    };
    let min = "min_version = '1.3'";
    let max = "max_version = '1.2'";
    let none: [&str; 0] = [];
    assert_eq!(of(min, ""), none);
    assert_eq!(of(max, "min_version = '1.2'"), none);
    let left = "leaves no version: min_version is above max_version";
    assert_eq!(
        of(min, max),
        [format!(
            "posthaste.toml:6: `relays.primary.tls.max_version` {left}"
        )]
    );
    assert_eq!(
        of(max, min),
        [format!(
            "posthaste.toml:6: `relays.primary.tls.min_version` {left}"
        )]
    );
    let both = format!("{min}\n{max}");
    assert_eq!(
        of(&both, ""),
        [format!("posthaste.toml:2: `tls.min_version` {left}")]
    );

    let problems = of("system_roots = false", "");
    assert_eq!(
        problems,
        [
            "posthaste.toml:3: `relays.primary` trusts no certificate: `system_roots` is false, and \
          there is no `ca_file` and no pin"
        ]
    );
    assert_eq!(of("system_roots = false", "key_pins = []"), problems);
    let problems = of("system_roots = false", "ca_file = 'missing'");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(of("system_roots = false", "mode = 'plaintext'"), none);
    assert_eq!(of("system_roots = false", "system_roots = true"), none);
}

#[test]
fn a_sole_relay_is_the_default_unless_routes_choose() {
    let fixture = Fixture::new();
    let default = |toml: &str| {
        let default = fixture.load(toml).unwrap().relay.default;
        default.map(|name| name.to_string())
    };
    let two = format!("{RELAY}[relays.b]\nhost = 'b.example'\n");
    let route = "[[routes]]\ndomain = 'a.example'\nrelay = 'primary'\n";
    assert_eq!(default(RELAY).as_deref(), Some("primary"));
    assert_eq!(default(&two), None);
    assert_eq!(
        default(&format!("default_relay = 'b'\n{two}")).as_deref(),
        Some("b")
    );
    assert_eq!(default(&format!("{RELAY}{route}")), None);

    let problems = fixture.problems(&format!("{RELAY}{route}{}", route.replace("a.e", "A.e")));
    assert_eq!(
        problems,
        ["posthaste.toml:7: `routes[1].domain` repeats the route at posthaste.toml:4"]
    );
}
