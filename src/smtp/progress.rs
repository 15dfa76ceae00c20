//! How far a transaction is, shared between the task that carries it out and
//! the call that waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use strum::IntoEnumIterator as _;
use tokio_util::sync::CancellationToken;

use super::walk::Trail;
use crate::report::{Reply, Stage};

/// How far a transaction is. Either the session commits, and then sends the
/// octets that end the data, or the waiting side abandons it, and then the
/// session never sends them: not both.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<State>);

#[derive(Debug, Default)]
struct State {
    stage: AtomicU8,
    decision: AtomicU8,
    abandoned: CancellationToken,
    /// Only where somebody wants to know.
    trail: Option<Trail>,
}

const OPEN: u8 = 0;
const COMMITTED: u8 = 1;
const ABANDONED: u8 = 2;

impl Progress {
    /// A progress that keeps the steps that it came through.
    pub(super) fn recorded() -> Self {
        Self(Arc::new(State {
            trail: Some(Trail::default()),
            ..State::default()
        }))
    }

    /// The steps so far, when they are kept.
    pub(super) fn trail(&self) -> Option<&Trail> {
        self.0.trail.as_ref()
    }

    /// Takes note of a reply in the stage that the session has come to.
    pub(super) fn note(&self, reply: &Reply) {
        if let Some(trail) = self.trail() {
            trail.note(reply);
        }
    }

    /// Says that the session has come to `stage`.
    pub fn enter(&self, stage: Stage) {
        self.0.stage.store(stage as u8, Ordering::Release);
        if let Some(trail) = self.trail() {
            trail.enter(stage);
        }
    }

    /// The stage that the session has come to.
    pub fn stage(&self) -> Stage {
        let number = self.0.stage.load(Ordering::Acquire);
        Stage::iter()
            .find(|stage| *stage as u8 == number)
            .unwrap_or(Stage::Resolve)
    }

    /// Claims the right to end the data. To be called right before the first
    /// octet is written after which the relay may take the mail. When it says
    /// `false`, the transaction must be dropped instead.
    #[must_use]
    pub fn commit(&self) -> bool {
        match self.decide(COMMITTED) {
            Ok(_) => {
                self.enter(Stage::EndOfData);
                true
            }
            Err(decision) => decision == COMMITTED,
        }
    }

    /// The relay is known not to have taken the mail, so that it may be given up
    /// again.
    pub(super) fn reopen(&self) {
        let decision = &self.0.decision;
        // Where nothing was decided, nothing changes.
        let _ = decision.compare_exchange(COMMITTED, OPEN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Gives the transaction up. When it says `false`, the relay may already
    /// have the mail.
    #[must_use]
    pub fn abandon(&self) -> bool {
        let abandoned = self.decide(ABANDONED).is_ok();
        if abandoned {
            self.0.abandoned.cancel();
        }
        abandoned
    }

    /// Whether the transaction was given up.
    pub fn is_abandoned(&self) -> bool {
        self.0.decision.load(Ordering::Acquire) == ABANDONED
    }

    /// Waits until the transaction is given up.
    pub async fn abandoned(&self) {
        self.0.abandoned.cancelled().await;
    }

    fn decide(&self, decision: u8) -> Result<u8, u8> {
        self.0
            .decision
            .compare_exchange(OPEN, decision, Ordering::AcqRel, Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_committed_or_abandoned_but_not_both() {
        let progress = Progress::default();
        progress.enter(Stage::Data);
        assert!(progress.commit());
        assert_eq!(progress.stage(), Stage::EndOfData);
        assert!(!progress.abandon());

        let progress = Progress::default();
        assert!(progress.abandon());
        progress.reopen();
        assert!(!progress.commit());
    }

    #[test]
    fn what_was_not_taken_may_be_given_up_again() {
        let progress = Progress::default();
        assert!(progress.commit());
        progress.reopen();
        assert!(progress.commit());
        progress.reopen();
        assert!(progress.abandon());
    }

    #[tokio::test]
    async fn giving_up_wakes_the_session() {
        let progress = Progress::default();
        let session = tokio::spawn({
            let progress = progress.clone();
            async move { progress.abandoned().await }
        });
        assert!(progress.abandon());
        session.await.unwrap();
    }
}
