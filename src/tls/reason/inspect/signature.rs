//! Certificates whose signature is wrong, weak, or of an unknown kind, and
//! keys that are too short.

use super::{
    Facts, Flaw, each, leaf,
    path::{Link, Path},
};
use crate::{
    report::Reason,
    tls::{
        algorithm,
        certificate::is_self_signed,
        signature::{RSA_BITS, Signature, is_supported, is_supported_key},
    },
};

/// What is wrong with the signatures.
pub(super) fn flaws<'a>(
    path: &'a Path<'a>,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Flaw> + 'a {
    each(path, facts, |link, subject| {
        // Nobody verifies the signature of a certificate on itself.
        let signed = !is_self_signed(&link.certificate.facts);
        signed.then(|| told(link, subject)).flatten()
    })
}

fn told(link: &Link<'_>, subject: String) -> Option<Flaw> {
    let algorithm = &link.certificate.facts.signature_algorithm;
    let name = algorithm::signature_name(&algorithm.algorithm);
    if algorithm::is_weak_signature(&algorithm.algorithm) {
        let predicate = format!("is signed with {name}, which can be forged");
        return Some(Flaw::inferred(
            Reason::CertWeakSignature,
            subject,
            predicate,
        ));
    }
    if !is_supported(algorithm) {
        let predicate = format!("is signed in a way that is not supported: {name}");
        return Some(Flaw::inferred(
            Reason::CertUnsupportedSignature,
            subject,
            predicate,
        ));
    }
    (link.signature == Some(Signature::Wrong)).then(|| {
        Flaw::observed(
            Reason::CertBadSignature,
            subject,
            "carries a signature that is not its issuer's, or was changed since",
        )
    })
}

/// Keys whose signatures are not taken: the relay's own signs the handshake.
pub(super) fn keys<'a>(
    path: &'a Path<'a>,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Flaw> + 'a {
    each(path, facts, |link, subject| {
        let key = link.certificate.facts.public_key();
        if !is_supported_key(key) {
            return Some(Flaw::inferred(
                Reason::CertUnsupportedSignature,
                subject,
                format!(
                    "has a key of a kind that is not supported: {}",
                    algorithm::key_name(key)
                ),
            ));
        }
        let bits = algorithm::rsa_bits(key)?;
        (bits < RSA_BITS).then(|| {
            Flaw::inferred(
                Reason::CertWeakKey,
                subject,
                format!("has an RSA key of {bits} bits, which is too short: {RSA_BITS} are needed"),
            )
        })
    })
}

/// A signature that did not verify, and is none on a certificate.
pub(in crate::tls::reason) fn of_the_handshake(facts: &Facts<'_>) -> Flaw {
    Flaw::observed(
        Reason::CertBadSignature,
        leaf(facts),
        "is in order, and the handshake is not signed with its key",
    )
}
