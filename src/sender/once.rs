//! Answers by request ID, so that a repeated call does not send twice. In
//! memory, bounded in number and in time.

use std::{
    collections::{HashMap, VecDeque},
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{Answer, SendError};
use crate::{
    mail::{Broken, Rule},
    report::Acceptance,
};

/// Names a request: 1 to 128 printable ASCII characters without spaces.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(String);

impl RequestId {
    /// The longest ID, in characters.
    pub const MAX_CHARS: usize = 128;

    /// The ID as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Broken::new(
                Rule::ForbiddenCharacter,
                "must be printable ASCII without spaces",
            ));
        }
        if !(1..=Self::MAX_CHARS).contains(&text.len()) {
            return Err(Broken::new(Rule::Length, "must have 1 to 128 characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// How long answers are kept, and how many.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// An answer older than this is forgotten.
    pub time: Duration,
    /// An answer counts once for each of its recipients. Past this many, the
    /// oldest are forgotten.
    pub entries: usize,
}

/// The store.
#[derive(Clone, Debug)]
pub(super) struct Once(Arc<Mutex<Store>>);

#[derive(Debug)]
struct Store {
    keep: Keep,
    entries: HashMap<RequestId, Entry>,
    /// The kept answers, oldest first, with their weights.
    kept: VecDeque<(Instant, RequestId, usize)>,
    kept_weight: usize,
}

#[derive(Debug)]
struct Entry {
    fingerprint: [u8; 32],
    state: State,
}

#[derive(Debug)]
enum State {
    InFlight(watch::Receiver<Option<Settled>>),
    Kept(Arc<Answer>),
}

/// How a claim ended.
#[derive(Clone, Debug)]
pub(super) enum Settled {
    /// This is the answer to every call with the ID.
    Answered(Arc<Answer>),
    /// The first call gave up before anything was sent: the ID is free.
    Abandoned,
}

/// What the store knows of an ID.
#[derive(Debug)]
pub(super) enum Claim {
    /// Nothing: the caller sends, and settles the ticket.
    Mine(Ticket),
    /// Another call is at it.
    InFlight(watch::Receiver<Option<Settled>>),
    /// This is the answer.
    Kept(Arc<Answer>),
}

impl Once {
    pub(super) fn new(keep: Keep) -> Self {
        Self(Arc::new(Mutex::new(Store {
            keep,
            entries: HashMap::new(),
            kept: VecDeque::new(),
            kept_weight: 0,
        })))
    }

    pub(super) fn claim(&self, id: &RequestId, fingerprint: [u8; 32]) -> Result<Claim, SendError> {
        let mut store = self.lock();
        store.forget_old(Instant::now());
        if let Some(entry) = store.entries.get(id) {
            if entry.fingerprint != fingerprint {
                return Err(SendError::RequestIdReused);
            }
            return Ok(match &entry.state {
                State::InFlight(settled) => Claim::InFlight(settled.clone()),
                State::Kept(answer) => Claim::Kept(Arc::clone(answer)),
            });
        }
        let (settle, settled) = watch::channel(None);
        let entry = Entry {
            fingerprint,
            state: State::InFlight(settled),
        };
        store.entries.insert(id.clone(), entry);
        Ok(Claim::Mine(Ticket {
            once: self.clone(),
            id: id.clone(),
            settle,
            has_ended: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn forget_old(&mut self, now: Instant) {
        while let Some((time, ..)) = self.kept.front() {
            let is_old = now.duration_since(*time) >= self.keep.time;
            if !is_old && self.kept_weight <= self.keep.entries {
                break;
            }
            if let Some((_, id, weight)) = self.kept.pop_front() {
                self.kept_weight -= weight;
                self.entries.remove(&id);
            }
        }
    }
}

/// The right to send under an ID. Dropped without an answer, it frees the ID.
#[derive(Debug)]
pub(super) struct Ticket {
    once: Once,
    id: RequestId,
    settle: watch::Sender<Option<Settled>>,
    /// Whether the entry is this ticket's no longer.
    has_ended: bool,
}

impl Ticket {
    /// Keeps an answer after which the relay has the mail, or may have it. A
    /// failure after which it has not frees the ID.
    pub(super) fn answer(mut self, answer: &Arc<Answer>) {
        let weight = match answer.as_ref() {
            Ok(sent) => Some(sent.recipients.len().max(1)),
            Err(failure) => (failure.acceptance() == Acceptance::Unknown)
                .then(|| failure.recipients.len().max(1)),
        };
        let now = Instant::now();
        let mut store = self.once.lock();
        if let Some(weight) = weight {
            if let Some(entry) = store.entries.get_mut(&self.id) {
                entry.state = State::Kept(Arc::clone(answer));
                store.kept.push_back((now, self.id.clone(), weight));
                store.kept_weight += weight;
            }
            store.forget_old(now);
        } else {
            store.entries.remove(&self.id);
        }
        drop(store);
        self.has_ended = true;
        // The answer is in place before anybody who waits looks again.
        self.settle
            .send_replace(Some(Settled::Answered(Arc::clone(answer))));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Another call may have the ID by now.
        if self.has_ended {
            return;
        }
        self.once.lock().entries.remove(&self.id);
        self.settle.send_replace(Some(Settled::Abandoned));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::*, *};
    use crate::report::Reason;

    const KEEP: Keep = Keep {
        time: Duration::from_mins(1),
        entries: 3,
    };

    fn id(text: &str) -> RequestId {
        text.parse().unwrap()
    }

    fn mine(once: &Once, text: &str) -> Ticket {
        match once.claim(&id(text), [0; 32]).unwrap() {
            Claim::Mine(ticket) => ticket,
            other => panic!("{text} is taken: {other:?}"),
        }
    }

    fn in_flight(once: &Once, text: &str) -> watch::Receiver<Option<Settled>> {
        match once.claim(&id(text), [0; 32]).unwrap() {
            Claim::InFlight(settled) => settled,
            other => panic!("{text} is not in flight: {other:?}"),
        }
    }

    fn answer(recipients: usize) -> Arc<Answer> {
        Arc::new(Ok(sent(recipients)))
    }

    fn refusal(reason: Reason) -> Arc<Answer> {
        Arc::new(Err(Box::new(failure(reason))))
    }

    fn is_kept(once: &Once, text: &str) -> bool {
        matches!(once.claim(&id(text), [0; 32]), Ok(Claim::Kept(_)))
    }

    #[test]
    fn an_id_has_1_to_128_printable_characters() {
        for (text, rule) in [
            (String::new(), Some(Rule::Length)),
            ("x".into(), None),
            ("~".repeat(127), None),
            ("~".repeat(128), None),
            ("~".repeat(129), Some(Rule::Length)),
            ("a b".into(), Some(Rule::ForbiddenCharacter)),
            ("a\r\n".into(), Some(Rule::ForbiddenCharacter)),
            ("\u{fc}".into(), Some(Rule::ForbiddenCharacter)),
        ] {
            let parsed = text.parse::<RequestId>();
            assert_eq!(parsed.err().map(|broken| broken.rule), rule, "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_its_time() {
        let once = Once::new(KEEP);
        mine(&once, "a").answer(&answer(1));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(is_kept(&once, "a"));
        tokio::time::advance(Duration::from_secs(1)).await;
        mine(&once, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn past_the_bound_the_oldest_are_forgotten() {
        let once = Once::new(KEEP);
        mine(&once, "a").answer(&answer(1));
        mine(&once, "b").answer(&answer(1));
        mine(&once, "c").answer(&answer(2));
        assert!(is_kept(&once, "c"));
        assert!(is_kept(&once, "b"));
        mine(&once, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_frees_the_id_unless_the_relay_may_have_the_mail() {
        let once = Once::new(KEEP);
        mine(&once, "a").answer(&refusal(Reason::Deferred));
        mine(&once, "a").answer(&refusal(Reason::OutcomeUnknown));
        assert!(is_kept(&once, "a"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_belongs_to_one_request() {
        let once = Once::new(KEEP);
        let _ticket = mine(&once, "a");
        let other = once.claim(&id("a"), [1; 32]);
        assert!(matches!(other, Err(SendError::RequestIdReused)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_the_answer_and_of_its_absence() {
        let once = Once::new(KEEP);

        let ticket = mine(&once, "a");
        let mut settled = in_flight(&once, "a");
        drop(ticket);
        let heard = settled.wait_for(Option::is_some).await.unwrap().clone();
        assert!(matches!(heard, Some(Settled::Abandoned)));

        let ticket = mine(&once, "a");
        let mut settled = in_flight(&once, "a");
        ticket.answer(&answer(1));
        let heard = settled.wait_for(Option::is_some).await.unwrap().clone();
        assert!(matches!(heard, Some(Settled::Answered(_))));
    }
}
