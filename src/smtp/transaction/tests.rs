//! Transactions with a relay that answers anything at any point.

use bytes::Bytes;
use tokio::{io::DuplexStream, time::Instant};

mod chunk;
mod discovery;
mod eager;
mod miscounted;

use super::*;
use crate::{
    mail::Address,
    report::{
        Reason,
        RecipientState::{self, Accepted, Deferred, NotSent, Rejected, Unknown},
        TlsMode,
    },
    smtp::fixture::{but, lines, open, plain, seconds, serve, serve_over, session, target, usual},
    testrelay::{Answer, Builder, Script, Step as At},
};

fn envelope(recipients: usize) -> Envelope {
    let address = |n: usize| -> Address { format!("r{n}@example.com").parse().unwrap() };
    Envelope {
        reverse_path: Some("sender@example.com".parse().unwrap()),
        forward_paths: (0..recipients).map(address).collect(),
    }
}

fn body(text: impl Into<Bytes>) -> Body {
    Body::from(text.into())
}

async fn send(
    session: &mut Session<DuplexStream>,
    envelope: &Envelope,
    body: &Body,
) -> Result<Delivered, Box<Error>> {
    send_as(session, envelope, body, RecipientPolicy::Any).await
}

async fn send_as(
    session: &mut Session<DuplexStream>,
    envelope: &Envelope,
    body: &Body,
    policy: RecipientPolicy,
) -> Result<Delivered, Box<Error>> {
    let transaction = Transaction {
        envelope,
        body,
        policy,
    };
    session.send(transaction, &Progress::default()).await
}

/// Gives the mail up after three seconds.
async fn give_up(
    session: &mut Session<DuplexStream>,
    envelope: &Envelope,
    body: &Body,
) -> Box<Error> {
    let progress = Progress::default();
    let transaction = Transaction {
        envelope,
        body,
        policy: RecipientPolicy::Any,
    };
    let (outcome, ()) = tokio::join!(session.send(transaction, &progress), async {
        tokio::time::sleep(seconds(3)).await;
        assert!(progress.abandon());
    });
    outcome.unwrap_err()
}

fn states(recipients: &[RecipientResult]) -> Vec<RecipientState> {
    recipients.iter().map(|r| r.state).collect()
}

const MESSAGE: &str = "Subject: a\r\n\r\n.hidden\r\n";

#[tokio::test]
async fn a_warm_mail_takes_two_round_trips_with_pipelining_and_three_and_the_recipients_without() {
    for recipients in [1, 2, 7] {
        for (relay, turns) in [(usual(), 2), (plain(), 3 + recipients)] {
            let (io, peer) = serve(relay).await;
            let mut session = session(io).await;
            let envelope = envelope(usize::try_from(recipients).unwrap());
            let mut before = peer.relay.counters();
            for is_warm in [false, true] {
                assert!(!is_warm || session.resume());
                let delivered = send(&mut session, &envelope, &body(MESSAGE)).await.unwrap();
                let accepted = vec![Accepted; envelope.forward_paths.len()];
                assert_eq!(states(&delivered.recipients), accepted);
                assert!(session.is_reusable());
                assert_eq!(session.facts().reused, is_warm);
                let counters = peer.relay.counters();
                assert_eq!((counters - before).turns, turns);
                before = counters;
            }
            for mail in peer.relay.mails() {
                assert_eq!(mail.text(), MESSAGE);
            }
            assert_eq!(before.mails, 2);
        }
    }
}

#[tokio::test]
async fn mail_says_what_the_relay_takes_and_the_mail_needs() {
    let (io, peer) = serve(usual()).await;
    let mut session = session(io).await;
    let mut eight_bit = body("ä\r\n");
    eight_bit.is_8bit = true;
    let mut utf8 = envelope(1);
    utf8.forward_paths.push("ü@example.com".parse().unwrap());
    utf8.reverse_path = None;
    let mut header = body("A: ä\r\n\r\n");
    header.needs_smtputf8 = true;
    send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap();
    send(&mut session, &envelope(1), &eight_bit).await.unwrap();
    send(&mut session, &utf8, &body(MESSAGE)).await.unwrap();
    send(&mut session, &envelope(1), &header).await.unwrap();
    let lines = lines(&peer.relay);
    let mails: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("MAIL"))
        .collect();
    assert_eq!(
        mails,
        [
            "MAIL FROM:<sender@example.com> SIZE=23",
            "MAIL FROM:<sender@example.com> SIZE=4 BODY=8BITMIME",
            "MAIL FROM:<> SIZE=23 SMTPUTF8",
            "MAIL FROM:<sender@example.com> SIZE=9 BODY=8BITMIME SMTPUTF8",
        ]
    );
}

