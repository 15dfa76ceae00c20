//! Every limit that the protos state, at it, under it and over it.

use std::collections::BTreeSet;

use super::*;

/// What a limit bounds, by the name of the field in the protos.
struct Limit {
    field: &'static str,
    /// Where a violation of it is told.
    path: &'static str,
    rule: &'static str,
    /// 0 where there is no limit below.
    min: usize,
    max: usize,
    set: fn(&mut pb::SendMailRequest, usize),
}

const fn limit(
    field: &'static str,
    path: &'static str,
    (min, max): (usize, usize),
    set: fn(&mut pb::SendMailRequest, usize),
) -> Limit {
    Limit {
        field,
        path,
        rule: "LENGTH",
        min,
        max,
        set,
    }
}

const fn items(
    field: &'static str,
    path: &'static str,
    max: usize,
    set: fn(&mut pb::SendMailRequest, usize),
) -> Limit {
    Limit {
        field,
        path,
        rule: "TOO_MANY",
        min: 0,
        max,
        set,
    }
}

const LIMITS: &[Limit] = &[
    limit(
        "SendMailRequest.request_id",
        "request_id",
        (0, 128),
        |r, n| {
            r.request_id = text(n);
        },
    ),
    limit("Mail.raw", "mail.raw", (1, 36_700_160), |r, n| {
        *r = raw();
        let line = [b"x".repeat(78), b"\r\n".to_vec()].concat();
        let mut content = line.repeat(n / line.len() + 1);
        content.truncate(n);
        mail(r).content = Some(pb::mail::Content::Raw(content.into()));
    }),
    items("Mail.tags", "mail.tags", 16, |r, n| {
        mail(r).tags = (0..n).map(|i| (format!("k{i}"), text(1))).collect();
    }),
    limit("Mail.tags", "mail.tags[", (1, 63), |r, n| {
        mail(r).tags = [(text(n), text(1))].into();
    }),
    limit("Mail.tags", "mail.tags[\"key\"]", (0, 256), |r, n| {
        mail(r).tags = [("key".into(), "ü".repeat(n))].into();
    }),
    // Empty is the null reverse-path.
    limit(
        "Envelope.mail_from",
        "mail.envelope.mail_from",
        (3, 320),
        |r, n| {
            envelope(r).mail_from = Some(email(n));
        },
    ),
    items("Envelope.rcpt_to", "mail.envelope.rcpt_to", 1000, |r, n| {
        envelope(r).rcpt_to = (0..n).map(|i| format!("r{i}@example.com")).collect();
    }),
    limit(
        "Envelope.rcpt_to",
        "mail.envelope.rcpt_to[0]",
        (3, 320),
        |r, n| {
            envelope(r).rcpt_to = vec![email(n)];
        },
    ),
    limit(
        "Address.email",
        "mail.message.to[0].email",
        (3, 320),
        |r, n| {
            message(r).to = vec![address(&email(n))];
        },
    ),
    limit(
        "Address.display_name",
        "mail.message.to[0].display_name",
        (0, 256),
        |r, n| message(r).to[0].display_name = "ü".repeat(n),
    ),
    items("Message.reply_to", "mail.message.reply_to", 50, |r, n| {
        message(r).reply_to = addresses(n);
    }),
    items("Message.to", "mail.message.to", 1000, |r, n| {
        message(r).to = addresses(n);
    }),
    items("Message.cc", "mail.message.cc", 1000, |r, n| {
        message(r).to.clear();
        message(r).cc = addresses(n);
    }),
    items("Message.bcc", "mail.message.bcc", 1000, |r, n| {
        message(r).to.clear();
        message(r).bcc = addresses(n);
    }),
    // Together.
    items("Message.to", "mail.message", 1000, |r, n| {
        message(r).to = addresses(n / 3);
        message(r).cc = addresses(n / 3);
        message(r).bcc = addresses(n - n / 3 * 2);
    }),
    limit(
        "Message.subject",
        "mail.message.subject",
        (0, 998),
        |r, n| {
            message(r).subject = "ü".repeat(n);
        },
    ),
    limit(
        "Message.text",
        "mail.message.text",
        (0, 10_485_760),
        |r, n| {
            message(r).text = text(n);
        },
    ),
    limit(
        "Message.html",
        "mail.message.html",
        (0, 10_485_760),
        |r, n| {
            message(r).html = text(n);
        },
    ),
    items(
        "Message.alternatives",
        "mail.message.alternatives",
        8,
        |r, n| {
            let part = pb::BodyPart {
                content_type: "text/calendar".into(),
                ..pb::BodyPart::default()
            };
            message(r).alternatives = vec![part; n];
        },
    ),
    items(
        "Message.attachments",
        "mail.message.attachments",
        100,
        |r, n| {
            message(r).attachments = vec![pb::Attachment::default(); n];
        },
    ),
    items("Message.headers", "mail.message.headers", 100, |r, n| {
        let header = pb::Header {
            name: "X-Name".into(),
            value: "value".into(),
        };
        message(r).headers = vec![header; n];
    }),
    limit(
        "Message.message_id",
        "mail.message.message_id",
        (3, 250),
        |r, n| {
            message(r).message_id = id(n);
        },
    ),
    items(
        "Message.in_reply_to",
        "mail.message.in_reply_to",
        50,
        |r, n| {
            message(r).in_reply_to = vec![id(3); n];
        },
    ),
    limit(
        "Message.in_reply_to",
        "mail.message.in_reply_to[0]",
        (3, 250),
        |r, n| message(r).in_reply_to = vec![id(n)],
    ),
    items(
        "Message.references",
        "mail.message.references",
        100,
        |r, n| {
            message(r).references = vec![id(3); n];
        },
    ),
    limit(
        "Message.references",
        "mail.message.references[0]",
        (3, 250),
        |r, n| message(r).references = vec![id(n)],
    ),
    limit(
        "BodyPart.content_type",
        "mail.message.alternatives[0].content_type",
        (3, 255),
        |r, n| part(r).content_type = media_type(n),
    ),
    limit(
        "BodyPart.content",
        "mail.message.alternatives[0].content",
        (0, 10_485_760),
        |r, n| part(r).content = text(n).into(),
    ),
    limit(
        "Attachment.filename",
        "mail.message.attachments[0].filename",
        (0, 255),
        |r, n| attachment(r).filename = "ü".repeat(n),
    ),
    limit(
        "Attachment.content_type",
        "mail.message.attachments[0].content_type",
        (3, 255),
        |r, n| attachment(r).content_type = media_type(n),
    ),
    limit(
        "Attachment.content",
        "mail.message.attachments[0].content",
        (0, 36_700_160),
        |r, n| attachment(r).content = text(n).into(),
    ),
    limit(
        "Attachment.content_id",
        "mail.message.attachments[0].content_id",
        (0, 250),
        |r, n| attachment(r).content_id = text(n),
    ),
    limit(
        "Header.name",
        "mail.message.headers[0].name",
        (1, 76),
        |r, n| {
            header(r).name = text(n);
        },
    ),
    limit(
        "Header.value",
        "mail.message.headers[0].value",
        (0, 4096),
        |r, n| {
            header(r).value = text(n);
        },
    ),
    limit(
        "ListUnsubscribe.mailto",
        "mail.message.list_unsubscribe.mailto",
        (0, 2048),
        |r, n| unsubscribe(r).mailto = uri("mailto:a@b?subject=", n),
    ),
    limit(
        "ListUnsubscribe.https",
        "mail.message.list_unsubscribe.https",
        (0, 2048),
        |r, n| unsubscribe(r).https = uri("https://a/", n),
    ),
    limit("RelayTarget.name", "mail.relay.name", (1, 63), |r, n| {
        mail(r).relay = Some(relay(pb::relay_target::Target::Name(text(n))));
    }),
    limit(
        "CustomRelay.host",
        "mail.relay.custom.host",
        (1, 253),
        |r, n| {
            custom_relay(r).host = host(n);
        },
    ),
    Limit {
        field: "CustomRelay.port",
        path: "mail.relay.custom.port",
        rule: "OUT_OF_RANGE",
        min: 0,
        max: 65_535,
        set: |r, n| custom_relay(r).port = u32::try_from(n).unwrap(),
    },
    limit(
        "PasswordCredentials.username",
        "mail.relay.custom.credentials.password.username",
        (1, 255),
        |r, n| password(r).username = text(n),
    ),
    limit(
        "PasswordCredentials.password",
        "mail.relay.custom.credentials.password.password",
        (1, 1024),
        |r, n| password(r).password = text(n),
    ),
    limit(
        "OAuthCredentials.username",
        "mail.relay.custom.credentials.oauth.username",
        (1, 255),
        |r, n| oauth(r).username = text(n),
    ),
    limit(
        "OAuthCredentials.token",
        "mail.relay.custom.credentials.oauth.token",
        (1, 8192),
        |r, n| oauth(r).token = text(n),
    ),
    limit(
        "TlsOptions.server_name",
        "mail.tls.server_name",
        (0, 253),
        |r, n| {
            tls(r).server_name = host(n);
        },
    ),
    limit(
        "TlsOptions.trust_anchors_pem",
        "mail.tls.trust_anchors_pem",
        (0, 65_536),
        |r, n| {
            tls(r).trust_anchors_pem = format!("{PEM}{}", "\n".repeat(n - PEM.len()));
        },
    ),
    items("TlsOptions.key_pins", "mail.tls.key_pins", 8, |r, n| {
        tls(r).key_pins = vec![PIN.into(); n];
    }),
];

