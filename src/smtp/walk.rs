//! A session that is opened, left again and told step by step. It is the
//! session that carries mail, with a record of its steps beside it: no second
//! one that could behave otherwise.

use std::{
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{Error, Progress, Session, Target};
use crate::report::{self, Certificate, Reply, Stage};

/// What became of a session that was opened and left.
#[derive(Debug)]
pub struct Walk {
    /// The steps that were entered, in their order. Where the session did not
    /// come about, the last one failed.
    pub steps: Vec<Passed>,
    /// The session, or why there was none.
    pub outcome: Result<report::Session, Box<Error>>,
    /// The chain that the relay presented, leaf first. Empty without a session
    /// in TLS: the error tells what was seen then.
    pub certificates: Vec<Certificate>,
}

/// One step of a session.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Which one.
    pub stage: Stage,
    /// Until the next one began.
    pub elapsed: Duration,
    /// The last reply in it that is no challenge.
    pub reply: Option<Reply>,
}

impl Walk {
    /// Opens a session as `target` has it, authenticates if there are
    /// credentials, and says QUIT. No mail is begun. When the time is up at
    /// `until`, the session is given up where it is.
    pub async fn take(target: &Target, until: Instant) -> Self {
        let progress = Progress::recorded();
        let mut walk = pin!(async {
            let session = Session::open(target, &progress).await?;
            let facts = (session.facts(), session.certificates());
            session.part(&progress).await;
            Ok::<_, Box<Error>>(facts)
        });
        let outcome = match timeout_at(until, &mut walk).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                // The step under way ends at once, and says which it was.
                let _ = progress.abandon();
                walk.await
            }
        };
        let steps = progress.trail().map(Trail::finish).unwrap_or_default();
        match outcome {
            Ok((session, certificates)) => Self {
                steps,
                outcome: Ok(session),
                certificates,
            },
            Err(error) => Self {
                steps: up_to(steps, error.stage()),
                outcome: Err(error),
                certificates: Vec::new(),
            },
        }
    }
}

/// A handshake may be refused as late as in the step after it: then that is
/// where the session ended.
fn up_to(mut steps: Vec<Passed>, stage: Stage) -> Vec<Passed> {
    if let Some(last) = steps.iter().rposition(|step| step.stage == stage) {
        steps.truncate(last + 1);
    }
    steps
}

/// The steps of a session, as they are taken.
#[derive(Debug, Default)]
pub(super) struct Trail(Mutex<Vec<Footprint>>);

#[derive(Debug)]
struct Footprint {
    stage: Stage,
    entered: Instant,
    reply: Option<Reply>,
}

impl Trail {
    pub(super) fn enter(&self, stage: Stage) {
        self.prints().push(Footprint {
            stage,
            entered: Instant::now(),
            reply: None,
        });
    }

    /// A reply came in the step under way. A challenge in AUTH is no fact about
    /// the relay.
    pub(super) fn note(&self, reply: &Reply) {
        if !reply.code.is_intermediate()
            && let Some(last) = self.prints().last_mut()
        {
            last.reply = Some(reply.clone());
        }
    }

    fn finish(&self) -> Vec<Passed> {
        let mut end = Instant::now();
        let mut steps: Vec<_> = std::mem::take(&mut *self.prints())
            .into_iter()
            .rev()
            .map(|print| Passed {
                stage: print.stage,
                elapsed: std::mem::replace(&mut end, print.entered) - print.entered,
                reply: print.reply,
            })
            .collect();
        steps.reverse();
        steps
    }

    fn prints(&self) -> MutexGuard<'_, Vec<Footprint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_step_lasts_until_the_next_one_begins() {
        let trail = Trail::default();
        for (stage, seconds) in [(Stage::Connect, 1), (Stage::Greeting, 2), (Stage::Ehlo, 3)] {
            trail.enter(stage);
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }
        let steps = trail.finish();
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.stage, step.elapsed.as_secs()))
            .collect();
        assert_eq!(
            told,
            [(Stage::Connect, 1), (Stage::Greeting, 2), (Stage::Ehlo, 3)]
        );
    }
}
