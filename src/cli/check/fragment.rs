//! The configuration that the best remedy comes to, ready to be pasted.

use super::{
    job::Subject,
    paper::{COLUMNS, harmless, width, wrap},
};
use crate::api::client::pb;

/// What the report indents it by.
const INDENT: usize = 2;

/// Lines of TOML.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) title: &'static str,
    pub(super) lines: Vec<String>,
}

/// The settings that would make the relay take mail or, for a host that takes
/// it and is not configured yet, those that it needs.
pub(super) fn fragment(check: &pb::CheckRelayResponse, subject: &Subject) -> Option<Fragment> {
    let prefix = format!("relays.{}.", subject.name);
    let remedy = check
        .findings
        .iter()
        .flat_map(|failure| &failure.remedies)
        .filter(|remedy| !remedy.value.is_empty())
        .find_map(|remedy| Some((remedy.setting.strip_prefix(&prefix)?, remedy)));
    if remedy.is_none() && (!check.healthy || subject.is_configured) {
        return None;
    }
    let mut keys = Vec::new();
    if !subject.is_configured {
        keys.push(("host", subject.host.clone()));
        keys.push(("port", subject.port.to_string()));
        keys.extend(subject.mode.map(|mode| ("tls.mode", mode.to_owned())));
    }
    if let Some((key, remedy)) = remedy {
        keys.retain(|(known, _)| *known != key);
        // A mode that was said for one port is not that of another.
        if key == "port" {
            keys.retain(|(known, _)| *known != "tls.mode");
        }
        keys.push((key, remedy.value.clone()));
    }
    let mut lines = Vec::new();
    if let Some((_, remedy)) = remedy {
        let comment = wrap(&harmless(&remedy.summary), COLUMNS - INDENT - 2);
        lines.extend(comment.iter().map(|line| format!("# {line}")));
    }
    lines.push(format!("[relays.{}]", subject.name));
    for (key, value) in keys {
        assign(&mut lines, key, &value);
    }
    Some(Fragment {
        title: if remedy.is_some() {
            "Configuration that would help"
        } else {
            "Configuration"
        },
        lines,
    })
}

/// `key = value`, over several lines where one is too short.
fn assign(lines: &mut Vec<String>, key: &str, value: &str) {
    let line = match key {
        "port" | "tls.post_quantum" => format!("{key} = {value}"),
        "tls.key_pins" => format!("{key} = [{}]", quoted(value)),
        _ => format!("{key} = {}", quoted(value)),
    };
    if width(&line) + INDENT <= COLUMNS {
        lines.push(line);
        return;
    }
    // A backslash at its end joins a line to the next.
    lines.push(format!("{key} = \"\"\"\\"));
    let escaped = escape(value);
    let parts = wrap(&escaped, COLUMNS - INDENT - 6);
    for (index, part) in parts.iter().enumerate() {
        let end = if index + 1 == parts.len() {
            "\"\"\""
        } else {
            "\\"
        };
        lines.push(format!("  {part}{end}"));
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", escape(value))
}

fn escape(value: &str) -> String {
    harmless(value).replace('\\', "\\\\").replace('"', "\\\"")
}
