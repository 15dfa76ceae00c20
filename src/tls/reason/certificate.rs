//! Certificates that were refused.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::{CertificateError, client::verify_server_name, server::ParsedCertificate};
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

use super::{Facts, Finding, chain, say};
use crate::{
    report::Reason,
    tls::{algorithm, certificate, dn, verify::PinMismatch},
};

/// posthaste was not there before: a clock that says so is wrong. 2026-01-01.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);
/// What webpki verifies with (RFC 5280 section 4.2.1, in its numbers).
const KNOWN_EXTENSIONS: [&str; 6] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
];
/// The smallest RSA key whose signatures are taken, in bits.
const RSA_BITS: usize = 2_048;

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
        Error::UnsupportedSignatureAlgorithmContext { .. }
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => unsupported(facts),
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
        // Only the deprecated forms of what is above are left.
        _ => unsupported(facts),
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

fn expired(not_after: SystemTime, facts: &Facts<'_>) -> Finding {
    let when = format!(
        "expired on {}, {} ago",
        say::date(not_after),
        say::span(not_after, facts.now)
    );
    let is_it = |it: &X509Certificate<'_>| {
        certificate::system_time(it.validity().not_after) == not_after
    };
    let finding = Finding::observed(
        Reason::CertExpired,
        format!("{} {when}", which(facts, is_it)),
    );
    also_misnamed(finding, facts)
}

fn not_yet(not_before: SystemTime, facts: &Facts<'_>) -> Finding {
    let is_it = |it: &X509Certificate<'_>| {
        certificate::system_time(it.validity().not_before) == not_before
    };
    let which = which(facts, is_it);
    let now = say::date_and_time(facts.now);
    if facts.now < UNIX_EPOCH + EPOCH {
        return Finding::inferred(
            Reason::LocalClock,
            format!(
                "The clock of the machine that posthaste runs on says {now}, which is wrong; \
                 {which} is valid from {}",
                say::date(not_before)
            ),
        );
    }
    let finding = Finding::ambiguous(
        Reason::CertNotYetValid,
        vec![Reason::LocalClock],
        format!(
            "{which} is valid only from {}, in {}, or this machine's clock, at {now}, is wrong",
            say::date(not_before),
            say::span(facts.now, not_before)
        ),
    );
    also_misnamed(finding, facts)
}

/// The certificate of the chain that `is_it`, for the start of a sentence.
fn which(facts: &Facts<'_>, is_it: impl Fn(&X509Certificate<'_>) -> bool) -> String {
    let host = say::host(facts.server_name);
    let mut chain = facts.seen.chain.iter().map(|it| certificate::parse(it));
    match chain.position(|it| it.as_ref().is_some_and(&is_it)) {
        Some(0) => format!("The certificate of {host}"),
        Some(place) => {
            let certificate = facts.seen.chain.get(place);
            let name = certificate
                .and_then(|it| certificate::parse(it))
                .map(|it| dn::short(it.subject()));
            format!(
                "The intermediate certificate {} in the chain of {host}",
                say::quote(&name.unwrap_or_default())
            )
        }
        None => format!("A certificate in the chain of {host}"),
    }
}

fn misnamed(facts: &Facts<'_>) -> Finding {
    let host = say::host(facts.server_name);
    with_leaf(facts, |leaf| {
        let names = certificate::names(leaf);
        if names.is_empty() {
            let subject = say::quote(&dn::rfc4514(leaf.subject()));
            return Finding::observed(
                Reason::CertNoSan,
                format!(
                    "The certificate for {host} has no subject alternative name, only the \
                     subject {subject}, which is not looked at"
                ),
            );
        }
        Finding::observed(
            Reason::CertNameMismatch,
            format!(
                "The certificate is for {}, and not for {host}",
                say::names(&names)
            ),
        )
    })
}

/// The library stops at the first finding. A wrong name would come up next.
fn also_misnamed(mut finding: Finding, facts: &Facts<'_>) -> Finding {
    let Some(leaf) = facts.seen.chain.first() else {
        return finding;
    };
    let Ok(parsed) = ParsedCertificate::try_from(leaf) else {
        return finding;
    };
    if verify_server_name(&parsed, facts.server_name).is_err() {
        finding.summary += &format!(
            "; it is not for the name {} either",
            say::host(facts.server_name)
        );
    }
    finding
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

fn bad_signature(facts: &Facts<'_>) -> Finding {
    let host = say::host(facts.server_name);
    // Signatures of small keys count as bad ones.
    let weak = facts.seen.chain.iter().find_map(|der| {
        let certificate = certificate::parse(der)?;
        let bits = algorithm::rsa_bits(certificate.public_key())?;
        (bits < RSA_BITS).then(|| (dn::short(certificate.subject()), bits))
    });
    match weak {
        Some((subject, bits)) => Finding::inferred(
            Reason::CertWeakKey,
            format!(
                "The key of the certificate {} that {host} presents is RSA of {bits} bits, \
                 which is too short: {RSA_BITS} are needed",
                say::quote(&subject)
            ),
        ),
        None => Finding::observed(
            Reason::CertBadSignature,
            format!("A signature in the chain of {host}, or on the handshake, is not right"),
        ),
    }
}

fn unsupported(facts: &Facts<'_>) -> Finding {
    let host = say::host(facts.server_name);
    let algorithms = facts.seen.chain.iter().filter_map(|der| {
        let certificate = certificate::parse(der)?;
        // Nobody verifies the signature of a root on itself.
        if certificate::is_self_signed(&certificate) {
            return None;
        }
        let oid = &certificate.signature_algorithm.algorithm;
        let weak = algorithm::is_weak_signature(oid);
        let subject = say::quote(&dn::short(certificate.subject()));
        Some((weak, algorithm::signature_name(oid), subject))
    });
    let algorithms: Vec<_> = algorithms.collect();
    if let Some((_, name, subject)) = algorithms.iter().find(|(weak, ..)| *weak) {
        return Finding::inferred(
            Reason::CertWeakSignature,
            format!(
                "The certificate {subject} that {host} presents is signed with {name}, \
                 which can be forged"
            ),
        );
    }
    let names: Vec<_> = algorithms.iter().map(|(_, name, _)| name).collect();
    Finding::inferred(
        Reason::CertUnsupportedSignature,
        format!(
            "A certificate that {host} presents is signed in a way that is not supported: {}",
            say::names(&names)
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

fn with_leaf(
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
