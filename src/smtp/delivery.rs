//! A mail to all of its recipients, in as many transactions as the relay needs
//! for them (RFC 5321 section 4.5.3.1.10), one after the other on one session.
//! What a transaction is, `transaction` knows.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    Delivered, Error, Progress, Session, Transaction,
    error::{Halt, Kind},
    step::Step,
    surplus::Surplus,
    transaction::{refusal_of_recipients, settle},
};
use crate::{
    mail::{Address, Envelope, RecipientPolicy},
    report::{RecipientResult, RecipientState, Reply, ReplyCode, Stage},
};

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Hands a mail over, in several transactions where `max_recipients` of
    /// the target has it so, or the relay (RFC 9422, or as it refuses). After
    /// an error that leaves the session in order (a refusal), a further mail
    /// may follow once [`Session::settle`] has tidied up.
    ///
    /// Once the relay has taken the mail for somebody, the answer is `Ok`, and
    /// tells what became of each recipient.
    pub async fn send(
        &mut self,
        transaction: Transaction<'_>,
        progress: &Progress,
    ) -> Result<Delivered, Box<Error>> {
        self.has_begun_message = false;
        let started = Instant::now();
        let limits = [self.max_recipients, self.extensions.max_recipients];
        let limit = limits.into_iter().flatten().min();
        let mut delivery = Delivery {
            limit: limit.map_or(usize::MAX, Into::into),
            recipients: untried(&transaction.envelope.forward_paths),
            session: self,
            transaction,
            progress,
        };
        let outcome = delivery.run().await;
        let recipients = delivery.recipients;
        let elapsed = started.elapsed();
        self.time_transactions(elapsed);
        match outcome {
            Ok(Taken {
                reply,
                partial_failure,
            }) => Ok(Delivered {
                reply,
                recipients,
                partial_failure: partial_failure.map(|halt| self.error(halt, Vec::new())),
            }),
            Err(halt) => Err(self.error(halt, recipients)),
        }
    }
}

/// How long to listen to a relay that has begun to say something unasked.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The recipients of one transaction, by their places in the envelope.
type Part = Vec<usize>;

struct Delivery<'a, IO> {
    session: &'a mut Session<IO>,
    /// The mail as a whole.
    transaction: Transaction<'a>,
    progress: &'a Progress,
    /// Every recipient, in envelope order.
    recipients: Vec<RecipientResult>,
    /// How many to name in one transaction, as far as is known.
    limit: usize,
}

/// The relay has the mail, for some recipients at least.
struct Taken {
    reply: Reply,
    /// What kept others from being asked for.
    partial_failure: Option<Halt>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Delivery<'_, IO> {
    async fn run(&mut self) -> Result<Taken, Halt> {
        // What the relay lacks for one recipient keeps the mail from all, in
        // however many parts it would go.
        let step = Step::enter(self.progress, Stage::MailFrom, self.session.limits.mail);
        self.session
            .parameters(&self.transaction)
            .map_err(|kind| step.halt(kind))?;

        let policy = self.transaction.policy;
        let mut outcome = self.deliver().await;
        match &mut outcome {
            Ok(taken) => {
                if let Some(halt) = &taken.partial_failure {
                    explain(&mut self.recipients, halt);
                }
            }
            Err(halt) if is_of_recipients(halt) => {
                if let Some(telling) = refusal_of_recipients(&self.recipients, policy) {
                    *halt = telling;
                }
            }
            Err(_) => {}
        }
        outcome
    }

    /// Hands the mail over, part by part.
    ///
    /// Each transaction decides on its first recipient at least, so that there
    /// are never more of them than recipients.
    async fn deliver(&mut self) -> Result<Taken, Halt> {
        let mut parts = self.split(&(0..self.recipients.len()).collect::<Vec<_>>());
        // One transaction that is for all or nobody needs no rehearsal.
        let mut is_rehearsed = self.transaction.policy == RecipientPolicy::Any;
        if !is_rehearsed && parts.len() > 1 {
            parts = self.rehearse(parts).await?;
            is_rehearsed = true;
        }
        let mut part = parts.pop_front().unwrap_or_default();
        let mut taken: Option<Taken> = None;
        loop {
            let policy = match &taken {
                None => self.transaction.policy,
                // The mail is out: whoever can still get it shall.
                Some(_) => RecipientPolicy::Any,
            };
            let (mut results, outcome) = self.transact(&part, policy).await;
            let surplus = Surplus::among(&results);
            if let Err(halt) = &outcome {
                if !is_rehearsed && surplus.is_all_that_lacks(&results) && self.is_in_order().await
                {
                    self.learn(&surplus);
                    parts = self.rehearse(self.split(&part)).await?;
                    is_rehearsed = true;
                    part = parts.pop_front().unwrap_or_default();
                    continue;
                }
                settle(&mut results, halt);
            }
            self.keep(&part, results);
            self.put_off(&surplus, &part, &mut parts);

            let may_go_on = match &outcome {
                Ok(_) => true,
                Err(halt) if is_of_recipients(halt) => policy == RecipientPolicy::Any,
                // A refusal of the message is the answer for all while nobody
                // has it; later, it is said of this part. MAIL is refused for
                // the sender or for the session, and would be again.
                Err(halt) => taken.is_some() && halt.stage != Stage::MailFrom,
            };
            let so_far = and_then(taken, outcome);
            let Some(next) = parts.pop_front().filter(|_| may_go_on) else {
                return so_far;
            };
            let cause = self.session.put_in_order().await;
            if !self.session.is_reusable() {
                return self.interrupted(so_far, cause).await;
            }
            part = next;
            taken = so_far.ok();
        }
    }

