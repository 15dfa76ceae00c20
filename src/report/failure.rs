//! One failure, whole.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use strum::EnumIter;

use super::{
    Reason, RecipientResult, RelayEndpoint, RelayOrigin, Remedy, Reply, Stage, TlsEvidence,
};

/// Why a relay did not take a mail, with what was seen and what helps.
#[derive(Clone, Debug)]
pub struct RelayFailure {
    /// What went wrong.
    pub reason: Reason,
    /// How far the session got.
    pub stage: Stage,
    /// Who described the relay.
    pub origin: RelayOrigin,
    /// When trying again may help. Only with [`Retry::Later`].
    pub retry_after: Option<Duration>,
    /// How the reason is known.
    pub confidence: Confidence,
    /// What else it may be, with [`Confidence::Ambiguous`].
    pub alternatives: Vec<Reason>,
    /// One sentence in English that says what happened, with its facts.
    pub summary: String,
    /// What to do, the likeliest first.
    pub remedies: Vec<Remedy>,
    /// The relay, as far as it was reached.
    pub endpoint: RelayEndpoint,
    /// The reply that refused, where one did.
    pub reply: Option<Reply>,
    /// The addresses that were tried in vain.
    pub connect_attempts: Vec<ConnectAttempt>,
    /// What was seen of a handshake that failed.
    pub tls: Option<Box<TlsEvidence>>,
    /// What became of each recipient of the mail, in envelope order. Empty where
    /// it is of no mail, or of a part that is told elsewhere.
    pub recipients: Vec<RecipientResult>,
    /// A library's own words, for a bug report.
    pub library_message: Option<String>,
    /// The EHLO keyword that the relay lacks.
    pub missing_extension: Option<&'static str>,
    /// The first octets of what came in the place of a reply, at most 64.
    pub first_bytes: Bytes,
}

impl RelayFailure {
    /// Who has to act.
    pub fn fault(&self) -> Fault {
        self.reason.fault(self.origin)
    }

    /// Whether sending the same mail again may help.
    pub fn retry(&self) -> Retry {
        self.reason.retry()
    }

    /// Whether the relay may have the mail.
    pub fn acceptance(&self) -> Acceptance {
        self.reason.acceptance()
    }
}

/// One address that was tried.
#[derive(Clone, Copy, Debug)]
pub struct ConnectAttempt {
    /// The address.
    pub ip: IpAddr,
    /// Why it could not be connected to. `None` where another address was
    /// faster.
    pub reason: Option<Reason>,
    /// How long it was tried.
    pub elapsed: Duration,
}

/// Who has to act. The numbers are those of `RelayFailure.Fault`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "failure.proto documents each value")]
pub enum Fault {
    Caller = 1,
    Relay = 2,
    Network = 3,
    Operator = 4,
    PossibleAttack = 5,
}

/// Whether sending again may help. The numbers are those of `RelayFailure.Retry`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "failure.proto documents each value")]
pub enum Retry {
    AfterFix = 1,
    Later = 2,
    Never = 3,
}

/// How the reason is known. The numbers are those of `RelayFailure.Confidence`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "failure.proto documents each value")]
pub enum Confidence {
    Observed = 1,
    Inferred = 2,
    Probed = 3,
    Ambiguous = 4,
}

/// Whether the relay has the mail. The numbers are those of `RelayFailure.Acceptance`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "failure.proto documents each value")]
pub enum Acceptance {
    None = 1,
    Unknown = 2,
}
