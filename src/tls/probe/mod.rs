//! Tells the causes of a failed handshake apart by further handshakes: a
//! ClientHello that differs in one thing, read up to the relay's answer. Opens
//! no sockets: `smtp` brings the connections, and keeps to the budget.

mod answer;
mod enumerator;
mod experiment;
mod flight;
mod hello;
mod inquiry;
mod ladder;
mod ours;
mod plan;
mod say;
mod wide;

use experiment::Experiment;

pub use enumerator::{Enumerator, Question};
pub use inquiry::Inquiry;
pub(super) use ours::Ours;

use crate::report::{Confidence, Reason};

/// One handshake to try.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it changes, such as `tls12-only`.
    pub name: &'static str,
    experiment: Experiment,
}

/// What the trials told.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What went wrong.
    pub reason: Reason,
    /// [`Confidence::Probed`], or [`Confidence::Ambiguous`] still;
    /// [`Confidence::Observed`] when all other causes are ruled out.
    pub confidence: Confidence,
    /// What else it may be, with [`Confidence::Ambiguous`].
    pub alternatives: Vec<Reason>,
    /// One sentence in English with the facts. ASCII, at most 400 bytes.
    pub summary: String,
}
