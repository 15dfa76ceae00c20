//! Recipients that say in their address what becomes of a mail to them.

use std::time::Duration;

use super::{
    case::Case,
    cases::{bare, secure},
};
use crate::{
    report::TlsMode::{Implicit, Plaintext, Starttls},
    testrelay::{Answer, Step},
};

/// How late a slow answer is.
const SLOW: Duration = Duration::from_secs(3);

/// A kind of recipient, for documentation.
pub struct Recipient {
    /// The local part.
    pub local_part: &'static str,
    /// What the relay does with a mail to it, as a sentence without a full
    /// stop.
    pub about: &'static str,
}

/// What a local part can say. Any reply code from 400 to 599 may stand where
/// one of these has one.
pub const RECIPIENTS: &[Recipient] = &[
    Recipient {
        local_part: "550",
        about: "refuses the recipient",
    },
    Recipient {
        local_part: "452",
        about: "puts the recipient off",
    },
    Recipient {
        local_part: "421",
        about: "leaves with 421 at the recipient",
    },
    Recipient {
        local_part: "451-then-250",
        about: "puts the recipient off the first time, and takes it from then on",
    },
    Recipient {
        local_part: "stall",
        about: "never answers RCPT",
    },
    Recipient {
        local_part: "drop",
        about: "closes the connection at RCPT",
    },
    Recipient {
        local_part: "slow",
        about: "takes the recipient after 3 seconds",
    },
    Recipient {
        local_part: "554-at-data",
        about: "takes the recipient and refuses DATA",
    },
    Recipient {
        local_part: "554-after-dot",
        about: "refuses the message when it is there",
    },
    Recipient {
        local_part: "451-after-dot-then-250",
        about: "puts the message off the first time, and takes it from then on",
    },
    Recipient {
        local_part: "reject-after-dot",
        about: "the same as 554-after-dot",
    },
    Recipient {
        local_part: "drop-after-dot",
        about: "takes the message and closes the connection without a word",
    },
    Recipient {
        local_part: "reset-after-dot",
        about: "takes the message and resets the connection",
    },
    Recipient {
        local_part: "stall-after-dot",
        about: "takes the message and says nothing",
    },
    Recipient {
        local_part: "slow-after-dot",
        about: "takes the message and says so after 3 seconds",
    },
];

/// The relays that listen to their recipients, one for each mode.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::sends(
            Starttls,
            "recipients",
            "does as the recipient says",
            |pki| secure(pki).recipients(rule),
        ),
        Case::sends(
            Implicit,
            "recipients-implicit",
            "does as the recipient says, in implicit TLS",
            |pki| secure(pki).recipients(rule),
        ),
        Case::sends(
            Plaintext,
            "recipients-plaintext",
            "does as the recipient says, without TLS",
            |_| bare().recipients(rule),
        ),
    ]
}

/// What `address`, named for the nth time, has the relay do.
fn rule(address: &str, times: u32) -> Option<(Step, Answer)> {
    let (local_part, _) = address.rsplit_once('@')?;
    // A tag makes addresses that count by themselves.
    let what = local_part.split('+').next()?;
    let what = match what.strip_suffix("-then-250") {
        Some(_) if times > 1 => return None,
        Some(first) => first,
        None => what,
    };
    let (what, step) = match (
        what.strip_suffix("-after-dot"),
        what.strip_suffix("-at-data"),
    ) {
        (Some(what), _) => (what, Step::EndOfData),
        (_, Some(what)) => (what, Step::Data),
        _ => (what, Step::AnyRcpt),
    };
    let taken = |answer: Answer| match step {
        Step::EndOfData => answer.as_if(250),
        _ => answer,
    };
    let answer = match what {
        "drop" => taken(Answer::close()),
        "reset" => taken(Answer::reset()),
        "stall" => taken(Answer::stall()),
        "slow" => Answer::usual().after(SLOW),
        "reject" => refusal(554),
        code => refusal(code.parse().ok().filter(|code| (400..600).contains(code))?),
    };
    Some((step, answer))
}

fn refusal(code: u16) -> Answer {
    let class = code / 100;
    let answer = Answer::reply(&format!("{code} {class}.0.0 as the recipient says"));
    if code == 421 {
        answer.then(Answer::close())
    } else {
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_recipient_is_known() {
        for recipient in RECIPIENTS {
            let address = format!("{}@example.org", recipient.local_part);
            let tagged = format!("{}+7@example.org", recipient.local_part);
            assert!(rule(&address, 1).is_some(), "{address}");
            assert!(rule(&tagged, 1).is_some(), "{tagged}");
            let ends = recipient.local_part.ends_with("-then-250");
            assert_eq!(rule(&address, 2).is_none(), ends, "{address}");
        }
    }

    #[test]
    fn others_are_taken() {
        for address in [
            "ann@example.org",
            "250@example.org",
            "600@example.org",
            "550",
            "+550@example.org",
            "5500@example.org",
            "after-dot@example.org",
        ] {
            assert!(rule(address, 1).is_none(), "{address}");
        }
    }

    #[test]
    fn the_step_is_in_the_name() {
        for (local_part, step) in [
            ("451-then-250", Step::AnyRcpt),
            ("554-at-data", Step::Data),
            ("451-after-dot-then-250", Step::EndOfData),
        ] {
            let wish = rule(&format!("{local_part}@example.org"), 1);
            assert_eq!(wish.unwrap().0, step, "{local_part}");
        }
    }
}
