//! Transactions that fail for another reason than their recipients.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_loss_after_the_first_part_leaves_it_sent() {
    for relay in relays() {
        let script = Script::new().at(At::Mail(2), Answer::close());
        let relay = start(relay, script).await;
        let mut session = session(&relay, Some(2)).await;
        let sent = send(&mut session, 6, RecipientPolicy::Any).await.unwrap();
        assert_eq!(
            states(&sent.recipients),
            [Accepted, Accepted, NotSent, NotSent, NotSent, NotSent]
        );
        assert_eq!(sent.reply.lines, ["queued as 1"]);
        let partial_failure = sent.partial_failure.unwrap().into_failure();
        assert_eq!(partial_failure.reason, Reason::ConnectionLost);
        assert_eq!(partial_failure.stage, Stage::MailFrom);
        assert_eq!(taken(&relay), [[0, 1]]);
        assert!(!session.is_reusable());
    }
}

#[tokio::test]
async fn an_outcome_that_is_not_known_is_told_of_its_part_alone() {
    for relay in relays() {
        let script = Script::new().nth(2, At::EndOfData, Answer::close().as_if(250));
        let relay = start(relay.clone(), script).await;
        let sent = send_to(&relay, 5, Some(2)).await.unwrap();
        assert_eq!(
            states(&sent.recipients),
            [Accepted, Accepted, Unknown, Unknown, NotSent]
        );
        assert_eq!(
            sent.partial_failure.unwrap().into_failure().reason,
            Reason::OutcomeUnknown
        );
        assert_eq!(taken(&relay), [[0, 1], [2, 3]]);

        let script = Script::new()
            .nth(1, At::AnyRcpt, Answer::reply("550 5.1.1 no such user"))
            .once(At::EndOfData, Answer::close());
        relay.play(script);
        let failure = send_to(&relay, 3, Some(1)).await.unwrap_err();
        assert_eq!(failure.reason, Reason::OutcomeUnknown);
        assert_eq!(states(&failure.recipients), [Rejected, Unknown, NotSent]);
    }
}

#[tokio::test]
async fn a_refusal_of_the_mail_is_the_answer_for_all_while_nobody_has_it() {
    for (at, reply, state, reason) in [
        (
            At::AnyMail,
            "550 5.7.1 not you",
            NotSent,
            Reason::SenderRejected,
        ),
        (At::Data, "451 4.3.0 later", Deferred, Reason::Deferred),
        (
            At::EndOfData,
            "554 5.6.0 not this",
            Rejected,
            Reason::MessageRejected,
        ),
    ] {
        for relay in relays_that_come_to(at) {
            let relay = start(relay, Script::new().at(at, Answer::reply(reply))).await;
            let mut session = session(&relay, Some(2)).await;
            let failure = send(&mut session, 4, RecipientPolicy::Any)
                .await
                .unwrap_err();
            assert_eq!(failure.reason, reason);
            assert_eq!(
                states(&failure.recipients),
                [state, state, NotSent, NotSent]
            );
            assert_eq!(verbs(&relay, "MAIL"), 1);
            session.settle().await;
            assert!(session.is_reusable());
        }
    }
}

#[tokio::test]
async fn who_was_too_many_and_has_no_second_turn_may_be_tried_again() {
    for relay in relays() {
        let script = Script::new()
            .at(At::Rcpt(2), Answer::reply("552 5.5.3 too many"))
            .at(At::EndOfData, Answer::reply("554 5.6.0 not this"));
        let relay = start(relay, script).await;
        let failure = send_to(&relay, 2, None).await.unwrap_err();
        assert_eq!(failure.reason, Reason::MessageRejected);
        assert_eq!(states(&failure.recipients), [Rejected, Deferred]);
        assert_eq!(codes(&failure.recipients), [554, 552]);
    }
}

#[tokio::test]
async fn a_refusal_of_the_message_is_for_one_part_once_somebody_has_it() {
    for (at, reply, state) in [
        (At::Data, "451 4.3.0 later", Deferred),
        (At::EndOfData, "554 5.6.0 not this", Rejected),
    ] {
        for relay in relays_that_come_to(at) {
            let relay = start(relay, Script::new().nth(2, at, Answer::reply(reply))).await;
            let mut session = session(&relay, Some(2)).await;
            let sent = send(&mut session, 6, RecipientPolicy::Any).await.unwrap();
            assert_eq!(
                states(&sent.recipients),
                [Accepted, Accepted, state, state, Accepted, Accepted]
            );
            let code = reply[..3].parse().unwrap();
            assert_eq!(codes(&sent.recipients), [250, 250, code, code, 250, 250]);
            assert_eq!(taken(&relay), [[0, 1], [4, 5]]);
            assert!(sent.partial_failure.is_some() && session.is_reusable());
        }
    }
}

