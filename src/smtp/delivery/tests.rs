//! Envelopes that take several transactions, and what the relay has then.

use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

use proptest::prelude::*;
use tokio::{net::TcpStream, runtime};

use super::{
    RecipientState::{Accepted, Deferred, NotSent, Rejected, Unknown},
    *,
};
use crate::{
    report::{Reason, RelayFailure, TlsMode},
    smtp::{Body, Target, peer},
    testrelay::{Answer, Builder, Script, Step as At, TestRelay},
};

const TOO_MANY: &str = "452 4.5.3 too many recipients";

async fn session(relay: &TestRelay, max_recipients: Option<usize>) -> Session<TcpStream> {
    let target = Target {
        host: "127.0.0.1".parse().unwrap(),
        port: relay.port(),
        max_recipients: max_recipients.and_then(NonZeroUsize::new),
        ..peer::target(TlsMode::Plaintext)
    };
    Session::open(&target, &Progress::default()).await.unwrap()
}

fn name(n: usize) -> String {
    format!("r{n}@example.com")
}

async fn send(
    session: &mut Session<TcpStream>,
    recipients: usize,
    policy: RecipientPolicy,
) -> Result<Delivered, RelayFailure> {
    send_with(session, recipients, policy, &Progress::default()).await
}

async fn send_with(
    session: &mut Session<TcpStream>,
    recipients: usize,
    policy: RecipientPolicy,
    progress: &Progress,
) -> Result<Delivered, RelayFailure> {
    let envelope = Envelope {
        reverse_path: Some("sender@example.com".parse().unwrap()),
        forward_paths: (0..recipients).map(|n| name(n).parse().unwrap()).collect(),
    };
    let body = Body {
        bytes: "Subject: a\r\n\r\ntext\r\n".into(),
        is_8bit: false,
        needs_smtputf8: false,
    };
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy,
    };
    let outcome = session.send(transaction, progress).await;
    outcome.map_err(|error| error.into_failure())
}

/// A mail to so many, in a session of its own.
async fn send_to(
    relay: &TestRelay,
    recipients: usize,
    max_recipients: Option<usize>,
) -> Result<Delivered, RelayFailure> {
    let mut session = session(relay, max_recipients).await;
    send(&mut session, recipients, RecipientPolicy::Any).await
}

async fn send_to_all(
    relay: &TestRelay,
    recipients: usize,
    max_recipients: Option<usize>,
) -> Result<Delivered, RelayFailure> {
    let mut session = session(relay, max_recipients).await;
    send(&mut session, recipients, RecipientPolicy::All).await
}

/// With and without PIPELINING.
fn relays() -> [Builder; 2] {
    let relay = TestRelay::builder();
    [
        relay.clone().extensions(["SIZE", "ENHANCEDSTATUSCODES"]),
        relay,
    ]
}

async fn start(relay: Builder, script: Script) -> TestRelay {
    relay.script(script).start().await.unwrap()
}

/// The recipients of each mail that the relay took, by number.
fn taken(relay: &TestRelay) -> Vec<Vec<usize>> {
    let number = |address: &str| {
        let (number, _) = address.strip_prefix('r').unwrap().split_once('@').unwrap();
        number.parse().unwrap()
    };
    let mails = relay.mails();
    mails
        .iter()
        .map(|mail| mail.recipients().into_iter().map(number).collect())
        .collect()
}

fn states(recipients: &[RecipientResult]) -> Vec<RecipientState> {
    recipients.iter().map(|r| r.state).collect()
}

fn codes(recipients: &[RecipientResult]) -> Vec<u16> {
    let code = |r: &RecipientResult| r.reply.as_ref().map_or(0, |reply| reply.code.value());
    recipients.iter().map(code).collect()
}

fn verbs(relay: &TestRelay, verb: &str) -> usize {
    let commands = relay.commands();
    commands
        .iter()
        .filter(|command| command.line.starts_with(verb))
        .count()
}

