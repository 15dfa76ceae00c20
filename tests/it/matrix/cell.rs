//! The cells of the matrix: each stage with each answer, in each setting.

use std::{fmt, time::Duration};

use posthaste::{
    smtp::TimeLimits,
    testrelay::{Answer, Script, Step},
};
use strum::{Display, EnumIter, EnumString, IntoEnumIterator as _};

use super::table::Codes;

/// How long a client may take to notice that it is connected.
const NOTICING: Duration = Duration::from_millis(500);

/// What the relay is about to answer when it goes wrong.
#[derive(Clone, Copy, Debug, Display, EnumIter, EnumString, Eq, Hash, PartialEq)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum At {
    Greeting,
    Ehlo,
    Starttls,
    EhloTls,
    Auth,
    AuthLogin,
    Username,
    Password,
    Mail,
    RcptFirst,
    RcptMiddle,
    RcptLast,
    Data,
    EndOfData,
    LoneDot,
    Rset,
    RsetBehind,
    Quit,
}

/// What it does there.
#[derive(Clone, Copy, Debug, Display, EnumIter, EnumString, Eq, Hash, PartialEq)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Fault {
    #[strum(serialize = "4yz")]
    Transient,
    #[strum(serialize = "5yz")]
    Permanent,
    #[strum(serialize = "2yz")]
    Positive,
    #[strum(serialize = "3yz")]
    Intermediate,
    #[strum(serialize = "421")]
    Closing,
    #[strum(serialize = "421-stays")]
    ClosingStays,
    Close,
    Cut,
    Reset,
    Stall,
    Garbage,
    EndlessLine,
    EndlessReply,
    Twice,
    #[strum(serialize = "5yz-twice")]
    PermanentTwice,
    #[strum(serialize = "5yz-421")]
    PermanentClosing,
    Pieces,
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, Display, EnumIter, Eq, PartialEq)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Mode {
    Plaintext,
    Starttls,
    Implicit,
}

/// How the relay is written to.
#[derive(Clone, Copy, Debug, Display, EnumIter, Eq, PartialEq)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Way {
    /// No PIPELINING.
    Serial,
    /// PIPELINING, and DATA.
    Pipelining,
    /// CHUNKING as well.
    Chunking,
    /// The same, in one write.
    Eager,
}

/// What a row may be limited to.
#[derive(Clone, Copy, Debug, EnumString, Eq, PartialEq)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Condition {
    Plaintext,
    Starttls,
    Implicit,
    Cold,
    Warm,
    One,
    Three,
    Serial,
    Ahead,
    Behind,
    Stepwise,
    Eager,
    ByData,
    ByBdat,
    Any,
    All,
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) at: At,
    pub(super) fault: Fault,
    pub(super) mode: Mode,
    /// How many mails the session carries before.
    pub(super) earlier: u32,
    pub(super) recipients: u32,
    pub(super) way: Way,
    /// Whether the mail is for all of its recipients or for none.
    pub(super) all: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({}, mail {}, {} {} recipients, {})",
            self.at,
            self.fault,
            self.mode,
            self.earlier + 1,
            if self.all { "all of" } else { "any of" },
            self.recipients,
            self.way,
        )
    }
}

