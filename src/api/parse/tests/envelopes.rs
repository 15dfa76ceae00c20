//! Where a mail goes.

use super::*;
use crate::mail::Envelope;

fn paths(request: pb::SendMailRequest) -> (Option<String>, Vec<String>) {
    let Envelope {
        reverse_path,
        forward_paths,
    } = parse(request).unwrap().order.mail.envelope;
    (
        reverse_path.map(|path| path.as_str().to_owned()),
        forward_paths
            .iter()
            .map(|path| path.as_str().to_owned())
            .collect(),
    )
}

#[test]
fn it_is_derived_from_the_message_each_address_once() {
    let mut request = small();
    message(&mut request).to = vec![address("a@x.example"), address("b@x.example")];
    message(&mut request).cc = vec![address("a@X.example"), address("c@x.example")];
    message(&mut request).bcc = vec![address("b@x.example"), address("d@x.example")];
    let (from, to) = paths(request.clone());
    assert_eq!(from.as_deref(), Some("from@example.com"));
    assert_eq!(
        to,
        ["a@x.example", "b@x.example", "c@x.example", "d@x.example"]
    );

    message(&mut request).sender = Some(address("sender@example.com"));
    assert_eq!(paths(request).0.as_deref(), Some("sender@example.com"));
}

#[test]
fn each_part_can_be_given_alone() {
    let mut request = small();
    envelope(&mut request).mail_from = Some("bounce@example.com".into());
    let (from, to) = paths(request);
    assert_eq!(from.as_deref(), Some("bounce@example.com"));
    assert_eq!(to, ["to@example.com"]);

    let mut request = small();
    envelope(&mut request).rcpt_to = vec!["other@example.com".into()];
    let (from, to) = paths(request);
    assert_eq!(from.as_deref(), Some("from@example.com"));
    assert_eq!(to, ["other@example.com"]);
}

#[test]
fn an_empty_reverse_path_is_the_null_one() {
    for mut request in [small(), raw()] {
        envelope(&mut request).mail_from = Some(String::new());
        assert_eq!(paths(request).0, None);
    }
}

#[test]
fn a_message_without_recipients_needs_an_envelope() {
    let mut request = small();
    message(&mut request).to.clear();
    let required = ("mail.message.to".into(), "REQUIRED".into());
    assert_eq!(broken(request.clone()), [required]);
    envelope(&mut request).rcpt_to = vec!["to@example.com".into()];
    assert_eq!(broken(request), []);
}

#[test]
fn a_bad_recipient_is_told_once() {
    let mut request = small();
    message(&mut request).to = vec![address("nobody")];
    let syntax = ("mail.message.to[0].email".into(), "SYNTAX".into());
    assert_eq!(broken(request), [syntax]);
}

#[test]
fn a_raw_mail_needs_both_parts() {
    let required = |path: &str| (path.to_owned(), "REQUIRED".to_owned());
    let mut request = raw();
    mail(&mut request).envelope = None;
    assert_eq!(broken(request), [required("mail.envelope")]);
    let mut request = raw();
    envelope(&mut request).mail_from = None;
    assert_eq!(broken(request), [required("mail.envelope.mail_from")]);
    let mut request = raw();
    envelope(&mut request).rcpt_to.clear();
    assert_eq!(broken(request), [required("mail.envelope.rcpt_to")]);
}

#[test]
fn an_address_twice_in_the_envelope_is_refused() {
    let mut request = small();
    envelope(&mut request).rcpt_to = vec![
        "a@x.example".into(),
        "A@x.example".into(),
        "a@X.EXAMPLE".into(),
    ];
    let duplicate = ("mail.envelope.rcpt_to[2]".into(), "DUPLICATE".into());
    assert_eq!(broken(request), [duplicate]);
}
