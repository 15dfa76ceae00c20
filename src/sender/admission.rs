//! How a mail gets a place among those that are under way: at once or not at
//! all, or in turn. A mail that waits in turn must not starve one that does
//! not, so that streams together have half of the places at most.

use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{ASK_AGAIN, Bulk, Deadline, SendError};
use crate::{mail::Envelope, smtp};

/// How a mail comes to its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Admission<'a> {
    /// It is refused when there is none.
    AtOnce(Deadline),
    /// It waits with the others of its stream.
    InTurn(&'a Bulk),
}

impl Admission<'_> {
    /// How long to wait for another call with the same request ID.
    pub(super) fn patience(self) -> Instant {
        match self {
            Self::AtOnce(deadline) => deadline.answer_by,
            Self::InTurn(bulk) => bulk.pace().deadline().answer_by,
        }
    }
}

/// A mail's place. Whoever drops it lets the next one have it.
#[derive(Debug)]
pub(super) struct Place {
    _under_way: OwnedSemaphorePermit,
    _in_turn: Option<InTurn>,
}

/// What a mail of a stream holds besides.
#[derive(Debug)]
struct InTurn {
    _of_line: OwnedSemaphorePermit,
    _of_streams: OwnedSemaphorePermit,
}

/// The places that there are. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    of_streams: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(count)),
            of_streams: Arc::new(Semaphore::new(count.div_ceil(2))),
        }
    }

    /// A place for a mail to `target`, and when its answer is due.
    pub(super) async fn admit(
        &self,
        admission: Admission<'_>,
        target: &smtp::Target,
        envelope: &Envelope,
    ) -> Result<(Place, Deadline), SendError> {
        match admission {
            Admission::AtOnce(deadline) => Ok((self.at_once()?, deadline)),
            Admission::InTurn(bulk) => bulk.admit(self, target, envelope).await,
        }
    }

    /// A place, if there is one.
    pub(super) fn at_once(&self) -> Result<Place, SendError> {
        let permit = Arc::clone(&self.all).try_acquire_owned();
        let under_way = permit.map_err(|_| SendError::Overloaded {
            retry_after: ASK_AGAIN,
        })?;
        Ok(Place {
            _under_way: under_way,
            _in_turn: None,
        })
    }

    /// Waits in `line`, then for a place of the streams', then for one at all.
    pub(super) async fn in_turn(&self, line: Arc<Semaphore>) -> Place {
        let in_turn = InTurn {
            _of_line: acquire(line).await,
            _of_streams: acquire(Arc::clone(&self.of_streams)).await,
        };
        Place {
            _under_way: acquire(Arc::clone(&self.all)).await,
            _in_turn: Some(in_turn),
        }
    }
}

async fn acquire(semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
    #[expect(clippy::expect_used, reason = "nothing closes the semaphores")]
    semaphore
        .acquire_owned()
        .await
        .expect("the semaphore is open")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn line() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(100))
    }

    fn waits(places: &Places, line: &Arc<Semaphore>) -> Option<Place> {
        places.in_turn(Arc::clone(line)).now_or_never()
    }

    #[test]
    fn streams_leave_half_of_the_places() {
        for (count, of_streams) in [(1, 1), (2, 1), (3, 2), (10, 5)] {
            let places = Places::new(count);
            let line = line();
            let taken: Vec<_> = std::iter::from_fn(|| waits(&places, &line)).collect();
            assert_eq!(taken.len(), of_streams, "{count}");
            let rest: Vec<_> = std::iter::from_fn(|| places.at_once().ok()).collect();
            assert_eq!(rest.len(), count - of_streams, "{count}");
            drop(taken);
            assert_eq!(waits(&places, &line).is_some(), count > 0, "{count}");
        }
    }

    #[test]
    fn a_stream_waits_for_its_line_where_a_call_is_refused() {
        let places = Places::new(4);
        let line = Arc::new(Semaphore::new(1));
        let first = waits(&places, &line);
        assert!(first.is_some() && waits(&places, &line).is_none());
        drop(first);
        assert!(waits(&places, &line).is_some());

        let _all: Vec<_> = std::iter::from_fn(|| places.at_once().ok()).collect();
        assert!(matches!(
            places.at_once(),
            Err(SendError::Overloaded { .. })
        ));
        assert!(waits(&places, &line).is_none());
    }
}
