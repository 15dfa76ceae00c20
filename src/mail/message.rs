//! What is carried: a message to compose, or one that is complete.

use std::time::SystemTime;

use bytes::Bytes;

use super::Mailbox;

/// What is carried.
#[derive(Clone, Debug)]
pub enum Content {
    /// A message for `mime` to compose.
    Message(Box<Message>),
    /// A complete RFC 5322 message.
    Raw(RawMessage),
}

/// A message for `mime` to compose.
#[derive(Clone, Debug)]
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
    pub subject: Text,
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
    pub date: Option<SystemTime>,
    /// Threading (RFC 5322 section 3.6.4).
    pub in_reply_to: Vec<MessageId>,
    /// Threading (RFC 5322 section 3.6.4).
    pub references: Vec<MessageId>,
    /// How the reader leaves the list.
    pub list_unsubscribe: Option<ListUnsubscribe>,
}

/// A complete RFC 5322 message of 1 to [`RawMessage::MAX_BYTES`], without NUL
/// and with no line of more than 998 octets.
#[derive(Clone, Debug)]
pub struct RawMessage(Bytes);

/// One line of plain Unicode without control characters but tab.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text(String);

/// A media type with its parameters (RFC 2045 section 5.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaType(mime::Mime);

/// A message ID without angle brackets (RFC 5322 section 3.6.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageId(String);

/// A Content-ID without angle brackets (RFC 2392).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentId(String);

/// A file name without path separators and control characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileName(String);

/// The name of a header field that posthaste does not set by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderName(String);

/// One rendering of the body.
#[derive(Clone, Debug)]
pub struct BodyPart {
    /// The media type with its parameters.
    pub content_type: MediaType,
    /// The content, not yet transfer-encoded.
    pub content: Bytes,
}

/// A file carried with the message.
#[derive(Clone, Debug)]
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

/// A header field.
#[derive(Clone, Debug)]
pub struct Header {
    /// The field name.
    pub name: HeaderName,
    /// The field body, unfolded. At most 4096 bytes.
    pub value: Text,
}

/// How the reader leaves the list (RFC 2369, RFC 8058).
#[derive(Clone, Debug)]
pub struct ListUnsubscribe {
    /// A `mailto:` URI.
    pub mailto: Option<String>,
    /// An `https:` URI.
    pub https: Option<String>,
    /// Whether a POST to `https` alone unsubscribes the reader.
    pub one_click: bool,
}
