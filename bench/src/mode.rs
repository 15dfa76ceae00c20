//! How posthaste carries out transactions: the setting and its values.

use std::fmt;

/// How much of a transaction posthaste sends before it hears the relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Mode {
    /// MAIL, RCPT and the message in one write: one round trip.
    Eager,
    /// The message when the recipients are known: two round trips.
    Standard,
    /// One command at a time.
    Serial,
}

impl Mode {
    /// The key of `[relays.NAME]` that makes posthaste work like this.
    pub fn key(self) -> String {
        format!("transactions = \"{self}\"")
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eager => "eager",
            Self::Standard => "standard",
            Self::Serial => "serial",
        })
    }
}
