//! Messages as octets, through lettre's message builder.

use crate::{mail::Content, smtp::Body};

/// A message that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The octets, and what they need of the relay.
    pub body: Body,
    /// The Message-ID without angle brackets. Empty when a raw message has none.
    pub message_id: String,
}

/// A message that cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {}

/// Composes `content`, or puts a raw message in order.
pub fn compose(_content: &Content) -> Result<Composed, ComposeError> {
    todo!()
}
