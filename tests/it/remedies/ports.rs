//! Another port, where the relay is as a mail needs it.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
};

use posthaste::{
    api::client::pb::relay_failure::Reason,
    testrelay::{
        Answer, Builder, Script, Step, TestRelay,
        ca::{Ca, Leaf},
    },
};

use super::Case;

/// Two ports of one host: `odd`, where the relay is not as a mail needs it,
/// and `usual`. `None` where this machine lets nobody have that one.
async fn two_ports(ip: Ipv4Addr, odd: Builder, usual: (u16, Builder)) -> Option<(Case, TestRelay)> {
    let (port, relay) = usual;
    let refused = TcpListener::bind((ip, port)).err().map(|it| it.kind());
    if let Some(ErrorKind::PermissionDenied | ErrorKind::AddrInUse) = refused {
        eprintln!("NOT TESTED: port {port} of {ip} is not to be had here");
        return None;
    }
    let there = relay.listen((ip, port).into()).start().await.unwrap();
    let here = odd.listen((ip, 0).into()).start().await.unwrap();
    Some((Case::new(here).at(ip), there))
}

fn certified(ca: &Ca, ip: Ipv4Addr) -> Builder {
    TestRelay::builder().tls(ca.issue(Leaf::new([ip.to_string().as_str()])))
}

#[tokio::test]
async fn port_465_where_starttls_is_not_offered() {
    let ca = Ca::new("Test CA");
    let ip = Ipv4Addr::new(127, 0, 46, 1);
    let usual = (465, certified(&ca, ip).implicit_tls());
    if let Some((case, there)) = two_ports(ip, TestRelay::builder(), usual).await {
        case.trusting(&ca)
            .is_mended(Reason::StarttlsNotOffered, "port")
            .await;
        assert_eq!(there.mails().len(), 1);
    }
}

#[tokio::test]
async fn port_587_where_tls_has_to_begin_at_once() {
    let ca = Ca::new("Test CA");
    let ip = Ipv4Addr::new(127, 0, 58, 1);
    let odd = certified(&ca, ip).implicit_tls();
    if let Some((case, there)) = two_ports(ip, odd, (587, certified(&ca, ip))).await {
        case.trusting(&ca)
            .is_mended(Reason::TlsOnPlaintextPort, "port")
            .await;
        assert_eq!(there.mails().len(), 1);
    }
}

/// It was tried, and the mode that goes with it is told beside it.
#[tokio::test]
async fn a_port_that_was_found_to_work_and_its_mode() {
    let ca = Ca::new("Test CA");
    let ip = Ipv4Addr::new(127, 0, 46, 2);
    let odd = certified(&ca, ip).script(refusing());
    let usual = (465, certified(&ca, ip).implicit_tls());
    if let Some((case, there)) = two_ports(ip, odd, usual).await {
        case.trusting(&ca)
            .with("tls.mode", "\"starttls\"")
            .is_mended_with(Reason::HandshakeRefused, &[("port", ""), ("tls.mode", "")])
            .await;
        assert_eq!(there.mails().len(), 1);
    }
}

fn refusing() -> Script {
    Script::new().at(Step::Handshake, Answer::alert(40))
}
