//! Generated messages: every field, with whatever text can go wrong.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic outside its function too"
)]

use std::{
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use posthaste::mail::{
    Address, Attachment, BodyPart, Broken, ContentId, Date, DisplayName, FieldBody, FileName,
    Header, HeaderName, HttpsUri, ListUnsubscribe, Mailbox, MailtoUri, MediaType, Message,
    MessageId, Reference, Subject,
};
use proptest::{
    collection::vec,
    option::{of, weighted},
    prelude::*,
    sample::select,
};

/// Text that header fields and readers stumble over.
const ODD: [&str; 48] = [
    "",
    " ",
    "  ",
    "\"",
    "\\",
    "\\\"",
    "'",
    ",",
    ";",
    ":",
    "(",
    ")",
    "(comment)",
    "<",
    ">",
    "@",
    "<a@b.c>",
    "=",
    "?",
    "=?",
    "?=",
    "=?utf-8?q?look-alike?=",
    "=?utf-8?b?bG9vaw==?=",
    "=?x?y",
    "_",
    "=20",
    "%41",
    "%",
    "utf-8''x",
    "a; b=c",
    ".",
    "..",
    "-",
    "é",
    "ß",
    "日本語",
    "😀",
    "👩\u{200d}👩\u{200d}👧",
    "e\u{301}",
    "שלום",
    "\u{202e}abc",
    "\u{a0}",
    "\u{2028}",
    "\u{3000}",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "Content-Type: text/plain",
];

/// One line of text without control characters, of at most `max` characters.
pub(crate) fn line(max: usize) -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        6 => "[A-Za-z0-9]{1,12}",
        2 => select(&ODD[..]).prop_map(str::to_owned),
        1 => any::<char>()
            .prop_filter("controls are refused", |c| !c.is_control())
            .prop_map(String::from),
    ];
    let fragments = |len| {
        vec(
            (fragment.clone(), prop_oneof![3 => Just(" "), 1 => Just("")]),
            len,
        )
    };
    let long = prop_oneof![
        Just("x"),
        Just("é"),
        Just("日"),
        Just("😀"),
        Just("\""),
        Just("=")
    ];
    prop_oneof![
        2 => Just(String::new()),
        3 => "[A-Za-z]{1,10}( [A-Za-z]{1,10}){0,4}",
        6 => fragments(0..8).prop_map(joined),
        1 => fragments(8..60).prop_map(joined),
        1 => (long, 1..2000_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
    .prop_map(move |text| text.chars().take(max).collect())
}

fn joined(fragments: Vec<(String, &str)>) -> String {
    fragments
        .into_iter()
        .map(|(text, space)| text + space)
        .collect()
}

/// The same with a tab in it, now and then.
fn line_with_tabs(max: usize) -> impl Strategy<Value = String> {
    prop_oneof![
        7 => line(max),
        1 => line(max).prop_map(|text| text.replace(' ', "\t")),
    ]
}

fn parsed<T>(text: impl Strategy<Value = String>) -> impl Strategy<Value = T>
where
    T: FromStr<Err = Broken> + std::fmt::Debug,
{
    text.prop_filter_map("not of the form", |text| text.parse().ok())
}

/// Addresses, one in eight of which needs SMTPUTF8.
pub(crate) fn address() -> impl Strategy<Value = Address> {
    let local_part = prop_oneof![
        6 => "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[a-z0-9]{1,9}){0,2}",
        // Not without a special: Python drops quotes that it finds needless.
        1 => "\"[a-z@,;:().\\[\\]]{0,20}[@,;:()\\[\\]]\"",
        1 => "[a-zäöüß日本語]{0,8}[é日]",
        1 => "[a-z]{64}",
    ];
    let domain = prop_oneof![
        6 => "[a-z0-9]{1,10}(\\.[a-z]{2,8}){1,2}",
        1 => Just("bücher.example".to_owned()),
        1 => Just("日本語.example".to_owned()),
        1 => Just("[192.0.2.1]".to_owned()),
        1 => Just("[IPv6:2001:db8::1]".to_owned()),
        1 => "[a-z]{63}(\\.[a-z]{60}){2}",
    ];
    parsed((local_part, domain).prop_map(|(local_part, domain)| format!("{local_part}@{domain}")))
}

/// Mailboxes with and without a display name.
pub(crate) fn mailbox() -> impl Strategy<Value = Mailbox> {
    (
        address(),
        parsed::<DisplayName>(line(DisplayName::MAX_CHARS)),
    )
        .prop_map(|(address, display_name)| Mailbox {
            address,
            display_name,
        })
}

fn mailboxes() -> impl Strategy<Value = Vec<Mailbox>> {
    prop_oneof![
        12 => vec(mailbox(), 0..4),
        1 => vec(mailbox(), 15..30),
    ]
}

/// Bodies with any line ends and any characters.
fn body() -> impl Strategy<Value = String> {
    let end = select(&["\r\n", "\r\n", "\n", "\r", "\n\n", " \r\n", "\t\r\n", ""][..]);
    let odd = select(
        &[
            "\0", "\x7f", "\x0c", "\u{85}", ".", "..", "From me", "--", "=", "=\r\n",
        ][..],
    );
    let text = prop_oneof![4 => line(300), 1 => line(3000), 1 => odd.prop_map(str::to_owned)];
    vec((text, end), 1..12).prop_map(joined)
}

fn media_type() -> impl Strategy<Value = MediaType> {
    let known = select(
        &[
            "application/octet-stream",
            "application/pdf",
            "image/png",
            "image/svg+xml",
            "text/plain",
            "text/plain; charset=iso-8859-1",
            "text/csv; charset=utf-8; header=present",
            "text/html",
            "message/rfc822",
            "message/delivery-status",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ][..],
    );
    prop_oneof![
        3 => parsed(known.prop_map(str::to_owned)),
        1 => parsed("[a-z]{1,9}/[a-z0-9.+-]{1,20}(; [a-z]{1,9}=[A-Za-z0-9._-]{1,20}){0,3}"),
        1 => parsed("application/[a-z]{1,9}; [a-z]{1,9}=\"[ !#-\\[\\]-~]{1,200}\""),
    ]
}

fn content() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        vec(any::<u8>(), 0..2000).prop_map(Bytes::from),
        body().prop_map(Bytes::from),
        body().prop_map(|text| Bytes::from(format!("Subject: inside\r\n\r\n{text}"))),
        "Subject: inside\r\n\r\n([ -~]{0,76}\r\n){0,9}".prop_map(Bytes::from),
    ]
}

