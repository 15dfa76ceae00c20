//! The corpus of odd mails, through real relays.

use posthaste::api::pb::relay_failure::Reason;

use super::{
    fixture::Relay,
    service::{IMPLICIT, STARTTLS, Service, failure, raw_mail},
};
use crate::raw_corpus::corpus;

/// The fields that relays put in front.
const TRACE: [&str; 4] = ["return-path", "x-original-to", "delivered-to", "received"];

pub(super) async fn odd_mails_arrive_unchanged(relay: &Relay) {
    let service = Service::start(relay).await;
    let to = |name: &str| format!("box-odd-{name}@example.com");
    let mut sent = Vec::new();
    for (number, odd) in corpus().into_iter().enumerate() {
        let through = [STARTTLS, IMPLICIT][number % 2];
        let mail = raw_mail(odd.given.clone(), "ada@example.org", &[&to(&odd.name)]);
        let answer = service.send(through, mail).await;
        let header = memchr::memmem::find(&odd.expected, b"\r\n\r\n");
        let header = &odd.expected[..header.unwrap_or(odd.expected.len())];
        if !header.is_ascii() && !relay.kind.offers("SMTPUTF8") {
            let failure = failure(&answer.unwrap_err());
            assert_eq!(failure.reason(), Reason::ExtensionMissing, "{}", odd.name);
            continue;
        }
        answer.unwrap_or_else(|status| panic!("{}: {status:?}", odd.name));
        sent.push(odd);
    }

    let mut changed = Vec::new();
    for odd in sent {
        let delivered = relay.delivered(&to(&odd.name)).await.bytes;
        // A Maildir has the local line ending. No octet is CR otherwise.
        let mut expected = odd.expected;
        expected.retain(|&octet| octet != b'\r');
        if !delivered.strip_suffix(&expected[..]).is_some_and(is_trace) {
            let (delivered, expected) = (delivered.escape_ascii(), expected.escape_ascii());
            println!("{}: {delivered}\n  is not {expected}", odd.name);
            changed.push(odd.name);
        }
    }
    let expected: Vec<_> = relay.kind.changes.iter().map(|&(name, _)| name).collect();
    assert_eq!(changed, expected);
}

fn is_trace(header: &[u8]) -> bool {
    let header = str::from_utf8(header).unwrap();
    header.lines().all(|line| {
        let name = line.split(':').next().unwrap_or_default();
        line.starts_with([' ', '\t']) || TRACE.contains(&name.to_ascii_lowercase().as_str())
    })
}
