//! A message to compose.

use std::time::SystemTime;

use super::{Path, Violations, list::list};
use crate::{
    api::pb,
    mail::{
        Address, Attachment, BodyPart, Broken, Date, Header, ListUnsubscribe, Mailbox, MediaType,
        Message, Rule,
    },
};

/// The most recipients of a mail, by whatever field they are named.
pub(super) const MAX_RECIPIENTS: usize = 1000;

const MAX_REPLY_TO: usize = 50;
const MAX_ALTERNATIVES: usize = 8;
const MAX_ATTACHMENTS: usize = 100;
const MAX_HEADERS: usize = 100;
const MAX_IN_REPLY_TO: usize = 50;
const MAX_REFERENCES: usize = 100;
const MAX_BODY_BYTES: usize = 10_485_760;
const MAX_ATTACHMENT_BYTES: usize = 36_700_160;

/// A message, and the addresses that an envelope can be derived from. `None`
/// stands for what broke a rule.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) message: Option<Message>,
    /// Of the sender, else of the author.
    pub(super) reverse_path: Option<Address>,
    /// To, cc and bcc, in that order.
    pub(super) recipients: Vec<Address>,
    /// Whether it named any, good or bad.
    pub(super) has_recipients: bool,
}

/// Parses a message.
pub(super) fn message(violations: &mut Violations, path: Path<'_>, message: pb::Message) -> Parsed {
    let v = violations;
    let lists = [message.to.len(), message.cc.len(), message.bcc.len()];
    let named: usize = lists.iter().sum();
    if named > MAX_RECIPIENTS && lists.iter().all(|len| *len <= MAX_RECIPIENTS) {
        v.breach(
            path,
            Rule::TooMany,
            format!("must not have more than {MAX_RECIPIENTS} in to, cc and bcc together"),
        );
    }
    let from = v
        .require(path.field("from_address"), message.from_address)
        .and_then(|from| mailbox(v, path.field("from_address"), from));
    let has_sender = message.sender.is_some();
    let sender = message
        .sender
        .and_then(|sender| mailbox(v, path.field("sender"), sender));
    let reply_to = list(
        v,
        path.field("reply_to"),
        message.reply_to,
        MAX_REPLY_TO,
        mailbox,
    );
    let to = list(v, path.field("to"), message.to, MAX_RECIPIENTS, mailbox);
    let cc = list(v, path.field("cc"), message.cc, MAX_RECIPIENTS, mailbox);
    let bcc = list(v, path.field("bcc"), message.bcc, MAX_RECIPIENTS, mailbox);
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
        message.headers,
        MAX_HEADERS,
        header,
    );
    let message_id = v.parse_optional(path.field("message_id"), &message.message_id);
    let date = message
        .date
        .and_then(|time| date(v, path.field("date"), time));
    let in_reply_to = list(
        v,
        path.field("in_reply_to"),
        message.in_reply_to,
        MAX_IN_REPLY_TO,
        |v, path, id| v.parse(path, &id),
    );
    let references = list(
        v,
        path.field("references"),
        message.references,
        MAX_REFERENCES,
        |v, path, id| v.parse(path, &id),
    );
    let list_unsubscribe = message
        .list_unsubscribe
        .and_then(|list| list_unsubscribe(v, path.field("list_unsubscribe"), &list));

    let author = if has_sender { &sender } else { &from };
    let reverse_path = author.as_ref().map(|mailbox| mailbox.address.clone());
    let recipients = [&to, &cc, &bcc]
        .into_iter()
        .flatten()
        .map(|mailbox| mailbox.address.clone())
        .collect();
    let message = Option::zip(from, subject).map(|(from, subject)| Message {
        from,
        sender,
        reply_to,
        to,
        cc,
        subject,
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
    });
    Parsed {
        message,
        reverse_path,
        recipients,
        has_recipients: named > 0,
    }
}

fn mailbox(violations: &mut Violations, path: Path<'_>, address: pb::Address) -> Option<Mailbox> {
    let email = violations.parse(path.field("email"), &address.email);
    let display_name = violations.parse(path.field("display_name"), &address.display_name);
    Some(Mailbox {
        address: email?,
        display_name: display_name?,
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

fn header(violations: &mut Violations, path: Path<'_>, header: pb::Header) -> Option<Header> {
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
