//! Certificates that webpki cannot take for what they are made like.

use x509_parser::x509::X509Version;

use super::{Facts, Flaw, each, path::Path, say};
use crate::report::Reason;

/// What webpki verifies with (RFC 5280 section 4.2.1, in its numbers).
const KNOWN_EXTENSIONS: [&str; 6] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
];

/// Old versions, and critical extensions that nobody here knows.
pub(super) fn flaws<'a>(
    path: &'a Path<'a>,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Flaw> + 'a {
    let versions = each(path, facts, |link, subject| {
        let version = link.certificate.facts.version();
        (version != X509Version::V3).then(|| {
            Flaw::observed(
                Reason::CertUnsupportedVersion,
                subject,
                format!("is X.509 version {}, and not 3", u64::from(version.0) + 1),
            )
        })
    });
    let extensions = each(path, facts, |link, subject| {
        let oid = link
            .certificate
            .facts
            .iter_extensions()
            .filter(|it| it.critical)
            .map(|it| it.oid.to_id_string())
            .find(|oid| !KNOWN_EXTENSIONS.contains(&oid.as_str()))?;
        Some(Flaw::observed(
            Reason::CertUnknownCriticalExtension,
            subject,
            format!(
                "has a critical extension that is not known: {}",
                say::name(&oid)
            ),
        ))
    });
    versions.chain(extensions)
}
