//! What each reason means for who sent the mail: one total table, that all
//! else is read from. The status code of a call is derived from it in `api`,
//! what to do about it in `relay::remedy`.

use super::{
    super::{Acceptance, Fault, Retry},
    Reason, RelayOrigin,
};

/// What a reason is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// Reaching the relay.
    Reach,
    /// The port does not speak what its mode expects.
    Port,
    /// Greeting, EHLO and replies as such.
    Talk,
    /// How TLS was to begin.
    Starttls,
    /// What TLS was to settle.
    Negotiation,
    /// The relay's certificate.
    Certificate,
    /// Our certificate.
    Identity,
    /// Credentials.
    Auth,
    /// The mail and its transaction.
    Mail,
    /// The time that the caller allowed.
    Deadline,
    /// This machine, its files and settings.
    Here,
    /// A fault in posthaste itself.
    Defect,
}

/// What a reason means.
pub(super) struct Row {
    pub(super) class: Class,
    pub(super) blame: Blame,
    pub(super) retry: Retry,
    pub(super) acceptance: Acceptance,
    pub(super) tls_rpt: Option<&'static str>,
}

/// Who has to act.
pub(super) enum Blame {
    /// Who described the relay: the operator in the configuration, or the
    /// caller in the request.
    Owner,
    Caller,
    Operator,
    Relay,
    Network,
    Attack,
}

impl Blame {
    pub(super) fn of(self, origin: RelayOrigin) -> Fault {
        match (self, origin) {
            (Self::Caller, _) | (Self::Owner, RelayOrigin::Custom) => Fault::Caller,
            (Self::Operator, _) | (Self::Owner, RelayOrigin::Configured) => Fault::Operator,
            (Self::Relay, _) => Fault::Relay,
            (Self::Network, _) => Fault::Network,
            (Self::Attack, _) => Fault::PossibleAttack,
        }
    }
}

// The result types of RFC 8460 section 4.3. Chains that are refused for
// whatever else than their dates and names are not trusted.
const NOT_SUPPORTED: Option<&str> = Some("starttls-not-supported");
const HOST_MISMATCH: Option<&str> = Some("certificate-host-mismatch");
const EXPIRED: Option<&str> = Some("certificate-expired");
const NOT_TRUSTED: Option<&str> = Some("certificate-not-trusted");
const VALIDATION: Option<&str> = Some("validation-failure");

