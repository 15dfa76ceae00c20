//! Certificates whose time is over, or has not come.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Facts, Flaw, each, path::Path, say};
use crate::{report::Reason, tls::certificate::system_time};

/// posthaste was not there before: a clock that says so is wrong. 2026-01-01.
#[expect(clippy::duration_suboptimal_units, reason = "it is a point in time")]
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// The certificates that are not valid now.
pub(super) fn flaws<'a>(
    path: &'a Path<'a>,
    facts: &'a Facts<'_>,
) -> impl Iterator<Item = Flaw> + 'a {
    each(path, facts, |link, subject| {
        let validity = link.certificate.facts.validity();
        let not_before = system_time(validity.not_before);
        let not_after = system_time(validity.not_after);
        if not_after < not_before {
            Some(never(subject, not_before, not_after))
        } else if facts.now < not_before {
            Some(not_yet(subject, not_before, facts))
        } else if facts.now > not_after {
            Some(expired(subject, not_after, facts))
        } else {
            None
        }
    })
}

/// `subject` ends before it begins.
fn never(subject: String, not_before: SystemTime, not_after: SystemTime) -> Flaw {
    Flaw::observed(
        Reason::CertExpired,
        subject,
        format!(
            "is never valid: it expired on {}, and is valid only from {}",
            say::date(not_after),
            say::date(not_before)
        ),
    )
}

/// `subject` was valid until `not_after`.
pub(in crate::tls::reason) fn expired(
    subject: String,
    not_after: SystemTime,
    facts: &Facts<'_>,
) -> Flaw {
    Flaw::observed(
        Reason::CertExpired,
        subject,
        format!(
            "expired on {}, {} ago",
            say::date(not_after),
            say::span(not_after, facts.now)
        ),
    )
}

/// `subject` is valid from `not_before`.
pub(in crate::tls::reason) fn not_yet(
    subject: String,
    not_before: SystemTime,
    facts: &Facts<'_>,
) -> Flaw {
    let now = say::date_and_time(facts.now);
    let from = say::date(not_before);
    if facts.now < UNIX_EPOCH + EPOCH {
        return Flaw::inferred(Reason::LocalClock, subject, format!("is valid from {from}"))
            .remarking(format!(
                ", and the clock of the machine that posthaste runs on says {now}, which is wrong"
            ));
    }
    Flaw::observed(
        Reason::CertNotYetValid,
        subject,
        format!(
            "is valid only from {from}, in {}",
            say::span(facts.now, not_before)
        ),
    )
    .or(vec![Reason::LocalClock])
    .remarking(format!(", unless this machine's clock, at {now}, is wrong"))
}
