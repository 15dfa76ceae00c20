//! A session for one mail, from the pool or fresh.

use std::{sync::Arc, time::Duration};

use tracing::info;

use super::pool::{Held, Keep, Pool, Taken};
use crate::{
    report,
    smtp::{Error, Progress, Session, Target},
};

/// A session for one mail. To drop it is to close the connection: only
/// [`Lease::put_back`] lets another mail have it.
#[must_use = "dropping it closes the connection"]
pub(super) struct Lease {
    held: Held<Session>,
    is_warm: bool,
    waited: Duration,
}

impl Lease {
    /// A session that is idle, if there is one.
    pub(super) fn idle(pool: &Arc<Pool<Session>>, target: &Target) -> Option<Self> {
        let held = Arc::clone(pool).take_idle(target)?;
        Some(Self {
            held,
            is_warm: true,
            waited: Duration::ZERO,
        })
    }

    /// The session that was taken, or the one that may be opened. `None` when
    /// the relay takes no more of them: one that is there has to be waited for.
    pub(super) async fn of(
        taken: Taken<Session>,
        waited: Duration,
        target: &Target,
        progress: &Progress,
    ) -> Result<Option<Self>, Box<Error>> {
        let slot = match taken {
            Taken::Warm(held) => {
                return Ok(Some(Self {
                    held,
                    is_warm: true,
                    waited,
                }));
            }
            Taken::Cold(slot) => slot,
        };
        match open(target, progress).await {
            Ok(session) => Ok(Some(Self::fresh(slot.hold(session), waited))),
            Err(error) if error.is_for_want_of_room() && slot.leave_empty() => {
                info!(
                    relay = target.relay,
                    host = %target.host,
                    port = target.port,
                    "the relay takes no further connection: mails wait for those that are open"
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn fresh(held: Held<Session>, waited: Duration) -> Self {
        Self {
            held,
            is_warm: false,
            waited,
        }
    }

    /// The session.
    pub(super) fn session(&mut self) -> &mut Session {
        self.held.session_mut()
    }

    /// How long it was waited for.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// The connection, for those who share it.
    pub(super) fn into_held(self) -> Held<Session> {
        self.held
    }

    /// Whether the connection had been idle: it may have been lost meanwhile,
    /// which then says nothing about the relay.
    pub(super) fn is_warm(&self) -> bool {
        self.is_warm
    }

    /// Facts about the session, with the wait for it.
    pub(super) fn facts(&self) -> report::Session {
        let mut facts = self.held.session().facts();
        facts.timings.pool_wait = Some(self.waited);
        facts
    }

    /// Closes the connection, and opens another in its place.
    pub(super) async fn renew(
        self,
        target: &Target,
        progress: &Progress,
    ) -> Result<Self, Box<Error>> {
        let slot = self.held.discard();
        let session = open(target, progress).await?;
        Ok(Self::fresh(slot.hold(session), self.waited))
    }

    /// Gives the session back, without waiting for anything. The pool decides
    /// whether it is fit for another mail.
    pub(super) fn put_back(self) {
        self.held.put_back();
    }
}

async fn open(target: &Target, progress: &Progress) -> Result<Session, Box<Error>> {
    // Most mails find a session: theirs need not make room for opening one.
    Box::pin(Session::open(target, progress)).await
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
