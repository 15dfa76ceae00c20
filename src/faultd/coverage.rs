//! Which reasons the catalogue has a case for, and why it has none for the
//! others.

use crate::report::Reason;

/// Why no port stages `reason`. `None`: a port does. Which test brings those
/// about that none does stands in `tests/it/staged.rs`.
pub fn exception(reason: Reason) -> Option<&'static str> {
    #[allow(clippy::enum_glob_use, reason = "the table names all of them")]
    use Reason::*;

    Some(match reason {
        DnsNotFound | DnsTemporary => "names are resolved before a relay is spoken to",
        ConnectTimeout | ConnectUnreachable => {
            "the network drops or refuses the packets: no program that listens can"
        }
        AuthToken => "it is about the client's own store of tokens",
        DeadlineExceeded => "it is about the caller's deadline; any port that stalls shows it",
        LocalTrustStore | LocalClock | LocalConfig | LocalInternal | LocalStore => {
            "it is about the client's own machine"
        }
        ConnectRefused
        | ConnectionClosed
        | ConnectionReset
        | PlaintextOnTlsPort
        | TlsOnPlaintextPort
        | NotSmtp
        | NotTls
        | BannerTimeout
        | BannerRejected
        | EhloRejected
        | ReplyMalformed
        | ReplyTooLarge
        | ReplyTimeout
        | StarttlsNotOffered
        | StarttlsStripped
        | StarttlsRefusedTemporary
        | StarttlsRefused
        | StarttlsInjection
        | StarttlsNoTls
        | StarttlsRequired
        | NoCommonVersion
        | NoCommonCipher
        | NoCommonGroup
        | NoCommonSignature
        | VersionIntolerant
        | HelloTooLarge
        | HandshakeRefused
        | SniRejected
        | AccessDenied
        | ServerInternalError
        | AlpnRejected
        | PskRequired
        | HandshakeTimeout
        | HandshakeClosed
        | HandshakeReset
        | Corrupted
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
        | AuthTemporary
        | AuthUnproven
        | SenderRejected
        | RecipientsRejected
        | MessageRejected
        | MessageTooLarge
        | Deferred
        | RelayClosing
        | ExtensionMissing
        | ConnectionLost
        | OutcomeUnknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::IntoEnumIterator as _;

    use super::{super::cases, *};

    #[test]
    fn every_reason_has_a_case_or_an_exception() {
        let cases = cases::all();
        for reason in Reason::iter() {
            let is_staged = cases.iter().any(|case| case.reason == Some(reason));
            assert_eq!(exception(reason).is_none(), is_staged, "{}", reason.name());
        }
    }

    #[test]
    fn names_are_unique_and_plain() {
        let cases = cases::all();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        for name in names {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(is_plain), "{name}");
        }
    }

    #[test]
    fn a_case_says_no_more_than_one_thing() {
        for case in cases::all() {
            assert_eq!(
                case.reason.is_some(),
                !case.stages.is_empty(),
                "{}",
                case.name
            );
            assert!(
                !case.accepts.iter().any(|it| case.reason == Some(*it)),
                "{}",
                case.name
            );
            assert!(
                case.passive.is_none() || case.passive != case.reason,
                "{}",
                case.name
            );
            assert!(!case.about.ends_with('.'), "{}", case.name);
        }
    }
}
