//! Facts about TLS.

use std::time::SystemTime;

use bytes::Bytes;
use strum::{Display, EnumIter, EnumString, VariantNames};

use super::{Confidence, Reason, Reply};

/// When TLS starts on a connection to a relay.
#[derive(
    Clone,
    Copy,
    Debug,
    Display,
    EnumIter,
    EnumString,
    Eq,
    PartialEq,
    VariantNames,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TlsMode {
    /// From the first byte (RFC 8314).
    Implicit = 1,
    /// By STARTTLS (RFC 3207), required.
    Starttls = 2,
    /// By STARTTLS when it is offered, plaintext otherwise.
    StarttlsIfOffered = 3,
    /// Never, even when STARTTLS is offered.
    Plaintext = 4,
}

impl TlsMode {
    /// The mode that a port has when nobody says otherwise: 465 is implicit
    /// TLS (RFC 8314 section 3.3), every other port STARTTLS.
    pub fn of_port(port: u16) -> Self {
        if port == 465 {
            Self::Implicit
        } else {
            Self::Starttls
        }
    }

    /// Whether a session in this mode never goes on in plaintext.
    pub fn requires_tls(self) -> bool {
        matches!(self, Self::Implicit | Self::Starttls)
    }
}

/// A protocol version. The old ones appear only as facts about a relay.
#[derive(Clone, Copy, Debug, EnumIter, Eq, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "the names say it")]
pub enum TlsVersion {
    Ssl30 = 1,
    Tls10 = 2,
    Tls11 = 3,
    Tls12 = 4,
    Tls13 = 5,
}

/// What TLS negotiated.
#[derive(Clone, Debug)]
pub struct TlsSession {
    /// How it started.
    pub mode: TlsMode,
    /// The version, once it was settled.
    pub version: Option<TlsVersion>,
    /// The IANA name of the suite, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher_suite: Option<String>,
    /// The IANA name of the group, such as `X25519MLKEM768`.
    pub key_exchange_group: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The name that was verified.
    pub server_name: String,
    /// The relay's own certificate.
    pub certificate: Option<Certificate>,
}

/// Facts about a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// The issuer, as RFC 4514 writes it.
    pub issuer: String,
    /// Lower-case hexadecimal.
    pub serial_number: String,
    /// Valid from.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
    /// Subject alternative names: DNS names before IP addresses.
    pub subject_alt_names: Vec<String>,
    /// SHA-256 over the DER form, lower-case hexadecimal.
    pub sha256_fingerprint: String,
    /// Such as `ecdsa-with-SHA256`.
    pub signature_algorithm: String,
    /// Such as `RSA 2048` or `EC P-256`.
    pub public_key: String,
    /// Whether it is signed with its own key.
    pub self_signed: bool,
    /// SHA-256 over the SubjectPublicKeyInfo, as `sha256/` and base64.
    pub key_pin: String,
}

/// Which way an alert went. The numbers are those of `TlsAlert.Direction`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AlertDirection {
    Received = 1,
    Sent = 2,
}

/// A TLS alert (RFC 8446 section 6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsAlert {
    /// Which way it went.
    pub direction: AlertDirection,
    /// The AlertDescription number, such as 40.
    pub code: u8,
    /// Its IANA name, such as `handshake_failure`.
    pub name: String,
}

/// What our ClientHello offered. IANA names.
#[derive(Clone, Debug, Default)]
pub struct TlsOffer {
    /// Oldest first.
    pub versions: Vec<TlsVersion>,
    /// In the order of preference.
    pub cipher_suites: Vec<String>,
    /// In the order of preference.
    pub key_exchange_groups: Vec<String>,
    /// In the order of preference.
    pub signature_schemes: Vec<String>,
    /// The size of the ClientHello with its record header.
    pub hello_bytes: u32,
}

/// What was seen of a handshake that failed.
#[derive(Clone, Debug)]
pub struct TlsEvidence {
    /// How TLS was to start.
    pub mode: TlsMode,
    /// The name sent as SNI and looked for in the certificate.
    pub server_name: String,
    /// `None` when neither side sent an alert.
    pub alert: Option<TlsAlert>,
    /// What we offered.
    pub offered: TlsOffer,
    /// What was settled before it failed.
    pub negotiated: Option<TlsSession>,
    /// The chain that the relay presented, leaf first, at most three.
    pub certificates: Vec<Certificate>,
    /// The first bytes that came where TLS should have been, at most 64.
    pub first_bytes: Bytes,
    /// Handshakes that were tried afterwards, to tell causes apart.
    pub probes: Vec<TlsProbe>,
    /// What else is wrong with the chain, the worst first.
    pub flaws: Vec<Flaw>,
    /// Where the trust anchors came from: `system`, `bundled` or `file`.
    pub trust_source: &'static str,
    /// The relay's go-ahead, where TLS began by STARTTLS.
    pub starttls_reply: Option<Reply>,
}

/// One handshake that a probe tried, and what came of it.
#[derive(Clone, Debug)]
pub struct TlsProbe {
    /// What the probe changed, such as `tls12-only` or `port-465-implicit`.
    pub name: String,
    /// How TLS was to start.
    pub mode: TlsMode,
    /// The TCP port.
    pub port: u16,
    /// Whether the relay went along.
    pub succeeded: bool,
    /// What was settled, as far as it got.
    pub session: Option<TlsSession>,
    /// Why it failed, where that is known.
    pub reason: Option<Reason>,
    /// The alert that the relay answered with.
    pub alert: Option<TlsAlert>,
}

/// Something that is wrong with a chain of certificates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flaw {
    /// What is wrong.
    pub reason: Reason,
    /// How that is known.
    pub confidence: Confidence,
    /// One sentence in English with the facts.
    pub summary: String,
}
