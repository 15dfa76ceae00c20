use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::FutureExt as _;

use super::client::Client;
use crate::testrelay::{Answer, Mechanism, Script, Step, TestRelay};

#[tokio::test]
async fn takes_a_mail() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::connect(&relay).await;
    assert_eq!(
        client.reply().await,
        "220 testrelay.example ESMTP ready\r\n"
    );
    assert_eq!(
        client.ask("EHLO client.example").await,
        "250-testrelay.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n\
         250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n"
    );
    client
        .expect([
            (
                "MAIL FROM:<ann@example.org> SIZE=20 BODY=8BITMIME",
                "250 2.1.0",
            ),
            ("RCPT TO:<bob@example.org>", "250 2.1.5"),
            ("RCPT TO:<eve@example.org>", "250 2.1.5"),
            ("DATA", "354 "),
        ])
        .await;
    client
        .write("..first\r\nb\u{e9}\r\n.\r\r\n...\r\n".replace(".\r\r\n", "..\r\n"))
        .await;
    assert!(client.ask(".").await.starts_with("250 2.0.0 queued as 1"));
    assert!(client.ask("QUIT").await.starts_with("221 2.0.0"));
    assert_eq!(client.rest().await.unwrap(), b"");

    let [mail] = <[_; 1]>::try_from(relay.mails()).unwrap();
    assert_eq!(mail.text(), ".first\r\nb\u{e9}\r\n.\r\n..\r\n");
    assert_eq!(mail.reverse_path.address, "ann@example.org");
    assert_eq!(mail.reverse_path.parameters, ["SIZE=20", "BODY=8BITMIME"]);
    assert_eq!(mail.recipients(), ["bob@example.org", "eve@example.org"]);
    assert_eq!(
        (mail.ehlo_name.as_str(), mail.session),
        ("client.example", 1)
    );
    assert!(mail.tls.is_none() && mail.identity.is_none());
}

#[tokio::test]
async fn a_message_may_come_octet_by_octet() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    client
        .expect([
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@example.org>", "250"),
            ("DATA", "354"),
        ])
        .await;
    for byte in b"..\r\na\r\n.b\r\n.\r\n" {
        client.write([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(client.reply().await.starts_with("250"));
    assert_eq!(relay.mails()[0].text(), ".\r\na\r\nb\r\n");
}

#[tokio::test]
async fn a_pipelined_mail_takes_two_turns() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    let before = relay.counters();
    client
        .write("MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nRCPT TO:<g@h.i>\r\nDATA\r\n")
        .await;
    for start in ["250", "250", "250", "354"] {
        assert!(client.reply().await.starts_with(start));
    }
    client.write("hi\r\n.\r\n").await;
    assert!(client.reply().await.starts_with("250"));
    let counted = relay.counters() - before;
    assert_eq!((counted.turns, counted.commands, counted.mails), (2, 4, 1));
    assert_eq!(relay.sessions(), [relay.counters()]);
}

#[tokio::test]
async fn a_mail_without_pipelining_takes_a_turn_for_each_reply() {
    let relay = TestRelay::builder()
        .extensions(["8BITMIME"])
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    let before = relay.counters();
    client
        .expect([
            ("MAIL FROM:<a@b.c>", "250 sender ok"),
            ("RCPT TO:<d@e.f>", "250"),
            ("RCPT TO:<g@h.i>", "250"),
            ("DATA", "354"),
            ("hi\r\n.", "250"),
        ])
        .await;
    assert_eq!((relay.counters() - before).turns, 5);

    client
        .write("MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n")
        .await;
    assert!(client.reply().await.starts_with("554 5.5.0"));
    assert_eq!(client.rest().await.unwrap(), b"");
}

#[tokio::test]
async fn a_lone_dot_ends_a_message_that_is_not_wanted() {
    let script = Script::new().at(Step::Data, Answer::reply("354 go on all the same"));
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    client
        .expect([
            ("MAIL FROM:<>", "250"),
            ("DATA", "354"),
            (".", "554 5.5.1"),
            ("NOOP", "250"),
        ])
        .await;
    assert!(relay.mails().is_empty());
}

#[tokio::test]
async fn chunks_make_a_message() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    let before = relay.counters();
    client
        .write("MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nBDAT 4\r\n.\r\nhBDAT 3 LAST\r\ni\r\n")
        .await;
    for start in ["250", "250", "250 2.0.0 4 octets", "250 2.0.0 queued"] {
        assert!(client.reply().await.starts_with(start));
    }
    assert_eq!((relay.counters() - before).turns, 1);
    assert_eq!(relay.mails()[0].text(), ".\r\nhi\r\n");
}

