//! Recipients that the relay refused only since they were too many for one
//! transaction (RFC 5321 section 4.5.3.1.10).

use std::num::NonZeroUsize;

use crate::report::{RecipientResult, RecipientState, Reply};

/// Which recipients of a transaction were too many for it.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    /// Their places among the recipients of the transaction.
    places: Vec<usize>,
    /// How many the relay takes, where that is what it was about.
    pub(super) room: Option<NonZeroUsize>,
}

impl Surplus {
    /// Looks at what the relay said to each recipient, in order.
    pub(super) fn among(results: &[RecipientResult]) -> Self {
        let is_accepted = |result: &RecipientResult| result.state == RecipientState::Accepted;
        // Too many is what comes on top of others: who was refused so as the
        // first would be again.
        let (Some(first), Some(last)) = (
            results.iter().position(is_accepted),
            results.iter().rposition(is_accepted),
        ) else {
            return Self::default();
        };
        let places: Vec<_> = results
            .iter()
            .enumerate()
            .skip(first)
            .filter(|(place, result)| {
                // A limit that is reached stays reached: who got in later tells
                // that a reply without details meant something else.
                result.reply.as_ref().is_some_and(|reply| {
                    says_too_many(reply) || *place > last && may_say_too_many(reply)
                })
            })
            .map(|(place, _)| place)
            .collect();
        let room = places
            .first()
            .filter(|&&place| place > last)
            .and_then(|_| NonZeroUsize::new(results.iter().filter(|r| is_accepted(r)).count()));
        Self { places, room }
    }

    /// Whether the relay accepted all others.
    pub(super) fn is_all_that_lacks(&self, results: &[RecipientResult]) -> bool {
        let accepted = results
            .iter()
            .filter(|result| result.state == RecipientState::Accepted);
        !self.places.is_empty() && accepted.count() + self.places.len() == results.len()
    }

    /// Those of `part` that were too many.
    pub(super) fn within(&self, part: &[usize]) -> Vec<usize> {
        self.places.iter().map(|&place| part[place]).collect()
    }

    /// Those of `part` that were not.
    pub(super) fn without(&self, part: &[usize]) -> Vec<usize> {
        let mut kept = part.to_vec();
        for &place in self.places.iter().rev() {
            kept.remove(place);
        }
        kept
    }
}

/// X.5.3: too many recipients (RFC 3463 section 3.6).
fn says_too_many(reply: &Reply) -> bool {
    reply
        .enhanced
        .is_some_and(|enhanced| (enhanced.subject, enhanced.detail) == (5, 3))
        && !reply.code.is_positive()
}

/// 452, or 552 as RFC 821 had it. Both stand for other refusals too, which an
/// enhanced status code tells apart: a full mailbox is X.2.2, a full disk X.3.1.
fn may_say_too_many(reply: &Reply) -> bool {
    reply.enhanced.is_none() && matches!(reply.code.value(), 452 | 552)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{EnhancedStatusCode, ReplyCode};

    fn result(text: &str) -> RecipientResult {
        let (code, enhanced) = text.split_once(' ').unwrap_or((text, ""));
        let code = ReplyCode::new(code.parse().unwrap()).unwrap();
        let mut numbers = enhanced.split('.').map(str::parse);
        let mut number = || numbers.next().unwrap().unwrap();
        let enhanced = (!enhanced.is_empty()).then(|| EnhancedStatusCode {
            class: u8::try_from(number()).unwrap(),
            subject: number(),
            detail: number(),
        });
        let state = match code {
            code if code.is_positive() => RecipientState::Accepted,
            code if code.is_transient() => RecipientState::Deferred,
            _ => RecipientState::Rejected,
        };
        RecipientResult {
            address: "a@example.com".parse().unwrap(),
            state,
            reply: Some(Reply {
                code,
                enhanced,
                lines: Vec::new(),
            }),
        }
    }

    /// The places of a surplus and its room.
    fn of(replies: &[&str]) -> (Vec<usize>, Option<usize>) {
        let results: Vec<_> = replies.iter().map(|text| result(text)).collect();
        let surplus = Surplus::among(&results);
        (surplus.places, surplus.room.map(NonZeroUsize::get))
    }

    #[test]
    fn too_many_is_what_comes_on_top_of_others() {
        for (replies, places, room) in [
            (&["250", "452 4.5.3", "452 4.5.3"][..], &[1, 2][..], Some(1)),
            (&["250", "250", "452"], &[2], Some(2)),
            (&["550 5.1.1", "250", "552", "552"], &[2, 3], Some(1)),
            (&["250", "552 5.5.3"], &[1], Some(1)),
            (&["250", "451 4.5.3"], &[1], Some(1)),
            (&["250", "550 5.5.3"], &[1], Some(1)),
            (&["250", "450 4.2.1", "452"], &[2], Some(1)),
            // Said in so many words, though not of the number alone.
            (&["250", "452 4.5.3", "250"], &[1], None),
            (&["250", "452 4.5.3", "250", "452"], &[1, 3], None),
            // Something else.
            (&["250", "452", "250"], &[], None),
            (&["250", "452 4.2.2"], &[], None),
            (&["250", "452 4.3.1"], &[], None),
            (&["250", "552 5.2.2"], &[], None),
            (&["250", "450"], &[], None),
            (&["250 2.5.3", "250 2.5.3"], &[], None),
            // Nobody was there before.
            (&["452 4.5.3", "452 4.5.3"], &[], None),
            (&["452 4.5.3", "250"], &[], None),
            (&["550 5.1.1", "452 4.5.3"], &[], None),
            (&[], &[], None),
        ] {
            assert_eq!(of(replies), (places.to_vec(), room), "{replies:?}");
        }
    }

    #[test]
    fn a_part_is_divided() {
        let results: Vec<_> = ["250", "452 4.5.3", "250", "452"].map(result).into();
        let surplus = Surplus::among(&results);
        assert_eq!(surplus.within(&[10, 11, 12, 13]), [11, 13]);
        assert_eq!(surplus.without(&[10, 11, 12, 13]), [10, 12]);
        assert!(surplus.is_all_that_lacks(&results));
        let results: Vec<_> = ["250", "550 5.1.1", "452"].map(result).into();
        assert!(!Surplus::among(&results).is_all_that_lacks(&results));
        assert!(!Surplus::default().is_all_that_lacks(&[]));
    }
}