#[tokio::test]
async fn what_the_relay_cannot_carry_is_not_tried() {
    let (io, peer) = serve(plain()).await;
    let mut lacking = session(io).await;
    let mut eight_bit = body(MESSAGE);
    eight_bit.is_8bit = true;
    let mut header = body(MESSAGE);
    header.needs_smtputf8 = true;
    for (body, keyword) in [(eight_bit, "8BITMIME"), (header, "SMTPUTF8")] {
        let error = send(&mut lacking, &envelope(2), &body).await.unwrap_err();
        let failure = error.into_failure();
        assert_eq!(failure.reason, Reason::ExtensionMissing);
        assert_eq!(failure.missing_extension, Some(keyword));
        assert_eq!(states(&failure.recipients), [NotSent, NotSent]);
        assert!(lacking.is_reusable());
    }
    drop(lacking);
    assert_eq!(peer.lines().await, ["EHLO client.example.com"]);

    let (io, peer) = serve(usual()).await;
    let mut small = session(io).await;
    let largest = body("a".repeat(299_998) + "\r\n");
    send(&mut small, &envelope(1), &largest).await.unwrap();
    let too_large = body(vec![b'a'; 300_001]);
    let error = send(&mut small, &envelope(1), &too_large)
        .await
        .unwrap_err();
    let failure = error.into_failure();
    assert_eq!(failure.reason, Reason::MessageTooLarge);
    assert!(failure.summary.contains("300001"), "{}", failure.summary);
    assert!(small.is_reusable());
    drop(small);
    let relay = peer.done().await;
    assert_eq!(relay.mails().len(), 1);
    assert_eq!(lines(&relay).len(), 4);
}

#[tokio::test]
async fn one_refusal_does_not_hurt_the_others() {
    let script = Script::new()
        .at(At::Rcpt(1), Answer::reply("550 5.1.1 no such user"))
        .at(At::Rcpt(2), Answer::reply("252 2.1.5 will try"))
        .at(At::Rcpt(3), Answer::reply("450 4.2.1 greylisted"))
        .at(At::EndOfData, Answer::reply("250 2.0.0 queued"));
    for relay in [usual(), plain()] {
        let (io, peer) = serve(relay.script(script.clone())).await;
        let mut session = session(io).await;
        let delivered = send(&mut session, &envelope(4), &body(MESSAGE))
            .await
            .unwrap();
        assert_eq!(
            states(&delivered.recipients),
            [Rejected, Accepted, Deferred, Accepted]
        );
        let codes: Vec<u16> = delivered
            .recipients
            .iter()
            .map(|r| r.reply.as_ref().unwrap().code.value())
            .collect();
        assert_eq!(codes, [550, 252, 450, 250]);
        assert_eq!(delivered.reply.to_string(), "250 2.0.0 queued");
        assert!(session.is_reusable());
        let mails = peer.relay.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].recipients(), ["r1@example.com", "r3@example.com"]);
    }
}

/// Sends one mail to two recipients, and says why it failed, what became
/// of each, and whether a second mail may follow.
async fn failing(relay: Builder) -> (Reason, Stage, Vec<RecipientState>, bool) {
    let (io, peer) = serve(relay).await;
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
    let failure = outcome.unwrap_err().into_failure();
    session.settle().await;
    assert!(peer.relay.mails().is_empty());
    (
        failure.reason,
        failure.stage,
        states(&failure.recipients),
        session.is_reusable(),
    )
}

const STAGES: [(At, Stage); 4] = [
    (At::AnyMail, Stage::MailFrom),
    (At::AnyRcpt, Stage::RcptTo),
    (At::Data, Stage::Data),
    (At::EndOfData, Stage::EndOfData),
];

