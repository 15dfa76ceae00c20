//! A transaction: MAIL, RCPT, DATA, the message (RFC 5321 section 3.3), in as
//! few round trips as the relay allows (RFC 2920). Knows one transaction;
//! `delivery` knows when a mail takes several.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Body, Progress, Session,
    command::{Commands, MailParameters},
    data::Stuffed,
    error::{Error, Halt, Kind},
    failure::refusal,
    opening::refused,
    step::Step,
};
use crate::{
    mail::{Envelope, RecipientPolicy},
    report::{Reason, RecipientResult, RecipientState, Reply, ReplyCode, Stage},
};

/// How much of a message is copied and written at once.
const CHUNK: usize = 64 * 1024;
/// Room for the dots and the end that come on top.
const SPARE: usize = 256;
/// How long it may take to leave the session in order after a refusal.
const TIDY_UP_LIMIT: Duration = Duration::from_secs(5);

/// What a transaction carries. [`Session::send`] makes several of it where the
/// relay takes fewer recipients at a time.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// Where it goes.
    pub envelope: &'a Envelope,
    /// What is carried.
    pub body: &'a Body,
    /// What to do when some recipients are refused.
    pub policy: RecipientPolicy,
}

/// The relay took the mail for at least one recipient.
#[derive(Debug)]
pub struct Delivered {
    /// The reply to the end of data; to the last one that was accepted.
    pub reply: Reply,
    /// Every recipient, in envelope order, each with the reply that decided it.
    pub recipients: Vec<RecipientResult>,
    /// Why the mail went to some only, where a transaction failed for another
    /// reason than its recipients.
    pub partial_failure: Option<Box<Error>>,
}

