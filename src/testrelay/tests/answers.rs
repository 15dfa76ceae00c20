use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use super::client::Client;
use crate::testrelay::{Answer, Script, Step, TestRelay};

async fn scripted(step: Step, answer: Answer) -> TestRelay {
    TestRelay::builder()
        .script(Script::new().at(step, answer))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_script_can_step_in_anywhere() {
    let answer = || Answer::reply("450 4.0.0-one\n450 4.0.0 two");
    for (step, lines) in [
        (Step::Greeting, &[][..]),
        (Step::Ehlo, &["EHLO a"]),
        (Step::Helo, &["HELO a"]),
        (Step::StartTls, &["STARTTLS"]),
        (Step::Auth, &["AUTH PLAIN AA=="]),
        (Step::AnyMail, &["MAIL FROM:<>"]),
        (
            Step::Mail(2),
            &["EHLO a", "MAIL FROM:<>", "RSET", "MAIL FROM:<>"],
        ),
        (
            Step::Rcpt(2),
            &["EHLO a", "MAIL FROM:<>", "RCPT TO:<a@b>", "RCPT TO:<a@b>"],
        ),
        (Step::Data, &["EHLO a", "DATA"]),
        (Step::Rset, &["RSET"]),
        (Step::Noop, &["NOOP"]),
        (Step::Vrfy, &["VRFY a"]),
        (Step::Quit, &["QUIT"]),
        (Step::Unknown, &["HELLO"]),
    ] {
        let relay = scripted(step, answer()).await;
        let mut client = Client::connect(&relay).await;
        let mut reply = client.octets(4).await;
        if step == Step::Greeting {
            assert_eq!(reply, b"450 ");
            continue;
        }
        client.reply().await;
        for line in lines {
            reply = client.ask(line).await.into_bytes();
        }
        assert!(reply.starts_with(b"450 4.0.0-one\r\n"), "{step:?}");
    }
}

#[tokio::test]
async fn the_code_decides_what_becomes_of_a_command() {
    let script = Script::new()
        .at(Step::Rcpt(1), Answer::reply("550 no"))
        .at(Step::Rcpt(2), Answer::reply("251 will forward"))
        .once(Step::EndOfData, Answer::reply("452 later"));
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    for end in ["452", "250"] {
        client
            .expect([
                ("MAIL FROM:<>", "250"),
                ("RCPT TO:<a@b.c>", "550"),
                ("RCPT TO:<d@e.f>", "251"),
                ("DATA", "354"),
                (".", end),
            ])
            .await;
    }
    let mails = relay.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].recipients(), ["d@e.f"]);
}

