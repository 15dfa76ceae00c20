//! A message with its header section.

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::{Composed, header::Field, part};
use crate::{
    mail::{Date, HttpsUri, ListUnsubscribe, MailtoUri, Message, Reference},
    smtp::{Body, Piece},
};

/// RFC 2369 section 2: space inside angle brackets is ignored. It is the only
/// way to keep a long URI within 998 octets a line.
const LONGEST_URI_LINE: usize = 900;

pub(super) fn compose(message: Message) -> Composed {
    let message_id = match &message.message_id {
        Some(id) => id.as_str().to_owned(),
        None => format!("{}@{}", Uuid::new_v4(), message.from.address.domain()),
    };
    let fields = fields(&message, &message_id);
    let needs_smtputf8 = !fields.is_ascii();
    let mut pieces = vec![Piece::Octets(fields.into())];
    pieces.extend(part::pieces(message));
    let mut body = Body::new(pieces);
    body.needs_smtputf8 = needs_smtputf8;
    Composed { body, message_id }
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
    let mut field = Field::new("List-Unsubscribe");
    let mut uris = mailto.into_iter().chain(https).peekable();
    while let Some(uri) = uris.next() {
        let comma = if uris.peek().is_some() { "," } else { "" };
        let mut rest = format!("<{uri}>{comma}");
        while rest.len() > LONGEST_URI_LINE {
            let more = rest.split_off(LONGEST_URI_LINE);
            field = field.word(&rest);
            rest = more;
        }
        field = field.word(&rest);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mail::{Content, Mailbox},
        mime,
    };

    fn mailbox(address: &str) -> Mailbox {
        Mailbox {
            address: address.parse().unwrap(),
            display_name: "Ada".parse().unwrap(),
        }
    }

    fn message(from: &str) -> Message {
        Message {
            from: mailbox(from),
            to: vec![mailbox("to@example.com")],
            ..mime::tests::message(Some("Line\n"), None)
        }
    }

    fn composed(message: Message) -> Composed {
        mime::compose(Content::Message(Box::new(message)))
    }

    fn text(composed: &Composed) -> String {
        String::from_utf8(composed.body.to_vec()).unwrap()
    }

    #[test]
    fn a_small_message() {
        let composed = composed(message("from@example.com"));
        assert_eq!(
            text(&composed),
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n\
             From: Ada <from@example.com>\r\n\
             To: Ada <to@example.com>\r\n\
             Message-ID: <1@example.com>\r\n\
             Subject: Hello\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             Line\r\n"
        );
        assert_eq!(composed.message_id, "1@example.com");
        assert!(!composed.body.needs_smtputf8);
    }

    #[test]
    fn a_message_id_is_made_in_the_domain_of_the_author() {
        let message = Message {
            message_id: None,
            ..message("from@b\u{fc}cher.example")
        };
        let (first, second) = (composed(message.clone()), composed(message));
        assert!(first.message_id.ends_with("@xn--bcher-kva.example"));
        assert!(text(&first).contains(&format!("Message-ID: <{}>\r\n", first.message_id)));
        assert_ne!(first.message_id, second.message_id);
    }

    #[test]
    fn only_an_address_makes_it_need_smtputf8() {
        let mut message = message("from@example.com");
        message.subject = "Gr\u{fc}\u{df}e".parse().unwrap();
        message.to[0].display_name = "\u{c4}da".parse().unwrap();
        assert!(!composed(message.clone()).body.needs_smtputf8);
        message.cc = vec![mailbox("\u{e4}da@example.com")];
        let composed = composed(message);
        assert!(composed.body.needs_smtputf8);
        assert!(!composed.body.is_8bit);
        assert!(text(&composed).contains("Cc: Ada <\u{e4}da@example.com>\r\n"));
    }

    #[test]
    fn a_long_uri_is_broken_within_its_brackets() {
        let mut message = message("from@example.com");
        let https = format!("https://example.com/{}", "x".repeat(2028));
        message.list_unsubscribe = Some(
            ListUnsubscribe::new(
                Some("mailto:a@b".parse().unwrap()),
                Some(https.parse().unwrap()),
                true,
            )
            .unwrap(),
        );
        let composed = composed(message);
        let text = text(&composed);
        assert!(text.split("\r\n").all(|line| line.len() <= 998));
        let unfolded = text.replace("\r\n ", "");
        assert!(unfolded.contains(&format!("List-Unsubscribe: <mailto:a@b>,<{https}>\r\n")));
        assert!(text.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    }
}
