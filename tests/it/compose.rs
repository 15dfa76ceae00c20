//! Composed mails, read back by two readers: Python's `email` package and
//! nodemailer's mailparser.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic outside its function too"
)]

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    process::Command,
    sync::LazyLock,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use posthaste::{
    mail::{
        Attachment, BodyPart, Content, ListUnsubscribe, Mailbox, MediaType, Message, Reference,
    },
    mime::{Composed, compose},
};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngSeed, TestRunner},
};
use serde_json::{Value, json};

use crate::strategies;

/// Made once for all tests. `PROPTEST_CASES` makes it more, and
/// `PROPTEST_RNG_SEED` others.
static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(|| {
    let mut config = Config::default();
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    let strategy = strategies::message();
    (0..cases)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
});

fn composed(message: &Message) -> Composed {
    compose(Content::Message(Box::new(message.clone())))
}

#[test]
fn python_reads_what_was_given() {
    let mut python = Command::new("python3");
    python.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/python/parse_folder.py"
    ));
    reads_what_was_given(python, |expected| expected);
}

#[test]
fn mailparser_reads_what_was_given() {
    let mut node = Command::new("node");
    node.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/mailparser/parse_folder.js"
    ));
    // `scripts/test` puts it there.
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/.tools"));
    reads_what_was_given(node, as_mailparser_sees_it);
}

/// Lets `reader` read a folder of mails, and compares what it prints with what
/// was given, field by field.
fn reads_what_was_given(mut reader: Command, sees: fn(Expected) -> Expected) {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = BTreeMap::new();
    for (number, message) in MESSAGES.iter().enumerate() {
        let name = format!("{number:05}");
        let composed = composed(message);
        fs::write(
            folder.path().join(format!("{name}.eml")),
            composed.body.to_vec(),
        )
        .unwrap();
        expected.insert(name, sees(expectation(message, &composed)));
    }

    let output = reader.arg(folder.path()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(read.len(), expected.len());
    let mut wrong = Vec::new();
    for (name, expected) in &expected {
        let read = &read[name];
        if let Some(error) = read.get("error") {
            wrong.push(format!("{name}: {error}"));
            continue;
        }
        for (field, expected) in expected {
            differences(
                &format!("{name} {field}"),
                expected,
                &read[*field],
                &mut wrong,
            );
        }
    }
    if !wrong.is_empty() {
        let kept = folder.keep();
        panic!(
            "{} in {}:\n{}",
            wrong.len(),
            kept.display(),
            wrong[..wrong.len().min(20)].join("\n")
        );
    }
}

fn differences(place: &str, given: &Value, read: &Value, found: &mut Vec<String>) {
    match (given, read) {
        (Value::Array(given), Value::Array(read)) if given.len() == read.len() => {
            for (at, (given, read)) in given.iter().zip(read).enumerate() {
                differences(&format!("{place}[{at}]"), given, read, found);
            }
        }
        (Value::Object(given), Value::Object(read)) if given.keys().eq(read.keys()) => {
            for (key, given) in given {
                differences(&format!("{place}.{key}"), given, &read[key], found);
            }
        }
        _ if given == read => {}
        _ => found.push(format!("{place}:\n  given {given}\n  read  {read}")),
    }
}

/// What a reader must say of a mail, by field.
type Expected = BTreeMap<&'static str, Value>;

/// Without what mailparser's parts cannot tell apart. What they get wrong
/// otherwise is in its reader.
fn as_mailparser_sees_it(mut expected: Expected) -> Expected {
    for field in ["from", "sender", "reply_to", "to", "cc"] {
        for mailbox in expected.get_mut(field).unwrap().as_array_mut().unwrap() {
            // addressparser strips the spaces at the ends of a quoted name.
            mailbox[0] = json!(mailbox[0].as_str().unwrap().trim_matches(' '));
        }
    }
    empty_line_to_nothing(expected.get_mut("body").unwrap());
    expected
}

/// mailsplit reads a part with nothing in it as one empty line.
fn empty_line_to_nothing(body: &mut Value) {
    let parts = body.get_mut("parts").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten() {
        empty_line_to_nothing(part);
        if part.get("content") == Some(&json!(BASE64.encode("\r\n"))) {
            part["content"] = json!("");
        }
    }
}

/// What a reader must say of it, from the message alone.
fn expectation(message: &Message, composed: &Composed) -> Expected {
    let header_names = message.headers.iter().map(|header| header.name.as_str());
    let unsubscribe = message.list_unsubscribe.as_ref();
    let names = [
        ("date", true),
        ("from", true),
        ("sender", message.sender.is_some()),
        ("reply-to", !message.reply_to.is_empty()),
        ("to", !message.to.is_empty()),
        ("cc", !message.cc.is_empty()),
        ("message-id", true),
        ("in-reply-to", !message.in_reply_to.is_empty()),
        ("references", !message.references.is_empty()),
        ("subject", !message.subject.as_str().is_empty()),
        ("list-unsubscribe", unsubscribe.is_some()),
        (
            "list-unsubscribe-post",
            unsubscribe.is_some_and(ListUnsubscribe::is_one_click),
        ),
    ];
    let names: Vec<String> = names
        .into_iter()
        .filter(|&(_, is_there)| is_there)
        .map(|(name, _)| name.to_owned())
        .chain(header_names.map(str::to_lowercase))
        .chain(["mime-version".to_owned()])
        .collect();
    let ids = |ids: &[Reference]| {
        let ids: Vec<_> = ids.iter().map(|id| format!("<{}>", id.as_str())).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    };
    let uris = unsubscribe.map(|unsubscribe| {
        let mailto = unsubscribe
            .mailto()
            .map(|uri| format!("<{}>", uri.as_str()));
        let https = unsubscribe.https().map(|uri| format!("<{}>", uri.as_str()));
        mailto
            .into_iter()
            .chain(https)
            .collect::<Vec<_>>()
            .join(",")
    });
    let mut expected = BTreeMap::from([
        ("fields", json!(names)),
        ("from", mailboxes([&message.from])),
        ("sender", mailboxes(&message.sender)),
        ("reply_to", mailboxes(&message.reply_to)),
        ("to", mailboxes(&message.to)),
        ("cc", mailboxes(&message.cc)),
        ("message_id", json!(format!("<{}>", composed.message_id))),
        ("in_reply_to", json!(ids(&message.in_reply_to))),
        ("references", json!(ids(&message.references))),
        ("list_unsubscribe", json!(uris)),
        (
            "list_unsubscribe_post",
            json!(
                unsubscribe.and_then(|u| u.is_one_click().then_some("List-Unsubscribe=One-Click"))
            ),
        ),
        (
            "headers",
            message
                .headers
                .iter()
                .map(|header| json!([header.name.as_str(), header.value.as_str()]))
                .collect(),
        ),
        ("body", body(message)),
        ("defects", json!([])),
    ]);
    let subject = message.subject.as_str();
    expected.insert("subject", json!((!subject.is_empty()).then_some(subject)));
    if let Some(date) = message.date {
        expected.insert("date", json!(date.timestamp().as_second()));
    }
    if let Some(id) = &message.message_id {
        assert_eq!(composed.message_id, id.as_str());
    }
    expected
}

fn mailboxes<'a>(mailboxes: impl IntoIterator<Item = &'a Mailbox>) -> Value {
    mailboxes
        .into_iter()
        .map(|mailbox| json!([mailbox.display_name.as_str(), mailbox.address.as_str()]))
        .collect()
}

