//! Which way a transaction goes: the one place that decides it.

use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::{mail::RecipientPolicy, smtp::ehlo::Extensions};

/// How boldly transactions with a relay are written.
#[derive(Clone, Copy, Debug, Default, EnumString, Eq, IntoStaticStr, PartialEq, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Transactions {
    /// One command at a time, and the message behind DATA.
    Serial,
    /// MAIL and all RCPT in one write, the message in the next: no octet of it
    /// is written before the relay has accepted a recipient.
    #[default]
    Standard,
    /// As `Standard`, until the relay has shown that it discards the message
    /// of a transaction without a recipient; from then on as `Eager`.
    EagerIfSafe,
    /// MAIL, all RCPT and the message in one write.
    Eager,
}

/// The largest message that goes along with its commands. A larger one is not
/// sent in vain to a relay that refuses every recipient.
pub(super) const MOST_EAGER: u64 = 256 * 1024;

/// How a transaction goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// One command at a time, then DATA: three round trips, and one for each
    /// recipient.
    OneByOne,
    /// MAIL and every RCPT; then DATA; then the message: three.
    DataLater,
    /// MAIL, every RCPT and DATA; then the message: two.
    DataAtOnce,
    /// MAIL and every RCPT; then BDAT with the message: two.
    Chunk,
    /// MAIL, every RCPT, and BDAT with the message: one.
    Eager,
}

impl Way {
    /// The way for a message of `size` octets to a relay that offers
    /// `offered`. `discards` is whether it has shown that it discards a chunk
    /// that it has no recipient for.
    pub(super) fn choose(
        wish: Transactions,
        offered: &Extensions,
        discards: bool,
        policy: RecipientPolicy,
        size: u64,
    ) -> Self {
        if wish == Transactions::Serial || !offered.pipelining {
            return Self::OneByOne;
        }
        let to_all = policy == RecipientPolicy::All;
        if !offered.chunking {
            // Whether all are accepted has to be known before DATA.
            return if to_all {
                Self::DataLater
            } else {
                Self::DataAtOnce
            };
        }
        let is_eager = match wish {
            Transactions::Eager => true,
            Transactions::EagerIfSafe => discards,
            Transactions::Serial | Transactions::Standard => false,
        };
        if is_eager && !to_all && size <= MOST_EAGER {
            Self::Eager
        } else {
            Self::Chunk
        }
    }

    /// Whether all recipients are named in one write with MAIL.
    pub(super) fn is_pipelined(self) -> bool {
        self != Self::OneByOne
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RecipientPolicy = RecipientPolicy::Any;
    const ALL: RecipientPolicy = RecipientPolicy::All;

    fn offering(pipelining: bool, chunking: bool) -> Extensions {
        Extensions {
            pipelining,
            chunking,
            ..Extensions::default()
        }
    }

    #[test]
    fn the_way_is_as_bold_as_the_relay_the_mail_and_the_operator_allow() {
        use Transactions::{Eager, EagerIfSafe, Serial, Standard};
        let (none, pipelining) = (offering(false, false), offering(true, false));
        let (chunking, both) = (offering(false, true), offering(true, true));
        for (wish, offered, discards, policy, size, way) in [
            (Serial, &both, true, ANY, 1, Way::OneByOne),
            (Standard, &none, false, ANY, 1, Way::OneByOne),
            (Eager, &chunking, true, ANY, 1, Way::OneByOne),
            (Standard, &pipelining, false, ANY, 1, Way::DataAtOnce),
            (Standard, &pipelining, false, ALL, 1, Way::DataLater),
            (Eager, &pipelining, true, ANY, 1, Way::DataAtOnce),
            (Standard, &both, true, ANY, 1, Way::Chunk),
            (EagerIfSafe, &both, false, ANY, 1, Way::Chunk),
            (EagerIfSafe, &both, true, ANY, 1, Way::Eager),
            (Eager, &both, false, ANY, MOST_EAGER, Way::Eager),
            (Eager, &both, false, ANY, MOST_EAGER + 1, Way::Chunk),
            (Eager, &both, false, ALL, 1, Way::Chunk),
        ] {
            let chosen = Way::choose(wish, offered, discards, policy, size);
            assert_eq!(chosen, way, "{wish:?} {policy:?} {size}");
        }
    }
}
