//! `docs/configuration.md`: the prose of `handbook.md`, and a table of the keys
//! of each section.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{
    record::{Entry, Holds, Record, Records, Unset, join},
    source::variable,
};

const PROSE: &str = include_str!("handbook.md");
const HEAD: &str = "| Key and variable | What it sets | Type | Default | Example |\n\
                    |---|---|---|---|---|\n";

/// The handbook of what is in `records`.
pub(super) fn of(records: &Records) -> String {
    let mut text = format!("{PROSE}\n## Before any section\n");
    table(&mut text, records, "");
    for (path, entry) in records.in_order() {
        // Names and lists are told with what is in them.
        if let Entry::Section(about) = entry
            && matches!(about.holds, Holds::Keys)
        {
            let depth = path.replace(".NAME", "").matches('.').count();
            let heading = match path.strip_suffix("[]") {
                Some(list) => format!("[[{list}]]"),
                None => format!("[{path}]"),
            };
            let level = "#".repeat(2 + depth);
            // Writing to a `String` cannot fail.
            let _ = write!(text, "\n{level} `{heading}`\n\n{}\n", about.text);
            table(&mut text, records, path);
        }
    }
    text
}

fn table(text: &mut String, records: &Records, path: &str) {
    let _ = write!(text, "\n{HEAD}");
    for (name, record) in records.settings(path) {
        let key = join(path, name);
        // A list of tables is one variable.
        let set_by = variable(key.split('[').next().unwrap_or(&key));
        let Record { about, example, .. } = record;
        let words = &record.shape.words;
        let default = default(&record.unset);
        let _ = writeln!(
            text,
            "| `{key}`<br>`{set_by}` | {about} | {words} | {default} | `{example}` |"
        );
    }
}

fn default(unset: &Unset<Json>) -> String {
    match unset {
        Unset::Required => "required".to_owned(),
        Unset::Value(Json::Array(items)) if items.is_empty() => "empty".to_owned(),
        Unset::Value(Json::String(text)) => format!("`{text}`"),
        Unset::Value(value) => format!("`{value}`"),
        Unset::Words { words, .. } => (*words).to_owned(),
    }
}
