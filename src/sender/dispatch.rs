//! Carries out one transaction in a task of its own, and answers in time.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info};

use super::{ASK_AGAIN, Answer, Place, SendError, Sent, Ticket};
use crate::{
    mail::{Envelope, RecipientPolicy},
    mime::Composed,
    relay::{self, Directory},
    report::{
        Confidence, Reason, RecipientResult, RecipientState, RelayEndpoint, RelayFailure, Stage,
    },
    smtp::{self, Progress},
};

/// Everything that a transaction needs.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) directory: Arc<Directory>,
    pub(super) target: Arc<smtp::Target>,
    pub(super) envelope: Arc<Envelope>,
    pub(super) policy: RecipientPolicy,
    pub(super) composed: Composed,
    /// The caller's labels, for the log.
    pub(super) tags: Vec<(String, String)>,
    pub(super) tasks: TaskTracker,
    /// Nobody is waited for any more.
    pub(super) stopping: CancellationToken,
    /// When the caller must have its answer.
    pub(super) answer_by: Instant,
    /// Held until the transaction has ended.
    pub(super) _place: Place,
}

/// How long before its answer is due a caller is no longer kept waiting for
/// what would explain a failure.
const EXPLAINING_MARGIN: Duration = Duration::from_millis(500);

impl Dispatch {
    pub(super) async fn carry_out(self, ticket: Option<Ticket>) -> Result<Sent, SendError> {
        let answer_by = self.answer_by;
        let progress = Progress::default();
        // A caller that goes away gives the transaction up, as one whose
        // deadline runs out does.
        let waiting = Waiting {
            progress: progress.clone(),
            target: Arc::clone(&self.target),
            envelope: Arc::clone(&self.envelope),
        };

        let (tell, told) = oneshot::channel();
        let tasks = self.tasks.clone();
        let stopping = self.stopping.clone();
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

        let failure = tokio::select! {
            biased;
            answer = tokio::time::timeout_at(answer_by, told) => match answer {
                Ok(Ok(answer)) => return Arc::unwrap_or_clone(answer).map_err(SendError::Relay),
                // The runtime is shutting down.
                Ok(Err(_)) => waiting.internal(),
                Err(_) => waiting.give_up(),
            },
            () = stopping.cancelled() => waiting.cut_short().ok_or(SendError::ShuttingDown {
                retry_after: ASK_AGAIN,
            })?,
        };
        Err(SendError::Relay(failure))
    }

    async fn run(self, progress: &Progress) -> Answer {
        let envelope = Arc::clone(&self.envelope);
        let target = Arc::clone(&self.target);
        let tags = labels(&self.tags);
        let directory = Arc::clone(&self.directory);
        let transaction = AssertUnwindSafe(self.transact(progress)).catch_unwind();
        let answer = transaction.await.unwrap_or_else(|_| {
            let waiting = Waiting {
                progress: progress.clone(),
                target: Arc::clone(&target),
                envelope,
            };
            error!(stage = progress.stage().name(), "a transaction panicked");
            Err(waiting.internal())
        });
        match &answer {
            Ok(sent) => {
                log_sent(sent, &tags);
                if let Some(failure) = &sent.partial_failure {
                    log_failure(
                        failure,
                        &tags,
                        "the relay did not take a mail for all recipients",
                    );
                }
            }
            Err(failure) => log_failure(failure, &tags, "the relay did not take a mail"),
        }
        let outcome = answer.as_ref().map(|sent| &sent.session);
        directory.note(target.relay.as_deref(), outcome.map_err(AsRef::as_ref));
        answer
    }

    async fn transact(self, progress: &Progress) -> Answer {
        let transaction = smtp::Transaction {
            envelope: &self.envelope,
            body: &self.composed.body,
            policy: self.policy,
        };
        let carried = self.directory.carry(&self.target, transaction, progress);
        let (delivered, session) = match carried.await {
            Ok((Ok(delivered), session)) => (delivered, session),
            Ok((Err(error), _)) | Err(error) => {
                let mut failure = self.explain(error).await;
                // A session that does not come about knows of no mail.
                if failure.recipients.is_empty() {
                    failure.recipients =
                        RecipientResult::all(&self.envelope.forward_paths, RecipientState::NotSent);
                }
                return Err(failure);
            }
        };
        let partial_failure = match delivered.partial_failure {
            Some(error) => Some(self.explain(error).await),
            None => None,
        };
        Ok(Sent {
            message_id: self.composed.message_id,
            reply: delivered.reply,
            recipients: delivered.recipients,
            partial_failure,
            session,
            size_bytes: self.composed.body.len(),
            replayed: false,
        })
    }

    /// In time for the caller, who need not know all that could be known.
    async fn explain(&self, error: Box<smtp::Error>) -> Box<RelayFailure> {
        let until = self.answer_by.checked_sub(EXPLAINING_MARGIN);
        let until = until.unwrap_or_else(Instant::now);
        // Most mails need no explanation, and no room for one either.
        Box::pin(self.directory.explain(error, &self.target, until)).await
    }
}

/// The deadline ran out before the mail's turn came.
pub(super) fn late_in_line(target: &smtp::Target, envelope: &Envelope) -> Box<RelayFailure> {
    let progress = Progress::default();
    progress.enter(Stage::PoolWait);
    let waiting = Waiting {
        progress,
        target: Arc::new(target.clone()),
        envelope: Arc::new(envelope.clone()),
    };
    waiting.give_up()
}

/// The side that waits for the answer.
struct Waiting {
    progress: Progress,
    target: Arc<smtp::Target>,
    envelope: Arc<Envelope>,
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

    /// The service stops. `None` when nothing was sent.
    fn cut_short(&self) -> Option<Box<RelayFailure>> {
        (!self.progress.abandon())
            .then(|| self.unknown("posthaste stopped before the relay answered the end of data."))
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
            recipients: RecipientResult::all(&self.envelope.forward_paths, fate),
            library_message: None,
            missing_extension: None,
            first_bytes: bytes::Bytes::new(),
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

/// `key=value,key=value`. Neither has control characters.
fn labels(tags: &[(String, String)]) -> String {
    let pairs: Vec<_> = tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

fn log_sent(sent: &Sent, tags: &str) {
    info!(
        relay = sent.session.endpoint.relay,
        host = sent.session.endpoint.host,
        port = sent.session.endpoint.port,
        message_id = sent.message_id,
        recipients = sent.recipients.len(),
        size_bytes = sent.size_bytes,
        code = sent.reply.code.value(),
        tags,
        "the relay took a mail"
    );
}

fn log_failure(failure: &RelayFailure, tags: &str, what: &str) {
    info!(
        relay = failure.endpoint.relay,
        host = failure.endpoint.host,
        port = failure.endpoint.port,
        reason = failure.reason.name(),
        stage = failure.stage.name(),
        code = failure.reply.as_ref().map(|reply| reply.code.value()),
        tags,
        "{what}"
    );
}