/// What is refused, with what, and what follows: the reason, what becomes of
/// the two recipients, and whether the session can go on.
#[rustfmt::skip]
const REFUSALS: [(Stage, &str, Reason, [RecipientState; 2], bool); 25] = [
    (Stage::MailFrom, "550 5.7.1 no", Reason::SenderRejected, [NotSent; 2], true),
    (Stage::MailFrom, "530 5.7.0 log in", Reason::AuthRequired, [NotSent; 2], true),
    (Stage::MailFrom, "552 5.3.4 big", Reason::MessageTooLarge, [NotSent; 2], true),
    (Stage::MailFrom, "451 4.3.0 later", Reason::Deferred, [NotSent; 2], true),
    (Stage::MailFrom, "421 4.3.2 bye", Reason::RelayClosing, [NotSent; 2], false),
    (Stage::MailFrom, "354 what", Reason::ReplyMalformed, [NotSent; 2], false),
    (Stage::RcptTo, "550 5.1.1 no", Reason::RecipientsRejected, [Rejected; 2], true),
    (Stage::RcptTo, "450 4.2.0 grey", Reason::Deferred, [Deferred; 2], true),
    (Stage::RcptTo, "530 5.7.0 log in", Reason::AuthRequired, [Rejected; 2], true),
    (Stage::RcptTo, "421 bye", Reason::RelayClosing, [Deferred, NotSent], false),
    (Stage::RcptTo, "354 what", Reason::ReplyMalformed, [NotSent; 2], false),
    (Stage::Data, "554 5.5.1 no", Reason::MessageRejected, [Rejected; 2], true),
    (Stage::Data, "451 4.3.0 later", Reason::Deferred, [Deferred; 2], true),
    (Stage::Data, "421 bye", Reason::RelayClosing, [Deferred; 2], false),
    (Stage::Data, "350 what", Reason::ReplyMalformed, [NotSent; 2], false),
    (Stage::Data, "250 what", Reason::ReplyMalformed, [NotSent; 2], false),
    (Stage::EndOfData, "550 5.7.1 spam", Reason::MessageRejected, [Rejected; 2], true),
    (Stage::EndOfData, "552 5.3.4 big", Reason::MessageTooLarge, [Rejected; 2], true),
    (Stage::EndOfData, "552 big", Reason::MessageTooLarge, [Rejected; 2], true),
    (Stage::EndOfData, "552 5.2.2 full", Reason::MessageRejected, [Rejected; 2], true),
    (Stage::EndOfData, "552 5.7.0 virus", Reason::MessageRejected, [Rejected; 2], true),
    (Stage::EndOfData, "451 4.3.0 later", Reason::Deferred, [Deferred; 2], true),
    (Stage::EndOfData, "421 bye", Reason::RelayClosing, [Deferred; 2], false),
    (Stage::EndOfData, "354 what", Reason::OutcomeUnknown, [Unknown; 2], false),
    (Stage::EndOfData, "what", Reason::OutcomeUnknown, [Unknown; 2], false),
];

