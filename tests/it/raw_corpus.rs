//! Odd messages in `tests/data/raw`. Nearly all are legal; each is named after
//! what is odd. They must come through as they are, but for line ends.

#![expect(
    clippy::unwrap_used,
    reason = "a test may panic outside its function too"
)]

use std::fs;

use posthaste::{
    api::client::pb::{Envelope, Mail, TlsMode, mail::Content},
    testrelay::{TestRelay, ca::Ca},
};

use crate::service::{Service, mail_through, request};

/// A message of the corpus.
pub(crate) struct Odd {
    pub(crate) name: String,
    /// As it is in the file.
    pub(crate) given: Vec<u8>,
    /// As it must arrive.
    pub(crate) expected: Vec<u8>,
}

pub(crate) fn corpus() -> Vec<Odd> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/raw");
    let mut corpus: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let given = fs::read(&path).unwrap();
            Odd {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                expected: canonical(&given),
                given,
            }
        })
        .collect();
    corpus.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(corpus.len() >= 61, "{}", corpus.len());
    corpus
}

/// Each line end as CRLF, and one at the end: octet by octet, so that it shares
/// no thought with the service.
fn canonical(given: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = 0;
    for &octet in given {
        match octet {
            b'\n' if last == b'\r' => {}
            b'\r' | b'\n' => out.extend(b"\r\n"),
            _ => out.push(octet),
        }
        last = octet;
    }
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

#[tokio::test]
async fn odd_mails_reach_a_relay_unchanged() {
    let ca = Ca::new("Test CA");
    let service = Service::for_custom_relays(&ca.pem()).await;
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let relay = relay.start().await.unwrap();
    for (number, odd) in corpus().into_iter().enumerate() {
        let mail = Mail {
            content: Some(Content::Raw(odd.given.into())),
            envelope: Some(Envelope {
                mail_from: Some("ada@example.org".into()),
                rcpt_to: vec!["box@example.com".into()],
            }),
            ..mail_through(relay.port(), TlsMode::Starttls, &[])
        };
        let sent = service.send(request(mail)).await;
        let sent = sent.unwrap_or_else(|error| panic!("{}: {error:?}", odd.name));
        assert_eq!(sent.size_bytes, odd.expected.len() as u64, "{}", odd.name);
        let mails = relay.wait_for_mails(number + 1).await.unwrap();
        let arrived = &mails.last().unwrap().bytes;
        assert!(
            arrived == &odd.expected,
            "{}: {}\nis not\n{}",
            odd.name,
            arrived.escape_ascii(),
            odd.expected.escape_ascii()
        );
    }
}
