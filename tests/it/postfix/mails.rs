//! Mails that arrive, and arrive as they were sent.

use bytes::Bytes;
use posthaste::api::pb::{
    Address, Attachment, Envelope, Header, ListUnsubscribe, Mail, Message, TlsMode, TlsVersion,
    mail::Content, recipient_result::State,
};

use super::{
    fixture::Postfix,
    service::{IMPLICIT, STARTTLS, Service, mail},
};

fn address(email: &str, display_name: &str) -> Address {
    Address {
        email: email.into(),
        display_name: display_name.into(),
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|&(name, address)| (name.into(), address.into()))
        .collect()
}

/// Long enough to be folded more than once, and not ASCII throughout.
const SUBJECT: &str = "Ihre Bestellung über 12 Stück „Käse & Brötchen“ ist unterwegs — \
                       お買い上げありがとうございます, und das ist noch nicht alles 🧀";
const HTML: &str = "<p>Grüße <img src=\"cid:logo.1@example.com\"></p>";

fn every_byte() -> Bytes {
    (0..=255).cycle().take(10_000).collect()
}

async fn arrives_whole(relay: &str, mode: TlsMode) {
    let postfix = Postfix::shared();
    let service = Service::start(postfix).await;
    let to = format!("box-whole-{relay}@example.com");
    let cc = format!("box-cc-{relay}@xn--bcher-kva.example");
    let bcc = format!("box-bcc-{relay}@example.com");
    let text = ".a dot first\r\n..\r\n.\r\nGrüße, καλημέρα\r\n";

    let sent = service
        .send(
            relay,
            mail(Message {
                from_address: Some(address("jo@example.com", "Müller, Jürgen \"Jo\"")),
                to: vec![address(&to, "山田 太郎")],
                cc: vec![address(&format!("box-cc-{relay}@bücher.example"), "")],
                bcc: vec![address(&bcc, "Nobody Sees")],
                reply_to: vec![address("a@example.com", "A"), address("b@example.com", "")],
                subject: SUBJECT.into(),
                text: text.into(),
                html: HTML.into(),
                attachments: vec![
                    Attachment {
                        filename: "Übersicht 2026, Teil 1.bin".into(),
                        content: every_byte(),
                        ..Attachment::default()
                    },
                    Attachment {
                        filename: "logo.png".into(),
                        content_type: "image/png".into(),
                        content: Bytes::from_static(b"\x89PNG\r\n\x1a\n\0\xff"),
                        content_id: "logo.1@example.com".into(),
                    },
                ],
                headers: vec![Header {
                    name: "X-Campaign".into(),
                    value: "Frühling ".repeat(30).trim_end().into(),
                }],
                list_unsubscribe: Some(ListUnsubscribe {
                    https: "https://example.com/u/1".into(),
                    one_click: true,
                    ..ListUnsubscribe::default()
                }),
                ..Message::default()
            }),
        )
        .await
        .unwrap();

    assert_eq!((sent.accepted_count, sent.refused_count), (3, 0));
    assert_eq!(sent.reply.as_ref().unwrap().code, 250);
    let session = sent.session.unwrap();
    let tls = session.tls.unwrap();
    assert_eq!(tls.mode(), mode);
    assert_eq!(tls.version(), TlsVersion::TlsVersion13);
    assert_eq!(session.endpoint.unwrap().relay, relay);

    let mail = postfix.delivered(&to).await.parsed;
    assert_eq!(mail.defects, [""; 0]);
    assert_eq!(
        mail.from,
        pairs(&[("Müller, Jürgen \"Jo\"", "jo@example.com")])
    );
    assert_eq!(mail.to, pairs(&[("山田 太郎", &to)]));
    assert_eq!(mail.cc, pairs(&[("", &cc)]));
    assert_eq!(
        mail.reply_to,
        pairs(&[("A", "a@example.com"), ("", "b@example.com")])
    );
    assert_eq!(mail.header("Subject"), SUBJECT);
    assert_eq!(mail.header("Message-ID"), format!("<{}>", sent.message_id));
    assert_eq!(mail.header("X-Campaign"), "Frühling ".repeat(30).trim_end());
    assert_eq!(mail.header("List-Unsubscribe"), "<https://example.com/u/1>");
    assert_eq!(
        mail.header("List-Unsubscribe-Post"),
        "List-Unsubscribe=One-Click"
    );
    assert_eq!(mail.header("Return-Path"), "<jo@example.com>");

    assert_eq!(mail.parts.len(), 4, "{:?}", mail.parts);
    assert_eq!(
        mail.part("text/plain").text().replace("\r\n", "\n"),
        text.replace("\r\n", "\n")
    );
    assert_eq!(mail.part("text/html").text().trim_end(), HTML);
    let file = mail.part("application/octet-stream");
    assert_eq!(file.disposition.as_deref(), Some("attachment"));
    assert_eq!(file.filename.as_deref(), Some("Übersicht 2026, Teil 1.bin"));
    assert_eq!(file.content(), every_byte());
    let image = mail.part("image/png");
    assert_eq!(image.disposition.as_deref(), Some("inline"));
    assert_eq!(image.content_id.as_deref(), Some("<logo.1@example.com>"));
    assert_eq!(image.content(), b"\x89PNG\r\n\x1a\n\0\xff");

    let copy = postfix.delivered(&cc).await;
    assert!(copy.parsed.all("Bcc").is_empty());
    let blind = postfix.delivered(&bcc).await;
    for (mail, whose) in [(&copy, "the copy"), (&blind, "the blind copy")] {
        let sent = String::from_utf8_lossy(&mail.bytes);
        let (_, sent) = sent.split_once("Received:").unwrap();
        assert!(
            !sent.contains("Nobody Sees"),
            "{whose} names a Bcc recipient"
        );
    }
}

