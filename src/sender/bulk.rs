//! Many mails of one caller, which wait for their turn instead of being
//! refused. What a relay takes at a time decides how many are handed to it, so
//! that neither the callers beside nor a mail's own time pay for its
//! neighbours.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

use super::{
    ASK_AGAIN, Admission, Deadline, Order, Place, Places, RequestId, SendError, Sender, Sent,
    dispatch,
};
use crate::{mail::Envelope, relay::Account, smtp};

/// How many mails of a stream a relay is given for each that it takes at a
/// time: one under way, and one ready when that has ended.
const MAILS_PER_PLACE: usize = 2;

/// How long the mails of a stream may take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Each of them, from when its turn has come.
    pub each: Duration,
    /// All of them, where the caller says so; the margin is already taken off.
    pub until: Option<Deadline>,
}

impl Pace {
    /// The deadline of a mail whose turn comes now.
    pub(super) fn deadline(self) -> Deadline {
        let own = Instant::now() + self.each;
        Deadline {
            answer_by: self.until.map_or(own, |until| own.min(until.answer_by)),
        }
    }
}

/// Why a stream takes no more mails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closed {
    /// The caller's deadline has come.
    Late,
    /// The service stops.
    ShuttingDown {
        /// When to ask again: another replica may serve by then.
        retry_after: Duration,
    },
}

/// The mails of one stream. Clones share their lines.
#[derive(Clone, Debug)]
pub struct Bulk {
    sender: Sender,
    pace: Pace,
    lines: Arc<Mutex<HashMap<Account, Arc<Semaphore>>>>,
}

