//! `[log]`.

use tracing_subscriber::EnvFilter;

use super::{Log, LogFormat, key::Key, kind, section::Section, value::Node};

const MAX_CHARS: usize = 4096;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads the section.
pub(super) fn settings(section: &Section<'_>) -> Log {
    Log {
        level: section
            .read(Key {
                name: "level",
                about: "How much to log: `off`, `error`, `warn`, `info`, `debug` or `trace`, also \
                        by module.",
                kind: kind::line("level, or list of `module=level`", 1..=MAX_CHARS, level),
                example: "info,posthaste::smtp=debug",
            })
            .or("info".to_owned()),
        format: section
            .read(Key {
                name: "format",
                about: "`json`: one JSON object a line. `text`: for people. `auto`: text on a \
                        terminal, JSON elsewhere.",
                kind: kind::one_of(),
                example: "json",
            })
            .or(LogFormat::Auto),
    }
}

/// A level, or what `EnvFilter` takes. A word alone must be a level:
/// `EnvFilter` would take a misspelt one for the name of a module.
fn level(text: &str, node: &Node) -> Result<String, String> {
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let words = text.split(',').map(str::trim);
    let are_levels = words
        .filter(|directive| !directive.contains(['=', '[']))
        .all(is_level);
    let is_line = text.len() <= MAX_CHARS && !text.chars().any(char::is_control);
    if is_line && are_levels && EnvFilter::try_new(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be one of `off`, `error`, `warn`, `info`, `debug`, `trace`, or a list such as \
             `info,posthaste::smtp=debug`, not {}",
            node.describe()
        ))
    }
}
