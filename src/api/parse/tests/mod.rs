//! Tests of whole requests.

mod composing;
mod envelopes;
mod injection;
mod limits;
mod values;

use bytes::{Bytes, BytesMut};

use super::{SendMail, Violations, sha256};
use crate::{api::pb, mime, smtp::Piece};

/// A certificate that may be trusted.
const PEM: &str = "-----BEGIN CERTIFICATE-----
MIIBbjCCAROgAwIBAgIUd/moiiEvqSkoOB1MtaD7qHOJOPAwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBdDAeFw0yNjExMjQwNDA2MzJaFw0zNjExMjEwNDA2MzJaMAwx
CjAIBgNVBAMMAXQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQDh7zK4iwUuTyb
wSaLe5ElO3PYBUTJcqcQ2BW2798Dnkp1n3F24+6DBStuX6e6b6RduB6nHRXkp+4N
UqiWO1yEo1MwUTAdBgNVHQ4EFgQUUl3cHx+zHHGQHPZT5fHKGxx0uRMwHwYDVR0j
BBgwFoAUUl3cHx+zHHGQHPZT5fHKGxx0uRMwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNJADBGAiEAtrbcAftzou4Lf4BLosVM6CTRSmepFGQpBLxux+VjwNAC
IQC47fPiPmlVQddyBIDbtRhEN1aQiDeLhBCzDDjQ0dcrKg==
-----END CERTIFICATE-----
";

/// A key pin.
const PIN: &str = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn address(email: &str) -> pb::Address {
    pb::Address {
        email: email.into(),
        display_name: String::new(),
    }
}

/// The least that a message needs.
fn small_message() -> pb::Message {
    pb::Message {
        from_address: Some(address("from@example.com")),
        to: vec![address("to@example.com")],
        ..pb::Message::default()
    }
}

fn request(content: pb::mail::Content) -> pb::SendMailRequest {
    pb::SendMailRequest {
        mail: Some(pb::Mail {
            content: Some(content),
            ..pb::Mail::default()
        }),
        ..pb::SendMailRequest::default()
    }
}

/// The least that a request needs.
fn small() -> pb::SendMailRequest {
    request(pb::mail::Content::Message(small_message()))
}

/// The least that a request with a raw mail needs.
fn raw() -> pb::SendMailRequest {
    let mut request = request(pb::mail::Content::Raw("Subject: x\r\n\r\nx\r\n".into()));
    mail(&mut request).envelope = Some(pb::Envelope {
        mail_from: Some("from@example.com".into()),
        rcpt_to: vec!["to@example.com".into()],
    });
    request
}

/// Requests that together set every field, good throughout.
fn full() -> Vec<pb::SendMailRequest> {
    let everywhere = pb::SendMailRequest {
        request_id: "id".into(),
        mail: Some(pb::Mail {
            envelope: Some(pb::Envelope {
                mail_from: Some("from@example.com".into()),
                rcpt_to: vec!["a@example.com".into(), "b@example.com".into()],
            }),
            relay: Some(relay(pb::relay_target::Target::Name("primary".into()))),
            tls: Some(pb::TlsOptions {
                mode: pb::TlsMode::Starttls.into(),
                min_version: pb::TlsVersion::TlsVersion12.into(),
                max_version: pb::TlsVersion::TlsVersion13.into(),
                server_name: "mail.example.com".into(),
                trust_anchors_pem: PEM.into(),
                key_pins: vec![PIN.into()],
            }),
            recipient_policy: pb::RecipientPolicy::All.into(),
            tags: [("key".into(), "value".into())].into(),
            content: Some(pb::mail::Content::Message(full_message())),
        }),
        validate_only: false,
    };
    let mut with_password = raw();
    mail(&mut with_password).relay = Some(custom(pb::credentials::Secret::Password(
        pb::PasswordCredentials {
            username: "ada".into(),
            password: "secret".into(),
        },
    )));
    let mut with_token = raw();
    mail(&mut with_token).relay = Some(custom(pb::credentials::Secret::Oauth(
        pb::OAuthCredentials {
            username: "ada".into(),
            token: "secret".into(),
        },
    )));
    vec![everywhere, with_password, with_token]
}

