//! Several mails at once, with a relay that answers anything at any point.

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::DuplexStream;

use super::*;
use crate::{
    report::{
        Reason,
        RecipientState::{self, Accepted, NotSent, Rejected, Unknown},
        TlsMode,
    },
    smtp::{
        Target, Transactions,
        fixture::{
            chunking, lines, open, paused, saying, sayings, seconds, serve, serve_over, target,
        },
    },
    testrelay::{Answer, Builder, Script, Step as At, TestRelay},
};

const DEPTH: usize = 32;

async fn session(io: DuplexStream) -> Session<DuplexStream> {
    let target = Target {
        transactions: Transactions::Eager,
        ..target(TlsMode::Plaintext)
    };
    open(io, &target).await.unwrap()
}

fn text(number: usize) -> String {
    format!("Subject: {number}\r\n\r\nRSET\r\nQUIT\r\n")
}

fn flight(number: usize, progress: &Progress) -> (Flight, oneshot::Receiver<Landed>) {
    let envelope = Envelope {
        reverse_path: Some("ada@example.com".parse().unwrap()),
        forward_paths: vec![format!("r{number}@example.com").parse().unwrap()],
    };
    let body = Body::from(Bytes::from(text(number)));
    Flight::new(envelope, body, progress.clone())
}

/// What became of so many mails, which are all there at once.
async fn fly(
    session: &mut Session<DuplexStream>,
    mails: usize,
    depth: usize,
) -> Vec<Result<Delivered, Box<Error>>> {
    let (sender, mut flights) = mpsc::channel(mails);
    let mut landed = Vec::new();
    for number in 0..mails {
        let (flight, hears) = flight(number, &Progress::default());
        sender.try_send(flight).unwrap();
        landed.push(hears);
    }
    drop(sender);
    session.convoy(&mut flights, depth).await;
    let mut outcomes = Vec::new();
    for landed in landed {
        outcomes.push(landed.await.unwrap().outcome);
    }
    outcomes
}

/// `None`: it was taken.
fn reasons(outcomes: &[Result<Delivered, Box<Error>>]) -> Vec<Option<Reason>> {
    let reason = |it: &Result<Delivered, Box<Error>>| it.as_ref().err().map(|it| it.reason());
    outcomes.iter().map(reason).collect()
}

fn state(outcome: Result<Delivered, Box<Error>>) -> RecipientState {
    match outcome {
        Ok(delivered) => delivered.recipients[0].state,
        Err(error) => error.into_failure().recipients[0].state,
    }
}

/// The numbers of the mails that the relay has.
fn taken(relay: &TestRelay) -> Vec<usize> {
    let mails = relay.mails().into_iter();
    mails
        .map(|mail| {
            let number = mail.text()[9..]
                .split('\r')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(mail.text(), text(number));
            assert_eq!(mail.recipients(), [format!("r{number}@example.com")]);
            number
        })
        .collect()
}

fn but(n: u32, step: At, answer: Answer) -> Builder {
    chunking().script(Script::new().nth(n, step, answer))
}

#[tokio::test]
async fn mails_that_are_there_at_once_share_a_round_trip() {
    for (depth, turns) in [(32, 1), (8, 4), (1, 32)] {
        let (io, peer) = serve(chunking()).await;
        let mut session = session(io).await;
        let before = peer.relay.counters();
        let outcomes = fly(&mut session, 32, depth).await;
        assert!(outcomes.iter().all(Result::is_ok));
        assert_eq!((peer.relay.counters() - before).turns, turns, "{depth}");
        assert_eq!(taken(&peer.relay), (0..32).collect::<Vec<_>>());
        assert_eq!(session.mails(), 32);
        assert!(session.is_reusable() && !session.is_unsettled());
    }
}

