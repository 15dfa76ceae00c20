//! Recipients that say in their address what becomes of a mail.

use std::time::{Duration, Instant};

use posthaste::{
    api::client::pb::{SendMailResponse, TlsMode},
    faultd::RECIPIENTS,
};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_recipient_has_its_way() {
    let faultd = Faultd::start().await;
    let service = run::start(&faultd.manifest, LIMIT, "").await;
    let slow = Duration::from_secs(3);
    for (nth, relay) in relays(&faultd.manifest).into_iter().enumerate() {
        for recipient in RECIPIENTS {
            let (first, second) = match recipient.local_part {
                "550" => ("RECIPIENTS_REJECTED", "RECIPIENTS_REJECTED"),
                "452" => ("DEFERRED", "DEFERRED"),
                "451-then-250" | "451-after-dot-then-250" => ("DEFERRED", "SENT"),
                "421" => ("RELAY_CLOSING", "RELAY_CLOSING"),
                "stall" => ("REPLY_TIMEOUT", "REPLY_TIMEOUT"),
                "drop" => ("CONNECTION_LOST", "CONNECTION_LOST"),
                "slow" | "slow-after-dot" => ("SENT", "SENT"),
                "554-at-data" | "554-after-dot" | "reject-after-dot" => {
                    ("MESSAGE_REJECTED", "MESSAGE_REJECTED")
                }
                "drop-after-dot" | "reset-after-dot" | "stall-after-dot" => {
                    ("OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN")
                }
                other => panic!("what is to come of {other}?"),
            };
            // What takes its time is tried on one port only.
            let waits = ["stall", "slow"]
                .iter()
                .any(|start| recipient.local_part.starts_with(start));
            if waits && nth > 0 {
                continue;
            }
            let to = format!("{}@example.net", recipient.local_part);
            let started = Instant::now();
            assert_eq!(send(&service, relay, &[&to]).await, first, "{to}");
            let is_slow = recipient.local_part.starts_with("slow");
            assert!(!is_slow || started.elapsed() >= slow, "{to}");
            if !waits {
                assert_eq!(send(&service, relay, &[&to]).await, second, "{to} again");
            }
        }
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
