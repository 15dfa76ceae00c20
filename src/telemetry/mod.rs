//! Logs. They go to standard error, and hold no recipients, subjects, bodies
//! or secrets: what is logged is named field by field where it happens.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// JSON, a line each.
    Json,
    /// Text for people.
    Text,
}

impl Format {
    /// Text for a terminal, JSON for a machine.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
    }
}

/// A filter that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("the log filter `{filter}` cannot be parsed")]
pub struct BadFilter {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Starts logging what `filter` lets through, such as `info` or
/// `info,posthaste=debug`.
pub fn start(filter: &str, format: Format) -> Result<(), BadFilter> {
    let env_filter = EnvFilter::try_new(filter).map_err(|source| BadFilter {
        filter: filter.to_owned(),
        source,
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(env_filter)
        .with_writer(io::stderr);
    let subscriber = if io::stderr().is_terminal() {
        subscriber
    } else {
        // Colours are noise in a file.
        subscriber.with_ansi(false)
    };
    // A second start, as in tests, keeps the first.
    drop(match format {
        Format::Json => subscriber.json().flatten_event(true).try_init(),
        Format::Text => subscriber.with_target(false).try_init(),
    });
    Ok(())
}
