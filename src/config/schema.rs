//! The JSON Schema of a configuration file, for editors and for checks before
//! a deployment. It refuses nothing that the loader takes. The loader alone
//! knows the range of a duration, what is in the files, and what must hold
//! between sections.

use serde_json::{Map, Value as Json, json};

use super::record::{About, Entry, Holds, Record, Records, Rule, Unset, join};

/// The schema of what is in `records`.
pub(super) fn of(records: &Records) -> Json {
    let mut schema = keys(records, "");
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("The configuration of posthaste");
    schema["properties"]["$schema"] = json!({
        "type": "string",
        "description": "Where the schema of this file is, for editors.",
    });
    schema
}

/// The section at `path`, as an object of keys.
fn keys(records: &Records, path: &str) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, entry) in records.children(path) {
        let schema = match entry {
            Entry::Setting(record) => {
                if matches!(record.unset, Unset::Required) {
                    required.push(name);
                }
                setting(record)
            }
            Entry::Section(about) => section(records, &join(path, name), about),
        };
        properties.insert(name.to_owned(), schema);
    }
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn section(records: &Records, path: &str, about: &About) -> Json {
    let mut schema = match about.holds {
        Holds::Keys => keys(records, path),
        Holds::Named(pattern) => json!({
            "type": "object",
            "propertyNames": {"pattern": pattern},
            "additionalProperties": keys(records, &format!("{path}.NAME")),
        }),
        Holds::Items(_) => json!({
            "type": "array",
            "items": keys(records, &format!("{path}[]")),
        }),
    };
    schema["description"] = json!(about.text);
    if !about.rules.is_empty() {
        schema["allOf"] = about.rules.iter().map(rule).collect();
    }
    schema
}

fn setting(record: &Record) -> Json {
    let mut schema = record.shape.schema();
    let mut about = format!("{}\n\nType: {}.", record.about, record.shape.words);
    match &record.unset {
        Unset::Required => {}
        Unset::Value(value) => schema["default"] = value.clone(),
        Unset::Words { words, .. } => about = format!("{about} Default: {words}."),
    }
    schema["description"] = json!(about);
    schema["examples"] = json!([record.example()]);
    schema
}

fn rule(rule: &Rule) -> Json {
    let any = |keys: &[&str]| {
        let keys = keys.iter().map(|key| json!({"required": [key]}));
        json!({"anyOf": keys.collect::<Vec<_>>()})
    };
    match rule {
        Rule::Needs(this, that) => json!({"dependentRequired": {*this: [that]}}),
        Rule::NotBoth(this, that) => json!({"not": {"required": [this, that]}}),
        Rule::NeedsAny(keys, needed) => json!({"if": any(keys), "then": any(needed)}),
    }
}
