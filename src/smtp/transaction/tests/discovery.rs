//! Finding out whether a relay discards what it refuses.

use super::*;
use crate::smtp::{Discards, Target, fixture::chunking};

fn careful(discards: &Discards) -> Target {
    Target {
        transactions: Transactions::EagerIfSafe,
        discards: discards.clone(),
        ..target(TlsMode::Plaintext)
    }
}

/// The round trips of a mail, in a session of its own, and whether the session
/// can go on behind it.
async fn mail(relay: Builder, discards: &Discards) -> (u64, bool, Vec<String>) {
    let (io, peer) = serve(relay).await;
    let mut session = open(io, &careful(discards)).await.unwrap();
    let before = peer.relay.counters();
    send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap();
    let turns = (peer.relay.counters() - before).turns;
    session.settle().await;
    let goes_on = session.is_reusable();
    if goes_on {
        send(&mut session, &envelope(1), &body(MESSAGE))
            .await
            .unwrap();
    }
    drop(session);
    (turns, goes_on, peer.lines().await)
}

fn trials(lines: &[String]) -> usize {
    lines.iter().filter(|line| *line == "BDAT 10 LAST").count()
}

#[tokio::test]
async fn a_relay_that_discards_is_written_to_eagerly_from_then_on() {
    let discards = Discards::default();
    let (turns, goes_on, lines) = mail(chunking(), &discards).await;
    assert_eq!((turns, goes_on, trials(&lines)), (2, true, 2));
    // Known for every session with it.
    let (turns, goes_on, lines) = mail(chunking(), &discards).await;
    assert_eq!((turns, goes_on, trials(&lines)), (1, true, 0));
    // One that offers something else is another.
    let other = chunking().extensions(["PIPELINING", "CHUNKING"]);
    let (turns, _, lines) = mail(other, &discards).await;
    assert_eq!((turns, trials(&lines)), (2, 2));
}

#[tokio::test]
async fn it_is_not_found_out_while_a_mail_is_waited_for() {
    let (io, peer) = serve(chunking()).await;
    let mut session = open(io, &careful(&Discards::default())).await.unwrap();
    send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap();
    assert_eq!(trials(&lines(&peer.relay)), 0);
    assert!(session.is_unsettled() && session.is_reusable());
    // Nor on the way out.
    session.quit().await;
    assert_eq!(trials(&peer.lines().await), 0);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_proves_nothing_is_written_to_as_before_and_not_asked_again() {
    let scripted = |script: Script| chunking().script(script);
    let refuse_sender = Answer::reply("550 5.7.1 no");
    for relay in [
        chunking().reads_refused_chunks(),
        // The mail that comes first is no trial.
        scripted(Script::new().nth(2, At::EndOfData, Answer::reply("250 2.0.0 queued"))),
        scripted(Script::new().nth(3, At::EndOfData, Answer::reply("250 2.0.0 queued"))),
        scripted(Script::new().nth(2, At::EndOfData, Answer::reply("421 4.3.2 bye"))),
        scripted(Script::new().nth(2, At::EndOfData, Answer::close())),
        scripted(Script::new().nth(2, At::EndOfData, Answer::stall())),
        scripted(Script::new().nth(2, At::EndOfData, Answer::usual().twice())),
        scripted(Script::new().nth(2, At::AnyMail, refuse_sender)),
        scripted(Script::new().nth(2, At::Rset, Answer::usual().twice())),
        scripted(Script::new().nth(2, At::Rset, Answer::reply("500 5.5.1 what"))),
    ] {
        let discards = Discards::default();
        let (turns, goes_on, lines) = mail(relay, &discards).await;
        assert_eq!((turns, goes_on), (2, false));
        assert!(trials(&lines) > 0);
        let (turns, goes_on, lines) = mail(chunking(), &discards).await;
        assert_eq!((turns, goes_on, trials(&lines)), (2, true, 0));
    }
}

#[tokio::test]
async fn nothing_is_tried_where_nothing_would_follow_from_it() {
    let without = chunking().extensions(["PIPELINING"]);
    let (_, _, lines) = mail(without, &Discards::default()).await;
    assert_eq!(trials(&lines), 0);
    for transactions in [Transactions::Standard, Transactions::Eager] {
        let (io, peer) = serve(chunking()).await;
        let target = Target {
            transactions,
            ..careful(&Discards::default())
        };
        let mut session = open(io, &target).await.unwrap();
        send(&mut session, &envelope(1), &body(MESSAGE))
            .await
            .unwrap();
        session.settle().await;
        drop(session);
        assert_eq!(trials(&peer.lines().await), 0);
    }
}
