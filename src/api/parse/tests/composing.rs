//! Generated requests, good and bad: none makes posthaste panic, what is
//! refused is told, and what is accepted always composes into a message with
//! no header field but those asked for.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{mail::Content, mime, smtp::Body};

/// What no field should hold, and some may.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("\r\nBcc: everybody@example.com\r\n\r\n".to_owned()),
        Just("=?utf-8?q?=0D=0ABcc:_a@b.c?=".to_owned()),
        "[\\PC]{0,40}[\r\n\0\u{1b}\u{85}\u{2028}][\\PC]{0,40}",
        "[\"<>()\\[\\]:;@\\\\,. ü]{1,40}",
        (1..3000_usize).prop_map(|len| "ü".repeat(len)),
        (1..3000_usize).prop_map(|len| "x".repeat(len)),
    ]
}

/// Mostly `good`, so that some requests are good throughout.
fn mostly<T: std::fmt::Debug + 'static>(
    good: impl Strategy<Value = T> + 'static,
    bad: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    // Boxed, since the trees of a whole request are too large for a stack.
    prop_oneof![60 => good, 1 => bad].boxed()
}

fn emails() -> BoxedStrategy<String> {
    let good = prop_oneof![
        "[a-z][a-z0-9.+_-]{0,20}[a-z]@[a-z]{1,20}\\.example",
        "[a-zäöüß]{1,20}@bücher\\.example",
        "\"[a-z@,:;]{1,20}\"@example\\.com",
        Just("a@[192.0.2.1]".to_owned()),
    ];
    mostly(good, hostile())
}

fn texts(max: usize) -> BoxedStrategy<String> {
    let good = vec(
        any::<char>().prop_filter("controls", |c| !c.is_control()),
        0..=max,
    );
    mostly(good.prop_map(String::from_iter), hostile())
}

fn matching(good: &'static str) -> BoxedStrategy<String> {
    mostly(good.prop_map(String::from), hostile())
}

fn bytes() -> impl Strategy<Value = bytes::Bytes> {
    vec(any::<u8>(), 0..2000).prop_map(bytes::Bytes::from)
}

prop_compose! {
    fn mailboxes()(email in emails(), display_name in texts(256)) -> pb::Address {
        pb::Address { email, display_name }
    }
}

prop_compose! {
    fn parts()(
        content_type in matching("(text/calendar|text/x-amp-html|application/json); a=\"?[a-z ]{1,5}\"?"),
        content in bytes(),
    ) -> pb::BodyPart {
        pb::BodyPart { content_type, content }
    }
}

prop_compose! {
    fn attachments()(
        filename in matching("[\\PC&&[^/\\\\]]{0,80}"),
        content_type in matching("|image/png|application/[a-z]{1,20}"),
        content in bytes(),
        content_id in matching("|[a-z0-9@.]{1,60}"),
    ) -> pb::Attachment {
        pb::Attachment { filename, content_type, content, content_id }
    }
}

prop_compose! {
    fn headers()(name in matching("X-[A-Za-z0-9]{1,60}"), value in texts(900)) -> pb::Header {
        pb::Header { name, value }
    }
}

prop_compose! {
    fn unsubscribes()(
        mailto in matching("mailto:[a-z]{1,20}@[a-z]{1,20}(\\?subject=[a-z%20]{0,200})?"),
        https in matching("https://[a-z]{1,20}/[a-z0-9/?=&]{0,1500}"),
        one_click in any::<bool>(),
    ) -> pb::ListUnsubscribe {
        pb::ListUnsubscribe { mailto, https, one_click }
    }
}

fn dates() -> impl Strategy<Value = prost_types::Timestamp> {
    let good = (-2_208_988_800..=253_402_207_200_i64, 0..1_000_000_000);
    mostly(good, (any::<i64>(), any::<i32>()))
        .prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos })
}

prop_compose! {
    fn people()(
        from_address in mostly(mailboxes().prop_map(Some), Just(None)),
        sender in option::of(mailboxes()),
        reply_to in vec(mailboxes(), 0..3),
        to in vec(mailboxes(), 1..5),
        cc in vec(mailboxes(), 0..3),
        bcc in vec(mailboxes(), 0..3),
    ) -> pb::Message {
        pb::Message { from_address, sender, reply_to, to, cc, bcc, ..pb::Message::default() }
    }
}