fn text(len: usize) -> String {
    "x".repeat(len)
}

/// An address of `len` bytes, which is none below 3.
fn email(len: usize) -> String {
    match len {
        0..3 => "a@"[..len].to_owned(),
        3..=66 => format!("{}@b", "l".repeat(len - 2)),
        _ => format!("{}@{}", "l".repeat(64), host(len - 65)),
    }
}

/// A host name of `len` bytes.
fn host(len: usize) -> String {
    (0..len)
        .map(|at| if at % 64 == 63 { '.' } else { 'd' })
        .collect()
}

fn addresses(count: usize) -> Vec<pb::Address> {
    (0..count)
        .map(|n| address(&format!("r{n}@example.com")))
        .collect()
}

fn id(len: usize) -> String {
    "a@"[..len.min(2)].to_owned() + &"b".repeat(len.saturating_sub(2))
}

fn media_type(len: usize) -> String {
    "a/"[..len.min(2)].to_owned() + &"b".repeat(len.saturating_sub(2))
}

fn uri(start: &str, len: usize) -> String {
    format!("{start}{}", text(len - start.len()))
}

fn part(request: &mut pb::SendMailRequest) -> &mut pb::BodyPart {
    message(request).alternatives = vec![pb::BodyPart {
        content_type: "text/calendar".into(),
        ..pb::BodyPart::default()
    }];
    &mut message(request).alternatives[0]
}

