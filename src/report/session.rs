//! Facts about a session with a relay.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::TlsSession;

/// The relay end of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelayEndpoint {
    /// The configured name. `None` for a relay that the caller described.
    pub relay: Option<String>,
    /// The host name or address literal, as it was given.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The address connected to, once there is one.
    pub ip: Option<IpAddr>,
}

/// Facts about the session that carried a mail.
#[derive(Clone, Debug)]
pub struct Session {
    /// Where it went.
    pub endpoint: RelayEndpoint,
    /// What TLS negotiated. `None` when the session was in plaintext.
    pub tls: Option<Arc<TlsSession>>,
    /// Whether the connection had carried a mail before.
    pub reused: bool,
    /// The relay's EHLO keywords, with their parameters.
    pub extensions: Vec<String>,
    /// How long each part took.
    pub timings: Timings,
}

/// How long each part took. `None` for parts that were skipped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Waiting for a free connection.
    pub pool_wait: Option<Duration>,
    /// Resolving the relay's name.
    pub resolve: Option<Duration>,
    /// Establishing TCP.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls_handshake: Option<Duration>,
    /// AUTH.
    pub auth: Option<Duration>,
    /// MAIL FROM to the reply to the end of data.
    pub transaction: Option<Duration>,
}
