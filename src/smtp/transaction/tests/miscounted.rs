//! Relays that answer a command twice, or not at all, and take their time: no
//! reply may be taken for the one to the message.

use proptest::{prelude::*, sample::select};

use super::*;
use crate::smtp::{
    Flight, Target,
    fixture::{chunking, paused},
};

/// How a mail is handed to the session.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Behind,
    AtOnce,
    Convoy,
}

const MANNERS: [Manner; 3] = [Manner::Behind, Manner::AtOnce, Manner::Convoy];

async fn hand_over(
    manner: Manner,
    relay: Builder,
    recipients: usize,
) -> (Result<Delivered, Box<Error>>, usize) {
    let (io, peer) = serve(relay.idle_limit(seconds(20_000))).await;
    let transactions = match manner {
        Manner::Behind => Transactions::Standard,
        Manner::AtOnce | Manner::Convoy => Transactions::Eager,
    };
    let target = Target {
        transactions,
        ..target(TlsMode::Plaintext)
    };
    let mut session = open(io, &target).await.unwrap();
    let (envelope, body) = (envelope(recipients), body(MESSAGE));
    let outcome = match manner {
        Manner::Convoy => {
            let (flight, landed) = Flight::new(envelope, body, Progress::default());
            let (sender, mut flights) = tokio::sync::mpsc::channel(1);
            sender.try_send(flight).unwrap();
            drop(sender);
            session.convoy(&mut flights, 4).await;
            landed.await.unwrap().outcome
        }
        _ => send(&mut session, &envelope, &body).await,
    };
    // What it does about the mail may take it longer than to say so.
    drop(session);
    (outcome, peer.done().await.mails().len())
}

#[test]
fn a_reply_to_another_command_is_none_to_the_message() {
    let slow = |answer: Answer| answer.after(seconds(1));
    for manner in MANNERS {
        for (step, answer) in [
            (At::AnyMail, Answer::usual().twice()),
            (At::Rcpt(1), Answer::usual().then(slow(Answer::usual()))),
        ] {
            let script = Script::new()
                .at(step, answer)
                .at(At::EndOfData, slow(Answer::reply("554 5.6.0 not this")))
                .at(At::AnyRcpt, slow(Answer::usual()))
                .at(At::Rset, slow(Answer::usual()));
            let sending = hand_over(manner, chunking().script(script), 1);
            let (outcome, mails) = paused().block_on(sending);
            assert_eq!(mails, 0);
            let error = outcome.expect_err("the relay refused the message");
            assert_eq!(
                error.reason(),
                Reason::OutcomeUnknown,
                "{manner:?} {step:?}"
            );
        }
    }
}

#[test]
fn a_yes_to_an_address_is_none_to_a_message() {
    // Both replies too many are there before the one to the message is: they
    // stand in its place, and in that of the reply to RSET.
    for manner in [Manner::AtOnce, Manner::Convoy] {
        let script = Script::new()
            .at(At::AnyMail, Answer::usual().twice())
            .at(At::AnyRcpt, Answer::usual().twice())
            .at(
                At::EndOfData,
                Answer::reply("554 5.6.0 not this").after(seconds(1)),
            );
        let sending = hand_over(manner, chunking().script(script), 1);
        let (outcome, mails) = paused().block_on(sending);
        assert_eq!(mails, 0);
        let error = outcome.expect_err("the relay refused the message");
        assert_eq!(error.reason(), Reason::OutcomeUnknown, "{manner:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_mail_that_is_said_to_be_sent_was_taken(
        manner in select(MANNERS.to_vec()),
        recipients in 1_usize..4,
        step in select(vec![At::AnyMail, At::Rcpt(1), At::Rcpt(2), At::Rcpt(3), At::EndOfData, At::Rset]),
        is_twice in any::<bool>(),
        waits in prop::collection::vec(0_u64..3, 4),
        end in select(vec!["250 2.0.0 queued", "554 5.6.0 no", "451 4.3.0 later"]),
        refused in prop::option::of(1_u32..4),
    ) {
        let after = |n: usize, answer: Answer| match waits[n] {
            0 => answer,
            time => answer.after(seconds(time)),
        };
        let answer = match (step, is_twice) {
            // It has the last word on the mail.
            (At::EndOfData, true) => after(2, Answer::reply(&format!("{end}\n{end}"))),
            (At::EndOfData, false) => Answer::nothing().as_if(end[..3].parse().unwrap()),
            (_, true) => Answer::usual().then(after(3, Answer::usual())),
            (_, false) => Answer::nothing().as_if(250),
        };
        let mut script = Script::new().at(step, answer);
        if let Some(n) = refused {
            script = script.at(At::Rcpt(n), after(1, Answer::reply("550 5.1.1 no such user")));
        }
        script = script
            .at(At::AnyMail, after(0, Answer::usual()))
            .at(At::AnyRcpt, after(1, Answer::usual()))
            .at(At::EndOfData, after(2, Answer::reply(end)))
            .at(At::Rset, after(3, Answer::usual()));
        let relay = chunking().script(script);
        let (outcome, mails) = paused().block_on(hand_over(manner, relay, recipients));
        if outcome.is_ok() {
            prop_assert_eq!(mails, 1);
        }
    }
}
