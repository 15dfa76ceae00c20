//! Round trips, counted by the relay. Each is the time that the relay waits
//! for what comes next after it has said something.

use bytes::Bytes;
use posthaste::{
    mail::{Envelope, RecipientPolicy},
    relay::{AllowedHosts, Choice, CustomRelay, CustomRelays, Directory, Settings},
    report::TlsMode,
    smtp::{Body, Progress, Session, Target, Transaction},
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

/// The round trips of the third mail on one connection.
async fn of_a_warm_mail(relay: &TestRelay, recipients: usize, policy: RecipientPolicy) -> u64 {
    let envelope = Envelope {
        reverse_path: Some("ada@example.org".parse().unwrap()),
        forward_paths: (0..recipients)
            .map(|n| format!("r{n}@example.net").parse().unwrap())
            .collect(),
    };
    let body = Body::from(Bytes::from(format!(
        "Subject: x\r\n\r\n{}",
        "text\r\n".repeat(170)
    )));
    let target = target(relay.port());
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
async fn with_pipelining_a_warm_mail_takes_two() {
    for recipients in [1, 10] {
        let relay = TestRelay::builder()
            .extensions(["PIPELINING"])
            .start()
            .await
            .unwrap();
        assert_eq!(
            of_a_warm_mail(&relay, recipients, RecipientPolicy::Any).await,
            2
        );
    }
}

#[tokio::test]
async fn a_mail_for_all_or_none_waits_before_data() {
    let relay = TestRelay::builder()
        .extensions(["PIPELINING"])
        .start()
        .await
        .unwrap();
    assert_eq!(of_a_warm_mail(&relay, 10, RecipientPolicy::All).await, 3);
}

#[tokio::test]
async fn without_pipelining_a_warm_mail_takes_three_and_one_a_recipient() {
    for recipients in [1, 10] {
        let relay = TestRelay::builder()
            .extensions(["8BITMIME"])
            .start()
            .await
            .unwrap();
        let turns = of_a_warm_mail(&relay, recipients, RecipientPolicy::Any).await;
        assert_eq!(turns, 3 + recipients as u64);
    }
}
