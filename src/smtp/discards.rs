//! What is known of a relay's way with the message of a mail that it accepted
//! no recipient for: once for all sessions with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Relays behind one name may offer this or that. Beyond so many offers, what
/// was known first is forgotten.
const MOST_OFFERS: usize = 8;

/// Whether a relay discards the chunks that it refuses (RFC 3030 section 2).
/// Clones share what they know. It is known of relays that offer the same, for
/// as long as this lives.
#[derive(Clone, Debug, Default)]
pub struct Discards(Arc<Mutex<Vec<Known>>>);

#[derive(Debug)]
struct Known {
    /// The lines of the reply to EHLO.
    offer: Vec<String>,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Somebody is finding out.
    Tried,
    Shown,
    NotShown,
}

impl Discards {
    /// Whether a relay that offers `offer` has shown that it does.
    pub(super) fn is_shown(&self, offer: &[String]) -> bool {
        self.state(offer) == Some(State::Shown)
    }

    /// Whether nobody has tried a relay that offers `offer`.
    pub(super) fn is_untried(&self, offer: &[String]) -> bool {
        self.state(offer).is_none()
    }

    /// The right to find out, which one session has.
    pub(super) fn try_out(&self, offer: &[String]) -> Option<Trial> {
        let mut known = self.known();
        if known.iter().any(|it| it.offer == offer) {
            return None;
        }
        if known.len() == MOST_OFFERS {
            known.remove(0);
        }
        known.push(Known {
            offer: offer.to_vec(),
            state: State::Tried,
        });
        Some(Trial {
            discards: self.clone(),
            offer: offer.to_vec(),
            state: None,
        })
    }

    fn state(&self, offer: &[String]) -> Option<State> {
        let known = self.known();
        let known = known.iter().find(|it| it.offer == offer)?;
        Some(known.state)
    }

    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody is finding out. To drop it is to leave it open.
#[derive(Debug)]
pub(super) struct Trial {
    discards: Discards,
    offer: Vec<String>,
    state: Option<State>,
}

impl Trial {
    /// What was found.
    pub(super) fn end(mut self, is_shown: bool) {
        self.state = Some(if is_shown {
            State::Shown
        } else {
            State::NotShown
        });
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut known = self.discards.known();
        let Some(at) = known.iter().position(|it| it.offer == self.offer) else {
            return;
        };
        match self.state {
            Some(state) => known[at].state = state,
            None => drop(known.remove(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(line: &str) -> Vec<String> {
        vec![line.to_owned()]
    }

    #[test]
    fn one_session_finds_out_for_all() {
        let discards = Discards::default();
        let (chunking, other) = (offer("CHUNKING"), offer("CHUNKING again"));
        let trial = discards.try_out(&chunking).unwrap();
        assert!(discards.clone().try_out(&chunking).is_none());
        assert!(!discards.is_untried(&chunking) && !discards.is_shown(&chunking));
        trial.end(true);
        assert!(discards.is_shown(&chunking) && !discards.is_shown(&other));

        discards.try_out(&other).unwrap().end(false);
        assert!(!discards.is_shown(&other) && !discards.is_untried(&other));
        assert!(discards.is_shown(&chunking));
    }

    #[test]
    fn a_trial_that_came_to_nothing_is_made_again() {
        let discards = Discards::default();
        drop(discards.try_out(&offer("CHUNKING")));
        assert!(discards.is_untried(&offer("CHUNKING")));
    }

    #[test]
    fn what_was_known_first_is_forgotten_first() {
        let discards = Discards::default();
        for n in 0..=MOST_OFFERS {
            discards.try_out(&offer(&n.to_string())).unwrap().end(true);
        }
        assert!(discards.is_untried(&offer("0")) && discards.is_shown(&offer("1")));
    }
}
