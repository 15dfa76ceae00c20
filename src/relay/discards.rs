//! What is known of relays that callers describe, for as long as they are asked
//! for.

use std::sync::{Mutex, PoisonError};

use crate::smtp::{Discards, Host};

/// Of so many relays at most, the last that were asked for.
const MOST: usize = 256;

/// Whether relays that callers describe discard the chunks that they refuse.
#[derive(Debug, Default)]
pub(super) struct CustomDiscards(Mutex<Vec<((Host, u16), Discards)>>);

impl CustomDiscards {
    /// What is known of the relay at `host` and `port`.
    pub(super) fn of(&self, host: &Host, port: u16) -> Discards {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent
            .iter()
            .position(|((known, at), _)| known == host && *at == port);
        let entry = match place {
            Some(place) => recent.remove(place),
            None => ((host.clone(), port), Discards::default()),
        };
        if recent.len() == MOST {
            recent.remove(0);
        }
        let discards = entry.1.clone();
        recent.push(entry);
        discards
    }
}