fn body(message: &Message) -> Value {
    let is_amp = |part: &&BodyPart| part.content_type.essence() == "text/x-amp-html";
    let has_html = message.html.is_some();
    let is_image = |file: &&Attachment| file.content_id.is_some() && has_html;
    let files = || message.attachments.iter();

    let text = |subtype: &str, text: &str| {
        let content_type = format!("text/{subtype}; charset=utf-8").parse().unwrap();
        leaf(&content_type, &crlf(text))
    };
    let mut renderings = Vec::new();
    renderings.extend(message.text.iter().map(|content| text("plain", content)));
    renderings.extend(message.alternatives.iter().filter(is_amp).map(rendering));
    renderings.extend(message.html.iter().map(|content| {
        let mut related = vec![text("html", content)];
        related.extend(files().filter(is_image).map(file));
        let mut related = multipart("related", related);
        if related["root"].is_null() && related["parts"].is_array() {
            related["root"] = json!("text/html");
        }
        related
    }));
    renderings.extend(
        message
            .alternatives
            .iter()
            .filter(|part| !is_amp(part))
            .map(rendering),
    );
    if renderings.is_empty() {
        renderings.push(text("plain", ""));
    }
    let mut mixed = vec![multipart("alternative", renderings)];
    mixed.extend(files().filter(|file| !is_image(file)).map(file));
    let mut body = multipart("mixed", mixed);
    if let Some(content) = body["content"].as_str() {
        // The last line of a message ends in CRLF whether or not it did.
        let content = BASE64.decode(content).unwrap();
        let content = content.strip_suffix(b"\r\n").unwrap_or(&content);
        body["content"] = json!(BASE64.encode(content));
    }
    body
}