fn attachment(request: &mut pb::SendMailRequest) -> &mut pb::Attachment {
    message(request).attachments = vec![pb::Attachment::default()];
    &mut message(request).attachments[0]
}

fn header(request: &mut pb::SendMailRequest) -> &mut pb::Header {
    message(request).headers = vec![pb::Header {
        name: "X-Name".into(),
        value: "value".into(),
    }];
    &mut message(request).headers[0]
}

fn unsubscribe(request: &mut pb::SendMailRequest) -> &mut pb::ListUnsubscribe {
    let list = message(request).list_unsubscribe.get_or_insert_default();
    list.mailto = "mailto:a@b".into();
    list.https = "https://a/".into();
    list
}

fn custom_relay(request: &mut pb::SendMailRequest) -> &mut pb::CustomRelay {
    let target = relay(pb::relay_target::Target::Custom(pb::CustomRelay {
        host: "a".into(),
        ..pb::CustomRelay::default()
    }));
    match mail(request).relay.insert(target).target.as_mut() {
        Some(pb::relay_target::Target::Custom(relay)) => relay,
        _ => unreachable!(),
    }
}

fn password(request: &mut pb::SendMailRequest) -> &mut pb::PasswordCredentials {
    let secret = pb::credentials::Secret::Password(pb::PasswordCredentials {
        username: "a".into(),
        password: "a".into(),
    });
    match custom_relay(request)
        .credentials
        .get_or_insert_default()
        .secret
        .insert(secret)
    {
        pb::credentials::Secret::Password(given) => given,
        pb::credentials::Secret::Oauth(_) => unreachable!(),
    }
}

