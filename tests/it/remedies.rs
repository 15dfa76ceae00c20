//! What a failure advises to set, set: the mail goes.

use std::{fmt::Write as _, time::Duration};

use posthaste::{
    api::client::pb::{self, relay_failure::Reason},
    testrelay::{
        Answer, Script, Step, TestRelay, Tls,
        ca::{Ca, Leaf},
    },
};
use rustls::ProtocolVersion;
use tempfile::TempDir;

use crate::service::{Service, mail, request};

/// A relay that a mail does not go to as it is configured.
struct Case {
    relay: TestRelay,
    /// Settings of the relay, beside host and port.
    settings: String,
    folder: TempDir,
}

impl Case {
    fn new(relay: TestRelay) -> Self {
        Self {
            relay,
            settings: String::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn with(mut self, setting: &str, value: &str) -> Self {
        writeln!(self.settings, "relays.primary.{setting} = {value}").unwrap();
        self
    }

    fn trusting(self, ca: &Ca) -> Self {
        let file = self.file("ca.pem", &ca.pem());
        self.with("tls.ca_file", &format!("{file:?}"))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    async fn send(&self, more: &[(&str, &str)]) -> Result<pb::SendMailResponse, pb::SendError> {
        let toml = format!(
            "relays.primary.host = \"localhost\"\nrelays.primary.port = {}\n{}",
            self.relay.port(),
            self.settings
        );
        let service = Service::start_with(&toml, more).await;
        service.send(request(mail(&["bob@example.net"]))).await
    }

    /// Fails with `reason`, and no more once the setting that a remedy names
    /// has the value that it names.
    async fn is_mended(&self, reason: Reason, setting: &str) {
        self.is_mended_with(reason, &[(setting, "")]).await;
    }

    /// The same with values that a remedy cannot know, such as a file, and
    /// with what belongs to its setting.
    async fn is_mended_with(&self, reason: Reason, settings: &[(&str, &str)]) {
        let error = self.send(&[]).await.unwrap_err();
        let failure = error.failure.unwrap();
        assert_eq!(failure.reason(), reason, "{}", failure.summary);

        let keys = settings
            .iter()
            .map(|(setting, _)| format!("relays.primary.{setting}"));
        let keys: Vec<_> = keys.collect();
        // A remedy may name a section as a whole.
        let names = |it: &&pb::Remedy| !it.setting.is_empty() && keys[0].starts_with(&it.setting);
        let remedy = failure.remedies.iter().find(names);
        let remedy = remedy.unwrap_or_else(|| panic!("{keys:?}: {:?}", failure.remedies));
        let values = settings.iter().map(|(_, value)| match *value {
            "" => remedy.value.as_str(),
            value => value,
        });
        let more: Vec<_> = keys.iter().map(String::as_str).zip(values).collect();
        let sent = self.send(&more).await;
        let sent = sent.unwrap_or_else(|error| panic!("{reason:?}: {more:?}: {error:?}"));
        assert_eq!(sent.accepted_count, 1);
    }
}

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
async fn a_name_that_the_certificate_has() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("mail.example.com"));
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .is_mended(Reason::CertNameMismatch, "tls.server_name")
        .await;
}

#[tokio::test]
async fn a_name_that_a_wildcard_covers_and_none_where_it_covers_none() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("*.example.com"));
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .is_mended(Reason::CertNameMismatch, "tls.server_name")
        .await;

    let relay = TestRelay::builder().tls(ca.server("*.example"));
    let case = Case::new(relay.start().await.unwrap()).trusting(&ca);
    let failure = case.send(&[]).await.unwrap_err().failure.unwrap();
    assert_eq!(failure.reason(), Reason::CertNameMismatch);
    let settings: Vec<_> = failure.remedies.iter().map(|it| &it.setting).collect();
    assert_eq!(settings, [""], "{:?}", failure.remedies);
}

#[tokio::test]
async fn the_pin_of_a_self_signed_certificate() {
    let identity = Leaf::new(["localhost"]).self_signed();
    let relay = TestRelay::builder().tls(identity);
    Case::new(relay.start().await.unwrap())
        .is_mended(Reason::CertSelfSigned, "tls.key_pins")
        .await;
}

