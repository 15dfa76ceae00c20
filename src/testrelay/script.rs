//! When a relay departs from what it usually does.

use std::{fmt, sync::Arc};

use super::{Answer, ClientHello};

/// A point in a session at which a script can step in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The connection is there; nothing was read or written. Usual: go on.
    Connect,
    /// The greeting is due.
    Greeting,
    /// HELO.
    Helo,
    /// EHLO, but for the one after STARTTLS.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// The ClientHello has come, and an answer to it is due. Usual: go on with
    /// the handshake.
    Handshake,
    /// EHLO after STARTTLS.
    EhloTls,
    /// AUTH.
    Auth,
    /// The client's nth response within AUTH, from 1.
    AuthResponse(u32),
    /// Any MAIL FROM.
    AnyMail,
    /// The nth MAIL FROM of a session, from 1.
    Mail(u32),
    /// Any RCPT TO.
    AnyRcpt,
    /// The nth RCPT TO of a transaction, from 1.
    Rcpt(u32),
    /// DATA.
    Data,
    /// A chunk other than the last has been read (RFC 3030).
    Chunk,
    /// The message is there, by DATA or by BDAT LAST.
    EndOfData,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// QUIT.
    Quit,
    /// A command that the relay does not know, or that is malformed.
    Unknown,
}

impl Step {
    pub(super) fn covers(self, event: Self) -> bool {
        match self {
            Self::AnyMail => matches!(event, Self::Mail(_)),
            Self::AnyRcpt => matches!(event, Self::Rcpt(_)),
            step => step == event,
        }
    }
}

/// What a relay does otherwise than usual. The first rule that applies wins.
#[derive(Clone, Debug, Default)]
pub struct Script(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    step: Step,
    when: When,
    answer: Given,
}

#[derive(Clone)]
enum Given {
    Answer(Answer),
    Judged(Arc<dyn Fn(&ClientHello) -> Answer + Send + Sync>),
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => answer.fmt(f),
            Self::Judged(_) => f.write_str("Judged"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum When {
    Always,
    Nth(u32),
    Hello(fn(&ClientHello) -> bool),
}

impl Script {
    /// A script that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers so whenever a session comes to `step`.
    #[must_use]
    pub fn at(self, step: Step, answer: Answer) -> Self {
        self.with(step, When::Always, answer)
    }

    /// Answers so the first time that any session comes to `step`.
    #[must_use]
    pub fn once(self, step: Step, answer: Answer) -> Self {
        self.nth(1, step, answer)
    }

    /// Answers so the nth time, from 1, that any session comes to `step`.
    #[must_use]
    pub fn nth(self, n: u32, step: Step, answer: Answer) -> Self {
        self.with(step, When::Nth(n), answer)
    }

    /// Answers so whenever a session comes to `step` and `condition` holds for
    /// its ClientHello, such as `|hello| hello.size > 512`.
    #[must_use]
    pub fn when_hello(
        self,
        condition: fn(&ClientHello) -> bool,
        step: Step,
        answer: Answer,
    ) -> Self {
        self.with(step, When::Hello(condition), answer)
    }

    /// Answers each ClientHello as `judge` has it, as a TLS stack that rustls
    /// cannot play does. [`Answer::usual`] goes on with rustls.
    #[must_use]
    pub fn to_hellos(
        mut self,
        judge: impl Fn(&ClientHello) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.0.push(Rule {
            step: Step::Handshake,
            when: When::Hello(|_| true),
            answer: Given::Judged(Arc::new(judge)),
        });
        self
    }

    fn with(mut self, step: Step, when: When, answer: Answer) -> Self {
        let answer = Given::Answer(answer);
        self.0.push(Rule { step, when, answer });
        self
    }
}

/// A script under way, with the times that each of its steps was come to.
#[derive(Debug, Default)]
pub(super) struct Playback(Vec<(Rule, u32)>);

impl From<Script> for Playback {
    fn from(script: Script) -> Self {
        Self(script.0.into_iter().map(|rule| (rule, 0)).collect())
    }
}

impl Playback {
    /// The answer to `event`, in a session that began TLS with `hello`. `None`:
    /// the usual one.
    pub(super) fn answer(&mut self, event: Step, hello: Option<&ClientHello>) -> Option<Answer> {
        let mut chosen = None;
        for (rule, seen) in &mut self.0 {
            if !rule.step.covers(event) {
                continue;
            }
            *seen += 1;
            let applies = match rule.when {
                When::Always => true,
                When::Nth(n) => *seen == n,
                When::Hello(condition) => hello.is_some_and(condition),
            };
            if applies && chosen.is_none() {
                chosen = match (&rule.answer, hello) {
                    (Given::Answer(answer), _) => Some(answer.clone()),
                    (Given::Judged(judge), Some(hello)) => Some(judge(hello)),
                    (Given::Judged(_), None) => None,
                };
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_applies_wins() {
        let mut playback = Playback::from(
            Script::new()
                .at(Step::Rcpt(2), Answer::reply("550 second"))
                .nth(3, Step::AnyRcpt, Answer::reply("450 third")),
        );
        let mut code = |step| {
            playback
                .answer(step, None)
                .and_then(|answer| answer.code(250))
        };
        assert_eq!(code(Step::Rcpt(1)), None);
        assert_eq!(code(Step::Rcpt(2)), Some(550));
        assert_eq!(code(Step::Mail(1)), None);
        assert_eq!(code(Step::Rcpt(1)), Some(450));
        assert_eq!(code(Step::Rcpt(2)), Some(550));
        assert_eq!(code(Step::Rcpt(1)), None);
    }
}
