//! The parts of a message, and how they are put together:
//!
//! ```text
//! mixed
//! ├── alternative
//! │   ├── text/plain
//! │   ├── text/x-amp-html
//! │   ├── related
//! │   │   ├── text/html
//! │   │   └── inline images
//! │   └── text/calendar and the like
//! └── files
//! ```
//!
//! A level with a single child is left out.

use lettre::message::{
    Body, MultiPart, SinglePart,
    header::{ContentType, Header, HeaderName, HeaderValue},
};

use super::{body, header::Field};
use crate::mail::{Attachment, BodyPart, MediaType, Message};

const CONTENT_TYPE: HeaderName = HeaderName::new_from_ascii_str("Content-Type");
const CONTENT_DISPOSITION: HeaderName = HeaderName::new_from_ascii_str("Content-Disposition");
const CONTENT_ID: HeaderName = HeaderName::new_from_ascii_str("Content-ID");

/// The part that is the whole body of `message`, with its header fields.
pub(super) fn formatted(message: &Message) -> Vec<u8> {
    let (images, files): (Vec<_>, Vec<_>) = message
        .attachments
        .iter()
        .partition(|file| file.content_id.is_some() && message.html.is_some());
    let mut mixed = vec![renderings(message, &images)];
    mixed.extend(files.into_iter().map(|file| Part::Single(attachment(file))));
    match join(mixed, MultiPart::mixed().build()) {
        Part::Multi(part) => part.formatted(),
        Part::Single(part) => {
            let mut octets = part.formatted();
            // lettre ends the body with a line end of its own. Here, where no
            // boundary follows, it would be an empty line.
            if part.raw_body().ends_with(b"\r\n") || part.raw_body().is_empty() {
                octets.truncate(octets.len() - 2);
            }
            octets
        }
    }
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

fn join(mut parts: Vec<Part>, multipart: MultiPart) -> Part {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            Part::Multi(parts.into_iter().chain(last).fold(
                multipart,
                |multipart, part| match part {
                    Part::Single(part) => multipart.singlepart(part),
                    Part::Multi(part) => multipart.multipart(part),
                },
            ))
        }
    }
}

/// The body, in all its forms. The best one is last (RFC 2046 section 5.1.4).
fn renderings(message: &Message, images: &[&Attachment]) -> Part {
    // Many readers show the last part that they know. AMP is for those that
    // look for it, and HTML must stay the one that all others find.
    let (before, after): (Vec<_>, Vec<_>) = message
        .alternatives
        .iter()
        .partition(|part| part.content_type.essence() == "text/x-amp-html");
    let mut parts = Vec::new();
    if let Some(text) = &message.text {
        parts.push(Part::Single(text_part(ContentType::TEXT_PLAIN, text)));
    }
    parts.extend(before.into_iter().map(|part| Part::Single(rendering(part))));
    if let Some(html) = &message.html {
        parts.push(with_images(text_part(ContentType::TEXT_HTML, html), images));
    }
    parts.extend(after.into_iter().map(|part| Part::Single(rendering(part))));
    if parts.is_empty() {
        parts.push(Part::Single(text_part(ContentType::TEXT_PLAIN, "")));
    }
    join(parts, MultiPart::alternative().build())
}

fn with_images(html: SinglePart, images: &[&Attachment]) -> Part {
    let mut related = MultiPart::related().build();
    // RFC 2387 section 3.1 requires the root's type, and lettre leaves it out.
    let content_type = format!(
        "multipart/related; type=\"text/html\"; boundary=\"{}\"",
        related.boundary()
    );
    related
        .headers_mut()
        .insert_raw(HeaderValue::new(CONTENT_TYPE, content_type));
    let mut parts = vec![Part::Single(html)];
    parts.extend(images.iter().map(|image| Part::Single(attachment(image))));
    join(parts, related)
}

fn text_part(content_type: ContentType, text: &str) -> SinglePart {
    SinglePart::builder()
        .content_type(content_type)
        .body(body::text(text))
}

fn rendering(part: &BodyPart) -> SinglePart {
    let charset = parameter(&part.content_type, "charset");
    let is_utf8 = charset.is_none_or(|charset| charset == "utf-8" || charset == "us-ascii");
    let is_text = part.content_type.top_level() == "text" && is_utf8;
    match str::from_utf8(&part.content) {
        Ok(text) if is_text => {
            let mut field = content_type(&part.content_type);
            if charset.is_none() && !text.is_ascii() {
                // Without it, it would be taken for US-ASCII (RFC 2046
                // section 4.1.2).
                field = field.parameter("charset", "utf-8");
            }
            SinglePart::builder()
                .header(Encoded(field.into_value(CONTENT_TYPE)))
                .body(body::text(text))
        }
        _ => {
            let (field, body) = opaque(&part.content_type, &part.content);
            SinglePart::builder()
                .header(Encoded(field.into_value(CONTENT_TYPE)))
                .body(body)
        }
    }
}

fn attachment(file: &Attachment) -> SinglePart {
    let (field, body) = opaque(&file.content_type, &file.content);
    let disposition = match &file.content_id {
        Some(_) => "inline",
        None => "attachment",
    };
    let mut disposition = Field::new("Content-Disposition").word(disposition);
    if !file.filename.as_str().is_empty() {
        disposition = disposition.parameter("filename", file.filename.as_str());
    }
    let mut part = SinglePart::builder()
        .header(Encoded(field.into_value(CONTENT_TYPE)))
        .header(Encoded(disposition.into_value(CONTENT_DISPOSITION)));
    if let Some(id) = &file.content_id {
        let id = Field::new("Content-ID").word(&format!("<{}>", id.as_str()));
        part = part.header(Encoded(id.into_value(CONTENT_ID)));
    }
    part.body(body)
}

/// Content that must come back octet by octet, and what it is to be called.
fn opaque<'a>(media_type: &MediaType, content: &[u8]) -> (Field<'a>, Body) {
    if media_type.top_level() != "message" {
        return (content_type(media_type), body::octets(content));
    }
    // Messages in messages may not be encoded (RFC 2046 section 5.2), and
    // readers take them apart without decoding. One that cannot go as it is
    // goes as a file.
    match body::unencoded(content) {
        Some(body) => (content_type(media_type), body),
        None => (
            content_type(&MediaType::OCTET_STREAM),
            body::octets(content),
        ),
    }
}

fn content_type<'a>(media_type: &MediaType) -> Field<'a> {
    media_type.parameters().fold(
        Field::new("Content-Type").word(media_type.essence()),
        |field, (name, value)| field.parameter(name, value),
    )
}

fn parameter<'a>(media_type: &'a MediaType, name: &str) -> Option<&'a str> {
    media_type
        .parameters()
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// A field that is encoded already. lettre's part builder takes typed fields
/// alone, and asks them for nothing but `display`.
#[derive(Clone)]
struct Encoded(HeaderValue);

impl Header for Encoded {
    fn name() -> HeaderName {
        CONTENT_TYPE
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(HeaderValue::new(Self::name(), text.to_owned())))
    }

    fn display(&self) -> HeaderValue {
        self.0.clone()
    }
}
