//! A session for one mail, from the pool or fresh.

use std::time::Duration;

use tokio::time::Instant;

use super::pool::{Held, Keep, Pool, Slot, Taken};
use crate::{
    report::{self, Stage},
    smtp::{Error, Progress, Session, Target},
};

/// A session for one mail. To drop it is to close the connection: only
/// [`Lease::put_back`] lets another mail have it.
#[must_use = "dropping it closes the connection"]
pub struct Lease {
    held: Held<Session>,
    is_warm: bool,
    waited: Duration,
}

impl Lease {
    /// Waits for a place in `pool`, and opens a session when none is idle.
    pub(super) async fn take(
        pool: std::sync::Arc<Pool<Session>>,
        target: &Target,
        progress: &Progress,
    ) -> Result<Self, Box<Error>> {
        progress.enter(Stage::PoolWait);
        let asked = Instant::now();
        let taken = tokio::select! {
            biased;
            () = progress.abandoned() => return Err(Error::abandoned(target, Stage::PoolWait)),
            taken = pool.take(target) => taken,
        };
        let waited = asked.elapsed();
        match taken {
            Taken::Warm(held) => Ok(Self {
                held,
                is_warm: true,
                waited,
            }),
            Taken::Cold(slot) => Self::open(slot, target, progress, waited).await,
        }
    }

    async fn open(
        slot: Slot<Session>,
        target: &Target,
        progress: &Progress,
        waited: Duration,
    ) -> Result<Self, Box<Error>> {
        let session = Session::open(target, progress).await?;
        Ok(Self {
            held: slot.hold(session),
            is_warm: false,
            waited,
        })
    }

    /// The session.
    pub fn session(&mut self) -> &mut Session {
        self.held.session_mut()
    }

    /// Whether the connection had been idle: it may have been lost meanwhile,
    /// which then says nothing about the relay.
    pub fn is_warm(&self) -> bool {
        self.is_warm
    }

    /// Facts about the session, with the wait for it.
    pub fn facts(&self) -> report::Session {
        let mut facts = self.held.session().facts();
        facts.timings.pool_wait = Some(self.waited);
        facts
    }

    /// Closes the connection, and opens another in its place.
    pub async fn renew(self, target: &Target, progress: &Progress) -> Result<Self, Box<Error>> {
        Self::open(self.held.discard(), target, progress, self.waited).await
    }

    /// Gives the session back, without waiting for anything. The pool decides
    /// whether it is fit for another mail.
    pub fn put_back(self) {
        self.held.put_back();
    }
}

impl Keep for Session {
    type Target = Target;

    fn serves(&self, target: &Target) -> bool {
        Session::serves(self, target)
    }

    fn resume(&mut self) -> bool {
        Session::resume(self)
    }

    fn is_reusable(&self) -> bool {
        Session::is_reusable(self)
    }

    fn is_unsettled(&self) -> bool {
        Session::is_unsettled(self)
    }

    fn settle(&mut self) -> impl Future<Output = ()> + Send {
        Session::settle(self)
    }

    fn mails(&self) -> usize {
        Session::mails(self)
    }

    fn quit(self) -> impl Future<Output = ()> + Send {
        Session::quit(self)
    }
}
