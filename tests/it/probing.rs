//! Further connections that tell causes apart: what they find, how many there
//! are, and that nobody waits for them too long.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use posthaste::{
    api::client::pb::{
        self, TlsMode,
        relay_failure::{Confidence, Reason},
        remedy::Action,
    },
    testrelay::{
        Answer, Builder, ClientHello, Script, Step, TestRelay,
        ca::{Ca, Leaf},
    },
};
use rustls::ProtocolVersion;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};

use crate::service::{Service, mail, mail_through, request};

/// So many connections one failure is cause for, at most.
const PROBES: u64 = 8;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn offers_tls13(hello: &ClientHello) -> bool {
    hello.versions.contains(&ProtocolVersion::TLSv1_3)
}

/// A relay that does not bear hellos that offer TLS 1.3.
fn intolerant(ca: &Ca) -> Builder {
    let script = Script::new().when_hello(offers_tls13, Step::Handshake, Answer::alert(40));
    TestRelay::builder()
        .tls(ca.server("localhost"))
        .script(script)
}

/// A service with one relay.
struct Configured {
    toml: String,
    _folder: TempDir,
}

impl Configured {
    fn new(host: &str, port: u16, ca: &Ca) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, ca.pem()).unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "secret\n").unwrap();
        Self {
            toml: format!(
                "[relays.primary]\nhost = {host:?}\nport = {port}\ntls.ca_file = \"{}\"\n\
                 credentials.username = \"ada\"\ncredentials.password_file = \"{}\"\n",
                file.display(),
                password.display()
            ),
            _folder: folder,
        }
    }

    async fn start(&self, more: &[(&str, &str)]) -> Service {
        Service::start_with(&self.toml, more).await
    }
}

async fn failure(service: &Service, time: Duration) -> pb::RelayFailure {
    let mail = request(mail(&["bob@example.net"]));
    let sent = service.client().await.send(mail, Some(time)).await;
    sent.unwrap_err().failure.unwrap()
}

fn names(failure: &pb::RelayFailure) -> Vec<&str> {
    let probes = failure.tls.iter().flat_map(|tls| &tls.probes);
    probes.map(|probe| probe.name.as_str()).collect()
}

/// No connection but those that carried mail may have come as far.
fn said_nothing_secret(relay: &TestRelay) {
    for command in relay.commands() {
        let verb = command.line.split(' ').next().unwrap().to_owned();
        let harmless = ["EHLO", "STARTTLS", "QUIT"].contains(&verb.as_str());
        assert!(harmless, "{}", command.line);
    }
    assert_eq!(relay.mails().len(), 0);
}

#[tokio::test]
async fn a_port_that_waits_for_tls_is_told_within_seconds() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let relay = relay.implicit_tls().start().await.unwrap();
    let service = Service::for_custom_relays(&ca.pem()).await;
    let started = Instant::now();
    let mail = mail_through(relay.port(), TlsMode::Starttls, &["bob@example.net"]);
    let error = service.send(request(mail)).await.unwrap_err();
    assert!(started.elapsed() < seconds(8), "{:?}", started.elapsed());
    let failure = error.failure.unwrap();
    assert_eq!(failure.reason(), Reason::TlsOnPlaintextPort);
    assert_eq!(failure.confidence(), Confidence::Probed);
    assert_eq!(failure.stage(), pb::SmtpStage::Greeting);
    assert!(
        failure.summary.contains("TLS 1.3, certificate valid until"),
        "{}",
        failure.summary
    );
    assert_eq!(names(&failure), [format!("port-{}-implicit", relay.port())]);
    let best = &failure.remedies[0];
    assert_eq!(best.action(), Action::UseImplicitTls);
    assert!(best.summary.contains("works: TLS 1.3"), "{}", best.summary);
    assert_eq!(relay.counters().connections, 2);
    assert_eq!(relay.commands().len(), 0);
}

#[tokio::test]
async fn a_relay_that_greets_late_still_gets_its_time() {
    let late = Answer::usual().after(seconds(3));
    let script = Script::new().at(Step::Greeting, late);
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let mail = mail_through(relay.port(), TlsMode::Plaintext, &["bob@example.net"]);
    let sent = service.send(request(mail)).await.unwrap();
    assert_eq!(sent.accepted_count, 1);
    // One of them the hello's.
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test]
async fn many_mails_that_fail_alike_are_one_cause_for_probing() {
    const CALLERS: usize = 16;
    let ca = Ca::new("Test CA");
    let relay = intolerant(&ca).auth("ada", "secret");
    let relay = relay.start().await.unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&[])
        .await;
    for failure in at_once(&service, CALLERS).await {
        assert_eq!(failure.reason(), Reason::VersionIntolerant);
        assert_eq!(failure.confidence(), Confidence::Probed);
        assert_eq!(failure.alternatives, [0; 0]);
        assert!(names(&failure).contains(&"tls12-only"));
        let remedy = &failure.remedies[0];
        assert_eq!(remedy.setting, "relays.primary.tls.max_version");
        assert_eq!(remedy.value, "1.2");
    }
    let connections = relay.counters().connections;
    let of_mails = CALLERS as u64;
    assert!(connections > of_mails, "{connections}");
    assert!(connections <= of_mails + PROBES, "{connections}");

    // What is known is told at once, and costs the relay nothing.
    let failure = failure(&service, seconds(30)).await;
    assert_eq!(failure.confidence(), Confidence::Probed);
    assert_eq!(relay.counters().connections, connections + 1);
    said_nothing_secret(&relay);
}

