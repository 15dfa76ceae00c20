//! Chains that lead to no trust anchor: which certificate is missing, or not
//! trusted.

use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension};

use super::{Facts, Finding, say};
use crate::{
    report::Reason,
    tls::{certificate, dn},
};

/// id-ad-caIssuers (RFC 5280 section 4.2.2.1).
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// Why no trust anchor was found for the chain that was presented.
pub(super) fn of(facts: &Facts<'_>) -> Finding {
    let der = facts.seen.chain.iter();
    let chain: Vec<_> = der.filter_map(|it| certificate::parse(it)).collect();
    let host = say::host(facts.server_name);
    let Some(leaf) = chain.first() else {
        return Finding::inferred(
            Reason::CertUnknownIssuer,
            format!("The certificate of {host} leads to no trust anchor"),
        );
    };
    if certificate::is_self_signed(leaf) {
        return self_signed(leaf, facts);
    }

    let trust = facts.trust_source;
    let top = top(&chain, leaf);
    let issuer = say::quote(&dn::short(top.issuer()));
    if certificate::is_self_signed(top) {
        return Finding::inferred(
            Reason::CertUntrustedRoot,
            format!(
                "The certificate of {host} leads to the root {issuer}, which is not among \
                 the trust anchors ({trust})"
            ),
        );
    }
    if !std::ptr::eq(top, leaf) {
        return Finding::ambiguous(
            Reason::CertUnknownIssuer,
            vec![Reason::CertUntrustedRoot, Reason::CertIncompleteChain],
            format!(
                "The chain of {host} ends at a certificate issued by {issuer}, which the relay \
                 does not send and which is not among the trust anchors ({trust})"
            ),
        );
    }
    match chain.len() - 1 {
        0 if names_its_issuer(leaf) => Finding::ambiguous(
            Reason::CertIncompleteChain,
            vec![Reason::CertUnknownIssuer],
            format!(
                "The relay sends the certificate of {host} without that of its issuer {issuer}, \
                 which is not among the trust anchors ({trust})"
            ),
        ),
        0 => Finding::ambiguous(
            Reason::CertUnknownIssuer,
            vec![Reason::CertIncompleteChain],
            format!(
                "The issuer {issuer} of the certificate of {host} is not among the trust anchors \
                 ({trust}), and the relay sends no other certificate"
            ),
        ),
        others => Finding::inferred(
            Reason::CertIncompleteChain,
            format!(
                "The relay sends {others} certificates beside that of {host}, and none of them \
                 is its issuer {issuer}"
            ),
        ),
    }
}

/// A certificate that nobody else vouches for.
pub(super) fn self_signed(leaf: &X509Certificate<'_>, facts: &Facts<'_>) -> Finding {
    // webpki takes no CA for a relay's own certificate, not even when it is a
    // trust anchor.
    let remark = if leaf.is_ca() {
        " and marked as a CA, so that only a pin can make it trusted"
    } else {
        ""
    };
    Finding::inferred(
        Reason::CertSelfSigned,
        format!(
            "The certificate of {} is self-signed{remark}; the pin of its key is {}",
            say::host(facts.server_name),
            certificate::key_pin(leaf)
        ),
    )
}

/// The last certificate that the chain leads to from `leaf`, in whatever order
/// it was sent.
fn top<'a, 'b>(
    chain: &'a [X509Certificate<'b>],
    leaf: &'a X509Certificate<'b>,
) -> &'a X509Certificate<'b> {
    let mut top = leaf;
    // Each step uses another certificate, or the chain is a circle.
    for _ in 1..chain.len() {
        let issuer = chain
            .iter()
            .find(|it| it.subject().as_raw() == top.issuer().as_raw() && !std::ptr::eq(*it, top));
        match issuer {
            Some(issuer) if !std::ptr::eq(issuer, leaf) => top = issuer,
            _ => break,
        }
        if top.issuer().as_raw() == top.subject().as_raw() {
            break;
        }
    }
    top
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