#[tokio::test]
async fn a_refused_mail_does_not_hurt_the_others() {
    for (step, reason) in [
        (At::AnyMail, Reason::SenderRejected),
        (At::AnyRcpt, Reason::RecipientsRejected),
        (At::EndOfData, Reason::MessageRejected),
    ] {
        for refused in 1..=4_u32 {
            let answer = Answer::reply("550 5.7.1 no");
            let (io, peer) = serve(but(refused, step, answer)).await;
            let mut session = session(io).await;
            let outcomes = fly(&mut session, 4, DEPTH).await;
            let mut expected = vec![None; 4];
            expected[refused as usize - 1] = Some(reason);
            assert_eq!(reasons(&outcomes), expected);
            assert_eq!(taken(&peer.relay).len(), 3);
            assert!(session.is_reusable() && !session.is_unsettled());
            let lines = lines(&peer.relay);
            let resets = lines.iter().filter(|line| *line == "RSET").count();
            assert_eq!(resets, 4);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_leaves_unknown_what_has_no_last_reply() {
    for (step, answer, limit) in [
        (At::EndOfData, Answer::close(), 0),
        (At::EndOfData, Answer::garbage(), 0),
        (At::EndOfData, Answer::stall(), 600),
        (At::AnyRcpt, Answer::close(), 0),
        (At::AnyRcpt, Answer::stall(), 30),
        (At::AnyMail, Answer::close(), 0),
        (At::AnyMail, Answer::stall(), 30),
    ] {
        let (io, peer) = serve(but(3, step, answer)).await;
        let mut session = session(io).await;
        let started = Instant::now();
        let outcomes = fly(&mut session, 5, DEPTH).await;
        assert_eq!(started.elapsed(), seconds(limit));
        assert!(
            outcomes
                .iter()
                .filter_map(|it| it.as_ref().err())
                .all(|it| !it.is_stale())
        );
        let unknown = Some(Reason::OutcomeUnknown);
        assert_eq!(reasons(&outcomes), [None, None, unknown, unknown, unknown]);
        let states: Vec<_> = outcomes.into_iter().map(state).collect();
        assert_eq!(states, [Accepted, Accepted, Unknown, Unknown, Unknown]);
        assert!(!session.is_reusable());
        // It may go on behind what is no reply.
        assert_eq!(taken(&peer.relay)[..2], [0, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_takes_its_leave_has_not_taken_what_it_had_not_come_to() {
    let closing = Some(Reason::RelayClosing);
    for (step, n) in [
        (At::AnyMail, 3),
        (At::AnyRcpt, 3),
        (At::EndOfData, 3),
        // Before the third.
        (At::Rset, 2),
    ] {
        let answer = Answer::reply("421 4.3.2 bye").then(Answer::close());
        let (io, peer) = serve(but(n, step, answer)).await;
        let mut session = session(io).await;
        let outcomes = fly(&mut session, 4, DEPTH).await;
        assert_eq!(
            reasons(&outcomes),
            [None, None, closing, closing],
            "{step:?}"
        );
        assert!(outcomes[3].as_ref().unwrap_err().is_stale());
        let third = outcomes[2].as_ref().unwrap_err();
        assert_eq!(third.is_stale(), step != At::EndOfData, "{step:?}");
        assert!(!session.is_reusable());
        assert_eq!(taken(&peer.relay), [0, 1]);
    }
}

#[tokio::test]
async fn what_is_not_written_to_its_end_is_known_not_to_be_taken() {
    // Holds two mails or so.
    let answer = Answer::freeze();
    tokio::time::pause();
    let (io, _peer) = serve_over(300, but(1, At::AnyMail, answer)).await;
    let mut session = session(io).await;
    let outcomes = fly(&mut session, 20, DEPTH).await;
    let is_stale = |it: &Result<Delivered, Box<Error>>| it.as_ref().unwrap_err().is_stale();
    let first_unwritten = outcomes.iter().position(is_stale).unwrap();
    assert!(first_unwritten > 0);
    assert!(outcomes[first_unwritten..].iter().all(is_stale));
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let expected = if number < first_unwritten {
            Unknown
        } else {
            NotSent
        };
        assert_eq!(state(outcome), expected);
    }
}

#[tokio::test]
async fn too_many_and_too_few_replies_end_the_session() {
    let refused = |script: Script| script.nth(3, At::EndOfData, Answer::reply("554 5.7.1 spam"));
    for (step, n) in [
        (At::AnyMail, 2),
        (At::AnyRcpt, 2),
        (At::EndOfData, 2),
        (At::Rset, 1),
    ] {
        for answer in [Answer::usual().twice(), Answer::nothing().as_if(250)] {
            let script = refused(Script::new().nth(n, step, answer));
            tokio::time::pause();
            let (io, peer) = serve(chunking().script(script)).await;
            let mut session = session(io).await;
            let outcomes = fly(&mut session, 5, DEPTH).await;
            session.settle().await;
            assert!(!session.is_reusable(), "{step:?}");
            check(outcomes, &peer.relay);
            tokio::time::resume();
        }
    }
}

#[tokio::test]
async fn a_mail_that_is_given_up_in_time_is_not_written() {
    let (io, peer) = serve(chunking()).await;
    let mut session = session(io).await;
    let (sender, mut flights) = mpsc::channel(3);
    let given_up = Progress::default();
    assert!(given_up.abandon());
    let mut landed = Vec::new();
    for (number, progress) in [Progress::default(), given_up, Progress::default()]
        .iter()
        .enumerate()
    {
        let (flight, hears) = flight(number, progress);
        sender.try_send(flight).unwrap();
        landed.push(hears);
    }
    drop(sender);
    session.convoy(&mut flights, DEPTH).await;
    let second = landed.remove(1).await.unwrap().outcome.unwrap_err();
    assert_eq!(second.reason(), Reason::DeadlineExceeded);
    for landed in landed {
        assert!(landed.await.unwrap().outcome.is_ok());
    }
    assert_eq!(taken(&peer.relay), [0, 2]);
    assert!(session.is_reusable());
}

#[tokio::test]
async fn whoever_asked_may_have_gone() {
    let (io, peer) = serve(chunking()).await;
    let mut session = session(io).await;
    let (sender, mut flights) = mpsc::channel(2);
    for number in 0..2 {
        let (flight, _) = flight(number, &Progress::default());
        sender.try_send(flight).unwrap();
    }
    drop(sender);
    session.convoy(&mut flights, DEPTH).await;
    assert!(session.is_reusable());
    assert_eq!(taken(&peer.relay), [0, 1]);
}

#[tokio::test]
async fn nothing_is_written_to_a_relay_that_has_said_something_unasked() {
    for (said, reason) in [
        ("421 4.4.2 too long", Reason::RelayClosing),
        ("250 2.0.0 again", Reason::ReplyMalformed),
    ] {
        let answer = Answer::usual().then(Answer::reply(said));
        let (io, peer) = serve(but(1, At::Ehlo, answer)).await;
        let mut session = session(io).await;
        let outcomes = fly(&mut session, 2, DEPTH).await;
        assert_eq!(outcomes[0].as_ref().unwrap_err().reason(), reason);
        for outcome in outcomes {
            assert!(outcome.as_ref().unwrap_err().is_stale());
            assert_eq!(state(outcome), NotSent);
        }
        assert!(!session.is_reusable());
        assert_eq!(lines(&peer.relay).len(), 1);
    }
}

#[tokio::test]
async fn a_relay_that_reads_a_message_as_commands_is_noticed_by_the_next_mail() {
    let refused = Script::new().nth(2, At::AnyRcpt, Answer::reply("550 5.1.1 no"));
    let relay = chunking().reads_refused_chunks().script(refused);
    let (io, _peer) = serve(relay).await;
    let mut session = session(io).await;
    let outcomes = fly(&mut session, 4, DEPTH).await;
    let unknown = Some(Reason::OutcomeUnknown);
    assert_eq!(reasons(&outcomes)[0], None);
    assert_eq!(reasons(&outcomes)[2..], [unknown, unknown]);
    assert!(!session.is_reusable());
}

#[tokio::test]
async fn a_mail_that_the_relay_cannot_carry_is_not_written() {
    let (io, peer) = serve(chunking().extensions(["PIPELINING", "CHUNKING"])).await;
    let mut session = session(io).await;
    let (sender, mut flights) = mpsc::channel(2);
    let (mut eight_bit, hears) = flight(0, &Progress::default());
    eight_bit.body.is_8bit = true;
    sender.try_send(eight_bit).unwrap();
    let (other, other_hears) = flight(1, &Progress::default());
    sender.try_send(other).unwrap();
    drop(sender);
    session.convoy(&mut flights, DEPTH).await;
    let error = hears.await.unwrap().outcome.unwrap_err();
    assert_eq!(error.reason(), Reason::ExtensionMissing);
    assert!(!error.is_stale());
    assert!(other_hears.await.unwrap().outcome.is_ok());
    assert_eq!(taken(&peer.relay), [1]);
}

/// What is said of each mail is what became of it.
fn check(outcomes: Vec<Result<Delivered, Box<Error>>>, relay: &TestRelay) {
    let taken = taken(relay);
    assert!(taken.is_sorted_by(|a, b| a < b), "{taken:?}");
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let is_taken = taken.contains(&number);
        let is_stale = outcome.as_ref().is_err_and(|it| it.is_stale());
        match state(outcome) {
            Accepted => assert!(is_taken, "{number} was not taken"),
            Unknown => assert!(!is_stale),
            state => assert!(!is_taken, "{number} was taken: {state:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_the_relay_says_each_fate_is_true(
        on_mail in sayings(&["450 4.7.1 slowly", "550 5.7.1 no", "421 4.3.2 bye", "354 what", "!"], 5, 12),
        on_rcpt in sayings(&["450 4.2.1 x", "550 5.1.1 x", "421 4.3.2 bye", "354 what", "!"], 5, 12),
        on_end in sayings(&["451 4.3.0 later", "554 5.6.0 no", "421 4.3.2 bye", "354 what", "!", "+"], 5, 12),
        on_rset in sayings(&["500 5.5.1 what", "421 4.3.2 bye", "!"], 5, 12),
        mails in 1_usize..12,
        depth in 1_usize..8,
        wire in prop_oneof![Just(64 * 1024), 8_usize..2000],
    ) {
        paused().block_on(async {
            let mut script = saying(Script::new(), At::AnyMail, &on_mail);
            script = saying(script, At::AnyRcpt, &on_rcpt);
            script = saying(script, At::EndOfData, &on_end);
            script = saying(script, At::Rset, &on_rset);
            let (io, peer) = serve_over(wire, chunking().script(script)).await;
            let mut session = session(io).await;
            let outcomes = fly(&mut session, mails, depth).await;
            session.settle().await;
            session.quit().await;
            check(outcomes, &peer.done().await);
        });
    }
}

#[tokio::test]
async fn rejected_is_what_each_recipient_is_when_it_is_refused() {
    let (io, _peer) = serve(but(2, At::AnyRcpt, Answer::reply("550 5.1.1 no"))).await;
    let mut session = session(io).await;
    let outcomes = fly(&mut session, 3, DEPTH).await;
    let states: Vec<_> = outcomes.into_iter().map(state).collect();
    assert_eq!(states, [Accepted, Rejected, Accepted]);
}