fn attachment() -> impl Strategy<Value = Attachment> {
    let content_id = parsed::<ContentId>("[!-;=@-~]{1,20}(@[a-z]{1,200})?");
    (
        parsed::<FileName>(line(FileName::MAX_CHARS).prop_map(|t| t.replace(['/', '\\'], "_"))),
        media_type(),
        content(),
        of(content_id),
    )
        .prop_map(|(filename, content_type, content, content_id)| Attachment {
            filename,
            content_type,
            content,
            content_id,
        })
}

fn alternative() -> impl Strategy<Value = BodyPart> {
    let content_type = select(
        &[
            "text/calendar; method=REQUEST",
            "text/calendar; method=REQUEST; charset=UTF-8",
            "text/x-amp-html",
            "text/markdown; charset=iso-8859-1",
            "application/json",
        ][..],
    );
    let content_type = parsed(content_type.prop_map(str::to_owned));
    (content_type, content()).prop_map(|(content_type, content)| BodyPart {
        content_type,
        content,
    })
}

fn header() -> impl Strategy<Value = Header> {
    let name = prop_oneof![
        4 => "X-[A-Za-z0-9]{1,12}",
        1 => Just("List-Id".to_owned()),
        1 => Just("X-Twice".to_owned()),
        1 => "X-[!-9;-~]{1,74}",
    ];
    let value = prop_oneof![
        7 => line_with_tabs(4096),
        1 => "[a-z]{800,4096}",
        1 => "([!-~]{1,100} ){1,40}",
    ]
    .prop_filter("too long", |value| value.len() <= FieldBody::MAX_BYTES);
    (parsed::<HeaderName>(name), parsed(value)).prop_map(|(name, value)| Header { name, value })
}

fn list_unsubscribe() -> impl Strategy<Value = ListUnsubscribe> {
    // One question mark each: Python takes the field for free text, and would
    // decode a URI with `=?x?q?y?=` in it.
    let mailto = parsed::<MailtoUri>("mailto:[a-z]{1,9}@[a-z]{1,9}(\\?subject=[a-z0-9%]{0,2000})?");
    let https = parsed::<HttpsUri>(
        "https://[a-z]{1,9}\\.example/[a-z/]{0,9}(\\?t=[a-zA-Z0-9/=&_.,;:-]{0,2000})?",
    );
    (of(mailto), of(https), any::<bool>()).prop_filter_map("no way", |(mailto, https, click)| {
        let one_click = click && https.is_some();
        ListUnsubscribe::new(mailto, https, one_click).ok()
    })
}

fn references() -> impl Strategy<Value = Vec<Reference>> {
    // No question marks, for the same reason as in `list_unsubscribe`.
    let id = || parsed("[!-;=@-~]{1,40}@[a-z0-9.-]{1,200}");
    prop_oneof![3 => Just(Vec::new()), 2 => vec(id(), 1..4), 1 => vec(id(), 20..30)]
}

fn date() -> impl Strategy<Value = Date> {
    (Date::MIN_SECOND..=Date::MAX_SECOND).prop_map(|second| {
        let distance = Duration::from_secs(second.unsigned_abs());
        let time = if second < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        };
        Date::try_from(time).unwrap()
    })
}

/// Messages in which any field may be set.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    let message_id = parsed::<MessageId>(
        "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,80}(\\.[a-z]{1,9}){0,3}@[a-z0-9-]{1,40}(\\.[a-z0-9-]{1,30}){0,3}",
    );
    let addressing = (
        mailbox(),
        of(mailbox()),
        mailboxes(),
        mailboxes(),
        mailboxes(),
    );
    let bodies = (
        of(body()),
        of(body()),
        prop_oneof![2 => Just(Vec::new()), 1 => vec(alternative(), 1..4)],
        prop_oneof![1 => Just(Vec::new()), 1 => vec(attachment(), 1..5)],
    );
    let fields = (
        parsed::<Subject>(line_with_tabs(Subject::MAX_CHARS)),
        vec(header(), 0..6),
        of(message_id),
        of(date()),
        references(),
        references(),
        weighted(0.3, list_unsubscribe()),
    );
    (addressing, bodies, fields).prop_map(
        |(
            (from, sender, reply_to, to, cc),
            (text, html, alternatives, attachments),
            (subject, headers, message_id, date, in_reply_to, references, list_unsubscribe),
        )| Message {
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
        },
    )
}
