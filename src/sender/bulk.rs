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
use crate::{
    mail::Envelope,
    smtp::{self, Credentials, Host},
};

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
    pub(super) fn from_now(self) -> Deadline {
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

/// Mails that wait for the same connections.
#[derive(Debug, Eq, Hash, PartialEq)]
enum Account {
    Configured(String),
    Custom(Host, u16, Option<Credentials>),
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
            place = places.in_turn(self.line(target)) => Ok((place, self.pace.from_now())),
        }
    }

    async fn too_late(&self) {
        match self.pace.until {
            Some(until) => sleep_until(until.answer_by).await,
            None => std::future::pending().await,
        }
    }

    fn line(&self, target: &smtp::Target) -> Arc<Semaphore> {
        let account = match &target.relay {
            Some(name) => Account::Configured(name.clone()),
            None => Account::Custom(target.host.clone(), target.port, target.credentials.clone()),
        };
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
