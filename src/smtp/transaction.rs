//! A transaction: MAIL, RCPT, DATA, the message (RFC 5321 section 3.3), in as
//! few round trips as the relay allows (RFC 2920). Knows one transaction;
//! `delivery` knows when a mail takes several.

mod aftermath;
mod chunk;
mod content;
mod discovery;
mod envelope;
mod fate;
mod hearing;
mod way;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Body, Progress, Session, Target,
    command::{Commands, MailParameters},
    error::{Error, Halt, Kind},
    step::Step,
};
use crate::{
    mail::{Envelope, RecipientPolicy},
    report::{RecipientResult, Reply, Stage},
};
pub(super) use discovery::Curiosity;
pub(super) use fate::{refusal_of_recipients, settle};
pub(super) use hearing::Hearing;
pub use way::Transactions;
use way::{MOST_EAGER, Way};

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

/// What every relay takes (RFC 5321 section 4.5.3.1.8).
const RECIPIENTS_FOR_ALL: usize = 100;

impl Transaction<'_> {
    /// Whether it may be one of several at once, if the relay lets it. More
    /// recipients may take more than one.
    pub fn may_go_at_once(&self, target: &Target) -> bool {
        let limit = target.max_recipients.map_or(usize::MAX, usize::from);
        matches!(
            target.transactions,
            Transactions::Eager | Transactions::EagerIfSafe
        ) && self.policy == RecipientPolicy::Any
            && self.body.len() <= MOST_EAGER
            && self.envelope.forward_paths.len() <= limit.min(RECIPIENTS_FOR_ALL)
    }
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    way: Way,
    /// Replies that are still due. With [`Way::DataAtOnce`], the last is to DATA.
    due: usize,
    /// MAIL was accepted, and nothing is known to have ended the transaction.
    is_open: bool,
    /// Nothing more may be said: the relay waits for the message, or has said
    /// what does not fit.
    is_over: bool,
}

impl Standing {
    fn new(way: Way) -> Self {
        Self {
            way,
            due: 0,
            is_open: false,
            is_over: false,
        }
    }
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
        let Transaction { body, policy, .. } = transaction;

        self.is_usable = false;
        self.curiosity = None;
        self.parting = None;
        let mut standing = Standing::new(self.way(policy, body.len()));
        let outcome = async {
            if standing.way == Way::Eager {
                return self
                    .send_at_once(mail, body, progress, recipients, &mut standing)
                    .await;
            }
            let to_mail = self.offer(mail, &step, recipients, &mut standing).await?;
            self.choose_recipients(progress, policy, recipients, &mut standing)
                .await?;
            if standing.way == Way::Chunk {
                return self
                    .send_chunk(to_mail, body, progress, recipients, &mut standing)
                    .await;
            }
            self.hand_over(body, progress, &mut standing).await
        }
        .await;
        match &outcome {
            Ok(_) => {
                self.is_usable = !standing.is_over;
                self.curiosity = self.curiosity(transaction.envelope.reverse_path.as_ref());
            }
            Err(halt) => self.unsettled = halt.is_orderly().then_some(standing),
        }
        outcome
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
        // As with all or nobody: the message must not be on its way.
        let way = self.way(RecipientPolicy::All, transaction.body.len());
        let mut standing = Standing::new(way);
        let outcome = async {
            self.offer(mail, &step, recipients, &mut standing).await?;
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

    pub(super) fn mail(&self, transaction: &Transaction<'_>) -> Result<Commands, Kind> {
        let parameters = self.parameters(transaction)?;
        let reverse_path = transaction.envelope.reverse_path.as_ref();
        Ok(Commands::mail(reverse_path, parameters))
    }

    /// Whether it may be one of several at once on this session.
    pub fn takes_at_once(&self, transaction: &Transaction<'_>) -> bool {
        let limit = self
            .extensions
            .max_recipients
            .map_or(usize::MAX, usize::from);
        transaction.may_go_at_once(self.target())
            && transaction.envelope.forward_paths.len() <= limit
            && self.way(transaction.policy, transaction.body.len()) == Way::Eager
    }

    fn way(&self, policy: RecipientPolicy, size: u64) -> Way {
        let target = self.target();
        let wish = target.transactions;
        let discards =
            wish == Transactions::EagerIfSafe && target.discards.is_shown(&self.extensions.lines);
        Way::choose(wish, &self.extensions, discards, policy, size)
    }
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
