//! Certificates whose signature is wrong, weak, or of an unknown kind.

use super::{Facts, Finding, say};
use crate::{
    report::Reason,
    tls::{algorithm, certificate, dn},
};

/// The smallest RSA key whose signatures are taken, in bits.
const RSA_BITS: usize = 2_048;

/// A signature in the chain, or on the handshake, did not verify.
pub(super) fn bad_signature(facts: &Facts<'_>) -> Finding {
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

/// A signature in the chain is of a kind that is not supported.
pub(super) fn unsupported(facts: &Facts<'_>) -> Finding {
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
