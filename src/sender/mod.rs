//! The use case: one mail to one relay, once. The only place that joins
//! `mime`, `relay` and `smtp`.

mod admission;
mod bulk;
mod check;
mod dispatch;
mod once;
#[cfg(test)]
mod unresolved;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    mail::{Content, Mail, RecipientPolicy},
    mime::{self, Composed},
    relay::{self, Directory, Refusal, RelayStatus},
    report::{self, RecipientResult, RelayFailure, Reply},
    smtp, tls,
};
use admission::{Admission, Place, Places};
pub use bulk::{Bulk, Closed, Pace};
pub use check::{CheckError, Inspection};
use dispatch::Dispatch;
use once::{Claim, Once, Settled, Ticket};
pub use once::{Keep, RequestId};

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to send, and to whom.
    pub mail: Mail,
    /// Which relay carries it.
    pub relay: relay::Choice,
    /// TLS settings for this mail alone.
    pub tls: tls::Settings,
    /// What to do when some recipients are refused.
    pub policy: RecipientPolicy,
    /// The caller's labels.
    pub tags: Vec<(String, String)>,
    /// Tells the request from others: the same ID with another one is refused.
    /// Nothing looks at it where there is no ID.
    pub fingerprint: [u8; 32],
}

impl Order {
    /// The domain that the routes look at: the reverse-path's, else the author's.
    fn sender_domain(&self) -> &str {
        match (&self.mail.envelope.reverse_path, &self.mail.content) {
            (Some(path), _) => path.domain(),
            (None, Content::Message(message)) => message.from.address.domain(),
            (None, Content::Raw(_)) => "",
        }
    }
}

/// When the answer must be there.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The answer is due then; the margin is already taken off.
    pub answer_by: Instant,
}

/// A mail that the relay took for at least one recipient.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Without angle brackets.
    pub message_id: String,
    /// The reply to the end of data.
    pub reply: Reply,
    /// Every recipient, in envelope order.
    pub recipients: Vec<RecipientResult>,
    /// Why it went to some only, where that was not for its recipients.
    pub partial_failure: Option<Box<RelayFailure>>,
    /// Facts about the session.
    pub session: report::Session,
    /// Before dot-stuffing.
    pub size_bytes: u64,
    /// Whether this repeats the answer to an earlier call.
    pub replayed: bool,
}

/// What became of a mail that was handed to a relay.
type Answer = Result<Sent, Box<RelayFailure>>;

