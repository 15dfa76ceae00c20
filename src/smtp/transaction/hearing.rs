//! What a relay has said to a transaction that was written as a whole, and
//! what became of the mail by that. Does no I/O.

use super::fate;
use crate::{
    mail::RecipientPolicy,
    report::{RecipientResult, RecipientState, Reply, ReplyCode, Stage},
    smtp::error::{Halt, Kind},
};

/// The replies so far: to MAIL, to each RCPT, and to BDAT.
#[derive(Debug)]
pub(in crate::smtp) struct Hearing {
    replies: Vec<Reply>,
    recipients: usize,
}

impl Hearing {
    /// Nothing was said yet to a transaction with so many recipients.
    pub(in crate::smtp) fn new(recipients: usize) -> Self {
        Self {
            replies: Vec::with_capacity(recipients + 2),
            recipients,
        }
    }

    /// The next reply that was due.
    pub(in crate::smtp) fn hear(&mut self, reply: Reply) {
        self.replies.push(reply);
    }

    /// What the next reply is to. `None`: all are there.
    pub(in crate::smtp) fn due(&self) -> Option<Stage> {
        match self.replies.len() {
            0 => Some(Stage::MailFrom),
            n if n <= self.recipients => Some(Stage::RcptTo),
            n if n == self.recipients + 1 => Some(Stage::EndOfData),
            _ => None,
        }
    }

    /// What it said last.
    pub(in crate::smtp) fn last(&self) -> Option<&Reply> {
        self.replies.last()
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
        let has_place =
            |reply: &Reply| reply.code != ReplyCode::CLOSING && fate::state(reply).is_some();
        let takes = self.is_accepted();
        self.replies.iter().all(has_place)
            && self.end().is_some_and(|end| takes || end.code.is_refusal())
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
            if let Some(state) = fate::state(reply) {
                result.state = state;
                result.reply = Some(reply.clone());
            }
        }
        let has_surplus = self.due().is_none() && cut.is_some();
        let outcome = self.outcome(results, is_whole, cut);
        if let Err(halt) = &outcome
            && (halt.stage == Stage::MailFrom || has_surplus)
        {
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
        match (self.end(), cut) {
            (Some(end), None) if end.code.is_positive() && is_whole => {
                if self.is_accepted() && self.misplaced().is_none() {
                    return Ok(end.clone());
                }
                // Taken for nobody is not taken. If it contradicts itself, who
                // can know?
                Err(self
                    .refusal(results)
                    .unwrap_or_else(|| unexpected(Stage::EndOfData, end)))
            }
            // It cannot have taken what it has not got.
            (Some(end), None) if end.code.is_positive() => Err(unexpected(Stage::Data, end)),
            (Some(end), None) if end.code.is_refusal() => Err(self
                .misplaced()
                .or_else(|| self.refusal_of_sender())
                .or_else(|| self.refusal(results))
                .unwrap_or_else(|| Halt::refused(Stage::EndOfData, end.clone()))),
            (Some(end), None) => Err(unexpected(Stage::EndOfData, end)),
            (None, cut) => Err(self
                .farewell()
                .or_else(|| self.refusal(results))
                .unwrap_or_else(|| self.lost(is_whole, cut))),
            // One too many, and which it is cannot be known.
            (Some(_), Some(cut)) => Err(self
                .refusal_of_all()
                .unwrap_or_else(|| Halt::new(Stage::EndOfData, cut.kind))),
        }
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

    /// Whichever reply is that to MAIL, it is a refusal.
    fn refusal_of_all(&self) -> Option<Halt> {
        let halt = self.refusal_of_sender()?;
        self.replies
            .iter()
            .all(|reply| reply.code.is_refusal())
            .then_some(halt)
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
        let due = self.due().unwrap_or(Stage::EndOfData);
        let stage = if is_whole { Stage::EndOfData } else { due };
        let kind = cut.map_or(Kind::Closed { heard: true }, |halt| halt.kind);
        Halt::new(stage, kind)
    }

    /// A reply that has no place where it came.
    fn misplaced(&self) -> Option<Halt> {
        let has_place = |reply: &Reply| fate::state(reply).is_some();
        let place = self.replies.iter().position(|reply| !has_place(reply))?;
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
}

fn unexpected(stage: Stage, reply: &Reply) -> Halt {
    Halt::new(stage, Kind::Unexpected(reply.clone()))
}