#[tokio::test]
async fn a_chunk_that_is_not_wanted_is_read_all_the_same() {
    let script = Script::new().at(Step::AnyRcpt, Answer::reply("550 5.1.1 no"));
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    client
        .write("BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\nRCPT TO:<d@e.f>\r\nBDAT 6\r\nRSET\r\n")
        .await;
    for start in ["503 5.5.1", "250", "550 5.1.1", "554 5.5.1"] {
        let reply = client.reply().await;
        assert!(reply.starts_with(start), "{reply}");
    }
    client
        .expect([
            ("MAIL FROM:<>", "503"),
            ("RSET", "250"),
            ("MAIL FROM:<>", "250"),
        ])
        .await;
}

#[tokio::test]
async fn keeps_the_order_of_commands() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::connect(&relay).await;
    client.reply().await;
    client
        .expect([
            ("MAIL FROM:<a@b.c>", "503 say EHLO first"),
            ("EHLO under_score", "501"),
            ("HELO client.example", "250 testrelay.example"),
            ("MAIL FROM:<a@b.c> SIZE=1", "555 SIZE was not offered"),
            ("EHLO [127.0.0.1]", "250-"),
            ("RCPT TO:<a@b.c>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
            ("MAIL FROM:<a@b.c>", "250"),
            ("MAIL FROM:<a@b.c>", "503 5.5.1"),
            ("DATA", "554 5.5.1"),
            ("RCPT TO:<>", "501 5.1.3"),
            ("RCPT TO:<a@b.c> NOTIFY=NEVER", "555"),
            ("RCPT TO:<Postmaster>", "250"),
            ("RSET", "250"),
            ("RCPT TO:<a@b.c>", "503"),
            ("NOOP and more", "250"),
            ("VRFY ann", "252"),
            ("EXPN list", "502"),
            ("STARTTLS", "502"),
            ("AUTH PLAIN AGEAYg==", "504"),
            ("NONSENSE", "500 5.5.2"),
            ("MAIL FROM: a@b.c", "501 5.5.4"),
            ("MAIL FROM:<a@b.c> SIZE=x", "501 5.5.4 SIZE"),
            ("MAIL FROM:<a@b.c> FOO=x", "555 5.5.4"),
            ("MAIL FROM:<>", "250"),
            ("EHLO client.example", "250"),
            ("RCPT TO:<a@b.c>", "503"),
            ("MAIL FROM:<b\u{f6}b@b.c>", "553 5.6.7"),
            ("MAIL FROM:<b\u{f6}b@b.c> SMTPUTF8", "250"),
            ("RCPT TO:<b\u{f6}b@b.c>", "250"),
        ])
        .await;
}

#[tokio::test]
async fn is_a_stickler_for_line_ends() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    client.write("NOOP\n").await;
    assert!(
        client
            .reply()
            .await
            .starts_with("500 5.5.2 lines end in CRLF")
    );
    client
        .write(format!("NOOP {}\r\n", "x".repeat(20_000)))
        .await;
    assert!(
        client
            .reply()
            .await
            .starts_with("500 5.5.2 this line is too long")
    );
    for message in ["a\nb", "a\rb", "a\r\r\nb"] {
        client
            .expect([
                ("MAIL FROM:<>", "250"),
                ("RCPT TO:<a@b.c>", "250"),
                ("DATA", "354"),
            ])
            .await;
        client.write(format!("{message}\r\n.\r\n")).await;
        assert!(client.reply().await.starts_with("550 5.5.2"), "{message:?}");
    }
}

