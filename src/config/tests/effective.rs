//! What `config print` shows.

use serde_json::Value as Json;

use super::RELAY;
use crate::{
    config::{
        Config, Sources, effective,
        fixture::{Fixture, SECRET, owned},
        load,
    },
    tls::Settings,
};

const FULL: &str = r#"
default_relay = "b"
[server]
max_request_bytes = 1048576
drain = "90s"
[tls]
min_version = "1.3"
key_pins = ["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
[relays.a]
host = "a.example"
port = 465
[relays.a.credentials]
username_file = "password"
password_file = "password"
[relays.b]
host = "::1"
[relays.b.tls]
mode = "implicit"
key_pins = []
ca_file = "a.ca.pem"
client_certificate_file = "a.ca.pem"
client_key_file = "a.key.pem"
[[routes]]
domain = "*.a.example"
relay = "a"
[[routes]]
domain = "b.example"
relay = "b"
[[custom_relays.allow]]
host = "*"
ports = [25, 465]
"#;

fn full() -> (Fixture, Sources) {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    fixture.write("password", SECRET);
    let sources = Sources {
        file: Some(fixture.write("posthaste.toml", FULL)),
        env: owned(&[
            ("POSTHASTE__SERVER__REFLECTION", "false"),
            ("POSTHASTE__RELAYS__A__ALLOW_TLS_OPTIONS", "mode, key_pins"),
        ]),
        overrides: owned(&[("relays.a.limits.mail", "7s")]),
    };
    (fixture, sources)
}

/// Without the layers of TLS settings, of which each key is printed as it
/// holds for the relay.
fn without_tls(mut config: Config) -> String {
    config.relay.tls = Settings::default();
    for relay in &mut config.relay.relays {
        relay.tls = Settings::default();
    }
    format!("{config:?}")
}

fn values(json: &Json) -> Vec<(&String, &Json)> {
    let keys = json.as_object().unwrap().iter();
    keys.map(|(key, held)| (key, &held["value"])).collect()
}

#[test]
fn what_is_printed_is_a_configuration_that_comes_to_the_same() {
    let (fixture, sources) = full();
    let first = effective(&sources).unwrap();
    let printed = Sources {
        file: Some(fixture.write("sub.toml", first.to_toml())),
        ..Sources::default()
    };
    let second = effective(&printed).unwrap();
    assert_eq!(values(&first.to_json()), values(&second.to_json()));
    assert_eq!(
        without_tls(load(&sources).unwrap()),
        without_tls(load(&printed).unwrap())
    );
}

/// The lines of the sections called `name`, with single spaces.
fn lines(text: &str, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_in = false;
    for line in text.lines() {
        if line.starts_with('[') {
            is_in = line.trim_matches(['[', ']']) == name;
        } else if is_in {
            lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    lines
}

#[test]
fn every_value_has_its_source() {
    let (fixture, sources) = full();
    let text = effective(&sources).unwrap().to_toml();
    let text = text.replace(&fixture.folder(), "");
    for (section, line) in [
        ("server", r#"listen = "127.0.0.1:50051" # default"#),
        ("server", "max_request_bytes = 1048576 # posthaste.toml:4"),
        ("server", r#"drain = "90s" # posthaste.toml:5"#),
        (
            "server",
            "reflection = false # environment variable POSTHASTE__SERVER__REFLECTION",
        ),
        ("relays.a", "port = 465 # posthaste.toml:11"),
        (
            "relays.a",
            "allow_tls_options = [\"mode\", \"key_pins\"] \
             # environment variable POSTHASTE__RELAYS__A__ALLOW_TLS_OPTIONS",
        ),
        (
            "relays.a.limits",
            r#"mail = "7s" # command line, relays.a.limits.mail"#,
        ),
        (
            "relays.a.credentials",
            r#"password_file = "password" # posthaste.toml:14"#,
        ),
        (
            "relays.a.tls",
            r#"mode = "implicit" # default: by port: 465 is implicit, all others STARTTLS"#,
        ),
        (
            "relays.a.tls",
            r#"min_version = "1.3" # posthaste.toml:7 (`tls.min_version`)"#,
        ),
        (
            "relays.a.tls",
            r#"server_name = "a.example" # default: the relay's host"#,
        ),
        ("relays.b.tls", r#"mode = "implicit" # posthaste.toml:18"#),
        ("relays.b.tls", "key_pins = [] # posthaste.toml:19"),
        ("relays.b.tls", "#crl_file # default: none"),
        ("routes", r#"relay = "b" # posthaste.toml:28"#),
        (
            "custom_relays.allow",
            "ports = [25, 465] # posthaste.toml:31",
        ),
    ] {
        let lines = lines(&text, section);
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:?}");
    }
}

#[test]
fn programs_are_told_every_source() {
    let (fixture, sources) = full();
    let json = effective(&sources).unwrap().to_json();
    let text = json.to_string().replace(&fixture.folder(), "");
    let json: Json = serde_json::from_str(&text).unwrap();
    for (key, expected) in [
        (
            "server.listen",
            r#"{"value": "127.0.0.1:50051", "source": "default"}"#,
        ),
        (
            "server.drain",
            r#"{"value": "90s", "source": "file", "file": "posthaste.toml", "line": 5}"#,
        ),
        (
            "relays.a.limits.mail",
            r#"{"value": "7s", "source": "flag", "flag": "relays.a.limits.mail"}"#,
        ),
        (
            "server.reflection",
            r#"{"value": false, "source": "environment",
                "variable": "POSTHASTE__SERVER__REFLECTION"}"#,
        ),
        (
            "relays.a.tls.min_version",
            r#"{"value": "1.3", "source": "file", "file": "posthaste.toml", "line": 7,
                "key": "tls.min_version"}"#,
        ),
        (
            "tls.mode",
            r#"{"value": null, "source": "default",
                "default": "by port: 465 is implicit, all others STARTTLS"}"#,
        ),
        (
            "relays.a.credentials.password_file",
            r#"{"value": "password", "source": "file", "file": "posthaste.toml", "line": 14,
                "secret_file": true}"#,
        ),
        (
            "routes[1].relay",
            r#"{"value": "b", "source": "file", "file": "posthaste.toml", "line": 28}"#,
        ),
    ] {
        let expected: Json = serde_json::from_str(expected).unwrap();
        assert_eq!(json[key], expected, "{key}");
    }
}

#[test]
fn what_is_not_set_is_printed_too() {
    let text = effective(&Sources::default()).unwrap().to_toml();
    for line in [
        "routes = []",
        "allow = []",
        "[server]",
        "[tls]",
        "#default_relay",
    ] {
        assert!(
            text.lines().any(|found| found.starts_with(line)),
            "{line}\n{text}"
        );
    }
    assert!(!text.contains("relays.NAME"));
}

#[test]
fn a_user_name_is_not_printed() {
    let fixture = Fixture::new();
    fixture.write("password", "x");
    let toml = format!(
        "{RELAY}[relays.primary.credentials]\nusername = '{SECRET}'\npassword_file = 'password'\n"
    );
    let sources = Sources {
        file: Some(fixture.write("posthaste.toml", toml)),
        ..Sources::default()
    };
    let effective = effective(&sources).unwrap();
    let (text, json) = (effective.to_toml(), effective.to_json());
    assert!(!format!("{text} {json} {effective:?}").contains(SECRET));
    assert!(text.contains("\n#username "), "{text}");
    let username = &json["relays.primary.credentials.username"];
    assert_eq!(username["redacted"], true);
    assert_eq!(username["line"], 4);
}
