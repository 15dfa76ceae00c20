//! Messages as octets, through lettre's part builders. Knows nothing of relays
//! and envelopes.
//!
//! A composed message is always 7-bit with lines within 998 octets, so that it
//! never needs 8BITMIME. Only the addresses in its header section can make it
//! need SMTPUTF8. Its contents are not copied where they can go as they are, and
//! files are encoded by whoever reads the [`Body`].

mod body;
mod contents;
mod encoded_word;
mod header;
mod line_ends;
mod message;
mod part;
mod raw;

use crate::{mail::Content, smtp::Body};

/// A message that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The octets, and what they need of the relay.
    pub body: Body,
    /// The Message-ID without angle brackets. Empty when a raw message has none.
    pub message_id: String,
}

/// Composes `content`, or puts a raw message in order. This cannot fail:
/// whatever the types of `mail` let exist has a form in MIME. Files are not
/// copied, and only encoded when [`Body::reader`] comes to them.
pub fn compose(content: Content) -> Composed {
    match content {
        Content::Message(message) => message::compose(*message),
        Content::Raw(raw) => raw::compose(&raw),
    }
}

#[cfg(test)]
mod tests;