impl Bulk {
    pub(super) fn new(sender: Sender, pace: Pace) -> Self {
        Self {
            sender,
            pace,
            lines: Arc::default(),
        }
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Sends as [`Sender::send`] does, but when its turn has come: it is never
    /// refused because others are under way.
    pub async fn send(&self, order: Order, id: RequestId) -> Result<Sent, SendError> {
        let admission = Admission::InTurn(self);
        self.sender.send_once(order, Some(id), admission).await
    }

    /// Waits until no further mail should be taken.
    pub async fn closed(&self) -> Closed {
        tokio::select! {
            biased;
            () = self.sender.draining.cancelled() => Closed::ShuttingDown {
                retry_after: ASK_AGAIN,
            },
            () = self.too_late() => Closed::Late,
        }
    }

    /// Waits for the turn of a mail. Its own time begins when it has come.
    pub(super) async fn admit(
        &self,
        places: &Places,
        target: &smtp::Target,
        envelope: &Envelope,
    ) -> Result<(Place, Deadline), SendError> {
        tokio::select! {
            biased;
            closed = self.closed() => Err(match closed {
                Closed::Late => SendError::Relay(dispatch::late_in_line(target, envelope)),
                Closed::ShuttingDown { retry_after } => SendError::ShuttingDown { retry_after },
            }),
            place = places.in_turn(self.line(target)) => Ok((place, self.pace.deadline())),
        }
    }

    async fn too_late(&self) {
        match self.pace.until {
            Some(until) => sleep_until(until.answer_by).await,
            None => std::future::pending().await,
        }
    }

    fn line(&self, target: &smtp::Target) -> Arc<Semaphore> {
        let account = Account::of(target);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&account) {
            return Arc::clone(line);
        }
        // Each place and each mail in a line has the line: no more lines stay
        // than there are mails.
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        let capacity = self.sender.directory.capacity(target);
        let line = Arc::new(Semaphore::new(capacity.saturating_mul(MAILS_PER_PLACE)));
        lines.insert(account, Arc::clone(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::task::unconstrained;

    use super::*;
    use crate::{
        mail::Envelope,
        relay::{AllowedHosts, Choice, CustomRelay, Directory, Settings},
        report::{Reason, Stage},
        sender::Keep,
        tls,
    };

    const EACH: Duration = Duration::from_secs(10);

    fn bulk(until: Option<Duration>) -> Bulk {
        let keep = Keep {
            time: Duration::ZERO,
            entries: 0,
        };
        let mut settings = Settings::default();
        settings.custom.allow = vec![AllowedHosts {
            host: "*".into(),
            ports: Vec::new(),
        }];
        settings.custom.pool.max_connections = 3;
        let sender = Sender::new(Directory::new(settings).unwrap(), keep, 100);
        let until = until.map(|time| Deadline {
            answer_by: Instant::now() + time,
        });
        sender.bulk(Pace { each: EACH, until })
    }

    fn target(bulk: &Bulk, port: u16) -> smtp::Target {
        let relay = Choice::Custom(CustomRelay {
            host: smtp::Host::Name("mail.example.com".into()),
            port,
            credentials: None,
        });
        let directory = &bulk.sender.directory;
        let tls = tls::Settings::default();
        directory.find(&relay, "example.org", &tls).unwrap()
    }

    fn envelope() -> Envelope {
        Envelope {
            reverse_path: None,
            forward_paths: vec!["bob@example.net".parse().unwrap()],
        }
    }

    fn admit(bulk: &Bulk, target: &smtp::Target) -> Option<Result<(Place, Deadline), SendError>> {
        let places = bulk.sender.places.clone();
        let envelope = envelope();
        // A hundred in one go are more than tokio lets a task have.
        unconstrained(bulk.admit(&places, target, &envelope)).now_or_never()
    }

    #[tokio::test]
    async fn a_relay_is_given_what_it_takes_and_as_much_again() {
        let bulk = bulk(None);
        for port in [25, 587] {
            let target = target(&bulk, port);
            let places: Vec<_> = std::iter::from_fn(|| admit(&bulk, &target)).collect();
            assert_eq!(places.len(), 6);
            assert!(places.iter().all(Result::is_ok));
            // Another stream has a line of its own.
            let other = bulk.sender.bulk(bulk.pace());
            assert!(admit(&other, &target).is_some());
        }
    }

    #[tokio::test]
    async fn a_line_goes_with_its_last_mail() {
        let bulk = bulk(None);
        let held = admit(&bulk, &target(&bulk, 1)).unwrap();
        for port in 2..100 {
            admit(&bulk, &target(&bulk, port)).unwrap().unwrap();
        }
        assert_eq!(bulk.lines.lock().unwrap().len(), 2);
        // The one that is held is still the same.
        let rest = std::iter::from_fn(|| admit(&bulk, &target(&bulk, 1)));
        assert_eq!(rest.collect::<Vec<_>>().len(), 5);
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mails_time_begins_with_its_turn() {
        let bulk = bulk(None);
        let target = target(&bulk, 25);
        let mut places: Vec<_> = std::iter::from_fn(|| admit(&bulk, &target)).collect();
        let (envelope, all) = (envelope(), bulk.sender.places.clone());
        let waiting = bulk.admit(&all, &target, &envelope);
        let leaving = async {
            tokio::time::sleep(9 * EACH).await;
            places.pop();
        };
        let (admitted, ()) = tokio::join!(waiting, leaving);
        let (_, deadline) = admitted.unwrap();
        assert_eq!(deadline.answer_by, Instant::now() + EACH);
    }

    #[tokio::test(start_paused = true)]
    async fn in_line_the_deadline_of_the_call_holds() {
        let bulk = bulk(Some(2 * EACH));
        let target = target(&bulk, 25);
        let began = Instant::now();
        let places: Vec<_> = std::iter::from_fn(|| admit(&bulk, &target)).collect();
        let (_, own) = places[0].as_ref().unwrap();
        assert_eq!(own.answer_by, began + EACH);
        let (envelope, all) = (envelope(), bulk.sender.places.clone());
        let waited = bulk.admit(&all, &target, &envelope).await;
        assert_eq!(began.elapsed(), 2 * EACH);
        let Err(SendError::Relay(failure)) = waited else {
            panic!("{waited:?}");
        };
        assert_eq!(failure.reason, Reason::DeadlineExceeded);
        assert_eq!(failure.stage, Stage::PoolWait);
        assert_eq!(bulk.closed().await, Closed::Late);
    }

    #[tokio::test]
    async fn nobody_gets_a_place_when_the_service_stops() {
        let bulk = bulk(None);
        bulk.sender.close_streams();
        let refused = admit(&bulk, &target(&bulk, 25)).unwrap();
        assert!(matches!(refused, Err(SendError::ShuttingDown { .. })));
        assert_eq!(
            bulk.closed().await,
            Closed::ShuttingDown {
                retry_after: ASK_AGAIN
            }
        );
    }
}
