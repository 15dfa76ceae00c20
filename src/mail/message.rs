//! What is carried: a message to compose, or one that is complete.

use std::fmt;

use bytes::Bytes;

use super::{
    ContentId, Date, FileName, Header, ListUnsubscribe, Mailbox, MediaType, MessageId, RawMessage,
    Reference, Subject,
};

/// What is carried.
#[derive(Clone, Debug)]
pub enum Content {
    /// A message for `mime` to compose.
    Message(Box<Message>),
    /// A complete RFC 5322 message.
    Raw(RawMessage),
}

impl Content {
    /// How many bytes are looked at when it is composed, header fields aside.
    /// Files are not, but for messages.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Raw(raw) => raw.as_bytes().len(),
            Self::Message(message) => {
                let texts = [&message.text, &message.html];
                let texts = texts.into_iter().flatten().map(String::len);
                let parts = message.alternatives.iter().map(|part| part.content.len());
                let files = message.attachments.iter();
                let messages = files.filter(|file| file.content_type.top_level() == "message");
                let messages = messages.map(|file| file.content.len());
                texts.chain(parts).chain(messages).sum()
            }
        }
    }
}

/// A message for `mime` to compose.
///
/// `Debug` shows nothing of it: neither bodies nor recipients belong in logs.
#[derive(Clone)]
pub struct Message {
    /// The author.
    pub from: Mailbox,
    /// Who sends on the author's behalf.
    pub sender: Option<Mailbox>,
    /// Where replies go.
    pub reply_to: Vec<Mailbox>,
    /// The primary recipients.
    pub to: Vec<Mailbox>,
    /// Those who get a copy. Blind copies are in the envelope alone.
    pub cc: Vec<Mailbox>,
    /// The subject.
    pub subject: Subject,
    /// The plain text body.
    pub text: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// Further renderings of the body, best last.
    pub alternatives: Vec<BodyPart>,
    /// Files, inline ones among them.
    pub attachments: Vec<Attachment>,
    /// Further header fields, in order.
    pub headers: Vec<Header>,
    /// The Message-ID. `mime` makes one when there is none.
    pub message_id: Option<MessageId>,
    /// The origination date. The time of composition when there is none.
    pub date: Option<Date>,
    /// The messages that this one answers (RFC 5322 section 3.6.4).
    pub in_reply_to: Vec<Reference>,
    /// The thread that this one belongs to (RFC 5322 section 3.6.4).
    pub references: Vec<Reference>,
    /// How the reader leaves the list.
    pub list_unsubscribe: Option<ListUnsubscribe>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").finish_non_exhaustive()
    }
}

/// One rendering of the body.
#[derive(Clone, Eq, PartialEq)]
pub struct BodyPart {
    /// The media type with its parameters.
    pub content_type: MediaType,
    /// The content, not yet transfer-encoded.
    pub content: Bytes,
}

impl fmt::Debug for BodyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyPart({} bytes)", self.content.len())
    }
}

/// A file carried with the message.
#[derive(Clone, Eq, PartialEq)]
pub struct Attachment {
    /// The name that the reader sees. May be empty.
    pub filename: FileName,
    /// The media type.
    pub content_type: MediaType,
    /// The bytes of the file, not yet transfer-encoded.
    pub content: Bytes,
    /// When set, the part is inline.
    pub content_id: Option<ContentId>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({} bytes)", self.content.len())
    }
}
