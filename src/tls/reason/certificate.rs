//! Certificates that were refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::CertificateError;
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

use super::{
    Facts, Finding, chain,
    name::{also_misnamed, misnamed},
    say,
    signature::{bad_signature, unsupported},
    validity::{expired, not_yet},
};
use crate::{
    report::Reason,
    tls::{certificate, verify::PinMismatch},
};

/// What webpki verifies with (RFC 5280 section 4.2.1, in its numbers).
const KNOWN_EXTENSIONS: [&str; 6] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
];

/// Why a certificate was refused with `error`.
pub(super) fn of(error: &CertificateError, facts: &Facts<'_>) -> Finding {
    use CertificateError as Error;

    let host = say::host(facts.server_name);
    match error {
        Error::ExpiredContext { not_after, .. } => expired(system_time(*not_after), facts),
        Error::Expired => Finding::inferred(
            Reason::CertExpired,
            format!("The certificate of {host} is past the end of its validity"),
        ),
        Error::NotValidYetContext { not_before, .. } => not_yet(system_time(*not_before), facts),
        Error::NotValidYet => Finding::inferred(
            Reason::CertNotYetValid,
            format!("The certificate of {host} is not valid yet"),
        ),
        Error::NotValidForName | Error::NotValidForNameContext { .. } => misnamed(facts),
        Error::UnknownIssuer => also_misnamed(chain::of(facts), facts),
        Error::Revoked => revoked(facts),
        Error::UnknownRevocationStatus | Error::ExpiredRevocationList => Finding::inferred(
            Reason::CertRevocationUnknown,
            format!("Whether the certificate of {host} is revoked cannot be told"),
        ),
        Error::ExpiredRevocationListContext { next_update, .. } => Finding::observed(
            Reason::CertRevocationUnknown,
            format!(
                "Whether the certificate of {host} is revoked cannot be told: \
                 the revocation list was due to be replaced on {}",
                say::date(system_time(*next_update))
            ),
        ),
        Error::BadSignature => bad_signature(facts),
        Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => Finding::observed(
            Reason::CertWrongPurpose,
            format!(
                "The certificate of {host} is not for servers: \
                 its extended key usage lacks serverAuth"
            ),
        ),
        Error::BadEncoding | Error::InvalidOcspResponse => malformed(facts, "it cannot be read"),
        Error::UnhandledCriticalExtension => critical_extension(facts),
        Error::Other(other) => {
            if let Some(mismatch) = other.0.downcast_ref::<PinMismatch>() {
                return pin_mismatch(*mismatch, facts);
            }
            match other.0.downcast_ref() {
                Some(error) => of_webpki(error, facts),
                None => malformed(facts, &other.to_string()),
            }
        }
        Error::UnsupportedSignatureAlgorithmContext { .. }
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => unsupported(facts),
        other => malformed(facts, &other.to_string()),
    }
}

/// What rustls has no error of its own for.
fn of_webpki(error: &webpki::Error, facts: &Facts<'_>) -> Finding {
    use webpki::Error;

    let host = say::host(facts.server_name);
    match error {
        Error::CaUsedAsEndEntity => with_leaf(facts, |leaf| {
            if certificate::is_self_signed(leaf) {
                return also_misnamed(chain::self_signed(leaf, facts), facts);
            }
            Finding::observed(
                Reason::CertCaAsLeaf,
                format!("The certificate of {host} is marked as a CA, and so not for a server"),
            )
        }),
        Error::UnsupportedCertVersion => Finding::observed(
            Reason::CertUnsupportedVersion,
            format!("A certificate in the chain of {host} is not X.509 version 3"),
        ),
        Error::UnsupportedCriticalExtension => critical_extension(facts),
        Error::EmptyEkuExtension => Finding::observed(
            Reason::CertWrongPurpose,
            format!("The certificate of {host} is for no purpose: its extended key usage is empty"),
        ),
        Error::NameConstraintViolation => constraint(facts, "a name constraint of its issuer"),
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            constraint(facts, "a limit on the length of the chain")
        }
        Error::EndEntityUsedAsCa => {
            constraint(facts, "its issuer's own, which is not that of a CA")
        }
        other => malformed(facts, &other.to_string()),
    }
}

fn revoked(facts: &Facts<'_>) -> Finding {
    let host = say::host(facts.server_name);
    let serial = facts.seen.chain.first().map(|it| certificate::describe(it));
    Finding::observed(
        Reason::CertRevoked,
        format!(
            "The certificate of {host}, with the serial number {}, or one above it in the chain, \
             is revoked",
            say::name(&serial.map(|it| it.serial_number).unwrap_or_default())
        ),
    )
}

fn critical_extension(facts: &Facts<'_>) -> Finding {
    let host = say::host(facts.server_name);
    let oid = facts.seen.chain.iter().find_map(|der| {
        let certificate = certificate::parse(der)?;
        certificate
            .iter_extensions()
            .filter(|it| it.critical)
            .map(|it| it.oid.to_id_string())
            .find(|oid| !KNOWN_EXTENSIONS.contains(&oid.as_str()))
    });
    Finding::observed(
        Reason::CertUnknownCriticalExtension,
        format!(
            "A certificate that {host} presents has a critical extension that is not known: {}",
            say::name(&oid.unwrap_or_else(|| "which one cannot be told".to_owned()))
        ),
    )
}

fn constraint(facts: &Facts<'_>, which: &str) -> Finding {
    Finding::observed(
        Reason::CertConstraintViolated,
        format!(
            "The certificate of {} breaks {which}",
            say::host(facts.server_name)
        ),
    )
}

fn malformed(facts: &Facts<'_>, how: &str) -> Finding {
    Finding::observed(
        Reason::CertMalformed,
        format!(
            "The certificate that {} presents is malformed: {how}",
            say::host(facts.server_name)
        ),
    )
}

fn pin_mismatch(mismatch: PinMismatch, facts: &Facts<'_>) -> Finding {
    Finding::observed(
        Reason::CertPinMismatch,
        format!(
            "The key of the certificate of {} is {}, which is not pinned",
            say::host(facts.server_name),
            mismatch.presented
        ),
    )
}

/// What `told` tells about the relay's own certificate.
pub(super) fn with_leaf(
    facts: &Facts<'_>,
    told: impl FnOnce(&X509Certificate<'_>) -> Finding,
) -> Finding {
    let leaf = facts.seen.chain.first();
    match leaf.and_then(|der| certificate::parse(der)) {
        Some(leaf) => told(&leaf),
        None => malformed(facts, "it cannot be read"),
    }
}

fn system_time(time: UnixTime) -> SystemTime {
    let since = Duration::from_secs(time.as_secs());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