fn multipart(subtype: &str, mut parts: Vec<Value>) -> Value {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    json!({ "type": format!("multipart/{subtype}"), "root": null, "parts": parts })
}

fn leaf(content_type: &MediaType, content: &[u8]) -> Value {
    json!({
        "type": content_type.essence(),
        "parameters": content_type.parameters().collect::<BTreeMap<_, _>>(),
        "disposition": null,
        "filename": null,
        "content_id": null,
        "content": BASE64.encode(content),
    })
}

/// Text in UTF-8 is text, with canonical line ends and a charset; all else
/// comes back octet by octet.
fn rendering(part: &BodyPart) -> Value {
    let has_charset = |charset| {
        part.content_type
            .parameters()
            .any(|(name, value)| name == "charset" && charset != value)
    };
    match str::from_utf8(&part.content) {
        Ok(text) if part.content_type.top_level() == "text" && !has_charset("utf-8") => {
            let mut leaf = leaf(&part.content_type, &crlf(text));
            if !text.is_ascii() {
                leaf["parameters"]["charset"] = json!("utf-8");
            }
            leaf
        }
        _ => leaf(&part.content_type, &part.content),
    }
}

fn file(file: &Attachment) -> Value {
    let is_message = file.content_type.top_level() == "message";
    let content_type = if is_message && !is_7bit(&file.content) {
        MediaType::OCTET_STREAM
    } else {
        file.content_type.clone()
    };
    let mut leaf = leaf(&content_type, &file.content);
    let id = file.content_id.as_ref();
    let name = file.filename.as_str();
    leaf["disposition"] = json!(if id.is_some() { "inline" } else { "attachment" });
    leaf["filename"] = json!((!name.is_empty()).then_some(name));
    leaf["content_id"] = json!(id.map(|id| format!("<{}>", id.as_str())));
    leaf
}

fn crlf(text: &str) -> Vec<u8> {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    lines.replace('\n', "\r\n").into_bytes()
}

fn is_7bit(content: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(content) else {
        return false;
    };
    crlf(text) == content
        && text.split("\r\n").all(|line| line.len() <= 998)
        && text
            .chars()
            .all(|c| "\t\r\n".contains(c) || matches!(c, ' '..='~'))
}

#[test]
fn every_line_is_within_its_limits() {
    for message in MESSAGES.iter() {
        let has_utf8 = [Some(&message.from), message.sender.as_ref()]
            .into_iter()
            .flatten()
            .chain(
                message
                    .reply_to
                    .iter()
                    .chain(&message.to)
                    .chain(&message.cc),
            )
            .any(|mailbox| mailbox.address.needs_smtputf8());
        let body = composed(message).body;
        assert_eq!(body.needs_smtputf8, has_utf8);
        assert!(!body.is_8bit);
        assert!(body.to_vec().ends_with(b"\r\n"));
        let text = String::from_utf8(body.to_vec()).unwrap();
        let (header, rest) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(header.is_ascii(), !has_utf8);
        assert!(rest.is_ascii());
        for line in text.split("\r\n") {
            assert!(line.len() <= 998, "{line:?}");
            assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        }
        for line in header.split("\r\n") {
            let foldable = line
                .trim_start()
                .split_once(": ")
                .map_or(line, |(_, body)| body);
            assert!(
                line.len() <= 78 || !foldable.trim().contains(' '),
                "{line:?}"
            );
            assert!(!line.trim().is_empty());
        }
    }
}

#[test]
fn fields_that_must_be_unique_are() {
    for message in MESSAGES.iter() {
        let own: HashSet<String> = message
            .headers
            .iter()
            .map(|header| header.name.as_str().to_lowercase())
            .collect();
        let composed = composed(message);
        let text = String::from_utf8(composed.body.to_vec()).unwrap();
        let (header, _) = text.split_once("\r\n\r\n").unwrap();
        let mut seen = HashSet::new();
        for line in header.split("\r\n").filter(|line| !line.starts_with(' ')) {
            let name = line.split_once(':').unwrap().0.to_lowercase();
            assert!(name != "bcc");
            assert!(own.contains(&name) || seen.insert(name.clone()), "{name}");
        }
    }
}
