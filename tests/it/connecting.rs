//! Reaching a relay, or not, and what is then told.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use posthaste::{
    api::client::pb::{
        self, SmtpStage,
        relay_failure::{Confidence, Reason},
    },
    testrelay::TestRelay,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::service::{Service, mail, request};

/// A service that sends through the relay at `host` and `port` in plaintext.
async fn service(host: &str, port: u16) -> Service {
    Service::start(&format!(
        "[relays.primary]\nhost = \"{host}\"\nport = {port}\ntls.mode = \"plaintext\"\n\
         [relays.primary.limits]\nconnect = \"300ms\"\nconnect_total = \"2s\"\n"
    ))
    .await
}

async fn failure(host: &str, port: u16) -> pb::RelayFailure {
    let service = service(host, port).await;
    let outcome = service.send(request(mail(&["bob@example.net"]))).await;
    let failure = outcome.unwrap_err().failure.unwrap();
    assert_eq!(failure.stage(), SmtpStage::Connect);
    assert_eq!(failure.confidence(), Confidence::Observed);
    let place = format!("{host}:{port}");
    assert!(failure.summary.contains(&place), "{}", failure.summary);
    failure
}

/// Each attempt's address and reason.
fn attempts(failure: &pb::RelayFailure) -> Vec<(&str, Reason)> {
    let attempts = failure.connect_attempts.iter();
    attempts
        .map(|it| (it.ip_address.as_str(), it.reason()))
        .collect()
}

#[tokio::test]
async fn a_relay_at_an_ipv6_address_is_reached() {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let Ok(relay) = TestRelay::builder().listen(address).start().await else {
        eprintln!("NOT TESTED: this machine has no ::1");
        return;
    };
    for host in ["::1", "[::1]"] {
        let service = service(host, relay.port()).await;
        let sent = service.send(request(mail(&["bob@example.net"]))).await;
        let endpoint = sent.unwrap().session.unwrap().endpoint.unwrap();
        assert_eq!(endpoint.ip_address, "::1");
    }
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_told_for_each_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let failure = failure("localhost", port).await;
    assert_eq!(failure.reason(), Reason::ConnectRefused);
    let told = attempts(&failure);
    assert!(
        told.contains(&("127.0.0.1", Reason::ConnectRefused)),
        "{told:?}"
    );
    for (ip, _) in told {
        assert!(ip.parse::<IpAddr>().unwrap().is_loopback(), "{ip}");
    }
}

#[tokio::test]
async fn an_address_without_a_route_and_a_silent_one_are_told_apart() {
    let unreachable = failure("255.255.255.255", 25).await;
    assert_eq!(unreachable.reason(), Reason::ConnectUnreachable);
    assert_eq!(
        attempts(&unreachable),
        [("255.255.255.255", Reason::ConnectUnreachable)]
    );

    // A listener whose queue is full drops what comes.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    let patience = std::time::Duration::from_millis(200);
    while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
    }
    let silent = failure("127.0.0.1", address.port()).await;
    assert_eq!(silent.reason(), Reason::ConnectTimeout);
    assert_eq!(attempts(&silent), [("127.0.0.1", Reason::ConnectTimeout)]);
    let elapsed = silent.connect_attempts[0].elapsed.unwrap();
    assert!(
        elapsed.seconds == 0 && elapsed.nanos >= 300_000_000,
        "{elapsed:?}"
    );
}