fn full_message() -> pb::Message {
    let named = |email: &str| pb::Address {
        email: email.into(),
        display_name: "Ada Lovelace".into(),
    };
    pb::Message {
        from_address: Some(named("from@example.com")),
        sender: Some(named("sender@example.com")),
        reply_to: vec![named("reply@example.com")],
        to: vec![named("to@example.com")],
        cc: vec![named("cc@example.com")],
        bcc: vec![named("bcc@example.com")],
        subject: "Subject".into(),
        text: "Text".into(),
        html: "<p>Text</p>".into(),
        alternatives: vec![pb::BodyPart {
            content_type: "text/calendar; method=REQUEST".into(),
            content: "BEGIN:VCALENDAR".into(),
        }],
        attachments: vec![pb::Attachment {
            filename: "a.png".into(),
            content_type: "image/png".into(),
            content: "png".into(),
            content_id: "image".into(),
        }],
        headers: vec![pb::Header {
            name: "X-Name".into(),
            value: "value".into(),
        }],
        message_id: "id@example.com".into(),
        date: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        in_reply_to: vec!["a@example.com".into()],
        references: vec!["a@example.com".into()],
        list_unsubscribe: Some(pb::ListUnsubscribe {
            mailto: "mailto:leave@example.com".into(),
            https: "https://example.com/leave".into(),
            one_click: true,
        }),
    }
}

fn relay(target: pb::relay_target::Target) -> pb::RelayTarget {
    pb::RelayTarget {
        target: Some(target),
    }
}

fn custom(secret: pb::credentials::Secret) -> pb::RelayTarget {
    relay(pb::relay_target::Target::Custom(pb::CustomRelay {
        host: "mail.example.com".into(),
        port: 465,
        credentials: Some(pb::Credentials {
            secret: Some(secret),
        }),
    }))
}

fn mail(request: &mut pb::SendMailRequest) -> &mut pb::Mail {
    request.mail.as_mut().unwrap()
}

fn message(request: &mut pb::SendMailRequest) -> &mut pb::Message {
    match mail(request).content.as_mut().unwrap() {
        pb::mail::Content::Message(message) => message,
        pb::mail::Content::Raw(_) => panic!("the mail is raw"),
    }
}

fn envelope(request: &mut pb::SendMailRequest) -> &mut pb::Envelope {
    mail(request).envelope.get_or_insert_default()
}

fn tls(request: &mut pb::SendMailRequest) -> &mut pb::TlsOptions {
    mail(request).tls.get_or_insert_default()
}

fn parse(request: pb::SendMailRequest) -> Result<SendMail, Violations> {
    super::send_mail(request)
}

/// Field and rule of each violation.
fn broken(request: pb::SendMailRequest) -> Vec<(String, String)> {
    parse(request).map_or_else(
        |violations| {
            violations
                .first
                .into_iter()
                .map(|violation| (violation.field, violation.reason))
                .collect()
        },
        |_| Vec::new(),
    )
}

#[test]
fn good_requests_are_parsed() {
    for request in full().into_iter().chain([small(), raw()]) {
        assert_eq!(broken(request), []);
    }
}

#[test]
fn all_violations_are_told_and_the_first_twenty_shown() {
    let mut request = small();
    request.request_id = "a b".into();
    message(&mut request).subject = "a\nb".into();
    message(&mut request).to = vec![address("bad"); 30];
    mail(&mut request).recipient_policy = 99;
    let violations = parse(request).unwrap_err();
    assert_eq!(violations.first.len(), 20);
    assert_eq!(violations.omitted, 13);
    let fields: Vec<_> = violations.first.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(
        fields[..3],
        [
            "request_id",
            "mail.recipient_policy",
            "mail.message.to[0].email"
        ]
    );
    let error = pb::SendError::from(violations);
    assert_eq!(error.metadata["violations_total"], "33");
    assert_eq!(error.violations_omitted, 13);
}

