//! The only reader of files and environment. What it reads becomes the plain
//! values that the other rooms take.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::relay;

mod credentials;
mod effective;
mod file;
mod handbook;
mod host_name;
mod json;
mod key;
mod kind;
mod log;
mod nearest;
mod problem;
mod record;
mod relays;
mod schema;
mod secrets;
mod section;
mod shape;
mod source;
mod tls;
mod value;

pub use effective::Effective;
pub use problem::{ConfigError, Origin, Problem};
pub use secrets::Secrets;
pub use source::Sources;

use key::Key;
use record::Records;
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
    /// Streams at a time; more are refused. 64 by default.
    pub max_streams: usize,
    /// Mails of one stream without an answer; more are not read. 256 by default.
    pub max_stream_mails: usize,
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
#[derive(
    Clone, Copy, Debug, Eq, PartialEq, strum::Display, strum::EnumString, strum::VariantNames,
)]
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
    let (config, _) = load_recorded(sources)?;
    Ok(config)
}

/// Reads the configuration as [`load`] does, for somebody who wants to see
/// what every key comes to.
///
/// # Errors
///
/// Those of [`load`].
pub fn effective(sources: &Sources) -> Result<Effective, ConfigError> {
    let (_, records) = load_recorded(sources)?;
    Ok(Effective::new(records))
}

/// The JSON Schema of a configuration file.
pub fn schema() -> serde_json::Value {
    schema::of(&all_keys())
}

/// The handbook of every key, in Markdown.
pub fn handbook() -> String {
    handbook::of(&all_keys())
}

fn load_recorded(sources: &Sources) -> Result<(Config, Records), ConfigError> {
    let reading = Reading::default();
    let Some(layers) = sources.layers(&reading.findings) else {
        // Without the file, everything else would only seem wrong.
        return Err(reading.findings.into_error());
    };
    let config = read(&reading.root(&layers));
    let (warnings, records) = reading.finish(&layers)?;
    Ok((Config { warnings, ..config }, records))
}

/// Every key that there is.
fn all_keys() -> Records {
    let reading = Reading::specimen();
    read(&reading.root(&[]));
    reading.into_records()
}

fn read(root: &Section<'_>) -> Config {
    let server = server(&root.section("server", "The gRPC server."));
    let log = log::settings(&root.section("log", "Logs on standard error."));
    let idempotency = idempotency(&root.section("idempotency", "Answers kept by request ID."));
    let (relay, secrets) = relays::settings(root);
    Config {
        server,
        log,
        idempotency,
        relay,
        secrets,
        warnings: Vec::new(),
    }
}

fn server(section: &Section<'_>) -> Server {
    Server {
        listen: section
            .read(Key {
                name: "listen",
                about: "Where to listen. Port 0 takes a free one.",
                kind: kind::listen(),
                example: "0.0.0.0:50051",
            })
            .or(SocketAddr::from((Ipv4Addr::LOCALHOST, 50051))),
        max_request_bytes: section
            .read(Key {
                name: "max_request_bytes",
                about: "The largest request that is taken.",
                kind: kind::size(64 << 10..=1 << 30),
                example: "20MiB",
            })
            .or(48 << 20),
        default_deadline: section
            .read(Key {
                name: "default_deadline",
                about: "How long a call without a deadline may take, and at most each mail of \
                        SendMailStream, from when its turn has come.",
                kind: kind::duration(SHORTEST..=HOUR),
                example: "60s",
            })
            .or(2 * MINUTE),
        drain: section
            .read(Key {
                name: "drain",
                about: "How long to wait for calls under way when stopping.",
                kind: kind::duration(SHORTEST..=HOUR),
                example: "25s",
            })
            .or(MINUTE / 2),
        max_connections: section
            .read(Key {
                name: "max_connections",
                about: "Connections of callers at a time; more wait.",
                kind: kind::count(1..=100_000),
                example: "256",
            })
            .or(1024),
        max_under_way: section
            .read(Key {
                name: "max_under_way",
                about: "Mails under way at a time; a call beyond gets RESOURCE_EXHAUSTED. \
                        Streams have half of them at most, and wait.",
                kind: kind::count(1..=1_000_000),
                example: "512",
            })
            .or(4096),
        max_streams: section
            .read(Key {
                name: "max_streams",
                about: "Calls of SendMailStream at a time; one more gets RESOURCE_EXHAUSTED. With \
                        `max_request_bytes` it bounds what streams keep in memory: just under \
                        twice as much for each.",
                kind: kind::count(1..=65_536),
                example: "16",
            })
            .or(64),
        max_stream_mails: section
            .read(Key {
                name: "max_stream_mails",
                about: "Mails of one call of SendMailStream that may be without an answer: the \
                        next is read when an answer was taken. It stops as well at \
                        `max_request_bytes` of requests without an answer.",
                kind: kind::count(1..=65_536),
                example: "64",
            })
            .or(256),
        reflection: section
            .read(Key {
                name: "reflection",
                about: "Whether to serve gRPC reflection.",
                kind: kind::boolean(),
                example: "false",
            })
            .or(true),
    }
}

fn idempotency(section: &Section<'_>) -> Idempotency {
    Idempotency {
        keep: section
            .read(Key {
                name: "keep",
                about: "How long an answer is kept.",
                kind: kind::duration(MINUTE / 60..=30 * 24 * HOUR),
                example: "24h",
            })
            .or(72 * HOUR),
        max_entries: section
            .read(Key {
                name: "max_entries",
                about: "How many answers are kept at most. An answer counts once for each of its \
                        recipients.",
                kind: kind::count(1..=10_000_000),
                example: "10000",
            })
            .or(100_000),
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
