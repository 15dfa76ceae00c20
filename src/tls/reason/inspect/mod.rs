//! Everything that is wrong with a presented chain, each thing apart. webpki
//! stops at the first; who mends only that comes back with the next.
//!
//! Where the chain verifies, only the relay's own certificate is looked at:
//! what webpki passes, or finds another way around, is not wrong.

mod chain;
mod constraint;
mod flaw;
mod form;
mod name;
mod path;
mod purpose;
mod revocation;
mod signature;
mod validity;

use std::time::UNIX_EPOCH;

use rustls::{CertificateError, Error, client::danger::ServerCertVerifier as _};
use rustls_pki_types::UnixTime;

use self::path::{Link, Path, Presented};
pub(super) use self::{
    constraint::broken,
    flaw::Flaw,
    purpose::ca_as_leaf,
    signature::of_the_handshake,
    validity::{expired, not_yet},
};
use super::{Facts, say};
use crate::{
    report::Reason,
    tls::{certificate, dn, pin::KeyPin},
};

/// The worst first: that somebody else answers, or a key in wrong hands; that
/// nobody vouches for the name or the key; what the certificate is not for;
/// what is weak; what is only old; what is only odd.
const WORST_FIRST: [Reason; 21] = [
    Reason::CertRevoked,
    Reason::CertPinMismatch,
    Reason::CertBadSignature,
    Reason::CertNameMismatch,
    Reason::CertNoSan,
    Reason::CertSelfSigned,
    Reason::LocalTrustStore,
    Reason::CertUntrustedRoot,
    Reason::CertUnknownIssuer,
    Reason::CertIncompleteChain,
    Reason::CertConstraintViolated,
    Reason::CertCaAsLeaf,
    Reason::CertWrongPurpose,
    Reason::CertWeakSignature,
    Reason::CertWeakKey,
    Reason::CertExpired,
    Reason::CertNotYetValid,
    Reason::LocalClock,
    Reason::CertUnsupportedVersion,
    Reason::CertUnsupportedSignature,
    Reason::CertUnknownCriticalExtension,
];

/// All that is wrong with the chain that was presented, the worst first.
pub(super) fn inspect(facts: &Facts<'_>) -> Vec<Flaw> {
    let chain = Presented::read(&facts.seen.chain);
    let leaf = facts.seen.chain.first();
    let Some(leaf) = chain.first().filter(|it| Some(it.der) == leaf) else {
        return Vec::new();
    };
    let path = Path::new(leaf, &chain, &facts.verifier.roots, facts.now);
    let mut flaws = Vec::new();
    let pins = &facts.verifier.pins;
    let key = certificate::key_pin(&leaf.facts);
    if !pins.is_empty() && certificate::is_self_signed(&leaf.facts) {
        // Only its pin and its dates count.
        flaws.extend(validity::flaws(&path, facts));
    } else {
        if !verifies(facts) {
            flaws.extend(chain::flaw(&path, facts));
            flaws.extend(validity::flaws(&path, facts));
            flaws.extend(form::flaws(&path, facts));
            flaws.extend(purpose::flaws(&path, facts));
            flaws.extend(signature::flaws(&path, facts));
            flaws.extend(revocation::flaws(&path, facts));
            flaws.extend(constraint::flaw(&path, facts));
        }
        flaws.extend(name::flaw(leaf, facts));
    }
    if !pins.is_empty() && !pins.contains(&key) {
        flaws.push(unpinned(key, facts));
    }
    flaws.extend(signature::keys(&path, facts));
    flaws.sort_by_key(|flaw| WORST_FIRST.iter().position(|it| *it == flaw.reason));
    flaws
}

/// Whether the chain as such is in order, whatever its name.
fn verifies(facts: &Facts<'_>) -> bool {
    let (Some(verifier), Some((leaf, others))) =
        (&facts.verifier.chain, facts.seen.chain.split_first())
    else {
        return false;
    };
    let since = facts.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(since);
    match verifier.verify_server_cert(leaf, others, facts.server_name, &[], now) {
        Ok(_) => true,
        Err(Error::InvalidCertificate(error)) => matches!(
            error,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ),
        Err(_) => false,
    }
}

/// The key is none of those that the policy names.
pub(super) fn unpinned(key: KeyPin, facts: &Facts<'_>) -> Flaw {
    Flaw::observed(
        Reason::CertPinMismatch,
        leaf(facts),
        format!("has the key {key}, which is not pinned"),
    )
}

/// The relay's own certificate, for the start of a sentence.
pub(super) fn leaf(facts: &Facts<'_>) -> String {
    format!("The certificate of {}", say::host(facts.server_name))
}

/// A certificate of the path, for the start of a sentence.
fn subject(place: usize, link: &Link<'_>, facts: &Facts<'_>) -> String {
    if place == 0 {
        return leaf(facts);
    }
    format!(
        "The intermediate certificate {}",
        say::quote(&dn::short(link.certificate.facts.subject()))
    )
}

/// What `told` tells of each certificate of the path.
fn each<'a>(
    path: &'a Path<'a>,
    facts: &'a Facts<'_>,
    told: impl Fn(&Link<'a>, String) -> Option<Flaw> + 'a,
) -> impl Iterator<Item = Flaw> + 'a {
    let links = path.links.iter().enumerate();
    links.filter_map(move |(place, link)| told(link, subject(place, link, facts)))
}
