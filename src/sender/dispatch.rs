//! Carries out one transaction in a task of its own, and answers in time.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use super::{Answer, Deadline, Sent, Ticket};
use crate::{
    mail::{Address, Envelope, RecipientPolicy},
    mime::Composed,
    relay::{self, Directory},
    report::{
        Confidence, Reason, RecipientResult, RecipientState, RelayEndpoint, RelayFailure, Session,
        Stage,
    },
    smtp::{self, Progress},
};

/// How long a transaction that was given up may take to say what it knows: less
/// than the margin before the caller's own clock runs out.
const LAST_WORD: Duration = Duration::from_millis(25);

/// Everything that a transaction needs.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) directory: Arc<Directory>,
    pub(super) target: smtp::Target,
    pub(super) envelope: Envelope,
    pub(super) policy: RecipientPolicy,
    pub(super) composed: Composed,
    pub(super) tasks: TaskTracker,
    /// Held until the transaction has ended.
    pub(super) permit: OwnedSemaphorePermit,
}

impl Dispatch {
    pub(super) async fn carry_out(self, ticket: Option<Ticket>, deadline: Deadline) -> Answer {
        let progress = Progress::default();
        // A caller that goes away gives the transaction up, as one whose
        // deadline runs out does.
        let waiting = Waiting {
            progress: progress.clone(),
            target: self.target.clone(),
            recipients: self.envelope.forward_paths.clone(),
        };

        let (tell, mut told) = oneshot::channel();
        let tasks = self.tasks.clone();
        tasks.spawn(async move {
            let answer = Arc::new(self.run(&progress).await);
            match ticket {
                Some(ticket) if !progress.is_abandoned() => ticket.answer(&answer),
                // Nothing was sent: who else waits for the ID may send instead.
                abandoned => drop(abandoned),
            }
            // Nobody listens any more when the caller has gone.
            drop(tell.send(answer));
        });

        match tokio::time::timeout_at(deadline.answer_by, &mut told).await {
            Ok(Ok(answer)) => Arc::unwrap_or_clone(answer),
            // The runtime is shutting down.
            Ok(Err(_)) => Err(waiting.internal()),
            Err(_) => {
                let given_up = waiting.give_up();
                // The relay may have refused the mail long ago, with the session
                // still to be left in order: that stops at once.
                match tokio::time::timeout(LAST_WORD, told).await {
                    Ok(Ok(answer)) if decides(&answer) => Arc::unwrap_or_clone(answer),
                    _ => Err(given_up),
                }
            }
        }
    }

    async fn run(self, progress: &Progress) -> Answer {
        let recipients = self.envelope.forward_paths.clone();
        let target = self.target.clone();
        let directory = Arc::clone(&self.directory);
        let transaction = AssertUnwindSafe(self.transact(progress)).catch_unwind();
        let answer = transaction.await.unwrap_or_else(|_| {
            let waiting = Waiting {
                progress: progress.clone(),
                target: target.clone(),
                recipients,
            };
            error!(stage = progress.stage().name(), "a transaction panicked");
            Err(waiting.internal())
        });
        match &answer {
            Ok(sent) => log_sent(sent),
            Err(failure) => log_failure(failure),
        }
        let outcome = answer.as_ref().map(|sent| &sent.session);
        directory.note(target.relay.as_deref(), outcome.map_err(AsRef::as_ref));
        answer
    }

    async fn transact(self, progress: &Progress) -> Answer {
        let explain = |error: Box<smtp::Error>| {
            let mut failure = Box::new(error.into_failure());
            failure.remedies = relay::remedies(&failure, &self.target);
            failure
        };
        let mut session = smtp::Session::open(&self.target, progress)
            .await
            .map_err(explain)?;
        let transaction = smtp::Transaction {
            envelope: &self.envelope,
            body: &self.composed.body,
            policy: self.policy,
        };
        let result = session.send(transaction, progress).await;
        let facts = session.facts();
        // The answer does not wait for the relay's farewell.
        self.tasks.spawn(session.quit());
        drop(self.permit);
        let delivered = result.map_err(explain)?;
        let mut session: Session = facts;
        session.timings.transaction = Some(delivered.elapsed);
        Ok(Sent {
            message_id: self.composed.message_id,
            reply: delivered.reply,
            recipients: delivered.recipients,
            session,
            size_bytes: self.composed.body.bytes.len() as u64,
            replayed: false,
        })
    }
}

/// Whether the relay has decided, rather than the caller's deadline.
fn decides(answer: &Answer) -> bool {
    answer
        .as_ref()
        .is_err_and(|failure| failure.reason != Reason::DeadlineExceeded)
}

/// The side that waits for the answer.
struct Waiting {
    progress: Progress,
    target: smtp::Target,
    recipients: Vec<Address>,
}

impl Waiting {
    /// The deadline ran out.
    fn give_up(&self) -> Box<RelayFailure> {
        let stage = self.progress.stage();
        if self.progress.abandon() {
            let summary = format!("The deadline ran out while {}.", stage.activity());
            self.failure(Reason::DeadlineExceeded, stage, summary)
        } else {
            self.unknown("The deadline ran out before the relay answered the end of data.")
        }
    }

    /// The transaction ended without an answer.
    fn internal(&self) -> Box<RelayFailure> {
        if self.progress.abandon() {
            let summary = "A fault in posthaste ended the transaction.".into();
            self.failure(Reason::LocalInternal, self.progress.stage(), summary)
        } else {
            self.unknown("A fault in posthaste ended the transaction after the end of data.")
        }
    }

    fn unknown(&self, summary: &str) -> Box<RelayFailure> {
        self.failure(Reason::OutcomeUnknown, Stage::EndOfData, summary.into())
    }

    fn failure(&self, reason: Reason, stage: Stage, summary: String) -> Box<RelayFailure> {
        let fate = match reason {
            Reason::OutcomeUnknown => RecipientState::Unknown,
            _ => RecipientState::NotSent,
        };
        let recipients = self.recipients.iter().map(|address| RecipientResult {
            address: address.clone(),
            state: fate,
            reply: None,
        });
        let mut failure = Box::new(RelayFailure {
            reason,
            stage,
            origin: self.target.origin,
            retry_after: None,
            confidence: Confidence::Observed,
            alternatives: Vec::new(),
            summary,
            remedies: Vec::new(),
            endpoint: RelayEndpoint {
                relay: self.target.relay.clone(),
                host: self.target.host.to_string(),
                port: self.target.port,
                ip: None,
            },
            reply: None,
            connect_attempts: Vec::new(),
            tls: None,
            recipients: recipients.collect(),
            library_message: None,
            missing_extension: None,
        });
        failure.remedies = relay::remedies(&failure, &self.target);
        failure
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // After an answer there is nothing left to give up.
        let _too_late = !self.progress.abandon();
    }
}

fn log_sent(sent: &Sent) {
    info!(
        relay = sent.session.endpoint.relay,
        host = sent.session.endpoint.host,
        port = sent.session.endpoint.port,
        message_id = sent.message_id,
        recipients = sent.recipients.len(),
        size_bytes = sent.size_bytes,
        code = sent.reply.code.value(),
        "the relay took a mail"
    );
}

fn log_failure(failure: &RelayFailure) {
    info!(
        relay = failure.endpoint.relay,
        host = failure.endpoint.host,
        port = failure.endpoint.port,
        reason = failure.reason.name(),
        stage = failure.stage.name(),
        code = failure.reply.as_ref().map(|reply| reply.code.value()),
        "the relay did not take a mail"
    );
}