#[tokio::test]
async fn a_mail_can_be_taken_and_the_reply_lost() {
    let relay = scripted(Step::EndOfData, Answer::reset().as_if(250)).await;
    let mut client = Client::ready(&relay).await;
    client
        .expect([
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@b.c>", "250"),
            ("DATA", "354"),
        ])
        .await;
    client.write(".\r\n").await;
    assert_eq!(
        client.rest().await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(relay.wait_for_mails(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn connections_end_in_every_way() {
    for step in [Step::Connect, Step::Greeting] {
        for answer in [Answer::close(), Answer::cut()] {
            let relay = scripted(step, answer).await;
            let mut client = Client::connect(&relay).await;
            client.write("input that is left in the socket\r\n").await;
            assert_eq!(client.rest().await.unwrap(), b"", "{step:?}");
        }
        let relay = scripted(step, Answer::reset()).await;
        let mut client = Client::connect(&relay).await;
        assert_eq!(
            client.rest().await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    }
    let relay = scripted(
        Step::Noop,
        Answer::reply("421 4.3.2 bye").then(Answer::close()),
    )
    .await;
    let mut client = Client::ready(&relay).await;
    client.write("NOOP\r\n").await;
    assert_eq!(client.rest().await.unwrap(), b"421 4.3.2 bye\r\n");
}

#[tokio::test]
async fn a_client_that_goes_on_talking_hears_the_last_reply_all_the_same() {
    let bye = Answer::reply("421 4.3.2 bye");
    for end in [Answer::close(), Answer::cut()] {
        let relay = scripted(Step::Rset, bye.clone().then(end)).await;
        let mut client = Client::ready(&relay).await;
        // More than the sockets hold: a write that fails panics here.
        client.write("RSET\r\n".repeat(3_000_000)).await;
        assert_eq!(client.rest().await.unwrap(), b"421 4.3.2 bye\r\n");
    }
}

#[tokio::test]
async fn answers_can_be_late_or_never_come() {
    let relay = scripted(
        Step::Noop,
        Answer::usual().after(Duration::from_millis(300)),
    )
    .await;
    let mut client = Client::ready(&relay).await;
    let begun = Instant::now();
    assert!(client.ask("NOOP").await.starts_with("250"));
    assert!(begun.elapsed() >= Duration::from_millis(300));

    let relay = scripted(Step::Rset, Answer::stall()).await;
    let mut client = Client::ready(&relay).await;
    client.write("RSET\r\nRSET\r\n").await;
    assert!(client.hears_nothing().await);

    let relay = scripted(Step::Noop, Answer::nothing()).await;
    let mut client = Client::ready(&relay).await;
    client.write("NOOP\r\n").await;
    assert!(client.hears_nothing().await);
    client.expect([("RSET", "250")]).await;
}

#[tokio::test]
async fn answers_can_be_in_pieces_and_too_many() {
    let relay = scripted(Step::Noop, Answer::usual().in_pieces()).await;
    let mut client = Client::ready(&relay).await;
    let before = relay.counters();
    client
        .expect([("NOOP", "250 2.0.0 nothing done\r\n")])
        .await;
    assert_eq!((relay.counters() - before).turns, 1);

    let relay = scripted(Step::Noop, Answer::usual().twice()).await;
    let mut client = Client::ready(&relay).await;
    client
        .expect([
            ("NOOP", "250"),
            ("RSET", "250 2.0.0 nothing done"),
            ("RSET", "250 2.0.0 as"),
        ])
        .await;
}

#[tokio::test]
async fn answers_can_be_endless() {
    for (answer, start) in [
        (Answer::endless_line(), &b"250-xxxx"[..]),
        (Answer::endless_reply(), b"250-and more\r\n250-and more"),
    ] {
        let relay = scripted(Step::Ehlo, answer).await;
        let mut client = Client::connect(&relay).await;
        client.reply().await;
        client.write("EHLO a.example\r\n").await;
        let octets = client.octets(1_000_000).await;
        assert!(octets.starts_with(start));
        assert!(!octets.windows(4).any(|it| it == b"250 "));
    }
}

#[tokio::test]
async fn a_script_can_change_while_the_relay_runs() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    client.expect([("NOOP", "250")]).await;
    relay.play(Script::new().at(Step::Noop, Answer::reply("421 bye")));
    client.expect([("NOOP", "421")]).await;
}

#[tokio::test]
async fn connections_end_with_the_relay() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    relay.hang_up().await;
    assert_eq!(client.rest().await.unwrap(), b"");

    let mut client = Client::ready(&relay).await;
    drop(relay);
    assert_eq!(client.rest().await.unwrap(), b"");
}

#[tokio::test]
async fn connections_are_bounded_in_number_and_in_silence() {
    let relay = TestRelay::builder()
        .most_connections(1)
        .start()
        .await
        .unwrap();
    let _first = Client::ready(&relay).await;
    let mut second = Client::connect(&relay).await;
    assert_eq!(
        second.rest().await.unwrap(),
        b"421 4.3.2 too many connections\r\n"
    );

    let relay = TestRelay::builder()
        .idle_limit(Duration::from_millis(50))
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    assert_eq!(
        client.rest().await.unwrap(),
        b"421 4.4.2 nothing was heard for too long\r\n"
    );
}

#[tokio::test]
async fn a_wait_that_is_in_vain_tells_what_was_seen() {
    let relay = TestRelay::start().await.unwrap();
    let _client = Client::ready(&relay).await;
    relay.wait_for_commands("EHLO", 1).await.unwrap();
    let limit = Duration::from_millis(10);
    let vain = relay
        .relay
        .record
        .wait("a mail", limit, || None::<()>)
        .await;
    let text = vain.unwrap_err().to_string();
    assert!(
        text.contains("a mail did not come") && text.contains("EHLO client.example"),
        "{text}"
    );
}

#[tokio::test]
async fn connections_are_bounded_in_time() {
    let relay = TestRelay::builder()
        .session_limit(Duration::from_millis(50))
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    // Whatever the client does, and without a word.
    assert_eq!(client.rest().await.unwrap(), b"");
}

#[tokio::test]
async fn an_answer_can_wait_for_the_client_to_go_on() {
    let answer = Answer::hear().then(Answer::reply("250 at last"));
    let relay = TestRelay::builder()
        .script(Script::new().at(Step::Noop, answer))
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    client.write("NOOP\r\n").await;
    assert!(client.hears_nothing().await);
    client.expect([("RSET", "250 at last")]).await;
}

#[tokio::test]
async fn recipients_can_decide_what_becomes_of_a_mail() {
    let relay = TestRelay::builder()
        .recipients(|address, times| match (address, times) {
            ("first@b.c", 1) => Some((Step::AnyRcpt, Answer::reply("450 not yet"))),
            ("late@b.c", _) => Some((Step::EndOfData, Answer::reply("554 no"))),
            _ => None,
        })
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    client
        .expect([
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@b.c>", "250"),
            ("RCPT TO:<first@b.c>", "450 not yet"),
            ("RCPT TO:<first@b.c>", "250"),
            ("RCPT TO:<late@b.c>", "250"),
            ("DATA", "354"),
            (".", "554 no"),
            // The next transaction has other recipients.
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<first@b.c>", "250"),
            ("DATA", "354"),
            (".", "250"),
        ])
        .await;
    assert_eq!(relay.mails().len(), 1);
}
