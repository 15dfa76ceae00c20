//! Mails that are for everybody or for nobody.

use super::*;

#[tokio::test]
async fn everybody_is_asked_for_before_anything_is_sent() {
    for (relay, resets_of_a_mail) in relays().into_iter().zip([0, 0, 1]) {
        let relay = start(relay, Script::new()).await;
        let sent = send_to_all(&relay, 5, Some(2)).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted; 5]);
        assert_eq!(taken(&relay), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(verbs(&relay, "RSET"), 3 * (1 + resets_of_a_mail));
        assert_eq!(verbs(&relay, "RCPT"), 10);

        // One transaction needs no rehearsal.
        send_to_all(&relay, 5, None).await.unwrap();
        assert_eq!(verbs(&relay, "RSET"), 3 + 4 * resets_of_a_mail);
    }
}

#[tokio::test]
async fn nobody_gets_it_when_one_of_a_later_part_is_refused() {
    for relay in relays() {
        let script = Script::new()
            .nth(3, At::AnyRcpt, Answer::reply("450 4.2.1 greylisted"))
            .nth(5, At::AnyRcpt, Answer::reply("550 5.1.1 no such user"));
        let relay = start(relay, script).await;
        let mut session = session(&relay, Some(2)).await;
        let failure = send(&mut session, 6, RecipientPolicy::All)
            .await
            .unwrap_err();
        assert_eq!(failure.reason, Reason::RecipientsRejected);
        assert_eq!(
            states(&failure.recipients),
            [NotSent, NotSent, Deferred, NotSent, Rejected, NotSent]
        );
        assert_eq!(codes(&failure.recipients), [0, 0, 450, 0, 550, 0]);
        assert!(taken(&relay).is_empty());
        assert_eq!(verbs(&relay, "DATA"), 0);
        assert!(session.is_reusable());
    }
}

#[tokio::test]
async fn the_relays_own_limit_is_learnt() {
    for relay in relays() {
        let relay = start(relay.most_recipients(2), Script::new()).await;
        let sent = send_to_all(&relay, 5, None).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted; 5]);
        assert_eq!(taken(&relay), [vec![0, 1], vec![2, 3], vec![4]]);
        let sent = send_to_all(&relay, 5, Some(3)).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted; 5]);
        assert_eq!(taken(&relay).concat(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    }
}

#[tokio::test]
async fn it_goes_out_in_the_parts_that_were_agreed_on() {
    // A limit that is not one of number: the second is to go by itself.
    let script = Script::new()
        .nth(2, At::AnyRcpt, Answer::reply(TOO_MANY))
        .nth(5, At::AnyRcpt, Answer::reply(TOO_MANY));
    let relay = start(TestRelay::builder(), script).await;
    let sent = send_to_all(&relay, 3, None).await.unwrap();
    assert_eq!(states(&sent.recipients), [Accepted; 3]);
    assert_eq!(taken(&relay), [vec![0, 2], vec![1]]);
}

#[tokio::test]
async fn a_rehearsal_that_fails_is_the_end() {
    for (script, reason) in [
        (
            Script::new().nth(2, At::AnyMail, Answer::reply("550 5.7.1 not you")),
            Reason::SenderRejected,
        ),
        (
            Script::new().nth(3, At::AnyRcpt, Answer::close()),
            Reason::ConnectionLost,
        ),
        (
            Script::new().nth(2, At::Rset, Answer::reply("421 4.3.2 bye")),
            Reason::RelayClosing,
        ),
        (
            Script::new().nth(2, At::Rset, Answer::reply("500 5.5.1 what")),
            Reason::ReplyMalformed,
        ),
    ] {
        let relay = start(TestRelay::builder(), script).await;
        let failure = send_to_all(&relay, 4, Some(2)).await.unwrap_err();
        assert_eq!(failure.reason, reason);
        assert_eq!(states(&failure.recipients), [NotSent; 4]);
        assert_eq!(verbs(&relay, "DATA"), 0);
    }
}

#[tokio::test]
async fn a_relay_may_change_its_mind() {
    for relay in relays() {
        // In the first part that is sent: nobody has the mail.
        let script = Script::new().nth(5, At::AnyRcpt, Answer::reply("550 5.1.1 gone"));
        let relay = start(relay, script).await;
        let failure = send_to_all(&relay, 4, Some(2)).await.unwrap_err();
        assert_eq!(
            states(&failure.recipients),
            [Rejected, NotSent, NotSent, NotSent]
        );
        assert!(taken(&relay).is_empty());

        // In a later one: the others get it still.
        relay.play(Script::new().nth(8, At::AnyRcpt, Answer::reply("550 5.1.1 gone")));
        let sent = send_to_all(&relay, 4, Some(2)).await.unwrap();
        assert_eq!(
            states(&sent.recipients),
            [Accepted, Accepted, Accepted, Rejected]
        );
        assert_eq!(taken(&relay), [vec![0, 1], vec![2]]);
    }
}
