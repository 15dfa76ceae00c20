//! Loading as a whole: precedence, defaults, checks across keys, messages.

use std::fs;

use super::{
    fixture::{Fixture, owned},
    *,
};
use crate::{
    report::TlsMode,
    smtp::{Host, TimeLimits},
    tls::Version,
};

mod effective;
mod random;
mod relays;
mod remedies;
mod schema;
mod secrets;

const RELAY: &str = "[relays.primary]\nhost = \"smtp.example.com\"\n";

fn from_env(env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(&Sources {
        env: owned(env),
        ..Sources::default()
    })
}

#[test]
fn without_any_source_the_defaults_hold() {
    let config = load(&Sources::default()).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.server.max_request_bytes, 48 << 20);
    assert_eq!(config.server.default_deadline, Duration::from_mins(2));
    assert_eq!(config.server.drain, Duration::from_secs(30));
    assert!(config.server.reflection);
    assert_eq!(config.idempotency.keep, 72 * HOUR);
    assert_eq!(config.idempotency.max_entries, 100_000);
    assert_eq!(config.log.level, "info");
    assert_eq!(config.log.format, LogFormat::Auto);
    assert!(config.relay.relays.is_empty() && config.relay.custom.allow.is_empty());
    assert_eq!(config.relay.custom.limits, TimeLimits::default());
    assert!(!config.relay.custom.ehlo_name.is_empty());
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn each_source_wins_over_the_one_before_key_by_key() {
    let fixture = Fixture::new();
    let toml = "[server]\nlisten = \"127.0.0.1:1\"\ndrain = \"1s\"\nreflection = false\n";
    let env = [
        ("POSTHASTE__SERVER__LISTEN", "127.0.0.1:2"),
        ("POSTHASTE__SERVER__DRAIN", "2s"),
    ];
    let overrides = [
        ("server.listen", "127.0.0.1:3"),
        ("server.listen", "127.0.0.1:4"),
    ];
    let server = fixture.load_with(toml, &env, &overrides).unwrap().server;
    assert_eq!(server.listen.port(), 4);
    assert_eq!(server.drain, Duration::from_secs(2));
    assert!(!server.reflection);
    assert_eq!(server.default_deadline, Duration::from_mins(2));
}

