//! The domain: what is sent, from whom, to whom. Plain values that cannot be
//! wrong once they exist, without I/O.

mod address;
mod envelope;
mod message;
mod rule;

pub use address::{Address, Mailbox};
pub use envelope::{Envelope, RecipientPolicy};
pub use message::{
    Attachment, BodyPart, Content, ContentId, FileName, Header, HeaderName, ListUnsubscribe,
    MediaType, Message, MessageId, RawMessage, Text,
};
pub use rule::{Broken, Rule};

/// A mail object in the sense of RFC 5321 section 2.3.1.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Where it goes.
    pub envelope: Envelope,
    /// What is carried.
    pub content: Content,
}
