//! What the ports of a host turn out to speak.

use tokio::{net::TcpListener, time::Instant};

use super::*;
use crate::{
    report::{Port, Reason, TlsVersion},
    smtp::{enumerate, survey},
    testrelay::{Answer, Builder, Script, Step},
};

/// Looks at one port alone.
async fn look(relay: Builder, ca: &Ca, mode: TlsMode) -> (Port, TestRelay) {
    let relay = relay.start().await.unwrap();
    let target = Target {
        probing: Probing::off(),
        limits: TimeLimits::default(),
        ..reaching(&relay, ca, mode)
    };
    let mut ports = survey(&target, Instant::now() + ms(10_000)).await;
    assert_eq!(ports.len(), 1);
    (ports.remove(0), relay)
}

fn relay(ca: &Ca) -> Builder {
    TestRelay::builder()
        .name(HOST)
        .tls(ca.server(HOST))
        .auth("ada", "p")
}

#[tokio::test]
async fn a_port_is_told_by_what_it_speaks_whatever_it_is_used_as() {
    let ca = Ca::new("ours");
    let starttls = || relay(&ca);
    let implicit = || relay(&ca).implicit_tls();
    for mode in [TlsMode::Starttls, TlsMode::Implicit] {
        for (relay, spoken) in [
            (starttls(), TlsMode::Starttls),
            (implicit(), TlsMode::Implicit),
        ] {
            let (port, relay) = look(relay, &ca, mode).await;
            assert_eq!(port.port, relay.port());
            assert_eq!(port.detected_mode, Some(spoken), "as {mode}: {port:?}");
            assert!(port.reachable && port.healthy, "{port:?}");
            assert_eq!(port.reason, None);
            assert_eq!(port.tls.unwrap().version, Some(TlsVersion::Tls13));
            let banner = port.banner.unwrap();
            assert!(banner.starts_with("220 mail.example.com"), "{banner}");
            let commands = relay.commands();
            assert!(commands.iter().all(|it| !it.line.starts_with("AUTH")));
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_port_is_told() {
    let ca = Ca::new("ours");
    let mode = TlsMode::Starttls;

    let (port, _relay) = look(TestRelay::builder(), &ca, mode).await;
    assert_eq!(port.detected_mode, Some(TlsMode::Plaintext));
    assert!(port.reachable && !port.healthy);
    assert_eq!(port.reason, Some(Reason::StarttlsNotOffered));

    let (port, _relay) = look(TestRelay::builder(), &ca, TlsMode::Plaintext).await;
    assert!(port.healthy);

    let another = Ca::new("another");
    let (port, _relay) = look(relay(&another), &ca, mode).await;
    assert_eq!(port.detected_mode, Some(TlsMode::Starttls));
    assert!(port.reachable && !port.healthy && port.banner.is_some());
    assert_eq!(port.reason, Some(Reason::CertUnknownIssuer));

    let (port, _relay) = look(relay(&another).implicit_tls(), &ca, mode).await;
    assert_eq!(port.detected_mode, Some(TlsMode::Implicit));
    assert_eq!(port.reason, Some(Reason::CertUnknownIssuer));

    let imap = Script::new().at(Step::Greeting, Answer::raw(&b"* OK ready\r\n"[..]));
    let (port, _relay) = look(TestRelay::builder().script(imap), &ca, mode).await;
    assert_eq!(port.detected_mode, None);
    assert_eq!(port.reason, Some(Reason::NotSmtp));

    let nobody = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let target = Target {
        port: nobody.local_addr().unwrap().port(),
        probing: Probing::off(),
        ..reaching(&TestRelay::start().await.unwrap(), &ca, mode)
    };
    drop(nobody);
    let ports = survey(&target, Instant::now() + ms(10_000)).await;
    assert!(!ports[0].reachable);
    assert_eq!(ports[0].reason, Some(Reason::ConnectRefused));
}

#[tokio::test]
async fn silence_takes_no_longer_than_it_may() {
    let ca = Ca::new("ours");
    let silent = Script::new().at(Step::Greeting, Answer::stall());
    let started = Instant::now();
    let relay = TestRelay::builder().script(silent);
    let (port, _relay) = look(relay, &ca, TlsMode::Starttls).await;
    assert!(started.elapsed() < ms(8_000), "{:?}", started.elapsed());
    assert!(port.reachable && !port.healthy);
    assert_eq!(port.detected_mode, None);
    assert_eq!(port.reason, Some(Reason::BannerTimeout));
}

#[tokio::test]
async fn the_usual_ports_are_looked_at_beside_the_targets_own() {
    let ca = Ca::new("ours");
    let relay = relay(&ca).start().await.unwrap();
    let target = reaching(&relay, &ca, TlsMode::Starttls);
    let ports = survey(&target, Instant::now() + ms(10_000)).await;
    let numbers: Vec<_> = ports.iter().map(|it| it.port).collect();
    assert_eq!(numbers, [25, 465, 587, 2525, relay.port()]);
}

#[tokio::test]
async fn all_that_a_relay_accepts_is_found_out_without_a_word() {
    let ca = Ca::new("ours");
    for (mode, relay) in [
        (TlsMode::Starttls, relay(&ca)),
        (TlsMode::Implicit, relay(&ca).implicit_tls()),
    ] {
        let relay = relay.start().await.unwrap();
        let target = reaching(&relay, &ca, mode);
        let accepted = enumerate(&target, Instant::now() + ms(20_000)).await;
        assert_eq!(
            accepted.shared_versions,
            [TlsVersion::Tls12, TlsVersion::Tls13]
        );
        assert!(accepted.shared_cipher_suites.len() >= 6, "{accepted:?}");
        assert!(relay.counters().connections <= 48);
        let harmless = ["EHLO client.example.com", "STARTTLS"];
        for command in relay.commands() {
            assert!(harmless.contains(&&*command.line), "{}", command.line);
        }
    }
}