/// The failures of so many mails at a time.
async fn at_once(service: &Service, callers: usize) -> Vec<pb::RelayFailure> {
    let client = service.client().await;
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let mut client = client.clone();
        tasks.spawn(async move {
            let mail = request(mail(&["bob@example.net"]));
            client.send(mail, Some(seconds(30))).await.unwrap_err()
        });
    }
    let errors = tasks.join_all().await;
    errors.into_iter().map(|it| it.failure.unwrap()).collect()
}

/// Lets all mails of a test in at a time, and few wait for a greeting.
const MANY_IN_A_HURRY: [(&str, &str); 2] = [
    ("relays.primary.pool.max_connections", "20"),
    ("relays.primary.limits.greeting", "2s"),
];

#[tokio::test]
async fn many_mails_to_a_silent_relay_are_one_cause_for_a_hello() {
    let ca = Ca::new("Test CA");
    let silent = Script::new().at(Step::Greeting, Answer::stall());
    let relay = TestRelay::builder().script(silent).start().await.unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&MANY_IN_A_HURRY)
        .await;
    for failure in at_once(&service, 20).await {
        assert_eq!(failure.reason(), Reason::BannerTimeout);
        assert_eq!(failure.confidence(), Confidence::Probed);
    }
    assert_eq!(relay.counters().connections, 20 + 1);

    // That it speaks no TLS is known, and the next mail does not ask again.
    let next = failure(&service, seconds(30)).await;
    assert_eq!(next.confidence(), Confidence::Probed);
    assert_eq!(relay.counters().connections, 20 + 1 + 1);
    said_nothing_secret(&relay);
}

#[tokio::test]
async fn many_mails_to_a_port_for_tls_are_one_cause_for_a_hello() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let relay = relay.implicit_tls().start().await.unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&MANY_IN_A_HURRY)
        .await;
    for failure in at_once(&service, 20).await {
        assert_eq!(failure.reason(), Reason::TlsOnPlaintextPort);
        assert_eq!(failure.confidence(), Confidence::Probed);
        assert_eq!(names(&failure).len(), 1);
    }
    assert_eq!(relay.counters().connections, 20 + 1);

    let started = Instant::now();
    let next = failure(&service, seconds(30)).await;
    assert!(started.elapsed() < seconds(2), "{:?}", started.elapsed());
    assert_eq!(next.reason(), Reason::TlsOnPlaintextPort);
    assert!(
        next.summary.contains("TLS 1.3, certificate valid until"),
        "{}",
        next.summary
    );
    assert_eq!(relay.counters().connections, 20 + 1 + 1);
    said_nothing_secret(&relay);
}

#[tokio::test]
async fn a_relay_that_always_greets_late_is_asked_once() {
    let ca = Ca::new("Test CA");
    let late = Answer::usual().after(Duration::from_millis(1200));
    let script = Script::new().at(Step::Greeting, late);
    let relay = TestRelay::builder().script(script).auth("ada", "secret");
    let relay = relay.tls(ca.server("localhost")).start().await.unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&[
            ("relays.primary.limits.greeting", "2s"),
            ("relays.primary.pool.max_mails", "1"),
        ])
        .await;
    for connections in 2..5 {
        let sent = service.send(request(mail(&["bob@example.net"]))).await;
        assert_eq!(sent.unwrap().accepted_count, 1);
        assert_eq!(relay.counters().connections, connections);
    }
}

#[tokio::test]
async fn what_probing_advises_makes_the_mail_go() {
    let ca = Ca::new("Test CA");
    // Another port is looked at in its usual mode, which a test can only have
    // where it is free: at an address of its own.
    let host = IpAddr::V4(Ipv4Addr::new(127, 0, 46, 25));
    let server = || ca.issue(Leaf::new([host.to_string().as_str()]));
    let healthy = TestRelay::builder()
        .listen((host, 2525).into())
        .tls(server())
        .auth("ada", "secret")
        .start()
        .await
        .unwrap();
    let relay = intolerant(&ca)
        .tls(server())
        .auth("ada", "secret")
        .listen((host, 0).into())
        .start()
        .await
        .unwrap();
    let configured = Configured::new(&host.to_string(), relay.port(), &ca);
    let service = configured.start(&[]).await;
    let failure = failure(&service, seconds(30)).await;
    assert_eq!(failure.reason(), Reason::VersionIntolerant);
    for door in [
        "port-465-implicit",
        "port-587-starttls",
        "port-2525-starttls",
    ] {
        assert!(names(&failure).contains(&door), "{:?}", names(&failure));
    }
    said_nothing_secret(&relay);
    said_nothing_secret(&healthy);

    let best = &failure.remedies[0];
    assert_eq!(best.action(), Action::ChangePort);
    assert!(
        best.summary
            .starts_with("Port 2525 with STARTTLS works: TLS 1.3, certificate valid until 2"),
        "{}",
        best.summary
    );
    for setting in ["relays.primary.port", "relays.primary.tls.max_version"] {
        let remedy = failure.remedies.iter().find(|it| it.setting == setting);
        let remedy = remedy.unwrap_or_else(|| panic!("{:?}", failure.remedies));
        let mended = configured.start(&[(setting, &remedy.value)]).await;
        let sent = mended.send(request(mail(&["bob@example.net"]))).await;
        assert_eq!(sent.unwrap().accepted_count, 1, "{setting}");
    }
}

