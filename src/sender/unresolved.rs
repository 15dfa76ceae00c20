//! Mails to relays whose names a name server does not tell.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Deadline, Keep, Order, SendError, Sender};
use crate::{
    mail::{Content, Envelope, Mail, RecipientPolicy},
    relay::{Choice, CustomRelays, Directory, PoolLimits, Relay, Settings},
    report::{Acceptance, Confidence, Fault, Reason, RelayFailure, Retry, Stage},
    smtp::{
        Mechanisms, TimeLimits, Transactions,
        name_server::{NXDOMAIN, SERVFAIL, Say, name_server, resolver, says},
    },
    tls,
};

const LIMIT: Duration = Duration::from_millis(600);

/// Sends a mail to `smtp.example.com`, which only `name_server` could find.
async fn failure(name_server: SocketAddr) -> RelayFailure {
    let relay = Relay {
        name: "primary".parse().unwrap(),
        host: "smtp.example.com".parse().unwrap(),
        port: 587,
        tls: tls::Settings::default(),
        allow_tls_options: Vec::new(),
        credentials: None,
        mechanisms: Mechanisms::default(),
        ehlo_name: "client.example.com".into(),
        max_recipients: None,
        transactions: Transactions::default(),
        limits: TimeLimits {
            resolve: LIMIT,
            ..TimeLimits::default()
        },
        pool: PoolLimits::default(),
        probe: true,
    };
    let directory = Directory::new(Settings {
        default: Some(relay.name.clone()),
        relays: vec![relay],
        routes: Vec::new(),
        custom: CustomRelays::default(),
        tls: tls::Settings::default(),
    });
    let directory = directory.unwrap().resolving_by(resolver(name_server, ""));
    let keep = Keep {
        time: Duration::ZERO,
        entries: 0,
    };
    let message = Bytes::from_static(b"Subject: Hello\r\n\r\n");
    let order = Order {
        mail: Mail {
            envelope: Envelope {
                reverse_path: Some("ada@example.com".parse().unwrap()),
                forward_paths: vec!["bob@example.net".parse().unwrap()],
            },
            content: Content::Raw(message.try_into().unwrap()),
        },
        relay: Choice::Route,
        tls: tls::Settings::default(),
        policy: RecipientPolicy::default(),
        tags: Vec::new(),
        fingerprint: [0; 32],
    };
    let deadline = Deadline {
        answer_by: Instant::now() + Duration::from_secs(20),
    };
    let sender = Sender::new(directory, keep, 1);
    let sent = sender.send(order, None, deadline).await;
    let Err(SendError::Relay(failure)) = sent else {
        panic!("the relay was found")
    };
    assert_eq!(failure.stage, Stage::Resolve);
    assert_eq!(failure.confidence, Confidence::Observed);
    assert_eq!(failure.reason.acceptance(), Acceptance::None);
    assert_eq!(failure.endpoint.ip, None);
    assert!(failure.connect_attempts.is_empty());
    assert!(!failure.remedies.is_empty());
    *failure
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_for_who_configured_it() {
    let has_none = name_server(|_, _| says(0, &[])).await;
    let knows_none = name_server(|_, _| says(NXDOMAIN, &[])).await;
    for at in [has_none, knows_none] {
        let failure = failure(at).await;
        assert_eq!(failure.reason, Reason::DnsNotFound);
        assert_eq!(failure.reason.fault(failure.origin), Fault::Operator);
        assert_eq!(failure.reason.retry(), Retry::AfterFix);
        let about = "smtp.example.com";
        assert!(failure.summary.contains(about), "{}", failure.summary);
        let (setting, _) = failure.remedies[0].setting.as_ref().unwrap();
        assert_eq!(setting, "relays.primary.host");
    }
}

#[tokio::test]
async fn a_name_server_that_fails_or_is_silent_leaves_it_open() {
    let fails = name_server(|_, _| says(SERVFAIL, &[])).await;
    let silent = name_server(|_, _| Say {
        after: Duration::from_hours(1),
        ..says(0, &["192.0.2.1"])
    })
    .await;
    for at in [fails, silent] {
        let failure = failure(at).await;
        assert_eq!(failure.reason, Reason::DnsTemporary);
        assert_eq!(failure.reason.fault(failure.origin), Fault::Network);
        assert_eq!(failure.reason.retry(), Retry::Later);
        let about = "smtp.example.com";
        assert!(failure.summary.contains(about), "{}", failure.summary);
    }
}
