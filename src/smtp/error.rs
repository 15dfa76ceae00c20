//! Why a session or a transaction failed. `failure` puts it into words.

use std::{fmt, io, sync::Arc, time::Duration};

use hickory_resolver::net::NetError;

use super::{
    Host,
    auth::{Fault, Mechanism},
    failure::refusal,
    prelude::Prelude,
    probe::Hello,
    reply::BadReply,
};
use crate::{
    report::{
        ConnectAttempt, Reason, RecipientResult, RelayEndpoint, RelayOrigin, Reply, ReplyCode,
        Stage,
    },
    tls::{ClientAuth, HandshakeError},
};

/// How much is told of what came in the place of a reply (failure.proto).
const FIRST_BYTES: usize = 64;

/// Why a session or a transaction failed.
///
/// Neither `Display` nor `Debug` shows recipients or the text of replies,
/// which may name them. [`Error::into_failure`] has both.
pub struct Error {
    pub(super) stage: Stage,
    pub(super) kind: Kind,
    pub(super) endpoint: RelayEndpoint,
    pub(super) origin: RelayOrigin,
    pub(super) recipients: Vec<RecipientResult>,
    /// Those before or beside the address that was connected to.
    pub(super) connect_attempts: Vec<ConnectAttempt>,
    pub(super) is_stale: bool,
    pub(super) said: Box<[u8]>,
}

impl Error {
    /// How far the session had got.
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether the session failed, and not the mail: it was lost, ended with
    /// 421, fell silent or out of step, in a transaction of which no octet of
    /// the message was written. Where the connection had rested before, that
    /// says nothing about this mail: it may be tried once more on a fresh one.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Whether the relay answered a new connection with 421, as it does when it
    /// has as many as it takes.
    pub fn is_for_want_of_room(&self) -> bool {
        let is_closing = |reply: &Reply| reply.code == ReplyCode::CLOSING;
        self.stage == Stage::Greeting
            && matches!(&self.kind, Kind::Refused { reply, .. } if is_closing(reply))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} while {}", self.kind, self.stage.activity())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("stage", &self.stage)
            .field("kind", &self.kind)
            .field("endpoint", &self.endpoint)
            .field("recipients", &self.recipients.len())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

/// What went wrong, and where: an [`Error`] without its surroundings.
pub(super) struct Halt {
    pub(super) stage: Stage,
    pub(super) kind: Kind,
    /// What came in the place of a reply, as much of it as is worth telling.
    pub(super) said: Box<[u8]>,
}

impl Halt {
    pub(super) fn new(stage: Stage, kind: Kind) -> Self {
        // A handshake may fail as late as on the first read after it.
        let stage = match kind {
            Kind::Tls(_) => Stage::TlsHandshake,
            _ => stage,
        };
        Self {
            stage,
            kind,
            said: Box::default(),
        }
    }

    /// The relay refused with `reply`.
    pub(super) fn refused(stage: Stage, reply: Reply) -> Self {
        let reason = refusal(stage, &reply);
        let kind = Kind::Refused {
            reason,
            reply,
            mechanism: None,
        };
        Self::new(stage, kind)
    }

    /// With what came in the place of a reply. Not in AUTH, where the relay may
    /// say again what was said to it.
    pub(super) fn with_said(mut self, said: &[u8]) -> Self {
        if self.stage != Stage::Auth {
            self.said = said[..said.len().min(FIRST_BYTES)].into();
        }
        self
    }

    pub(super) fn reason(&self) -> Reason {
        self.kind.reason(self.stage)
    }

    /// Postfix lets a client without a certificate finish the handshake, and
    /// refuses it afterwards, in words: where it had asked for one, they are
    /// about that.
    pub(super) fn over_certificate(mut self, ours: ClientAuth) -> Self {
        let because = match ours {
            ClientAuth::NotAsked => return self,
            ClientAuth::Withheld => Reason::ClientCertRequired,
            ClientAuth::Shown => Reason::ClientCertRejected,
        };
        if let Kind::Refused { reason, reply, .. } = &mut self.kind
            && reply
                .lines
                .iter()
                .any(|line| line.to_ascii_lowercase().contains("certificate"))
        {
            *reason = because;
        }
        self
    }

    /// With what the relay at `host` had said before TLS, where that failed.
    pub(super) fn after(mut self, prelude: Prelude, host: &Host) -> Self {
        if let Kind::Tls(error) = &mut self.kind {
            prelude.explain(host, error);
        }
        self
    }

