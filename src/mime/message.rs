//! A message with its header section.

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::{Composed, header::Field, part};
use crate::{
    mail::{Date, HttpsUri, ListUnsubscribe, MailtoUri, Message, Reference},
    smtp::Body,
};

/// RFC 2369 section 2: space inside angle brackets is ignored. It is the only
/// way to keep a long URI within 998 octets a line.
const LONGEST_URI_LINE: usize = 900;

pub(super) fn compose(message: &Message) -> Composed {
    let message_id = match &message.message_id {
        Some(id) => id.as_str().to_owned(),
        None => format!("{}@{}", Uuid::new_v4(), message.from.address.domain()),
    };
    let fields = fields(message, &message_id);
    let mut octets = part::formatted(message);
    let needs_smtputf8 = !fields.is_ascii();
    octets.splice(..0, fields.into_bytes());
    Composed {
        body: Body {
            bytes: octets.into(),
            is_8bit: false,
            needs_smtputf8,
        },
        message_id,
    }
}

/// All header fields but those of the body's outermost part.
fn fields(message: &Message, message_id: &str) -> String {
    let mut fields = String::new();
    let mut add = |field: Field<'_>| fields.push_str(&field.to_string());

    add(date(message.date.unwrap_or_else(Date::now)));
    add(Field::new("From").mailboxes([&message.from]));
    if let Some(sender) = &message.sender {
        add(Field::new("Sender").mailboxes([sender]));
    }
    for (name, mailboxes) in [
        ("Reply-To", &message.reply_to),
        ("To", &message.to),
        ("Cc", &message.cc),
    ] {
        if !mailboxes.is_empty() {
            add(Field::new(name).mailboxes(mailboxes));
        }
    }
    add(Field::new("Message-ID").word(&format!("<{message_id}>")));
    for (name, ids) in [
        ("In-Reply-To", &message.in_reply_to),
        ("References", &message.references),
    ] {
        if !ids.is_empty() {
            add(references(name, ids));
        }
    }
    if !message.subject.as_str().is_empty() {
        add(Field::new("Subject").text(message.subject.as_str()));
    }
    if let Some(unsubscribe) = &message.list_unsubscribe {
        add(list_unsubscribe(unsubscribe));
        if unsubscribe.is_one_click() {
            // RFC 8058 section 3.1.
            add(Field::new("List-Unsubscribe-Post").word("List-Unsubscribe=One-Click"));
        }
    }
    for header in &message.headers {
        add(Field::new(header.name.as_str()).text(header.value.as_str()));
    }
    add(Field::new("MIME-Version").word("1.0"));
    fields
}

/// RFC 5322 section 3.3. lettre's own field panics before 1970.
fn date<'a>(date: Date) -> Field<'a> {
    let time = date.timestamp().to_zoned_datetime(TimeZone::UTC);
    Field::new("Date").word(&time.strftime("%a, %d %b %Y %H:%M:%S %z").to_string())
}

fn references<'a>(name: &'a str, ids: &[Reference]) -> Field<'a> {
    ids.iter().fold(Field::new(name), |field, id| {
        field.word(&format!("<{}>", id.as_str()))
    })
}

fn list_unsubscribe<'a>(unsubscribe: &ListUnsubscribe) -> Field<'a> {
    let mailto = unsubscribe.mailto().map(MailtoUri::as_str);
    let https = unsubscribe.https().map(HttpsUri::as_str);
    let uris: Vec<String> = mailto
        .into_iter()
        .chain(https)
        .map(|uri| format!("<{uri}>"))
        .collect();
    let mut field = Field::new("List-Unsubscribe");
    let list = uris.join(",\n");
    for uri in list.lines() {
        for piece in uri.as_bytes().chunks(LONGEST_URI_LINE) {
            field = field.word(&String::from_utf8_lossy(piece));
        }
    }
    field
}
