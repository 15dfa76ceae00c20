//! Transactions in one write.

use super::*;
use crate::smtp::{Target, fixture::chunking};

fn but(step: At, answer: Answer) -> Builder {
    chunking().script(Script::new().at(step, answer))
}

async fn session(io: DuplexStream) -> Session<DuplexStream> {
    let target = Target {
        transactions: Transactions::Eager,
        ..target(TlsMode::Plaintext)
    };
    open(io, &target).await.unwrap()
}

fn verbs(relay: &crate::testrelay::TestRelay) -> Vec<String> {
    let lines = lines(relay);
    lines.iter().map(|line| line[..4].to_owned()).collect()
}

#[tokio::test]
async fn a_warm_mail_takes_one_round_trip() {
    for recipients in [1, 10] {
        for size in [100, 20_000, 262_000] {
            let relay = chunking().extensions(["PIPELINING", "CHUNKING"]);
            let (io, peer) = serve(relay).await;
            let mut session = session(io).await;
            let text = "a line.\r\n".repeat(size / 9);
            for _ in 0..2 {
                let before = peer.relay.counters();
                send(&mut session, &envelope(recipients), &body(text.clone()))
                    .await
                    .unwrap();
                assert!(session.is_reusable());
                assert_eq!((peer.relay.counters() - before).turns, 1, "{size}");
            }
            assert!(peer.relay.mails().iter().all(|mail| mail.bytes == text));
            assert_eq!(peer.relay.mails().len(), 2);
        }
    }
}

#[tokio::test]
async fn what_is_large_or_for_all_or_nobody_waits_for_the_recipients() {
    let relay = chunking().extensions(["PIPELINING", "CHUNKING"]);
    let small = body(MESSAGE);
    let large = body("a line.\r\n".repeat(30_000));
    for (body, policy) in [(small, RecipientPolicy::All), (large, RecipientPolicy::Any)] {
        let (io, peer) = serve(relay.clone()).await;
        let mut session = session(io).await;
        let before = peer.relay.counters();
        send_as(&mut session, &envelope(2), &body, policy)
            .await
            .unwrap();
        assert_eq!((peer.relay.counters() - before).turns, 2);
    }
}

#[tokio::test]
async fn one_refusal_does_not_hurt_the_others() {
    let script = Script::new()
        .at(At::Rcpt(1), Answer::reply("550 5.1.1 no such user"))
        .at(At::Rcpt(3), Answer::reply("450 4.2.1 greylisted"));
    let (io, peer) = serve(chunking().script(script)).await;
    let mut session = session(io).await;
    let delivered = send(&mut session, &envelope(4), &body(MESSAGE))
        .await
        .unwrap();
    assert_eq!(
        states(&delivered.recipients),
        [Rejected, Accepted, Deferred, Accepted]
    );
    assert!(session.is_reusable());
    let mails = peer.relay.mails();
    assert_eq!(mails[0].recipients(), ["r1@example.com", "r3@example.com"]);
}

/// The reason and its stage, what becomes of the two recipients, and whether the
/// session can go on.
type Sequel = (Reason, Stage, [RecipientState; 2], bool);

/// What is refused, with what, and what follows.
#[rustfmt::skip]
const REFUSALS: [(At, &str, Sequel); 14] = [
    (At::AnyMail, "550 5.7.1 no", (Reason::SenderRejected, Stage::MailFrom, [NotSent; 2], true)),
    (At::AnyMail, "451 4.3.0 later", (Reason::Deferred, Stage::MailFrom, [NotSent; 2], true)),
    (At::AnyMail, "421 4.3.2 bye", (Reason::RelayClosing, Stage::MailFrom, [NotSent; 2], false)),
    (At::AnyMail, "354 what", (Reason::ReplyMalformed, Stage::MailFrom, [NotSent; 2], false)),
    (At::AnyRcpt, "550 5.1.1 no", (Reason::RecipientsRejected, Stage::RcptTo, [Rejected; 2], true)),
    (At::AnyRcpt, "450 4.2.0 grey", (Reason::Deferred, Stage::RcptTo, [Deferred; 2], true)),
    (At::AnyRcpt, "421 bye", (Reason::RelayClosing, Stage::RcptTo, [Deferred; 2], false)),
    (At::AnyRcpt, "354 what", (Reason::ReplyMalformed, Stage::RcptTo, [NotSent; 2], false)),
    (At::EndOfData, "550 5.7.1 spam", (Reason::MessageRejected, Stage::EndOfData, [Rejected; 2], true)),
    (At::EndOfData, "552 5.3.4 big", (Reason::MessageTooLarge, Stage::EndOfData, [Rejected; 2], true)),
    (At::EndOfData, "451 4.3.0 later", (Reason::Deferred, Stage::EndOfData, [Deferred; 2], true)),
    (At::EndOfData, "421 bye", (Reason::RelayClosing, Stage::EndOfData, [Deferred; 2], false)),
    (At::EndOfData, "354 what", (Reason::OutcomeUnknown, Stage::EndOfData, [Unknown; 2], false)),
    (At::EndOfData, "what", (Reason::OutcomeUnknown, Stage::EndOfData, [Unknown; 2], false)),
];

