//! One step of a session: its stage, its time limit, and the chance that the
//! caller gives up meanwhile.

use std::{pin::pin, task::Poll, time::Duration};

use super::{
    Progress,
    error::{Halt, Kind},
};
use crate::report::{Reply, Stage};

/// One step of a session. Nothing is waited for outside of one.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    stage: Stage,
    limit: Duration,
    progress: &'a Progress,
}

impl<'a> Step<'a> {
    /// Begins a step, and says so.
    pub(super) fn enter(progress: &'a Progress, stage: Stage, limit: Duration) -> Self {
        progress.enter(stage);
        Self {
            stage,
            limit,
            progress,
        }
    }

    /// The same step with at most `limit`.
    pub(super) fn at_most(self, limit: Duration) -> Self {
        Self {
            limit: self.limit.min(limit),
            ..self
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes note of a reply in this step.
    pub(super) fn heard(&self, reply: &Reply) {
        self.progress.note(reply);
    }

    pub(super) fn halt(&self, kind: Kind) -> Halt {
        Halt::new(self.stage, kind)
    }

    /// Waits, until the limit runs out or the caller gives up.
    pub(super) async fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Halt> {
        let mut future = pin!(future);
        if self.progress.is_abandoned() {
            return Err(self.halt(Kind::Abandoned));
        }
        // What need not wait needs neither a timer nor a listener.
        if let Poll::Ready(outcome) = futures_util::poll!(future.as_mut()) {
            return Ok(outcome);
        }
        tokio::select! {
            biased;
            () = self.progress.abandoned() => Err(self.halt(Kind::Abandoned)),
            outcome = tokio::time::timeout(self.limit, future) => {
                outcome.map_err(|_| self.halt(Kind::Timeout { limit: self.limit }))
            }
        }
    }
}