/// Where the conversation stands, so that a transaction that stops can be
/// tidied up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Replies that are still due.
    due: usize,
    /// The last of them is to DATA.
    data_due: bool,
    /// MAIL was accepted, and nothing has ended the transaction.
    is_open: bool,
    /// The relay waits for the message: whatever is sent now is part of it.
    in_data: bool,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Carries out one transaction, and keeps what the relay said to each
    /// recipient.
    pub(super) async fn transact(
        &mut self,
        transaction: Transaction<'_>,
        progress: &Progress,
        recipients: &mut [RecipientResult],
    ) -> Result<Reply, Halt> {
        let step = Step::enter(progress, Stage::MailFrom, self.limits.mail);
        let mail = self.mail(&transaction).map_err(|kind| step.halt(kind))?;
        let policy = transaction.policy;

        self.is_usable = false;
        let mut standing = Standing::default();
        let outcome = async {
            self.offer(mail, &step, policy, recipients, &mut standing)
                .await?;
            self.choose_recipients(progress, policy, recipients, &mut standing)
                .await?;
            self.hand_over(transaction.body, progress, &mut standing)
                .await
        }
        .await;
        match &outcome {
            Ok(_) => self.is_usable = true,
            Err(halt) => self.unsettled = halt.is_orderly().then_some(standing),
        }
        outcome
    }

    /// Whether a refused transaction left something for [`Session::settle`].
    pub fn is_unsettled(&self) -> bool {
        self.unsettled.is_some()
    }

    /// Leaves a session whose last transaction was refused in order, within a
    /// bounded time. [`Session::is_reusable`] tells whether that went well.
    pub async fn settle(&mut self) {
        self.put_in_order().await;
    }

    /// As [`Session::settle`]. What the relay did instead, if it did not go well
    /// for its sake.
    pub(super) async fn put_in_order(&mut self) -> Option<Halt> {
        let standing = self.unsettled.take()?;
        let outcome = self.tidy_up(standing).await;
        self.is_usable = matches!(outcome, Ok(true));
        outcome.err()
    }

    /// Asks the relay about the recipients of a transaction, and takes it back
    /// before DATA. Recipients that it refuses are no error.
    pub(super) async fn rehearse(
        &mut self,
        transaction: Transaction<'_>,
        progress: &Progress,
        recipients: &mut [RecipientResult],
    ) -> Result<(), Halt> {
        let step = Step::enter(progress, Stage::MailFrom, self.limits.mail);
        let mail = self.mail(&transaction).map_err(|kind| step.halt(kind))?;

        self.is_usable = false;
        let mut standing = Standing::default();
        let outcome = async {
            // As with all or nobody: DATA must not be on its way.
            let policy = RecipientPolicy::All;
            self.offer(mail, &step, policy, recipients, &mut standing)
                .await?;
            self.hear_recipients(progress, recipients, &mut standing)
                .await?;
            self.take_back(progress).await
        }
        .await;
        match &outcome {
            Ok(()) => self.is_usable = true,
            Err(halt) => self.unsettled = halt.is_orderly().then_some(standing),
        }
        outcome
    }

    /// What MAIL has to say, or why the relay cannot take this mail.
    pub(super) fn parameters(&self, transaction: &Transaction<'_>) -> Result<MailParameters, Kind> {
        let Transaction { envelope, body, .. } = transaction;
        let offered = &self.extensions;
        let smtputf8 = body.needs_smtputf8 || envelope.needs_smtputf8();
        if smtputf8 && !offered.smtputf8 {
            return Err(Kind::ExtensionMissing("SMTPUTF8"));
        }
        if body.is_8bit && !offered.eight_bit_mime {
            return Err(Kind::ExtensionMissing("8BITMIME"));
        }
        let size = body.len();
        if let Some(limit) = offered.max_size
            && size > limit
        {
            return Err(Kind::TooLarge { size, limit });
        }
        Ok(MailParameters {
            size: offered.size.then_some(size),
            // Header fields in UTF-8 are no 7-bit message (RFC 6152 section 3).
            is_8bit: body.is_8bit || body.needs_smtputf8 && offered.eight_bit_mime,
            smtputf8,
        })
    }

    fn mail(&self, transaction: &Transaction<'_>) -> Result<Commands, Kind> {
        let parameters = self.parameters(transaction)?;
        let reverse_path = transaction.envelope.reverse_path.as_ref();
        Ok(Commands::mail(reverse_path, parameters))
    }

    /// Sends MAIL, and behind it what may go with it; hears the reply to MAIL.
    async fn offer(
        &mut self,
        mail: Commands,
        step: &Step<'_>,
        policy: RecipientPolicy,
        recipients: &[RecipientResult],
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        let mut group = mail;
        if self.extensions.pipelining {
            for recipient in recipients {
                group.add_rcpt(&recipient.address);
            }
            // Whether all are accepted has to be known before DATA.
            if policy == RecipientPolicy::Any {
                group.add_data();
                standing.data_due = true;
            }
        }
        self.mails += 1;
        self.say(&group, step, standing).await?;
        let reply = self.hear(step, standing).await?;
        if !reply.code.is_positive() {
            return Err(refused(step, reply));
        }
        standing.is_open = true;
        Ok(())
    }

    /// Hears what the relay says to each recipient, and whether the mail can go.
    async fn choose_recipients(
        &mut self,
        progress: &Progress,
        policy: RecipientPolicy,
        recipients: &mut [RecipientResult],
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        self.hear_recipients(progress, recipients, standing).await?;
        refusal_of_recipients(recipients, policy).map_or(Ok(()), Err)
    }

    async fn hear_recipients(
        &mut self,
        progress: &Progress,
        recipients: &mut [RecipientResult],
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        let step = Step::enter(progress, Stage::RcptTo, self.limits.rcpt);
        for recipient in recipients.iter_mut() {
            if !self.extensions.pipelining {
                self.say(&Commands::rcpt(&recipient.address), &step, standing)
                    .await?;
            }
            let reply = self.hear(&step, standing).await?;
            let Some(state) = state(&reply) else {
                return Err(step.halt(Kind::Unexpected(reply)));
            };
            recipient.state = state;
            recipient.reply = Some(reply.clone());
            if reply.code == ReplyCode::CLOSING {
                return Err(refused(&step, reply));
            }
        }
        if self.extensions.pipelining && !standing.data_due {
            self.end_group(&step).await?;
        }
        Ok(())
    }

    /// Ends a transaction in which everything had its reply.
    async fn take_back(&mut self, progress: &Progress) -> Result<(), Halt> {
        let step = Step::enter(progress, Stage::RcptTo, self.limits.rcpt);
        self.reset(&step).await
    }

    /// Sends DATA and the message, and hears whether the relay takes it.
    async fn hand_over(
        &mut self,
        body: &Body,
        progress: &Progress,
        standing: &mut Standing,
    ) -> Result<Reply, Halt> {
        let step = Step::enter(progress, Stage::Data, self.limits.data);
        if !standing.data_due {
            self.say(&Commands::data(), &step, standing).await?;
        }
        let reply = self.hear(&step, standing).await?;
        // After any other reply, even a 3yz one, the lines of the message might
        // be read as commands.
        if !asks_for_message(&reply) {
            let halt = refused(&step, reply);
            if standing.data_due && matches!(halt.kind, Kind::Refused { .. }) {
                self.end_group(&step).await?;
            }
            return Err(halt);
        }
        standing.in_data = true;
        self.has_begun_message = true;

        let mut stuffed = Stuffed::new(body);
        let mut chunk = Vec::with_capacity(CHUNK + SPARE);
        loop {
            let is_last = stuffed.fill(&mut chunk, CHUNK);
            // Nothing is due now: a relay that speaks has had enough.
            if self.connection.is_interrupted() {
                return Err(self.interruption(&step).await);
            }
            let mut step = step;
            if is_last {
                if !progress.commit() {
                    return Err(step.halt(Kind::Abandoned));
                }
                step = Step::enter(progress, Stage::EndOfData, self.limits.data);
            }
            if !self.connection.send_data(&chunk, &step).await? {
                return Err(self.interruption(&step).await);
            }
            if is_last {
                break;
            }
        }

        let step = Step::enter(progress, Stage::EndOfData, self.limits.end_of_data);
        let reply = self.connection.reply(&step).await?;
        standing.in_data = false;
        standing.is_open = false;
        if reply.code.is_positive() {
            Ok(reply)
        } else {
            Err(refused(&step, reply))
        }
    }

    /// The last reply to a group of commands was heard. One too many among them
    /// shows only now, when it is not known which it was, nor which recipient
    /// was refused.
    async fn end_group(&mut self, step: &Step<'_>) -> Result<(), Halt> {
        if self.connection.is_out_of_step() {
            return Err(self.connection.unasked(step).await);
        }
        Ok(())
    }

    /// Why the relay said something when nothing was due.
    pub(super) async fn interruption(&mut self, step: &Step<'_>) -> Halt {
        match self.connection.reply(step).await {
            // It cannot have taken what was not sent.
            Ok(reply) if reply.code.is_positive() => step.halt(Kind::Unexpected(reply)),
            Ok(reply) => refused(step, reply),
            Err(halt) => halt,
        }
    }

    /// Hears the replies that are due, and ends what is open. Whether the
    /// session is in order then.
    async fn tidy_up(&mut self, standing: Standing) -> Result<bool, Halt> {
        if standing.in_data {
            return Ok(false);
        }
        let nobody = Progress::default();
        let limit = self.limits.mail.min(TIDY_UP_LIMIT);
        let step = Step::enter(&nobody, Stage::Quit, limit);
        let tidy = async {
            let mut replies = Vec::new();
            for _ in 0..standing.due {
                replies.push(self.connection.reply(&step).await?);
            }
            let closing = |reply: &&Reply| reply.code == ReplyCode::CLOSING;
            if let Some(reply) = replies.iter().find(closing) {
                return Err(refused(&step, reply.clone()));
            }
            let to_data = replies.last().filter(|_| standing.data_due);
            match to_data {
                Some(reply) if asks_for_message(reply) => {
                    // What has a recipient must not be ended (RFC 2920 section
                    // 3.1), even if the relay had refused the sender.
                    if replies.iter().any(|reply| reply.code.is_positive()) {
                        return Ok(false);
                    }
                    match self.connection.ask(&Commands::lone_dot(), &step).await? {
                        reply if reply.code == ReplyCode::CLOSING => Err(refused(&step, reply)),
                        reply if state(&reply).is_some() => Ok(true),
                        reply => Err(step.halt(Kind::Unexpected(reply))),
                    }
                }
                // Whether it waits for the message now cannot be known.
                Some(reply) if reply.code.is_positive() || reply.code.is_intermediate() => {
                    Ok(false)
                }
                _ if standing.is_open => self.reset(&step).await.map(|()| true),
                _ => Ok(true),
            }
        };
        step.wait(tidy).await.flatten()
    }

    async fn reset(&mut self, step: &Step<'_>) -> Result<(), Halt> {
        let reply = self.connection.ask(&Commands::rset(), step).await?;
        match reply.code {
            code if code.is_positive() => Ok(()),
            ReplyCode::CLOSING => Err(refused(step, reply)),
            // RFC 5321 section 4.1.1.5: there is nothing to refuse.
            _ => Err(step.halt(Kind::Unexpected(reply))),
        }
    }

    async fn say(
        &mut self,
        commands: &Commands,
        step: &Step<'_>,
        standing: &mut Standing,
    ) -> Result<(), Halt> {
        standing.due += commands.count();
        self.connection.send(commands, step).await
    }

    async fn hear(&mut self, step: &Step<'_>, standing: &mut Standing) -> Result<Reply, Halt> {
        let reply = self.connection.reply(step).await?;
        standing.due -= 1;
        Ok(reply)
    }
}

