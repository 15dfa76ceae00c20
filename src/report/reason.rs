//! Why a relay did not take a mail.

use strum::{EnumIter, IntoStaticStr};

use super::{Acceptance, Fault, Retry};

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

impl RelayOrigin {
    fn owner(self) -> Fault {
        match self {
            Self::Configured => Fault::Operator,
            Self::Custom => Fault::Caller,
        }
    }
}

impl Reason {
    /// The name on the wire, such as `CERT_EXPIRED`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Who has to act.
    pub fn fault(self, origin: RelayOrigin) -> Fault {
        #[allow(clippy::enum_glob_use, reason = "the table names nearly all of them")]
        use Reason::*;

        match self {
            DnsNotFound | PlaintextOnTlsPort | TlsOnPlaintextPort | NotSmtp | EhloRejected
            | SniRejected | ClientCertRequired | ClientCertRejected | AuthRejected
            | AuthRequired | AuthMechanism | AuthToken | CertUntrustedRoot | CertPinMismatch => {
                origin.owner()
            }
            DnsTemporary | ConnectTimeout | ConnectUnreachable | ConnectionReset
            | HandshakeReset | HandshakeTimeout | Corrupted | HelloTooLarge | ConnectionLost
            | SmtpIntercepted | StarttlsStripped => Fault::Network,
            ConnectRefused
            | ConnectionClosed
            | NotTls
            | BannerTimeout
            | BannerRejected
            | ReplyMalformed
            | ReplyTooLarge
            | ReplyTimeout
            | StarttlsNotOffered
            | StarttlsRefusedTemporary
            | StarttlsRefused
            | StarttlsNoTls
            | NoCommonVersion
            | NoCommonCipher
            | NoCommonGroup
            | NoCommonSignature
            | VersionIntolerant
            | HandshakeRefused
            | AccessDenied
            | ServerInternalError
            | AlpnRejected
            | PskRequired
            | HandshakeClosed
            | ProtocolViolation
            | CertExpired
            | CertNotYetValid
            | CertNameMismatch
            | CertNoSan
            | CertSelfSigned
            | CertIncompleteChain
            | CertUnknownIssuer
            | CertRevoked
            | CertWrongPurpose
            | CertCaAsLeaf
            | CertWeakSignature
            | CertWeakKey
            | CertUnsupportedSignature
            | CertUnsupportedVersion
            | CertUnknownCriticalExtension
            | CertBadSignature
            | CertMalformed
            | CertMissing
            | CertConstraintViolated
            | CertRevocationUnknown
            | AuthTemporary
            | Deferred
            | RelayClosing
            | ExtensionMissing
            | OutcomeUnknown => Fault::Relay,
            SenderRejected | RecipientsRejected | MessageRejected | MessageTooLarge
            | DeadlineExceeded => Fault::Caller,
            StarttlsInjection | DowngradeDetected | AuthUnproven => Fault::PossibleAttack,
            LocalTrustStore | LocalClock | LocalConfig | LocalInternal | LocalStore => {
                Fault::Operator
            }
        }
    }

    /// Whether sending the same mail again may help.
    pub fn retry(self) -> Retry {
        #[allow(clippy::enum_glob_use, reason = "the table names nearly all of them")]
        use Reason::*;

        match self {
            DnsTemporary
            | ConnectRefused
            | ConnectTimeout
            | ConnectUnreachable
            | ConnectionClosed
            | ConnectionReset
            | BannerTimeout
            | ReplyTimeout
            | StarttlsRefusedTemporary
            | ServerInternalError
            | HandshakeTimeout
            | HandshakeClosed
            | HandshakeReset
            | Corrupted
            | AuthTemporary
            | Deferred
            | RelayClosing
            | ConnectionLost
            | DeadlineExceeded
            | LocalStore => Retry::Later,
            SenderRejected | RecipientsRejected | MessageRejected | MessageTooLarge
            | OutcomeUnknown => Retry::Never,
            DnsNotFound
            | PlaintextOnTlsPort
            | TlsOnPlaintextPort
            | NotSmtp
            | NotTls
            | BannerRejected
            | EhloRejected
            | ReplyMalformed
            | ReplyTooLarge
            | StarttlsNotOffered
            | StarttlsStripped
            | StarttlsRefused
            | StarttlsInjection
            | StarttlsNoTls
            | NoCommonVersion
            | NoCommonCipher
            | NoCommonGroup
            | NoCommonSignature
            | VersionIntolerant
            | HelloTooLarge
            | HandshakeRefused
            | SniRejected
            | AccessDenied
            | AlpnRejected
            | PskRequired
            | DowngradeDetected
            | ProtocolViolation
            | CertExpired
            | CertNotYetValid
            | CertNameMismatch
            | SmtpIntercepted
            | CertNoSan
            | CertSelfSigned
            | CertIncompleteChain
            | CertUntrustedRoot
            | CertUnknownIssuer
            | CertRevoked
            | CertWrongPurpose
            | CertCaAsLeaf
            | CertWeakSignature
            | CertWeakKey
            | CertUnsupportedSignature
            | CertUnsupportedVersion
            | CertUnknownCriticalExtension
            | CertBadSignature
            | CertMalformed
            | CertMissing
            | CertPinMismatch
            | CertConstraintViolated
            | CertRevocationUnknown
            | ClientCertRequired
            | ClientCertRejected
            | AuthRejected
            | AuthRequired
            | AuthMechanism
            | AuthToken
            | AuthUnproven
            | ExtensionMissing
            | LocalTrustStore
            | LocalClock
            | LocalConfig
            | LocalInternal => Retry::AfterFix,
        }
    }

    /// Whether the relay may have the mail.
    pub fn acceptance(self) -> Acceptance {
        match self {
            Self::OutcomeUnknown => Acceptance::Unknown,
            _ => Acceptance::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_protos() {
        assert_eq!(Reason::StarttlsNoTls.name(), "STARTTLS_NO_TLS");
        assert_eq!(Reason::CertNoSan.name(), "CERT_NO_SAN");
    }

    #[test]
    fn only_an_unknown_outcome_may_have_been_accepted() {
        assert_eq!(Reason::OutcomeUnknown.acceptance(), Acceptance::Unknown);
        assert_eq!(Reason::OutcomeUnknown.retry(), Retry::Never);
        assert_eq!(Reason::ConnectionLost.acceptance(), Acceptance::None);
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
}
