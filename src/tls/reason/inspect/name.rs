//! Certificates for other names.

use rustls::{client::verify_server_name, server::ParsedCertificate};
use rustls_pki_types::ServerName;

use super::{Facts, Flaw, leaf as the_certificate, path::Presented, say};
use crate::{
    report::Reason,
    tls::{certificate, dn},
};

/// The certificate is not for the relay's name.
pub(super) fn flaw(leaf: &Presented<'_>, facts: &Facts<'_>) -> Option<Flaw> {
    let names = certificate::names(&leaf.facts);
    let fits = match ParsedCertificate::try_from(leaf.der) {
        Ok(parsed) => verify_server_name(&parsed, facts.server_name).is_ok(),
        // webpki does not read it, so that only its names can be compared.
        Err(_) => names.iter().any(|name| covers(name, facts.server_name)),
    };
    (!fits).then(|| misnamed(leaf, &names, facts))
}

fn misnamed(leaf: &Presented<'_>, names: &[String], facts: &Facts<'_>) -> Flaw {
    let host = say::host(facts.server_name);
    if names.is_empty() {
        let subject = say::quote(&dn::rfc4514(leaf.facts.subject()));
        let what = match leaf.facts.subject_alternative_name() {
            Ok(None) => "no subject alternative name",
            _ => "no host among its subject alternative names",
        };
        return Flaw::observed(
            Reason::CertNoSan,
            the_certificate(facts),
            format!(
                "has {what}, only the subject {subject}, which is not \
                 looked at"
            ),
        );
    }
    Flaw::observed(
        Reason::CertNameMismatch,
        the_certificate(facts),
        format!("is for {}, not for {host}", say::names(names)),
    )
}

/// Whether a subject alternative name is `wanted`, or stands for it: the
/// wildcard is one label (RFC 9525 section 6.3).
fn covers(name: &str, wanted: &ServerName<'_>) -> bool {
    let wanted = wanted.to_str();
    match (name.strip_prefix("*."), wanted.split_once('.')) {
        (Some(parent), Some((_, domain))) => {
            parent.contains('.') && domain.eq_ignore_ascii_case(parent)
        }
        _ => name.eq_ignore_ascii_case(&wanted),
    }
}
