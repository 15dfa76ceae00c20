use std::pin::pin;

use bytes::Bytes;
use futures_util::{FutureExt as _, poll};
use tokio_util::task::TaskTracker;

use super::{super::pool::Pool, *};
use crate::{
    mail::Envelope,
    relay::pool::Taken,
    report::TlsMode,
    smtp::{Body, Host, Landed, Progress, Transactions, fixture},
    testrelay::{Answer, Script, Step, TestRelay},
};

const LIMITS: PoolLimits = PoolLimits {
    max_connections: 2,
    idle_time: std::time::Duration::from_secs(30),
    max_mails: 100,
    depth: 3,
};

struct Fixture {
    relay: TestRelay,
    target: Target,
    pool: Arc<Pool<Session>>,
    convoys: Arc<Convoys>,
}

impl Fixture {
    async fn new(limits: PoolLimits) -> Self {
        Self::with(limits, Script::new()).await
    }

    async fn with(limits: PoolLimits, script: Script) -> Self {
        let relay = TestRelay::builder().script(script).start().await.unwrap();
        let host: Host = "127.0.0.1".parse().unwrap();
        let target = Target {
            port: relay.port(),
            transactions: Transactions::Eager,
            host,
            ..fixture::target(TlsMode::Plaintext)
        };
        Self {
            relay,
            target,
            pool: Arc::new(Pool::new(limits, TaskTracker::new())),
            convoys: Convoys::new(limits).unwrap(),
        }
    }

    /// The first seat on a connection that nobody was on.
    async fn begin(&self) -> Seat {
        let slot = match Arc::clone(&self.pool).take(&self.target).await {
            Taken::Cold(slot) => slot,
            Taken::Warm(_) => panic!("a connection was there"),
        };
        let session = Session::open(&self.target, &Progress::default()).await;
        let held = slot.hold(session.unwrap());
        self.convoys.begin(held, self.target.clone())
    }

    /// A seat, if there is one now.
    fn seat(&self) -> Option<Seat> {
        self.convoys.seat(&self.target).now_or_never()
    }

    /// All the seats that there are now.
    fn seats(&self) -> Vec<Seat> {
        std::iter::from_fn(|| self.seat()).collect()
    }

