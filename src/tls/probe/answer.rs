//! What came of a handshake that was tried.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::flight::Flight;
use crate::{
    report::{AlertDirection, Reason, TlsSession},
    tls::{HandshakeError, reason::tls_error},
};

/// How much of an answer is read.
const LIMIT: usize = 32 * 1024;

/// The alerts that refuse a hello without saying what is wrong with it.
pub(super) const UNEXPLAINED: [u8; 9] = [10, 22, 40, 47, 50, 70, 71, 109, 110];

/// What came of a handshake that was tried.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nothing, in the time there was.
    Silence,
    /// The end, without a word.
    Closed,
    /// A reset, without a word.
    Reset,
    /// There was no connection to try it on.
    Missed,
    /// A refusal that does not say why.
    Alert(u8),
    /// Something that is not TLS.
    Plaintext,
    /// The relay went along with a hello.
    Flight(Box<Flight>),
    /// The relay went along to the end, with what we then thought of its
    /// certificate.
    Worked {
        session: Option<Box<TlsSession>>,
        certificate: Option<Box<HandshakeError>>,
    },
    /// A failure that says why.
    Told(Box<HandshakeError>),
}

impl Answer {
    /// What a handshake that failed says of the relay's opinion of our hello.
    pub(super) fn of_error(error: Box<HandshakeError>) -> Self {
        let is_certificate = matches!(
            tls_error(&error.source),
            Some(
                rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidCertRevocationList(_)
            )
        );
        if is_certificate {
            return Self::Worked {
                session: error.evidence.negotiated.clone().map(Box::new),
                certificate: Some(error),
            };
        }
        let answered = error.was_settled;
        match (&error.reason, alert(&error)) {
            (Reason::ConnectionClosed | Reason::HandshakeClosed, None) if !answered => Self::Closed,
            (Reason::ConnectionReset | Reason::HandshakeReset, None) if !answered => Self::Reset,
            (Reason::HandshakeTimeout, None) if !answered => Self::Silence,
            (
                Reason::PlaintextOnTlsPort
                | Reason::StarttlsNoTls
                | Reason::NotSmtp
                | Reason::NotTls,
                _,
            ) => Self::Plaintext,
            (_, Some(code)) if !answered && UNEXPLAINED.contains(&code) => Self::Alert(code),
            _ => Self::Told(error),
        }
    }

    fn of_flight(flight: Flight) -> Option<Self> {
        Some(match flight {
            Flight {
                chosen: Some(_), ..
            } => Self::Flight(Box::new(flight)),
            Flight {
                alert: Some(code), ..
            } => Self::Alert(code),
            Flight {
                is_foreign: true, ..
            } => Self::Plaintext,
            _ => return None,
        })
    }

    /// Whether nothing was said.
    pub(super) fn is_mute(&self) -> bool {
        matches!(self, Self::Silence | Self::Closed | Self::Reset)
    }

    /// The alert that refused.
    pub(super) fn alert(&self) -> Option<u8> {
        match self {
            Self::Alert(code) => Some(*code),
            Self::Flight(flight) => flight.alert,
            Self::Told(error) => alert(error),
            _ => None,
        }
    }

    /// What the relay would go along with.
    pub(super) fn flight(&self) -> Option<&Flight> {
        match self {
            Self::Flight(flight) => Some(flight),
            _ => None,
        }
    }
}

/// The alert that the relay sent.
fn alert(error: &HandshakeError) -> Option<u8> {
    let alert = error.evidence.alert.as_ref()?;
    (alert.direction == AlertDirection::Received).then_some(alert.code)
}

/// Says `hello` and hears the answer, telling `answer` what it is as far as it
/// has come.
pub(super) async fn ask<IO>(mut io: IO, hello: &[u8], answer: &mut Answer)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // A relay that is gone may have left an alert to be read.
    let _ = io.write_all(hello).await;
    let _ = io.flush().await;
    let mut received = Vec::new();
    loop {
        let room = LIMIT.saturating_sub(received.len());
        if room == 0 {
            return;
        }
        let mut chunk = (&mut io).take(room as u64);
        match chunk.read_buf(&mut received).await {
            Ok(0) => return end(answer, Answer::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return end(answer, Answer::Reset);
            }
            Err(_) => return end(answer, Answer::Closed),
        }
        let flight = Flight::read(&received);
        let is_complete = flight.is_complete;
        if let Some(heard) = Answer::of_flight(flight) {
            *answer = heard;
        }
        if is_complete {
            // A relay that says no more than that it leaves has closed.
            return end(answer, Answer::Closed);
        }
    }
}

/// An end says something only where nothing was said before.
fn end(answer: &mut Answer, ending: Answer) {
    if answer.is_mute() {
        *answer = ending;
    }
}
