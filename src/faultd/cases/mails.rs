//! The transaction: a fault at each command, and what a mail may need.

use super::{faulty, secure};
use crate::{
    faultd::case::{Case, Need},
    report::{
        Reason,
        Stage::{self, Data, EndOfData, MailFrom, RcptTo},
        TlsMode::Implicit,
    },
    testrelay::{Answer, Script, Step},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = refusals();
    cases.extend(losses());
    cases.extend(needs());
    cases
}

fn case(
    name: &str,
    about: &'static str,
    stage: Stage,
    reason: Reason,
    step: Step,
    answer: Answer,
) -> Case {
    let told = (stage, reason);
    Case::fails(Implicit, name, about, told, faulty(step, answer))
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn refusals() -> Vec<Case> {
    let mut cases = Vec::new();
    for (stage, step, rows) in [
        (
            MailFrom,
            Step::AnyMail,
            [
                (
                    "mail-451",
                    "puts off the sender",
                    "451 4.3.0 try again later",
                    Reason::Deferred,
                ),
                (
                    "mail-550",
                    "refuses the sender",
                    "550 5.7.1 sender rejected",
                    Reason::SenderRejected,
                ),
                (
                    "mail-552",
                    "finds the mail too large at MAIL",
                    "552 5.3.4 message too big",
                    Reason::MessageTooLarge,
                ),
                (
                    "mail-421",
                    "leaves at MAIL with 421",
                    "421 4.7.0 rate limit exceeded",
                    Reason::RelayClosing,
                ),
            ],
        ),
        (
            RcptTo,
            Step::AnyRcpt,
            [
                (
                    "rcpt-450",
                    "puts off the recipient, as greylisting does",
                    "450 4.7.1 greylisted, try again later",
                    Reason::Deferred,
                ),
                (
                    "rcpt-452",
                    "puts off the recipient, whose mailbox is full",
                    "452 4.2.2 mailbox full",
                    Reason::Deferred,
                ),
                (
                    "rcpt-550",
                    "refuses the recipient",
                    "550 5.1.1 no such user",
                    Reason::RecipientsRejected,
                ),
                (
                    "rcpt-421",
                    "leaves at RCPT with 421",
                    "421 4.7.0 rate limit exceeded",
                    Reason::RelayClosing,
                ),
            ],
        ),
        (
            Data,
            Step::Data,
            [
                (
                    "data-451",
                    "puts off DATA",
                    "451 4.3.0 try again later",
                    Reason::Deferred,
                ),
                (
                    "data-452",
                    "has no room for the message",
                    "452 4.3.1 insufficient system storage",
                    Reason::Deferred,
                ),
                (
                    "data-554",
                    "refuses DATA",
                    "554 5.5.1 no valid recipients",
                    Reason::MessageRejected,
                ),
                (
                    "data-421",
                    "leaves at DATA with 421",
                    "421 4.3.2 shutting down",
                    Reason::RelayClosing,
                ),
            ],
        ),
        (
            EndOfData,
            Step::EndOfData,
            [
                (
                    "end-451",
                    "puts off the message when it is there",
                    "451 4.3.0 try again later",
                    Reason::Deferred,
                ),
                (
                    "end-552",
                    "finds the message too large when it is there",
                    "552 5.3.4 message too big",
                    Reason::MessageTooLarge,
                ),
                (
                    "end-554",
                    "refuses the message as spam when it is there",
                    "554 5.7.1 message rejected as spam",
                    Reason::MessageRejected,
                ),
                (
                    "end-421",
                    "leaves with 421 when the message is there",
                    "421 4.3.2 shutting down",
                    Reason::RelayClosing,
                ),
            ],
        ),
    ] {
        for (name, about, reply, reason) in rows {
            let mut answer = Answer::reply(reply);
            if reason == Reason::RelayClosing {
                answer = answer.then(Answer::close());
            }
            cases.push(case(name, about, stage, reason, step, answer));
        }
    }
    cases
}

fn losses() -> Vec<Case> {
    let mut cases = Vec::new();
    for (stage, step, names, abouts) in [
        (
            MailFrom,
            Step::AnyMail,
            ["mail-closed", "mail-reset", "mail-stalled", "mail-garbage"],
            [
                "closes the connection at MAIL",
                "resets the connection at MAIL",
                "never answers MAIL",
                "bytes that are no reply to MAIL",
            ],
        ),
        (
            RcptTo,
            Step::AnyRcpt,
            ["rcpt-closed", "rcpt-reset", "rcpt-stalled", "rcpt-garbage"],
            [
                "closes the connection at RCPT",
                "resets the connection at RCPT",
                "never answers RCPT",
                "bytes that are no reply to RCPT",
            ],
        ),
        (
            Data,
            Step::Data,
            ["data-closed", "data-reset", "data-stalled", "data-garbage"],
            [
                "closes the connection at DATA",
                "resets the connection at DATA",
                "never answers DATA",
                "bytes that are no reply to DATA",
            ],
        ),
        (
            EndOfData,
            Step::EndOfData,
            ["end-closed", "end-reset", "end-stalled", "end-garbage"],
            [
                "takes the message and closes the connection without a word",
                "takes the message and resets the connection",
                "takes the message and says nothing",
                "takes the message and sends bytes that are no reply",
            ],
        ),
    ] {
        let [closed, reset, stalled, garbage] = names;
        let [when_closed, when_reset, when_stalled, when_garbage] = abouts;
        let (lost, silent, malformed) = if stage == EndOfData {
            let unknown = Reason::OutcomeUnknown;
            (unknown, unknown, unknown)
        } else {
            (
                Reason::ConnectionLost,
                Reason::ReplyTimeout,
                Reason::ReplyMalformed,
            )
        };
        let case = |name, about, reason, answer| case(name, about, stage, reason, step, answer);
        cases.extend([
            case(closed, when_closed, lost, Answer::close().as_if(250)),
            case(reset, when_reset, lost, Answer::reset().as_if(250)),
            case(stalled, when_stalled, silent, Answer::stall().as_if(250)).until_time_is_up(),
            case(
                garbage,
                when_garbage,
                malformed,
                Answer::garbage().as_if(250),
            ),
        ]);
    }
    cases
}

fn needs() -> Vec<Case> {
    vec![
        Case::fails(
            Implicit,
            "size-1000",
            "takes messages of 1,000 octets at the most, and says so",
            (MailFrom, Reason::MessageTooLarge),
            |pki| secure(pki).extensions(["PIPELINING", "SIZE 1000", "8BITMIME"]),
        )
        .with(Need::LargeMail),
        Case::fails(
            Implicit,
            "no-smtputf8",
            "takes no addresses that are not ASCII",
            (MailFrom, Reason::ExtensionMissing),
            |pki| secure(pki).extensions(["PIPELINING", "SIZE 10485760", "8BITMIME"]),
        )
        .with(Need::NonAsciiMail),
        Case::fails(
            Implicit,
            "bare-smtp",
            "knows no extension at all",
            (MailFrom, Reason::ExtensionMissing),
            |pki| {
                let answer = Answer::reply("250 relay.faultd.example");
                secure(pki).script(Script::new().at(Step::Ehlo, answer))
            },
        )
        .with(Need::NonAsciiMail),
    ]
}
