//! Answers of relays: each question is asked once, by whoever has it first, and
//! its answer is kept for those who have it next. Knows neither what is asked
//! nor how.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long an answer is taken for true.
const KEPT: Duration = Duration::from_mins(5);
/// How many of them are kept.
const MOST_CASES: usize = 256;
/// How many questions are asked at a time: others wait in line. Callers can
/// describe any number of relays that fail.
const MOST_AT_A_TIME: usize = 16;
/// How many may be asked or in line.
const MOST_IN_LINE: usize = 256;

/// Answers that are known, and those that are on the way.
pub struct Answers<Subject, Answer> {
    /// The oldest first.
    cases: Mutex<Vec<Case<Subject, Answer>>>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

struct Case<Subject, Answer> {
    subject: Subject,
    since: Instant,
    told: Told<Answer>,
}

/// `None` as long as the answer is on the way.
type Told<Answer> = watch::Receiver<Option<Answer>>;

impl<Subject, Answer> Default for Answers<Subject, Answer> {
    fn default() -> Self {
        Self {
            cases: Mutex::default(),
            room: Arc::new(Semaphore::new(MOST_AT_A_TIME)),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }
}

impl<Subject: PartialEq, Answer: Clone + Send + Sync + 'static> Answers<Subject, Answer> {
    /// The answer about `subject`: the one that is known or on the way, or else
    /// what `ask` finds out. What has begun goes on when nobody waits any more:
    /// the next to ask has more luck. `None` where the line is too long, or
    /// nothing is asked any more.
    pub async fn get<Asked>(&self, subject: Subject, ask: impl FnOnce() -> Asked) -> Option<Answer>
    where
        Asked: Future<Output = Answer> + Send + 'static,
    {
        let mut told = self.told(subject, ask)?;
        told.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Ends what is under way, and begins nothing any more.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn told<Asked>(&self, subject: Subject, ask: impl FnOnce() -> Asked) -> Option<Told<Answer>>
    where
        Asked: Future<Output = Answer> + Send + 'static,
    {
        let mut cases = self.cases.lock().unwrap_or_else(PoisonError::into_inner);
        cases.retain(|case| case.since.elapsed() < KEPT);
        if let Some(case) = cases.iter().find(|case| case.subject == subject) {
            return Some(case.told.clone());
        }
        if self.stopping.is_cancelled() || self.tasks.len() >= MOST_IN_LINE {
            return None;
        }
        if cases.len() >= MOST_CASES {
            cases.remove(0);
        }
        let (tell, told) = watch::channel(None);
        cases.push(Case {
            subject,
            since: Instant::now(),
            told: told.clone(),
        });
        drop(cases);

        let asked = Box::pin(ask());
        let (room, stopping) = (Arc::clone(&self.room), self.stopping.clone());
        self.tasks.spawn(async move {
            let in_turn = async {
                let _permit = room.acquire_owned().await.ok()?;
                Some(asked.await)
            };
            let answer = stopping.run_until_cancelled(in_turn).await.flatten();
            // Nobody may be waiting; it is there for the next.
            tell.send_replace(answer);
        });
        Some(told)
    }
}

impl<Subject, Answer> Drop for Answers<Subject, Answer> {
    /// Nobody is left who could ask.
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

impl<Subject, Answer> fmt::Debug for Answers<Subject, Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Counts how often it is asked.
    #[derive(Clone, Default)]
    struct Relay(Arc<AtomicUsize>);

    impl Relay {
        async fn answer(self) -> usize {
            let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            sleep(SECOND).await;
            count
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_share_one_answer_which_is_kept_for_a_while() {
        let (answers, relay) = (Answers::default(), Relay::default());
        let ask = || answers.get("one", || relay.clone().answer());
        let all = join_all((0..20).map(|_| ask())).await;
        assert_eq!(all, [Some(1); 20]);
        assert_eq!(timeout(SECOND / 2, ask()).await, Ok(Some(1)));
        let another = answers.get("another", || relay.clone().answer());
        assert_eq!(another.await, Some(2));

        sleep(KEPT).await;
        assert_eq!(ask().await, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_any_more_is_there_for_the_next() {
        let (answers, relay) = (Answers::default(), Relay::default());
        let ask = || answers.get((), || relay.clone().answer());
        assert!(timeout(SECOND / 2, ask()).await.is_err());
        sleep(SECOND).await;
        assert_eq!(timeout(SECOND / 2, ask()).await, Ok(Some(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_much_is_asked_at_a_time_and_the_rest_waits_in_line() {
        let (answers, relay) = (Answers::default(), Relay::default());
        let started = Instant::now();
        let ask = |subject| answers.get(subject, || relay.clone().answer());
        let all = join_all((0..=MOST_AT_A_TIME).map(ask)).await;
        assert!(all.iter().all(Option::is_some));
        assert_eq!(started.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_has_a_bound_and_nothing_is_asked_after_the_end() {
        let answers = Answers::<_, ()>::default();
        for subject in 0..MOST_IN_LINE {
            assert!(answers.told(subject, pending).is_some());
        }
        assert!(answers.told(MOST_IN_LINE, pending).is_none());
        assert!(answers.told(0, pending).is_some(), "it is on the way");

        let waiting = answers.get(0, pending);
        let (answer, ()) = tokio::join!(waiting, answers.stop());
        assert_eq!(answer, None);
        assert_eq!(answers.get(MOST_IN_LINE, pending).await, None);
    }
}
