//! Certificates whose time is over, or has not come.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::certificate::X509Certificate;

use super::{Facts, Finding, name::also_misnamed, say};
use crate::{
    report::Reason,
    tls::{certificate, dn},
};

/// posthaste was not there before: a clock that says so is wrong. 2026-01-01.
#[expect(clippy::duration_suboptimal_units, reason = "it is a point in time")]
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// A certificate of the chain was valid until `not_after`.
pub(super) fn expired(not_after: SystemTime, facts: &Facts<'_>) -> Finding {
    let when = format!(
        "expired on {}, {} ago",
        say::date(not_after),
        say::span(not_after, facts.now)
    );
    let is_it =
        |it: &X509Certificate<'_>| certificate::system_time(it.validity().not_after) == not_after;
    let finding = Finding::observed(
        Reason::CertExpired,
        format!("{} {when}", which(facts, is_it)),
    );
    also_misnamed(finding, facts)
}

/// A certificate of the chain is valid from `not_before`.
pub(super) fn not_yet(not_before: SystemTime, facts: &Facts<'_>) -> Finding {
    let is_it =
        |it: &X509Certificate<'_>| certificate::system_time(it.validity().not_before) == not_before;
    let which = which(facts, is_it);
    let now = say::date_and_time(facts.now);
    if facts.now < UNIX_EPOCH + EPOCH {
        return Finding::inferred(
            Reason::LocalClock,
            format!(
                "The clock of the machine that posthaste runs on says {now}, which is wrong; \
                 {which} is valid from {}",
                say::date(not_before)
            ),
        );
    }
    let finding = Finding::ambiguous(
        Reason::CertNotYetValid,
        vec![Reason::LocalClock],
        format!(
            "{which} is valid only from {}, in {}, or this machine's clock, at {now}, is wrong",
            say::date(not_before),
            say::span(facts.now, not_before)
        ),
    );
    also_misnamed(finding, facts)
}

/// The certificate of the chain that `is_it`, for the start of a sentence.
fn which(facts: &Facts<'_>, is_it: impl Fn(&X509Certificate<'_>) -> bool) -> String {
    let host = say::host(facts.server_name);
    let mut chain = facts.seen.chain.iter().map(|it| certificate::parse(it));
    match chain.position(|it| it.as_ref().is_some_and(&is_it)) {
        Some(0) => format!("The certificate of {host}"),
        Some(place) => {
            let certificate = facts.seen.chain.get(place);
            let name = certificate
                .and_then(|it| certificate::parse(it))
                .map(|it| dn::short(it.subject()));
            format!(
                "The intermediate certificate {} in the chain of {host}",
                say::quote(&name.unwrap_or_default())
            )
        }
        None => format!("A certificate in the chain of {host}"),
    }
}