/// A mail that passed every check.
#[derive(Clone, Debug)]
pub struct Validated {
    /// Without angle brackets.
    pub message_id: String,
    /// Before dot-stuffing.
    pub size_bytes: u64,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The relay did not take it.
    #[error("the relay did not take the mail")]
    Relay(Box<RelayFailure>),
    /// There is no relay that it may go to.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The ID was used for another request.
    #[error("the request ID was used for another mail")]
    RequestIdReused,
    /// The first call with this ID is still under way.
    #[error("a call with this request ID is still under way")]
    RequestInProgress {
        /// When to ask again.
        retry_after: Duration,
    },
    /// More transactions are under way than the operator allows.
    #[error("too many mails are under way")]
    Overloaded {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The service stops. Nothing was sent.
    #[error("the service is stopping")]
    ShuttingDown {
        /// When to ask again: another replica may serve by then.
        retry_after: Duration,
    },
    /// A fault in posthaste itself, before anything was sent.
    #[error("a fault in posthaste")]
    Internal,
}

/// Sends mails. Clones share everything.
#[derive(Clone, Debug)]
pub struct Sender {
    directory: Arc<Directory>,
    once: Once,
    places: Places,
    tasks: TaskTracker,
    /// No stream takes any more mails.
    draining: CancellationToken,
    /// Nobody is waited for any more.
    stopping: CancellationToken,
}

/// How long to wait before asking again, for a request that is under way or one
/// that found no room.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Messages above this are composed off the threads that serve connections.
const COMPOSE_INLINE_BYTES: usize = 64 * 1024;

impl Sender {
    /// A sender with at most `max_under_way` transactions at a time.
    pub fn new(directory: Directory, keep: Keep, max_under_way: usize) -> Self {
        Self {
            directory: Arc::new(directory),
            once: Once::new(keep),
            places: Places::new(max_under_way),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// Sends, and answers by the deadline. A transaction that may no longer
    /// be stopped then goes on, and its answer is kept under `id`. Dropping
    /// the future gives the transaction up in the same way.
    pub async fn send(
        &self,
        order: Order,
        id: Option<RequestId>,
        deadline: Deadline,
    ) -> Result<Sent, SendError> {
        let admission = Admission::AtOnce(deadline);
        self.send_once(order, id, admission).await
    }

    /// A stream of mails of one caller, to be sent at this pace.
    pub fn bulk(&self, pace: Pace) -> Bulk {
        Bulk::new(self.clone(), pace)
    }

    async fn send_once(
        &self,
        order: Order,
        id: Option<RequestId>,
        admission: Admission<'_>,
    ) -> Result<Sent, SendError> {
        let Some(id) = id else {
            return self.dispatch(order, None, admission).await;
        };
        let patience = admission.patience();
        loop {
            match self.once.claim(&id, order.fingerprint)? {
                Claim::Mine(ticket) => return self.dispatch(order, Some(ticket), admission).await,
                Claim::Kept(answer) => return replay(&answer),
                Claim::InFlight(mut settled) => {
                    let settled = settled.wait_for(Option::is_some);
                    let settled = tokio::time::timeout_at(patience, settled);
                    let settled = tokio::select! {
                        biased;
                        settled = settled => settled,
                        () = self.stopping.cancelled() => {
                            return Err(SendError::RequestInProgress {
                                retry_after: ASK_AGAIN,
                            });
                        }
                    };
                    match settled {
                        Err(_) => {
                            return Err(SendError::RequestInProgress {
                                retry_after: ASK_AGAIN,
                            });
                        }
                        Ok(Ok(settled)) => {
                            if let Some(Settled::Answered(answer)) = &*settled {
                                return replay(answer);
                            }
                        }
                        // The ticket is gone: the next claim tells how it ended.
                        Ok(Err(_)) => {}
                    }
                }
            }
        }
    }

    /// Checks routing and policy and composes, without opening a connection.
    pub async fn validate(&self, order: Order) -> Result<Validated, SendError> {
        self.target(&order)?;
        let composed = compose(order.mail.content).await?;
        Ok(Validated {
            size_bytes: composed.body.len(),
            message_id: composed.message_id,
        })
    }

    /// The configured relays, by name.
    pub fn relays(&self) -> Vec<RelayStatus> {
        self.directory.statuses()
    }

    /// Takes no more mails of streams: those that wait for their turn are told
    /// that the service stops.
    pub fn close_streams(&self) {
        self.draining.cancel();
    }

    /// Answers every call at once, since nobody can wait any longer: what was
    /// not yet sent is given up, and of the rest the outcome is unknown.
    pub fn cut_short(&self) {
        self.stopping.cancel();
    }

    /// Waits until every transaction under way has ended. New ones may still
    /// begin: stop taking calls first.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Takes leave of the relays, within two seconds or so. Connections in use are
    /// closed when their transactions end.
    pub async fn disconnect(&self) {
        self.directory.disconnect().await;
    }

    async fn dispatch(
        &self,
        order: Order,
        ticket: Option<Ticket>,
        admission: Admission<'_>,
    ) -> Result<Sent, SendError> {
        let target = self.target(&order)?;
        let envelope = &order.mail.envelope;
        let admitted = self.places.admit(admission, &target, envelope).await;
        let (place, deadline) = admitted?;
        let composed = compose(order.mail.content).await?;
        let dispatch = Dispatch {
            directory: Arc::clone(&self.directory),
            target: Arc::new(target),
            envelope: Arc::new(order.mail.envelope),
            policy: order.policy,
            tags: order.tags,
            composed,
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
            answer_by: deadline.answer_by,
            _place: place,
        };
        dispatch.carry_out(ticket).await
    }

    fn target(&self, order: &Order) -> Result<smtp::Target, Refusal> {
        self.directory
            .find(&order.relay, order.sender_domain(), &order.tls)
    }
}

fn replay(answer: &Arc<Answer>) -> Result<Sent, SendError> {
    match answer.as_ref() {
        Ok(sent) => Ok(Sent {
            replayed: true,
            ..sent.clone()
        }),
        Err(failure) => Err(SendError::Relay(failure.clone())),
    }
}

async fn compose(content: Content) -> Result<Composed, SendError> {
    if content.payload_bytes() <= COMPOSE_INLINE_BYTES {
        return Ok(mime::compose(content));
    }
    let composing = tokio::task::spawn_blocking(|| mime::compose(content));
    composing.await.map_err(|_| SendError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        Confidence, Reason, RecipientState, RelayEndpoint, RelayOrigin, ReplyCode, Stage, Timings,
    };

    fn endpoint() -> RelayEndpoint {
        RelayEndpoint {
            relay: Some("primary".into()),
            host: "mail.example.com".into(),
            port: 587,
            ip: None,
        }
    }

    pub(super) fn sent(recipients: usize) -> Sent {
        let reply = Reply {
            code: ReplyCode::new(250).unwrap(),
            enhanced: None,
            lines: vec!["queued".into()],
        };
        Sent {
            message_id: "id@example.com".into(),
            reply: reply.clone(),
            recipients: (0..recipients)
                .map(|n| RecipientResult {
                    address: format!("r{n}@example.com").parse().unwrap(),
                    state: RecipientState::Accepted,
                    reply: Some(reply.clone()),
                })
                .collect(),
            partial_failure: None,
            session: report::Session {
                endpoint: endpoint(),
                tls: None,
                reused: false,
                extensions: Vec::new(),
                timings: Timings::default(),
            },
            size_bytes: 1,
            replayed: false,
        }
    }

    pub(super) fn failure(reason: Reason) -> RelayFailure {
        RelayFailure {
            reason,
            stage: Stage::RcptTo,
            origin: RelayOrigin::Configured,
            retry_after: None,
            confidence: Confidence::Observed,
            alternatives: Vec::new(),
            summary: "staged".into(),
            remedies: Vec::new(),
            endpoint: endpoint(),
            reply: None,
            connect_attempts: Vec::new(),
            tls: None,
            recipients: Vec::new(),
            library_message: None,
            missing_extension: None,
            first_bytes: bytes::Bytes::new(),
        }
    }
}
