//! Handshakes that break off, and TLS that is broken.

use super::{faulty, secure};
use crate::{
    faultd::case::{Case, in_both},
    report::{Reason, Stage::TlsHandshake, TlsMode::Implicit},
    testrelay::{Answer, Step},
};

/// The start of a record with a ServerHello, of which the rest never comes.
const HALF_A_SERVER_HELLO: &[u8] = b"\x16\x03\x03\x00\x50\x02\x00\x00\x4c\x03\x03";
const APPLICATION_DATA: u8 = 23;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, about, answer, at_once, later) in [
        (
            "handshake-closed",
            "closes the connection on a ClientHello",
            Answer::close(),
            Reason::ConnectionClosed,
            Reason::HandshakeClosed,
        ),
        (
            "handshake-reset",
            "resets the connection on a ClientHello",
            Answer::reset(),
            Reason::ConnectionReset,
            Reason::HandshakeReset,
        ),
        (
            "handshake-broken-off",
            "closes the connection in the middle of its ServerHello",
            Answer::raw(HALF_A_SERVER_HELLO).then(Answer::close()),
            Reason::HandshakeClosed,
            Reason::HandshakeClosed,
        ),
        (
            "handshake-cancelled",
            "the alert user_canceled, as a warning, and the end",
            Answer::raw(&b"\x15\x03\x03\x00\x02\x01\x5a"[..]).then(Answer::close()),
            Reason::HandshakeClosed,
            Reason::HandshakeClosed,
        ),
        (
            "handshake-cancelled-open",
            "the alert user_canceled, as a warning, and leaves the connection open",
            Answer::raw(&b"\x15\x03\x03\x00\x02\x01\x5a"[..]).then(Answer::stall()),
            Reason::HandshakeClosed,
            Reason::HandshakeClosed,
        ),
        (
            "handshake-close-notify",
            "the alert close_notify, and leaves the connection open",
            Answer::raw(&b"\x15\x03\x03\x00\x02\x01\x00"[..]).then(Answer::stall()),
            Reason::HandshakeClosed,
            Reason::HandshakeClosed,
        ),
        (
            "nonsense",
            "a record of a handshake, without sense",
            Answer::raw(&b"\x16\x03\x03\x00\x08\x02\x00\x00\x04\xff\xff\xff\xff"[..])
                .then(Answer::close()),
            Reason::ProtocolViolation,
            Reason::ProtocolViolation,
        ),
        (
            "large-record",
            "a record larger than TLS allows",
            Answer::raw([&b"\x16\x03\x03\xff\xff"[..], &vec![0; 0xffff]].concat())
                .then(Answer::close()),
            Reason::ProtocolViolation,
            Reason::ProtocolViolation,
        ),
    ] {
        // On a port for implicit TLS a relay that says nothing has not said
        // anything at all.
        let others = match at_once {
            Reason::ConnectionClosed => &[Reason::HandshakeClosed][..],
            Reason::ConnectionReset => &[Reason::HandshakeReset],
            _ => &[],
        };
        let told = (TlsHandshake, at_once);
        let [implicit, starttls] = in_both(Case::fails(
            Implicit,
            name,
            about,
            told,
            faulty(Step::Handshake, answer),
        ));
        cases.extend([implicit.or(others), starttls.told_as(later)]);
    }
    for (name, about, answer) in [
        (
            "handshake-stalled",
            "never answers the ClientHello",
            Answer::stall(),
        ),
        (
            "handshake-half-stalled",
            "stops in the middle of its ServerHello",
            Answer::raw(HALF_A_SERVER_HELLO).then(Answer::stall()),
        ),
    ] {
        let told = (TlsHandshake, Reason::HandshakeTimeout);
        let relay = faulty(Step::Handshake, answer);
        let both = in_both(Case::fails(Implicit, name, about, told, relay));
        cases.extend(both.map(Case::until_time_is_up));
    }
    cases.extend(in_both(
        Case::fails(
            Implicit,
            "corrupted",
            "one bit of what the relay encrypts is changed on the way",
            (TlsHandshake, Reason::Corrupted),
            |pki| {
                let tls = pki.good().versions(&[&rustls::version::TLS13]);
                secure(pki).tls(tls.tampered(one_bit))
            },
        )
        .or(&[Reason::ProtocolViolation]),
    ));
    cases
}

fn one_bit(record: &mut [u8]) {
    if let [APPLICATION_DATA, _, _, _, _, .., last] = record {
        *last ^= 1;
    }
}
