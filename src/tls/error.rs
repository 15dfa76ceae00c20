//! The error of a handshake.

use std::io;

use crate::report::{Confidence, Reason, TlsEvidence};

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[error("{summary}")]
pub struct HandshakeError {
    /// What went wrong.
    pub reason: Reason,
    /// How that is known.
    pub confidence: Confidence,
    /// What else it may be, with [`Confidence::Ambiguous`].
    pub alternatives: Vec<Reason>,
    /// One sentence in English with the facts: dates, names, versions, alert.
    /// ASCII, at most 400 bytes.
    pub summary: String,
    /// Whether what came was TLS at all.
    pub heard_tls: bool,
    /// Whether the relay had agreed to our offer by then.
    pub(super) was_settled: bool,
    /// What was seen.
    pub evidence: Box<TlsEvidence>,
    /// What the TLS library or the socket said.
    #[source]
    pub source: io::Error,
}
