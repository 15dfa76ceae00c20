//! Certificates that are not made for servers.

use x509_parser::extensions::ExtendedKeyUsage;

use super::{
    Facts, Flaw, each, leaf,
    path::{End, Path},
};
use crate::report::Reason;

/// What the certificates are for, and what they are not.
pub(super) fn flaws<'a>(
    path: &'a Path<'a>,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Flaw> + 'a {
    let first = path.links.first().map(|it| &it.certificate.facts);
    // Of a self-signed one, that it is self-signed says it.
    let is_root = path.links.len() == 1 && matches!(path.end, End::Root(_));
    let ca = first
        .filter(|it| it.is_ca() && !is_root)
        .map(|_| ca_as_leaf(facts));
    let purposes = each(path, facts, |link, subject| {
        let usage = link.certificate.facts.extended_key_usage().ok()??;
        let predicate = lacking(usage.value)?;
        Some(Flaw::observed(Reason::CertWrongPurpose, subject, predicate))
    });
    ca.into_iter().chain(purposes)
}

/// A CA's certificate in the place of a server's.
pub(in crate::tls::reason) fn ca_as_leaf(facts: &Facts<'_>) -> Flaw {
    Flaw::observed(
        Reason::CertCaAsLeaf,
        leaf(facts),
        "is marked as a CA, and so not for a server",
    )
}

fn lacking(usage: &ExtendedKeyUsage<'_>) -> Option<&'static str> {
    let ExtendedKeyUsage {
        any,
        server_auth,
        client_auth,
        code_signing,
        email_protection,
        time_stamping,
        ocsp_signing,
        other,
    } = usage;
    let named = [
        any,
        client_auth,
        code_signing,
        email_protection,
        time_stamping,
        ocsp_signing,
    ];
    if *server_auth {
        None
    } else if other.is_empty() && named.into_iter().all(|it| !it) {
        Some("is for no purpose: its extended key usage is empty")
    } else {
        Some("is not for servers: its extended key usage lacks serverAuth")
    }
}
