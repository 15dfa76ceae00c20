//! What was seen of one handshake, gathered from the places that see it: the
//! stream under it, the certificate verifier and the client certificate
//! resolver.
//!
//! rustls resumes a session only under the very verifier and resolver that it
//! began with, so those two are shared by all connections of a connector, and
//! cannot hold what one connection saw. They leave it with the witness that
//! [`Witness::watch`] makes the current one while it polls the handshake.

use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::CertificateDer;

use super::farewell::Farewell;

/// How many of the first received bytes are kept: enough for a `ServerHello` up
/// to the group of its key share, behind the longest session id and a few
/// extensions.
pub(super) const PREFIX: usize = 128;
/// How many certificates of a chain are kept.
const CHAIN: usize = 10;
/// The size of a record header (RFC 8446 section 5.1).
const HEADER: usize = 5;

tokio::task_local! {
    static CURRENT: Arc<Witness>;
}

/// Gathers what is seen of one handshake.
#[derive(Debug, Default)]
pub(super) struct Witness(Mutex<Seen>);

/// What was seen of one handshake.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The first bytes received, at most [`PREFIX`].
    pub(super) received: Vec<u8>,
    /// The header of the first record sent.
    pub(super) sent: Vec<u8>,
    /// Whether the connection was reset, rather than closed.
    pub(super) reset: bool,
    /// The chain that the relay presented, leaf first, at most [`CHAIN`].
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// How many certificates it presented in all.
    pub(super) presented: usize,
    /// What became of the relay's wish for a certificate.
    pub(super) client_certificate: ClientAuth,
    /// Whether the relay took its leave.
    pub(super) farewell: Farewell,
}

/// What became of the relay's wish for a certificate of ours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAuth {
    /// It has none, or has not come to it.
    #[default]
    NotAsked,
    /// We were asked, and had none to show.
    Withheld,
    /// We were asked, and showed ours.
    Shown,
}

impl Witness {
    /// Polls `handshake` with this witness as the current one.
    pub(super) fn watch<F: Future>(
        self: &Arc<Self>,
        handshake: F,
    ) -> impl Future<Output = F::Output> {
        CURRENT.scope(Arc::clone(self), handshake)
    }

    /// Notes the chain for the handshake that is polled now.
    pub(super) fn note_chain(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
        note(|seen| {
            seen.presented = 1 + others.len();
            let all = std::iter::once(leaf).chain(others);
            seen.chain = all.take(CHAIN).map(|it| it.clone().into_owned()).collect();
        });
    }

    /// Notes how a `CertificateRequest` was answered in the handshake that is
    /// polled now.
    pub(super) fn note_client_certificate(answer: ClientAuth) {
        note(|seen| seen.client_certificate = answer);
    }

    /// What was seen up to now.
    pub(super) fn seen(&self) -> Seen {
        self.with(|seen| seen.clone())
    }

    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Seen) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seen {
    /// Notes bytes that came from the relay.
    pub(super) fn note_received(&mut self, bytes: &[u8]) {
        keep(&mut self.received, bytes, PREFIX);
        self.farewell.read(bytes);
    }

    /// Notes bytes that went to the relay.
    pub(super) fn note_sent(&mut self, bytes: &[u8]) {
        keep(&mut self.sent, bytes, HEADER);
    }

    /// The size of our `ClientHello` with its record header. 0 before it went out.
    pub(super) fn hello_bytes(&self) -> u32 {
        match self.sent[..] {
            [_, _, _, high, low] => 5 + u32::from(u16::from_be_bytes([high, low])),
            _ => 0,
        }
    }
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

fn note(change: impl FnOnce(&mut Seen)) {
    // Outside a handshake there is nobody to tell.
    let _ = CURRENT.try_with(|witness| witness.with(change));
}
