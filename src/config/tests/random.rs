//! Random configurations.

use proptest::prelude::*;

use crate::config::{Sources, fixture::Fixture, load};

fn toml_like() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "[a-z_]{1,8}",
        prop::sample::select(vec![
            "server",
            "server.listen",
            "listen",
            "tls",
            "tls.mode",
            "key_pins",
            "relays",
            "relays.a",
            "relays.a.host",
            "host",
            "port",
            "credentials",
            "password_file",
            "routes",
            "domain",
            "relay",
            "default_relay",
            "custom_relays.allow",
            "limits",
            "limits.mail",
            "ehlo_name",
            "max_recipients",
            "transactions",
            "log.level",
            "max_request_bytes",
            "ca_file",
            "allow_tls_options",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        "\"[ -!#-~]{0,12}\"",
        "'[^'\\x00-\\x1f]{0,8}'",
        "-?[0-9]{1,20}",
        Just("true".to_owned()),
        Just("1.2".to_owned()),
        Just("\"30s\"".to_owned()),
        Just("\"1.3\"".to_owned()),
        Just("2026-01-01".to_owned()),
        Just("\"a.example\"".to_owned()),
    ];
    let value = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..3).prop_map(|entries| {
                let entries: Vec<_> = entries.iter().map(|(k, v)| format!("{k} = {v}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    });
    let line = (key, value, 0..8_u8).prop_map(|(key, value, kind)| match kind {
        0 => format!("[{key}]"),
        1 => format!("[[{key}]]"),
        _ => format!("{key} = {value}"),
    });
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(
        text in prop_oneof![toml_like(), ".*", "[\\[\\]{}\"'=.,:\\n a1]{0,60}"],
        variable in "POSTHASTE__[A-Z_]{0,20}",
        key in "[a-z._]{0,20}",
        value in prop_oneof![".*", "[\\[{][\\[\\]{}\",:a1]{0,20}"],
    ) {
        let fixture = Fixture::new();
        for name in ["a.toml", "a.json"] {
            let sources = Sources {
                file: Some(fixture.write(name, &text)),
                env: vec![(variable.clone(), value.clone())],
                overrides: vec![(key.clone(), value.clone())],
            };
            if let Err(error) = load(&sources) {
                prop_assert!(!error.problems().is_empty());
            }
        }
    }
}

#[test]
fn deep_keys_exhaust_no_stack() {
    let deep = "a.".repeat(20_000);
    let fixture = Fixture::new();
    let file = |name: &str, text: &str| Sources {
        file: Some(fixture.write(name, text)),
        ..Sources::default()
    };
    let value = "1".to_owned();
    for sources in [
        file("a.toml", &format!("{deep}a = 1")),
        file("b.toml", &format!("a = {}", "[".repeat(20_000))),
        file("a.json", &"[".repeat(20_000)),
        file("b.json", &r#"{"a":"#.repeat(20_000)),
        Sources {
            env: vec![(
                format!("POSTHASTE__{}", deep.replace('.', "__")),
                value.clone(),
            )],
            overrides: vec![(deep, value)],
            ..Sources::default()
        },
    ] {
        assert!(load(&sources).is_err());
    }
}