impl Reason {
    #[expect(clippy::match_same_arms, reason = "one row for each")]
    #[rustfmt::skip]
    pub(super) fn row(self) -> Row {
        #[allow(clippy::enum_glob_use, reason = "the table names all of them")]
        use Reason::*;
        use Acceptance::{None as Nobody, Unknown};
        use Blame::{Attack, Caller, Network, Operator, Owner, Relay};
        use Class::{
            Auth, Certificate, Deadline, Defect, Here, Identity, Mail, Negotiation, Port, Reach,
            Starttls, Talk,
        };
        use Retry::{AfterFix, Later, Never};

        let (class, blame, retry, acceptance, tls_rpt) = match self {
            // reason                       about         who acts  again     who has  RFC 8460
            DnsNotFound                  => (Reach,       Owner,    AfterFix, Nobody,  None),
            DnsTemporary                 => (Reach,       Network,  Later,    Nobody,  None),
            ConnectRefused               => (Reach,       Relay,    Later,    Nobody,  None),
            ConnectTimeout               => (Reach,       Network,  Later,    Nobody,  None),
            ConnectUnreachable           => (Reach,       Network,  Later,    Nobody,  None),
            ConnectionClosed             => (Reach,       Relay,    Later,    Nobody,  None),
            ConnectionReset              => (Reach,       Network,  Later,    Nobody,  None),

            PlaintextOnTlsPort           => (Port,        Owner,    AfterFix, Nobody,  VALIDATION),
            TlsOnPlaintextPort           => (Port,        Owner,    AfterFix, Nobody,  VALIDATION),
            NotSmtp                      => (Port,        Owner,    AfterFix, Nobody,  None),
            NotTls                       => (Port,        Relay,    AfterFix, Nobody,  VALIDATION),

            BannerTimeout                => (Talk,        Relay,    Later,    Nobody,  None),
            BannerRejected               => (Talk,        Relay,    AfterFix, Nobody,  None),
            EhloRejected                 => (Talk,        Owner,    AfterFix, Nobody,  None),
            ReplyMalformed               => (Talk,        Relay,    AfterFix, Nobody,  None),
            ReplyTooLarge                => (Talk,        Relay,    AfterFix, Nobody,  None),
            ReplyTimeout                 => (Talk,        Relay,    Later,    Nobody,  None),

            StarttlsNotOffered           => (Starttls,    Relay,    AfterFix, Nobody,  NOT_SUPPORTED),
            StarttlsStripped             => (Starttls,    Network,  AfterFix, Nobody,  NOT_SUPPORTED),
            StarttlsRefusedTemporary     => (Starttls,    Relay,    Later,    Nobody,  NOT_SUPPORTED),
            StarttlsRefused              => (Starttls,    Relay,    AfterFix, Nobody,  NOT_SUPPORTED),
            StarttlsInjection            => (Starttls,    Attack,   AfterFix, Nobody,  VALIDATION),
            StarttlsNoTls                => (Starttls,    Relay,    AfterFix, Nobody,  VALIDATION),
            StarttlsRequired             => (Starttls,    Owner,    AfterFix, Nobody,  VALIDATION),

            NoCommonVersion              => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            NoCommonCipher               => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            NoCommonGroup                => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            NoCommonSignature            => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            VersionIntolerant            => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            HelloTooLarge                => (Negotiation, Network,  AfterFix, Nobody,  VALIDATION),
            HandshakeRefused             => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            SniRejected                  => (Negotiation, Owner,    AfterFix, Nobody,  VALIDATION),
            AccessDenied                 => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            ServerInternalError          => (Negotiation, Relay,    Later,    Nobody,  VALIDATION),
            AlpnRejected                 => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            PskRequired                  => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),
            HandshakeTimeout             => (Negotiation, Network,  Later,    Nobody,  VALIDATION),
            HandshakeClosed              => (Negotiation, Relay,    Later,    Nobody,  VALIDATION),
            HandshakeReset               => (Negotiation, Network,  Later,    Nobody,  VALIDATION),
            Corrupted                    => (Negotiation, Network,  Later,    Nobody,  VALIDATION),
            DowngradeDetected            => (Negotiation, Attack,   AfterFix, Nobody,  VALIDATION),
            ProtocolViolation            => (Negotiation, Relay,    AfterFix, Nobody,  VALIDATION),

            CertExpired                  => (Certificate, Relay,    AfterFix, Nobody,  EXPIRED),
            CertNotYetValid              => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertNameMismatch             => (Certificate, Relay,    AfterFix, Nobody,  HOST_MISMATCH),
            SmtpIntercepted              => (Certificate, Network,  AfterFix, Nobody,  HOST_MISMATCH),
            CertNoSan                    => (Certificate, Relay,    AfterFix, Nobody,  HOST_MISMATCH),
            CertSelfSigned               => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertIncompleteChain          => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertUntrustedRoot            => (Certificate, Owner,    AfterFix, Nobody,  NOT_TRUSTED),
            CertUnknownIssuer            => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertRevoked                  => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertWrongPurpose             => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertCaAsLeaf                 => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertWeakSignature            => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertWeakKey                  => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertUnsupportedSignature     => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertUnsupportedVersion       => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertUnknownCriticalExtension => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertBadSignature             => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertMalformed                => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertMissing                  => (Certificate, Relay,    AfterFix, Nobody,  VALIDATION),
            CertPinMismatch              => (Certificate, Owner,    AfterFix, Nobody,  NOT_TRUSTED),
            CertConstraintViolated       => (Certificate, Relay,    AfterFix, Nobody,  NOT_TRUSTED),
            CertRevocationUnknown        => (Certificate, Operator, AfterFix, Nobody,  NOT_TRUSTED),

            ClientCertRequired           => (Identity,    Owner,    AfterFix, Nobody,  VALIDATION),
            ClientCertRejected           => (Identity,    Owner,    AfterFix, Nobody,  VALIDATION),

            AuthRejected                 => (Auth,        Owner,    AfterFix, Nobody,  None),
            AuthRequired                 => (Auth,        Owner,    AfterFix, Nobody,  None),
            AuthMechanism                => (Auth,        Owner,    AfterFix, Nobody,  None),
            AuthTemporary                => (Auth,        Relay,    Later,    Nobody,  None),
            AuthToken                    => (Auth,        Owner,    AfterFix, Nobody,  None),
            AuthUnproven                 => (Auth,        Attack,   AfterFix, Nobody,  None),

            SenderRejected               => (Mail,        Caller,   Never,    Nobody,  None),
            RecipientsRejected           => (Mail,        Caller,   Never,    Nobody,  None),
            MessageRejected              => (Mail,        Caller,   Never,    Nobody,  None),
            MessageTooLarge              => (Mail,        Caller,   Never,    Nobody,  None),
            Deferred                     => (Mail,        Relay,    Later,    Nobody,  None),
            RelayClosing                 => (Mail,        Relay,    Later,    Nobody,  None),
            ExtensionMissing             => (Mail,        Relay,    AfterFix, Nobody,  None),
            ConnectionLost               => (Mail,        Network,  Later,    Nobody,  None),
            OutcomeUnknown               => (Mail,        Relay,    Never,    Unknown, None),
            DeadlineExceeded             => (Deadline,    Caller,   Later,    Nobody,  None),

            LocalTrustStore              => (Here,        Operator, AfterFix, Nobody,  None),
            LocalClock                   => (Here,        Operator, AfterFix, Nobody,  None),
            LocalConfig                  => (Here,        Operator, AfterFix, Nobody,  None),
            LocalInternal                => (Defect,      Operator, AfterFix, Nobody,  None),
            LocalStore                   => (Here,        Operator, Later,    Nobody,  None),
        };
        Row { class, blame, retry, acceptance, tls_rpt }
    }
}
