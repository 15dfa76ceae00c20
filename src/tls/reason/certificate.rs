//! Certificates that were refused.
//!
//! The reason is what the verification stopped at: so it is the one that our
//! alert, and the relay's log, tell too. What else is wrong stands beside it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::CertificateError;
use rustls_pki_types::UnixTime;

use super::{
    Facts, Finding,
    inspect::{self, Flaw, leaf},
    say, words,
};
use crate::{report::Reason, tls::verify::PinMismatch};

/// Why a certificate was refused with `error`.
pub(super) fn of(error: &CertificateError, facts: &Facts<'_>) -> Finding {
    let mut flaws = if gave_up(error) {
        Vec::new()
    } else {
        inspect::inspect(facts)
    };
    let found = likely(error)
        .iter()
        .find_map(|reason| flaws.iter().position(|flaw| flaw.reason == *reason));
    let first = match found {
        Some(place) => flaws.remove(place),
        None => told(error, facts),
    };
    first.with(&flaws)
}

/// Whether webpki gave up on a chain that takes too long. Looking at it again,
/// in several ways, would take several times as long.
fn gave_up(error: &CertificateError) -> bool {
    let CertificateError::Other(other) = error else {
        return false;
    };
    other.0.downcast_ref().is_some_and(is_of_effort)
}

fn is_of_effort(error: &webpki::Error) -> bool {
    use webpki::Error;

    matches!(
        error,
        Error::MaximumSignatureChecksExceeded
            | Error::MaximumPathBuildCallsExceeded
            | Error::MaximumNameConstraintComparisonsExceeded
    )
}

/// What `error` may be when the certificates are looked at, the likeliest
/// first.
fn likely(error: &CertificateError) -> &'static [Reason] {
    use CertificateError as Error;

    match error {
        Error::Expired | Error::ExpiredContext { .. } => &[Reason::CertExpired],
        Error::NotValidYet | Error::NotValidYetContext { .. } => {
            &[Reason::CertNotYetValid, Reason::LocalClock]
        }
        Error::NotValidForName | Error::NotValidForNameContext { .. } => {
            &[Reason::CertNameMismatch, Reason::CertNoSan]
        }
        Error::UnknownIssuer => &[
            Reason::LocalTrustStore,
            Reason::CertSelfSigned,
            Reason::CertUntrustedRoot,
            Reason::CertUnknownIssuer,
            Reason::CertIncompleteChain,
        ],
        Error::Revoked => &[Reason::CertRevoked],
        // Signatures of small keys, and of very large ones, count as bad ones.
        Error::BadSignature => &[
            Reason::CertWeakKey,
            Reason::CertBadSignature,
            Reason::CertUnsupportedSignature,
        ],
        Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => &[Reason::CertWrongPurpose],
        Error::UnhandledCriticalExtension => &[Reason::CertUnknownCriticalExtension],
        Error::UnsupportedSignatureAlgorithmContext { .. }
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            &[Reason::CertWeakSignature, Reason::CertUnsupportedSignature]
        }
        Error::Other(other) if other.0.is::<PinMismatch>() => &[Reason::CertPinMismatch],
        Error::Other(other) => other.0.downcast_ref().map_or(&[], likely_in_webpki),
        _ => &[],
    }
}

/// The same for what rustls has no error of its own for.
fn likely_in_webpki(error: &webpki::Error) -> &'static [Reason] {
    use webpki::Error;

    match error {
        Error::CaUsedAsEndEntity => &[Reason::CertSelfSigned, Reason::CertCaAsLeaf],
        Error::UnsupportedCertVersion => &[Reason::CertUnsupportedVersion],
        Error::UnsupportedCriticalExtension => &[Reason::CertUnknownCriticalExtension],
        Error::EmptyEkuExtension => &[Reason::CertWrongPurpose],
        Error::NameConstraintViolation
        | Error::PathLenConstraintViolated
        | Error::MaximumPathDepthExceeded
        | Error::EndEntityUsedAsCa => &[Reason::CertConstraintViolated],
        _ => &[],
    }
}