#[tokio::test]
async fn an_envelope_is_split_as_the_setting_has_it_in_its_order() {
    for (recipients, most, parts) in [
        (1, 1, vec![1]),
        (3, 1, vec![1, 1, 1]),
        (4, 2, vec![2, 2]),
        (5, 2, vec![2, 2, 1]),
        (5, 5, vec![5]),
        (5, 6, vec![5]),
        (1000, 100, vec![100; 10]),
    ] {
        for relay in relays() {
            let relay = start(relay, Script::new()).await;
            let mut session = session(&relay, Some(most)).await;
            let sent = send(&mut session, recipients, RecipientPolicy::Any)
                .await
                .unwrap();
            assert_eq!(states(&sent.recipients), vec![Accepted; recipients]);
            assert!(sent.partial_failure.is_none());
            // The last reply to an end of data is the answer.
            assert_eq!(
                sent.reply.lines,
                [format!("queued as {}", parts.len())],
                "{recipients} by {most}"
            );
            let taken = taken(&relay);
            assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), parts);
            assert_eq!(taken.concat(), Vec::from_iter(0..recipients));
            assert_eq!(verbs(&relay, "RCPT"), recipients);
            assert!(session.is_reusable());
            // One mail, however many transactions.
            let facts = session.facts();
            assert!(!facts.reused && facts.timings.connect.is_some());
        }
    }
}

#[tokio::test]
async fn a_relays_own_limit_is_learnt_once_in_a_mail() {
    for relay in relays() {
        let relay = start(relay.most_recipients(100), Script::new()).await;
        let sent = send_to(&relay, 1000, None).await.unwrap();
        assert_eq!(states(&sent.recipients), vec![Accepted; 1000]);
        let taken = taken(&relay);
        assert_eq!(taken.len(), 10);
        assert_eq!(taken.concat(), Vec::from_iter(0..1000));
        // Only the first transaction named too many.
        assert_eq!(verbs(&relay, "RCPT"), 1000 + 900);
    }
}

#[tokio::test]
async fn a_limit_below_the_setting_is_learnt_too() {
    let relay = start(
        TestRelay::builder().most_recipients(3),
        Script::new().at(At::Rcpt(2), Answer::reply("550 5.1.1 no such user")),
    )
    .await;
    let sent = send_to(&relay, 12, Some(5)).await.unwrap();
    // 5: one is refused and one too many; 3 at a time from then on.
    assert_eq!(
        taken(&relay),
        [vec![0, 2, 3], vec![4, 6], vec![7, 9], vec![10]]
    );
    assert_eq!(codes(&sent.recipients)[1], 550);
    let rejected: Vec<_> = (0..12)
        .filter(|&n| sent.recipients[n].state == Rejected)
        .collect();
    assert_eq!(rejected, [1, 5, 8, 11]);
}

#[tokio::test]
async fn the_old_code_and_a_code_without_details_mean_it_as_well() {
    for refusal in [TOO_MANY, "452 too many", "552 too many", "552 5.5.3 no"] {
        let script = Script::new()
            .nth(3, At::AnyRcpt, Answer::reply(refusal))
            .nth(4, At::AnyRcpt, Answer::reply(refusal));
        let relay = start(TestRelay::builder(), script).await;
        let sent = send_to(&relay, 4, None).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted; 4], "{refusal}");
        assert_eq!(taken(&relay), [[0, 1], [2, 3]], "{refusal}");
    }
}

#[tokio::test]
async fn other_refusals_are_not_taken_for_it() {
    for refusal in [
        "452 4.2.2 mailbox full",
        "452 4.3.1 disk full",
        "450 4.2.1 greylisted",
        "450 too many",
        "552 5.2.2 mailbox full",
    ] {
        let script = Script::new().at(At::Rcpt(3), Answer::reply(refusal));
        let relay = start(TestRelay::builder(), script).await;
        let sent = send_to(&relay, 3, None).await.unwrap();
        let expected = if refusal.starts_with('4') {
            Deferred
        } else {
            Rejected
        };
        assert_eq!(states(&sent.recipients), [Accepted, Accepted, expected]);
        assert_eq!(verbs(&relay, "MAIL"), 1, "{refusal}");
    }
}

#[tokio::test]
async fn a_recipient_that_is_too_many_by_itself_is_put_off() {
    for relay in relays() {
        // Nobody at all.
        let script = Script::new().at(At::AnyRcpt, Answer::reply(TOO_MANY));
        let relay = start(relay, script).await;
        let failure = send_to(&relay, 5, None).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Deferred);
        assert_eq!(states(&failure.recipients), [Deferred; 5]);
        assert_eq!(verbs(&relay, "MAIL"), 1);

        // One is taken, and then nobody any more.
        let script = (2..20).fold(Script::new(), |script, n| {
            script.nth(n, At::AnyRcpt, Answer::reply(TOO_MANY))
        });
        relay.play(script);
        let sent = send_to(&relay, 5, None).await.unwrap();
        assert_eq!(
            states(&sent.recipients),
            [Accepted, Deferred, Deferred, Deferred, Deferred]
        );
        assert_eq!(codes(&sent.recipients)[1..], [452; 4]);
        assert_eq!(taken(&relay), [[0]]);
        assert_eq!(verbs(&relay, "MAIL"), 1 + 5);
    }
}