#[tokio::test(start_paused = true)]
async fn what_a_relay_can_refuse() {
    for (step, reply, (reason, stage, fates, reusable)) in REFUSALS {
        let (io, peer) = serve(but(step, Answer::reply(reply))).await;
        let mut session = session(io).await;
        let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
        let failure = outcome.unwrap_err().into_failure();
        session.settle().await;
        let found = (failure.reason, failure.stage, states(&failure.recipients));
        assert_eq!(found, (reason, stage, fates.to_vec()), "{step:?}: {reply}");
        assert_eq!(session.is_reusable(), reusable, "{step:?}: {reply}");
        assert!(peer.relay.mails().is_empty());
        let resets = verbs(&peer.relay).iter().filter(|it| *it == "RSET").count();
        assert_eq!(resets, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn once_it_is_written_only_a_refusal_tells_that_it_was_not_taken() {
    // Answers that leave the reply to the chunk open; they are the relay's last.
    for (step, answer, limit) in [
        (At::AnyMail, Answer::close(), 0),
        (At::AnyMail, Answer::stall(), 30),
        (At::AnyMail, Answer::garbage(), 0),
        (At::Rcpt(2), Answer::close(), 0),
        (At::Rcpt(2), Answer::stall(), 30),
        (At::EndOfData, Answer::close(), 0),
        (At::EndOfData, Answer::stall(), 600),
    ] {
        let (io, _peer) = serve(but(step, answer)).await;
        let mut session = session(io).await;
        let started = Instant::now();
        let error = send(&mut session, &envelope(2), &body(MESSAGE))
            .await
            .unwrap_err();
        assert!(!error.is_stale());
        let failure = error.into_failure();
        assert_eq!(failure.reason, Reason::OutcomeUnknown, "{step:?}");
        assert_eq!(failure.stage, Stage::EndOfData);
        assert_eq!(states(&failure.recipients), [Unknown; 2]);
        assert_eq!(started.elapsed(), seconds(limit));
        session.settle().await;
        assert!(!session.is_reusable());
    }
    // One of two was refused before: that stays so.
    let script = Script::new()
        .at(At::Rcpt(1), Answer::reply("550 5.1.1 no"))
        .at(At::EndOfData, Answer::close());
    let (io, _peer) = serve(chunking().script(script)).await;
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
    let failure = outcome.unwrap_err().into_failure();
    assert_eq!(states(&failure.recipients), [Rejected, Unknown]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stands_though_the_rest_is_not_said() {
    for (step, reply, reason) in [
        (At::AnyMail, "550 5.7.1 no", Reason::SenderRejected),
        (At::AnyMail, "421 4.3.2 bye", Reason::RelayClosing),
        (At::AnyRcpt, "550 5.1.1 no", Reason::RecipientsRejected),
        (At::Rcpt(1), "421 4.3.2 bye", Reason::RelayClosing),
    ] {
        for (ending, limit) in [(Answer::close(), 0), (Answer::stall(), 5)] {
            let (first, at_end) = match step {
                At::AnyRcpt => (Answer::reply(reply), ending.clone()),
                _ => (Answer::reply(reply).then(ending.clone()), ending.clone()),
            };
            let script = Script::new().at(step, first).at(At::EndOfData, at_end);
            let (io, _peer) = serve(chunking().script(script)).await;
            let mut session = session(io).await;
            let started = Instant::now();
            let error = send(&mut session, &envelope(2), &body(MESSAGE))
                .await
                .unwrap_err();
            assert_eq!(error.reason(), reason, "{step:?} {reply}");
            assert_eq!(started.elapsed(), seconds(limit), "{step:?} {reply}");
            assert_eq!(error.is_stale(), reason == Reason::RelayClosing);
            session.settle().await;
            assert!(!session.is_reusable());
        }
    }
}

#[tokio::test]
async fn a_mail_that_is_taken_for_nobody_is_not_sent() {
    for step in [At::AnyMail, At::AnyRcpt] {
        let script = Script::new()
            .at(step, Answer::reply("550 5.7.1 no"))
            .at(At::EndOfData, Answer::reply("250 2.0.0 queued"));
        let (io, _peer) = serve(chunking().script(script)).await;
        let mut session = session(io).await;
        let error = send(&mut session, &envelope(2), &body(MESSAGE))
            .await
            .unwrap_err();
        assert_ne!(error.reason(), Reason::OutcomeUnknown);
        session.settle().await;
        assert!(!session.is_reusable());
    }
}

#[tokio::test]
async fn a_relay_that_contradicts_itself_leaves_the_outcome_unknown() {
    // It refuses the sender, and accepts recipients and message all the same.
    let (io, peer) = serve(but(At::AnyMail, Answer::reply("550 5.7.1 no").as_if(250))).await;
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
    let failure = outcome.unwrap_err().into_failure();
    assert_eq!(failure.reason, Reason::OutcomeUnknown);
    assert_eq!(states(&failure.recipients), [Unknown; 2]);
    session.settle().await;
    assert!(!session.is_reusable());
    assert_eq!(peer.relay.mails().len(), 1);
}

#[tokio::test]
async fn more_replies_than_commands_leave_the_outcome_unknown_but_where_all_are_the_same() {
    for step in [At::AnyMail, At::Rcpt(1), At::Rcpt(2), At::EndOfData] {
        for is_one_refused in [false, true] {
            let mut script = Script::new().at(step, Answer::usual().twice());
            if is_one_refused {
                script = script.at(At::Rcpt(3), Answer::reply("550 5.1.1 no such user"));
            }
            let (io, peer) = serve(chunking().script(script)).await;
            let mut session = session(io).await;
            let outcome = send(&mut session, &envelope(3), &body(MESSAGE)).await;
            if is_one_refused {
                let failure = outcome.unwrap_err().into_failure();
                assert_eq!(failure.reason, Reason::OutcomeUnknown);
                assert_eq!(states(&failure.recipients), [Unknown; 3]);
            } else {
                assert_eq!(states(&outcome.unwrap().recipients), [Accepted; 3]);
            }
            session.settle().await;
            assert!(!session.is_reusable());
            assert_eq!(peer.relay.mails().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_relay_that_takes_its_leave_behind_the_mail_has_it() {
    let answer = Answer::usual().then(Answer::reply("421 4.7.0 enough for now"));
    let (io, peer) = serve(but(At::EndOfData, answer)).await;
    let mut session = session(io).await;
    send(&mut session, &envelope(2), &body(MESSAGE))
        .await
        .unwrap();
    assert!(!session.is_reusable());
    assert_eq!(peer.relay.mails().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_has_not_got_all_of_it_cannot_have_taken_it() {
    for (answer, reason) in [
        (Answer::close(), Reason::ConnectionLost),
        (Answer::freeze(), Reason::ReplyTimeout),
        (
            Answer::reply("421 4.3.2 bye").then(Answer::freeze()),
            Reason::RelayClosing,
        ),
    ] {
        let (io, _peer) = serve_over(1000, but(At::AnyMail, answer)).await;
        let mut session = session(io).await;
        let progress = Progress::default();
        let (envelope, body) = (envelope(2), body(vec![b'a'; 100_000]));
        let transaction = Transaction {
            envelope: &envelope,
            body: &body,
            policy: RecipientPolicy::Any,
        };
        let error = session.send(transaction, &progress).await.unwrap_err();
        assert!(error.is_stale());
        let failure = error.into_failure();
        assert_eq!((failure.reason, failure.stage), (reason, Stage::MailFrom));
        assert_eq!(states(&failure.recipients), [NotSent; 2]);
        session.settle().await;
        assert!(!session.is_reusable());
        // So it may be given up again.
        assert!(progress.abandon());
    }
}

#[tokio::test]
async fn what_was_said_before_is_no_reply_to_it() {
    let answer = Answer::usual().then(Answer::reply("250 2.0.0 again"));
    let (io, peer) = serve(but(At::Ehlo, answer)).await;
    let mut session = session(io).await;
    let error = send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap_err();
    assert!(error.is_stale());
    assert_eq!(error.reason(), Reason::ReplyMalformed);
    assert_eq!(verbs(&peer.relay), ["EHLO"]);
}

#[tokio::test]
async fn a_mail_that_is_given_up_beforehand_is_not_written() {
    let (io, peer) = serve(chunking()).await;
    let mut session = session(io).await;
    let progress = Progress::default();
    assert!(progress.abandon());
    let (envelope, body) = (envelope(1), body(MESSAGE));
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy: RecipientPolicy::Any,
    };
    let error = session.send(transaction, &progress).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DeadlineExceeded);
    drop(session);
    assert_eq!(verbs(&peer.done().await), ["EHLO"]);
}

#[tokio::test]
async fn a_relay_that_reads_the_message_as_commands_is_left() {
    let refused = Script::new().at(At::AnyRcpt, Answer::reply("550 5.1.1 no"));
    let (io, _peer) = serve(chunking().reads_refused_chunks().script(refused)).await;
    let mut session = session(io).await;
    send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap_err();
    session.settle().await;
    assert!(!session.is_reusable());
}
