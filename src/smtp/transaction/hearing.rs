//! What a relay has said to a transaction by BDAT, and what became of the mail by
//! that. Does no I/O.

use std::time::Duration;

use super::fate;
use crate::{
    mail::RecipientPolicy,
    report::{RecipientResult, RecipientState, Reply, ReplyCode, Stage},
    smtp::{
        TimeLimits,
        command::BEHIND_MESSAGE,
        error::{Halt, Kind},
    },
};

/// The replies so far: to MAIL, to each RCPT, to BDAT, and to RSET.
#[derive(Debug)]
pub(in crate::smtp) struct Hearing {
    replies: Vec<Reply>,
    recipients: usize,
    /// A yes came to what was not yet written.
    is_early: bool,
}

/// What a reply is due to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::smtp) enum Due {
    Mail,
    Rcpt,
    Message,
    /// Whether it is a yes tells whether each reply before it had its place.
    Reset,
}

impl Due {
    /// How long it may take.
    pub(in crate::smtp) fn limit(self, limits: &TimeLimits) -> Duration {
        match self {
            Self::Mail | Self::Reset => limits.mail,
            Self::Rcpt => limits.rcpt,
            Self::Message => limits.end_of_data,
        }
    }
}

impl Hearing {
    /// Nothing was said yet to a transaction with so many recipients.
    pub(in crate::smtp) fn new(recipients: usize) -> Self {
        Self {
            replies: Vec::with_capacity(recipients + 3),
            recipients,
            is_early: false,
        }
    }

    /// What was said before the message was written.
    pub(super) fn of_chunk(to_mail: Reply, recipients: &[RecipientResult]) -> Self {
        let mut hearing = Self::new(recipients.len());
        hearing.replies.push(to_mail);
        let to_rcpt = recipients.iter().filter_map(|it| it.reply.clone());
        hearing.replies.extend(to_rcpt);
        hearing
    }

    /// The next reply that was due. Of what is written, `lacking` octets cannot
    /// have been there when it was said.
    pub(in crate::smtp) fn hear(&mut self, reply: Reply, lacking: usize) {
        self.is_early |= reply.code.is_positive()
            && match self.due() {
                Some(Due::Message) => lacking > BEHIND_MESSAGE,
                Some(Due::Reset) => lacking > 0,
                _ => false,
            };
        self.replies.push(reply);
    }

    /// What the next reply is to. `None`: all are there.
    pub(in crate::smtp) fn due(&self) -> Option<Due> {
        match self.replies.len() {
            0 => Some(Due::Mail),
            n if n <= self.recipients => Some(Due::Rcpt),
            n if n == self.recipients + 1 => Some(Due::Message),
            n if n == self.recipients + 2 => Some(Due::Reset),
            _ => None,
        }
    }

    /// Whether what is said behind the reply to the message is of no account.
    pub(in crate::smtp) fn is_over(&self) -> bool {
        self.end().is_some_and(|end| !is_in_place(end))
    }

    /// What it said last.
    pub(in crate::smtp) fn last(&self) -> Option<&Reply> {
        self.replies.last()
    }

    /// That the relay takes its leave, in the place of the reply to RSET.
    pub(in crate::smtp) fn farewell_behind(&self) -> Option<&Reply> {
        let reset = self.reset()?;
        let until_end = self.replies.iter().take(self.recipients + 2);
        let is_leave = reset.code == ReplyCode::CLOSING;
        (is_leave && until_end.clone().all(is_in_place)).then_some(reset)
    }

    /// What ended the session behind the reply to the message.
    pub(super) fn parting(&self, cut: Option<&Halt>) -> Option<Kind> {
        match (self.reset(), cut) {
            (Some(reset), _) if reset.code == ReplyCode::CLOSING => {
                Some(Halt::refused(Stage::MailFrom, reset.clone()).kind)
            }
            (Some(reset), _) if !reset.code.is_positive() => Some(Kind::Unexpected(reset.clone())),
            (_, Some(cut)) => Some(cut.kind.again()),
            _ => None,
        }
    }

    /// Whether what is due can no longer make it a mail that was taken, unless
    /// the relay contradicts itself.
    pub(super) fn is_decided(&self) -> bool {
        let is_closing = |reply: &Reply| reply.code == ReplyCode::CLOSING;
        self.mail().is_some_and(|reply| reply.code.is_refusal())
            || self.replies.iter().any(is_closing)
            || self.are_all_refused()
    }

