//! `[log]`.

use tracing_subscriber::EnvFilter;

use super::{Log, LogFormat, kind, section::Section, value::Node};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads the section.
pub(super) fn settings(section: &Section<'_>) -> Log {
    Log {
        level: section
            .read("level", level)
            .unwrap_or_else(|| "info".to_owned()),
        format: section
            .read("format", kind::one_of)
            .unwrap_or(LogFormat::Auto),
    }
}

/// A level, or what `EnvFilter` takes. A word alone must be a level:
/// `EnvFilter` would take a misspelt one for the name of a module.
fn level(node: &Node) -> Result<String, String> {
    let text = kind::text(node)?;
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let words = text.split(',').map(str::trim);
    let are_levels = words
        .filter(|directive| !directive.contains(['=', '[']))
        .all(is_level);
    if are_levels && EnvFilter::try_new(&text).is_ok() {
        Ok(text)
    } else {
        Err(format!(
            "must be one of `off`, `error`, `warn`, `info`, `debug`, `trace`, or a list such as \
             `info,posthaste::smtp=debug`, not {}",
            node.describe()
        ))
    }
}
