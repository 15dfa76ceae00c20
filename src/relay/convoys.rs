//! Connections to one relay that carry several mails at once, and which mail has
//! a seat on which. A connection is in the pool, or here, or carries one mail.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{mpsc, oneshot};

use super::{PoolLimits, pool::Held};
use crate::smtp::{Flight, Session, Target};

/// The convoys to one relay.
#[derive(Debug)]
pub(super) struct Convoys {
    /// Mails at once on one connection.
    depth: usize,
    /// Mails on one connection, one after the other or at once.
    max_mails: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: u64,
    under_way: Vec<Convoy>,
    /// First come, first served.
    line: VecDeque<Waiting>,
    /// So many mails wait for a connection of their own. Nobody takes a seat
    /// meanwhile, or a connection that is never empty would never be theirs.
    alone: usize,
}

#[derive(Debug)]
struct Convoy {
    id: u64,
    target: Target,
    /// It ends with the last seat.
    flights: mpsc::WeakSender<Flight>,
    free: usize,
    /// How many mails it may still carry.
    left: usize,
}

#[derive(Debug)]
struct Waiting {
    target: Target,
    seat: oneshot::Sender<Seat>,
}

/// A place for one mail on a connection that carries several.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    flights: mpsc::Sender<Flight>,
    has_carried: bool,
    /// Who is to know when it is free again.
    convoys: Option<Arc<Convoys>>,
}

/// A mail waits for a connection of its own, until this is dropped.
#[derive(Debug)]
pub(super) struct Alone(Arc<Convoys>);

impl Convoys {
    /// `None` when no connection carries more than one mail at once.
    pub(super) fn new(limits: PoolLimits) -> Option<Arc<Self>> {
        (limits.depth > 1).then(|| {
            Arc::new(Self {
                depth: limits.depth,
                max_mails: limits.max_mails,
                state: Mutex::default(),
            })
        })
    }

    /// Waits in line for a seat. Whoever drops the future leaves the line.
    pub(super) async fn seat(self: &Arc<Self>, target: &Target) -> Seat {
        let given = {
            let mut state = self.state();
            if let Some(seat) = self.find(&mut state, target) {
                return seat;
            }
            let (seat, given) = oneshot::channel();
            let target = target.clone();
            while state.line.front().is_some_and(|it| it.seat.is_closed()) {
                state.line.pop_front();
            }
            state.line.push_back(Waiting { target, seat });
            given
        };
        match given.await {
            Ok(seat) => seat,
            // The line ends with whoever holds this.
            Err(_) => std::future::pending().await,
        }
    }

    /// Says that a mail waits for a connection of its own.
    pub(super) fn alone(self: &Arc<Self>) -> Alone {
        self.state().alone += 1;
        Alone(Arc::clone(self))
    }

    /// Has a connection to `target` carry several mails. The first seat.
    pub(super) fn begin(self: &Arc<Self>, mut held: Held<Session>, target: Target) -> Seat {
        let (flights, mut queue) = mpsc::channel(self.depth);
        let mut state = self.state();
        state.begun += 1;
        let id = state.begun;
        state.under_way.push(Convoy {
            id,
            target,
            flights: flights.downgrade(),
            free: self.depth - 1,
            left: self.max_mails.saturating_sub(held.session().mails() + 1),
        });
        let (convoys, depth) = (Arc::clone(self), self.depth);
        tokio::spawn(async move {
            held.session_mut().convoy(&mut queue, depth).await;
            convoys.state().under_way.retain(|convoy| convoy.id != id);
            held.put_back();
        });
        let first = Seat {
            id,
            flights,
            has_carried: false,
            convoys: Some(Arc::clone(self)),
        };
        self.serve(&mut state);
        first
    }

    fn find(self: &Arc<Self>, state: &mut State, target: &Target) -> Option<Seat> {
        if state.alone > 0 {
            return None;
        }
        state.under_way.iter_mut().find_map(|convoy| {
            if convoy.free == 0 || convoy.left == 0 || !convoy.target.is_same_as(target) {
                return None;
            }
            let flights = convoy.flights.upgrade().filter(|it| !it.is_closed())?;
            convoy.free -= 1;
            convoy.left -= 1;
            Some(Seat {
                id: convoy.id,
                flights,
                has_carried: false,
                convoys: Some(Arc::clone(self)),
            })
        })
    }

    /// Gives what seats there are to those who wait.
    fn serve(self: &Arc<Self>, state: &mut State) {
        let mut at = 0;
        while at < state.line.len() && state.under_way.iter().any(|it| it.free > 0 && it.left > 0) {
            let Some(waiting) = state.line.remove(at) else {
                return;
            };
            let Some(seat) = self.find(state, &waiting.target) else {
                state.line.insert(at, waiting);
                at += 1;
                continue;
            };
            if let Err(mut seat) = waiting.seat.send(seat) {
                // It has left the line. Its seat must not call for the lock.
                seat.convoys = None;
                state.vacate(&seat);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A seat is free.
    fn vacate(&mut self, seat: &Seat) {
        if let Some(convoy) = self.under_way.iter_mut().find(|it| it.id == seat.id) {
            convoy.free += 1;
            convoy.left += usize::from(!seat.has_carried);
        }
    }
}

impl Seat {
    /// Puts a mail on it. `false` when the connection is over: nothing of the
    /// mail was written.
    pub(super) fn take(&mut self, flight: Flight) -> bool {
        // There is room for as many as there are seats.
        self.has_carried = self.flights.try_send(flight).is_ok();
        self.has_carried
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(convoys) = self.convoys.take() {
            let mut state = convoys.state();
            state.vacate(self);
            convoys.serve(&mut state);
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.alone -= 1;
        self.0.serve(&mut state);
    }
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