#[tokio::test]
async fn a_relay_that_takes_one_at_a_time_gets_them_one_at_a_time() {
    for relay in relays() {
        let relay = start(relay.most_recipients(1), Script::new()).await;
        let sent = send_to(&relay, 30, None).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted; 30]);
        assert_eq!(taken(&relay).len(), 30);
        assert_eq!(verbs(&relay, "RCPT"), 30 + 29);
    }
}

#[tokio::test]
async fn recipients_that_a_part_is_refused_for_do_not_hurt_the_other_parts() {
    for relay in relays() {
        let script = Script::new()
            .nth(1, At::AnyRcpt, Answer::reply("550 5.1.1 no such user"))
            .nth(2, At::AnyRcpt, Answer::reply("450 4.2.1 greylisted"));
        let relay = start(relay, script).await;
        let sent = send_to(&relay, 4, Some(2)).await.unwrap();
        assert_eq!(
            states(&sent.recipients),
            [Rejected, Deferred, Accepted, Accepted]
        );
        assert_eq!(taken(&relay), [[2, 3]]);
        assert!(sent.partial_failure.is_none());
    }
}

#[tokio::test]
async fn when_all_parts_are_refused_trying_again_is_told_first() {
    for relay in relays() {
        let script = Script::new()
            .nth(2, At::AnyRcpt, Answer::reply("450 4.2.1 greylisted"))
            .at(At::AnyRcpt, Answer::reply("550 5.1.1 no such user"));
        let relay = start(relay, script).await;
        let failure = send_to(&relay, 3, Some(1)).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Deferred);
        assert_eq!(failure.stage, Stage::RcptTo);
        assert_eq!(failure.reply.unwrap().code.value(), 450);
        assert_eq!(states(&failure.recipients), [Rejected, Deferred, Rejected]);
        assert!(failure.summary.contains("3 of 3"), "{}", failure.summary);
    }
}

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
        for relay in relays() {
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
            assert!(session.is_reusable());
        }
    }
}

