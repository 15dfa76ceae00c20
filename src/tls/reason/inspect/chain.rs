//! Chains that lead to no trust anchor: which certificate is missing, or not
//! trusted.

use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension};

use super::{
    Facts, Flaw, leaf,
    path::{End, Path},
    say,
};
use crate::{
    report::Reason,
    tls::{certificate, dn},
};

/// id-ad-caIssuers (RFC 5280 section 4.2.2.1).
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// Why no trust anchor was found for the path.
pub(super) fn flaw(path: &Path<'_>, facts: &Facts<'_>) -> Option<Flaw> {
    let mut flaw = unanchored(path, facts)?;
    // The anchor may be one of those that this machine has, and cannot read.
    if facts.trust_source.lacks_system && flaw.reason != Reason::CertSelfSigned {
        let alternatives = [&[flaw.reason], &flaw.alternatives[..]].concat();
        flaw.reason = Reason::LocalTrustStore;
        let remark = "; those of this system cannot be read";
        flaw = flaw.or(alternatives).remarking(remark);
    }
    Some(flaw)
}

fn unanchored(path: &Path<'_>, facts: &Facts<'_>) -> Option<Flaw> {
    let top = &path.links.last()?.certificate.facts;
    let first = &path.links.first()?.certificate.facts;
    let trust = facts.trust_source.name;
    let issuer = say::quote(&dn::short(top.issuer()));
    let subject = leaf(facts);
    let others = facts.seen.presented.saturating_sub(1);
    // No more of them are looked at.
    let seen = facts.seen.chain.len().saturating_sub(1);
    Some(match (path.end, path.links.len(), others) {
        (End::Anchor, ..) => return None,
        (End::Root(root), 1, _) if std::ptr::eq(&raw const root.facts, first) => {
            self_signed(first, facts)
        }
        (End::Root(_), ..) => Flaw::inferred(
            Reason::CertUntrustedRoot,
            subject,
            format!("leads to the root {issuer}, which is not among the trust anchors ({trust})"),
        ),
        (End::Open, 1, 0) if names_its_issuer(first) => Flaw::observed(
            Reason::CertIncompleteChain,
            subject,
            format!(
                "was sent without that of its issuer {issuer}, which is not among the trust \
                 anchors ({trust})"
            ),
        )
        .or(vec![Reason::CertUnknownIssuer]),
        (End::Open, 1, 0) => Flaw::observed(
            Reason::CertUnknownIssuer,
            subject,
            format!(
                "was sent alone, and its issuer {issuer} is not among the trust anchors ({trust})"
            ),
        )
        .or(vec![Reason::CertIncompleteChain]),
        (End::Open, 1, others) if others > seen => Flaw::inferred(
            Reason::CertIncompleteChain,
            subject,
            format!(
                "was sent with {others} more, and none of the first {seen} is its issuer {issuer}"
            ),
        ),
        (End::Open, 1, others) => Flaw::inferred(
            Reason::CertIncompleteChain,
            subject,
            format!("was sent with {others} more, and none of them is its issuer {issuer}"),
        ),
        (End::Open, ..) => Flaw::observed(
            Reason::CertUnknownIssuer,
            subject,
            format!(
                "leads to one that was issued by {issuer}, which the relay does not send and \
                 which is not among the trust anchors ({trust})"
            ),
        )
        .or(vec![Reason::CertUntrustedRoot, Reason::CertIncompleteChain]),
    })
}

/// A certificate that nobody else vouches for.
fn self_signed(first: &X509Certificate<'_>, facts: &Facts<'_>) -> Flaw {
    // webpki takes no CA for a relay's own certificate, not even when it is a
    // trust anchor.
    let mark = if first.is_ca() {
        " and marked as a CA, so that only a pin can make it trusted"
    } else {
        ""
    };
    Flaw::inferred(
        Reason::CertSelfSigned,
        leaf(facts),
        format!("is self-signed{mark}"),
    )
    .remarking(format!(
        "; the pin of its key is {}",
        certificate::key_pin(first)
    ))
}

/// Whether a certificate says where its issuer's can be had. Those of public
/// CAs do; of private CAs only some.
fn names_its_issuer(certificate: &X509Certificate<'_>) -> bool {
    certificate
        .iter_extensions()
        .any(|it| match it.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => access
                .accessdescs
                .iter()
                .any(|it| it.access_method.to_id_string() == CA_ISSUERS),
            _ => false,
        })
}