#[tokio::test]
async fn callers_of_custom_relays_learn_nothing_of_ports_that_they_may_not_name() {
    let ca = Ca::new("Test CA");
    let relay = intolerant(&ca).start().await.unwrap();
    let port = relay.port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let service = Service::start(&format!(
        "tls.ca_file = {file:?}\n\
         custom_relays.allow = [{{ host = \"localhost\", ports = [{port}, 2525] }}]\n"
    ))
    .await;
    let mail = mail_through(relay.port(), TlsMode::Starttls, &["bob@example.net"]);
    let failure = service.send(request(mail)).await.unwrap_err().failure;
    let failure = failure.unwrap();
    assert_eq!(failure.reason(), Reason::VersionIntolerant);
    let doors: Vec<_> = names(&failure)
        .into_iter()
        .filter(|name| name.starts_with("port-"))
        .collect();
    assert_eq!(doors, ["port-2525-starttls"]);
}

#[tokio::test]
async fn a_caller_that_cannot_wait_is_answered_in_time_and_the_next_one_knows_more() {
    let ca = Ca::new("Test CA");
    let script = Script::new().at(Step::Handshake, Answer::stall());
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .script(script)
        .start()
        .await
        .unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&[("relays.primary.limits.handshake", "200ms")])
        .await;
    let started = Instant::now();
    let first = failure(&service, Duration::from_millis(1500)).await;
    assert!(started.elapsed() < Duration::from_millis(1500));
    assert_eq!(first.reason(), Reason::HandshakeTimeout);
    assert_eq!(names(&first), [""; 0]);

    let next = failure(&service, seconds(30)).await;
    assert_eq!(next.reason(), Reason::HandshakeTimeout);
    assert!(names(&next).contains(&"tls12-only"), "{:?}", names(&next));
    // The first went on for the second: two mails, and one failure.
    let connections = relay.counters().connections;
    assert!(connections <= 2 + PROBES, "{connections}");
    said_nothing_secret(&relay);
}

#[tokio::test]
async fn a_service_that_stops_does_not_wait_for_what_it_would_have_learnt() {
    let ca = Ca::new("Test CA");
    let script = Script::new().at(Step::Handshake, Answer::stall());
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .script(script)
        .start()
        .await
        .unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&[("relays.primary.limits.handshake", "100ms")])
        .await;
    failure(&service, Duration::from_millis(700)).await;
    let stopping = Instant::now();
    service.stop().await;
    assert!(stopping.elapsed() < Duration::from_millis(1500));
    relay.wait_until_alone().await.unwrap();
}

#[tokio::test]
async fn where_it_is_switched_off_there_is_no_connection_but_the_mails_own() {
    let ca = Ca::new("Test CA");
    let off = ("relays.primary.probe", "false");

    let relay = intolerant(&ca).start().await.unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&[off])
        .await;
    let refused = failure(&service, seconds(30)).await;
    assert_eq!(refused.reason(), Reason::HandshakeRefused);
    assert_eq!(refused.confidence(), Confidence::Ambiguous);
    assert_eq!(relay.counters().connections, 1);

    let silent = Script::new().at(Step::Greeting, Answer::stall());
    let relay = TestRelay::builder().script(silent).start().await.unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&[off, ("relays.primary.limits.greeting", "400ms")])
        .await;
    let silent = failure(&service, seconds(30)).await;
    assert_eq!(silent.reason(), Reason::BannerTimeout);
    assert_eq!(silent.confidence(), Confidence::Ambiguous);
    assert_eq!(relay.counters().connections, 1);

    let relay = intolerant(&ca).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let service = Service::start(&format!(
        "tls.ca_file = {file:?}\ncustom_relays.allow = [{{ host = \"localhost\" }}]\n\
         custom_relays.probe = false\n"
    ))
    .await;
    let mail = mail_through(relay.port(), TlsMode::Starttls, &["bob@example.net"]);
    service.send(request(mail)).await.unwrap_err();
    assert_eq!(relay.counters().connections, 1);
}

#[tokio::test]
async fn a_cause_that_is_clear_is_no_cause_for_probing() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(Ca::new("Another").server("localhost"));
    let relay = relay.start().await.unwrap();
    let service = Configured::new("localhost", relay.port(), &ca)
        .start(&[])
        .await;
    let failure = failure(&service, seconds(30)).await;
    assert_eq!(failure.reason(), Reason::CertUnknownIssuer);
    assert_eq!(names(&failure), [""; 0]);
    assert_eq!(relay.counters().connections, 1);
}
