//! Warm connections to one relay: how many there may be, who gets one next, and
//! how long one is kept. Knows nothing of SMTP: what it keeps can be told apart,
//! looked at and ended, and that is all.

mod custom;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::TaskTracker;

pub(super) use custom::CustomPools;

/// How long a place stays empty when the relay takes no further connection.
const RELAY_IS_FULL: Duration = Duration::from_secs(30);

/// How many connections to a relay there may be, and how long each is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PoolLimits {
    /// Connections at a time, in use or idle, at least 1. Who finds none free
    /// waits in line.
    pub max_connections: usize,
    /// A connection that was idle for so long is closed.
    pub idle_time: Duration,
    /// A connection that carried so many mails is closed: one in several
    /// transactions counts as several. 1 keeps none.
    pub max_mails: usize,
    /// Mails at once on one connection, at least 1: those that go eagerly.
    pub depth: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            // Below what relays allow one client: 10 to 50, most often.
            max_connections: 8,
            // Relays, and what stands before them, hang up after 60 s or more.
            idle_time: Duration::from_secs(30),
            // Relays that count stop at 100 or later.
            max_mails: 100,
            depth: 1,
        }
    }
}

/// The connections of one relay, as they stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connections {
    /// So many there may be.
    pub max: usize,
    /// In use, being opened or closed, and idle.
    pub open: usize,
    /// Ready for the next mail.
    pub idle: usize,
}

/// What a pool keeps.
pub(super) trait Keep: Send + 'static {
    /// What one is made for.
    type Target: Sync;

    /// Whether it is what would be made for `target`. Never `true` for one that
    /// was made under other credentials or other TLS settings.
    fn serves(&self, target: &Self::Target) -> bool;

    /// Makes it ready for another mail, without waiting. `false` when it has
    /// ended meanwhile.
    fn resume(&mut self) -> bool;

    /// Whether another mail may follow.
    fn is_reusable(&self) -> bool;

    /// Whether a refused mail left something to be tidied up first.
    fn is_unsettled(&self) -> bool;

    /// Tidies up, within a bounded time.
    fn settle(&mut self) -> impl Future<Output = ()> + Send;

    /// How many mails it has carried, as the relay counts them.
    fn mails(&self) -> usize;

    /// Ends it in good order, within a bounded time.
    fn quit(self) -> impl Future<Output = ()> + Send;
}

/// The connections to one relay.
pub(super) struct Pool<S> {
    limits: PoolLimits,
    /// One permit for each connection that is not idle. An idle one has none,
    /// but whoever would open one too many has to end an idle one first.
    room: Arc<Semaphore>,
    stock: Mutex<Stock<S>>,
    farewells: TaskTracker,
}

struct Stock<S> {
    /// The one that was used last is last.
    idle: Vec<Idle<S>>,
    /// Places that stay empty for a while, and yet have a permit.
    kept_empty: usize,
    /// Whether a task looks for those that were idle for too long.
    is_watched: bool,
    is_closed: bool,
}

struct Idle<S> {
    // In a box, since each mail hands it on several times.
    session: Box<S>,
    since: Instant,
}

/// The right to have one connection.
pub(super) struct Slot<S> {
    pool: Arc<Pool<S>>,
    permit: OwnedSemaphorePermit,
}

/// A connection in use. To drop it is to close it: only [`Held::put_back`]
/// lets it be used again.
pub(super) struct Held<S> {
    // Closed before the permit, in `slot`, lets another be opened.
    session: Box<S>,
    slot: Slot<S>,
}

/// What a pool gives.
pub(super) enum Taken<S> {
    /// A connection that is there.
    Warm(Held<S>),
    /// The right to open one.
    Cold(Slot<S>),
}

/// What the stock has.
enum Pick<S> {
    Ready(Box<S>),
    /// Nothing that fits. This one has to go first.
    InTheWay(Box<S>),
    Nothing,
}

impl<S: Keep> Pool<S> {
    /// An empty pool. `farewells` keeps track of the connections that end.
    pub(super) fn new(limits: PoolLimits, farewells: TaskTracker) -> Self {
        Self {
            limits,
            room: Arc::new(Semaphore::new(limits.max_connections)),
            stock: Mutex::new(Stock {
                idle: Vec::new(),
                kept_empty: 0,
                is_watched: false,
                is_closed: false,
            }),
            farewells,
        }
    }

    /// Waits in line. Whoever drops the future leaves the line.
    pub(super) async fn take(self: Arc<Self>, target: &S::Target) -> Taken<S> {
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let permit = Arc::clone(&self.room)
            .acquire_owned()
            .await
            .expect("the semaphore is open");
        let pick = self.pick(target);
        let slot = Slot { pool: self, permit };
        match pick {
            Pick::Ready(session) => Taken::Warm(Held { session, slot }),
            Pick::InTheWay(session) => {
                // Most mails find a session: theirs need not make room for this.
                Box::pin(session.quit()).await;
                Taken::Cold(slot)
            }
            Pick::Nothing => Taken::Cold(slot),
        }
    }

