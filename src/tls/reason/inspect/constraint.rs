//! Chains that break a constraint of one of their issuers. These need webpki,
//! which must not stumble over anything else first: it sees the chain at a time
//! when all of it is valid, for any purpose, without revocation lists, and
//! with the top of the chain for an anchor where there is no other.

use std::time::{Duration, UNIX_EPOCH};

use rustls_pki_types::UnixTime;
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::extensions::{GeneralName, GeneralSubtree};

use super::{
    Facts, Flaw, leaf,
    path::{End, Path},
    say,
};
use crate::{
    report::Reason,
    tls::certificate::{self, system_time},
};

/// The constraint that is broken.
pub(super) fn flaw(path: &Path<'_>, facts: &Facts<'_>) -> Option<Flaw> {
    let (first, others) = path.links.split_first()?;
    let first = EndEntityCert::try_from(first.certificate.der).ok()?;
    let mut others: Vec<_> = others.iter().map(|it| it.certificate.der.clone()).collect();
    let top = match path.end {
        End::Anchor => None,
        End::Root(root) => Some(root.der.clone()),
        End::Open => others.pop(),
    };
    let top = top.as_ref().map(webpki::anchor_from_trusted_cert);
    let top = top.transpose().ok()?;
    let anchors = match &top {
        Some(top) => std::slice::from_ref(top),
        None => &facts.verifier.roots.roots,
    };
    let verified = first.verify_for_usage(
        facts.verifier.algorithms.all,
        anchors,
        &others,
        moment(path, facts)?,
        AnyPurpose,
        None,
        None,
    );
    broken(&verified.err()?, facts)
}

/// The constraint that `error` is about.
pub(in crate::tls::reason) fn broken(error: &Error, facts: &Facts<'_>) -> Option<Flaw> {
    let how = match error {
        Error::NameConstraintViolation => {
            format!("breaks a name constraint of its issuer{}", names(facts))
        }
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            "breaks a limit on the length of the chain".to_owned()
        }
        Error::EndEntityUsedAsCa => "was issued with one that is not that of a CA".to_owned(),
        _ => return None,
    };
    Some(Flaw::observed(
        Reason::CertConstraintViolated,
        leaf(facts),
        how,
    ))
}

/// The names that issuers in the chain permit and exclude, as a remark.
fn names(facts: &Facts<'_>) -> String {
    let issuers = facts.seen.chain.iter().skip(1);
    let issuers: Vec<_> = issuers.filter_map(|der| certificate::parse(der)).collect();
    let constraints = || {
        let all = issuers.iter().filter_map(|it| it.name_constraints().ok()?);
        all.map(|it| it.value)
    };
    let of = |subtrees: Option<&Vec<GeneralSubtree<'_>>>| -> Vec<String> {
        let bases = subtrees.into_iter().flatten().map(|it| &it.base);
        bases.filter_map(dns_name).collect()
    };
    let permitted: Vec<_> = constraints()
        .flat_map(|it| of(it.permitted_subtrees.as_ref()))
        .collect();
    let excluded: Vec<_> = constraints()
        .flat_map(|it| of(it.excluded_subtrees.as_ref()))
        .collect();
    let told = [("it permits", permitted), ("it excludes", excluded)];
    let told = told.into_iter().filter(|(_, names)| !names.is_empty());
    let told: Vec<_> = told
        .map(|(verb, all)| format!(", {verb} {}", say::names(&all)))
        .collect();
    told.concat()
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

/// A time when the whole path is valid: now, or else the first. `None` when
/// there is none.
fn moment(path: &Path<'_>, facts: &Facts<'_>) -> Option<UnixTime> {
    let validity = || path.links.iter().map(|it| it.certificate.facts.validity());
    let from = validity().map(|it| system_time(it.not_before)).max()?;
    let until = validity().map(|it| system_time(it.not_after)).min()?;
    let moment = if (from..=until).contains(&facts.now) {
        facts.now
    } else {
        from
    };
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    (from <= until).then(|| UnixTime::since_unix_epoch(since))
}

struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}
