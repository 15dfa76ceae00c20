//! From what was seen of a handshake to the reason why it failed. Pure: every
//! fact is an argument. What the library's error leaves open is told from the
//! first bytes, the chain that was presented and the relay's wish for a
//! certificate.

mod certificate;
mod ending;
mod inspect;
mod negotiation;
mod received;
mod say;
mod violation;
mod words;

use std::{
    io,
    time::{Duration, SystemTime},
};

pub(super) use say::sentence;

use rustls::Error;
use rustls_pki_types::ServerName;

use super::{alert, opening::Opening, roots::TrustSource, verify::Verifier, witness::Seen};
use crate::report::{AlertDirection, Confidence, Flaw, Reason, TlsAlert, TlsMode, TlsOffer};

/// The handshake took longer than it may.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the handshake was not complete after {0:?}")]
pub(super) struct TimeLimit(pub(super) Duration);

/// What is known beside the error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// How TLS was to start.
    pub(super) mode: TlsMode,
    /// The name that the certificate must carry.
    pub(super) server_name: &'a ServerName<'static>,
    /// What we offered.
    pub(super) offer: &'a TlsOffer,
    /// What was seen of the handshake.
    pub(super) seen: &'a Seen,
    /// What its first bytes are.
    pub(super) opening: &'a Opening,
    /// The alert that was received or sent.
    pub(super) alert: Option<&'a TlsAlert>,
    /// Whether the handshake itself was complete.
    pub(super) settled: bool,
    /// What the chain was judged by.
    pub(super) verifier: &'a Verifier,
    /// Where the trust anchors came from.
    pub(super) trust_source: TrustSource,
    /// The time by this machine's clock.
    pub(super) now: SystemTime,
}

/// What went wrong, and how that is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Finding {
    pub(super) reason: Reason,
    pub(super) confidence: Confidence,
    pub(super) alternatives: Vec<Reason>,
    pub(super) summary: String,
    /// What else is wrong with the chain, the worst first.
    pub(super) flaws: Vec<Flaw>,
}

impl Finding {
    /// Bytes or an alert said so. `summary` has no full stop yet.
    fn observed(reason: Reason, summary: impl Into<String>) -> Self {
        Self {
            reason,
            confidence: Confidence::Observed,
            alternatives: Vec::new(),
            summary: summary.into(),
            flaws: Vec::new(),
        }
    }

    /// It follows from the certificates, or from how the connection ended.
    fn inferred(reason: Reason, summary: impl Into<String>) -> Self {
        Self {
            confidence: Confidence::Inferred,
            ..Self::observed(reason, summary)
        }
    }

    /// It is this reason, or one of the alternatives. Without any, it is seen.
    fn ambiguous(reason: Reason, alternatives: Vec<Reason>, summary: impl Into<String>) -> Self {
        if alternatives.is_empty() {
            return Self::observed(reason, summary);
        }
        Self {
            confidence: Confidence::Ambiguous,
            alternatives,
            ..Self::observed(reason, summary)
        }
    }
}

/// The TLS library's error in an I/O error. It is the error's payload, and so
/// not in the chain of its sources.
pub(super) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What an error on a connection says, in words.
pub fn described(error: &io::Error) -> String {
    match tls_error(error) {
        None => error.to_string(),
        Some(Error::AlertReceived(alert)) => {
            let code = (*alert).into();
            format!("the relay sent the alert {} ({code})", alert::name(code))
        }
        Some(Error::DecryptError) => "what the relay sent was damaged on the way".to_owned(),
        Some(error) => violation::rule(error),
    }
}

/// Why a handshake failed with `error`.
pub(super) fn classify(error: &io::Error, facts: &Facts<'_>) -> Finding {
    let finding = plaintext(facts).unwrap_or_else(|| match tls_error(error) {
        Some(error) => of_tls_error(error, facts),
        None => ending::of(error, facts),
    });
    let sent = facts
        .alert
        .filter(|it| it.direction == AlertDirection::Sent && facts.opening.is_tls());
    let ending = sent.map_or_else(
        || ".".to_owned(),
        |alert| format!(" (alert sent: {}).", alert.name),
    );
    Finding {
        summary: say::sentence(&finding.summary, &ending),
        ..finding
    }
}

/// What came was not TLS. However the handshake then ended, that is why.
fn plaintext(facts: &Facts<'_>) -> Option<Finding> {
    Some(match (facts.opening, facts.mode) {
        (Opening::Reply(line), TlsMode::Implicit) => Finding::observed(
            Reason::PlaintextOnTlsPort,
            format!(
                "The relay speaks plaintext where implicit TLS was expected: it said {}",
                say::quote(line)
            ),
        ),
        (Opening::Reply(line), _) => Finding::observed(
            Reason::StarttlsNoTls,
            format!(
                "The relay accepted STARTTLS and then went on in plaintext: it said {}",
                say::quote(line)
            ),
        ),
        (Opening::Foreign(protocol, line), _) => Finding::observed(
            Reason::NotSmtp,
            format!(
                "The port speaks {protocol} and not SMTP: it said {}",
                say::quote(line)
            ),
        ),
        (Opening::Unknown, _) => Finding::observed(
            Reason::NotTls,
            format!(
                "What came where TLS should begin is not TLS: it starts with {}",
                say::bytes(&facts.seen.received)
            ),
        ),
        (Opening::Silence | Opening::ServerHello(_) | Opening::Alert(..) | Opening::Tls, _) => {
            return None;
        }
    })
}

fn of_tls_error(error: &Error, facts: &Facts<'_>) -> Finding {
    match error {
        Error::AlertReceived(alert) => received::of(*alert, facts),
        Error::InvalidCertificate(error) => certificate::of(error, facts),
        Error::InvalidCertRevocationList(error) => Finding::observed(
            Reason::CertRevocationUnknown,
            format!(
                "A revocation list cannot be used to check the certificate of {}: {}",
                say::host(facts.server_name),
                words::useless_list(error)
            ),
        ),
        Error::NoCertificatesPresented => Finding::observed(
            Reason::CertMissing,
            "The relay presented no certificate".to_owned(),
        ),
        Error::PeerIncompatible(error) => negotiation::incompatible(error, facts),
        Error::PeerMisbehaved(error) => negotiation::misbehaved(error, facts),
        Error::DecryptError => Finding::inferred(
            Reason::Corrupted,
            "A message of the relay was damaged on the way: it could not be decrypted",
        ),
        Error::NoApplicationProtocol => Finding::observed(
            Reason::AlpnRejected,
            "The relay and posthaste have no application protocol in common",
        ),
        Error::FailedToGetCurrentTime => Finding::observed(
            Reason::LocalClock,
            "The clock of the machine that posthaste runs on cannot be read",
        ),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord => violation::of(error),
        other => Finding::observed(
            Reason::LocalInternal,
            format!("The TLS library failed: {other}"),
        ),
    }
}
