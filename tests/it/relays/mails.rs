//! Mails that arrive, and arrive as they were sent.

use bytes::Bytes;
use posthaste::api::pb::{
    Address, Attachment, Header, ListUnsubscribe, Message, TlsMode, TlsVersion,
    recipient_result::State,
    relay_failure::{Acceptance, Reason},
};

use super::{
    fixture::{Relay, SIZE_LIMIT},
    service::{IMPLICIT, STARTTLS, Service, by, failure, mail, raw_mail},
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

/// Relays count the field that they put in front.
const SPARE: usize = 1000;

fn every_byte() -> Bytes {
    (0..=255).cycle().take(10_000).collect()
}

async fn arrives_whole(relay: &Relay, through: &str, mode: TlsMode) {
    let service = Service::start(relay).await;
    let to = format!("box-whole-{through}@example.com");
    let cc = format!("box-cc-{through}@xn--bcher-kva.example");
    let bcc = format!("box-bcc-{through}@example.com");
    let text = ".a dot first\r\n..\r\n.\r\nGrüße, καλημέρα\r\n";

    let sent = service
        .send(
            through,
            mail(Message {
                from_address: Some(address("jo@example.com", "Müller, Jürgen \"Jo\"")),
                to: vec![address(&to, "山田 太郎")],
                cc: vec![address(&format!("box-cc-{through}@bücher.example"), "")],
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
    assert_eq!(session.endpoint.unwrap().relay, through);

    let mail = relay.delivered(&to).await.parsed();
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

    let copy = relay.delivered(&cc).await;
    assert!(copy.parsed().all("Bcc").is_empty());
    let blind = relay.delivered(&bcc).await;
    for (mail, whose) in [(&copy, "the copy"), (&blind, "the blind copy")] {
        let sent = String::from_utf8_lossy(&mail.bytes);
        let (_, sent) = sent.split_once("Received:").unwrap();
        assert!(
            !sent.contains("Nobody Sees"),
            "{whose} names a Bcc recipient"
        );
    }
}

pub(super) async fn arrives_whole_over_starttls(relay: &Relay) {
    arrives_whole(relay, STARTTLS, TlsMode::Starttls).await;
}

pub(super) async fn arrives_whole_over_implicit_tls(relay: &Relay) {
    arrives_whole(relay, IMPLICIT, TlsMode::Implicit).await;
}

async fn smtputf8(relay: &Relay, through: &str) {
    let service = Service::start(relay).await;
    let to = format!("box-δοκιμή-{through}@example.com");
    let message = Message {
        from_address: Some(address("jürgen@example.com", "Jürgen")),
        to: vec![address(&to, "Δοκιμή")],
        subject: "Καλημέρα".into(),
        text: "γειά".into(),
        ..Message::default()
    };
    let answer = service.send(through, mail(message)).await;
    if !relay.kind.offers("SMTPUTF8") {
        let failure = failure(&answer.unwrap_err());
        assert_eq!(failure.reason(), Reason::ExtensionMissing);
        assert_eq!(failure.acceptance(), Acceptance::None);
        return;
    }
    let sent = answer.unwrap();
    assert_eq!(sent.recipients[0].state(), State::Accepted);

    let mail = relay.delivered(&to).await.parsed();
    assert_eq!(mail.defects, [""; 0]);
    assert_eq!(mail.from, pairs(&[("Jürgen", "jürgen@example.com")]));
    assert_eq!(mail.to, pairs(&[("Δοκιμή", &to)]));
    assert_eq!(mail.header("Subject"), "Καλημέρα");
    assert_eq!(mail.parts[0].text().trim_end(), "γειά");
}

pub(super) async fn addresses_that_are_not_ascii_over_starttls(relay: &Relay) {
    smtputf8(relay, STARTTLS).await;
}

pub(super) async fn addresses_that_are_not_ascii_over_implicit_tls(relay: &Relay) {
    smtputf8(relay, IMPLICIT).await;
}

/// Lines of dots, 8-bit octets, an empty line at the end, a line of 998.
pub(super) async fn raw_mail_arrives_octet_by_octet(relay: &Relay) {
    let service = Service::start(relay).await;
    let to = "box-raw@example.com";
    let long = "x".repeat(998);
    let raw = format!(
        "From: a@example.com\r\nTo: {to}\r\nMessage-ID: <raw@example.com>\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n\
         .\r\n..\r\n.x\r\nGrüße\r\n{long}\r\n\r\n"
    );
    service
        .send(STARTTLS, raw_mail(raw.clone(), "a@example.com", &[to]))
        .await
        .unwrap();

    let delivered = relay.delivered(to).await.bytes;
    // A Maildir has the local line ending.
    let raw = raw.replace("\r\n", "\n");
    assert!(
        delivered.ends_with(raw.as_bytes()),
        "{}",
        String::from_utf8_lossy(&delivered)
    );
}

pub(super) async fn a_mail_to_many_arrives_for_each(relay: &Relay) {
    let service = Service::start(relay).await;
    let recipients: Vec<_> = (0..50)
        .map(|number| format!("box-each-{number}@example.com"))
        .collect();
    let to: Vec<_> = recipients.iter().map(String::as_str).collect();
    let raw = "From: a@example.com\r\n\r\nto each\r\n";
    let sent = service
        .send(IMPLICIT, raw_mail(raw, "a@example.com", &to))
        .await
        .unwrap();
    assert_eq!((sent.accepted_count, sent.refused_count), (50, 0));
    for to in to {
        let mail = relay.delivered(to).await.bytes;
        assert!(mail.ends_with(b"\n\nto each\n"));
    }
}

/// Above all, SCRAM against a server side that is not our own.
pub(super) async fn each_mechanism_that_is_offered_logs_in(relay: &Relay) {
    let service = Service::start(relay).await;
    for mechanism in relay.kind.mechanisms() {
        let to = format!("box-{}@example.com", by(mechanism));
        let raw = "From: a@example.com\r\n\r\ntext\r\n";
        let mail = raw_mail(raw, "a@example.com", &[to.as_str()]);
        let sent = service.send(&by(mechanism), mail).await;
        sent.unwrap_or_else(|status| panic!("{mechanism}: {status:?}"));
        relay.delivered(&to).await;
    }
}

/// The null reverse-path, as notices have it (RFC 5321 section 4.5.5).
pub(super) async fn a_mail_from_nobody_arrives(relay: &Relay) {
    let service = Service::start(relay).await;
    let to = "box-null@example.com";
    let raw = "From: a@example.com\r\n\r\ntext\r\n";
    service
        .send(STARTTLS, raw_mail(raw, "", &[to]))
        .await
        .unwrap();
    let mail = relay.delivered(to).await.parsed();
    // OpenSMTPD leaves it out.
    assert!(mail.all("Return-Path").iter().all(|&path| path == "<>"));
}

/// As large as the relay takes: none counts the dots that are stuffed in.
pub(super) async fn the_largest_mail_arrives(relay: &Relay) {
    let service = Service::start(relay).await;
    let to = "box-large@example.com";
    let header = format!("From: a@example.com\r\nTo: {to}\r\n\r\n");
    let line = format!(".{}\r\n", "x".repeat(97));
    let lines = (SIZE_LIMIT - SPARE - header.len()) / line.len();
    let body = line.repeat(lines);
    service
        .send(STARTTLS, raw_mail(header + &body, "a@example.com", &[to]))
        .await
        .unwrap();
    let delivered = relay.delivered(to).await.bytes;
    assert!(delivered.ends_with(body.replace("\r\n", "\n").as_bytes()));
}

pub(super) async fn mails_sent_at_the_same_time_do_not_mix(relay: &Relay) {
    let service = Service::start(relay).await;
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
        let mail = relay.delivered(to).await.bytes;
        let mail = String::from_utf8(mail).unwrap();
        assert!(mail.contains(&format!("\nSubject: to {to}\n")), "{mail}");
        let (_, body) = mail.split_once("\n\n").unwrap();
        assert_eq!(body, format!("{n}\n").repeat(5_000));
    }
}
