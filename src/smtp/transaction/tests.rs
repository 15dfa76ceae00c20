//! Transactions with a relay that answers anything at any point.

use tokio::{io::DuplexStream, time::Instant};

use super::{
    RecipientState::{Accepted, Deferred, NotSent, Rejected, Unknown},
    *,
};
use crate::{
    mail::Address,
    report::TlsMode,
    smtp::peer::{Answer, but, open, plain, seconds, serve, serve_over, session, target, usual},
};

fn envelope(recipients: usize) -> Envelope {
    let address = |n: usize| -> Address { format!("r{n}@example.com").parse().unwrap() };
    Envelope {
        reverse_path: Some("sender@example.com".parse().unwrap()),
        forward_paths: (0..recipients).map(address).collect(),
    }
}

fn body(text: impl Into<Bytes>) -> Body {
    Body {
        bytes: text.into(),
        is_8bit: false,
        needs_smtputf8: false,
    }
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

fn states(recipients: &[RecipientResult]) -> Vec<RecipientState> {
    recipients.iter().map(|r| r.state).collect()
}

const MESSAGE: &str = "Subject: a\r\n\r\n.hidden\r\n";

#[tokio::test]
async fn a_warm_mail_takes_two_round_trips_with_pipelining_and_three_and_the_recipients_without() {
    for recipients in [1, 2, 7] {
        for (answer, turns) in [
            (Box::new(usual) as Box<dyn FnMut(&str) -> Answer + Send>, 2),
            (Box::new(plain), 3 + recipients),
        ] {
            let (io, peer) = serve(answer);
            let mut session = session(io).await;
            let delivered = send(&mut session, &envelope(recipients), &body(MESSAGE)).await;
            assert_eq!(
                states(&delivered.unwrap().recipients),
                vec![Accepted; recipients]
            );
            assert!(session.is_reusable());
            assert!(!session.facts().reused);
            send(&mut session, &envelope(recipients), &body(MESSAGE))
                .await
                .unwrap();
            assert!(session.facts().reused);
            drop(session);
            let seen = peer.await.unwrap();
            // Greeting and EHLO; each mail begins in the turn that ends
            // the one before.
            assert_eq!(seen.turns, 2 + 2 * turns, "{seen:?}");
            let message = "Subject: a\r\n\r\n..hidden\r\n.\r\n";
            assert_eq!(seen.messages, [message, message]);
        }
    }
}

#[tokio::test]
async fn mail_says_what_the_relay_takes_and_the_mail_needs() {
    let (io, peer) = serve(usual);
    let mut session = session(io).await;
    let mut eight_bit = body("ä\r\n");
    eight_bit.is_8bit = true;
    let mut utf8 = envelope(1);
    utf8.forward_paths.push("ü@example.com".parse().unwrap());
    utf8.reverse_path = None;
    send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap();
    send(&mut session, &envelope(1), &eight_bit).await.unwrap();
    send(&mut session, &utf8, &body(MESSAGE)).await.unwrap();
    drop(session);
    let lines = peer.await.unwrap().lines;
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
        ]
    );
}

#[tokio::test]
async fn what_the_relay_cannot_carry_is_not_tried() {
    let (io, peer) = serve(plain);
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
    assert_eq!(peer.await.unwrap().lines.len(), 1);

    let (io, peer) = serve(usual);
    let mut small = session(io).await;
    let largest = body(vec![b'a'; 300_000]);
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
    assert_eq!(peer.await.unwrap().messages.len(), 1);
}

#[tokio::test]
async fn one_refusal_does_not_hurt_the_others() {
    for extensions in [usual as fn(&str) -> Answer, plain] {
        let (io, peer) = serve(move |line| match line {
            "RCPT TO:<r0@example.com>" => "550 5.1.1 no such user".into(),
            "RCPT TO:<r1@example.com>" => "252 2.1.5 will try".into(),
            "RCPT TO:<r2@example.com>" => "450 4.2.1 greylisted".into(),
            _ => extensions(line),
        });
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
        drop(session);
        assert_eq!(peer.await.unwrap().messages.len(), 1);
    }
}

