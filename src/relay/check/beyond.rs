//! What a check looks at beyond its own session: by further connections, to
//! tell causes apart (`probe`) and to see what else the relay takes (`deep`).

use tokio::time::Instant;

use super::Scope;
use crate::{
    report::{Check, Reason, RelayFailure},
    smtp::{self, Target},
};

/// The failure behind `error`, told apart by probes where that is wanted.
pub(super) async fn diagnose(
    error: Box<smtp::Error>,
    _target: &Target,
    _scope: &Scope,
    _until: Instant,
) -> RelayFailure {
    let mut failure = error.into_failure();
    if failure.reason == Reason::DeadlineExceeded {
        let activity = failure.stage.activity();
        failure.summary = format!("The time for the check ran out while {activity}.");
    }
    failure
}

/// Looks at the other ports and at all that the relay accepts.
pub(super) async fn look(_check: &mut Check, _target: &Target, _scope: &Scope, _until: Instant) {}
