//! A message to compose.

use std::time::SystemTime;

use super::{Path, Violations, list::list, people::People};
use crate::{
    api::pb,
    mail::{
        Attachment, BodyPart, Broken, Date, Header, ListUnsubscribe, MediaType, Message, Reference,
        Rule,
    },
};

const MAX_ALTERNATIVES: usize = 8;
const MAX_ATTACHMENTS: usize = 100;
const MAX_HEADERS: usize = 100;
const MAX_IN_REPLY_TO: usize = 50;
const MAX_REFERENCES: usize = 100;
const MAX_BODY_BYTES: usize = 10_485_760;
const MAX_ATTACHMENT_BYTES: usize = 36_700_160;

/// Parses what a message says beside who it is from and for.
pub(super) fn message(
    violations: &mut Violations,
    path: Path<'_>,
    message: pb::Message,
    people: People,
) -> Option<Message> {
    let v = violations;
    let subject = v.parse(path.field("subject"), &message.subject);
    let text = body(v, path.field("text"), message.text);
    let html = body(v, path.field("html"), message.html);
    let alternatives = list(
        v,
        path.field("alternatives"),
        message.alternatives,
        MAX_ALTERNATIVES,
        body_part,
    );
    let attachments = list(
        v,
        path.field("attachments"),
        message.attachments,
        MAX_ATTACHMENTS,
        attachment,
    );
    let headers = list(
        v,
        path.field("headers"),
        &message.headers,
        MAX_HEADERS,
        header,
    );
    let message_id = v.parse_optional(path.field("message_id"), &message.message_id);
    let date = message
        .date
        .and_then(|time| date(v, path.field("date"), time));
    let in_reply_to = ids(
        v,
        path.field("in_reply_to"),
        &message.in_reply_to,
        MAX_IN_REPLY_TO,
    );
    let references = ids(
        v,
        path.field("references"),
        &message.references,
        MAX_REFERENCES,
    );
    let list_unsubscribe = message
        .list_unsubscribe
        .and_then(|list| list_unsubscribe(v, path.field("list_unsubscribe"), &list));

    Some(Message {
        from: people.from?,
        sender: people.sender,
        reply_to: people.reply_to,
        to: people.to,
        cc: people.cc,
        subject: subject?,
        text,
        html,
        alternatives,
        attachments,
        headers,
        message_id,
        date,
        in_reply_to,
        references,
        list_unsubscribe,
    })
}

fn body(violations: &mut Violations, path: Path<'_>, body: String) -> Option<String> {
    violations.at_most_bytes(path, body.len(), MAX_BODY_BYTES);
    (!body.is_empty()).then_some(body)
}

fn body_part(violations: &mut Violations, path: Path<'_>, part: pb::BodyPart) -> Option<BodyPart> {
    let content_type = violations.parse(path.field("content_type"), &part.content_type);
    violations.at_most_bytes(path.field("content"), part.content.len(), MAX_BODY_BYTES);
    Some(BodyPart {
        content_type: content_type?,
        content: part.content,
    })
}

fn attachment(
    violations: &mut Violations,
    path: Path<'_>,
    attachment: pb::Attachment,
) -> Option<Attachment> {
    let filename = violations.parse(path.field("filename"), &attachment.filename);
    let content_type = if attachment.content_type.is_empty() {
        Some(MediaType::OCTET_STREAM)
    } else {
        violations.parse(path.field("content_type"), &attachment.content_type)
    };
    violations.at_most_bytes(
        path.field("content"),
        attachment.content.len(),
        MAX_ATTACHMENT_BYTES,
    );
    let content_id = violations.parse_optional(path.field("content_id"), &attachment.content_id);
    Some(Attachment {
        filename: filename?,
        content_type: content_type?,
        content: attachment.content,
        content_id,
    })
}

fn header(violations: &mut Violations, path: Path<'_>, header: &pb::Header) -> Option<Header> {
    let name = violations.parse(path.field("name"), &header.name);
    let value = violations.parse(path.field("value"), &header.value);
    Some(Header {
        name: name?,
        value: value?,
    })
}

fn date(violations: &mut Violations, path: Path<'_>, time: prost_types::Timestamp) -> Option<Date> {
    let is_fraction = (0..1_000_000_000).contains(&time.nanos);
    let date = SystemTime::try_from(time)
        .ok()
        .filter(|_| is_fraction)
        .ok_or_else(|| Broken::new(Rule::OutOfRange, "must be a time within its limits"))
        .and_then(Date::try_from);
    violations.keep(path, date)
}

fn ids(violations: &mut Violations, path: Path<'_>, ids: &[String], max: usize) -> Vec<Reference> {
    list(violations, path, ids, max, |violations, path, id| {
        violations.parse(path, id)
    })
}

fn list_unsubscribe(
    violations: &mut Violations,
    path: Path<'_>,
    list: &pb::ListUnsubscribe,
) -> Option<ListUnsubscribe> {
    let mailto = violations.parse_optional(path.field("mailto"), &list.mailto);
    let https = violations.parse_optional(path.field("https"), &list.https);
    let broken = (mailto.is_none() && !list.mailto.is_empty())
        || (https.is_none() && !list.https.is_empty());
    if broken {
        return None;
    }
    violations.keep(path, ListUnsubscribe::new(mailto, https, list.one_click))
}