    /// Waits until no connection carries anything.
    async fn ended(&self) {
        while !self.convoys.state().under_way.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

/// Puts a mail on a seat, and waits until it is off again.
async fn carry(seat: &mut Seat) -> Option<Landed> {
    let envelope = Envelope {
        reverse_path: None,
        forward_paths: vec!["bob@example.net".parse().unwrap()],
    };
    let body = Body::from(Bytes::from_static(b"Subject: a\r\n\r\nb\r\n"));
    let (flight, landed) = Flight::new(envelope, body, Progress::default());
    if seat.take(flight) {
        Some(landed.await.unwrap())
    } else {
        None
    }
}

#[test]
fn with_a_depth_of_one_there_are_none() {
    assert!(Convoys::new(PoolLimits { depth: 1, ..LIMITS }).is_none());
}

#[tokio::test]
async fn a_connection_has_as_many_seats_as_it_is_deep() {
    let fixture = Fixture::new(LIMITS).await;
    assert!(fixture.seat().is_none());
    let first = fixture.begin().await;
    let mut others = fixture.seats();
    assert_eq!(others.len(), 2);
    others.pop();
    assert_eq!(fixture.seats().len(), 1);
    drop(first);
    assert_eq!(fixture.seats().len(), 2);
    // A second connection has its own.
    let _second = fixture.begin().await;
    assert_eq!(fixture.seats().len(), 4);
}

#[tokio::test]
async fn a_free_seat_goes_to_whoever_has_waited_longest_and_is_still_there() {
    let fixture = Fixture::new(LIMITS).await;
    let first = fixture.begin().await;
    let _others = fixture.seats();
    let mut second = Box::pin(fixture.convoys.seat(&fixture.target));
    let mut third = pin!(fixture.convoys.seat(&fixture.target));
    let mut fourth = pin!(fixture.convoys.seat(&fixture.target));
    assert!(poll!(&mut second).is_pending());
    assert!(poll!(&mut third).is_pending());
    assert!(poll!(&mut fourth).is_pending());
    drop(second);
    drop(first);
    assert!(poll!(&mut fourth).is_pending());
    let seat = third.now_or_never().unwrap();
    drop(seat);
    assert!(fourth.now_or_never().is_some());
}

#[tokio::test]
async fn who_leaves_with_a_seat_in_hand_gives_it_to_the_next() {
    let fixture = Fixture::new(LIMITS).await;
    let first = fixture.begin().await;
    let _others = fixture.seats();
    let mut second = Box::pin(fixture.convoys.seat(&fixture.target));
    let mut third = pin!(fixture.convoys.seat(&fixture.target));
    assert!(poll!(&mut second).is_pending());
    assert!(poll!(&mut third).is_pending());
    // It is the second's now, who does not know yet.
    drop(first);
    assert!(poll!(&mut third).is_pending());
    drop(second);
    assert!(third.now_or_never().is_some());
}

#[tokio::test]
async fn a_connection_that_begins_takes_those_who_wait() {
    let fixture = Fixture::new(LIMITS).await;
    let mut elsewhere = fixture.target.clone();
    elsewhere.port += 1;
    let mut other = pin!(fixture.convoys.seat(&elsewhere));
    let mut waiting = pin!(fixture.convoys.seat(&fixture.target));
    assert!(poll!(&mut other).is_pending());
    assert!(poll!(&mut waiting).is_pending());
    let _first = fixture.begin().await;
    let _second = waiting.now_or_never().unwrap();
    // Not those who want another connection, though they came first.
    assert!(poll!(&mut other).is_pending());
    assert_eq!(fixture.seats().len(), 1);
}

#[tokio::test]
async fn while_a_mail_waits_for_a_connection_of_its_own_nobody_joins() {
    let fixture = Fixture::new(LIMITS).await;
    let _first = fixture.begin().await;
    let alone = [fixture.convoys.alone(), fixture.convoys.alone()];
    let mut waiting = pin!(fixture.convoys.seat(&fixture.target));
    assert!(poll!(&mut waiting).is_pending());
    let [one, other] = alone;
    drop(one);
    assert!(poll!(&mut waiting).is_pending());
    drop(other);
    assert!(waiting.now_or_never().is_some());
}

#[tokio::test]
async fn a_connection_carries_no_more_mails_than_it_may() {
    let limits = PoolLimits {
        max_mails: 4,
        ..LIMITS
    };
    let fixture = Fixture::new(limits).await;
    let mut first = fixture.begin().await;
    let mut second = fixture.seat().unwrap();
    assert!(carry(&mut first).await.unwrap().outcome.is_ok());
    assert!(carry(&mut second).await.unwrap().outcome.is_ok());
    drop(second);
    // One after the other, as well as at once.
    let mut third = fixture.seat().unwrap();
    let fourth = fixture.seat().unwrap();
    assert!(fixture.seat().is_none());
    assert!(carry(&mut third).await.unwrap().outcome.is_ok());
    drop(third);
    assert!(fixture.seat().is_none());
    drop((first, fourth));
    fixture.ended().await;
    assert_eq!(fixture.relay.counters().mails, 3);
}

#[tokio::test]
async fn a_seat_that_nobody_used_is_no_mail() {
    let limits = PoolLimits {
        max_mails: 3,
        ..LIMITS
    };
    let fixture = Fixture::new(limits).await;
    let _first = fixture.begin().await;
    drop(fixture.seats());
    assert_eq!(fixture.seats().len(), 2);
}

#[tokio::test]
async fn it_ends_with_its_last_seat_and_the_connection_is_there_for_others() {
    let fixture = Fixture::new(LIMITS).await;
    let mut first = fixture.begin().await;
    let second = fixture.seat().unwrap();
    assert!(carry(&mut first).await.unwrap().outcome.is_ok());
    drop(first);
    assert_eq!(fixture.pool.connections().idle, 0);
    drop(second);
    assert!(fixture.seat().is_none());
    fixture.ended().await;
    assert!(fixture.seat().is_none());
    assert_eq!(fixture.pool.connections().idle, 1);
    let taken = Arc::clone(&fixture.pool).take(&fixture.target).await;
    let Taken::Warm(held) = taken else {
        panic!("it is gone");
    };
    assert_eq!(held.session().mails(), 1);
    // It may carry several again, and counts on.
    drop(fixture.convoys.begin(held, fixture.target.clone()));
    assert_eq!(fixture.relay.counters().connections, 1);
}

#[tokio::test]
async fn nobody_has_a_seat_on_a_connection_that_was_lost() {
    let script = Script::new().once(Step::EndOfData, Answer::close());
    let fixture = Fixture::with(LIMITS, script).await;
    let mut first = fixture.begin().await;
    let mut second = fixture.seat().unwrap();
    let mut waiting = pin!(async {
        let _all = fixture.seats();
        fixture.convoys.seat(&fixture.target).await
    });
    assert!(poll!(&mut waiting).is_pending());
    assert!(carry(&mut first).await.unwrap().outcome.is_err());
    // It has a seat, and puts its mail on another.
    assert!(carry(&mut second).await.is_none());
    drop((first, second));
    fixture.ended().await;
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(fixture.pool.connections().open, 0);
    // Who waited is served by the next.
    let _next = fixture.begin().await;
    assert!(waiting.now_or_never().is_some());
}