#[tokio::test(start_paused = true)]
async fn what_a_relay_can_refuse() {
    for (stage, reply, reason, fates, reusable) in REFUSALS {
        let (step, _) = STAGES.into_iter().find(|(_, it)| *it == stage).unwrap();
        let script = Script::new().at(step, Answer::reply(reply));
        for relay in [usual(), plain()] {
            let found = failing(relay.script(script.clone())).await;
            let expected = (reason, stage, fates.to_vec(), reusable);
            assert_eq!(found, expected, "{stage:?}: {reply}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_relay_can_leave_unsaid() {
    for (step, stage) in STAGES {
        let (closed, silent, fate) = match stage {
            Stage::EndOfData => (Reason::OutcomeUnknown, Reason::OutcomeUnknown, Unknown),
            _ => (Reason::ConnectionLost, Reason::ReplyTimeout, NotSent),
        };
        let limit = match stage {
            Stage::Data => 60,
            Stage::EndOfData => 600,
            _ => 30,
        };
        for (answer, reason, limit) in [
            (Answer::close(), closed, 0),
            (Answer::raw("25").then(Answer::close()), closed, 0),
            (Answer::stall(), silent, limit),
        ] {
            let script = Script::new().at(step, answer);
            for relay in [usual(), plain()] {
                let started = Instant::now();
                let found = failing(relay.script(script.clone())).await;
                assert_eq!(found, (reason, stage, vec![fate; 2], false));
                assert_eq!(started.elapsed(), seconds(limit), "{stage:?}");
            }
        }
    }
}

#[tokio::test]
async fn mixed_refusals_are_worth_another_try_for_some_and_none_for_all() {
    let script = Script::new()
        .at(At::Rcpt(1), Answer::reply("550 5.1.1 no such user"))
        .at(At::Rcpt(2), Answer::reply("450 4.2.0 later"));
    for (policy, reason) in [
        (RecipientPolicy::Any, Reason::Deferred),
        (RecipientPolicy::All, Reason::RecipientsRejected),
    ] {
        let (io, _peer) = serve(usual().script(script.clone())).await;
        let mut session = session(io).await;
        let outcome = send_as(&mut session, &envelope(2), &body(MESSAGE), policy).await;
        let failure = outcome.unwrap_err().into_failure();
        assert_eq!(failure.reason, reason);
        assert_eq!(states(&failure.recipients), [Rejected, Deferred]);
        assert!(failure.summary.contains("2 of 2"), "{}", failure.summary);
    }
}

#[tokio::test]
async fn to_all_or_nobody_asks_before_data_and_resets() {
    let refuses = Script::new().at(At::Rcpt(2), Answer::reply("550 5.1.1 no such user"));
    for relay in [usual(), plain()] {
        let (io, peer) = serve(relay.script(refuses.clone())).await;
        let mut session = session(io).await;
        let all = RecipientPolicy::All;
        let outcome = send_as(&mut session, &envelope(3), &body(MESSAGE), all).await;
        let failure = outcome.unwrap_err().into_failure();
        assert_eq!(failure.reason, Reason::RecipientsRejected);
        assert_eq!(states(&failure.recipients), [NotSent, Rejected, NotSent]);
        assert_eq!(failure.recipients[0].reply, None);
        session.settle().await;
        assert!(session.is_reusable());

        send_as(&mut session, &envelope(1), &body(MESSAGE), all)
            .await
            .unwrap();
        let lines = lines(&peer.relay);
        let verbs: Vec<&str> = lines.iter().map(|line| &line[..4]).collect();
        assert_eq!(
            verbs,
            [
                "EHLO", "MAIL", "RCPT", "RCPT", "RCPT", "RSET", "MAIL", "RCPT", "DATA"
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_does_not_wait_for_what_follows_a_refusal() {
    for relay in [usual(), plain()] {
        let script = Script::new()
            .at(At::AnyRcpt, Answer::reply("550 5.1.1 no"))
            .at(At::Data, Answer::stall())
            .at(At::Rset, Answer::stall());
        let (io, _peer) = serve(relay.script(script)).await;
        let mut session = session(io).await;
        let started = Instant::now();
        let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
        assert_eq!(outcome.unwrap_err().reason(), Reason::RecipientsRejected);
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert!(!session.is_reusable());

        session.settle().await;
        assert_eq!(started.elapsed(), TIDY_UP_LIMIT);
        assert!(!session.is_reusable());
    }
}

#[tokio::test]
async fn a_message_that_nobody_gets_is_a_lone_dot() {
    let script = Script::new()
        .at(At::AnyRcpt, Answer::reply("550 5.1.1 no"))
        .at(At::Data, Answer::reply("354 go on"))
        .at(At::EndOfData, Answer::reply("250 2.0.0 queued"));
    let (io, peer) = serve(usual().script(script)).await;
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
    assert_eq!(outcome.unwrap_err().reason(), Reason::RecipientsRejected);
    session.settle().await;
    assert!(session.is_reusable());
    drop(session);
    let relay = peer.done().await;
    let mails = relay.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].bytes.is_empty() && mails[0].forward_paths.is_empty());
    assert_eq!(lines(&relay).last().unwrap(), "DATA");
}

#[tokio::test]
async fn a_message_that_somebody_would_get_is_not_ended() {
    // RCPT is accepted although MAIL was not. A dot would make it a mail.
    let refused = Answer::reply("550 5.7.1 no").as_if(250);
    let (io, peer) = serve(but(At::AnyMail, refused)).await;
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(1), &body(MESSAGE)).await;
    assert_eq!(outcome.unwrap_err().reason(), Reason::SenderRejected);
    session.settle().await;
    assert!(!session.is_reusable());
    drop(session);
    let relay = peer.done().await;
    assert_eq!(lines(&relay).last().unwrap(), "DATA");
    assert!(relay.mails().is_empty());
}

#[tokio::test]
async fn a_relay_that_closes_behind_a_refusal_is_left() {
    for closing in [At::Data, At::EndOfData] {
        let script = Script::new()
            .at(At::AnyRcpt, Answer::reply("550 5.1.1 no"))
            .at(closing, Answer::reply("421 4.3.2 bye"))
            .at(At::Data, Answer::reply("354 go on"));
        let (io, peer) = serve(usual().script(script)).await;
        let mut session = session(io).await;
        let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
        assert_eq!(outcome.unwrap_err().reason(), Reason::RecipientsRejected);
        session.settle().await;
        assert!(!session.is_reusable(), "{closing:?}");
        session.quit().await;
        assert_eq!(peer.lines().await.last().unwrap(), "DATA");
    }
}

#[tokio::test]
async fn a_thousand_recipients_do_not_block_over_a_narrow_wire() {
    let long = format!("250 2.1.5 {}", "x".repeat(500));
    let (io, peer) = serve_over(64, but(At::AnyRcpt, Answer::reply(&long))).await;
    let mut session = session(io).await;
    let delivered = send(&mut session, &envelope(1000), &body(MESSAGE)).await;
    assert_eq!(states(&delivered.unwrap().recipients), vec![Accepted; 1000]);
    let mails = peer.relay.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].forward_paths.len(), 1000);
}

#[tokio::test]
async fn a_large_message_arrives_as_it_was() {
    let text: String = (0..9000)
        .map(|n| {
            if n % 3 == 0 {
                ".dot\r\n"
            } else {
                "a line of text\r\n"
            }
        })
        .collect();
    let (io, peer) = serve_over(1000, usual()).await;
    let mut session = session(io).await;
    send(&mut session, &envelope(1), &body(text.clone()))
        .await
        .unwrap();
    assert!(peer.relay.mails()[0].bytes == text);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_speaks_into_the_message_is_heard() {
    for (said, reason) in [
        ("354 go\n452 4.3.1 disk full", Reason::Deferred),
        ("354 go\n552 5.3.4 big", Reason::MessageTooLarge),
        ("354 go\n421 bye", Reason::RelayClosing),
        // Before it has the message, it cannot have taken it.
        ("354 go\n250 queued", Reason::ReplyMalformed),
    ] {
        for size in [10, 200_000] {
            let answer = Answer::reply(said).then(Answer::freeze());
            let (io, _peer) = serve_over(1000, but(At::Data, answer)).await;
            let mut session = session(io).await;
            let outcome = send(&mut session, &envelope(1), &body(vec![b'a'; size])).await;
            let failure = outcome.unwrap_err().into_failure();
            assert_eq!((failure.reason, failure.stage), (reason, Stage::Data));
            assert!(!session.is_reusable());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_stops_reading_is_given_its_time_for_each_write() {
    let answer = Answer::usual().then(Answer::freeze());
    let (io, _peer) = serve_over(1000, but(At::Data, answer)).await;
    let mut session = session(io).await;
    let started = Instant::now();
    let text = body("aaa\r\n".repeat(40_000));
    let failure = send(&mut session, &envelope(1), &text)
        .await
        .unwrap_err()
        .into_failure();
    assert_eq!(
        (failure.reason, failure.stage),
        (Reason::ReplyTimeout, Stage::Data)
    );
    assert_eq!(started.elapsed(), seconds(60));
    assert_eq!(states(&failure.recipients), [NotSent]);
}

#[tokio::test]
async fn more_replies_than_commands_end_the_session() {
    let answer = Answer::reply("250 queued\n250 and more");
    let (io, _peer) = serve(but(At::EndOfData, answer)).await;
    let mut session = session(io).await;
    send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap();
    assert!(!session.is_reusable());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_given_up_stops_at_once_and_is_not_ended() {
    for (step, answer) in [
        (At::AnyMail, Answer::stall()),
        (At::AnyRcpt, Answer::stall()),
        // A relay that waits for the message all the same.
        (At::Data, Answer::nothing().as_if(354)),
    ] {
        let (io, peer) = serve(but(step, answer)).await;
        let mut session = session(io).await;
        let started = Instant::now();
        let error = give_up(&mut session, &envelope(1), &body(MESSAGE)).await;
        assert_eq!(error.reason(), Reason::DeadlineExceeded);
        assert_eq!(started.elapsed(), seconds(3));
        assert_eq!(states(&error.into_failure().recipients), [NotSent]);
        assert!(!session.is_reusable());
        drop(session);
        let relay = peer.done().await;
        assert!(relay.mails().is_empty());
        assert!(!lines(&relay).contains(&"RSET".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn once_committed_a_transaction_is_not_given_up() {
    let (io, _peer) = serve(but(At::EndOfData, Answer::stall())).await;
    let mut session = session(io).await;
    let progress = Progress::default();
    let started = Instant::now();
    let (envelope, body) = (envelope(1), body(MESSAGE));
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy: RecipientPolicy::Any,
    };
    let (outcome, ()) = tokio::join!(session.send(transaction, &progress), async {
        tokio::time::sleep(seconds(3)).await;
        assert_eq!(progress.stage(), Stage::EndOfData);
        assert!(!progress.abandon());
    });
    assert_eq!(outcome.unwrap_err().reason(), Reason::OutcomeUnknown);
    assert_eq!(started.elapsed(), seconds(600));
}

#[tokio::test]
async fn what_is_logged_names_no_recipient() {
    let answer = Answer::reply("550 5.1.1 <r0@example.com> unknown");
    let (io, _peer) = serve(but(At::AnyRcpt, answer)).await;
    let mut session = session(io).await;
    let error = send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap_err();
    let logged = format!("{error} {error:?}");
    assert!(!logged.contains("r0"), "{logged}");
    assert!(logged.contains("550 5.1.1"), "{logged}");
    let failure = error.into_failure();
    assert_eq!(
        failure.summary,
        "mail.example.com:587 refused 1 of 1 recipients: \"550 5.1.1 <r0@example.com> unknown\"."
    );
}

#[tokio::test(start_paused = true)]
async fn quit_waits_two_seconds_at_most() {
    let (io, _peer) = serve(but(At::Quit, Answer::stall())).await;
    let quiet = open(io, &target(TlsMode::Plaintext)).await.unwrap();
    let started = Instant::now();
    quiet.quit().await;
    assert_eq!(started.elapsed(), seconds(2));
}

#[tokio::test]
async fn a_session_that_ended_while_it_rested_is_not_taken_up_again() {
    let queued = || Answer::reply("250 2.0.0 queued");
    for (answer, is_noticed) in [
        (queued(), None),
        // Nobody has looked yet.
        (queued().then(Answer::close()), Some(false)),
        (queued().then(Answer::reply("421 4.3.2 bye")), Some(true)),
    ] {
        let (io, peer) = serve(but(At::EndOfData, answer)).await;
        let mut session = session(io).await;
        send(&mut session, &envelope(1), &body(MESSAGE))
            .await
            .unwrap();
        let relay = match is_noticed {
            Some(false) => Some(peer.done().await),
            _ => None,
        };
        assert_eq!(session.is_reusable(), is_noticed != Some(true));
        assert_eq!(session.resume(), is_noticed.is_none());
        assert_eq!(session.mails(), 1);
        drop(relay);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_session_before_the_message_is_told_from_the_mails_own() {
    let bye = || Answer::reply("421 4.3.2 bye");
    for (at, answer, is_stale) in [
        (At::AnyMail, bye().then(Answer::close()), true),
        (At::AnyMail, Answer::close(), true),
        (At::AnyMail, bye(), true),
        (At::AnyMail, Answer::reply("450 4.2.0 later"), false),
        (At::AnyMail, Answer::reply("354 what"), true),
        (At::AnyMail, Answer::raw(&b"what\r\n"[..]), true),
        (At::AnyMail, Answer::stall(), true),
        (At::AnyRcpt, Answer::close(), true),
        (At::AnyRcpt, bye(), true),
        (At::AnyRcpt, Answer::reply("550 5.1.1 no"), false),
        (At::Data, bye().then(Answer::close()), true),
        (At::Data, Answer::close(), true),
        (At::Data, Answer::reply("250 what"), true),
        (At::Data, Answer::stall(), true),
        (At::Data, Answer::reply("451 4.3.0 later"), false),
        (At::Data, Answer::usual().then(Answer::close()), false),
        (At::EndOfData, Answer::stall(), false),
        (At::EndOfData, Answer::raw(&b"what\r\n"[..]), false),
        (At::EndOfData, bye().then(Answer::close()), false),
        (At::EndOfData, Answer::close(), false),
    ] {
        let (io, _peer) = serve(but(at, answer)).await;
        let mut session = session(io).await;
        let error = send(&mut session, &envelope(1), &body(MESSAGE))
            .await
            .unwrap_err();
        assert_eq!(error.is_stale(), is_stale, "{at:?}: {error}");
    }
}
