//! Connections beside a session's own, to find out why it fails and what would
//! work instead. They carry no mail and no credentials. What they find is told
//! in the words of `report`; who asks, how often and how long that is waited
//! for is not decided here.

mod door;
mod hello;
mod question;
mod trials;

use std::borrow::Cow;

use door::Door;
pub(super) use hello::{Answered, Hello, ask, due};
pub use question::{Findings, Question, Scope};

use crate::report::TlsMode;

/// The ports that relays take mail at.
const PORTS: &[u16] = &[25, 465, 587, 2525];

/// Which connections there may be beside a session's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probing {
    /// Whether a session that fails is cause for any.
    pub is_on: bool,
    /// The ports of the host that may be tried, besides the target's own.
    pub ports: Cow<'static, [u16]>,
}

impl Default for Probing {
    fn default() -> Self {
        Self {
            is_on: true,
            ports: PORTS.into(),
        }
    }
}

impl Probing {
    /// No connection but the session's own.
    pub fn off() -> Self {
        Self {
            is_on: false,
            ports: Cow::default(),
        }
    }
}

/// What a session in `mode` at `port` is called among the probes.
fn name(port: u16, mode: TlsMode) -> String {
    let mode = match mode {
        TlsMode::Implicit => "implicit",
        TlsMode::Starttls => "starttls",
        TlsMode::StarttlsIfOffered => "starttls-if-offered",
        TlsMode::Plaintext => "plaintext",
    };
    format!("port-{port}-{mode}")
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
