//! Why a relay did not take a mail. What each reason means for the caller
//! stands in one table, in `table`.

mod table;

use strum::{EnumIter, IntoStaticStr};

use super::{Acceptance, Fault, Retry};
pub use table::Class;

/// Why a relay did not take a mail. The numbers are those of
/// `RelayFailure.Reason` in `failure.proto`, which documents each value.
#[derive(Clone, Copy, Debug, EnumIter, Eq, Hash, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "failure.proto documents each value")]
pub enum Reason {
    DnsNotFound = 1,
    DnsTemporary = 2,
    ConnectRefused = 3,
    ConnectTimeout = 4,
    ConnectUnreachable = 5,
    ConnectionClosed = 6,
    ConnectionReset = 7,

    PlaintextOnTlsPort = 20,
    TlsOnPlaintextPort = 21,
    NotSmtp = 22,
    NotTls = 23,

    BannerTimeout = 30,
    BannerRejected = 31,
    EhloRejected = 32,
    ReplyMalformed = 33,
    ReplyTooLarge = 34,
    ReplyTimeout = 35,

    StarttlsNotOffered = 40,
    StarttlsStripped = 41,
    StarttlsRefusedTemporary = 42,
    StarttlsRefused = 43,
    StarttlsInjection = 44,
    StarttlsNoTls = 45,
    StarttlsRequired = 46,

    NoCommonVersion = 60,
    NoCommonCipher = 61,
    NoCommonGroup = 62,
    NoCommonSignature = 63,
    VersionIntolerant = 64,
    HelloTooLarge = 65,
    HandshakeRefused = 66,
    SniRejected = 67,
    AccessDenied = 68,
    ServerInternalError = 69,
    AlpnRejected = 70,
    PskRequired = 71,
    HandshakeTimeout = 72,
    HandshakeClosed = 73,
    HandshakeReset = 74,
    Corrupted = 75,
    DowngradeDetected = 76,
    ProtocolViolation = 77,

    CertExpired = 100,
    CertNotYetValid = 101,
    CertNameMismatch = 102,
    SmtpIntercepted = 103,
    CertNoSan = 104,
    CertSelfSigned = 105,
    CertIncompleteChain = 106,
    CertUntrustedRoot = 107,
    CertUnknownIssuer = 108,
    CertRevoked = 109,
    CertWrongPurpose = 110,
    CertCaAsLeaf = 111,
    CertWeakSignature = 112,
    CertWeakKey = 113,
    CertUnsupportedSignature = 114,
    CertUnsupportedVersion = 115,
    CertUnknownCriticalExtension = 116,
    CertBadSignature = 117,
    CertMalformed = 118,
    CertMissing = 119,
    CertPinMismatch = 120,
    CertConstraintViolated = 121,
    CertRevocationUnknown = 122,

    ClientCertRequired = 140,
    ClientCertRejected = 141,

    AuthRejected = 160,
    AuthRequired = 161,
    AuthMechanism = 162,
    AuthTemporary = 163,
    AuthToken = 164,
    AuthUnproven = 165,

    SenderRejected = 180,
    RecipientsRejected = 181,
    MessageRejected = 182,
    MessageTooLarge = 183,
    Deferred = 184,
    RelayClosing = 185,
    ExtensionMissing = 186,
    ConnectionLost = 187,
    OutcomeUnknown = 188,
    DeadlineExceeded = 189,

    LocalTrustStore = 200,
    LocalClock = 201,
    LocalConfig = 202,
    LocalInternal = 203,
    LocalStore = 204,
}

/// Who described the relay, and so answers for its settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RelayOrigin {
    /// The operator, in the configuration.
    Configured,
    /// The caller, in the request.
    Custom,
}

impl Reason {
    /// The name on the wire, such as `CERT_EXPIRED`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it is about.
    pub fn class(self) -> Class {
        self.row().class
    }

    /// Who has to act.
    pub fn fault(self, origin: RelayOrigin) -> Fault {
        self.row().blame.of(origin)
    }

    /// Whether sending the same mail again may help.
    pub fn retry(self) -> Retry {
        self.row().retry
    }

    /// Whether the relay may have the mail.
    pub fn acceptance(self) -> Acceptance {
        self.row().acceptance
    }

    /// The result type of SMTP TLS Reporting that it falls under (RFC 8460
    /// section 4.3), such as `certificate-expired`. `None` when it is not
    /// about TLS, or nothing that the relay could be told.
    pub fn tls_rpt_result_type(self) -> Option<&'static str> {
        self.row().tls_rpt
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn names_are_those_of_the_protos() {
        assert_eq!(Reason::StarttlsNoTls.name(), "STARTTLS_NO_TLS");
        assert_eq!(Reason::CertNoSan.name(), "CERT_NO_SAN");
    }

    #[test]
    fn only_an_unknown_outcome_may_have_been_accepted() {
        for reason in Reason::iter() {
            let unknown = reason == Reason::OutcomeUnknown;
            assert_eq!(reason.acceptance() == Acceptance::Unknown, unknown);
        }
    }

    /// Nothing but the mail itself, or that the relay may have it, makes
    /// sending it again wrong for ever.
    #[test]
    fn a_mail_is_given_up_only_for_itself() {
        for reason in Reason::iter() {
            let fault = reason.fault(RelayOrigin::Configured);
            let refused = reason.class() == Class::Mail && fault == Fault::Caller;
            let never = refused || reason == Reason::OutcomeUnknown;
            assert_eq!(reason.retry() == Retry::Never, never, "{reason:?}");
        }
    }

    #[test]
    fn a_refused_login_is_the_fault_of_who_described_the_relay() {
        assert_eq!(
            Reason::AuthRejected.fault(RelayOrigin::Configured),
            Fault::Operator
        );
        assert_eq!(
            Reason::AuthRejected.fault(RelayOrigin::Custom),
            Fault::Caller
        );
    }

    /// What may be an attack must not be tried again by a machine.
    #[test]
    fn an_attack_gets_no_second_try() {
        for reason in Reason::iter() {
            if reason.fault(RelayOrigin::Custom) == Fault::PossibleAttack {
                assert_eq!(reason.retry(), Retry::AfterFix, "{reason:?}");
            }
        }
    }

    #[test]
    fn all_that_is_about_tls_has_a_result_type() {
        for reason in Reason::iter() {
            let about_tls = match reason.class() {
                Class::Starttls | Class::Negotiation | Class::Certificate | Class::Identity => true,
                Class::Port => reason != Reason::NotSmtp,
                _ => false,
            };
            assert_eq!(
                reason.tls_rpt_result_type().is_some(),
                about_tls,
                "{reason:?}"
            );
        }
        for (reason, told) in [
            (Reason::StarttlsNotOffered, "starttls-not-supported"),
            (Reason::StarttlsRefused, "starttls-not-supported"),
            (Reason::CertNoSan, "certificate-host-mismatch"),
            (Reason::CertExpired, "certificate-expired"),
            (Reason::CertConstraintViolated, "certificate-not-trusted"),
            (Reason::NoCommonVersion, "validation-failure"),
        ] {
            assert_eq!(reason.tls_rpt_result_type(), Some(told));
        }
    }
}