    /// Whether the conversation may go on: every reply came, each has its
    /// place, and the relay takes no leave.
    pub(in crate::smtp) fn is_in_order(&self) -> bool {
        let takes = self.is_accepted();
        self.replies.iter().all(is_in_place)
            && self.end().is_some_and(|end| takes || end.code.is_refusal())
            && self.reset().is_some_and(|reset| reset.code.is_positive())
            && !self.is_early
            && !self.end().is_some_and(is_about_an_address)
    }

    /// What became of the mail, and of each recipient. `is_whole` is whether
    /// all of it may have been written; `cut` is why no further reply came, or
    /// what came behind the last one.
    pub(in crate::smtp) fn judge(
        &self,
        results: &mut [RecipientResult],
        is_whole: bool,
        cut: Option<Halt>,
    ) -> Result<Reply, Halt> {
        for (result, reply) in results.iter_mut().zip(self.to_recipients()) {
            // By BDAT behind the envelope, each has it already.
            if result.reply.is_none()
                && let Some(state) = fate::state(reply)
            {
                result.state = state;
                result.reply = Some(reply.clone());
            }
        }
        let has_surplus = self.due().is_none() && cut.is_some();
        let outcome = self.outcome(results, is_whole, cut);
        let is_of_no_account =
            |halt: &Halt| halt.stage == Stage::MailFrom || has_surplus && !halt.is_orderly();
        if outcome.as_ref().is_err_and(is_of_no_account) {
            // What it said to recipients is of no account, or it is not known to
            // whom it was said.
            for result in results {
                result.state = RecipientState::NotSent;
                result.reply = None;
            }
        }
        outcome
    }

    fn outcome(
        &self,
        results: &[RecipientResult],
        is_whole: bool,
        cut: Option<Halt>,
    ) -> Result<Reply, Halt> {
        let Some(end) = self.end() else {
            return Err(self
                .farewell()
                .or_else(|| self.refusal(results))
                .unwrap_or_else(|| self.lost(is_whole, cut)));
        };
        let has_surplus = self.due().is_none() && cut.is_some();
        match end.code {
            // One too many, and which it is cannot be known.
            _ if has_surplus && let Some(cut) = cut => {
                if self.is_taken_whichever(&cut.kind) && is_whole {
                    return Ok(end.clone());
                }
                Err(self
                    .refusal_whichever(results)
                    .unwrap_or_else(|| Halt::new(Stage::EndOfData, cut.kind)))
            }
            // It cannot have taken what it has not got.
            code if code.is_positive() && !is_whole => Err(unexpected(Stage::Data, end)),
            code if code.is_positive() && self.is_accepted() && self.misplaced().is_none() => {
                self.check(end, cut)
            }
            // Taken for nobody is not taken. If it contradicts itself, who can
            // know?
            code if code.is_positive() => Err(self
                .refusal(results)
                .unwrap_or_else(|| unexpected(Stage::EndOfData, end))),
            code if code.is_refusal() => Err(self
                .misplaced()
                .or_else(|| self.refusal_of_sender())
                .or_else(|| self.refusal(results))
                .unwrap_or_else(|| Halt::refused(Stage::EndOfData, end.clone()))),
            _ => Err(unexpected(Stage::EndOfData, end)),
        }
    }

    /// Whether the yes to the message can be relied on. If one reply too many had
    /// come before it, what the relay says to the message would stand in the
    /// place of the reply to RSET; if one too few, nothing would.
    fn check(&self, end: &Reply, cut: Option<Halt>) -> Result<Reply, Halt> {
        let kind = match (self.reset(), cut.map(|cut| cut.kind)) {
            _ if self.is_early || is_about_an_address(end) => Kind::Unexpected(end.clone()),
            (Some(reset), _) if reset.code.is_positive() => return Ok(end.clone()),
            // It may take its leave at any time (RFC 5321 section 3.8), and
            // some do so without a word.
            (Some(reset), _) if reset.code == ReplyCode::CLOSING => return Ok(end.clone()),
            (None, Some(Kind::Closed { .. } | Kind::Broken { .. }) | None) => {
                return Ok(end.clone());
            }
            // There is nothing to refuse (RFC 5321 section 4.1.1.5).
            (Some(reset), _) => Kind::Unexpected(reset.clone()),
            (None, Some(kind)) => kind,
        };
        Err(Halt::new(Stage::EndOfData, kind))
    }

    /// Why nobody can have the mail, whatever is said of the chunk.
    fn refusal(&self, results: &[RecipientResult]) -> Option<Halt> {
        let accepts = self.to_recipients().any(|reply| reply.code.is_positive());
        match self.refusal_of_sender() {
            Some(halt) => (!accepts).then_some(halt),
            None if self.are_all_refused() => {
                fate::refusal_of_recipients(results, RecipientPolicy::Any)
            }
            None => None,
        }
    }

