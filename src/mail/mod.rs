//! The domain: what is sent, from whom, to whom. Plain values that cannot be
//! wrong once they exist, without I/O.

mod address;
mod date;
mod envelope;
mod header;
mod id;
mod media_type;
mod message;
mod raw;
mod rule;
mod text;
mod unsubscribe;

pub use address::{Address, Mailbox};
pub use date::Date;
pub use envelope::{Envelope, RecipientPolicy};
pub use header::{Header, HeaderName};
pub use id::{ContentId, MessageId, Reference};
pub use media_type::MediaType;
pub use message::{Attachment, BodyPart, Content, Message};
pub use raw::RawMessage;
pub use rule::{Broken, Rule};
pub use text::{DisplayName, FieldBody, FileName, Subject};
pub use unsubscribe::{HttpsUri, ListUnsubscribe, MailtoUri};

/// A mail object in the sense of RFC 5321 section 2.3.1.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Where it goes.
    pub envelope: Envelope,
    /// What is carried.
    pub content: Content,
}