fn oauth(request: &mut pb::SendMailRequest) -> &mut pb::OAuthCredentials {
    let secret = pb::credentials::Secret::Oauth(pb::OAuthCredentials {
        username: "a".into(),
        token: "a".into(),
    });
    match custom_relay(request)
        .credentials
        .get_or_insert_default()
        .secret
        .insert(secret)
    {
        pb::credentials::Secret::Oauth(given) => given,
        pb::credentials::Secret::Password(_) => unreachable!(),
    }
}

#[test]
fn every_limit_holds_at_under_and_over() {
    for limit in LIMITS {
        let told = |n: usize| {
            let mut request = small();
            (limit.set)(&mut request, n);
            broken(request)
        };
        let low = (limit.min > 0).then_some([limit.min, limit.min + 1]);
        for n in low.into_iter().flatten().chain([limit.max - 1, limit.max]) {
            assert_eq!(told(n), [], "{} {n}", limit.field);
        }
        for n in limit.min.checked_sub(1).into_iter().chain([limit.max + 1]) {
            let told = told(n);
            let [(path, rule)] = told.as_slice() else {
                panic!("{} {n}: {told:?}", limit.field);
            };
            assert!(path.starts_with(limit.path), "{} {n}: {path}", limit.field);
            assert_eq!(rule, limit.rule, "{} {n}", limit.field);
        }
    }
}

/// Limits that `values` and `envelopes` test, since they are no lengths.
const OTHERS: [&str; 3] = [
    "Message.date",
    "Message.from_address",
    "SendMailRequest.mail",
];

#[test]
fn no_limit_of_the_protos_is_without_a_test() {
    let protos = [
        include_str!("../../../../proto/posthaste/v1/mail.proto"),
        include_str!("../../../../proto/posthaste/v1/relay.proto"),
        include_str!("../../../../proto/posthaste/v1/mail_service.proto"),
    ];
    let elsewhere = ["SendMailStreamRequest.", "EnqueueMailRequest."];
    let stated: BTreeSet<String> = protos
        .into_iter()
        .flat_map(stated_limits)
        .filter(|field| !elsewhere.iter().any(|message| field.starts_with(message)))
        .collect();
    let tested = LIMITS.iter().map(|limit| limit.field).chain(OTHERS);
    assert_eq!(stated, tested.map(str::to_owned).collect());
}

/// The fields below a comment with `Limits:`.
fn stated_limits(proto: &str) -> Vec<String> {
    let mut message = "";
    let mut limited = false;
    let mut fields = Vec::new();
    for line in proto.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("message ") {
            message = rest.trim_end_matches(" {");
        } else if line.starts_with("//") {
            limited |= line.starts_with("// Limits:");
        } else if let Some((field, _)) = line.split_once(" = ")
            && std::mem::take(&mut limited)
        {
            let name = field.rsplit(' ').next().unwrap();
            fields.push(format!("{message}.{name}"));
        }
    }
    fields
}
