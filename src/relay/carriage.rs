//! Carries a mail to a relay: on a connection of its own, or as one of several at
//! once.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::debug;

use super::{
    convoys::{Convoys, Seat},
    lease::Lease,
    pool::{Pool, Taken},
};
use crate::{
    report::{self, Stage, Timings},
    smtp::{Delivered, Error, Flight, Landed, Progress, Session, Target, Transaction},
};

type Outcome<T> = Result<T, Box<Error>>;

/// What became of a mail, and facts about the session that it went on. The outer
/// error is that there was no session.
pub type Carried = Outcome<(Outcome<Delivered>, report::Session)>;

/// A mail, and the ways to its relay.
pub(super) struct Carriage<'a> {
    pub(super) pool: Arc<Pool<Session>>,
    /// Where several mails may go at once.
    pub(super) convoys: Option<Arc<Convoys>>,
    pub(super) target: &'a Target,
    pub(super) transaction: Transaction<'a>,
    pub(super) progress: &'a Progress,
}

/// What a mail goes on.
enum Place {
    /// A connection of its own.
    Own(Lease),
    /// A connection that may carry others at the same time.
    Shared(Share),
}

struct Share {
    seat: Seat,
    waited: Duration,
    used_by: UsedBy,
}

/// Who was on a connection before.
#[derive(Clone, Copy, PartialEq)]
enum UsedBy {
    Nobody,
    /// It had rested since.
    Earlier,
    /// And still are.
    Others,
}

impl Carriage<'_> {
    /// Carries the mail.
    ///
    /// A connection that had rested, or that carries other mails, and fails
    /// before the relay can have taken this one, says nothing about it: it is
    /// tried once more, on a fresh connection.
    pub(super) async fn carry(self) -> Carried {
        self.progress.enter(Stage::PoolWait);
        match self.place().await? {
            Place::Own(lease) => self.carry_alone(lease).await,
            Place::Shared(share) => {
                if let Some(carried) = self.carry_with_others(share).await {
                    return Ok(carried);
                }
                debug!("a connection of several mails failed; trying a fresh one");
                self.carry_alone(self.fresh().await?).await
            }
        }
    }

    async fn carry_alone(&self, mut lease: Lease) -> Carried {
        let mut result = self.send(&mut lease).await;
        if lease.is_warm()
            && let Err(error) = &result
            && error.is_stale()
        {
            debug!(%error, "a connection that had rested failed; trying a fresh one");
            lease = lease.renew(self.target, self.progress).await?;
            result = self.send(&mut lease).await;
        }
        let facts = lease.facts();
        lease.put_back();
        Ok((result, facts))
    }

    async fn send(&self, lease: &mut Lease) -> Outcome<Delivered> {
        lease.session().send(self.transaction, self.progress).await
    }

    /// `None`: a fresh connection should be tried.
    async fn carry_with_others(
        &self,
        mut share: Share,
    ) -> Option<(Outcome<Delivered>, report::Session)> {
        let Transaction { envelope, body, .. } = self.transaction;
        let (flight, landed) = Flight::new(envelope.clone(), body.clone(), self.progress.clone());
        if !share.seat.take(flight) {
            return None;
        }
        #[expect(clippy::expect_used, reason = "only a panic keeps it from answering")]
        let Landed {
            outcome,
            session,
            is_first,
        } = landed.await.expect("the convoy did not panic");
        let is_stale = outcome.as_ref().is_err_and(|error| error.is_stale());
        // Others may have come before the mail that the connection was opened for.
        if is_stale && !(share.used_by == UsedBy::Nobody && is_first) {
            return None;
        }
        let mut facts = session;
        if share.used_by == UsedBy::Others {
            // What it cost to get here was the price of an earlier mail.
            facts.reused = true;
            facts.timings = Timings {
                transaction: facts.timings.transaction,
                ..Timings::default()
            };
        }
        facts.timings.pool_wait = Some(share.waited);
        Some((outcome, facts))
    }

    /// A connection that waits comes first, then a seat on one that carries
    /// others, then a new one; and in line, whatever is free first.
    async fn place(&self) -> Outcome<Place> {
        let asked = Instant::now();
        let convoys = match &self.convoys {
            Some(convoys) if self.transaction.may_go_at_once(self.target) => convoys,
            _ => return Ok(Place::Own(self.own(asked).await?)),
        };
        if let Some(lease) = Lease::idle(&self.pool, self.target) {
            return Ok(self.share(convoys, lease));
        }
        loop {
            let taken = tokio::select! {
                biased;
                () = self.progress.abandoned() => return Err(self.abandoned()),
                seat = convoys.seat(self.target) => {
                    return Ok(Place::Shared(Share {
                        seat,
                        waited: asked.elapsed(),
                        used_by: UsedBy::Others,
                    }));
                }
                taken = Arc::clone(&self.pool).take(self.target) => taken,
            };
            if let Some(lease) = self.lease(taken, asked).await? {
                return Ok(self.share(convoys, lease));
            }
        }
    }

    /// Lets others join, where the session is such that they may.
    fn share(&self, convoys: &Arc<Convoys>, mut lease: Lease) -> Place {
        if !lease.session().takes_at_once(&self.transaction) {
            return Place::Own(lease);
        }
        let waited = lease.waited();
        let used_by = if lease.is_warm() {
            UsedBy::Earlier
        } else {
            UsedBy::Nobody
        };
        Place::Shared(Share {
            seat: convoys.begin(lease.into_held(), self.target.clone()),
            waited,
            used_by,
        })
    }

    /// Waits for a connection of its own.
    async fn own(&self, asked: Instant) -> Outcome<Lease> {
        loop {
            let taken = self.take().await?;
            if let Some(lease) = self.lease(taken, asked).await? {
                return Ok(lease);
            }
        }
    }

    /// The same, and one that nobody has used.
    async fn fresh(&self) -> Outcome<Lease> {
        let asked = Instant::now();
        self.progress.enter(Stage::PoolWait);
        loop {
            let slot = match self.take().await? {
                Taken::Warm(held) => held.discard(),
                Taken::Cold(slot) => slot,
            };
            if let Some(lease) = self.lease(Taken::Cold(slot), asked).await? {
                return Ok(lease);
            }
        }
    }

    /// `None`: back to the line.
    async fn lease(&self, taken: Taken<Session>, asked: Instant) -> Outcome<Option<Lease>> {
        let lease = Lease::of(taken, asked.elapsed(), self.target, self.progress).await?;
        if lease.is_none() {
            self.progress.enter(Stage::PoolWait);
        }
        Ok(lease)
    }

    async fn take(&self) -> Outcome<Taken<Session>> {
        // As long as this waits, nobody joins others.
        let _alone = self.convoys.as_ref().map(Convoys::alone);
        tokio::select! {
            biased;
            () = self.progress.abandoned() => Err(self.abandoned()),
            taken = Arc::clone(&self.pool).take(self.target) => Ok(taken),
        }
    }

    fn abandoned(&self) -> Box<Error> {
        Error::abandoned(self.target, Stage::PoolWait)
    }
}
