//! Tells the causes of a failed handshake apart by further handshakes: a
//! ClientHello that differs in one thing, read up to the relay's answer. Opens
//! no sockets: `smtp` brings the connections, and keeps to the budget.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connector, HandshakeError};
use crate::report::{Confidence, Reason, TlsMode, TlsProbe};

/// Finds out why a handshake failed, handshake by handshake.
#[derive(Debug)]
pub struct Inquiry {
    _private: (),
}

/// One handshake to try.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it changes, such as `tls12-only`.
    pub name: &'static str,
}

/// What the trials told.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What went wrong.
    pub reason: Reason,
    /// [`Confidence::Probed`], or [`Confidence::Ambiguous`] still.
    pub confidence: Confidence,
    /// What else it may be, with [`Confidence::Ambiguous`].
    pub alternatives: Vec<Reason>,
    /// One sentence in English with the facts.
    pub summary: String,
}

impl Connector {
    /// How to find out more about `error`. `None` where nothing is to be told
    /// apart.
    pub fn inquire(&self, _error: &HandshakeError) -> Option<Inquiry> {
        None
    }
}

impl Inquiry {
    /// What to try next. `None` when enough is known, or nothing more can be.
    pub fn next(&self) -> Option<Trial> {
        None
    }

    /// Tries it on a connection on which TLS begins now, and takes note of
    /// what comes. Whoever calls bounds the time, and drops the future when it
    /// is up: what the trial had heard by then is told as silence.
    pub async fn attempt<IO>(&mut self, _trial: &Trial, _io: IO, _mode: TlsMode, _port: u16)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
    }

    /// What came of each trial, and what they told together. `None` when they
    /// told nothing.
    pub fn conclude(self) -> (Vec<TlsProbe>, Option<Verdict>) {
        (Vec::new(), None)
    }
}
