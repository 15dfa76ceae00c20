//! Holds what is written about the keys to what is read: the handbook, the
//! schema and the example, which all are committed.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{
    Config, ConfigError, Records, Sources, all_keys,
    fixture::{Fixture, SECRET, owned},
    handbook, load, read,
    record::{Entry, Record},
    schema,
    section::Reading,
};

const HANDBOOK: &str = include_str!("../../docs/configuration.md");
const SCHEMA: &str = include_str!("../../docs/configuration.schema.json");
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

fn flags(flags: &[(&str, &str)]) -> Sources {
    Sources {
        overrides: owned(flags),
        ..Sources::default()
    }
}

fn load_flags(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(&flags(pairs))
}

/// Every key with its record.
fn settings(records: &Records) -> Vec<(&str, &Record)> {
    let all = records.in_order().into_iter();
    all.filter_map(|(path, entry)| match entry {
        Entry::Setting(record) => Some((path, record)),
        Entry::Section(_) => None,
    })
    .collect()
}

#[test]
fn the_committed_handbook_is_that_of_this_program() {
    assert!(
        HANDBOOK == handbook(),
        "run: cargo run -- config docs > docs/configuration.md"
    );
}

#[test]
fn the_committed_schema_is_that_of_this_program() {
    let committed: Json = serde_json::from_str(SCHEMA).unwrap();
    assert!(
        committed == schema(),
        "run: cargo run -- config schema > docs/configuration.schema.json"
    );
}

/// A key that is asked for only when something is configured would be missing
/// in the handbook and in the schema.
#[test]
fn every_key_is_asked_for_whatever_is_configured() {
    let all = all_keys();
    let keys: BTreeSet<_> = all.paths().map(str::to_owned).collect();
    assert!(keys.len() > 60, "only {}", keys.len());

    let named: Vec<_> = settings(&all)
        .into_iter()
        .filter(|(key, _)| !key.contains('['))
        .map(|(key, record)| (key.replace("NAME", "primary"), record.example))
        .collect();
    let everything = named.iter().map(|(key, example)| (key.as_str(), *example));
    let little = ONE_OF_EACH.to_vec();
    let much = little.iter().copied().chain(everything).collect();
    for pairs in [little, much] {
        let reading = Reading::default();
        let layers = flags(&pairs).layers(&reading.findings).unwrap();
        read(&reading.root(&layers));
        let records = reading.into_records();
        let asked = records.paths().map(|path| {
            path.replace("relays.primary", "relays.NAME")
                .replace("[0]", "[]")
        });
        let asked: BTreeSet<_> = asked.collect();
        let odd: Vec<_> = asked.symmetric_difference(&keys).collect();
        assert!(odd.is_empty(), "asked for only at times: {odd:?}");
    }
}

#[test]
fn every_key_is_described_in_sentences() {
    let all = all_keys();
    for (key, Record { about, shape, .. }) in settings(&all) {
        assert!(
            about.starts_with(|c: char| c.is_uppercase() || c == '`'),
            "{key}: {about}"
        );
        assert!(
            about.ends_with('.') && !about.contains(['|', '\n']),
            "{key}: {about}"
        );
        assert!(!shape.words.is_empty(), "{key}");
    }
    for (path, entry) in all.in_order() {
        if let Entry::Section(about) = entry {
            assert!(about.text.ends_with('.'), "{path}: {}", about.text);
        }
    }
}

#[test]
fn the_examples_are_valid() {
    for (key, record) in settings(&all_keys()) {
        let key = key.replace("NAME", "primary");
        let mut pairs = ONE_OF_EACH.to_vec();
        let list;
        match key.split_once("[].") {
            None => pairs.push((&key, record.example)),
            // A list of tables is written as JSON.
            Some((key, name)) => {
                let one = ONE_OF_EACH.iter().find(|(list, _)| *list == key);
                let mut json: Json = serde_json::from_str(one.unwrap().1).unwrap();
                json[0][name] = record.example();
                list = json.to_string();
                pairs.push((key, &list));
            }
        }
        let Err(error) = load_flags(&pairs) else {
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