/// Every cell, with so many mails before the one that meets the fault.
pub(super) fn all(earlier: &[u32]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for at in At::iter() {
        for fault in Fault::iter() {
            for mode in Mode::iter() {
                for &earlier in earlier {
                    for recipients in [1, 3] {
                        for way in Way::iter() {
                            for all in [false, true] {
                                cells.push(Cell {
                                    at,
                                    fault,
                                    mode,
                                    earlier,
                                    recipients,
                                    way,
                                    all,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
    cells.retain(Cell::exists);
    cells
}

impl Cell {
    fn exists(&self) -> bool {
        let makes_sense = match self.at {
            At::Starttls | At::EhloTls => self.mode == Mode::Starttls && self.earlier == 0,
            // Nothing that opens a session comes a second time.
            _ if self.is_opening() => self.earlier == 0,
            At::RcptMiddle | At::RcptLast => self.recipients > 1,
            // Otherwise nobody says DATA before there is a recipient.
            At::LoneDot => self.way == Way::Pipelining,
            At::Data => self.takes_data(),
            At::RsetBehind => !self.takes_data(),
            _ => true,
        };
        // Where it makes a difference. With RSET it is needed: otherwise a group
        // ends in DATA.
        let policy_fits = match self.at {
            At::Rset => self.all != (self.way == Way::Eager),
            // Then it is not eager.
            _ if self.all && self.way == Way::Eager => false,
            At::Mail | At::RcptFirst | At::RcptMiddle | At::RcptLast | At::Data => {
                !self.all || self.recipients > 1
            }
            _ => !self.all,
        };
        // What opens a session, and TLS, know nothing of the way.
        let way_fits = self.takes_data()
            || !self.is_opening() && self.at != At::Quit && self.mode == Mode::Starttls;
        makes_sense && policy_fits && way_fits
    }

    fn takes_data(&self) -> bool {
        matches!(self.way, Way::Serial | Way::Pipelining)
    }

    fn is_opening(&self) -> bool {
        matches!(
            self.at,
            At::Greeting
                | At::Ehlo
                | At::Starttls
                | At::EhloTls
                | At::Auth
                | At::AuthLogin
                | At::Username
                | At::Password
        )
    }

    pub(super) fn fits(&self, condition: Condition) -> bool {
        match condition {
            Condition::Plaintext => self.mode == Mode::Plaintext,
            Condition::Starttls => self.mode == Mode::Starttls,
            Condition::Implicit => self.mode == Mode::Implicit,
            Condition::Cold => self.earlier == 0,
            Condition::Warm => self.earlier > 0,
            Condition::One => self.recipients == 1,
            Condition::Three => self.recipients == 3,
            Condition::Serial => self.way == Way::Serial,
            Condition::Ahead => self.way == Way::Pipelining && !self.all,
            Condition::Behind => {
                self.way == Way::Chunking || self.way == Way::Pipelining && self.all
            }
            Condition::Stepwise => self.way != Way::Eager,
            Condition::Eager => self.way == Way::Eager,
            Condition::ByData => self.takes_data(),
            Condition::ByBdat => !self.takes_data(),
            Condition::Any => !self.all,
            Condition::All => self.all,
        }
    }

    /// The recipient that the answer is for, from 1.
    pub(super) fn recipient(&self) -> Option<u32> {
        match self.at {
            At::RcptFirst => Some(1),
            At::RcptMiddle => Some(2),
            At::RcptLast => Some(self.recipients),
            _ => None,
        }
    }

    /// Whether the client is to log in by LOGIN, and not by PLAIN.
    pub(super) fn uses_login(&self) -> bool {
        matches!(self.at, At::AuthLogin | At::Username | At::Password)
    }

    /// What makes the relay go wrong there, once.
    pub(super) fn script(&self, codes: &Codes) -> Script {
        // The mails before have come by these steps.
        let turn = self.earlier + 1;
        let all_refused = |script: Script| {
            (1..=self.recipients).fold(script, |script, n| {
                script.nth(turn, Step::Rcpt(n), Answer::reply("550 5.1.1 no such user"))
            })
        };
        let script = Script::new();
        let (script, turn, step) = match self.at {
            At::Greeting => (script, 1, Step::Greeting),
            At::Ehlo => (script, 1, Step::Ehlo),
            At::Starttls => (script, 1, Step::StartTls),
            At::EhloTls => (script, 1, Step::EhloTls),
            At::Auth | At::AuthLogin => (script, 1, Step::Auth),
            At::Username => (script, 1, Step::AuthResponse(1)),
            At::Password => (script, 1, Step::AuthResponse(2)),
            At::Mail => (script, turn, Step::AnyMail),
            At::RcptFirst => (script, turn, Step::Rcpt(1)),
            At::RcptMiddle => (script, turn, Step::Rcpt(2)),
            At::RcptLast => (script, turn, Step::Rcpt(self.recipients)),
            At::Data => (script, turn, Step::Data),
            At::EndOfData => (script, turn, Step::EndOfData),
            At::LoneDot => (
                all_refused(script).nth(turn, Step::Data, Answer::reply("354 go on")),
                turn,
                Step::EndOfData,
            ),
            // By BDAT, the mails before had theirs.
            At::Rset if self.takes_data() => (all_refused(script), 1, Step::Rset),
            At::Rset => (all_refused(script), turn, Step::Rset),
            At::RsetBehind => (script, turn, Step::Rset),
            At::Quit => (script, 1, Step::Quit),
        };
        script.nth(turn, step, self.answer(codes))
    }

    fn answer(&self, codes: &Codes) -> Answer {
        let saying = |fault| Answer::reply(&format!("{} as scripted", codes.of(self.at, fault)));
        let closing = || Answer::reply("421 4.3.2 closing");
        let answer = match self.fault {
            Fault::Transient | Fault::Permanent | Fault::Positive | Fault::Intermediate => {
                return saying(self.fault);
            }
            Fault::PermanentTwice => return saying(Fault::Permanent).twice(),
            Fault::PermanentClosing => {
                let last_words = closing().then(Answer::close());
                return saying(Fault::Permanent).then(last_words);
            }
            Fault::Closing => return closing().then(Answer::close()),
            Fault::ClosingStays => return closing(),
            Fault::Twice => return Answer::usual().twice(),
            Fault::Pieces => return Answer::usual().in_pieces(),
            Fault::Close => Answer::close(),
            Fault::Cut => Answer::cut(),
            // Not before the client has noticed that it is connected.
            Fault::Reset if self.at == At::Greeting => Answer::reset().after(NOTICING),
            Fault::Reset => Answer::reset(),
            Fault::Stall => Answer::stall(),
            Fault::Garbage => Answer::garbage(),
            Fault::EndlessLine => Answer::endless_line(),
            Fault::EndlessReply => Answer::endless_reply(),
        };
        // So that "unknown" is all that can be said of it.
        if self.at == At::EndOfData {
            answer.as_if(250)
        } else {
            answer
        }
    }

    /// The limit that a stall runs into is short, and no other: if the wrong
    /// one were kept, the client would hang.
    pub(super) fn limits(&self, short: Duration, long: Duration) -> TimeLimits {
        let mut limits = TimeLimits {
            resolve: long,
            connect: long,
            connect_total: long,
            greeting: long,
            ehlo: long,
            starttls: long,
            handshake: long,
            auth: long,
            mail: long,
            rcpt: long,
            data: long,
            end_of_data: long,
        };
        if self.fault == Fault::Stall {
            let limit = match self.at {
                At::Greeting => &mut limits.greeting,
                At::Ehlo | At::EhloTls => &mut limits.ehlo,
                At::Starttls => &mut limits.starttls,
                At::Auth | At::AuthLogin | At::Username | At::Password => &mut limits.auth,
                // What tidies up may take as long as MAIL may.
                At::Mail | At::LoneDot | At::Rset | At::RsetBehind => &mut limits.mail,
                At::RcptFirst | At::RcptMiddle | At::RcptLast => &mut limits.rcpt,
                At::Data => &mut limits.data,
                At::EndOfData => &mut limits.end_of_data,
                // It has a limit of its own.
                At::Quit => return limits,
            };
            *limit = short;
        }
        limits
    }
}
