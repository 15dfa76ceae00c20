//! How far a session got.

use strum::{EnumIter, IntoStaticStr};

/// How far a session got. The numbers are those of `SmtpStage` in `smtp.proto`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "smtp.proto documents each value")]
pub enum Stage {
    Resolve = 1,
    Connect = 2,
    Greeting = 3,
    Ehlo = 4,
    Starttls = 5,
    TlsHandshake = 6,
    Auth = 7,
    MailFrom = 8,
    RcptTo = 9,
    Data = 10,
    EndOfData = 11,
    Quit = 12,
    PoolWait = 13,
}

impl Stage {
    /// The name on the wire, such as `TLS_HANDSHAKE`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What the session was doing, for a sentence: "while ...".
    pub fn activity(self) -> &'static str {
        match self {
            Self::Resolve => "resolving the relay's name",
            Self::Connect => "connecting",
            Self::Greeting => "waiting for the greeting",
            Self::Ehlo => "waiting for the reply to EHLO",
            Self::Starttls => "waiting for the reply to STARTTLS",
            Self::TlsHandshake => "in the TLS handshake",
            Self::Auth => "authenticating",
            Self::MailFrom => "waiting for the reply to MAIL FROM",
            Self::RcptTo => "waiting for the reply to RCPT TO",
            Self::Data => "sending the message",
            Self::EndOfData => "waiting for the reply to the end of data",
            Self::Quit => "closing the session",
            Self::PoolWait => "waiting for a free connection",
        }
    }
}