/// Sends one mail to two recipients, and says why it failed, what became
/// of each, and whether a second mail still goes.
async fn failing(
    answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (Reason, Stage, Vec<RecipientState>, bool) {
    let (io, peer) = serve(answer);
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
    let failure = outcome.unwrap_err().into_failure();
    let is_reusable = session.is_reusable();
    drop(session);
    if is_reusable {
        peer.await.unwrap();
    }
    (
        failure.reason,
        failure.stage,
        states(&failure.recipients),
        is_reusable,
    )
}

/// What is refused, with what, and what follows: the reason, what becomes of
/// the two recipients, and whether the session can go on.
#[rustfmt::skip]
const REFUSALS: [(&str, &str, Reason, [RecipientState; 2], bool); 24] = [
    ("MAIL", "550 5.7.1 no", Reason::SenderRejected, [NotSent; 2], true),
    ("MAIL", "530 5.7.0 log in", Reason::AuthRequired, [NotSent; 2], true),
    ("MAIL", "552 5.3.4 big", Reason::MessageTooLarge, [NotSent; 2], true),
    ("MAIL", "451 4.3.0 later", Reason::Deferred, [NotSent; 2], true),
    ("MAIL", "421 4.3.2 bye", Reason::RelayClosing, [NotSent; 2], false),
    ("MAIL", "354 what", Reason::ReplyMalformed, [NotSent; 2], false),
    ("RCPT", "550 5.1.1 no", Reason::RecipientsRejected, [Rejected; 2], true),
    ("RCPT", "450 4.2.0 grey", Reason::Deferred, [Deferred; 2], true),
    ("RCPT", "530 5.7.0 log in", Reason::AuthRequired, [Rejected; 2], true),
    ("RCPT", "421 bye", Reason::RelayClosing, [Deferred, NotSent], false),
    ("RCPT", "354 what", Reason::ReplyMalformed, [NotSent; 2], false),
    ("DATA", "554 5.5.1 no", Reason::MessageRejected, [Rejected; 2], true),
    ("DATA", "451 4.3.0 later", Reason::Deferred, [Deferred; 2], true),
    ("DATA", "421 bye", Reason::RelayClosing, [Deferred; 2], false),
    ("DATA", "250 what", Reason::ReplyMalformed, [NotSent; 2], false),
    (".", "550 5.7.1 spam", Reason::MessageRejected, [Rejected; 2], true),
    (".", "552 5.3.4 big", Reason::MessageTooLarge, [Rejected; 2], true),
    (".", "552 big", Reason::MessageTooLarge, [Rejected; 2], true),
    (".", "552 5.2.2 full", Reason::MessageRejected, [Rejected; 2], true),
    (".", "552 5.7.0 virus", Reason::MessageRejected, [Rejected; 2], true),
    (".", "451 4.3.0 later", Reason::Deferred, [Deferred; 2], true),
    (".", "421 bye", Reason::RelayClosing, [Deferred; 2], false),
    (".", "354 what", Reason::OutcomeUnknown, [Unknown; 2], false),
    (".", "what", Reason::OutcomeUnknown, [Unknown; 2], false),
];

#[tokio::test(start_paused = true)]
async fn what_a_relay_can_refuse() {
    for (command, reply, reason, fates, reusable) in REFUSALS {
        let stage = match command {
            "MAIL" => Stage::MailFrom,
            "RCPT" => Stage::RcptTo,
            "DATA" => Stage::Data,
            _ => Stage::EndOfData,
        };
        for extensions in [usual as fn(&str) -> Answer, plain] {
            let mut has_refused = false;
            let found = failing(move |line| {
                if line.starts_with(command) {
                    has_refused = true;
                    reply.into()
                } else if has_refused && command == "MAIL" {
                    "503 5.5.1 MAIL first".into()
                } else {
                    extensions(line)
                }
            })
            .await;
            let expected = (reason, stage, fates.to_vec(), reusable);
            assert_eq!(found, expected, "{command}: {reply}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_relay_can_leave_unsaid() {
    for (command, closed, silent, fate) in [
        (
            "MAIL",
            Reason::ConnectionLost,
            Reason::ReplyTimeout,
            NotSent,
        ),
        (
            "RCPT",
            Reason::ConnectionLost,
            Reason::ReplyTimeout,
            NotSent,
        ),
        (
            "DATA",
            Reason::ConnectionLost,
            Reason::ReplyTimeout,
            NotSent,
        ),
        (".", Reason::OutcomeUnknown, Reason::OutcomeUnknown, Unknown),
    ] {
        for extensions in [usual as fn(&str) -> Answer, plain] {
            let answering = |answer: fn() -> Answer| {
                move |line: &str| {
                    if line.starts_with(command) {
                        answer()
                    } else {
                        extensions(line)
                    }
                }
            };
            for (answer, reason) in [
                ((|| Answer::Close("")) as fn() -> Answer, closed),
                (|| Answer::Close("25"), closed),
                (|| Answer::Silence, silent),
            ] {
                let started = Instant::now();
                let found = failing(answering(answer)).await;
                assert_eq!((found.0, found.2), (reason, vec![fate; 2]), "{command}");
                assert!(!found.3);
                let limit = match command {
                    _ if matches!(answer(), Answer::Close(_)) => 0,
                    "DATA" => 60,
                    "." => 600,
                    _ => 30,
                };
                assert_eq!(started.elapsed(), seconds(limit), "{command}");
            }
        }
    }
}

#[tokio::test]
async fn mixed_refusals_are_worth_another_try_for_some_and_none_for_all() {
    let answer = |line: &str| match line {
        "RCPT TO:<r0@example.com>" => "550 5.1.1 no such user".into(),
        "RCPT TO:<r1@example.com>" => "450 4.2.0 later".into(),
        _ => usual(line),
    };
    for (policy, reason) in [
        (RecipientPolicy::Any, Reason::Deferred),
        (RecipientPolicy::All, Reason::RecipientsRejected),
    ] {
        let (io, _peer) = serve(answer);
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
    for extensions in [usual as fn(&str) -> Answer, plain] {
        let (io, peer) = serve(move |line| match line {
            "RCPT TO:<r1@example.com>" => "550 5.1.1 no such user".into(),
            _ => extensions(line),
        });
        let mut session = session(io).await;
        let all = RecipientPolicy::All;
        let outcome = send_as(&mut session, &envelope(3), &body(MESSAGE), all).await;
        let failure = outcome.unwrap_err().into_failure();
        assert_eq!(failure.reason, Reason::RecipientsRejected);
        assert_eq!(states(&failure.recipients), [NotSent, Rejected, NotSent]);
        assert_eq!(failure.recipients[0].reply, None);
        assert!(session.is_reusable());

        send_as(&mut session, &envelope(1), &body(MESSAGE), all)
            .await
            .unwrap();
        drop(session);
        let seen = peer.await.unwrap();
        let verbs: Vec<&str> = seen.lines.iter().map(|line| &line[..4]).collect();
        assert_eq!(
            verbs,
            [
                "EHLO", "MAIL", "RCPT", "RCPT", "RCPT", "RSET", "MAIL", "RCPT", "DATA"
            ]
        );
    }
}

#[tokio::test]
async fn a_message_that_nobody_gets_is_a_lone_dot() {
    let (io, peer) = serve(but("RCPT", || "550 5.1.1 no"));
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
    assert_eq!(outcome.unwrap_err().reason(), Reason::RecipientsRejected);
    assert!(session.is_reusable());
    drop(session);
    let seen = peer.await.unwrap();
    assert_eq!(seen.messages, [".\r\n"]);
    assert_eq!(seen.lines.last().unwrap(), "DATA");
}

#[tokio::test]
async fn a_message_that_somebody_would_get_is_not_ended() {
    // RCPT is accepted although MAIL was not.
    let (io, peer) = serve(but("MAIL", || "550 5.7.1 no"));
    let mut session = session(io).await;
    let outcome = send(&mut session, &envelope(1), &body(MESSAGE)).await;
    assert_eq!(outcome.unwrap_err().reason(), Reason::SenderRejected);
    assert!(!session.is_reusable());
    drop(session);
    assert!(peer.await.unwrap().messages.is_empty());
}

#[tokio::test]
async fn a_relay_that_closes_behind_a_refusal_is_left() {
    for closing in ["DATA", "."] {
        let (io, _peer) = serve(move |line| match line {
            _ if line.starts_with("RCPT") => "550 5.1.1 no".into(),
            _ if line == closing => "421 4.3.2 bye".into(),
            _ => usual(line),
        });
        let mut session = session(io).await;
        let outcome = send(&mut session, &envelope(2), &body(MESSAGE)).await;
        assert_eq!(outcome.unwrap_err().reason(), Reason::RecipientsRejected);
        assert!(!session.is_reusable(), "{closing}");
    }
}

#[tokio::test]
async fn a_thousand_recipients_do_not_block_over_a_narrow_wire() {
    let (io, peer) = serve_over(64, |line| match line {
        _ if line.starts_with("RCPT") => format!("250 2.1.5 {}", "x".repeat(500)).into(),
        _ => usual(line),
    });
    let mut session = session(io).await;
    let delivered = send(&mut session, &envelope(1000), &body(MESSAGE)).await;
    assert_eq!(states(&delivered.unwrap().recipients), vec![Accepted; 1000]);
    drop(session);
    assert_eq!(peer.await.unwrap().messages.len(), 1);
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
    let (io, peer) = serve_over(1000, usual);
    let mut session = session(io).await;
    send(&mut session, &envelope(1), &body(text.clone()))
        .await
        .unwrap();
    drop(session);
    let seen = peer.await.unwrap();
    let expected = text.replace("\r\n.", "\r\n..");
    assert!(seen.messages[0] == format!(".{expected}.\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_speaks_into_the_message_is_heard() {
    for (said, reason) in [
        ("354 go\r\n452 4.3.1 disk full\r\n", Reason::Deferred),
        ("354 go\r\n552 5.3.4 big\r\n", Reason::MessageTooLarge),
        ("354 go\r\n421 bye\r\n", Reason::RelayClosing),
        // Before it has the message, it cannot have taken it.
        ("354 go\r\n250 queued\r\n", Reason::ReplyMalformed),
    ] {
        for size in [10, 200_000] {
            let mut has_spoken = false;
            let (io, _peer) = serve_over(1000, move |line| {
                if has_spoken {
                    return Answer::Stall;
                }
                match line {
                    "DATA" => {
                        has_spoken = true;
                        Answer::Octets(said.as_bytes().to_vec())
                    }
                    _ => usual(line),
                }
            });
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
    let (io, _peer) = serve_over(1000, |line| match line {
        "DATA" => Answer::Octets(b"354 go\r\n".to_vec()),
        _ if line.starts_with("aaa") => Answer::Stall,
        _ => usual(line),
    });
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
    let answer = but(".", || "250 queued\r\n250 and more");
    let (io, _peer) = serve(answer);
    let mut session = session(io).await;
    send(&mut session, &envelope(1), &body(MESSAGE))
        .await
        .unwrap();
    assert!(!session.is_reusable());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_given_up_stops_at_once_and_is_not_ended() {
    for command in ["MAIL", "RCPT", "DATA"] {
        let (io, peer) = serve(but(command, || Answer::Silence));
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
            assert!(progress.abandon());
        });
        let error = outcome.unwrap_err();
        assert_eq!(error.reason(), Reason::DeadlineExceeded);
        assert_eq!(started.elapsed(), seconds(3));
        assert_eq!(states(&error.into_failure().recipients), [NotSent]);
        assert!(!session.is_reusable());
        drop(session);
        assert!(peer.await.unwrap().messages.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn once_committed_a_transaction_is_not_given_up() {
    let (io, _peer) = serve(but(".", || Answer::Silence));
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
    let answer = but("RCPT", || "550 5.1.1 <r0@example.com> unknown");
    let (io, _peer) = serve(answer);
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
    let (io, _peer) = serve(but("QUIT", || Answer::Silence));
    let quiet = open(io, &target(TlsMode::Plaintext)).await.unwrap();
    let started = Instant::now();
    quiet.quit().await;
    assert_eq!(started.elapsed(), seconds(2));
}
