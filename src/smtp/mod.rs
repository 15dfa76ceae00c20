//! The client side of RFC 5321.

use std::{net::IpAddr, str::FromStr, time::Duration};

use bytes::Bytes;
use secrecy::SecretString;

use crate::{
    mail::{Broken, Envelope, RecipientPolicy},
    report::{self, RecipientResult, RelayFailure, Reply, TlsMode},
    tls,
};

mod progress;

pub use progress::Progress;

/// A host name (A-labels) or an IP address.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl FromStr for Host {
    type Err = Broken;
    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        todo!()
    }
}

/// What to authenticate with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// SASL PLAIN (RFC 4616) or LOGIN.
    Password {
        /// 1 to 255 bytes, no NUL.
        username: String,
        /// 1 to 1024 bytes, no NUL.
        password: SecretString,
    },
    /// SASL XOAUTH2 or OAUTHBEARER (RFC 7628).
    OAuth {
        /// 1 to 255 bytes.
        username: String,
        /// 1 to 8192 bytes.
        token: SecretString,
    },
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeLimits {
    /// Resolving the name.
    pub resolve: Duration,
    /// Connecting to one address.
    pub connect: Duration,
    /// Connecting, over all addresses.
    pub connect_total: Duration,
    /// The greeting.
    pub greeting: Duration,
    /// The reply to EHLO.
    pub ehlo: Duration,
    /// The reply to STARTTLS.
    pub starttls: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// Each reply in AUTH.
    pub auth: Duration,
    /// The reply to MAIL FROM.
    pub mail: Duration,
    /// The reply to each RCPT TO.
    pub rcpt: Duration,
    /// The reply to DATA, and each write of the message.
    pub data: Duration,
    /// The reply to the end of data.
    pub end_of_data: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            resolve: s(5),
            connect: s(10),
            connect_total: s(30),
            greeting: s(30),
            ehlo: s(30),
            starttls: s(30),
            handshake: s(15),
            auth: s(30),
            mail: s(30),
            rcpt: s(30),
            data: s(60),
            end_of_data: s(600),
        }
    }
}

/// A relay, as a session needs to know it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The configured name, for reports. `None` for a custom relay.
    pub relay: Option<String>,
    /// Who described it.
    pub origin: report::RelayOrigin,
    /// Where it is.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
    /// When TLS starts.
    pub mode: TlsMode,
    /// Makes the TLS connections, in every mode but plaintext.
    pub tls: tls::Connector,
    /// What to authenticate with.
    pub credentials: Option<Credentials>,
    /// What to say in EHLO.
    pub ehlo_name: String,
    /// How long each step may take.
    pub limits: TimeLimits,
}

/// A message, ready to be sent: lines end in CRLF, and so does the last.
#[derive(Clone, Debug)]
pub struct Body {
    /// The octets, before dot-stuffing.
    pub bytes: Bytes,
    /// Whether it has octets above 127, and so needs 8BITMIME (RFC 6152).
    pub is_8bit: bool,
    /// Whether a header field needs SMTPUTF8 (RFC 6531).
    pub needs_smtputf8: bool,
}

/// One transaction.
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
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The reply to the end of data.
    pub reply: Reply,
    /// Every recipient, in envelope order.
    pub recipients: Vec<RecipientResult>,
    /// How long it took, from MAIL FROM.
    pub elapsed: Duration,
}

/// A session that is ready for transactions.
#[derive(Debug)]
pub struct Session {}

impl Session {
    /// Connects, starts TLS as the target's mode has it, and authenticates.
    pub async fn open(_target: &Target, _progress: &Progress) -> Result<Self, Box<Error>> {
        todo!()
    }

    /// Carries out one transaction. After an error that leaves the session in
    /// order (a refusal), [`Session::is_reusable`] is still true.
    pub async fn send(
        &mut self,
        _transaction: Transaction<'_>,
        _progress: &Progress,
    ) -> Result<Delivered, Box<Error>> {
        todo!()
    }

    /// Whether another transaction may follow.
    pub fn is_reusable(&self) -> bool {
        todo!()
    }

    /// Facts about the session.
    pub fn facts(&self) -> report::Session {
        todo!()
    }

    /// Says QUIT and closes, within a bounded time.
    pub async fn quit(self) {
        todo!()
    }
}

/// Why a session or a transaction failed.
#[derive(Debug, thiserror::Error)]
#[error("to come")]
pub struct Error {}

impl Error {
    /// The failure to report, still without remedies (`relay::remedy` adds
    /// them).
    pub fn into_failure(self: Box<Self>) -> RelayFailure {
        todo!()
    }
}