#[test]
fn the_environment_alone_can_describe_everything() {
    let config = from_env(&[
        ("POSTHASTE__RELAYS__MY_RELAY__HOST", "smtp.example.com"),
        ("POSTHASTE__RELAYS__MY_RELAY__PORT", "465"),
        ("POSTHASTE__RELAYS__MY_RELAY__TLS__MODE", "implicit"),
        ("POSTHASTE__RELAYS__MY_RELAY__TLS__SYSTEM_ROOTS", "true"),
        (
            "POSTHASTE__RELAYS__MY_RELAY__ALLOW_TLS_OPTIONS",
            "mode, key_pins",
        ),
        (
            "POSTHASTE__ROUTES",
            r#"[{"domain": "*.Bücher.example", "relay": "my-relay"}]"#,
        ),
        (
            "POSTHASTE__CUSTOM_RELAYS__ALLOW",
            r#"[{"host": "*", "ports": [25]}]"#,
        ),
        ("POSTHASTE__RELAYS__MY_RELAY__EHLO_NAME", "[192.0.2.1]"),
        ("POSTHASTE_PORT", "tcp://10.0.0.1:50051"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    let relay = &config.relay.relays[0];
    assert_eq!(relay.name.as_str(), "my-relay");
    assert_eq!(relay.host, Host::Name("smtp.example.com".to_owned()));
    assert_eq!(relay.port, 465);
    assert_eq!(relay.tls.mode, Some(TlsMode::Implicit));
    assert_eq!(relay.tls.system_roots, Some(true));
    assert_eq!(relay.tls.min_version, None);
    assert_eq!(relay.allow_tls_options.len(), 2);
    assert_eq!(relay.ehlo_name, "[192.0.2.1]");
    assert_eq!(config.relay.routes[0].domain, "*.xn--bcher-kva.example");
    assert_eq!(config.relay.custom.allow[0].ports, [25]);
}

#[test]
fn json_is_read_like_toml() {
    let fixture = Fixture::new();
    let json = r#"{
  "server": { "max_request_bytes": 1000000, "drain": "1m 30s" },
  "relays": {
    "primary": {
      "host": "192.0.2.1", "port": 25,
      "tls": { "min_version": "1.3" }
    }
  }
}"#;
    let path = fixture.write("posthaste.JSON", json);
    let sources = Sources {
        file: Some(path.clone()),
        ..Sources::default()
    };
    let config = load(&sources).unwrap();
    assert_eq!(config.server.max_request_bytes, 1_000_000);
    assert_eq!(config.server.drain, Duration::from_secs(90));
    assert_eq!(config.relay.relays[0].tls.min_version, Some(Version::Tls13));

    for (from, to, expected) in [
        (
            "\"port\"",
            "\"prot\"",
            "posthaste.JSON:5: `relays.primary.prot` is not a known key; did you mean `relays.primary.port`?",
        ),
        (
            "25,",
            "25.5,",
            "posthaste.JSON:5: `relays.primary.port` must be a port from 1 to 65535, not a number out of range",
        ),
        (
            "\"port\"",
            "\"host\"",
            "posthaste.JSON:5: `host` is given twice",
        ),
        ("25,", "25", "posthaste.JSON:6: expected `,` or `}`"),
        (
            "\"1m 30s\"",
            "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]",
            "posthaste.JSON:2: nests too deeply",
        ),
    ] {
        fs::write(&path, json.replace(from, to)).unwrap();
        let problems = fixture.told(&load(&sources).unwrap_err());
        assert_eq!(problems, [expected]);
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let fixture = Fixture::new();
    let toml = r#"
[server]
listen = "localhost:1"
drian = "30s"
drain = 30
max_request_bytes = "48 MB?"
[relays.primary]
port = 70000
mode = "implicit"
allow_tls_options = ["mode", "server"]
[relays.primary.tls]
min_version = "1.1"
ca_file = "missing.pem"
[relays.Second]
host = "a.example"
prot = 25
[[routes]]
domain = "*"
relay = "secondary"
weight = 3
"#;
    let env = [
        ("POSTHASTE__SERVER_LISTEN", "127.0.0.1:1"),
        ("POSTHASTE__RELAY__PRIMARY__TLS__MODE", "implicit"),
        ("POSTHASTE__RELAYS__PRIMRY__TLS__MODE", "implicit"),
    ];
    let error = fixture
        .load_with(toml, &env, &[("lgo.level", "info"), ("zzz", "1")])
        .unwrap_err();
    let expected = r#"
posthaste.toml:3: `server.listen` must be an IP address and a port, such as `127.0.0.1:50051`, not "localhost:1"
posthaste.toml:4: `server.drian` is not a known key; did you mean `server.drain`?
posthaste.toml:5: `server.drain` must be a duration with its unit, such as `30s`, not `30`
posthaste.toml:6: `server.max_request_bytes` must be a number of bytes or a size such as `48MiB`, not "48 MB?"
posthaste.toml:7: `relays.primary` needs `host`; did you mean the relay `primry`?
posthaste.toml:8: `relays.primary.port` must be a port from 1 to 65535, not `70000`
posthaste.toml:9: `relays.primary.mode` is not a known key; did you mean `relays.primary.tls.mode`?
posthaste.toml:10: `relays.primary.allow_tls_options[1]` must be one of `mode`, `min_version`, `max_version`, `server_name`, `trust_anchors`, `key_pins`, not "server"
posthaste.toml:12: `relays.primary.tls.min_version` must be "1.2" or "1.3", not "1.1"
posthaste.toml:13: `relays.primary.tls.ca_file` names the file missing.pem, which cannot be read: No such file or directory (os error 2)
posthaste.toml:14: `relays.Second` has a bad name: it must consist of lower-case letters, digits and hyphens, a letter first
posthaste.toml:16: `relays.Second.prot` is not a known key; did you mean `relays.Second.port`?
posthaste.toml:18: `routes[0].domain` must be a domain, or `*.` and a domain for the names below it, not "*"
posthaste.toml:19: `routes[0].relay` must be the name of a relay, not "secondary"; there are `primary`, `primry`
posthaste.toml:20: `routes[0].weight` is not a known key; in `routes[0]` there are `domain`, `relay`
environment variable POSTHASTE__RELAYS__PRIMRY__TLS__MODE: `relays.primry` needs `host`; did you mean the relay `primary`?
environment variable POSTHASTE__RELAY__PRIMARY__TLS__MODE: `relay.primary.tls.mode` is not a known key; did you mean `POSTHASTE__RELAYS__PRIMARY__TLS__MODE`?
environment variable POSTHASTE__SERVER_LISTEN: `server_listen` is not a known key; did you mean `POSTHASTE__SERVER__LISTEN`?
command line, lgo.level: `lgo.level` is not a known key; did you mean `log.level`?
command line, zzz: `zzz` is not a known key; at the top there are `custom_relays`, `default_relay`, `idempotency`, `log`, `relays`, `routes`, `server`, `tls`
"#;
    assert_eq!(fixture.told(&error).join("\n"), expected.trim());
}

#[test]
fn an_overridden_mistake_in_a_key_is_still_told_but_an_overridden_value_is_not() {
    let fixture = Fixture::new();
    let toml = "[server]\nlisten = \"nowhere\"\n";
    let env = [("POSTHASTE__SERVER__LISTEN", "127.0.0.1:2")];
    assert!(fixture.load_with(toml, &env, &[]).is_ok());

    let toml = "server = 1\n";
    let error = fixture.load_with(toml, &env, &[]).unwrap_err();
    assert_eq!(
        fixture.told(&error),
        ["posthaste.toml:1: `server` must be a table"]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_thing_told() {
    let fixture = Fixture::new();
    for (name, content, expected) in [
        (
            "a.yaml",
            "",
            "a.yaml: a configuration file must end in .toml or .json",
        ),
        (
            "a.json",
            "[]",
            "a.json:1: the configuration must be an object",
        ),
        (
            "a.toml",
            "\u{fffd}",
            "a.toml:1: key with no value, expected `=`",
        ),
        ("b.toml", "a = 1\na = 2", "b.toml:2: duplicate key"),
    ] {
        let file = Some(fixture.write(name, content));
        let env = owned(&[("POSTHASTE__SERVER__LISTN", "")]);
        let sources = Sources {
            file,
            env,
            ..Sources::default()
        };
        let problems = fixture.told(&load(&sources).unwrap_err());
        assert_eq!(problems[0], expected);
        assert!(problems.iter().all(|problem| problem.starts_with(name)));
    }
    let file = Some("missing.toml".into());
    let error = load(&Sources {
        file,
        ..Sources::default()
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "missing.toml: cannot be read: No such file or directory (os error 2)"
    );
    let file = fixture.write("c.toml", [b'#', 0xff]);
    let error = load(&Sources {
        file: Some(file),
        ..Sources::default()
    })
    .unwrap_err();
    assert_eq!(
        fixture.told(&error),
        ["c.toml: cannot be read: it is not UTF-8"]
    );
}

#[test]
fn durations_counts_and_sizes_are_bounded() {
    for (variable, good, bad) in [
        ("POSTHASTE__SERVER__DRAIN", "1ms", "0s"),
        ("POSTHASTE__SERVER__DRAIN", "1h", "1h 1ms"),
        ("POSTHASTE__SERVER__DEFAULT_DEADLINE", "60min", "1d"),
        ("POSTHASTE__IDEMPOTENCY__KEEP", "30d", "31d"),
        ("POSTHASTE__IDEMPOTENCY__MAX_ENTRIES", "1", "0"),
        (
            "POSTHASTE__IDEMPOTENCY__MAX_ENTRIES",
            "10000000",
            "10000001",
        ),
        ("POSTHASTE__SERVER__MAX_REQUEST_BYTES", "64KiB", "65535"),
        (
            "POSTHASTE__SERVER__MAX_REQUEST_BYTES",
            "1 GiB",
            "1073741825",
        ),
        (
            "POSTHASTE__SERVER__MAX_REQUEST_BYTES",
            "1MB",
            "18446744073709551615GiB",
        ),
        ("POSTHASTE__CUSTOM_RELAYS__LIMITS__CONNECT", "10s", "10"),
        ("POSTHASTE__SERVER__REFLECTION", "false", "no"),
        (
            "POSTHASTE__LOG__LEVEL",
            "warn,posthaste::smtp=debug",
            "inof",
        ),
        ("POSTHASTE__LOG__LEVEL", "DEBUG", "info,smtp"),
        (
            "POSTHASTE__CUSTOM_RELAYS__EHLO_NAME",
            "[IPv6:2001:db8::1]",
            "a b",
        ),
        (
            "POSTHASTE__CUSTOM_RELAYS__EHLO_NAME",
            "a.example",
            "a\r\nMAIL",
        ),
    ] {
        assert!(from_env(&[(variable, good)]).is_ok(), "{variable}={good}");
        let error = from_env(&[(variable, bad)]).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(error.to_string().contains(variable), "{error}");
    }
}

#[test]
fn a_path_in_the_file_is_relative_to_the_file() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    assert!(fixture.load("[tls]\nca_file = 'a.ca.pem'\n").is_ok());
    let error = from_env(&[("POSTHASTE__TLS__CA_FILE", "a.ca.pem")]).unwrap_err();
    assert!(error.to_string().contains("a.ca.pem"));
}
