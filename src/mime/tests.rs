//! Messages of every shape, octet by octet.

use bytes::Bytes;

use super::*;
use crate::mail::{Attachment, BodyPart, Mailbox, Message};

const EXPECTED: &str = include_str!("../../tests/data/composed.txt");

fn mailbox(address: &str) -> Mailbox {
    Mailbox {
        address: address.parse().unwrap(),
        display_name: "\u{c4}da".parse().unwrap(),
    }
}

pub(super) fn message(text: Option<&str>, html: Option<&str>) -> Message {
    Message {
        from: mailbox("from@example.com"),
        sender: None,
        reply_to: Vec::new(),
        to: vec![mailbox("to@example.com")],
        cc: Vec::new(),
        subject: "Hello".parse().unwrap(),
        text: text.map(Into::into),
        html: html.map(Into::into),
        alternatives: Vec::new(),
        attachments: Vec::new(),
        headers: Vec::new(),
        message_id: Some("1@example.com".parse().unwrap()),
        date: Some(std::time::UNIX_EPOCH.try_into().unwrap()),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        list_unsubscribe: None,
    }
}

fn octets(len: usize) -> Bytes {
    (0..=255).cycle().take(len).collect()
}

fn file(content_type: &str, content: impl Into<Bytes>) -> Attachment {
    Attachment {
        filename: "a \u{fc}.bin".parse().unwrap(),
        content_type: content_type.parse().unwrap(),
        content: content.into(),
        content_id: None,
    }
}

fn image(id: &str) -> Attachment {
    Attachment {
        content_id: Some(id.parse().unwrap()),
        ..file("image/png", octets(60))
    }
}

fn part(content_type: &str, content: impl Into<Bytes>) -> BodyPart {
    BodyPart {
        content_type: content_type.parse().unwrap(),
        content: content.into(),
    }
}

/// Messages by what is special about them.
fn shapes() -> Vec<(String, Message)> {
    let mut shapes = Vec::new();
    for (name, text) in [
        ("no line end", "a"),
        ("a line end", "a\n"),
        ("empty lines", "a\n\n\n"),
        ("one empty line", "\n"),
        ("dots", ".\r\n..\r\n.a"),
        ("quoted-printable", "Gr\u{fc}\u{df}e an alle\n"),
        ("base64", "\u{df}\u{df}\n"),
        ("NUL", "a\0bcdef\n"),
    ] {
        shapes.push((format!("text, {name}"), message(Some(text), None)));
        let mut with_file = message(Some(text), None);
        with_file.attachments = vec![file("text/csv", "a,b\n")];
        shapes.push((format!("text and a file, {name}"), with_file));
    }
    shapes.push(("nothing".into(), message(None, None)));
    shapes.push(("html".into(), message(None, Some("<p>a</p>"))));
    shapes.push(("both".into(), message(Some("a\n"), Some("<p>a</p>\n"))));
    for len in [0, 1, 56, 57, 58, 114, 4104, 4105] {
        let mut with_file = message(None, None);
        with_file.attachments = vec![file("application/pdf", octets(len))];
        shapes.push((format!("a file of {len}"), with_file));
    }
    for (name, content) in [
        ("7bit", "A: b\r\n\r\nc\r\n"),
        ("no line end", "A: b\r\n\r\nc"),
        ("8bit", "A: b\r\n\r\n\u{fc}\r\n"),
        ("bare line ends", "A: b\n\nc\n"),
        ("empty", ""),
    ] {
        let mut with_mail = message(Some("a\n"), None);
        with_mail.attachments = vec![file("message/rfc822", content)];
        shapes.push((format!("a mail, {name}"), with_mail));
    }
    let mut only_part = message(None, None);
    only_part.alternatives = vec![part("application/json", "{}")];
    shapes.push(("a part alone".into(), only_part));
    let mut only_mail = message(None, None);
    only_mail.alternatives = vec![part("message/rfc822", "A: b\r\n\r\nc\r\n")];
    shapes.push(("a mail alone".into(), only_mail));
    let mut images = message(None, Some("<img src='cid:1@b'>"));
    images.attachments = vec![image("1@b"), image("2@b")];
    shapes.push(("images".into(), images));
    let mut homeless = message(Some("a"), None);
    homeless.attachments = vec![image("1@b")];
    shapes.push(("an image without html".into(), homeless));
    let mut all = message(Some("Text\n"), Some("<p>\u{fc}</p>\n"));
    all.alternatives = vec![
        part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\n"),
        part("text/x-amp-html", "<p>\u{fc}</p>"),
        part("text/plain; charset=iso-8859-1", &b"\xfc"[..]),
    ];
    all.attachments = vec![
        file("application/pdf", octets(100)),
        image("1@b"),
        file("message/rfc822", "A: b\r\n\r\nc\r\n"),
        file("image/png", octets(3)),
    ];
    shapes.push(("everything".into(), all));
    shapes
}

/// With numbers in place of random boundaries, and line ends for a file.
fn readable(composed: &Composed) -> String {
    let mut text = String::from_utf8(composed.body.to_vec()).unwrap();
    for number in 1.. {
        let Some((_, rest)) = text.split_once("boundary=\"") else {
            break;
        };
        let boundary = rest.split('"').next().unwrap().to_owned();
        text = text
            .replace(
                &format!("boundary=\"{boundary}"),
                &format!("BOUNDARY=\"{number}"),
            )
            .replace(&boundary, &number.to_string());
    }
    let text = text.replace("\r\n", "\n");
    assert!(!text.contains('\r'));
    text
}

#[test]
fn messages_of_every_shape() {
    let composed: String = shapes()
        .into_iter()
        .map(|(name, message)| {
            let composed = compose(Content::Message(Box::new(message)));
            ["=== ", &name, "\n", &readable(&composed)].concat()
        })
        .collect();
    assert_eq!(composed, EXPECTED);
}