    /// The relay does not wait for the next transaction. `cause` is why, where
    /// that is known; else it is what the relay has said unasked.
    async fn interrupted(
        &mut self,
        so_far: Result<Taken, Halt>,
        cause: Option<Halt>,
    ) -> Result<Taken, Halt> {
        let cause = match cause {
            Some(halt) => halt,
            None if self.session.connection.is_quiet() => return so_far,
            None => {
                // Whatever it is, no later reply can be relied on.
                self.session.is_usable = false;
                let step = Step::enter(self.progress, Stage::MailFrom, LAST_WORDS);
                self.session.interruption(&step).await
            }
        };
        let cause = Halt::new(Stage::MailFrom, cause.kind);
        match so_far {
            Ok(taken) => Ok(Taken {
                partial_failure: taken.partial_failure.or(Some(cause)),
                ..taken
            }),
            // Those that were not asked for are not refused.
            Err(_) => Err(cause),
        }
    }

    /// Asks the relay about everybody before anything is sent, since a mail
    /// that one part has can no longer go to nobody. Gives the parts in which
    /// the relay takes them all.
    async fn rehearse(&mut self, mut parts: VecDeque<Part>) -> Result<VecDeque<Part>, Halt> {
        let mut agreed = VecDeque::new();
        while let Some(part) = parts.pop_front() {
            let envelope = self.envelope(&part);
            let mut results = untried(&envelope.forward_paths);
            let transaction = Transaction {
                envelope: &envelope,
                ..self.transaction
            };
            let outcome = self
                .session
                .rehearse(transaction, self.progress, &mut results)
                .await;
            let surplus = Surplus::among(&results);
            self.keep(&part, results);
            if let Err(halt) = outcome {
                settle(&mut self.recipients, &halt);
                return Err(halt);
            }
            self.put_off(&surplus, &part, &mut parts);
            agreed.push_back(surplus.without(&part));
        }
        if let Some(halt) = refusal_of_recipients(&self.recipients, RecipientPolicy::All) {
            settle(&mut self.recipients, &halt);
            return Err(halt);
        }
        self.recipients = untried(&self.transaction.envelope.forward_paths);
        Ok(agreed)
    }

    async fn transact(
        &mut self,
        part: &Part,
        policy: RecipientPolicy,
    ) -> (Vec<RecipientResult>, Result<Reply, Halt>) {
        let envelope = self.envelope(part);
        let mut results = untried(&envelope.forward_paths);
        let transaction = Transaction {
            envelope: &envelope,
            policy,
            ..self.transaction
        };
        let outcome = self
            .session
            .transact(transaction, self.progress, &mut results)
            .await;
        (results, outcome)
    }

    /// Whether another transaction may follow, now that one has to.
    async fn is_in_order(&mut self) -> bool {
        self.session.put_in_order().await;
        self.session.is_reusable()
    }

    fn envelope(&self, part: &Part) -> Envelope {
        let whole = self.transaction.envelope;
        Envelope {
            reverse_path: whole.reverse_path.clone(),
            forward_paths: part
                .iter()
                .map(|&place| whole.forward_paths[place].clone())
                .collect(),
        }
    }

    fn split(&self, places: &[usize]) -> VecDeque<Part> {
        places.chunks(self.limit).map(<[_]>::to_vec).collect()
    }

    fn keep(&mut self, part: &Part, results: Vec<RecipientResult>) {
        for (&place, result) in part.iter().zip(results) {
            self.recipients[place] = result;
        }
    }

    /// The next transactions begin with those that were too many for this one.
    fn put_off(&mut self, surplus: &Surplus, part: &Part, parts: &mut VecDeque<Part>) {
        let mut rest = surplus.within(part);
        if rest.is_empty() {
            return;
        }
        for &place in &rest {
            // Whatever the code: RFC 5321 section 4.5.3.1.10.
            self.recipients[place].state = RecipientState::Deferred;
        }
        self.learn(surplus);
        rest.extend(parts.drain(..).flatten());
        *parts = self.split(&rest);
    }

    fn learn(&mut self, surplus: &Surplus) {
        if let Some(room) = surplus.room {
            self.limit = self.limit.min(room.get());
        }
    }
}

pub(super) fn untried(forward_paths: &[Address]) -> Vec<RecipientResult> {
    RecipientResult::all(forward_paths, RecipientState::NotSent)
}

/// What a further transaction makes of a delivery.
fn and_then(before: Option<Taken>, outcome: Result<Reply, Halt>) -> Result<Taken, Halt> {
    match (before, outcome) {
        (before, Ok(reply)) => Ok(Taken {
            reply,
            partial_failure: before.and_then(|taken| taken.partial_failure),
        }),
        (Some(before), Err(halt)) if is_of_recipients(&halt) => Ok(before),
        (Some(before), Err(halt)) => Ok(Taken {
            partial_failure: Some(halt),
            ..before
        }),
        (None, Err(halt)) => Err(halt),
    }
}

/// Whether nothing but its recipients ended a transaction.
fn is_of_recipients(halt: &Halt) -> bool {
    halt.stage == Stage::RcptTo && halt.is_orderly()
}

/// Recipients that could not be asked for since the relay refused something else
/// have that for a reply. (A mail that nobody has needs it only once.)
fn explain(recipients: &mut [RecipientResult], halt: &Halt) {
    let Kind::Refused { reply, .. } = &halt.kind else {
        return;
    };
    if halt.stage != Stage::MailFrom && reply.code != ReplyCode::CLOSING {
        return;
    }
    for recipient in recipients {
        if recipient.state == RecipientState::NotSent && recipient.reply.is_none() {
            recipient.reply = Some(reply.clone());
        }
    }
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
