//! STARTTLS, up to where TLS should begin.

use super::{bare, faulty};
use crate::{
    faultd::case::Case,
    report::{
        Reason,
        Stage::{MailFrom, Starttls as StarttlsStage, TlsHandshake},
        TlsMode::{Implicit, Starttls},
    },
    testrelay::{Answer, Script, Step},
};

/// What Cisco's inspection of SMTP makes of a keyword that it does not know.
const OVERWRITTEN: [&str; 3] = ["PIPELINING", "SIZE 10485760", "XXXXXXXA"];

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::fails(
            Starttls,
            "starttls-not-offered",
            "offers no STARTTLS",
            (StarttlsStage, Reason::StarttlsNotOffered),
            |_| bare(),
        ),
        Case::fails(
            Starttls,
            "starttls-overwritten",
            "something on the way overwrites the keyword STARTTLS",
            (StarttlsStage, Reason::StarttlsStripped),
            |_| bare().extensions(OVERWRITTEN),
        )
        .or(&[Reason::StarttlsNotOffered]),
        Case::fails(
            Starttls,
            "starttls-overwritten-greeting",
            "something on the way overwrites the greeting and takes STARTTLS out",
            (StarttlsStage, Reason::StarttlsStripped),
            |_| {
                let greeting = "220 *************************2******200***";
                bare().script(Script::new().at(Step::Greeting, Answer::reply(greeting)))
            },
        )
        .or(&[Reason::StarttlsNotOffered]),
    ];
    for (name, about, answer, reason) in [
        (
            "starttls-454",
            "offers STARTTLS, and has no TLS to offer for the time being",
            Answer::reply("454 4.7.0 TLS not available due to local problem"),
            Reason::StarttlsRefusedTemporary,
        ),
        (
            "starttls-502",
            "offers STARTTLS, and does not know the command",
            Answer::reply("502 5.5.1 command not implemented"),
            Reason::StarttlsRefused,
        ),
        (
            "starttls-554",
            "offers STARTTLS, and refuses it",
            Answer::reply("554 5.7.3 unable to initialize security subsystem"),
            Reason::StarttlsRefused,
        ),
        (
            "starttls-250",
            "answers STARTTLS with 250 instead of 220",
            Answer::reply("250 2.0.0 ok"),
            Reason::StarttlsRefused,
        ),
        (
            "starttls-421",
            "leaves at STARTTLS with 421",
            Answer::reply("421 4.3.0 shutting down").then(Answer::close()),
            Reason::RelayClosing,
        ),
        (
            "starttls-closed",
            "closes the connection at STARTTLS",
            Answer::close(),
            Reason::ConnectionLost,
        ),
        (
            "starttls-reset",
            "resets the connection at STARTTLS",
            Answer::reset(),
            Reason::ConnectionLost,
        ),
        (
            "starttls-garbage",
            "bytes that are no reply to STARTTLS",
            Answer::garbage(),
            Reason::ReplyMalformed,
        ),
        (
            "starttls-injection",
            "plaintext behind the go-ahead, which must not be taken for the relay's",
            Answer::reply("220 2.0.0 go ahead\n250-evil.example\n250 AUTH PLAIN LOGIN"),
            Reason::StarttlsInjection,
        ),
    ] {
        cases.push(Case::fails(
            Starttls,
            name,
            about,
            (StarttlsStage, reason),
            faulty(Step::StartTls, answer),
        ));
    }
    cases.extend([
        Case::fails(
            Starttls,
            "starttls-stalled",
            "never answers STARTTLS",
            (StarttlsStage, Reason::ReplyTimeout),
            faulty(Step::StartTls, Answer::stall()),
        )
        .until_time_is_up(),
        Case::fails(
            Starttls,
            "starttls-in-plaintext",
            "gives the go-ahead, and takes the ClientHello for a command",
            (TlsHandshake, Reason::StarttlsNoTls),
            faulty(
                Step::Handshake,
                Answer::reply("500 5.5.1 command unrecognized").then(Answer::stall()),
            ),
        )
        .or(&[Reason::PlaintextOnTlsPort, Reason::NotTls]),
        Case::fails(
            Implicit,
            "starttls-within-tls",
            "wants STARTTLS in a session that is in TLS, which a proxy takes off before it",
            (MailFrom, Reason::StarttlsRequired),
            faulty(
                Step::AnyMail,
                Answer::reply("530 5.7.0 Must issue a STARTTLS command first"),
            ),
        ),
    ]);
    cases
}