/// Whether the relay waits for the message from here on. Only 354 says so
/// (RFC 5321 section 4.3.2). Behind another 3yz a relay may still read
/// commands, and take lines of the message for some.
fn asks_for_message(reply: &Reply) -> bool {
    reply.code.value() == 354
}

/// What a reply to RCPT, DATA or the end of data makes of a recipient.
fn state(reply: &Reply) -> Option<RecipientState> {
    match reply.code {
        code if code.is_positive() => Some(RecipientState::Accepted),
        code if code.is_transient() => Some(RecipientState::Deferred),
        code if code.is_permanent() => Some(RecipientState::Rejected),
        _ => None,
    }
}

/// Why the mail cannot go, by what became of its recipients.
pub(super) fn refusal_of_recipients(
    recipients: &[RecipientResult],
    policy: RecipientPolicy,
) -> Option<Halt> {
    let in_state = |state| {
        recipients
            .iter()
            .find(move |recipient| recipient.state == state)
    };
    let rejected = in_state(RecipientState::Rejected);
    let deferred = in_state(RecipientState::Deferred);
    let decisive = match policy {
        RecipientPolicy::Any if in_state(RecipientState::Accepted).is_some() => None,
        // Trying again may reach those that are put off.
        RecipientPolicy::Any => deferred.or(rejected),
        // Trying again is of no use while one is refused for good.
        RecipientPolicy::All => rejected.or(deferred),
    };
    let reply = decisive?.reply.clone()?;
    let kind = Kind::Refused {
        reason: refusal(Stage::RcptTo, &reply),
        reply,
        mechanism: None,
    };
    Some(Halt::new(Stage::RcptTo, kind))
}

/// What a transaction that failed makes of the recipients that were accepted,
/// and of all where it is not known which reply was whose.
pub(super) fn settle(recipients: &mut [RecipientResult], halt: &Halt) {
    let is_unknown = halt.reason() == Reason::OutcomeUnknown;
    let is_out_of_step = !is_unknown && matches!(halt.kind, Kind::Unexpected(_));
    let (fate, reply) = match &halt.kind {
        _ if is_unknown => (RecipientState::Unknown, None),
        Kind::Refused { reply, .. } if matches!(halt.stage, Stage::Data | Stage::EndOfData) => {
            (state(reply).unwrap_or(RecipientState::NotSent), Some(reply))
        }
        _ => (RecipientState::NotSent, None),
    };
    for recipient in recipients {
        if is_out_of_step || recipient.state == RecipientState::Accepted {
            recipient.state = fate;
            recipient.reply = reply.cloned();
        }
    }
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
