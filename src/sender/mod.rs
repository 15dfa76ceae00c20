//! The use case: one mail to one relay, once. The only place that joins
//! `mime`, `relay` and `smtp`.

use std::{str::FromStr, time::Duration};

use tokio::time::Instant;

use crate::{
    mail::{Broken, Mail, RecipientPolicy},
    mime::ComposeError,
    relay,
    report::{self, RecipientResult, RelayFailure, Reply},
    tls,
};

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
    /// SHA-256 over the request without its ID: the same ID with another one
    /// is refused.
    pub fingerprint: [u8; 32],
}

/// Names a request: 1 to 128 printable ASCII characters without spaces.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(String);

impl FromStr for RequestId {
    type Err = Broken;
    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        todo!()
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
    /// Facts about the session.
    pub session: report::Session,
    /// Before dot-stuffing.
    pub size_bytes: u64,
    /// Whether this repeats the answer to an earlier call.
    pub replayed: bool,
}

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
    /// There is no relay of that name.
    #[error("there is no relay named `{0}`")]
    RelayNotFound(String),
    /// The operator does not allow callers to name this host and port.
    #[error("custom relays at {host}:{port} are not allowed")]
    RelayNotAllowed {
        /// As the caller gave it.
        host: String,
        /// As the caller gave it.
        port: u16,
    },
    /// The operator does not allow callers to change this TLS setting.
    #[error("`tls.{0}` may not be changed by a request for this relay")]
    TlsNotAllowed(&'static str),
    /// No relay was named, and no route fits.
    #[error("no relay was named, and no route fits the sender's domain `{0}`")]
    NoRoute(String),
    /// The message cannot be composed.
    #[error("the message cannot be composed")]
    Compose(#[from] ComposeError),
    /// The ID was used for another request.
    #[error("the request ID was used for another mail")]
    RequestIdReused,
    /// The first call with this ID is still under way.
    #[error("a call with this request ID is still under way")]
    RequestInProgress {
        /// When to ask again.
        retry_after: Duration,
    },
    /// More IDs are in flight than may be kept.
    #[error("too many requests are in flight")]
    Overloaded {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Sends mails.
#[derive(Clone, Debug)]
pub struct Sender {}

impl Sender {
    /// Sends, and answers by the deadline. The transaction goes on in a task
    /// of its own when it may no longer be stopped.
    pub async fn send(
        &self,
        _order: Order,
        _id: Option<RequestId>,
        _deadline: Deadline,
    ) -> Result<Sent, SendError> {
        todo!()
    }

    /// Checks routing and policy and composes, without opening a connection.
    pub fn validate(&self, _order: &Order) -> Result<Validated, SendError> {
        todo!()
    }

    /// The configured relays, by name.
    pub fn relays(&self) -> Vec<RelayStatus> {
        todo!()
    }
}

/// A configured relay, as it stands. Holds no secret.
#[derive(Clone, Debug)]
pub struct RelayStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// When TLS starts.
    pub tls_mode: report::TlsMode,
    /// The oldest version that is accepted.
    pub min_tls_version: report::TlsVersion,
    /// Whether there are credentials for it.
    pub authenticates: bool,
    /// Why the last session failed. `None` when it succeeded.
    pub last_failure: Option<RelayFailure>,
    /// When a session last succeeded.
    pub last_success: Option<std::time::SystemTime>,
    /// When a session last failed.
    pub last_failure_time: Option<std::time::SystemTime>,
    /// When the certificate that it showed last runs out.
    pub certificate_not_after: Option<std::time::SystemTime>,
}