#[tokio::test]
async fn the_pin_of_a_key_that_was_replaced() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let old = ca.server("localhost").key_pin();
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .with("tls.key_pins", &format!("[\"{old}\"]"))
        .is_mended(Reason::CertPinMismatch, "tls.key_pins")
        .await;
}

#[tokio::test]
async fn the_authority_of_a_private_certificate() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let case = Case::new(relay.start().await.unwrap());
    let file = case.file("ca.pem", &ca.pem());
    case.is_mended_with(Reason::CertUnknownIssuer, &[("tls.ca_file", &file)])
        .await;

    let root = ca.server("localhost").followed_by(ca.der());
    let relay = TestRelay::builder().tls(root).start().await.unwrap();
    let case = Case::new(relay);
    let file = case.file("ca.pem", &ca.pem());
    case.is_mended_with(Reason::CertUntrustedRoot, &[("tls.ca_file", &file)])
        .await;
}

#[tokio::test]
async fn a_client_certificate() {
    let ca = Ca::new("Test CA");
    let tls = Tls::new(ca.server("localhost")).require_client_certificate(&ca);
    let relay = TestRelay::builder().tls(tls).start().await.unwrap();
    let case = Case::new(relay).trusting(&ca);
    let client = ca.client("posthaste");
    let both = format!("{}{}", client.chain_pem(), client.key_pem());
    let file = case.file("client.pem", &both);
    let settings = [
        ("tls.client_certificate_file", file.as_str()),
        ("tls.client_key_file", file.as_str()),
    ];
    case.is_mended_with(Reason::ClientCertRequired, &settings)
        .await;
}

#[tokio::test]
async fn more_time() {
    let slow = |reply: &str| Answer::reply(reply).after(Duration::from_millis(900));
    for (step, reply, reason, limit) in [
        (
            Step::Greeting,
            "220 mail.example.com",
            Reason::BannerTimeout,
            "greeting",
        ),
        (Step::AnyMail, "250 2.1.0 ok", Reason::ReplyTimeout, "mail"),
        (Step::AnyRcpt, "250 2.1.5 ok", Reason::ReplyTimeout, "rcpt"),
    ] {
        let script = Script::new().at(step, slow(reply));
        let relay = TestRelay::builder().script(script).start().await.unwrap();
        let setting = format!("limits.{limit}");
        Case::new(relay)
            .with("tls.mode", "\"plaintext\"")
            .with(&setting, "\"300ms\"")
            .is_mended_with(reason, &[(&setting, "10s")])
            .await;
    }
}

#[tokio::test]
async fn credentials() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .auth("ada", "correct horse")
        .require_auth();
    let none = Case::new(relay.clone().start().await.unwrap()).trusting(&ca);
    let right = none.file("right", "correct horse\n");
    let login = [
        ("credentials.username", "ada"),
        ("credentials.password_file", right.as_str()),
    ];
    none.is_mended_with(Reason::AuthRequired, &login).await;

    let wrong = Case::new(relay.start().await.unwrap()).trusting(&ca);
    let file = wrong.file("wrong", "battery staple\n");
    wrong
        .with("credentials.username", "\"ada\"")
        .with("credentials.password_file", &format!("{file:?}"))
        .is_mended_with(Reason::AuthRejected, &login)
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

#[tokio::test]
async fn the_name_is_not_to_blame_where_ehlo_is_unknown() {
    for (reply, setting) in [
        ("500 unknown command", "relays.primary.port"),
        ("550 bad name", "relays.primary.ehlo_name"),
    ] {
        let script = Script::new()
            .at(Step::Ehlo, Answer::reply(reply))
            .at(Step::Helo, Answer::reply(reply));
        let relay = TestRelay::builder().script(script);
        let case = Case::new(relay.start().await.unwrap());
        let failure = case.send(&[]).await.unwrap_err().failure.unwrap();
        assert_eq!(failure.reason(), Reason::EhloRejected);
        assert_eq!(failure.remedies[0].setting, setting, "{reply}");
    }
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
