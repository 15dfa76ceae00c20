//! What to set where TLS began at the wrong time, or was offered what the
//! relay does not bear.

use posthaste::{
    api::client::pb::relay_failure::Reason,
    testrelay::{Answer, Script, Step, TestRelay, ca::Ca},
};
use rustls::ProtocolVersion;

use super::Case;

#[tokio::test]
async fn the_mode_that_the_port_speaks() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let starttls = relay.clone().start().await.unwrap();
    let case = Case::new(starttls).trusting(&ca);
    case.with("tls.mode", "\"implicit\"")
        .is_mended(Reason::PlaintextOnTlsPort, "tls.mode")
        .await;
}

#[tokio::test]
async fn implicit_tls_on_a_port_that_waits_for_it() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .implicit_tls();
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .with("tls.mode", "\"starttls\"")
        .is_mended(Reason::TlsOnPlaintextPort, "tls.mode")
        .await;
}

#[tokio::test]
async fn tls_for_a_relay_that_insists_on_it() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .require_tls();
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .with("tls.mode", "\"plaintext\"")
        .is_mended(Reason::StarttlsRequired, "tls.mode")
        .await;
}

#[tokio::test]
async fn tls_1_2_for_a_relay_that_does_not_bear_1_3() {
    let ca = Ca::new("Test CA");
    for answer in [Answer::alert(40), Answer::close(), Answer::reset()] {
        let relay =
            TestRelay::builder()
                .tls(ca.server("localhost"))
                .script(Script::new().when_hello(
                    |hello| hello.versions.contains(&ProtocolVersion::TLSv1_3),
                    Step::Handshake,
                    answer,
                ));
        Case::new(relay.start().await.unwrap())
            .trusting(&ca)
            .is_mended(Reason::VersionIntolerant, "tls.max_version")
            .await;
    }
}

#[tokio::test]
async fn a_small_hello_for_a_relay_that_drops_large_ones() {
    let ca = Ca::new("Test CA");
    for answer in [Answer::close(), Answer::reset(), Answer::stall()] {
        let relay = TestRelay::builder()
            .tls(ca.server("localhost"))
            .script(Script::new().when_hello(|hello| hello.size > 600, Step::Handshake, answer));
        Case::new(relay.start().await.unwrap())
            .trusting(&ca)
            .with("limits.handshake", "\"1s\"")
            .is_mended(Reason::HelloTooLarge, "tls.post_quantum")
            .await;
    }
}

#[tokio::test]
async fn a_small_hello_is_no_advice_where_it_fared_no_better() {
    let ca = Ca::new("Test CA");
    let closes = Script::new().at(Step::Handshake, Answer::close());
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .script(closes);
    let case = Case::new(relay.start().await.unwrap()).trusting(&ca);
    let failure = case.send(&[]).await.unwrap_err().failure.unwrap();
    assert_eq!(failure.reason(), Reason::HandshakeClosed);
    let tried = failure.tls.unwrap().probes;
    assert!(!tried.is_empty());
    let settings: Vec<_> = failure.remedies.iter().map(|it| &it.setting).collect();
    assert_eq!(settings, [""], "{:?}", failure.remedies);
}

/// A name that the relay knows, where the one in SNI is none.
#[tokio::test]
async fn a_name_that_the_relay_knows() {
    let ca = Ca::new("Test CA");
    let script = Script::new().when_hello(
        |hello| hello.server_name.as_deref() != Some("mail.example.com"),
        Step::Handshake,
        Answer::alert(112),
    );
    let relay = TestRelay::builder().tls(ca.server("mail.example.com"));
    let settings = [("tls.server_name", "mail.example.com")];
    Case::new(relay.script(script).start().await.unwrap())
        .trusting(&ca)
        .is_mended_with(Reason::SniRejected, &settings)
        .await;
}
