//! The bug that posthaste grew from: options for the certificate replaced the
//! defaults instead of being merged into them, and the TLS versions were gone.
//! So every setting is set alone here, in every layer, and all others must
//! keep what they had.

use super::{Config, fixture::Fixture};
use crate::tls::Settings;

/// Each field of [`Settings`], with two ways to set it.
const FIELDS: [(&str, [&str; 2]); 10] = [
    ("mode", [r#"mode = "implicit""#, r#"mode = "starttls""#]),
    (
        "min_version",
        [r#"min_version = "1.2""#, r#"min_version = "1.3""#],
    ),
    (
        "max_version",
        [r#"max_version = "1.3""#, r#"max_version = "1.2""#],
    ),
    (
        "server_name",
        [
            r#"server_name = "a.example.com""#,
            r#"server_name = "192.0.2.1""#,
        ],
    ),
    (
        "system_roots",
        ["system_roots = true", "system_roots = false"],
    ),
    (
        "trust_anchors",
        [r#"ca_file = "a.ca.pem""#, r#"ca_file = "b.ca.pem""#],
    ),
    (
        "key_pins",
        [
            r#"key_pins = ["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]"#,
            r#"key_pins = ["sha256/AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]"#,
        ],
    ),
    (
        "client_certificate",
        [
            "client_certificate_file = \"a.ca.pem\"\nclient_key_file = \"a.key.pem\"",
            "client_certificate_file = \"b.ca.pem\"\nclient_key_file = \"b.key.pem\"",
        ],
    ),
    (
        "post_quantum",
        ["post_quantum = true", "post_quantum = false"],
    ),
    (
        "crls",
        [r#"crl_file = "a.crl.pem""#, r#"crl_file = "b.crl.pem""#],
    ),
];

/// The layers, the lowest first: the global defaults, the relay's, the request's.
const LAYERS: usize = 3;

/// Every field and what it holds. Without `..`: a new field does not compile
/// until it is listed here, and the test then wants it in [`FIELDS`].
fn held(settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings {
        mode,
        min_version,
        max_version,
        server_name,
        system_roots,
        trust_anchors,
        key_pins,
        client_certificate,
        post_quantum,
        crls,
    } = settings;
    vec![
        ("mode", format!("{mode:?}")),
        ("min_version", format!("{min_version:?}")),
        ("max_version", format!("{max_version:?}")),
        ("server_name", format!("{server_name:?}")),
        ("system_roots", format!("{system_roots:?}")),
        ("trust_anchors", format!("{trust_anchors:?}")),
        ("key_pins", format!("{key_pins:?}")),
        ("client_certificate", format!("{client_certificate:?}")),
        ("post_quantum", format!("{post_quantum:?}")),
        ("crls", format!("{crls:?}")),
    ]
}

fn load(fixture: &Fixture, global: &str, relay: &str) -> Config {
    let toml = format!(
        "[tls]\n{global}\n\
         [relays.primary]\nhost = \"smtp.example.com\"\nallow_tls_options = [\"trust_anchors\"]\n\
         [relays.primary.tls]\n{relay}\n"
    );
    fixture.load(&toml).unwrap()
}

/// What a mail gets when the layers say `texts`. The request's layer is read
/// like a relay's.
fn merged(fixture: &Fixture, texts: &[String; LAYERS]) -> Settings {
    let [global, relay, request] = texts;
    let config = load(fixture, global, relay);
    let request = load(fixture, "", request).relay.relays[0].tls.clone();
    let relay = config.relay.relays[0].tls.clone();
    config.relay.tls.merge(relay).merge(request)
}

#[test]
fn keila_283_every_field_alone_in_every_layer_leaves_all_others() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    fixture.write_pki("b");

    let all = FIELDS.map(|(_, [text, _])| text).join("\n");
    let nothing = held(&Settings::default());
    let everything = held(&merged(
        &fixture,
        &[all.clone(), String::new(), String::new()],
    ));
    let names: Vec<_> = nothing.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, FIELDS.map(|(name, _)| name));

    for (index, (name, [_, text])) in FIELDS.into_iter().enumerate() {
        for layer in 0..LAYERS {
            let mut texts: [String; LAYERS] = Default::default();
            text.clone_into(&mut texts[layer]);
            let alone = held(&merged(&fixture, &texts));
            let mut expected = nothing.clone();
            expected[index].1.clone_from(&alone[index].1);
            assert_eq!(alone, expected, "{name} alone in layer {layer}");
            assert_ne!(alone[index], nothing[index], "{name} in layer {layer}");
            assert_ne!(alone[index], everything[index], "{name} in layer {layer}");

            for full in (0..LAYERS).filter(|full| *full != layer) {
                let mut texts = texts.clone();
                texts[full].clone_from(&all);
                let mut expected = everything.clone();
                if full < layer {
                    expected[index].1.clone_from(&alone[index].1);
                }
                assert_eq!(
                    held(&merged(&fixture, &texts)),
                    expected,
                    "{name} in layer {layer}, everything in layer {full}"
                );
            }
        }
    }
}
