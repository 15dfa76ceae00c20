//! The only reader of files and environment. What it reads becomes the plain
//! values that the other rooms take.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::relay;

mod credentials;
mod file;
mod host_name;
mod json;
mod kind;
mod log;
mod nearest;
mod problem;
mod relays;
mod secrets;
mod section;
mod source;
mod tls;
mod value;

pub use problem::{ConfigError, Origin, Problem};
pub use secrets::Secrets;
pub use source::Sources;

use section::{Reading, Section};

/// Everything that the operator can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gRPC server.
    pub server: Server,
    /// Relays and routes.
    pub relay: relay::Settings,
    /// The files with the relays' credentials, to be watched.
    pub secrets: Secrets,
    /// How long, and how many, answers are kept by request ID.
    pub idempotency: Idempotency,
    /// Logging.
    pub log: Log,
    /// What is allowed but seldom meant, a sentence each. To be logged at start.
    pub warnings: Vec<String>,
}

/// The gRPC server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where to listen. 127.0.0.1:50051 by default.
    pub listen: SocketAddr,
    /// The largest request. 48 MiB by default.
    pub max_request_bytes: usize,
    /// How long a call without a deadline may take. 120 s by default.
    pub default_deadline: Duration,
    /// How long to wait for calls under way when stopping. 30 s by default.
    pub drain: Duration,
    /// Connections of callers at a time. 1,024 by default.
    pub max_connections: usize,
    /// Mails under way at a time; more are refused. 4,096 by default.
    pub max_under_way: usize,
    /// Whether to serve reflection. Yes by default.
    pub reflection: bool,
}

/// Answers kept by request ID.
#[derive(Clone, Copy, Debug)]
pub struct Idempotency {
    /// 72 hours by default.
    pub keep: Duration,
    /// 100,000 by default.
    pub max_entries: usize,
}

/// Logging.
#[derive(Clone, Debug)]
pub struct Log {
    /// As `tracing_subscriber::EnvFilter` reads it. `info` by default.
    pub level: String,
    /// JSON lines, or text for people. Text when stderr is a terminal.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// Text when stderr is a terminal, JSON otherwise.
    Auto,
    /// JSON lines.
    Json,
    /// Text for people.
    Text,
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const SHORTEST: Duration = Duration::from_millis(1);

/// Reads the configuration: the built-in defaults, the file, the environment
/// and the command line, each over the one before, key by key.
///
/// # Errors
///
/// Everything that is wrong, at once: unknown keys, values of the wrong kind,
/// settings that contradict each other, files that cannot be read.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let reading = Reading::default();
    let Some(layers) = sources.layers(&reading.findings) else {
        // Without the file, everything else would only seem wrong.
        return Err(reading.findings.into_error());
    };
    let config = read(&reading.root(&layers));
    let warnings = reading.finish(&layers)?;
    Ok(Config { warnings, ..config })
}

fn read(root: &Section<'_>) -> Config {
    let server = server(&root.section("server"));
    let (relay, secrets) = relays::settings(root);
    Config {
        server,
        relay,
        secrets,
        idempotency: idempotency(&root.section("idempotency")),
        log: log::settings(&root.section("log")),
        warnings: Vec::new(),
    }
}

fn server(section: &Section<'_>) -> Server {
    Server {
        listen: section
            .read("listen", kind::listen)
            .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 50051))),
        max_request_bytes: section
            .read("max_request_bytes", kind::size(64 << 10..=1 << 30))
            .unwrap_or(48 << 20),
        default_deadline: section
            .read("default_deadline", kind::duration(SHORTEST..=HOUR))
            .unwrap_or(2 * MINUTE),
        drain: section
            .read("drain", kind::duration(SHORTEST..=HOUR))
            .unwrap_or(MINUTE / 2),
        max_connections: section
            .read("max_connections", kind::count(1..=100_000))
            .unwrap_or(1024),
        max_under_way: section
            .read("max_under_way", kind::count(1..=1_000_000))
            .unwrap_or(4096),
        reflection: section.read("reflection", kind::boolean).unwrap_or(true),
    }
}

fn idempotency(section: &Section<'_>) -> Idempotency {
    Idempotency {
        keep: section
            .read("keep", kind::duration(MINUTE / 60..=30 * 24 * HOUR))
            .unwrap_or(72 * HOUR),
        max_entries: section
            .read("max_entries", kind::count(1..=10_000_000))
            .unwrap_or(100_000),
    }
}

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod keila_283;
#[cfg(test)]
mod tests;
