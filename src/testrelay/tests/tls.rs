use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError, NamedGroup, ProtocolVersion};

use super::client::{Client, showing, trusting, trusting_with};
use crate::testrelay::{
    Answer, Oddity, Script, Step, TestRelay, Tls,
    ca::{Ca, Leaf},
};

fn why(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

type Check = fn(&CertificateError) -> bool;

async fn upgrade(relay: &TestRelay, ca: &Ca) -> io::Result<Client> {
    let mut client = Client::ready(relay).await;
    client.expect([("STARTTLS", "220 ")]).await;
    client.handshake(trusting(ca)).await
}

#[tokio::test]
async fn starttls_begins_the_session_anew() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .require_tls()
        .auth("ann", "secret")
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(&relay).await;
    client.reply().await;
    assert!(
        client
            .ask("EHLO a.example")
            .await
            .ends_with("250 STARTTLS\r\n")
    );
    client
        .expect([
            ("MAIL FROM:<>", "530 5.7.0"),
            ("AUTH PLAIN AGFubgBzZWNyZXQ=", "538 5.7.11"),
            ("STARTTLS", "220 2.0.0"),
        ])
        .await;
    let mut client = client.handshake(trusting(&ca)).await.unwrap();
    client
        .expect([("MAIL FROM:<>", "503 say EHLO first"), ("STARTTLS", "503")])
        .await;
    let offer = client.ask("EHLO b.example").await;
    assert!(offer.ends_with("250 AUTH PLAIN LOGIN\r\n") && !offer.contains("STARTTLS"));
    client
        .expect([
            ("AUTH PLAIN AGFubgBzZWNyZXQ=", "235"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@b.c>", "250"),
            ("DATA", "354"),
            (".", "250"),
            ("QUIT", "221"),
        ])
        .await;
    // close_notify came, or this would be an error.
    assert_eq!(client.rest().await.unwrap(), b"");

    let mail = &relay.mails()[0];
    assert_eq!(mail.ehlo_name, "b.example");
    let facts = mail.tls.as_ref().unwrap();
    assert_eq!(facts.version, Some(ProtocolVersion::TLSv1_3));
    assert_eq!(facts.server_name.as_deref(), Some("localhost"));
    let auth: Vec<_> = relay
        .commands()
        .into_iter()
        .filter(|command| command.line.starts_with("AUTH"))
        .map(|command| command.tls)
        .collect();
    assert_eq!(auth, [false, true]);
    assert!(relay.counters().records_in >= 6);
}

#[tokio::test]
async fn what_is_sent_behind_starttls_is_dropped() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .lenient()
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    client
        .write("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
        .await;
    assert!(client.reply().await.starts_with("220"));
    let mut client = client.handshake(trusting(&ca)).await.unwrap();
    client.expect([("RCPT TO:<a@b.c>", "503")]).await;
    assert!(
        !relay
            .commands()
            .iter()
            .any(|command| command.line.contains("evil"))
    );
}

#[tokio::test]
async fn implicit_tls_comes_before_the_greeting() {
    let ca = Ca::new("Test CA").intermediate("Intermediate");
    let root = Ca::new("Root");
    let relay = TestRelay::builder()
        .tls(root.intermediate("Intermediate").server("localhost"))
        .implicit_tls()
        .start()
        .await
        .unwrap();
    let client = Client::connect(&relay).await;
    let mut client = client.handshake(trusting(&root)).await.unwrap();
    assert!(client.reply().await.starts_with("220"));
    assert!(!client.ask("EHLO a.example").await.contains("STARTTLS"));
    let hello = relay.last_client_hello().unwrap();
    assert_eq!(
        hello.versions,
        [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2]
    );
    assert_eq!(hello.server_name.as_deref(), Some("localhost"));

    let client = Client::connect(&relay).await;
    assert!(client.handshake(trusting(&ca)).await.is_err());
}

#[tokio::test]
async fn certificates_are_as_bad_as_they_are_told_to_be() {
    let ca = Ca::new("Test CA");
    let localhost = || Leaf::new(["localhost"]);
    let cases: [(_, Check, _); 6] = [
        (
            ca.issue(localhost().expired()),
            |e| matches!(e, CertificateError::ExpiredContext { .. }),
            "CertificateExpired",
        ),
        (
            ca.issue(localhost().not_yet_valid()),
            |e| matches!(e, CertificateError::NotValidYetContext { .. }),
            "CertificateExpired",
        ),
        (
            ca.server("elsewhere.example"),
            |e| matches!(e, CertificateError::NotValidForNameContext { .. }),
            "BadCertificate",
        ),
        (
            ca.issue(Leaf::without_san("localhost")),
            |e| matches!(e, CertificateError::NotValidForNameContext { .. }),
            "BadCertificate",
        ),
        (
            localhost().self_signed(),
            |e| matches!(e, CertificateError::UnknownIssuer),
            "UnknownCA",
        ),
        (
            ca.intermediate("Intermediate")
                .server("localhost")
                .without_intermediates(),
            |e| matches!(e, CertificateError::UnknownIssuer),
            "UnknownCA",
        ),
    ];
    for (identity, is_right, alert) in cases {
        let relay = TestRelay::builder().tls(identity).start().await.unwrap();
        let error = upgrade(&relay, &ca).await.err().unwrap();
        match why(&error) {
            Some(TlsError::InvalidCertificate(error)) => assert!(is_right(error), "{error:?}"),
            other => panic!("{other:?}"),
        }
        let failures = relay.wait_for("the alert", |relay| {
            Some(relay.handshake_failures()).filter(|failures| !failures.is_empty())
        });
        assert_eq!(
            failures.await.unwrap(),
            [format!("received fatal alert: {alert}")]
        );
    }
}

#[tokio::test]
async fn versions_and_groups_are_as_they_are_told_to_be() {
    let ca = Ca::new("Test CA");
    let tls = Tls::new(ca.server("localhost"))
        .versions(&[&rustls::version::TLS12])
        .groups(&[NamedGroup::secp384r1]);
    let relay = TestRelay::builder().tls(tls).start().await.unwrap();
    let mut client = upgrade(&relay, &ca).await.unwrap();
    client
        .expect([
            ("EHLO a", "250"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@b>", "250"),
            ("DATA", "354"),
            (".", "250"),
        ])
        .await;
    let facts = relay.mails()[0].tls.clone().unwrap();
    assert_eq!(facts.version, Some(ProtocolVersion::TLSv1_2));
    assert_eq!(facts.group, Some(NamedGroup::secp384r1));
    assert!(!facts.resumed);
}

#[tokio::test]
async fn client_certificates_can_be_demanded() {
    let ca = Ca::new("Test CA");
    let tls = Tls::new(ca.server("localhost")).require_client_certificate(&ca);
    let relay = TestRelay::builder()
        .tls(tls)
        .implicit_tls()
        .start()
        .await
        .unwrap();

    let client = Client::connect(&relay).await;
    let mut client = client.handshake(trusting(&ca)).await.unwrap();
    let error = client.rest().await.unwrap_err();
    let required = TlsError::AlertReceived(AlertDescription::CertificateRequired);
    assert_eq!(why(&error), Some(&required));

    let identity = ca.client("posthaste");
    let client = Client::connect(&relay).await;
    let mut client = client.handshake(showing(&ca, &identity)).await.unwrap();
    client.reply().await;
    client
        .expect([
            ("EHLO a", "250"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<a@b>", "250"),
            ("DATA", "354"),
            (".", "250"),
        ])
        .await;
    let facts = relay.mails()[0].tls.clone().unwrap();
    assert_eq!(facts.client_certificate.as_ref(), identity.chain().first());
}

#[tokio::test]
async fn handshakes_break_as_the_script_has_it() {
    let ca = Ca::new("Test CA");
    let scripted = async |step, answer| {
        TestRelay::builder()
            .tls(ca.server("localhost"))
            .script(Script::new().at(step, answer))
            .start()
            .await
            .unwrap()
    };

    let relay = scripted(Step::Handshake, Answer::alert(40)).await;
    let error = upgrade(&relay, &ca).await.err().unwrap();
    let refused = TlsError::AlertReceived(AlertDescription::HandshakeFailure);
    assert_eq!(why(&error), Some(&refused));
    assert!(relay.last_client_hello().is_some());

    for answer in [Answer::reply("500 5.5.1 what is that"), Answer::garbage()] {
        let relay = scripted(Step::Handshake, answer).await;
        let error = upgrade(&relay, &ca).await.err().unwrap();
        assert!(
            matches!(why(&error), Some(TlsError::InvalidMessage(_))),
            "{error}"
        );
    }

    let relay = scripted(Step::Handshake, Answer::cut()).await;
    let error = upgrade(&relay, &ca).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);

    let relay = scripted(Step::Handshake, Answer::reset()).await;
    let error = upgrade(&relay, &ca).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let injection = Answer::usual().then(Answer::reply("250 injected"));
    let relay = scripted(Step::StartTls, injection).await;
    let mut client = Client::ready(&relay).await;
    client.write("STARTTLS\r\n").await;
    assert_eq!(
        client.octets(34).await,
        b"220 2.0.0 go ahead\r\n250 injected\r\n"
    );
}

#[tokio::test]
async fn a_script_can_depend_on_the_client_hello() {
    let ca = Ca::new("Test CA");
    let script = Script::new()
        .when_hello(|hello| hello.size > 5000, Step::Handshake, Answer::cut())
        .when_hello(
            |hello| hello.versions.contains(&ProtocolVersion::TLSv1_3),
            Step::Handshake,
            Answer::alert(70),
        );
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .script(script)
        .start()
        .await
        .unwrap();
    let error = upgrade(&relay, &ca).await.err().unwrap();
    let refused = TlsError::AlertReceived(AlertDescription::ProtocolVersion);
    assert_eq!(why(&error), Some(&refused));

    let mut client = Client::ready(&relay).await;
    client.expect([("STARTTLS", "220 ")]).await;
    let older = trusting_with(&ca, &[&rustls::version::TLS12]);
    client.handshake(older).await.unwrap();
}

#[tokio::test]
async fn a_relay_can_refuse_starttls_that_it_offered() {
    let ca = Ca::new("Test CA");
    let script = Script::new()
        .once(Step::StartTls, Answer::reply("454 4.7.0 TLS not available"))
        .nth(2, Step::StartTls, Answer::reply("250 2.0.0 yes"));
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .script(script)
        .start()
        .await
        .unwrap();
    let mut client = Client::ready(&relay).await;
    client
        .expect([
            ("STARTTLS", "454"),
            ("STARTTLS", "250"),
            ("NOOP", "250"),
            ("STARTTLS", "220"),
        ])
        .await;
    client.handshake(trusting(&ca)).await.unwrap();
}

#[tokio::test]
async fn tls_ends_with_close_notify_or_without() {
    let ca = Ca::new("Test CA");
    for (answer, in_order) in [(Answer::close(), true), (Answer::cut(), false)] {
        let relay = TestRelay::builder()
            .tls(ca.server("localhost"))
            .script(Script::new().at(Step::EhloTls, answer))
            .start()
            .await
            .unwrap();
        let mut client = upgrade(&relay, &ca).await.unwrap();
        client.write("EHLO a.example\r\n").await;
        assert_eq!(client.rest().await.is_ok(), in_order);
    }
}

#[test]
fn a_ca_tells_what_files_and_settings_need() {
    let ca = Ca::new("Test CA");
    let identity = ca.intermediate("Intermediate").server("localhost");
    assert_eq!(identity.chain().len(), 2);
    assert_eq!(identity.chain_pem().matches("BEGIN CERTIFICATE").count(), 2);
    assert!(identity.key_pem().contains("BEGIN PRIVATE KEY"));
    let (_, pem) = x509_parser::pem::parse_x509_pem(ca.pem().as_bytes()).unwrap();
    assert_eq!(pem.contents, ca.der().to_vec());

    let (_, leaf) = x509_parser::parse_x509_certificate(&identity.chain()[0]).unwrap();
    let spki = leaf.public_key().raw;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
    let pin = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hash);
    assert_eq!(identity.key_pin(), format!("sha256/{pin}"));

    let list = ca.revoke([&identity]);
    let (_, list) = x509_parser::parse_x509_crl(&list).unwrap();
    let revoked: Vec<_> = list
        .iter_revoked_certificates()
        .map(|it| it.raw_serial().to_vec())
        .collect();
    assert_eq!(revoked, [leaf.raw_serial().to_vec()]);
}

#[tokio::test]
async fn what_the_relay_sends_can_be_damaged_on_the_way() {
    let ca = Ca::new("Test CA");
    let tls = Tls::new(ca.server("localhost")).versions(&[&rustls::version::TLS13]);
    let relay = TestRelay::builder()
        .tls(tls.tampered(|record| {
            if let [23, .., last] = record {
                *last ^= 1;
            }
        }))
        .start()
        .await
        .unwrap();
    let error = upgrade(&relay, &ca).await.err().unwrap();
    assert_eq!(why(&error), Some(&TlsError::DecryptError));
}

#[tokio::test]
async fn a_broken_certificate_is_shown_all_the_same() {
    let ca = Ca::new("Test CA");
    let broken = ca.spoil(&ca.server("localhost"), Oddity::Truncated);
    let relay = TestRelay::builder().tls(broken).start().await.unwrap();
    let error = upgrade(&relay, &ca).await.err().unwrap();
    let expected = TlsError::InvalidCertificate(CertificateError::BadEncoding);
    assert_eq!(why(&error), Some(&expected));
}
