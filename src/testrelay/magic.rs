//! Recipients whose address has the relay misbehave.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{Answer, Step};

/// Beyond so many addresses all counts start anew.
const MOST_ADDRESSES: usize = 10_000;

/// What a recipient has the relay do, by its address and the number of times,
/// from 1, that it was named. The answer is one to that RCPT TO
/// ([`Step::AnyRcpt`]), or to a later step of the same transaction.
pub(super) type Rule = fn(&str, u32) -> Option<(Step, Answer)>;

#[derive(Debug)]
pub(super) struct Magic {
    rule: Rule,
    named: Mutex<HashMap<String, u32>>,
}

impl Magic {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            named: Mutex::default(),
        }
    }

    /// What `address`, named once more, has the relay do.
    pub(super) fn wish(&self, address: &str) -> Option<(Step, Answer)> {
        // Only who is magic needs to be counted.
        (self.rule)(address, 1)?;
        let times = {
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            if named.len() >= MOST_ADDRESSES && !named.contains_key(address) {
                named.clear();
            }
            let times = named.entry(address.to_owned()).or_default();
            *times = times.saturating_add(1);
            *times
        };
        (self.rule)(address, times)
    }
}
