//! Round trips, counted by the relay. Each is the time that the relay waits
//! for what comes next after it has said something. On a cold connection a
//! go-between counts, which sees those of TCP and TLS too.

mod cold;
mod segments;

use bytes::Bytes;
use posthaste::{
    mail::{Envelope, RecipientPolicy},
    relay::{AllowedHosts, Choice, CustomRelay, CustomRelays, Directory, Settings},
    report::TlsMode,
    smtp::{Body, Progress, Session, Target, Transaction, Transactions},
    testrelay::TestRelay,
    tls,
};

fn target(port: u16) -> Target {
    let custom = CustomRelay {
        host: "127.0.0.1".parse().unwrap(),
        port,
        credentials: None,
    };
    let settings = Settings {
        custom: CustomRelays {
            allow: vec![AllowedHosts {
                host: "127.0.0.1".into(),
                ports: Vec::new(),
            }],
            allow_tls_options: vec![posthaste::relay::TlsOption::Mode],
            ehlo_name: "client.example.org".into(),
            ..CustomRelays::default()
        },
        ..Settings::default()
    };
    let plaintext = tls::Settings {
        mode: Some(TlsMode::Plaintext),
        ..tls::Settings::default()
    };
    Directory::new(settings)
        .unwrap()
        .find(&Choice::Custom(custom), "example.org", &plaintext)
        .unwrap()
}

fn envelope(recipients: usize) -> Envelope {
    Envelope {
        reverse_path: Some("ada@example.org".parse().unwrap()),
        forward_paths: (0..recipients)
            .map(|n| format!("r{n}@example.net").parse().unwrap())
            .collect(),
    }
}

/// Of 1 KiB.
fn body() -> Body {
    Body::from(Bytes::from(format!(
        "Subject: x\r\n\r\n{}",
        "text\r\n".repeat(169)
    )))
}

const STANDARD: Transactions = Transactions::Standard;
const EAGER: Transactions = Transactions::Eager;

/// The round trips of the third mail on one connection to a relay that offers
/// `offer`.
async fn of_a_warm_mail(
    offer: &[&str],
    transactions: Transactions,
    recipients: usize,
    policy: RecipientPolicy,
) -> u64 {
    let relay = TestRelay::builder()
        .extensions(offer.iter().copied())
        .start()
        .await
        .unwrap();
    let (envelope, body) = (envelope(recipients), body());
    let target = Target {
        transactions,
        ..target(relay.port())
    };
    let progress = Progress::default();
    let mut session = Session::open(&target, &progress).await.unwrap();
    let mut counts = Vec::new();
    for _ in 0..3 {
        let before = relay.counters();
        let transaction = Transaction {
            envelope: &envelope,
            body: &body,
            policy,
        };
        let sent = session
            .send(transaction, &Progress::default())
            .await
            .unwrap();
        assert_eq!(sent.recipients.len(), recipients);
        assert!(session.is_reusable());
        counts.push((relay.counters() - before).turns);
    }
    session.quit().await;
    assert_eq!(relay.counters().connections, 1);
    counts[2]
}

#[tokio::test]
async fn a_warm_mail_takes_one_eagerly_and_two_by_standard() {
    let any = RecipientPolicy::Any;
    let chunking = ["PIPELINING", "CHUNKING"];
    for recipients in [1, 10] {
        let turns = of_a_warm_mail(&chunking, EAGER, recipients, any).await;
        assert_eq!(turns, 1);
        for offer in [&chunking[..], &["PIPELINING"]] {
            let turns = of_a_warm_mail(offer, STANDARD, recipients, any).await;
            assert_eq!(turns, 2);
        }
    }
}

#[tokio::test]
async fn a_mail_for_all_or_none_waits_before_its_message() {
    let all = RecipientPolicy::All;
    for transactions in [STANDARD, EAGER] {
        let turns = of_a_warm_mail(&["PIPELINING"], transactions, 10, all).await;
        assert_eq!(turns, 3);
        let turns = of_a_warm_mail(&["PIPELINING", "CHUNKING"], transactions, 10, all).await;
        assert_eq!(turns, 2);
    }
}

#[tokio::test]
async fn without_extensions_a_warm_mail_takes_three_and_one_a_recipient() {
    let any = RecipientPolicy::Any;
    for recipients in [1, 10] {
        let serial = 3 + recipients as u64;
        for transactions in [STANDARD, EAGER] {
            let turns = of_a_warm_mail(&["8BITMIME"], transactions, recipients, any).await;
            assert_eq!(turns, serial);
        }
        let offer = ["PIPELINING", "CHUNKING"];
        let turns = of_a_warm_mail(&offer, Transactions::Serial, recipients, any).await;
        assert_eq!(turns, serial);
    }
}
