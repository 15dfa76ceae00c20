//! Envelopes that take several transactions, and what the relay has then.

use std::num::NonZeroUsize;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{
    RecipientState::{Accepted, Deferred, NotSent, Rejected, Unknown},
    *,
};
use crate::{
    report::{Reason, RelayFailure, TlsMode},
    smtp::{Body, Target, Transactions, fixture},
    testrelay::{Answer, Builder, Script, Step as At, TestRelay},
};

mod all_or_nobody;
mod random;
mod trouble;

const TOO_MANY: &str = "452 4.5.3 too many recipients";

async fn session(relay: &TestRelay, max_recipients: Option<usize>) -> Session<TcpStream> {
    session_as(relay, max_recipients, Transactions::Standard).await
}

async fn session_as(
    relay: &TestRelay,
    max_recipients: Option<usize>,
    transactions: Transactions,
) -> Session<TcpStream> {
    let target = Target {
        transactions,
        host: "127.0.0.1".parse().unwrap(),
        port: relay.port(),
        max_recipients: max_recipients.and_then(NonZeroUsize::new),
        ..fixture::target(TlsMode::Plaintext)
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
    let body = Body::from(Bytes::from("Subject: a\r\n\r\ntext\r\n"));
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy,
    };
    let outcome = session.send(transaction, progress).await;
    outcome.map_err(Error::into_failure)
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

/// With and without PIPELINING, and with CHUNKING.
fn relays() -> [Builder; 3] {
    let [one_by_one, pipelining] = relays_by_data();
    [one_by_one, pipelining, TestRelay::builder()]
}

/// Those that take a message by DATA.
fn relays_by_data() -> [Builder; 2] {
    let relay = TestRelay::builder();
    [
        relay.clone().extensions(["SIZE", "ENHANCEDSTATUSCODES"]),
        relay.extensions(["SIZE", "ENHANCEDSTATUSCODES", "PIPELINING"]),
    ]
}

fn relays_that_come_to(step: At) -> Vec<Builder> {
    match step {
        At::Data => relays_by_data().into(),
        _ => relays().into(),
    }
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
            assert_eq!(taken.concat(), (0..recipients).collect::<Vec<_>>());
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
        assert_eq!(taken.concat(), (0..1000).collect::<Vec<_>>());
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

        let script = Script::new().nth(2, At::AnyRcpt, Answer::reply("550 5.1.1 no such user"));
        relay.play(script);
        let sent = send_to(&relay, 3, Some(1)).await.unwrap();
        assert_eq!(states(&sent.recipients), [Accepted, Rejected, Accepted]);
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
