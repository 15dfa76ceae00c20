//! The only reader of files and environment. What it reads becomes the plain
//! values that the other rooms take.

use std::{net::SocketAddr, time::Duration};

use crate::relay;

/// Everything that the operator can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gRPC server.
    pub server: Server,
    /// Relays and routes.
    pub relay: relay::Settings,
    /// How long, and how many, answers are kept by request ID.
    pub idempotency: Idempotency,
    /// Logging.
    pub log: Log,
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// Text when stderr is a terminal, JSON otherwise.
    Auto,
    /// JSON lines.
    Json,
    /// Text for people.
    Text,
}
