use std::{
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};

use tokio::{sync::Notify, time::advance};

use super::*;
use crate::{
    report::{RelayOrigin, TlsMode},
    smtp::{Credentials, Mechanisms, Probing, Resolver, Target, TimeLimits},
    tls,
};

const SECOND: Duration = Duration::from_secs(1);

const LIMITS: PoolLimits = PoolLimits {
    max_connections: 2,
    idle_time: Duration::from_secs(30),
    max_mails: 100,
    depth: 1,
};

/// What became of the connections, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, what: &str, name: &str) {
        self.0.lock().unwrap().push(format!("{what} {name}"));
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Fake {
    name: &'static str,
    target: &'static str,
    mails: usize,
    has_ended: Arc<AtomicBool>,
    is_broken: bool,
    is_unsettled: bool,
    /// Said goodbye to only when it lets.
    leave: Option<Arc<Notify>>,
    log: Log,
    /// How many there are.
    open: Arc<AtomicUsize>,
}

impl Keep for Fake {
    type Target = &'static str;

    fn serves(&self, target: &&'static str) -> bool {
        self.target == *target
    }

    fn resume(&mut self) -> bool {
        !self.has_ended.load(Ordering::Relaxed)
    }

    fn is_reusable(&self) -> bool {
        !self.is_broken
    }

    fn is_unsettled(&self) -> bool {
        self.is_unsettled
    }

    async fn settle(&mut self) {
        self.is_unsettled = false;
        self.log.add("settle", self.name);
    }

    fn mails(&self) -> usize {
        self.mails
    }

    async fn quit(self) {
        if let Some(leave) = &self.leave {
            leave.notified().await;
        }
        self.log.add("quit", self.name);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.log.add("closed", self.name);
    }
}

struct Fixture {
    pool: Arc<Pool<Fake>>,
    farewells: TaskTracker,
    log: Log,
    open: Arc<AtomicUsize>,
}

impl Fixture {
    fn new(limits: PoolLimits) -> Self {
        let farewells = TaskTracker::new();
        Self {
            pool: Arc::new(Pool::new(limits, farewells.clone())),
            farewells,
            log: Log::default(),
            open: Arc::default(),
        }
    }

    fn fake(&self, name: &'static str, target: &'static str) -> Fake {
        let open = self.open.fetch_add(1, Ordering::SeqCst);
        assert!(open < self.pool.limits.max_connections, "{open} were open");
        Fake {
            name,
            target,
            mails: 1,
            has_ended: Arc::default(),
            is_broken: false,
            is_unsettled: false,
            leave: None,
            log: self.log.clone(),
            open: Arc::clone(&self.open),
        }
    }

    async fn take(&self, target: &'static str) -> Taken<Fake> {
        Arc::clone(&self.pool).take(&target).await
    }

    async fn slot(&self, target: &'static str) -> Slot<Fake> {
        match self.take(target).await {
            Taken::Cold(slot) => slot,
            Taken::Warm(held) => panic!("{} was there", held.session().name),
        }
    }

    async fn warm(&self, target: &'static str) -> Held<Fake> {
        match self.take(target).await {
            Taken::Warm(held) => held,
            Taken::Cold(_) => panic!("there is none for {target}"),
        }
    }