#[tokio::test]
async fn mails_that_are_too_many_for_the_session_are_not_tried() {
    for relay in relays() {
        let refusal = "452 4.5.3 too many messages sent";
        let script = Script::new()
            .at(At::Mail(3), Answer::reply(refusal))
            .at(At::Mail(4), Answer::reply(refusal));
        let relay = start(relay, script).await;
        let mut session = session(&relay, Some(1)).await;
        let sent = send(&mut session, 4, RecipientPolicy::Any).await.unwrap();
        assert_eq!(
            states(&sent.recipients),
            [Accepted, Accepted, NotSent, NotSent]
        );
        assert_eq!(codes(&sent.recipients), [250, 250, 452, 452]);
        let failure = sent.partial_failure.unwrap().into_failure();
        assert_eq!(failure.reason, Reason::Deferred);
        assert_eq!(failure.stage, Stage::MailFrom);
        assert_eq!(verbs(&relay, "MAIL"), 3);
    }
}

#[tokio::test]
async fn what_a_relay_says_unasked_between_two_transactions_ends_it() {
    for (unasked, reason) in [
        ("421 4.3.2 bye", Reason::RelayClosing),
        ("250 2.0.0 and again", Reason::ReplyMalformed),
    ] {
        let answer = Answer::reply(&format!("250 2.0.0 queued\n{unasked}"));
        let script = Script::new().once(At::EndOfData, answer.as_if(250));
        let relay = start(TestRelay::builder(), script).await;
        let mut session = session(&relay, Some(1)).await;
        let sent = send(&mut session, 2, RecipientPolicy::Any).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted, NotSent]);
        let failure = sent.partial_failure.unwrap().into_failure();
        assert_eq!(failure.reason, reason);
        assert!(!session.is_reusable());
        assert_eq!(verbs(&relay, "MAIL"), 1);
    }
}

#[tokio::test]
async fn a_relay_that_closes_says_so_for_everybody_it_did_not_take() {
    for relay in relays() {
        let script = Script::new().nth(2, At::AnyMail, Answer::reply("421 4.3.2 that is enough"));
        let relay = start(relay, script).await;
        let sent = send_to(&relay, 5, Some(2)).await.unwrap();
        assert_eq!(
            states(&sent.recipients),
            [Accepted, Accepted, NotSent, NotSent, NotSent]
        );
        assert_eq!(codes(&sent.recipients), [250, 250, 421, 421, 421]);
        let partial_failure = sent.partial_failure.unwrap().into_failure();
        assert_eq!(partial_failure.reason, Reason::RelayClosing);
        assert_eq!(verbs(&relay, "MAIL"), 2);
    }
}

#[tokio::test]
async fn what_the_relay_lacks_for_one_recipient_keeps_the_mail_from_all() {
    let relay = start(TestRelay::builder().extensions(["SIZE"]), Script::new()).await;
    let mut session = session(&relay, Some(1)).await;
    let envelope = Envelope {
        reverse_path: None,
        forward_paths: vec![
            "a@example.com".parse().unwrap(),
            "ä@example.com".parse().unwrap(),
        ],
    };
    let body = Body::from(Bytes::from("\r\n"));
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy: RecipientPolicy::Any,
    };
    let error = session
        .send(transaction, &Progress::default())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::ExtensionMissing);
    assert_eq!(verbs(&relay, "MAIL"), 0);
    assert!(session.is_reusable());
}

#[tokio::test]
async fn once_a_part_is_committed_the_mail_can_no_longer_be_given_up() {
    let script = Script::new().nth(
        2,
        At::Data,
        Answer::reply("354 go").after(Duration::from_millis(50)),
    );
    let [_, pipelining] = relays_by_data();
    let relay = start(pipelining, script).await;
    let mut session = session(&relay, Some(1)).await;
    let progress = Progress::default();
    let (sent, gave_up) = tokio::join!(
        send_with(&mut session, 3, RecipientPolicy::Any, &progress),
        async {
            relay.wait_for_commands("DATA", 2).await.unwrap();
            progress.abandon()
        }
    );
    assert!(!gave_up);
    assert_eq!(states(&sent.unwrap().recipients), [Accepted; 3]);
}

#[tokio::test]
async fn a_relay_that_ends_the_session_on_the_way_to_the_next_part_is_told_of() {
    let unknown = Answer::reply("550 5.1.1 no such user");
    for (ending, reason) in [
        (
            Answer::reply("421 4.7.0 too many errors").then(Answer::close()),
            Reason::RelayClosing,
        ),
        (Answer::close(), Reason::ConnectionLost),
        (Answer::reply("502 5.5.1 what"), Reason::ReplyMalformed),
    ] {
        // By BDAT, the first part has a RSET of its own.
        for (relay, second) in relays().into_iter().zip([1, 1, 2]) {
            let script = Script::new().nth(second, At::Rset, ending.clone());
            let relay = start(relay, script.nth(2, At::AnyRcpt, unknown.clone())).await;
            let sent = send_to(&relay, 3, Some(1)).await.unwrap();
            assert_eq!(states(&sent.recipients), [Accepted, Rejected, NotSent]);
            let failure = sent.partial_failure.unwrap().into_failure();
            assert_eq!((failure.reason, failure.stage), (reason, Stage::MailFrom));

            // Trying again is of use to who was not asked for.
            let script = Script::new().at(At::Rset, ending.clone());
            relay.play(script.nth(1, At::AnyRcpt, unknown.clone()));
            let failure = send_to(&relay, 2, Some(1)).await.unwrap_err();
            assert_eq!((failure.reason, failure.stage), (reason, Stage::MailFrom));
            assert_eq!(states(&failure.recipients), [Rejected, NotSent]);
        }
    }
}
