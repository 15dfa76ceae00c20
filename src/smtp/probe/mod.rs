//! Connections beside a session's own, to find out why it fails and what would
//! work instead. They carry no mail and no credentials. What they find is told
//! in the words of `report`; who asks, how often and how long that is waited
//! for is not decided here.

mod answers;
mod door;
mod enumeration;
mod hello;
mod question;
mod survey;
mod trials;

use std::{borrow::Cow, time::Duration};

pub use answers::Answers;
use door::Door;
pub use enumeration::enumerate;
pub use hello::Hellos;
pub(super) use hello::{Answered, Hello, due};
pub use question::{Findings, Question, Scope};
pub use survey::survey;

use super::{Error, Target, TimeLimits, error::Kind};
use crate::report::{Reason, TlsMode};

/// How long each step of a session may take that is opened to see whether one
/// can be.
const ONE_STEP: Duration = Duration::from_millis(2500);
/// The ports that relays take mail at.
const PORTS: &[u16] = &[25, 465, 587, 2525];

/// Which connections there may be beside a session's own.
#[derive(Clone, Debug)]
pub struct Probing {
    /// Whether a session that fails is cause for any.
    pub is_on: bool,
    /// The ports of the host that may be tried, besides the target's own.
    pub ports: Cow<'static, [u16]>,
    /// What relays that do not greet answered before.
    pub hellos: Hellos,
}

impl Default for Probing {
    fn default() -> Self {
        Self {
            is_on: true,
            ports: PORTS.into(),
            hellos: Hellos::default(),
        }
    }
}

impl Probing {
    /// No connection but the session's own.
    pub fn off() -> Self {
        Self {
            is_on: false,
            ports: Cow::default(),
            hellos: Hellos::default(),
        }
    }
}

/// The target, for a connection that is no mail's: without anything secret, in
/// TLS that shows all anew, in a hurry, and without connections beside it.
fn unarmed(target: &Target) -> Target {
    let limits = &target.limits;
    let hasty = |limit: Duration| limit.min(ONE_STEP);
    Target {
        credentials: None,
        tls: target.tls.without_resumption(),
        probing: Probing {
            ports: target.probing.ports.clone(),
            ..Probing::off()
        },
        limits: TimeLimits {
            resolve: hasty(limits.resolve),
            connect: hasty(limits.connect),
            connect_total: hasty(limits.connect_total),
            greeting: hasty(limits.greeting),
            ehlo: hasty(limits.ehlo),
            starttls: hasty(limits.starttls),
            handshake: hasty(limits.handshake),
            ..*limits
        },
        ..target.clone()
    }
}

/// Why no session came about. One that was given up had too little time.
fn reason(error: &Error) -> Reason {
    match error.kind {
        Kind::Abandoned => Kind::Timeout { limit: ONE_STEP }.reason(error.stage),
        _ => error.reason(),
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