#[tokio::test]
async fn arrives_whole_over_starttls() {
    arrives_whole(STARTTLS, TlsMode::Starttls).await;
}

#[tokio::test]
async fn arrives_whole_over_implicit_tls() {
    arrives_whole(IMPLICIT, TlsMode::Implicit).await;
}

async fn smtputf8(relay: &str) {
    let postfix = Postfix::shared();
    let service = Service::start(postfix).await;
    let to = format!("box-δοκιμή-{relay}@example.com");
    let sent = service
        .send(
            relay,
            mail(Message {
                from_address: Some(address("jürgen@example.com", "Jürgen")),
                to: vec![address(&to, "Δοκιμή")],
                subject: "Καλημέρα".into(),
                text: "γειά".into(),
                ..Message::default()
            }),
        )
        .await
        .unwrap();
    assert_eq!(sent.recipients[0].state(), State::Accepted);

    let mail = postfix.delivered(&to).await.parsed;
    assert_eq!(mail.defects, [""; 0]);
    assert_eq!(mail.from, pairs(&[("Jürgen", "jürgen@example.com")]));
    assert_eq!(mail.to, pairs(&[("Δοκιμή", &to)]));
    assert_eq!(mail.header("Subject"), "Καλημέρα");
    assert_eq!(mail.parts[0].text().trim_end(), "γειά");
}

#[tokio::test]
async fn addresses_that_are_not_ascii_over_starttls() {
    smtputf8(STARTTLS).await;
}

#[tokio::test]
async fn addresses_that_are_not_ascii_over_implicit_tls() {
    smtputf8(IMPLICIT).await;
}

/// Lines of dots, 8-bit octets, an empty line at the end, a line of 998.
#[tokio::test]
async fn raw_mail_arrives_octet_by_octet() {
    let postfix = Postfix::shared();
    let service = Service::start(postfix).await;
    let to = "box-raw@example.com";
    let long = "x".repeat(998);
    let raw = format!(
        "From: a@example.com\r\nTo: {to}\r\nMessage-ID: <raw@example.com>\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n\
         .\r\n..\r\n.x\r\nGrüße\r\n{long}\r\n\r\n"
    );
    service
        .send(
            STARTTLS,
            Mail {
                content: Some(Content::Raw(raw.clone().into())),
                envelope: Some(Envelope {
                    mail_from: Some("a@example.com".into()),
                    rcpt_to: vec![to.into()],
                }),
                ..Mail::default()
            },
        )
        .await
        .unwrap();

    let delivered = postfix.delivered(to).await.bytes;
    // A Maildir has the local line ending.
    let raw = raw.replace("\r\n", "\n");
    assert!(
        delivered.ends_with(raw.as_bytes()),
        "{}",
        String::from_utf8_lossy(&delivered)
    );
}

#[tokio::test]
async fn mails_sent_at_the_same_time_do_not_mix() {
    let postfix = Postfix::shared();
    let service = Service::start(postfix).await;
    let recipients: Vec<_> = (0..16)
        .map(|n| format!("box-many-{n}@example.com"))
        .collect();
    let mut sends = tokio::task::JoinSet::new();
    let service = std::sync::Arc::new(service);
    for (n, to) in recipients.iter().enumerate() {
        let service = std::sync::Arc::clone(&service);
        let message = Message {
            from_address: Some(address("a@example.com", "")),
            to: vec![address(to, "")],
            subject: format!("to {to}"),
            text: format!("{n}\r\n").repeat(5_000),
            ..Message::default()
        };
        let relay = [STARTTLS, IMPLICIT][n % 2];
        sends.spawn(async move { service.send(relay, mail(message)).await });
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    for (n, to) in recipients.iter().enumerate() {
        let mail = postfix.delivered(to).await.parsed;
        assert_eq!(mail.header("Subject"), format!("to {to}"));
        assert_eq!(
            mail.parts[0].text().replace("\r\n", "\n").trim_end(),
            format!("{n}\n").repeat(5_000).trim_end()
        );
    }
}
