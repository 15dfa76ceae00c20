//! What a check of a relay found.

use std::time::Duration;

use strum::EnumIter;

use super::{
    Certificate, Reason, RelayFailure, Remedy, Reply, Session, Stage, TlsMode, TlsSession,
    TlsVersion,
};

/// What a check of a relay found.
#[derive(Clone, Debug)]
pub struct Check {
    /// The steps of the session, in their order. The last may have failed.
    pub steps: Vec<Walked>,
    /// The session, when it came to one.
    pub session: Option<Session>,
    /// The failure that stopped the walk, and what else is wrong, the worst
    /// first.
    pub findings: Vec<RelayFailure>,
    /// What is no failure yet.
    pub warnings: Vec<Warning>,
    /// The submission ports of the host, when they were asked for.
    pub ports: Vec<Port>,
    /// The chain that the relay presented, leaf first.
    pub certificates: Vec<Certificate>,
    /// What the relay accepts, when that was asked for.
    pub accepted: Option<Enumeration>,
}

impl Check {
    /// Whether a mail could be handed over.
    pub fn is_healthy(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One step of a session.
#[derive(Clone, Debug)]
pub struct Walked {
    /// Which one.
    pub stage: Stage,
    /// How long it took.
    pub elapsed: Duration,
    /// The relay's reply, for steps that have one.
    pub reply: Option<Reply>,
    /// Why it failed, when it did.
    pub failure: Option<RelayFailure>,
}

/// Something that is no failure yet.
#[derive(Clone, Debug)]
pub struct Warning {
    /// What it is.
    pub code: WarningCode,
    /// One sentence in English with the facts.
    pub summary: String,
    /// What to do about it.
    pub remedy: Option<Remedy>,
}

/// What a warning is about. The numbers are those of
/// `CheckRelayResponse.Warning.Code`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "relay_service.proto documents each value")]
pub enum WarningCode {
    CertificateExpiresSoon = 1,
    Tls12Only = 2,
    RootInChain = 3,
    ChainOutOfOrder = 4,
    NoPipelining = 5,
    WeakSuitesAccepted = 6,
    KeyUsageUnusual = 7,
    OldVersionsAccepted = 8,
    NoAuthOffered = 9,
}

/// One submission port of a host.
#[derive(Clone, Debug)]
pub struct Port {
    /// The TCP port.
    pub port: u16,
    /// Whether a connection could be made.
    pub reachable: bool,
    /// The first line of the greeting.
    pub banner: Option<String>,
    /// The mode that the port turned out to speak. `None` when neither.
    pub detected_mode: Option<TlsMode>,
    /// Whether greeting, EHLO and TLS went well.
    pub healthy: bool,
    /// What TLS negotiated.
    pub tls: Option<TlsSession>,
    /// What is wrong with it.
    pub reason: Option<Reason>,
}

/// What a relay accepts, and what of it posthaste offers too.
#[derive(Clone, Debug, Default)]
pub struct Enumeration {
    /// Oldest first.
    pub versions: Vec<TlsVersion>,
    /// IANA names.
    pub cipher_suites: Vec<String>,
    /// IANA names.
    pub key_exchange_groups: Vec<String>,
    /// Those of `versions` that posthaste offers.
    pub shared_versions: Vec<TlsVersion>,
    /// Those of `cipher_suites` that posthaste offers.
    pub shared_cipher_suites: Vec<String>,
    /// Those of `key_exchange_groups` that posthaste offers.
    pub shared_key_exchange_groups: Vec<String>,
}
