//! Secrets stay hidden, wherever somebody puts them.

use std::{fmt::Write as _, fs};

use super::RELAY;
use crate::config::{
    ConfigError, Sources, effective,
    fixture::{Fixture, SECRET},
    load,
    source::variable,
};

/// Every way in which somebody may put a secret where it can be shown.
#[test]
fn no_secret_is_shown() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    fixture.write("password", SECRET);
    let key = fs::read_to_string(fixture.write("x", "").with_file_name("a.key.pem")).unwrap();
    let key_line = key.lines().nth(1).unwrap().to_owned();
    let good = format!(
        "{RELAY}[relays.primary.tls]\nclient_key_file = 'a.key.pem'\nclient_certificate_file = 'a.ca.pem'\n\
         [relays.primary.credentials]\nusername = 'ada'\npassword_file = 'password'\n"
    );
    let shown = |text: &str| text.contains(SECRET) || text.contains(&key_line);
    let config = fixture.load(&good).unwrap();
    assert!(!shown(&format!("{config:?} {config:#?}")));
    let printed = effective(&Sources {
        file: Some(fixture.write("good.toml", &good)),
        ..Sources::default()
    })
    .unwrap();
    let text = format!("{} {} {printed:?}", printed.to_toml(), printed.to_json());
    assert!(!shown(&text), "{text}");
    assert!(text.contains("a.key.pem") && text.contains("password_file"));

    let mut bad: Vec<ConfigError> = Vec::new();
    for text in [
        format!("password = '{SECRET}'"),
        format!("token = '{SECRET}'"),
        format!("token = ['{SECRET}']"),
        format!("password = \"{SECRET}"),
        format!("password = {SECRET}"),
        format!("username = {{ x = '{SECRET}' }}"),
        format!(
            "username = 'a'\nusername_file = 'password'\npassword_file = 'password'\nx = '{SECRET}'"
        ),
    ] {
        let toml = format!("{RELAY}[relays.primary.credentials]\n{text}");
        bad.push(fixture.load(&toml).unwrap_err());
    }
    let mut inline = RELAY.to_owned();
    write!(inline, "tls.client_key_file = '''{key}'''").unwrap();
    bad.push(fixture.load(&inline).unwrap_err());
    bad.push(
        fixture
            .load(&format!("{RELAY}credentials = '{SECRET}'"))
            .unwrap_err(),
    );
    let mut json = format!(r#"{{"relays": {{"a": {{"credentials": {{"password": "{SECRET}""#);
    for rest in ["", "}}}}"] {
        json += rest;
        let file = Some(fixture.write("a.json", &json));
        bad.push(
            load(&Sources {
                file,
                ..Sources::default()
            })
            .unwrap_err(),
        );
    }
    for (key, value) in [
        ("relays.a.credentials.password", SECRET.to_owned()),
        ("relays.a.credentials", SECRET.to_owned()),
        (
            "relays.a.credentials",
            format!(r#"{{"password": "{SECRET}""#),
        ),
        (
            "relays.a.credentials",
            format!(r#"{{"password": "{SECRET}"}}"#),
        ),
        ("relays.a.tls.client_key_file", key.clone()),
    ] {
        let sources = Sources {
            env: vec![(variable(key), value.clone())],
            overrides: vec![(key.to_owned(), value)],
            ..Sources::default()
        };
        assert!(!shown(&format!("{sources:?}")));
        bad.push(load(&sources).unwrap_err());
    }
    for error in bad {
        assert!(!shown(&format!("{error} {error:?}")), "{error}");
    }
}
