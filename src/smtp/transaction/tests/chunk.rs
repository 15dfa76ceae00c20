//! Messages by BDAT, behind accepted recipients.

use super::*;
use crate::smtp::fixture::chunking;

fn but(step: At, answer: Answer) -> Builder {
    chunking().script(Script::new().at(step, answer))
}

#[tokio::test]
async fn a_warm_mail_takes_two_round_trips_and_its_octets_are_sent_as_they_are() {
    for recipients in [1, 10] {
        let (io, peer) = serve(chunking()).await;
        let mut session = session(io).await;
        for policy in [RecipientPolicy::Any, RecipientPolicy::All] {
            let before = peer.relay.counters();
            let envelope = envelope(recipients);
            send_as(&mut session, &envelope, &body(MESSAGE), policy)
                .await
                .unwrap();
            assert_eq!((peer.relay.counters() - before).turns, 2);
        }
        let lines = lines(&peer.relay);
        assert_eq!(lines[lines.len() - 2..], ["BDAT 23 LAST", "RSET"]);
        let mails = peer.relay.mails();
        assert_eq!(mails.len(), 2);
        assert!(mails.iter().all(|mail| mail.text() == MESSAGE));
    }
}

#[tokio::test]
async fn a_large_message_arrives_as_it_was() {
    let text = ".dot\r\n.\r\na line of text\r\n".repeat(10_000);
    for wire in [1000, 300_000] {
        let relay = chunking().extensions(["PIPELINING", "CHUNKING"]);
        let (io, peer) = serve_over(wire, relay).await;
        let mut session = session(io).await;
        for _ in 0..2 {
            send(&mut session, &envelope(1), &body(text.clone()))
                .await
                .unwrap();
        }
        assert!(peer.relay.mails().iter().all(|mail| mail.bytes == text));
        assert_eq!(peer.relay.mails().len(), 2);
    }
}

#[tokio::test]
async fn no_octet_of_the_message_is_sent_to_a_relay_that_accepts_nobody() {
    for at in [At::AnyMail, At::AnyRcpt] {
        let (io, peer) = serve(but(at, Answer::reply("550 5.7.1 no"))).await;
        let mut session = session(io).await;
        send(&mut session, &envelope(2), &body(MESSAGE))
            .await
            .unwrap_err();
        session.settle().await;
        assert!(session.is_reusable());
        drop(session);
        let lines = peer.lines().await;
        assert!(
            !lines.iter().any(|line| line.starts_with("BDAT")),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_message_leaves_the_session_in_order() {
    for (reply, reason, state) in [
        ("554 5.7.1 spam", Reason::MessageRejected, Rejected),
        ("452 4.3.1 full", Reason::Deferred, Deferred),
    ] {
        let (io, peer) = serve(but(At::EndOfData, Answer::reply(reply))).await;
        let mut session = session(io).await;
        let failure = send(&mut session, &envelope(2), &body(MESSAGE))
            .await
            .unwrap_err()
            .into_failure();
        assert_eq!((failure.reason, failure.stage), (reason, Stage::EndOfData));
        assert_eq!(states(&failure.recipients), [state; 2]);
        session.settle().await;
        assert!(session.is_reusable());
        let lines = lines(&peer.relay);
        assert_eq!(lines[lines.len() - 2..], ["BDAT 23 LAST", "RSET"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_relay_from_answering_leaves_the_outcome_unknown() {
    for (answer, limit) in [
        (Answer::close(), 0),
        (Answer::reply("354 what"), 0),
        (Answer::garbage(), 0),
        (Answer::stall(), 600),
    ] {
        let (io, _peer) = serve(but(At::EndOfData, answer)).await;
        let mut session = session(io).await;
        let started = Instant::now();
        let failure = send(&mut session, &envelope(2), &body(MESSAGE))
            .await
            .unwrap_err()
            .into_failure();
        assert_eq!(failure.reason, Reason::OutcomeUnknown);
        assert_eq!(states(&failure.recipients), [Unknown; 2]);
        assert_eq!(started.elapsed(), seconds(limit));
        session.settle().await;
        assert!(!session.is_reusable());
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_speaks_into_the_message_is_heard_and_left() {
    for (said, reason) in [
        ("452 4.3.1 disk full", Reason::Deferred),
        ("552 5.3.4 big", Reason::MessageTooLarge),
        ("421 bye", Reason::RelayClosing),
        ("250 queued", Reason::ReplyMalformed),
    ] {
        // It is said behind the reply to RCPT, when some of the message is there.
        let answer = Answer::usual()
            .then(Answer::hear())
            .then(Answer::reply(said))
            .then(Answer::freeze());
        let (io, _peer) = serve_over(1000, but(At::AnyRcpt, answer)).await;
        let mut session = session(io).await;
        let message = body(vec![b'a'; 200_000]);
        let outcome = send(&mut session, &envelope(1), &message).await;
        let failure = outcome.unwrap_err().into_failure();
        assert_eq!((failure.reason, failure.stage), (reason, Stage::Data));
        session.settle().await;
        assert!(!session.is_reusable());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_session_is_its_own_until_the_message_is_begun() {
    let bye = || Answer::reply("421 4.3.2 bye");
    for (at, answer, is_stale) in [
        (At::AnyMail, Answer::close(), true),
        (At::AnyRcpt, bye(), true),
        (At::AnyRcpt, Answer::usual().then(bye()), true),
        (At::EndOfData, Answer::close(), false),
        (At::EndOfData, bye(), false),
    ] {
        let (io, _peer) = serve(but(at, answer)).await;
        let mut session = session(io).await;
        let error = send(&mut session, &envelope(1), &body(MESSAGE))
            .await
            .unwrap_err();
        assert_eq!(error.is_stale(), is_stale, "{at:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_given_up_is_not_ended() {
    let answer = Answer::usual().then(Answer::freeze());
    let (io, peer) = serve_over(1000, but(At::AnyRcpt, answer)).await;
    let mut session = session(io).await;
    let body = body(vec![b'a'; 200_000]);
    let error = give_up(&mut session, &envelope(1), &body).await;
    assert_eq!(error.reason(), Reason::DeadlineExceeded);
    assert!(!session.is_reusable());
    drop(session);
    assert!(peer.relay.mails().is_empty());
}
