//! The pools of relays that callers describe: one for each host, port and
//! credentials, as long as it is in use, and some longer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{Keep, Pool, PoolLimits};
use crate::{relay::Account, smtp::Target};

/// Pools that nobody uses are kept up to so many. Those in use are bounded by
/// the mails under way.
const MOST_UNUSED: usize = 64;

/// The pools of relays that callers describe.
#[derive(Debug)]
pub(in crate::relay) struct CustomPools<S> {
    limits: PoolLimits,
    farewells: TaskTracker,
    pools: Mutex<HashMap<Account, Entry<S>>>,
}

#[derive(Debug)]
struct Entry<S> {
    pool: Arc<Pool<S>>,
    asked_for: Instant,
}

impl<S> Entry<S> {
    /// Whoever has a connection, or waits for one, has the pool.
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.pool) > 1
    }
}

impl<S: Keep> CustomPools<S> {
    pub(in crate::relay) fn new(limits: PoolLimits, farewells: TaskTracker) -> Self {
        Self {
            limits,
            farewells,
            pools: Mutex::default(),
        }
    }

    /// The pool for `target`.
    pub(in crate::relay) fn get(&self, target: &Target) -> Arc<Pool<S>> {
        let account = Account::of(target);
        let now = Instant::now();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = pools.get_mut(&account) {
            entry.asked_for = now;
            return Arc::clone(&entry.pool);
        }
        make_room(&mut pools);
        let pool = Arc::new(Pool::new(self.limits, self.farewells.clone()));
        let entry = Entry {
            pool: Arc::clone(&pool),
            asked_for: now,
        };
        pools.insert(account, entry);
        pool
    }

    /// Ends what is idle, and keeps nothing any more.
    pub(in crate::relay) fn close(&self) {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in pools.values() {
            entry.pool.close();
        }
    }
}

/// Takes out the pools that hold nothing and, when there are too many that
/// nobody uses, those that were asked for the longest ago.
fn make_room<S: Keep>(pools: &mut HashMap<Account, Entry<S>>) {
    pools.retain(|_, entry| entry.is_used() || !entry.pool.is_empty());
    let mut unused: Vec<_> = pools
        .values()
        .filter(|entry| !entry.is_used())
        .map(|entry| entry.asked_for)
        .collect();
    if unused.len() < MOST_UNUSED {
        return;
    }
    unused.sort_unstable();
    let oldest_to_keep = unused[unused.len() - (MOST_UNUSED - 1)];
    pools.retain(|_, entry| {
        let stays = entry.is_used() || entry.asked_for >= oldest_to_keep;
        if !stays {
            entry.pool.close();
        }
        stays
    });
}
