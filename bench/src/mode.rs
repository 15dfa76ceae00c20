//! How posthaste carries out transactions: the settings' names, in one place.

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
    /// The keys of `[relays.NAME]` that make posthaste work like this, with
    /// `depth` transactions in flight on each connection.
    pub fn keys(self, depth: usize) -> String {
        let transactions = match self {
            // The default.
            Self::Standard => String::new(),
            mode => format!("transactions = \"{mode}\"\n"),
        };
        let depth = match depth {
            1 => String::new(),
            depth => format!("depth = {depth}\n"),
        };
        transactions + &depth
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
