//! What a check looks at beyond its own session: by further connections, to
//! tell causes apart (`probe`) and to see what else the relay takes (`deep`).
//! Each check asks anew: what was found out for a mail may be out of date.

use futures_util::future::join;
use tokio::time::{Instant, timeout_at};

use super::Scope;
use crate::{
    report::{Check, Reason, RelayFailure, Stage, TlsMode},
    smtp::{self, Target},
};

/// The failure behind `error`, told apart by further connections: from causes
/// that look the same, where the relay's settings let any failure be cause for
/// them, and with `probe` in any case, with what would work instead.
pub(super) async fn diagnose(
    error: Box<smtp::Error>,
    target: &Target,
    scope: &Scope,
    until: Instant,
) -> RelayFailure {
    let extent = if scope.probe {
        smtp::Scope::All
    } else {
        smtp::Scope::Doubt
    };
    let question = error
        .question(target, extent)
        .filter(|_| scope.probe || target.probing.is_on);
    let mut failure = error.into_failure();
    if failure.reason == Reason::DeadlineExceeded {
        let activity = failure.stage.activity();
        failure.summary = format!("The time for the check ran out while {activity}.");
    }
    if let Some(question) = question
        && let Ok(findings) = timeout_at(until, Box::pin(question.investigate())).await
    {
        findings.apply(&mut failure);
    }
    failure
}

/// Looks at the other ports and at all that the relay accepts.
pub(super) async fn look(check: &mut Check, target: &Target, scope: &Scope, until: Instant) {
    let comes_to_tls = check.steps.iter().any(|it| it.stage == Stage::TlsHandshake);
    let ports = async {
        if scope.probe {
            Box::pin(smtp::survey(target, until)).await
        } else {
            Vec::new()
        }
    };
    let accepted = async {
        if scope.deep && comes_to_tls {
            Some(Box::pin(smtp::enumerate(target, until)).await)
        } else {
            None
        }
    };
    (check.ports, check.accepted) = join(ports, accepted).await;
    settle(check, target);
}

/// What was found out about the relay's own port is known better than it looked
/// at the last glance.
fn settle(check: &mut Check, target: &Target) {
    let Some(failure) = check.findings.first() else {
        return;
    };
    let own = check.ports.iter_mut().find(|it| it.port == target.port);
    if let Some(own) = own
        && !own.healthy
        && own
            .detected_mode
            .is_none_or(|mode| is_like(mode, target.mode))
    {
        own.reason = Some(failure.reason);
    }
}

fn is_like(mode: TlsMode, other: TlsMode) -> bool {
    mode == other || (mode, other) == (TlsMode::Starttls, TlsMode::StarttlsIfOffered)
}