#[tokio::test]
async fn a_refusal_of_the_message_is_for_one_part_once_somebody_has_it() {
    for (at, reply, state) in [
        (At::Data, "451 4.3.0 later", Deferred),
        (At::EndOfData, "554 5.6.0 not this", Rejected),
    ] {
        for relay in relays() {
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
async fn a_limit_that_the_relay_tells_is_kept() {
    for (told, set, parts) in [
        ("LIMITS RCPTMAX=2", None, vec![2, 2, 1]),
        ("LIMITS RCPTMAX=2", Some(3), vec![2, 2, 1]),
        ("LIMITS MAILMAX=9 RCPTMAX=4", Some(3), vec![3, 2]),
        ("LIMITS MAILMAX=9", None, vec![5]),
    ] {
        let relay = TestRelay::builder().extensions(["PIPELINING", told]);
        let relay = start(relay, Script::new()).await;
        send_to(&relay, 5, set).await.unwrap();
        let lengths: Vec<_> = taken(&relay).iter().map(Vec::len).collect();
        assert_eq!(lengths, parts, "{told} {set:?}");
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
    let body = Body {
        bytes: "\r\n".into(),
        is_8bit: false,
        needs_smtputf8: false,
    };
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
    let relay = start(TestRelay::builder(), script).await;
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
async fn all_or_nobody_asks_for_everybody_before_anything_is_sent() {
    for relay in relays() {
        let relay = start(relay, Script::new()).await;
        let sent = send_to_all(&relay, 5, Some(2)).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted; 5]);
        assert_eq!(taken(&relay), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(verbs(&relay, "RSET"), 3);
        assert_eq!(verbs(&relay, "RCPT"), 10);

        // One transaction needs no rehearsal.
        send_to_all(&relay, 5, None).await.unwrap();
        assert_eq!(verbs(&relay, "RSET"), 3);
    }
}

#[tokio::test]
async fn all_or_nobody_is_nobody_when_one_of_a_later_part_is_refused() {
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
async fn all_or_nobody_learns_the_relays_limit() {
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
async fn all_or_nobody_goes_out_in_the_parts_that_were_agreed_on() {
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
async fn all_or_nobody_ends_with_a_rehearsal_that_fails() {
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
async fn all_or_nobody_whose_relay_changes_its_mind() {
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

/// What a relay says instead of the usual, seldom or often.
fn saying(
    refusals: &'static [&'static str],
    usual: u32,
) -> impl Strategy<Value = Vec<Option<&'static str>>> {
    let one = prop_oneof![
        usual => Just(None),
        1 => prop::sample::select(refusals).prop_map(Some),
    ];
    prop::collection::vec(one, 0..24)
}

/// `!` in front: the connection ends. `+`: so it does, and the mail is taken.
fn play(script: Script, at: At, sayings: &[Option<&'static str>]) -> Script {
    let numbered = (1..).zip(sayings);
    numbered.fold(script, |script, (n, saying)| match saying {
        None => script,
        Some("!") => script.nth(n, at, Answer::close()),
        Some("+") => script.nth(n, at, Answer::close().as_if(250)),
        Some(reply) => script.nth(n, at, Answer::reply(reply)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_the_relay_says_each_fate_is_told_once_and_true(
        on_mail in saying(&["450 4.7.1 slowly", "550 5.7.1 no", "421 4.3.2 bye", "!"], 12),
        on_rcpt in saying(&[TOO_MANY, TOO_MANY, "452 x", "552 x", "450 4.2.1 x", "550 5.1.1 x"], 1),
        on_data in saying(&["451 4.3.0 later", "554 5.5.1 no", "!"], 8),
        on_end in saying(&["451 4.3.0 later", "554 5.6.0 no", "421 4.3.2 bye", "!", "+"], 5),
        on_rset in saying(&["500 5.5.1 what", "421 4.3.2 bye", "!"], 12),
        recipients in 1_usize..9,
        max_recipients in 0_usize..6,
        relays_own in 1_usize..9,
        to_all in any::<bool>(),
        pipelining in any::<bool>(),
    ) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut script = play(Script::new(), At::AnyMail, &on_mail);
            script = play(script, At::AnyRcpt, &on_rcpt);
            script = play(script, At::Data, &on_data);
            script = play(script, At::EndOfData, &on_end);
            script = play(script, At::Rset, &on_rset);
            let relay = relays()[usize::from(pipelining)].clone().most_recipients(relays_own);
            let relay = start(relay, script).await;
            let mut session = session(&relay, Some(max_recipients)).await;
            let policy = if to_all { RecipientPolicy::All } else { RecipientPolicy::Any };
            let (told, failure) = match send(&mut session, recipients, policy).await {
                Ok(sent) => (sent.recipients, None),
                Err(mut failure) => (std::mem::take(&mut failure.recipients), Some(failure)),
            };

            let mails = taken(&relay);
            let has: BTreeSet<_> = mails.concat().into_iter().collect();
            assert_eq!(has.len(), mails.concat().len(), "somebody got it twice: {mails:?}");
            let addresses: Vec<_> = told.iter().map(|r| r.address.as_str()).collect();
            assert_eq!(addresses, (0..recipients).map(name).collect::<Vec<_>>());
            for (n, recipient) in told.iter().enumerate() {
                match recipient.state {
                    Unknown => {}
                    state => assert_eq!(has.contains(&n), state == Accepted, "{n}: {told:?}"),
                }
                // Only what was never asked for may lack the reply that decided.
                let is_decided = matches!(recipient.state, Accepted | Deferred | Rejected);
                assert!(!is_decided || recipient.reply.is_some(), "{n}: {told:?}");
            }
            let is_unknown = states(&told).contains(&Unknown);
            match &failure {
                None => assert!(states(&told).contains(&Accepted)),
                Some(failure) => {
                    assert!(!states(&told).contains(&Accepted), "{told:?}");
                    assert_eq!(failure.reason == Reason::OutcomeUnknown, is_unknown);
                }
            }
            let rehearsals = if to_all { recipients + 1 } else { 0 };
            assert!(verbs(&relay, "MAIL") <= recipients + rehearsals);
            for mail in mails {
                assert!(mail.is_sorted() && (max_recipients == 0 || mail.len() <= max_recipients));
            }
        });
    }
}
