//! Relays and middleboxes that do not bear what a ClientHello of today has.
//! Without it, they work.

use rustls::{ProtocolVersion::TLSv1_3, version::TLS12};

use super::secure;
use crate::{
    faultd::case::{Case, in_both},
    report::{Reason, Stage::TlsHandshake, TlsMode::Implicit},
    testrelay::{Answer, ClientHello, Script, Step},
};

/// More than an old middlebox gives a ClientHello.
const SMALL: usize = 512;

type Condition = fn(&ClientHello) -> bool;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let offers_13: Condition = |hello| hello.versions.contains(&TLSv1_3);
    let is_large: Condition = |hello| hello.size > SMALL;
    for (name, about, answer, passive) in [
        (
            "tls13-intolerant",
            "TLS 1.2, and the alert handshake_failure for who offers 1.3 as well",
            Answer::alert(40).then(Answer::close()),
            Reason::HandshakeRefused,
        ),
        (
            "tls13-intolerant-alert-70",
            "TLS 1.2, and the alert protocol_version for who offers 1.3 as well",
            Answer::alert(70).then(Answer::close()),
            Reason::NoCommonVersion,
        ),
        (
            "tls13-intolerant-closed",
            "TLS 1.2, and the connection closed for who offers 1.3 as well",
            Answer::close(),
            Reason::ConnectionClosed,
        ),
        (
            "tls13-intolerant-reset",
            "TLS 1.2, and the connection reset for who offers 1.3 as well",
            Answer::reset(),
            Reason::ConnectionReset,
        ),
    ] {
        let told = Reason::VersionIntolerant;
        cases.extend(both(name, about, told, passive, offers_13, answer));
    }
    for (name, about, answer, passive) in [
        (
            "large-hello-closed",
            "the connection is closed on a ClientHello of more than 512 octets",
            Answer::close(),
            Reason::ConnectionClosed,
        ),
        (
            "large-hello-reset",
            "the connection is reset on a ClientHello of more than 512 octets",
            Answer::reset(),
            Reason::ConnectionReset,
        ),
    ] {
        let told = Reason::HelloTooLarge;
        cases.extend(both(name, about, told, passive, is_large, answer));
    }
    for (name, about, told, condition) in [
        (
            "tls13-intolerant-silent",
            "TLS 1.2, and silence for who offers 1.3 as well",
            Reason::VersionIntolerant,
            offers_13,
        ),
        (
            "large-hello-dropped",
            "a ClientHello of more than 512 octets is dropped on the way",
            Reason::HelloTooLarge,
            is_large,
        ),
    ] {
        let passive = Reason::HandshakeTimeout;
        let silent = both(name, about, told, passive, condition, Answer::stall());
        cases.extend(silent.map(Case::until_time_is_up));
    }
    cases
}

/// A relay that works, unless a ClientHello is as `condition` has it.
fn both(
    name: &str,
    about: &'static str,
    reason: Reason,
    passive: Reason,
    condition: Condition,
    answer: Answer,
) -> [Case; 2] {
    let case = Case::fails(Implicit, name, about, (TlsHandshake, reason), move |pki| {
        let script = Script::new().when_hello(condition, Step::Handshake, answer.clone());
        secure(pki)
            .tls(pki.good().versions(&[&TLS12]))
            .script(script)
    });
    // Behind STARTTLS the relay has spoken before.
    let heard = match passive {
        Reason::ConnectionClosed => Reason::HandshakeClosed,
        Reason::ConnectionReset => Reason::HandshakeReset,
        other => other,
    };
    let [implicit, starttls] = in_both(case);
    [implicit.passively(passive), starttls.passively(heard)]
}