#[tokio::test]
async fn is_a_stickler_for_what_was_announced() {
    let relay = TestRelay::builder()
        .extensions(["SIZE 10", "8BITMIME", "CHUNKING", "PIPELINING"])
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    client
        .expect([
            ("MAIL FROM:<> SIZE=11", "552 this message"),
            ("MAIL FROM:<> SMTPUTF8", "555"),
            ("MAIL FROM:<> SIZE=10", "250"),
            ("RCPT TO:<a@b.c>", "250"),
            ("DATA", "354"),
            ("01234567\r\n.", "250"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@b.c>", "250"),
            ("DATA", "354"),
            ("012345678\r\n.", "552"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@b.c>", "250"),
            ("DATA", "354"),
            ("\u{e9}\r\n.", "554"),
        ])
        .await;
    client
        .write("MAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nBDAT 11 LAST\r\n0123456789\n")
        .await;
    client.reply().await;
    client.reply().await;
    assert!(client.reply().await.starts_with("552"));
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn commands_behind_ehlo_are_refused() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::connect(&relay).await;
    client.write("EHLO a.example\r\nNOOP\r\n").await;
    client.reply().await;
    assert!(client.reply().await.starts_with("554 5.5.0"));
    assert_eq!(client.rest().await.unwrap(), b"");

    let relay = TestRelay::builder().lenient().start().await.unwrap();
    let mut client = Client::connect(&relay).await;
    client.write("EHLO a.example\r\nNOOP\r\n").await;
    for start in ["220", "250", "250"] {
        assert!(client.reply().await.starts_with(start));
    }
}

#[tokio::test]
async fn authenticates() {
    let encode = |text: &str| BASE64_STANDARD.encode(text);
    let relay = TestRelay::builder()
        .auth("ann", "secret")
        .token("ann", "ya29")
        .require_auth()
        .start()
        .await
        .unwrap();
    let plain = encode("\0ann\0secret");
    let dialogues = [
        vec![(format!("AUTH PLAIN {plain}"), "235 2.7.0")],
        vec![("AUTH PLAIN".to_owned(), "334 \r\n"), (plain, "235")],
        vec![
            ("AUTH LOGIN".to_owned(), "334 VXNlcm5hbWU6"),
            (encode("ann"), "334 UGFzc3dvcmQ6"),
            (encode("secret"), "235"),
        ],
        vec![
            (format!("AUTH LOGIN {}", encode("ann")), "334 UGFz"),
            (encode("secret"), "235"),
        ],
        vec![(
            format!(
                "AUTH XOAUTH2 {}",
                encode("user=ann\x01auth=Bearer ya29\x01\x01")
            ),
            "235",
        )],
        vec![
            (
                format!(
                    "AUTH OAUTHBEARER {}",
                    encode("n,a=ann,\x01auth=Bearer x\x01\x01")
                ),
                "334 ey",
            ),
            (encode("\x01"), "535 5.7.8"),
            (
                format!(
                    "AUTH OAUTHBEARER {}",
                    encode("n,a=ann,\x01auth=Bearer ya29\x01\x01")
                ),
                "235",
            ),
        ],
        vec![
            ("MAIL FROM:<>".to_owned(), "530 5.7.0"),
            ("AUTH LOGIN".to_owned(), "334"),
            ("*".to_owned(), "501 5.7.0"),
            ("AUTH PLAIN ?".to_owned(), "501 5.5.2"),
            ("AUTH PLAIN =".to_owned(), "501 5.5.2 this response"),
            ("AUTH CRAM-MD5".to_owned(), "504 5.5.4"),
            (format!("AUTH PLAIN {}", encode("\0ann\0wrong")), "535"),
            (format!("AUTH PLAIN {}", encode("\0ann\0secret")), "235"),
            (format!("AUTH PLAIN {}", encode("\0ann\0secret")), "503"),
        ],
    ];
    for (n, dialogue) in dialogues.iter().enumerate() {
        let mut client = Client::connect(&relay).await;
        client.reply().await;
        let offer = client.ask("EHLO a.example").await;
        assert!(
            offer.ends_with("250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n"),
            "{offer}"
        );
        for (line, start) in dialogue {
            let reply = client.ask(line).await;
            assert!(reply.starts_with(start), "{n}: {line} led to {reply}");
        }
        client
            .expect([
                ("MAIL FROM:<>", "250"),
                ("RCPT TO:<a@b.c>", "250"),
                ("DATA", "354"),
                (".", "250"),
            ])
            .await;
        assert_eq!(relay.mails()[n].identity.as_deref(), Some("ann"));
    }
}

#[tokio::test]
async fn offers_the_mechanisms_it_is_told_to() {
    let relay = TestRelay::builder()
        .auth("ann", "secret")
        .mechanisms([Mechanism::Login])
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(&relay).await;
    client.reply().await;
    assert!(
        client
            .ask("EHLO a.example")
            .await
            .ends_with("250 AUTH LOGIN\r\n")
    );
    client.expect([("AUTH PLAIN AGEAYg==", "504")]).await;
}

#[tokio::test]
async fn keeps_mails_as_files() {
    let folder = tempfile::tempdir().unwrap();
    let send = async |text: &str| {
        let relay = TestRelay::builder()
            .name("mx.example")
            .keep_in(folder.path().join("mail"))
            .start()
            .await
            .unwrap();
        let mut client = Client::ready(&relay).await;
        client
            .expect([
                ("MAIL FROM:<>", "250"),
                ("RCPT TO:<a@b.c>", "250"),
                ("DATA", "354"),
            ])
            .await;
        client.expect([(&*format!("{text}\r\n."), "250")]).await;
    };
    send("one").await;
    send("two").await;
    let read = |name: &str| std::fs::read_to_string(folder.path().join("mail").join(name)).unwrap();
    assert_eq!(read("mx.example-0001.eml"), "one\r\n");
    assert_eq!(read("mx.example-0002.eml"), "two\r\n");
}

#[tokio::test]
async fn knows_when_its_last_client_has_left() {
    let relay = TestRelay::start().await.unwrap();
    let mut client = Client::ready(&relay).await;
    client.write("MAIL FROM:<>\r\n").await;
    {
        let alone = std::pin::pin!(relay.wait_until_alone());
        assert!(alone.now_or_never().is_none());
    }
    drop(client);
    relay.wait_until_alone().await.unwrap();
    assert_eq!(relay.commands().last().unwrap().line, "MAIL FROM:<>");
}
