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

use bytes::Bytes;
use lettre::message::{
    MultiPart, SinglePart, SinglePartBuilder,
    header::{ContentType, Header, HeaderName, HeaderValue},
};

use super::{
    body::{self, Encoded},
    contents::Contents,
    header::Field,
};
use crate::{
    mail::{Attachment, BodyPart, MediaType, Message},
    smtp::Piece,
};

const CONTENT_TYPE: HeaderName = HeaderName::new_from_ascii_str("Content-Type");
const CONTENT_DISPOSITION: HeaderName = HeaderName::new_from_ascii_str("Content-Disposition");
const CONTENT_ID: HeaderName = HeaderName::new_from_ascii_str("Content-ID");

/// The part that is the whole body of `message`, with its header fields.
pub(super) fn pieces(message: Message) -> Vec<Piece> {
    let mut contents = Contents::default();
    match whole(message, &mut contents) {
        Part::Multi(part) => contents.fill_in(part.formatted(), true),
        Part::Single(part) => contents.fill_in(part.formatted(), false),
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

fn whole(message: Message, contents: &mut Contents) -> Part {
    let has_html = message.html.is_some();
    let (images, files): (Vec<_>, Vec<_>) = message
        .attachments
        .into_iter()
        .partition(|file| file.content_id.is_some() && has_html);
    let text = message.text.map(Bytes::from);
    let html = message.html.map(|html| (Bytes::from(html), images));
    let mut mixed = vec![renderings(text, message.alternatives, html, contents)];
    mixed.extend(files.into_iter().map(|file| attachment(file, contents)));
    join(mixed, MultiPart::mixed().build())
}

/// The body, in all its forms. The best one is last (RFC 2046 section 5.1.4).
fn renderings(
    text: Option<Bytes>,
    others: Vec<BodyPart>,
    html: Option<(Bytes, Vec<Attachment>)>,
    contents: &mut Contents,
) -> Part {
    // Many readers show the last part that they know. AMP is for those that
    // look for it, and HTML must stay the one that all others find.
    let (before, after): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|part| part.content_type.essence() == "text/x-amp-html");
    let mut parts = Vec::new();
    if let Some(text) = text {
        parts.push(text_part(ContentType::TEXT_PLAIN, text, contents));
    }
    parts.extend(before.into_iter().map(|part| rendering(part, contents)));
    if let Some((html, images)) = html {
        parts.push(with_images(html, images, contents));
    }
    parts.extend(after.into_iter().map(|part| rendering(part, contents)));
    if parts.is_empty() {
        parts.push(text_part(ContentType::TEXT_PLAIN, Bytes::new(), contents));
    }
    join(parts, MultiPart::alternative().build())
}

fn with_images(html: Bytes, images: Vec<Attachment>, contents: &mut Contents) -> Part {
    let mut related = MultiPart::related().build();
    // RFC 2387 section 3.1 requires the root's type, and lettre leaves it out.
    let content_type = format!(
        "multipart/related; type=\"text/html\"; boundary=\"{}\"",
        related.boundary()
    );
    related
        .headers_mut()
        .insert_raw(HeaderValue::new(CONTENT_TYPE, content_type));
    let mut parts = vec![text_part(ContentType::TEXT_HTML, html, contents)];
    parts.extend(images.into_iter().map(|image| attachment(image, contents)));
    join(parts, related)
}

fn text_part(content_type: ContentType, text: Bytes, contents: &mut Contents) -> Part {
    let builder = SinglePart::builder().content_type(content_type);
    Part::Single(contents.part(builder, body::text(text)))
}

fn rendering(part: BodyPart, contents: &mut Contents) -> Part {
    let charset = parameter(&part.content_type, "charset");
    let is_utf8 = charset.is_none_or(|charset| charset == "utf-8" || charset == "us-ascii");
    let is_text = part.content_type.top_level() == "text" && is_utf8;
    let (field, content) = if is_text && str::from_utf8(&part.content).is_ok() {
        let mut field = content_type(&part.content_type);
        if charset.is_none() && !part.content.is_ascii() {
            // Without it, it would be taken for US-ASCII (RFC 2046 section
            // 4.1.2).
            field = field.parameter("charset", "utf-8");
        }
        (field, body::text(part.content))
    } else {
        opaque(&part.content_type, part.content)
    };
    Part::Single(contents.part(typed(field), content))
}

fn attachment(file: Attachment, contents: &mut Contents) -> Part {
    let (field, content) = opaque(&file.content_type, file.content);
    let disposition = match &file.content_id {
        Some(_) => "inline",
        None => "attachment",
    };
    let mut disposition = Field::new("Content-Disposition").word(disposition);
    if !file.filename.as_str().is_empty() {
        disposition = disposition.parameter("filename", file.filename.as_str());
    }
    let mut builder = typed(field).header(Ready(disposition.into_value(CONTENT_DISPOSITION)));
    if let Some(id) = &file.content_id {
        let id = Field::new("Content-ID").word(&format!("<{}>", id.as_str()));
        builder = builder.header(Ready(id.into_value(CONTENT_ID)));
    }
    Part::Single(contents.part(builder, content))
}

/// Content that must come back octet by octet, and what it is to be called.
fn opaque<'a>(media_type: &MediaType, content: Bytes) -> (Field<'a>, Encoded) {
    if media_type.top_level() != "message" {
        return (content_type(media_type), body::octets(content));
    }
    // Messages in messages may not be encoded (RFC 2046 section 5.2), and
    // readers take them apart without decoding. One that cannot go as it is
    // goes as a file.
    match body::unencoded(&content) {
        Some(content) => (content_type(media_type), content),
        None => (
            content_type(&MediaType::OCTET_STREAM),
            body::octets(content),
        ),
    }
}

fn typed(content_type: Field<'_>) -> SinglePartBuilder {
    SinglePart::builder().header(Ready(content_type.into_value(CONTENT_TYPE)))
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
struct Ready(HeaderValue);

impl Header for Ready {
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
