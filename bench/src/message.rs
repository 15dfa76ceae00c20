//! The mail that every contestant sends: the same octets, the same envelope.

use bytes::Bytes;
use posthaste::{
    api::client::pb,
    mail::{Content, Envelope, Mail, RecipientPolicy},
    relay::Choice,
    sender::Order,
    tls,
};

use crate::Result;

pub const FROM: &str = "ada@example.org";
pub const TO: &str = "charles@example.net";
/// What contestants call themselves.
pub const EHLO_NAME: &str = "bench.example.org";

/// A message of about `size` octets in its lines of 72, with CRLF.
pub fn octets(size: usize) -> Vec<u8> {
    let mut message = format!(
        "From: <{FROM}>\r\nTo: <{TO}>\r\nSubject: A benchmark\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 7bit\r\n\r\n"
    )
    .into_bytes();
    message.extend(text(size.saturating_sub(message.len())).into_bytes());
    message
}

fn text(size: usize) -> String {
    let line = "It might act upon other things besides number, were objects found so.\r\n";
    line.repeat(size.div_ceil(line.len()))
}

/// An order to the sender for a message that is complete.
pub fn order(size: usize) -> Result<Order> {
    Ok(Order {
        mail: Mail {
            envelope: Envelope {
                reverse_path: Some(FROM.parse()?),
                forward_paths: vec![TO.parse()?],
            },
            content: Content::Raw(Bytes::from(octets(size)).try_into()?),
        },
        relay: Choice::Route,
        tls: tls::Settings::default(),
        policy: RecipientPolicy::Any,
        tags: Vec::new(),
        fingerprint: [0; 32],
    })
}

/// A request to the service for a message to compose, with a text of `size`.
pub fn request(size: usize) -> pb::SendMailRequest {
    let address = |email: &str| pb::Address {
        email: email.into(),
        display_name: String::new(),
    };
    let message = pb::Message {
        from_address: Some(address(FROM)),
        to: vec![address(TO)],
        subject: "A benchmark".into(),
        text: text(size),
        ..pb::Message::default()
    };
    of_message(message)
}

/// A request for a message with an attachment of `size` octets.
pub fn request_with_attachment(content: Bytes) -> pb::SendMailRequest {
    let mut request = request(0);
    if let Some(pb::mail::Content::Message(message)) =
        request.mail.as_mut().and_then(|mail| mail.content.as_mut())
    {
        message.attachments.push(pb::Attachment {
            filename: "engine.bin".into(),
            content_type: "application/octet-stream".into(),
            content,
            content_id: String::new(),
        });
    }
    request
}

fn of_message(message: pb::Message) -> pb::SendMailRequest {
    pb::SendMailRequest {
        mail: Some(pb::Mail {
            content: Some(pb::mail::Content::Message(message)),
            ..pb::Mail::default()
        }),
        ..pb::SendMailRequest::default()
    }
}

/// Octets that no encoder finds easy, the same ones every time.
pub fn file(size: usize) -> Bytes {
    // Xorshift: good enough, and no dependency.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(size);
    content.into()
}
