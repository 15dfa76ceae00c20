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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Sources};

    fn subject(host: &str) -> Subject {
        Subject {
            name: "primary".into(),
            host: host.into(),
            port: 587,
            mode: Some("starttls"),
            is_configured: false,
        }
    }

    fn check(setting: &str, value: &str) -> pb::CheckRelayResponse {
        let remedy = |setting: &str, value: &str| pb::Remedy {
            summary: "Do \"this\"\nnow.".into(),
            setting: setting.into(),
            value: value.into(),
            ..pb::Remedy::default()
        };
        pb::CheckRelayResponse {
            findings: vec![pb::RelayFailure {
                remedies: vec![
                    remedy("", ""),
                    remedy("relays.primary.tls.ca_file", ""),
                    remedy("custom_relays.ehlo_name", "x.example.com"),
                    remedy(setting, value),
                ],
                ..pb::RelayFailure::default()
            }],
            ..pb::CheckRelayResponse::default()
        }
    }

    fn load(lines: &[String]) -> config::Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("posthaste.toml");
        std::fs::write(&file, lines.join("\n")).unwrap();
        config::load(&Sources {
            file: Some(file),
            ..Sources::default()
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", lines.join("\n")))
    }

    #[test]
    fn it_can_be_pasted_whatever_the_remedy_is() {
        let pin = format!("sha256/{}=", "A".repeat(43));
        let long = format!("{}.example.com", ["a"; 110].join("."));
        for host in ["mail.example.com", "2001:db8::1", &long] {
            for (key, value) in [
                ("port", "465"),
                ("tls.mode", "implicit"),
                ("tls.max_version", "1.2"),
                ("tls.post_quantum", "false"),
                ("tls.server_name", long.as_str()),
                ("tls.key_pins", &pin),
            ] {
                let check = check(&format!("relays.primary.{key}"), value);
                let fragment = fragment(&check, &subject(host)).unwrap();
                assert!(fragment.lines[0].starts_with("# Do"), "{fragment:?}");
                for line in &fragment.lines {
                    assert!(width(line) + INDENT <= COLUMNS, "{line}");
                }
                let config = load(&fragment.lines);
                let relay = &config.relay.relays[0];
                assert_eq!(relay.host.to_string(), host);
                let port = if key == "port" { 465 } else { 587 };
                assert_eq!(relay.port, port);
                // A mode that was asked for at one port says nothing of another.
                assert_eq!(relay.tls.mode.is_none(), key == "port");
            }
        }
    }

    #[test]
    fn of_a_configured_relay_only_the_change_is_told() {
        let check = check("relays.primary.tls.mode", "implicit");
        let subject = Subject {
            is_configured: true,
            ..subject("mail.example.com")
        };
        let lines = fragment(&check, &subject).unwrap().lines;
        assert_eq!(lines[1..], ["[relays.primary]", "tls.mode = \"implicit\""]);
        let healthy = pb::CheckRelayResponse {
            healthy: true,
            ..pb::CheckRelayResponse::default()
        };
        assert!(fragment(&healthy, &subject).is_none());
    }
}