    /// A connection that is idle, if one fits and nobody is in line for it.
    pub(super) fn take_idle(self: Arc<Self>, target: &S::Target) -> Option<Held<S>> {
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let session = self.pick_idle(target)?;
        let slot = Slot { pool: self, permit };
        Some(Held { session, slot })
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> Connections {
        let stock = self.lock();
        let idle = stock.idle.len();
        let in_use = self.in_use().saturating_sub(stock.kept_empty);
        Connections {
            max: self.limits.max_connections,
            // Between the stock and the permit one may be counted twice.
            open: (in_use + idle).min(self.limits.max_connections),
            idle,
        }
    }

    /// Ends what is idle, and keeps nothing any more.
    pub(super) fn close(&self) {
        let idle = {
            let mut stock = self.lock();
            stock.is_closed = true;
            std::mem::take(&mut stock.idle)
        };
        for Idle { session, .. } in idle {
            self.farewells.spawn(session.quit());
        }
    }

    /// The last that was used and fits. Those that have ended are dropped.
    fn pick_idle(&self, target: &S::Target) -> Option<Box<S>> {
        let mut stock = self.lock();
        let fits = |idle: &Idle<S>| idle.session.serves(target);
        while let Some(at) = stock.idle.iter().rposition(fits) {
            let mut session = stock.idle.remove(at).session;
            if session.resume() {
                return Some(session);
            }
        }
        None
    }

    fn pick(&self, target: &S::Target) -> Pick<S> {
        if let Some(session) = self.pick_idle(target) {
            return Pick::Ready(session);
        }
        let mut stock = self.lock();
        // Counts at least what is in use: the caller has its permit.
        if self.in_use() + stock.idle.len() > self.limits.max_connections && !stock.idle.is_empty()
        {
            return Pick::InTheWay(stock.idle.remove(0).session);
        }
        Pick::Nothing
    }

    fn keep(self: Arc<Self>, session: Box<S>, permit: OwnedSemaphorePermit) {
        let mut stock = self.lock();
        if stock.is_closed {
            drop(stock);
            return self.dismiss(session, permit);
        }
        stock.idle.push(Idle {
            session,
            since: Instant::now(),
        });
        if !stock.is_watched {
            stock.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(&self)));
        }
        drop(stock);
        // The next in line may have it.
        drop(permit);
    }

    /// Ends a connection that keeps its place until it has ended.
    fn dismiss(&self, session: Box<S>, permit: OwnedSemaphorePermit) {
        self.farewells.spawn(async move {
            session.quit().await;
            drop(permit);
        });
    }

    /// Ends what was idle for too long. When to look again, if there is cause.
    fn expire(&self) -> Option<Instant> {
        let mut stock = self.lock();
        let now = Instant::now();
        let end = |idle: &Idle<S>| idle.since + self.limits.idle_time;
        let expired = stock.idle.partition_point(|idle| end(idle) <= now);
        for Idle { session, .. } in stock.idle.drain(..expired) {
            // Without a place, one that is about to be opened would be one too
            // many during the farewell.
            if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
                self.dismiss(session, permit);
            }
        }
        let next = stock.idle.first().map(end);
        stock.is_watched = next.is_some();
        next
    }

    fn in_use(&self) -> usize {
        self.limits.max_connections - self.room.available_permits()
    }
}

impl<S> Pool<S> {
    fn lock(&self) -> MutexGuard<'_, Stock<S>> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.lock().idle.is_empty()
    }
}

impl<S: Keep> Slot<S> {
    /// The connection has been opened.
    pub(super) fn hold(self, session: S) -> Held<S> {
        Held {
            session: Box::new(session),
            slot: self,
        }
    }

    /// The relay takes no further connection. Leaves the place empty for a
    /// while, so that whoever wants one waits for those that are there. `false`
    /// when there are none, and nothing to wait for.
    pub(super) fn leave_empty(self) -> bool {
        let Self { pool, permit } = self;
        {
            let mut stock = pool.lock();
            // One of those in use is this one.
            let others = pool.in_use().saturating_sub(stock.kept_empty + 1);
            if others + stock.idle.len() == 0 {
                return false;
            }
            stock.kept_empty += 1;
        }
        let pool = Arc::downgrade(&pool);
        tokio::spawn(async move {
            sleep(RELAY_IS_FULL).await;
            if let Some(pool) = pool.upgrade() {
                let mut stock = pool.lock();
                stock.kept_empty -= 1;
                drop(permit);
            }
        });
        true
    }
}

impl<S: Keep> Held<S> {
    pub(super) fn session(&self) -> &S {
        &self.session
    }

    pub(super) fn session_mut(&mut self) -> &mut S {
        &mut self.session
    }

    /// Closes this connection, and gives the right to open another.
    pub(super) fn discard(self) -> Slot<S> {
        self.slot
    }

    /// Lets the next caller have it: at once, or when it has been tidied up. It
    /// is closed instead when it is not fit for that, and ended in good order
    /// when it was used enough.
    pub(super) fn put_back(mut self) {
        if self.session.is_unsettled() {
            let tasks = self.slot.pool.farewells.clone();
            tasks.spawn(async move {
                self.session.settle().await;
                self.shelve();
            });
        } else {
            self.shelve();
        }
    }

    fn shelve(self) {
        let Self {
            session,
            slot: Slot { pool, permit },
        } = self;
        if !session.is_reusable() {
            // Before the permit.
            drop(session);
        } else if session.mails() >= pool.limits.max_mails {
            pool.dismiss(session, permit);
        } else {
            pool.keep(session, permit);
        }
    }
}

/// Ends what is idle for too long, until nothing is idle. It does not keep the
/// pool alive while it sleeps.
async fn watch<S: Keep>(pool: Weak<Pool<S>>) {
    while let Some(next) = pool.upgrade().and_then(|pool| pool.expire()) {
        sleep_until(next).await;
    }
}

impl<S> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("limits", &self.limits)
            .field("idle", &self.lock().idle.len())
            .finish_non_exhaustive()
    }
}
