//! Whatever octets come, however they are cut.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::{Builder, Runtime};

use super::client::Client;
use crate::testrelay::{TestRelay, hello};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Lines of the kind that dot-stuffing is about.
fn message() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just(String::new()),
        Just(".".to_owned()),
        Just("..".to_owned()),
        "[.a]{0,6}",
        "[ -~]{0,40}",
    ];
    vec(line, 0..12).prop_map(|lines| lines.into_iter().map(|line| line + "\r\n").collect())
}

fn stuffed(message: &str) -> String {
    let lines = message.split_inclusive("\r\n");
    lines
        .map(|line| {
            if line.starts_with('.') {
                format!(".{line}")
            } else {
                line.to_owned()
            }
        })
        .chain([".\r\n".to_owned()])
        .collect()
}

#[test]
fn a_message_arrives_as_it_was_however_it_is_cut() {
    let runtime = runtime();
    let (relay, client) = runtime.block_on(async {
        let relay = TestRelay::start().await.unwrap();
        let client = Client::ready(&relay).await;
        (relay, tokio::sync::Mutex::new(client))
    });
    let mut runner = TestRunner::new(Config::with_cases(200));
    runner
        .run(
            &(message(), 1..20_usize, any::<bool>()),
            |(message, size, chunked)| {
                runtime.block_on(async {
                    let mut client = client.lock().await;
                    client
                        .expect([("MAIL FROM:<>", "250"), ("RCPT TO:<a@b.c>", "250")])
                        .await;
                    let wire = if chunked {
                        let (head, tail) = message.split_at(message.len().min(size));
                        let (first, rest) = (head.len(), tail.len());
                        format!("BDAT {first}\r\n{head}BDAT {rest} LAST\r\n{tail}")
                    } else {
                        client.expect([("DATA", "354")]).await;
                        stuffed(&message)
                    };
                    for piece in wire.as_bytes().chunks(size) {
                        client.write(piece).await;
                        tokio::task::yield_now().await;
                    }
                    for _ in 0..=usize::from(chunked) {
                        assert!(client.reply().await.starts_with("250"));
                    }
                    prop_assert_eq!(relay.mails().pop().unwrap().text(), message);
                    Ok::<_, TestCaseError>(())
                })
            },
        )
        .unwrap();
}

#[test]
fn nonsense_ends_in_a_reply_or_in_the_end_of_the_session() {
    let word = prop_oneof![
        Just(b"EHLO a\r\n".to_vec()),
        Just(b"MAIL FROM:<a@b.c>".to_vec()),
        Just(b"RCPT TO:<a@b.c>\r\n".to_vec()),
        Just(b"DATA\r\n".to_vec()),
        Just(b"BDAT 7\r\n".to_vec()),
        Just(b"AUTH PLAIN ".to_vec()),
        Just(b"\r\n".to_vec()),
        vec(any::<u8>(), 0..20),
    ];
    let runtime = runtime();
    let relay = runtime
        .block_on(TestRelay::builder().auth("a", "b").lenient().start())
        .unwrap();
    let mut runner = TestRunner::new(Config::with_cases(200));
    runner
        .run(&vec(word, 0..20), |words| {
            runtime.block_on(async {
                let mut client = Client::connect(&relay).await;
                client.write(words.concat()).await;
                // Whatever state that led to, this ends it.
                client
                    .write("\r\n.\r\n*\r\n12345\r\nQUIT\r\n.\r\nQUIT\r\n")
                    .await;
                let said = client.rest().await.unwrap();
                prop_assert!(said.starts_with(b"220 "));
                Ok::<_, TestCaseError>(())
            })
        })
        .unwrap();
}

proptest! {
    #[test]
    fn no_octets_confuse_the_reader_of_client_hellos(
        mut octets in vec(any::<u8>(), 0..200),
        framed in any::<bool>(),
    ) {
        if framed {
            let length = u8::try_from(octets.len()).unwrap();
            octets.splice(0..0, [22, 3, 1, 0, length + 4, 1, 0, 0, length]);
        }
        let _parsed = hello::parse(&octets);
    }
}