    /// Whether all of it was accepted, whichever reply is the one too many. (Were
    /// it more than one, the last would be about an address.)
    fn is_taken_whichever(&self, surplus: &Kind) -> bool {
        let is_yes = |reply: &Reply| reply.code.is_positive();
        matches!(surplus, Kind::Unexpected(reply) if is_yes(reply) && !is_about_an_address(reply))
            && self.replies.iter().all(is_yes)
            && !self.is_early
    }

    /// Why nobody can have the mail, whichever reply is the one too many: each is
    /// that to its command, or to the next one.
    fn refusal_whichever(&self, results: &[RecipientResult]) -> Option<Halt> {
        let are_refused =
            |mut replies: std::slice::Iter<'_, Reply>| replies.all(|reply| reply.code.is_refusal());
        let end = self.recipients + 1;
        if are_refused(self.replies[..=end].iter()) {
            return self.refusal_of_sender();
        }
        let is_refused =
            are_refused(self.replies[end..].iter()) || are_refused(self.replies[1..=end].iter());
        is_refused.then(|| {
            self.refusal(results)
                .unwrap_or_else(|| Halt::refused(Stage::EndOfData, self.replies[end].clone()))
        })
    }

    fn refusal_of_sender(&self) -> Option<Halt> {
        let reply = self.mail().filter(|reply| reply.code.is_refusal())?;
        Some(Halt::refused(Stage::MailFrom, reply.clone()))
    }

    /// The relay took its leave instead of a reply, and said nothing more. Some
    /// put off a recipient so, and go on: whom they had accepted may get the mail.
    fn farewell(&self) -> Option<Halt> {
        if self.is_accepted() {
            return None;
        }
        let last = self.replies.last()?;
        let stage = if self.replies.len() == 1 {
            Stage::MailFrom
        } else {
            Stage::RcptTo
        };
        (last.code == ReplyCode::CLOSING).then(|| {
            self.refusal_of_sender()
                .unwrap_or_else(|| Halt::refused(stage, last.clone()))
        })
    }

    /// No reply to the chunk came.
    fn lost(&self, is_whole: bool, cut: Option<Halt>) -> Halt {
        let stage = match self.due() {
            Some(Due::Mail) if !is_whole => Stage::MailFrom,
            Some(Due::Rcpt) if !is_whole => Stage::RcptTo,
            _ => Stage::EndOfData,
        };
        let kind = cut.map_or(Kind::Closed { heard: true }, |halt| halt.kind);
        Halt::new(stage, kind)
    }

    /// A reply that has no place where it came.
    fn misplaced(&self) -> Option<Halt> {
        let mut until_end = self.replies.iter().take(self.recipients + 2);
        let place = until_end.position(|reply| fate::state(reply).is_none())?;
        let stage = match place {
            0 => Stage::MailFrom,
            n if n <= self.recipients => Stage::RcptTo,
            _ => Stage::EndOfData,
        };
        Some(unexpected(stage, &self.replies[place]))
    }

    fn is_accepted(&self) -> bool {
        self.mail().is_some_and(|reply| reply.code.is_positive())
            && self.to_recipients().any(|reply| reply.code.is_positive())
    }

    fn are_all_refused(&self) -> bool {
        self.to_recipients()
            .filter(|reply| reply.code.is_refusal())
            .count()
            == self.recipients
    }

    fn mail(&self) -> Option<&Reply> {
        self.replies.first()
    }

    fn to_recipients(&self) -> impl Iterator<Item = &Reply> {
        self.replies.iter().skip(1).take(self.recipients)
    }

    fn end(&self) -> Option<&Reply> {
        self.replies.get(self.recipients + 1)
    }

    fn reset(&self) -> Option<&Reply> {
        self.replies.get(self.recipients + 2)
    }
}

/// Whether it says yes to a sender or a recipient, as 2.1.0 and 2.1.5 do (RFC
/// 3463 section 3.2). A message has no address.
fn is_about_an_address(reply: &Reply) -> bool {
    reply.code.is_positive() && reply.enhanced.is_some_and(|code| code.subject == 1)
}

/// Whether a relay goes on behind it.
fn is_in_place(reply: &Reply) -> bool {
    reply.code != ReplyCode::CLOSING && fate::state(reply).is_some()
}

fn unexpected(stage: Stage, reply: &Reply) -> Halt {
    Halt::new(stage, Kind::Unexpected(reply.clone()))
}