/// What `error` says by itself, where the certificates do not show it: those
/// that cannot be read, and those that webpki came upon on another way.
fn told(error: &CertificateError, facts: &Facts<'_>) -> Flaw {
    use CertificateError as Error;

    let some = || {
        format!(
            "A certificate in the chain of {}",
            say::host(facts.server_name)
        )
    };
    match error {
        Error::ExpiredContext { not_after, .. } => {
            inspect::expired(some(), system_time(*not_after), facts)
        }
        Error::Expired => Flaw::inferred(
            Reason::CertExpired,
            some(),
            "is past the end of its validity",
        ),
        Error::NotValidYetContext { not_before, .. } => {
            inspect::not_yet(some(), system_time(*not_before), facts)
        }
        Error::NotValidYet => Flaw::inferred(Reason::CertNotYetValid, some(), "is not valid yet"),
        Error::NotValidForName | Error::NotValidForNameContext { .. } => {
            Flaw::observed(Reason::CertNameMismatch, leaf(facts), "is for other names")
        }
        Error::UnknownIssuer => Flaw::inferred(
            Reason::CertUnknownIssuer,
            leaf(facts),
            "leads to no trust anchor",
        ),
        Error::Revoked => Flaw::observed(Reason::CertRevoked, some(), "is revoked"),
        Error::UnknownRevocationStatus | Error::ExpiredRevocationList => Flaw::inferred(
            Reason::CertRevocationUnknown,
            leaf(facts),
            "may be revoked: the revocation lists do not tell",
        ),
        Error::ExpiredRevocationListContext { next_update, .. } => Flaw::observed(
            Reason::CertRevocationUnknown,
            leaf(facts),
            format!(
                "may be revoked: the revocation list was due to be replaced on {}",
                say::date(system_time(*next_update))
            ),
        ),
        Error::BadSignature => inspect::of_the_handshake(facts),
        Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => Flaw::observed(
            Reason::CertWrongPurpose,
            some(),
            "is not for servers: its extended key usage lacks serverAuth",
        ),
        Error::UnhandledCriticalExtension => Flaw::observed(
            Reason::CertUnknownCriticalExtension,
            some(),
            "has a critical extension that is not known",
        ),
        Error::UnsupportedSignatureAlgorithmContext { .. }
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Flaw::inferred(
            Reason::CertUnsupportedSignature,
            some(),
            "is signed in a way that is not supported",
        ),
        Error::BadEncoding | Error::InvalidOcspResponse => malformed("cannot be read", facts),
        Error::Other(other) => match (other.0.downcast_ref(), other.0.downcast_ref()) {
            (Some(PinMismatch { presented }), _) => inspect::unpinned(*presented, facts),
            (None, Some(error)) => told_by_webpki(error, facts),
            (None, None) => malformed("cannot be used", facts),
        },
        other => malformed(&format!("is malformed: {}", words::spaced(other)), facts),
    }
}

fn told_by_webpki(error: &webpki::Error, facts: &Facts<'_>) -> Flaw {
    use webpki::Error;

    let some = || {
        format!(
            "A certificate in the chain of {}",
            say::host(facts.server_name)
        )
    };
    match error {
        Error::CaUsedAsEndEntity => inspect::ca_as_leaf(facts),
        Error::UnsupportedCertVersion => Flaw::observed(
            Reason::CertUnsupportedVersion,
            some(),
            "is not X.509 version 3",
        ),
        Error::UnsupportedCriticalExtension => Flaw::observed(
            Reason::CertUnknownCriticalExtension,
            some(),
            "has a critical extension that is not known",
        ),
        Error::EmptyEkuExtension => Flaw::observed(
            Reason::CertWrongPurpose,
            some(),
            "is for no purpose: its extended key usage is empty",
        ),
        effort if is_of_effort(effort) => Flaw::inferred(
            Reason::CertUnknownIssuer,
            leaf(facts),
            "was sent with others that lead so many ways that none to a trust anchor was found",
        ),
        other => inspect::broken(other, facts).unwrap_or_else(|| {
            malformed(
                &format!("is malformed: {}", words::malformation(other)),
                facts,
            )
        }),
    }
}

fn malformed(how: &str, facts: &Facts<'_>) -> Flaw {
    Flaw::observed(Reason::CertMalformed, leaf(facts), how)
}

fn system_time(time: UnixTime) -> SystemTime {
    let since = Duration::from_secs(time.as_secs());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