prop_compose! {
    fn messages()(
        people in people().boxed(),
        subject in texts(998),
        text in any::<String>(),
        html in any::<String>(),
        alternatives in vec(parts(), 0..3),
        attachments in vec(attachments(), 0..3),
        headers in vec(headers(), 0..3),
        message_id in matching("|[a-z0-9]{1,100}@[a-z0-9.]{1,100}"),
        date in option::of(dates()),
        references in vec(matching("[a-z0-9]{1,100}@[a-z0-9.]{1,100}"), 0..20),
        list_unsubscribe in option::of(unsubscribes()),
    ) -> pb::Message {
        pb::Message {
            subject, text, html, alternatives, attachments, headers, message_id, date,
            in_reply_to: references.clone(),
            references,
            list_unsubscribe,
            ..people
        }
    }
}

fn raws() -> impl Strategy<Value = bytes::Bytes> {
    let good = "([A-Z][a-z]{1,10}: [\\PC]{0,80}(\r\n|\n|\r)){0,4}(\r\n|\n)[\\PC\r\n]{0,200}";
    mostly(good.prop_map(bytes::Bytes::from), bytes())
}

fn contents() -> impl Strategy<Value = pb::mail::Content> {
    prop_oneof![
        4 => messages().boxed().prop_map(pb::mail::Content::Message),
        1 => raws().prop_map(pb::mail::Content::Raw),
    ]
}

prop_compose! {
    fn envelopes()(
        mail_from in option::of(prop_oneof![emails(), Just(String::new())]),
        rcpt_to in vec(emails(), 0..5),
    ) -> pb::Envelope {
        pb::Envelope { mail_from, rcpt_to }
    }
}

prop_compose! {
    fn requests()(
        request_id in matching("|[!-~]{1,128}"),
        content in mostly(contents().prop_map(Some), Just(None)),
        envelope in option::of(envelopes()),
        recipient_policy in mostly(0..=2, any::<i32>()),
        mode in mostly(0..=4, any::<i32>()),
        min_version in mostly(select(vec![0, 4, 5]), any::<i32>()),
        tag in matching("[a-z][a-z0-9_.-]{0,62}"),
    ) -> pb::SendMailRequest {
        pb::SendMailRequest {
            request_id,
            mail: Some(pb::Mail {
                content,
                envelope,
                recipient_policy,
                relay: None,
                tls: Some(pb::TlsOptions { mode, min_version, ..pb::TlsOptions::default() }),
                tags: [(tag, "value".into())].into(),
            }),
            validate_only: false,
        }
    }
}

/// What a composed message keeps to, whatever it is made of.
fn check(body: &Body, fields: &[String]) -> Result<(), TestCaseError> {
    prop_assert!(!body.is_8bit);
    let octets = body.to_vec();
    prop_assert!(octets.ends_with(b"\r\n"));
    let text = std::str::from_utf8(&octets).unwrap();
    prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']));
    prop_assert!(text.split("\r\n").all(|line| line.len() <= 998));
    let (head, content) = text.split_once("\r\n\r\n").unwrap();
    prop_assert!(content.is_ascii());
    prop_assert!(body.needs_smtputf8 || head.is_ascii());
    for line in head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
    {
        let (name, _) = line.split_once(':').unwrap();
        let asked_for = fields.iter().any(|field| field == name);
        prop_assert!(asked_for || OWN.contains(&name), "{name}");
    }
    Ok(())
}

/// The fields that a message sets by itself. Bcc is not among them.
const OWN: [&str; 15] = [
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

proptest! {
    #[test]
    fn what_is_accepted_composes_and_what_is_not_is_told(request in requests()) {
        match parse(request) {
            Ok(SendMail { order, .. }) => {
                prop_assert!((1..=1000).contains(&order.mail.envelope.forward_paths.len()));
                let content = order.mail.content;
                let composed = mime::compose(content.clone());
                if let Content::Message(message) = &content {
                    let fields: Vec<_> = message
                        .headers
                        .iter()
                        .map(|header| header.name.as_str().to_owned())
                        .collect();
                    check(&composed.body, &fields)?;
                }
            }
            Err(violations) => {
                prop_assert!(!violations.first.is_empty());
                for violation in &violations.first {
                    prop_assert!(!violation.field.is_empty());
                    prop_assert!(!violation.description.is_empty());
                    prop_assert!(!violation.reason.is_empty());
                }
                let status = tonic::Status::from(pb::SendError::from(violations));
                prop_assert_eq!(status.code(), tonic::Code::InvalidArgument);
                prop_assert!(status.details().len() <= 4096);
            }
        }
    }
}

#[test]
fn the_generator_makes_good_requests_and_bad_ones() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let accepted = (0..200)
        .filter(|_| parse(requests().new_tree(&mut runner).unwrap().current()).is_ok())
        .count();
    assert!((20..180).contains(&accepted), "{accepted}");
}
