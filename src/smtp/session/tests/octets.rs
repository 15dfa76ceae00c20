//! No relay at all: octets that come whenever a line went out.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::{transcript::Transcript, *};
use crate::{
    mail::{Envelope, RecipientPolicy},
    report::{Reason, RecipientState},
    smtp::{
        Body, Credentials, Transaction,
        fixture::{open, paused, seconds},
    },
};

/// What comes where a reply is due: most often something like one.
fn saying() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => Just(b"250 ok\r\n".to_vec()),
        3 => Just(b"354 go\r\n".to_vec()),
        2 => Just(Vec::new()),
        3 => "[2-5][0-9]{2}[ -][ -~]{0,20}\r\n".prop_map(String::into_bytes),
        1 => "(250-[a-zA-Z0-9= ]{0,12}\r\n){0,9}250 (AUTH PLAIN|SIZE [0-9]{1,3}|PIPELINING)\r\n"
            .prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..40),
        1 => "(250 ok\r\n|354 go\r\n){0,4}".prop_map(String::into_bytes),
    ]
}

/// What becomes of the pipe when there is nothing more to say.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    ReadOn,
    Freeze,
}

async fn speak(mut io: DuplexStream, sayings: Vec<Vec<u8>>, end: End) {
    let (mut due, mut buffer) = (1, [0; 1000]);
    let mut sayings = sayings.into_iter();
    loop {
        for _ in 0..due {
            let Some(octets) = sayings.next() else {
                match end {
                    End::Close => return,
                    End::ReadOn => while io.read(&mut buffer).await.is_ok_and(|n| n > 0) {},
                    End::Freeze => std::future::pending().await,
                }
                return;
            };
            if io.write_all(&octets).await.is_err() {
                return;
            }
        }
        match io.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => due = memchr::memchr_iter(b'\n', &buffer[..count]).count(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_octets_come_the_session_ends_in_time_and_in_sense(
        sayings in vec(saying(), 0..24),
        greets in prop::bool::weighted(0.9),
        offers in prop::bool::weighted(0.6),
        end in prop_oneof![Just(End::Close), Just(End::ReadOn), Just(End::Freeze)],
        wire in 8_usize..2000,
        recipients in 1_usize..4,
        to_all in any::<bool>(),
        has_credentials in any::<bool>(),
        transactions in transactions(),
    ) {
        paused().block_on(async {
            let greeting = greets.then(|| b"220 hello\r\n".to_vec());
            // Otherwise hardly one would offer what the message needs to go along.
            let offer = offers.then(|| b"250-me\r\n250-PIPELINING\r\n250 CHUNKING\r\n".to_vec());
            let sayings = greeting.into_iter().chain(offer).chain(sayings).collect();
            let (io, other_end) = duplex(wire);
            tokio::spawn(speak(other_end, sayings, end));
            let credentials = has_credentials.then(|| Credentials::Password {
                username: "ada".into(),
                password: "p".into(),
            });
            let target = Target { credentials, transactions, ..target(TlsMode::Plaintext) };
            let envelope = Envelope {
                reverse_path: None,
                forward_paths: (0..recipients)
                    .map(|n| format!("r{n}@example.com").parse().unwrap())
                    .collect(),
            };
            let body = Body::from(Bytes::from("a\r\n"));
            let transaction = Transaction {
                envelope: &envelope,
                body: &body,
                policy: if to_all { RecipientPolicy::All } else { RecipientPolicy::Any },
            };

            let transcript = Transcript::default();
            let started = Instant::now();
            if let Ok(mut session) = open(transcript.tap(io), &target).await {
                // More than there are sayings. A mail that what was offered rules
                // out leaves the session as it is, without a word.
                for _ in 0..30 {
                    if !session.is_reusable() {
                        break;
                    }
                    let before = transcript.accepted_ends();
                    match session.send(transaction, &Progress::default()).await {
                        Ok(delivered) => {
                            assert!(transcript.accepted_ends() > before, "{transcript:?}");
                            let taken = |r: &RecipientResult| r.state == RecipientState::Accepted;
                            assert!(delivered.recipients.iter().any(taken));
                        }
                        Err(error) => {
                            let failure = error.into_failure();
                            assert!(failure.summary.is_ascii());
                            let is_unknown = failure.reason == Reason::OutcomeUnknown;
                            assert!(!is_unknown || failure.stage == Stage::EndOfData);
                            for recipient in failure.recipients {
                                assert_ne!(recipient.state, RecipientState::Accepted);
                                assert!(is_unknown || recipient.state != RecipientState::Unknown);
                            }
                        }
                    }
                    session.settle().await;
                }
                session.quit().await;
            }
            check_framing(&transcript, |message| message == b"a\r\n");
            // One wait for each limit at most: what comes ends once.
            assert!(started.elapsed() <= seconds(600 + 5 + 4), "{:?}", started.elapsed());
        });
    }
}
