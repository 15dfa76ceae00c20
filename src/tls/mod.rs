//! TLS handshakes and their failures. Knows no SMTP: `smtp::session` says
//! STARTTLS and then calls [`Connector::connect`].

use std::{io, sync::Arc, time::Duration};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::report::{Confidence, Reason, TlsEvidence, TlsMode, TlsSession};

mod settings;

pub use settings::Settings;

/// A version that posthaste speaks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// SHA-256 over a SubjectPublicKeyInfo. Parsed from `sha256/` and base64.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyPin([u8; 32]);

impl std::str::FromStr for KeyPin {
    type Err = crate::mail::Broken;
    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        todo!()
    }
}

/// Our certificate chain, leaf first, and its key.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: Arc<PrivateKeyDer<'static>>,
}

/// The trust anchors of the system, or the bundled ones where there are none.
/// Loaded once.
#[derive(Clone, Debug)]
pub struct SystemRoots {}

impl SystemRoots {
    /// Loads them.
    pub fn load() -> Self {
        todo!()
    }
}

/// Settings that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {}

/// Makes TLS connections under one policy. Cheap to clone: clones share
/// sessions to resume.
#[derive(Clone, Debug)]
pub struct Connector {}

impl Connector {
    /// A connector for a relay named `host`, under merged `settings` over the
    /// built-in defaults (TLS 1.2 to 1.3, system roots, post-quantum groups).
    pub fn new(
        _settings: &Settings,
        _host: &ServerName<'static>,
        _roots: &SystemRoots,
    ) -> Result<Self, PolicyError> {
        todo!()
    }

    /// Performs the handshake within `limit`. `mode` is only told in evidence.
    pub async fn connect<IO>(
        &self,
        _io: IO,
        _mode: TlsMode,
        _limit: Duration,
    ) -> Result<(TlsStream<IO>, TlsSession), Box<HandshakeError>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        todo!()
    }
}

/// An established TLS connection.
#[derive(Debug)]
pub struct TlsStream<IO>(tokio_rustls::client::TlsStream<IO>);

impl<IO> TlsStream<IO> {
    /// What a read error on this stream says about the handshake: in TLS 1.3
    /// the relay's refusal of our certificate arrives on the first read after
    /// it (RFC 8446 section 4.4.2.4). `None` when it says nothing.
    pub fn explain(&self, _error: &io::Error) -> Option<Box<HandshakeError>> {
        todo!()
    }
}

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
    pub summary: String,
    /// What was seen.
    pub evidence: Box<TlsEvidence>,
    /// What the TLS library or the socket said.
    #[source]
    pub source: io::Error,
}
