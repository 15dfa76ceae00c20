//! Recipients that say in their address what becomes of a mail.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use posthaste::{
    api::client::pb::{SendMailResponse, TlsMode},
    faultd::RECIPIENTS,
};
use tokio::task::JoinSet;

use super::{
    faultd::{Faultd, Manifest},
    run,
};
use crate::service::{Service, mail_through, request};

/// Longer than a slow answer takes.
const LIMIT: &str = "6s";

/// The port and the mode of each relay that listens to its recipients.
fn relays(manifest: &Manifest) -> [(u16, TlsMode); 3] {
    [
        ("recipients", TlsMode::Starttls),
        ("recipients-implicit", TlsMode::Implicit),
        ("recipients-plaintext", TlsMode::Plaintext),
    ]
    .map(|(name, mode)| (manifest.port(name), mode))
}

/// The reason, or that it was sent.
async fn send(service: &Service, (port, mode): (u16, TlsMode), to: &[&str]) -> String {
    let answer = try_send(service, (port, mode), to).await;
    answer.map_or_else(|reason| reason, |_| "SENT".to_owned())
}

async fn try_send(
    service: &Service,
    (port, mode): (u16, TlsMode),
    to: &[&str],
) -> Result<SendMailResponse, String> {
    let answer = service.send(request(mail_through(port, mode, to))).await;
    answer.map_err(|error| error.reason)
}

/// What comes of the first mail to a recipient, and of the second.
fn outcomes(local_part: &str) -> [&'static str; 2] {
    match local_part {
        "550" => ["RECIPIENTS_REJECTED"; 2],
        "452" => ["DEFERRED"; 2],
        "451-then-250" | "451-after-dot-then-250" => ["DEFERRED", "SENT"],
        "421" => ["RELAY_CLOSING"; 2],
        "stall" => ["REPLY_TIMEOUT"; 2],
        "drop" => ["CONNECTION_LOST"; 2],
        "slow" | "slow-after-dot" => ["SENT"; 2],
        "554-at-data" | "554-after-dot" | "reject-after-dot" => ["MESSAGE_REJECTED"; 2],
        "drop-after-dot" | "reset-after-dot" | "stall-after-dot" => ["OUTCOME_UNKNOWN"; 2],
        other => panic!("what is to come of {other}?"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_recipient_has_its_way() {
    let faultd = Faultd::start().await;
    let service = run::start(&faultd.manifest, LIMIT, "").await;
    let service = Arc::new(service);
    let slow = Duration::from_secs(3);
    let mut running = JoinSet::new();
    for relay in relays(&faultd.manifest) {
        for recipient in RECIPIENTS {
            let service = Arc::clone(&service);
            running.spawn(async move {
                let to = format!("{}@example.net", recipient.local_part);
                let is_slow = recipient.local_part.starts_with("slow");
                for expected in outcomes(recipient.local_part) {
                    let started = Instant::now();
                    assert_eq!(send(&service, relay, &[&to]).await, expected, "{to}");
                    assert!(!is_slow || started.elapsed() >= slow, "{to}");
                }
            });
        }
    }
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap();
    }
    faultd.stop().await;
}

#[tokio::test]
async fn each_address_counts_by_itself_and_others_are_taken() {
    let faultd = Faultd::start().await;
    let service = run::start(&faultd.manifest, LIMIT, "").await;
    let [relay, ..] = relays(&faultd.manifest);
    let send = async |to: &[&str]| send(&service, relay, to).await;
    for _ in 0..2 {
        assert_eq!(send(&["ann@example.net"]).await, "SENT");
        assert_eq!(send(&["250@example.net"]).await, "SENT");
    }
    for address in [
        "451-then-250@a.example",
        "451-then-250@b.example",
        "451-then-250+tag@a.example",
        "499-then-250@a.example",
    ] {
        assert_eq!(send(&[address]).await, "DEFERRED", "{address}");
        assert_eq!(send(&[address]).await, "SENT", "{address}");
        assert_eq!(send(&[address]).await, "SENT", "{address}");
    }

    let together = ["ann@example.net", "550@example.net", "452@example.net"];
    let response = try_send(&service, relay, &together).await.unwrap();
    assert_eq!((response.accepted_count, response.refused_count), (1, 2));
    assert_eq!(
        send(&["ann@example.net", "554-after-dot@example.net"]).await,
        "MESSAGE_REJECTED"
    );
    faultd.stop().await;
}
