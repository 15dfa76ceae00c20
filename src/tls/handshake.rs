//! Handshakes under one policy, within a time limit.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, client::Resumption};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    HandshakeError, PolicyError, Settings, SystemRoots, TlsStream, Version, alert, certificate,
    offer::{self, offer},
    opening::Opening,
    policy::{Deviation, Policy, deviate},
    probe::Ours,
    reason::{self, Facts, TimeLimit},
    record::Recorder,
    roots::TrustSource,
    verify::Verifier,
    version,
    witness::{Seen, Witness},
};
use crate::report::{Reason, TlsEvidence, TlsMode, TlsOffer, TlsSession, TlsVersion};

/// How long to wait, after a handshake that failed, for our alert to go out.
const PARTING: Duration = Duration::from_millis(500);
/// How many certificates of a chain are reported.
const CERTIFICATES: usize = 3;
/// How many of the first bytes are reported.
const FIRST_BYTES: usize = 64;

/// Makes TLS connections under one policy. Cheap to clone: clones share
/// sessions to resume.
#[derive(Clone, Debug)]
pub struct Connector(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    offer: TlsOffer,
    trust_source: TrustSource,
    verifier: Arc<Verifier>,
    versions: Vec<Version>,
}

/// Only clones are the same: two connectors under the same settings share
/// nothing.
impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Connector {
    /// A connector for a relay named `host`, under merged `settings` over the
    /// built-in defaults (TLS 1.2 to 1.3, system roots, post-quantum groups).
    pub fn new(
        settings: &Settings,
        host: &ServerName<'static>,
        roots: &SystemRoots,
    ) -> Result<Self, PolicyError> {
        let policy = Policy::new(settings, roots)?;
        Ok(Self(Arc::new(Inner {
            offer: offer(&policy),
            server_name: settings.server_name.as_ref().unwrap_or(host).clone(),
            trust_source: policy.trust_source,
            verifier: policy.verifier,
            versions: policy.versions,
            config: Arc::new(policy.config),
        })))
    }

    /// The same, but no session is resumed: the relay shows its certificate
    /// and all that it can.
    #[must_use]
    pub fn without_resumption(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0.config);
        config.resumption = Resumption::disabled();
        self.with(config)
    }

    /// A connector that does something otherwise.
    pub(super) fn deviating(&self, deviation: Deviation) -> Result<Self, rustls::Error> {
        let Inner {
            config,
            verifier,
            versions,
            ..
        } = &*self.0;
        Ok(self.with(deviate(config, verifier, versions, deviation)?))
    }

    fn with(&self, config: ClientConfig) -> Self {
        let Inner {
            config: _,
            server_name,
            offer,
            trust_source,
            verifier,
            versions,
        } = &*self.0;
        Self(Arc::new(Inner {
            config: Arc::new(config),
            server_name: server_name.clone(),
            offer: offer.clone(),
            trust_source: *trust_source,
            verifier: Arc::clone(verifier),
            versions: versions.clone(),
        }))
    }

    /// What our handshakes are made of.
    pub(super) fn ours(&self) -> Ours {
        Ours::of(
            self.0.config.crypto_provider(),
            &self.0.verifier,
            &self.0.versions,
            &self.0.server_name,
        )
    }

    /// Performs the handshake within `limit`. `mode` tells what the relay was
    /// to speak before: a plaintext answer means one thing on a port for
    /// implicit TLS and another after STARTTLS.
    pub async fn connect<IO>(
        &self,
        io: IO,
        mode: TlsMode,
        limit: Duration,
    ) -> Result<(TlsStream<IO>, TlsSession), Box<HandshakeError>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let end = Instant::now() + limit;
        let witness = Arc::new(Witness::default());
        let recorder = Recorder::new(io, Arc::clone(&witness));
        let handshake = TlsConnector::from(Arc::clone(&self.0.config))
            .connect(self.0.server_name.clone(), recorder)
            .into_fallible();

        let error = match timeout_at(end, witness.watch(handshake)).await {
            Ok(Ok(stream)) => {
                let session = self.session(stream.get_ref().1, mode);
                let stream = TlsStream::new(stream, self.clone(), session.clone());
                return Ok((stream, session));
            }
            Ok(Err((error, mut recorder))) => {
                // The relay learns why we leave from our alert. Closing without
                // this could overtake it.
                let _ = timeout_at(end.min(Instant::now() + PARTING), recorder.shutdown()).await;
                error
            }
            Err(_elapsed) => io::Error::new(io::ErrorKind::TimedOut, TimeLimit(limit)),
        };
        Err(Box::new(self.failure(error, &witness.seen(), mode, None)))
    }

    /// What an error in or right after a handshake means, with `settled` where
    /// the handshake itself was complete.
    pub(super) fn failure(
        &self,
        error: io::Error,
        seen: &Seen,
        mode: TlsMode,
        settled: Option<TlsSession>,
    ) -> HandshakeError {
        let Inner {
            server_name, offer, ..
        } = &*self.0;
        let opening = Opening::read(&seen.received);
        let was_settled = settled.is_some() || opening.is_settled();
        let tls_error = reason::tls_error(&error);
        let alert = alert::of(tls_error, seen.farewell.last(), &opening);
        let finding = reason::classify(
            &error,
            &Facts {
                mode,
                server_name,
                offer,
                seen,
                opening: &opening,
                alert: alert.as_ref(),
                settled: settled.is_some(),
                verifier: &self.0.verifier,
                trust_source: self.0.trust_source,
                now: SystemTime::now(),
            },
        );

        // What came in plaintext, or was not understood, can be looked at.
        let shows_bytes = !opening.is_tls() || finding.reason == Reason::ProtocolViolation;
        let first_bytes = if shows_bytes {
            let length = seen.received.len().min(FIRST_BYTES);
            Bytes::copy_from_slice(&seen.received[..length])
        } else {
            Bytes::new()
        };
        let chain = seen.chain.iter().take(CERTIFICATES);
        let evidence = TlsEvidence {
            mode,
            server_name: server_name.to_str().into_owned(),
            alert,
            offered: TlsOffer {
                hello_bytes: seen.hello_bytes(),
                ..offer.clone()
            },
            negotiated: settled.or_else(|| self.negotiated(&opening, mode)),
            certificates: chain.map(|der| certificate::describe(der)).collect(),
            first_bytes,
            probes: Vec::new(),
            flaws: finding.flaws,
            trust_source: self.0.trust_source.name,
            starttls_reply: None,
        };
        HandshakeError {
            reason: finding.reason,
            confidence: finding.confidence,
            alternatives: finding.alternatives,
            summary: finding.summary,
            heard_tls: opening.is_tls(),
            was_settled,
            evidence: Box::new(evidence),
            source: error,
        }
    }

    /// What can be told of a failure before any handshake.
    pub fn evidence(&self, mode: TlsMode) -> TlsEvidence {
        TlsEvidence {
            mode,
            server_name: self.0.server_name.to_str().into_owned(),
            alert: None,
            offered: self.0.offer.clone(),
            negotiated: None,
            certificates: Vec::new(),
            first_bytes: Bytes::new(),
            probes: Vec::new(),
            flaws: Vec::new(),
            trust_source: self.0.trust_source.name,
            starttls_reply: None,
        }
    }

    /// What the relay's first message had settled.
    fn negotiated(&self, opening: &Opening, mode: TlsMode) -> Option<TlsSession> {
        let hello = opening.server_hello()?;
        Some(TlsSession {
            mode,
            version: hello.version,
            cipher_suite: Some(offer::suite_name(hello.suite)),
            key_exchange_group: None,
            resumed: false,
            server_name: self.0.server_name.to_str().into_owned(),
            certificate: None,
        })
    }

    /// What a complete handshake has settled.
    fn session(&self, connection: &ClientConnection, mode: TlsMode) -> TlsSession {
        TlsSession {
            mode,
            version: connection.protocol_version().and_then(tls_version),
            cipher_suite: connection
                .negotiated_cipher_suite()
                .map(|suite| offer::suite_name(suite.suite())),
            key_exchange_group: connection
                .negotiated_key_exchange_group()
                .map(|group| offer::group_name(group.name())),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            server_name: self.0.server_name.to_str().into_owned(),
            certificate: connection
                .peer_certificates()
                .and_then(<[_]>::first)
                .map(|der| certificate::describe(der)),
        }
    }
}

fn tls_version(version: ProtocolVersion) -> Option<TlsVersion> {
    version::from_wire(version.into())
}