    /// Has connections idle, in this order.
    async fn shelve(&self, names: &[&'static str]) {
        let mut slots = Vec::new();
        for _ in names {
            slots.push(self.slot("relay").await);
        }
        for (slot, name) in slots.into_iter().zip(names) {
            slot.hold(self.fake(name, "relay")).put_back();
        }
    }

    /// Open and idle.
    fn counts(&self) -> (usize, usize) {
        let Connections { open, idle, .. } = self.pool.connections();
        (open, idle)
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn the_last_in_is_the_first_out() {
    let fixture = Fixture::new(LIMITS);
    fixture.shelve(&["a", "b"]).await;
    assert_eq!(fixture.counts(), (2, 2));
    let first = fixture.warm("relay").await;
    assert_eq!(first.session().name, "b");
    assert_eq!(fixture.warm("relay").await.session().name, "a");
    // Dropped, and not put back.
    assert_eq!(fixture.log.all(), ["closed a"]);
    assert_eq!(fixture.counts(), (1, 0));
    first.put_back();
    assert_eq!(fixture.warm("relay").await.session().name, "b");
}

#[tokio::test]
async fn who_asks_first_is_served_first_and_who_leaves_the_line_holds_up_nobody() {
    let fixture = Fixture::new(PoolLimits {
        max_connections: 1,
        ..LIMITS
    });
    let slot = fixture.slot("relay").await;
    let mut line: Vec<_> = (0..4).map(|_| Box::pin(fixture.take("relay"))).collect();
    for waiting in &mut line {
        assert!(poll(waiting.as_mut()).is_pending());
    }
    slot.hold(fixture.fake("a", "relay")).put_back();
    // Who comes now is behind all others, though a connection is idle.
    line.push(Box::pin(fixture.take("relay")));
    assert!(poll(line[4].as_mut()).is_pending());
    drop(line.remove(1));
    for _ in 0..4 {
        for later in &mut line[1..] {
            assert!(poll(later.as_mut()).is_pending());
        }
        let Poll::Ready(Taken::Warm(held)) = poll(line.remove(0).as_mut()) else {
            panic!("the first in line has to wait");
        };
        assert_eq!(held.session().name, "a");
        held.put_back();
        if line.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn a_failed_connection_makes_room_for_the_next_in_line_and_fails_no_other() {
    let fixture = Fixture::new(PoolLimits {
        max_connections: 1,
        ..LIMITS
    });
    let slot = fixture.slot("relay").await;
    let mut next = pin!(fixture.take("relay"));
    assert!(poll(next.as_mut()).is_pending());
    drop(slot);
    assert!(matches!(poll(next.as_mut()), Poll::Ready(Taken::Cold(_))));
}

#[tokio::test]
async fn no_connection_is_lent_to_another_target() {
    let fixture = Fixture::new(LIMITS);
    fixture.shelve(&["a"]).await;
    drop(fixture.slot("other").await);
    assert_eq!(fixture.log.all(), [""; 0]);
    assert_eq!(fixture.warm("relay").await.session().name, "a");
}

#[tokio::test]
async fn idle_ones_count_and_the_oldest_makes_room_before_another_is_opened() {
    let fixture = Fixture::new(LIMITS);
    fixture.shelve(&["a", "b"]).await;
    let other = fixture.slot("other").await;
    assert_eq!(fixture.log.all(), ["quit a", "closed a"]);
    assert_eq!(fixture.counts(), (2, 1));
    let second = fixture.slot("other").await;
    assert_eq!(fixture.log.all()[2..], ["quit b", "closed b"]);
    assert_eq!(fixture.counts(), (2, 0));
    let mut third = pin!(fixture.take("other"));
    assert!(poll(third.as_mut()).is_pending());
    drop((other, second));
}

#[tokio::test]
async fn what_has_ended_is_dropped_at_checkout() {
    let fixture = Fixture::new(LIMITS);
    let first = fixture.slot("relay").await;
    let second = fixture.slot("relay").await;
    first.hold(fixture.fake("a", "relay")).put_back();
    let ended = fixture.fake("b", "relay");
    let has_ended = Arc::clone(&ended.has_ended);
    second.hold(ended).put_back();
    has_ended.store(true, Ordering::Relaxed);
    assert_eq!(fixture.warm("relay").await.session().name, "a");
    assert_eq!(fixture.log.all(), ["closed b", "closed a"]);
}

#[tokio::test]
async fn what_is_not_fit_for_another_mail_is_closed_without_a_word() {
    let fixture = Fixture::new(LIMITS);
    let slot = fixture.slot("relay").await;
    let mut broken = fixture.fake("a", "relay");
    broken.is_broken = true;
    slot.hold(broken).put_back();
    assert_eq!(fixture.log.all(), ["closed a"]);
    assert_eq!(fixture.counts(), (0, 0));
}

#[tokio::test]
async fn what_a_refusal_left_is_tidied_up_before_the_next_mail() {
    let fixture = Fixture::new(PoolLimits {
        max_connections: 1,
        ..LIMITS
    });
    let slot = fixture.slot("relay").await;
    let mut refused = fixture.fake("a", "relay");
    refused.is_unsettled = true;
    slot.hold(refused).put_back();
    assert_eq!(fixture.counts(), (1, 0));
    assert_eq!(fixture.warm("relay").await.session().name, "a");
    assert_eq!(fixture.log.all(), ["settle a", "closed a"]);
}

#[tokio::test]
async fn after_its_last_mail_a_connection_ends_and_keeps_its_place_until_then() {
    let fixture = Fixture::new(PoolLimits {
        max_connections: 1,
        max_mails: 3,
        ..LIMITS
    });
    let leave = Arc::new(Notify::new());
    let slot = fixture.slot("relay").await;
    let mut used = fixture.fake("a", "relay");
    used.mails = 3;
    used.leave = Some(Arc::clone(&leave));
    slot.hold(used).put_back();
    let mut next = Box::pin(fixture.take("relay"));
    tokio::task::yield_now().await;
    assert!(poll(next.as_mut()).is_pending());
    assert_eq!(fixture.counts(), (1, 0));
    leave.notify_one();
    assert!(matches!(next.await, Taken::Cold(_)));
    assert_eq!(fixture.log.all(), ["quit a", "closed a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_for_too_long_ends_and_nothing_else() {
    let fixture = Fixture::new(LIMITS);
    fixture.shelve(&["a", "b"]).await;
    tokio::time::sleep(10 * SECOND).await;
    fixture.warm("relay").await.put_back();
    tokio::time::sleep(Duration::from_millis(19_999)).await;
    assert_eq!(fixture.log.all(), [""; 0]);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(fixture.log.all(), ["quit a", "closed a"]);
    tokio::time::sleep(Duration::from_millis(9_998)).await;
    assert_eq!(fixture.counts(), (1, 1));
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(fixture.log.all()[2..], ["quit b", "closed b"]);
    assert_eq!(fixture.counts(), (0, 0));
    assert!(!fixture.pool.lock().is_watched);

    // The watch begins anew.
    fixture.shelve(&["c"]).await;
    tokio::time::sleep(30 * SECOND + Duration::from_millis(1)).await;
    assert_eq!(fixture.log.all()[4..], ["quit c", "closed c"]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_nobody_has_closes_its_connections() {
    let fixture = Fixture::new(LIMITS);
    fixture.shelve(&["a"]).await;
    let Fixture { pool, log, .. } = fixture;
    // The watch begins.
    tokio::task::yield_now().await;
    drop(pool);
    assert_eq!(log.all(), ["closed a"]);
    advance(31 * SECOND).await;
}

#[tokio::test]
async fn a_closed_pool_says_goodbye_and_keeps_nothing() {
    let fixture = Fixture::new(LIMITS);
    let late = fixture.slot("relay").await;
    fixture.shelve(&["a"]).await;
    fixture.pool.close();
    late.hold(fixture.fake("b", "relay")).put_back();
    fixture.farewells.close();
    fixture.farewells.wait().await;
    assert_eq!(
        fixture.log.all(),
        ["quit a", "closed a", "quit b", "closed b"]
    );
    assert_eq!(fixture.counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_bound_holds_in_a_crowd() {
    let fixture = Arc::new(Fixture::new(PoolLimits {
        max_connections: 5,
        max_mails: 7,
        ..LIMITS
    }));
    let callers = (0..64).map(|caller| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            for mail in 0..50 {
                let target = ["x", "y", "z"][(caller + mail) % 3];
                let mut held = match Arc::clone(&fixture.pool).take(&target).await {
                    Taken::Warm(held) => held,
                    Taken::Cold(slot) => slot.hold(fixture.fake("a", target)),
                };
                assert_eq!(held.session().target, target);
                held.session_mut().mails += 1;
                tokio::task::yield_now().await;
                if mail % 10 == 9 {
                    drop(held);
                } else {
                    held.put_back();
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_the_relay_refuses_stays_empty_for_a_while() {
    let fixture = Fixture::new(LIMITS);
    // Without another connection there is nothing to wait for.
    assert!(!fixture.slot("a").await.leave_empty());

    let held = fixture.slot("a").await.hold(fixture.fake("one", "a"));
    assert!(fixture.slot("a").await.leave_empty());
    assert_eq!(fixture.pool.connections().open, 1);
    let mut waiting = pin!(fixture.take("a"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    held.put_back();
    let Taken::Warm(held) = waiting.await else {
        panic!("it is gone");
    };
    // The last that is there is no other.
    assert_eq!(fixture.pool.connections().open, 1);
    let slot = held.discard();
    assert!(!slot.leave_empty());

    let _held = fixture.slot("a").await.hold(fixture.fake("two", "a"));
    let mut waiting = pin!(fixture.take("a"));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    advance(30 * SECOND).await;
    assert!(matches!(waiting.await, Taken::Cold(_)));
}

fn custom_target() -> Target {
    let host: crate::smtp::Host = "mail.example.com".parse().unwrap();
    let roots = tls::SystemRoots::bundled();
    Target {
        relay: None,
        origin: RelayOrigin::Custom,
        port: 587,
        mode: TlsMode::Starttls,
        tls: tls::Connector::new(&tls::Settings::default(), &host.to_server_name(), &roots)
            .unwrap(),
        credentials: None,
        credentials_are_stale: false,
        mechanisms: Mechanisms::default(),
        ehlo_name: "client.example.com".into(),
        limits: TimeLimits::default(),
        max_recipients: None,
        transactions: crate::smtp::Transactions::default(),
        discards: crate::smtp::Discards::default(),
        resolver: Resolver::new(),
        probing: Probing::off(),
        host,
    }
}

#[tokio::test]
async fn each_account_of_a_custom_relay_has_a_pool_of_its_own() {
    let base = custom_target();
    let with = |secret: &str| Target {
        credentials: Some(Credentials::Password {
            username: "ada".into(),
            password: secret.into(),
        }),
        ..base.clone()
    };
    let elsewhere = Target {
        host: "mail.example.net".parse().unwrap(),
        ..base.clone()
    };
    let port = Target {
        port: 465,
        ..base.clone()
    };
    let pools = CustomPools::<Fake>::new(LIMITS, TaskTracker::new());
    let targets = [base.clone(), with("p"), with("q"), elsewhere, port];
    let all: Vec<_> = targets.iter().map(|target| pools.get(target)).collect();
    for (number, pool) in all.iter().enumerate() {
        for (other, target) in targets.iter().enumerate() {
            let is_same = Arc::ptr_eq(pool, &pools.get(target));
            assert_eq!(is_same, number == other, "{number} and {other}");
        }
    }
}

#[tokio::test]
async fn pools_of_custom_relays_that_nobody_uses_are_bounded() {
    let fixture = Fixture::new(PoolLimits {
        max_connections: 1000,
        ..LIMITS
    });
    let farewells = TaskTracker::new();
    let pools = CustomPools::<Fake>::new(LIMITS, farewells.clone());
    let base = custom_target();
    let at = |port| Target {
        port,
        ..base.clone()
    };
    let slot = |pool: Arc<Pool<Fake>>| async move {
        match pool.take(&"relay").await {
            Taken::Cold(slot) => slot,
            Taken::Warm(_) => panic!("there is one"),
        }
    };
    let in_use = slot(pools.get(&at(1))).await;
    // Without connections, nothing is kept.
    for port in 1000..2000 {
        pools.get(&at(port));
    }
    for port in 2000..2100 {
        let slot = slot(pools.get(&at(port))).await;
        slot.hold(fixture.fake("a", "relay")).put_back();
    }
    farewells.close();
    farewells.wait().await;
    // Those that were asked for last are kept, and the rest took leave.
    let kept = 2100 - 64;
    assert_eq!(fixture.open.load(Ordering::SeqCst), 64);
    let quits = fixture.log.all();
    let quits = quits.iter().filter(|line| line.starts_with("quit"));
    assert_eq!(quits.count(), 36);
    assert_eq!(pools.get(&at(kept)).connections().idle, 1);
    // The one in use still knows its bound.
    assert_eq!(pools.get(&at(1)).connections().open, 1);
    drop(in_use);
    assert_eq!(pools.get(&at(kept - 1)).connections().idle, 0);

    pools.close();
    farewells.wait().await;
    assert_eq!(fixture.open.load(Ordering::SeqCst), 0);
}
