//! From the connection to the end of EHLO.

use super::{bare, faulty};
use crate::{
    faultd::case::{Case, in_both},
    report::{
        Reason,
        Stage::{Connect, Ehlo, Greeting, Starttls as StarttlsStage, TlsHandshake},
        TlsMode::{Implicit, Starttls},
    },
    testrelay::{Answer, Script, Step},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = connections();
    cases.extend(greetings());
    cases.extend(ehlos());
    cases
}

fn connections() -> Vec<Case> {
    vec![
        Case::fails(
            Implicit,
            "closed-at-once",
            "takes the connection and closes it, as a load balancer without relays does",
            (TlsHandshake, Reason::ConnectionClosed),
            faulty(Step::Connect, Answer::close()),
        )
        .or(&[Reason::ConnectionReset, Reason::HandshakeClosed]),
        Case::fails(
            Starttls,
            "starttls-closed-at-once",
            "the same where a greeting is due",
            (Greeting, Reason::ConnectionClosed),
            faulty(Step::Connect, Answer::close()),
        ),
        Case::fails(
            Implicit,
            "reset-at-once",
            "takes the connection and resets it",
            (TlsHandshake, Reason::ConnectionReset),
            faulty(Step::Connect, Answer::reset()),
        )
        .or(&[Reason::HandshakeReset, Reason::ConnectionClosed])
        .or_at(Connect),
        Case::fails(
            Starttls,
            "starttls-reset-at-once",
            "the same where a greeting is due",
            (Greeting, Reason::ConnectionReset),
            faulty(Step::Connect, Answer::reset()),
        )
        .or_at(Connect),
        Case::fails(
            Implicit,
            "closed-after-handshake",
            "closes the connection when TLS is there",
            (Greeting, Reason::ConnectionClosed),
            faulty(Step::Greeting, Answer::close()),
        ),
        Case::fails(
            Starttls,
            "starttls-closed-after-handshake",
            "the same by STARTTLS",
            (Ehlo, Reason::ConnectionClosed),
            faulty(Step::EhloTls, Answer::close()),
        ),
    ]
}

fn greetings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, about, reply, reason) in [
        (
            "greeting-554",
            "refuses the client in its greeting, as one on a block list",
            "554 5.7.1 No service for your address: it is listed",
            Reason::BannerRejected,
        ),
        (
            "greeting-450",
            "puts the client off in its greeting",
            "450 4.3.2 try again later",
            Reason::Deferred,
        ),
        (
            "greeting-421",
            "has too many connections, and says so in its greeting",
            "421 4.7.0 too many connections from your address",
            Reason::RelayClosing,
        ),
    ] {
        let answer = Answer::reply(reply).then(Answer::close());
        cases.extend(in_both(Case::fails(
            Implicit,
            name,
            about,
            (Greeting, reason),
            faulty(Step::Greeting, answer),
        )));
    }
    cases.extend([
        Case::fails(
            Starttls,
            "greeting-never",
            "never greets, nor begins TLS",
            (Greeting, Reason::BannerTimeout),
            faulty(Step::Connect, Answer::stall()),
        )
        .or(&[Reason::TlsOnPlaintextPort])
        .until_time_is_up(),
        Case::fails(
            Implicit,
            "greeting-never-in-tls",
            "never greets, in TLS",
            (Greeting, Reason::BannerTimeout),
            faulty(Step::Greeting, Answer::stall()),
        )
        .until_time_is_up(),
        Case::fails(
            Starttls,
            "greeting-line-of-4-mib",
            "a greeting with a line of 4 MiB",
            (Greeting, Reason::ReplyTooLarge),
            |_| {
                let line = [&b"220 "[..], &vec![b'A'; 4 << 20], b"\r\n"].concat();
                bare().script(Script::new().at(Step::Greeting, Answer::raw(line)))
            },
        )
        .or(&[Reason::ReplyMalformed]),
        Case::fails(
            Starttls,
            "greeting-without-end",
            "a greeting whose lines do not end",
            (Greeting, Reason::ReplyTooLarge),
            faulty(Step::Greeting, Answer::endless_reply()),
        ),
    ]);
    cases
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn ehlos() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, about, answer, reason) in [
        (
            "ehlo-550",
            "refuses the name in EHLO",
            Answer::reply("550 5.7.1 Helo command rejected: need fully-qualified hostname"),
            Reason::EhloRejected,
        ),
        (
            "ehlo-451",
            "puts the client off at EHLO",
            Answer::reply("451 4.3.0 try again later"),
            Reason::Deferred,
        ),
        (
            "ehlo-421",
            "leaves at EHLO with 421",
            Answer::reply("421 4.3.2 shutting down").then(Answer::close()),
            Reason::RelayClosing,
        ),
        (
            "ehlo-closed",
            "closes the connection at EHLO, as relays do that dislike the name",
            Answer::close(),
            Reason::EhloRejected,
        ),
        (
            "ehlo-reset",
            "resets the connection at EHLO",
            Answer::reset(),
            Reason::ConnectionLost,
        ),
        (
            "ehlo-garbage",
            "bytes that are no reply to EHLO",
            Answer::garbage(),
            Reason::ReplyMalformed,
        ),
        (
            "ehlo-of-two-codes",
            "a reply to EHLO whose lines have different codes",
            Answer::reply("250-relay.faultd.example\n251 SIZE"),
            Reason::ReplyMalformed,
        ),
        (
            "ehlo-354",
            "a reply to EHLO that has no place there",
            Answer::reply("354 go ahead"),
            Reason::ReplyMalformed,
        ),
        (
            "ehlo-line-without-end",
            "a line in the reply to EHLO that does not end",
            Answer::endless_line(),
            Reason::ReplyTooLarge,
        ),
        (
            "ehlo-without-end",
            "a reply to EHLO whose lines do not end",
            Answer::endless_reply(),
            Reason::ReplyTooLarge,
        ),
    ] {
        cases.extend(in_both(Case::fails(
            Implicit,
            name,
            about,
            (Ehlo, reason),
            faulty(Step::Ehlo, answer),
        )));
    }
    cases.extend(in_both(
        Case::fails(
            Implicit,
            "ehlo-stalled",
            "never answers EHLO",
            (Ehlo, Reason::ReplyTimeout),
            faulty(Step::Ehlo, Answer::stall()),
        )
        .until_time_is_up(),
    ));
    cases.extend([
        Case::fails(
            Starttls,
            "ehlo-502",
            "knows only HELO, and so no STARTTLS",
            (StarttlsStage, Reason::StarttlsNotOffered),
            |_| {
                let answer = Answer::reply("502 5.5.2 command not recognized");
                bare().script(Script::new().at(Step::Ehlo, answer))
            },
        )
        .or(&[Reason::EhloRejected])
        .or_at(Ehlo),
        Case::fails(
            Starttls,
            "ehlo-twice",
            "answers EHLO twice",
            (StarttlsStage, Reason::ReplyMalformed),
            faulty(Step::Ehlo, Answer::usual().twice()),
        )
        .or(&[Reason::StarttlsInjection, Reason::StarttlsRefused]),
    ]);
    cases
}