    /// Whether the session is at fault, which a fresh one may not be. What the
    /// relay says about the mail is its answer, on whichever connection.
    pub(super) fn is_of_the_session(&self) -> bool {
        match &self.kind {
            Kind::Closed { .. }
            | Kind::Broken { .. }
            | Kind::Tls(_)
            | Kind::Timeout { .. }
            | Kind::BadReply(_)
            | Kind::Unexpected(_) => true,
            Kind::Refused { reply, .. } => reply.code == ReplyCode::CLOSING,
            Kind::NoSuchHost(_)
            | Kind::Dns(_)
            | Kind::Connect(_)
            | Kind::Silent { .. }
            | Kind::TlsFirst(_)
            | Kind::Abandoned
            | Kind::Foreign(_)
            | Kind::StarttlsMissing { .. }
            | Kind::Injected
            | Kind::NoMechanism { .. }
            | Kind::Scram { .. }
            | Kind::ExtensionMissing(_)
            | Kind::TooLarge { .. }
            | Kind::Local(_) => false,
        }
    }

    /// Whether the conversation is still in order: each command had its reply.
    pub(super) fn is_orderly(&self) -> bool {
        match &self.kind {
            Kind::Refused { reply, .. } => reply.code != ReplyCode::CLOSING,
            Kind::StarttlsMissing { .. }
            | Kind::NoMechanism { .. }
            | Kind::Local(_)
            | Kind::ExtensionMissing(_)
            | Kind::TooLarge { .. } => true,
            _ => false,
        }
    }
}

/// What went wrong.
#[derive(thiserror::Error)]
pub(super) enum Kind {
    #[error("the relay's name does not exist or has no address")]
    NoSuchHost(#[source] NetError),
    #[error("the name server did not answer")]
    Dns(#[source] NetError),
    #[error("none of {} addresses could be connected to", .0.len())]
    Connect(Vec<ConnectAttempt>),
    #[error("the TLS handshake failed")]
    Tls(#[source] Box<HandshakeError>),
    /// The end of the stream. `heard` is whether the relay had said anything
    /// since the connection, or TLS on it, was there.
    #[error("the relay closed the connection")]
    Closed { heard: bool },
    #[error("the connection broke")]
    Broken {
        heard: bool,
        #[source]
        source: io::Error,
    },
    #[error("the time limit of {limit:?} ran out")]
    Timeout { limit: Duration },
    /// No greeting. Where `asked`, a TLS hello was not answered either; where
    /// not, the relay may wait for TLS to begin.
    #[error("the relay said nothing for {waited:?}")]
    Silent {
        waited: Duration,
        closed: bool,
        asked: bool,
    },
    /// No greeting, and an answer to a TLS hello.
    #[error("the relay waits for TLS to begin")]
    TlsFirst(Arc<Hello>),
    #[error("the transaction was given up")]
    Abandoned,
    #[error("the reply cannot be read")]
    BadReply(#[source] BadReply),
    /// The code has no place there.
    #[error("the relay replied with an unexpected {}", .0.code)]
    Unexpected(Reply),
    /// What the port speaks. The octets that show it are beside it.
    #[error("the relay does not speak SMTP")]
    Foreign(Foreign),
    #[error("the relay refused with {}", code(reply))]
    Refused {
        reason: Reason,
        reply: Reply,
        /// With a refused AUTH.
        mechanism: Option<Mechanism>,
    },
    #[error("the relay does not offer STARTTLS")]
    StarttlsMissing { stripped: bool },
    #[error("octets came behind the reply to STARTTLS")]
    Injected,
    #[error("the relay offers no mechanism that fits the credentials")]
    NoMechanism { offered: Vec<String> },
    /// The relay does not do its part of SCRAM.
    #[error("AUTH {mechanism} went wrong")]
    Scram {
        mechanism: Mechanism,
        #[source]
        fault: Fault,
    },
    #[error("the relay does not offer {0}")]
    ExtensionMissing(&'static str),
    #[error("the message has {size} octets, and the relay takes {limit}")]
    TooLarge { size: u64, limit: u64 },
    #[error(transparent)]
    Local(#[from] Local),
}

impl Kind {
    /// The same fault, for another mail.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Timeout { limit } => Self::Timeout { limit: *limit },
            Self::Broken { heard, source } => Self::Broken {
                heard: *heard,
                source: io::Error::new(source.kind(), source.to_string()),
            },
            Self::BadReply(bad) => Self::BadReply(*bad),
            Self::Unexpected(reply) => Self::Unexpected(reply.clone()),
            // What was said of another mail is no answer to this one.
            _ => Self::Closed { heard: true },
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn code(reply: &Reply) -> String {
    match reply.enhanced {
        Some(enhanced) => format!("{} {enhanced}", reply.code),
        None => reply.code.to_string(),
    }
}

/// What answers on the port instead of SMTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Foreign {
    /// A TLS record.
    Tls,
    /// A protocol, by its name.
    Protocol(&'static str),
    /// Something else.
    Unknown,
}

/// What is wrong at this end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Local {
    #[error("credentials are not sent in plaintext to an address beyond loopback")]
    PlaintextCredentials,
    #[error("the credentials have a character that SASL cannot carry, or are too long")]
    Credentials,
    #[error("the EHLO name is neither a domain name nor an address literal")]
    EhloName,
}
