//! Certificates that a revocation list names. The lists are the operator's
//! own; whether they are signed as they should be is for webpki to say.

use super::{Facts, Flaw, each, path::Path, say};
use crate::{
    report::Reason,
    tls::{certificate as facts_of, dn},
};

/// The certificates that are revoked.
pub(super) fn flaws<'a>(
    path: &'a Path<'a>,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Flaw> + 'a {
    each(path, facts, |link, subject| {
        let certificate = &link.certificate.facts;
        let issuer = dn::content(certificate.issuer());
        let serial = certificate.raw_serial();
        let mut lists = facts.verifier.crls.iter();
        lists
            .any(|list| list.issuer() == issuer && matches!(list.find_serial(serial), Ok(Some(_))))
            .then(|| {
                let predicate = format!(
                    "is revoked: its serial number {} is on the revocation list of {}",
                    say::name(&facts_of::describe(link.certificate.der).serial_number),
                    say::quote(&dn::short(certificate.issuer()))
                );
                Flaw::observed(Reason::CertRevoked, subject, predicate)
            })
    })
}