/// As of a request with that ID.
fn print(id: &str, mut request: pb::SendMailRequest) -> [u8; 32] {
    request.request_id = id.into();
    parse(request).unwrap().order.fingerprint
}

#[test]
fn the_fingerprint_is_that_of_the_request_without_its_id() {
    assert_eq!(print("a", small()), print("b", small()));
    let mut other = small();
    message(&mut other).subject = "other".into();
    assert_ne!(print("a", other), print("a", small()));
}

#[test]
fn a_fingerprint_tells_files_apart_and_where_they_are() {
    let file = |content: &[u8]| pb::Attachment {
        content: Bytes::copy_from_slice(content),
        ..pb::Attachment::default()
    };
    let part = |content: &[u8]| pb::BodyPart {
        content_type: "text/calendar".into(),
        content: Bytes::copy_from_slice(content),
    };
    let of = |parts: &[&[u8]], files: &[&[u8]]| {
        let mut request = small();
        let message = message(&mut request);
        message.alternatives = parts.iter().copied().map(part).collect();
        message.attachments = files.iter().copied().map(file).collect();
        print("a", request)
    };
    let stand_in = sha256(b"a");
    let prints = [
        of(&[], &[]),
        of(&[], &[b""]),
        of(&[b""], &[]),
        of(&[], &[b"a"]),
        of(&[b"a"], &[]),
        of(&[], &[&stand_in]),
        of(&[], &[b"a", b"b"]),
        of(&[], &[b"b", b"a"]),
        of(&[], &[b"ab"]),
    ];
    for (n, print) in prints.iter().enumerate() {
        assert!(!prints[..n].contains(print), "{n}");
    }
    assert_eq!(of(&[], &[b"a", b"b"]), prints[6]);
}

/// The octets that a request came in are those that a relay is sent.
#[test]
fn files_are_not_copied() {
    use prost::Message as _;

    let content = Bytes::from("A: b\r\n\r\nc\r\n".repeat(1000));
    let mut composed = small();
    message(&mut composed).attachments = ["application/pdf", "message/rfc822"]
        .map(|content_type| pb::Attachment {
            content_type: content_type.into(),
            content: content.clone(),
            ..pb::Attachment::default()
        })
        .into();
    message(&mut composed).alternatives = ["text/calendar", "application/json"]
        .map(|content_type| pb::BodyPart {
            content_type: content_type.into(),
            content: content.clone(),
        })
        .into();
    let mut raw = small();
    let mail = raw.mail.get_or_insert_default();
    mail.content = Some(pb::mail::Content::Raw(content.clone()));
    mail.envelope = Some(pb::Envelope {
        mail_from: Some(String::new()),
        rcpt_to: vec!["to@example.com".into()],
    });
    for (mut request, files) in [(composed, 4), (raw, 1)] {
        request.request_id = "id".into();
        // As tonic has them.
        let mut octets = BytesMut::from(&request.encode_to_vec()[..]);
        let came = octets.as_ptr_range();
        let request = pb::SendMailRequest::decode(&mut octets).unwrap();
        let order = parse(request).unwrap().order;
        let body = mime::compose(order.mail.content).body;
        let shared = body.pieces().iter().filter(|piece| {
            let (Piece::Octets(octets) | Piece::Base64(octets)) = piece;
            came.contains(&octets.as_ptr()) && octets.len() == content.len()
        });
        assert_eq!(shared.count(), files);
    }
}

#[test]
fn the_order_of_tags_in_the_request_changes_no_fingerprint() {
    use prost::Message as _;

    let tagged = |keys: [&str; 2]| {
        let mut bytes = small().encode_to_vec();
        for key in keys {
            let mut one = pb::SendMailRequest::default();
            one.mail.get_or_insert_default().tags = [(key.into(), "v".into())].into();
            bytes.extend(one.encode_to_vec());
        }
        let request = pb::SendMailRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(request.mail.as_ref().unwrap().tags.len(), 2);
        print("a", request)
    };
    assert_eq!(tagged(["a", "b"]), tagged(["b", "a"]));
}
