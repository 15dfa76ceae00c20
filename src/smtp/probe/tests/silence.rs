//! Relays that do not greet.

use tokio::time::Instant;

use super::*;
use crate::{
    report::{Confidence, Reason, RelayFailure, Stage, TlsVersion},
    smtp::{Progress, Session},
    testrelay::{Answer, Script, Step},
};

async fn failure(target: &Target) -> RelayFailure {
    let opened = Session::open(target, &Progress::default()).await;
    opened.unwrap_err().into_failure()
}

#[tokio::test]
async fn one_that_waits_for_tls_is_told_before_its_time_is_over() {
    let ca = Ca::new("ours");
    let relay = TestRelay::builder().tls(ca.server(HOST)).implicit_tls();
    let relay = relay.start().await.unwrap();
    for mode in [TlsMode::Starttls, TlsMode::Plaintext] {
        let started = Instant::now();
        let target = Target {
            limits: TimeLimits::default(),
            ..reaching(&relay, &ca, mode)
        };
        let failure = failure(&target).await;
        assert!(started.elapsed() >= ms(2500));
        assert!(started.elapsed() < ms(10_000), "{:?}", started.elapsed());
        assert_eq!(failure.reason, Reason::TlsOnPlaintextPort);
        assert_eq!(failure.confidence, Confidence::Probed);
        assert_eq!(failure.stage, Stage::Greeting);
        assert!(
            failure
                .summary
                .contains("TLS 1.3, certificate valid until 2")
        );

        let evidence = failure.tls.unwrap();
        assert_eq!(evidence.mode, mode);
        let [probe] = &evidence.probes[..] else {
            panic!("{:?}", evidence.probes);
        };
        assert_eq!(probe.name, format!("port-{}-implicit", relay.port()));
        assert!(probe.succeeded);
        let session = probe.session.as_ref().unwrap();
        assert_eq!(session.version, Some(TlsVersion::Tls13));
    }
    // Two for each session, and nothing was said on any.
    assert_eq!(relay.counters().connections, 4);
    assert_eq!(relay.commands().len(), 0);
}

#[tokio::test]
async fn a_handshake_that_would_fail_says_so_too() {
    let ca = Ca::new("ours");
    let relay = TestRelay::builder()
        .tls(Ca::new("another").server(HOST))
        .implicit_tls();
    let relay = relay.start().await.unwrap();
    let failure = failure(&reaching(&relay, &ca, TlsMode::Starttls)).await;
    assert_eq!(failure.reason, Reason::TlsOnPlaintextPort);
    assert!(
        failure.summary.contains("fail in turn"),
        "{}",
        failure.summary
    );
    let evidence = failure.tls.unwrap();
    assert_eq!(evidence.certificates.len(), 1);
    assert!(!evidence.probes[0].succeeded);
    assert!(evidence.probes[0].reason.is_some());
}

#[tokio::test]
async fn a_slow_greeting_is_waited_for() {
    let ca = Ca::new("ours");
    let late = Answer::usual().after(ms(900));
    let relay = TestRelay::builder().script(Script::new().at(Step::Greeting, late));
    let relay = relay.start().await.unwrap();
    let target = reaching(&relay, &ca, TlsMode::Plaintext);
    let session = Session::open(&target, &Progress::default()).await.unwrap();
    session.quit().await;
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test]
async fn one_that_answers_nothing_at_all_is_slow_and_no_more() {
    let ca = Ca::new("ours");
    let relay = TestRelay::builder().script(Script::new().at(Step::Greeting, Answer::stall()));
    let relay = relay.start().await.unwrap();
    let target = reaching(&relay, &ca, TlsMode::Starttls);
    let started = Instant::now();
    let failure = failure(&target).await;
    assert!(started.elapsed() >= target.limits.greeting);
    assert_eq!(failure.reason, Reason::BannerTimeout);
    assert_eq!(failure.confidence, Confidence::Probed);
    assert_eq!(failure.alternatives, []);
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test]
async fn nobody_is_asked_where_probing_is_off() {
    let ca = Ca::new("ours");
    let relay = TestRelay::builder().tls(ca.server(HOST)).implicit_tls();
    let relay = relay.start().await.unwrap();
    let target = Target {
        probing: Probing::off(),
        ..reaching(&relay, &ca, TlsMode::Starttls)
    };
    let failure = failure(&target).await;
    assert_eq!(failure.reason, Reason::BannerTimeout);
    assert_eq!(failure.confidence, Confidence::Ambiguous);
    assert_eq!(relay.counters().connections, 1);
}
