//! Certificates for other names.

use rustls::{client::verify_server_name, server::ParsedCertificate};

use super::{Facts, Finding, certificate::with_leaf, say};
use crate::{
    report::Reason,
    tls::{certificate, dn},
};

/// The certificate is not for the relay's name.
pub(super) fn misnamed(facts: &Facts<'_>) -> Finding {
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
pub(super) fn also_misnamed(mut finding: Finding, facts: &Facts<'_>) -> Finding {
    let Some(leaf) = facts.seen.chain.first() else {
        return finding;
    };
    let Ok(parsed) = ParsedCertificate::try_from(leaf) else {
        return finding;
    };
    if verify_server_name(&parsed, facts.server_name).is_err() {
        let host = say::host(facts.server_name);
        finding.summary = format!("{}; it is not for the name {host} either", finding.summary);
    }
    finding
}
