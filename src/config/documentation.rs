//! Holds the handbook and the example to what is really read.

use std::collections::BTreeSet;

use super::{
    Config, ConfigError, Sources,
    fixture::{Fixture, SECRET},
    load, read,
    section::{Kind, Reading},
    source::variable,
};

const HANDBOOK: &str = include_str!("../../docs/configuration.md");
const EXAMPLE: &str = include_str!("../../posthaste.example.toml");

/// One of everything whose name or number the operator chooses.
const ONE_OF_EACH: [(&str, &str); 3] = [
    ("relays.primary.host", "smtp.example.com"),
    (
        "routes",
        r#"[{"domain": "example.com", "relay": "primary"}]"#,
    ),
    ("custom_relays.allow", r#"[{"host": "smtp.example.com"}]"#),
];

/// A key as the handbook tells it.
struct Row {
    key: String,
    variable: String,
    default: String,
    example: String,
}

/// The rows of the handbook's tables.
fn rows() -> Vec<Row> {
    let row = |line: &str| {
        let cells: Vec<_> = line.strip_prefix("| `")?.split(" | ").collect();
        let [name, _, _, default, example] = cells.as_slice() else {
            panic!("not five cells: {line}");
        };
        let (key, variable) = name.trim_end_matches('`').split_once("`<br>`").unwrap();
        Some(Row {
            key: key.to_owned(),
            variable: variable.to_owned(),
            default: (*default).to_owned(),
            example: example.trim_end_matches(" |").trim_matches('`').to_owned(),
        })
    };
    HANDBOOK.lines().filter_map(row).collect()
}

fn load_flags(flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(&Sources {
        overrides: super::fixture::owned(flags),
        ..Sources::default()
    })
}

#[test]
fn the_handbook_tells_exactly_the_keys_that_are_read() {
    let reading = Reading::default();
    let sources = Sources {
        overrides: super::fixture::owned(&ONE_OF_EACH),
        ..Sources::default()
    };
    let layers = sources.layers(&reading.findings).unwrap();
    read(&reading.root(&layers));
    let is_read: BTreeSet<_> = reading
        .known()
        .into_iter()
        .filter(|(_, kind)| *kind == Kind::Setting)
        .map(|(key, _)| {
            key.replace("relays.primary.", "relays.NAME.")
                .replace("[0]", "[]")
        })
        .collect();
    let is_told: BTreeSet<_> = rows().into_iter().map(|row| row.key).collect();
    assert_eq!(is_told, is_read);
    assert_eq!(rows().len(), is_told.len(), "a key is told twice");
}

#[test]
fn the_handbook_names_the_variable_of_each_key() {
    for row in rows() {
        let list = row.key.split('[').next().unwrap();
        assert_eq!(row.variable, variable(list), "{}", row.key);
    }
}

#[test]
fn the_defaults_in_the_handbook_are_the_real_ones() {
    let base = format!("{:?}", load_flags(&ONE_OF_EACH).unwrap());
    let mut compared = 0;
    for Row { key, default, .. } in rows() {
        // TLS settings that nobody sets stay unset until the layers are merged.
        let Some(default) = default.strip_prefix('`').filter(|_| !key.contains("tls.")) else {
            continue;
        };
        let key = key.replace("NAME", "primary");
        let mut flags = ONE_OF_EACH.to_vec();
        flags.push((&key, default.trim_end_matches('`')));
        assert_eq!(format!("{:?}", load_flags(&flags).unwrap()), base, "{key}");
        compared += 1;
    }
    assert!(compared > 30, "only {compared}");
}

#[test]
fn the_examples_in_the_handbook_are_valid() {
    for Row { key, example, .. } in rows() {
        let key = key.replace("NAME", "primary");
        let key = key.split('[').next().unwrap();
        let mut flags = ONE_OF_EACH.to_vec();
        flags.push((key, &example));
        let Err(error) = load_flags(&flags) else {
            continue;
        };
        // A file that is not here, or half of a pair: each is an example alone.
        for problem in error.problems() {
            let is_alone = problem.message.contains("No such file")
                || problem.message.starts_with("needs ")
                || problem.message.starts_with("trusts no certificate");
            assert!(is_alone, "{problem}");
        }
    }
}

#[test]
fn the_example_is_valid_with_and_without_what_is_commented_out() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    let folder = fixture.write("password", SECRET);
    let folder = folder.parent().unwrap().display().to_string();
    let text = EXAMPLE
        .replace("/run/secrets/posthaste/ca.pem", "a.ca.pem")
        .replace("/run/secrets/posthaste", &folder);
    let config = fixture.load(&text).unwrap();
    assert_eq!(config.relay.relays.len(), 2);
    assert_eq!(config.relay.routes.len(), 2);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);

    let mut uncommented = 0;
    let text: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => {
                uncommented += 1;
                setting
            }
            _ => line,
        })
        .collect();
    assert!(uncommented > 10);
    let config = fixture.load(&text.join("\n")).unwrap();
    assert_eq!(config.relay.custom.allow.len(), 1);
}
