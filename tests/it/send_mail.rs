//! A mail through the whole service into a relay, and what comes back.

use posthaste::{
    api::client::pb::{
        self, TlsMode,
        recipient_result::State,
        relay_failure::{Acceptance, Fault, Reason, Retry},
    },
    testrelay::{Answer, Script, Step, TestRelay, ca::Ca},
};

use crate::service::{Service, mail, mail_through, request};

#[tokio::test]
async fn a_mail_goes_through_starttls_and_through_implicit_tls() {
    let ca = Ca::new("Test CA");
    let service = Service::for_custom_relays(&ca.pem()).await;
    for mode in [TlsMode::Starttls, TlsMode::Implicit] {
        let mut relay = TestRelay::builder()
            .tls(ca.server("localhost"))
            .require_tls();
        if mode == TlsMode::Implicit {
            relay = relay.implicit_tls();
        }
        let relay = relay.start().await.unwrap();
        let sent = service
            .send(request(mail_through(
                relay.port(),
                mode,
                &["bob@example.net"],
            )))
            .await
            .unwrap();

        assert_eq!((sent.accepted_count, sent.refused_count), (1, 0));
        assert!(!sent.replayed);
        assert_eq!(sent.recipients[0].state(), State::Accepted);
        assert_eq!(sent.reply.unwrap().code, 250);
        let session = sent.session.unwrap();
        let tls = session.tls.unwrap();
        assert_eq!(tls.mode(), mode);
        assert_eq!(tls.version(), pb::TlsVersion::TlsVersion13);
        assert_eq!(tls.server_name, "localhost");
        assert_eq!(tls.certificate.unwrap().subject_alt_names, ["localhost"]);
        assert!(session.timings.unwrap().tls_handshake.is_some());

        let mails = relay.wait_for_mails(1).await.unwrap();
        assert_eq!(mails[0].recipients(), ["bob@example.net"]);
        assert!(mails[0].tls.is_some());
        assert_eq!(mails[0].bytes.len() as u64, sent.size_bytes);
        assert!(mails[0].text().contains(&format!("<{}>", sent.message_id)));
    }
}

#[tokio::test]
async fn a_configured_relay_is_authenticated_to_and_never_in_the_clear() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .auth("ada", "correct horse")
        .auth_in_plaintext()
        .require_auth()
        .start()
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let config = |password: &std::path::Path, ca: &std::path::Path| {
        format!(
            "[relays.primary]\nhost = \"localhost\"\nport = {}\ntls.ca_file = {ca:?}\n\
             credentials = {{ username = \"ada\", password_file = {password:?} }}\n",
            relay.port()
        )
    };
    let ca_file = write("ca.pem", &ca.pem());

    let service = Service::start(&config(&write("right", "correct horse\n"), &ca_file)).await;
    service
        .send(request(mail(&["bob@example.net"])))
        .await
        .unwrap();
    assert_eq!(relay.mails()[0].identity.as_deref(), Some("ada"));

    let service = Service::start(&config(&write("wrong", "battery staple"), &ca_file)).await;
    let error = service
        .send(request(mail(&["bob@example.net"])))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::FailedPrecondition as i32);
    assert_eq!(error.reason, "AUTH_REJECTED");
    let failure = error.failure.unwrap();
    assert_eq!(failure.stage(), pb::SmtpStage::Auth);
    assert_eq!(failure.fault(), Fault::Operator);
    assert_eq!(failure.retry(), Retry::AfterFix);
    assert_eq!(failure.reply.unwrap().code, 535);
    assert_eq!(failure.remedies[0].setting, "relays.primary.credentials");

    for command in relay.commands() {
        assert!(
            command.tls || !command.line.starts_with("AUTH"),
            "{command:?}"
        );
    }
}

#[tokio::test]
async fn each_recipient_has_a_fate_of_its_own() {
    let relay = TestRelay::builder()
        .script(
            Script::new()
                .at(Step::Rcpt(2), Answer::reply("550 5.1.1 no such user"))
                .at(Step::Rcpt(3), Answer::reply("450 4.2.1 greylisted")),
        )
        .start()
        .await
        .unwrap();
    let service = Service::for_custom_relays("").await;
    let to = [
        "a@example.net",
        "b@example.net",
        "c@example.net",
        "d@example.net",
    ];
    let plaintext = |policy| {
        let mut mail = mail_through(relay.port(), TlsMode::Plaintext, &to);
        mail.set_recipient_policy(policy);
        request(mail)
    };

    let sent = service
        .send(plaintext(pb::RecipientPolicy::Any))
        .await
        .unwrap();
    let states: Vec<_> = sent
        .recipients
        .iter()
        .map(pb::RecipientResult::state)
        .collect();
    assert_eq!(
        states,
        [
            State::Accepted,
            State::Rejected,
            State::Deferred,
            State::Accepted
        ]
    );
    assert_eq!((sent.accepted_count, sent.refused_count), (2, 2));
    assert!(sent.session.unwrap().tls.is_none());
    assert_eq!(
        relay.mails()[0].recipients(),
        ["a@example.net", "d@example.net"]
    );

    let error = service
        .send(plaintext(pb::RecipientPolicy::All))
        .await
        .unwrap_err();
    let failure = error.failure.unwrap();
    assert_eq!(failure.acceptance(), Acceptance::None);
    assert_eq!(failure.stage(), pb::SmtpStage::RcptTo);
    let states: Vec<_> = failure
        .recipients
        .iter()
        .map(pb::RecipientResult::state)
        .collect();
    assert_eq!(
        states,
        [
            State::NotSent,
            State::Rejected,
            State::Deferred,
            State::NotSent
        ]
    );
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn a_failed_handshake_is_named_and_nothing_follows_in_plaintext() {
    let ca = Ca::new("Test CA");
    let other = Ca::new("Another CA");
    let service = Service::for_custom_relays(&ca.pem()).await;
    let expired = posthaste::testrelay::ca::Leaf::new(["localhost"]).expired();
    for (identity, reason) in [
        (ca.issue(expired), Reason::CertExpired),
        (ca.server("mail.example.com"), Reason::CertNameMismatch),
        (other.server("localhost"), Reason::CertUnknownIssuer),
    ] {
        let relay = TestRelay::builder().tls(identity).start().await.unwrap();
        let error = service
            .send(request(mail_through(
                relay.port(),
                TlsMode::Starttls,
                &["b@example.net"],
            )))
            .await
            .unwrap_err();
        assert_eq!(
            error.code,
            tonic::Code::FailedPrecondition as i32,
            "{error:?}"
        );
        let failure = error.failure.unwrap();
        assert_eq!(failure.reason(), reason, "{failure:?}");
        assert_eq!(failure.stage(), pb::SmtpStage::TlsHandshake);
        assert!(!failure.remedies.is_empty());
        let evidence = failure.tls.unwrap();
        assert_eq!(evidence.certificates.len().min(1), 1);
        assert_eq!(
            evidence.alert.unwrap().direction(),
            pb::tls_alert::Direction::Sent
        );
        relay
            .wait_for("our alert", |relay| {
                relay
                    .handshake_failures()
                    .pop()
                    .filter(|text| text.contains("alert"))
            })
            .await
            .unwrap();
        let lines: Vec<_> = relay
            .commands()
            .into_iter()
            .map(|command| command.line)
            .collect();
        assert_eq!(
            lines.last().map(String::as_str),
            Some("STARTTLS"),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn starttls_is_not_said_in_plaintext_mode_even_when_it_is_offered() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .start()
        .await
        .unwrap();
    let service = Service::for_custom_relays(&ca.pem()).await;
    let sent = service
        .send(request(mail_through(
            relay.port(),
            TlsMode::Plaintext,
            &["b@example.net"],
        )))
        .await
        .unwrap();
    assert!(sent.session.unwrap().tls.is_none());
    assert!(
        relay
            .commands()
            .iter()
            .all(|command| command.line != "STARTTLS")
    );
}

#[tokio::test]
async fn a_relay_without_starttls_gets_no_mail() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let error = service
        .send(request(mail_through(
            relay.port(),
            TlsMode::Starttls,
            &["b@example.net"],
        )))
        .await
        .unwrap_err();
    assert_eq!(error.failure.unwrap().reason(), Reason::StarttlsNotOffered);
    assert!(
        relay
            .commands()
            .iter()
            .all(|command| !command.line.starts_with("MAIL"))
    );
}

#[tokio::test]
async fn validate_only_opens_no_connection() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let mut request = request(mail_through(
        relay.port(),
        TlsMode::Plaintext,
        &["b@example.net"],
    ));
    request.validate_only = true;
    let response = service.send(request).await.unwrap();
    assert!(response.reply.is_none());
    assert!(response.size_bytes > 0);
    assert_eq!(relay.counters().connections, 0);
}

#[tokio::test]
async fn a_request_may_not_weaken_what_the_operator_set() {
    let service = Service::start(
        "[relays.primary]\nhost = \"localhost\"\nport = 1\n\
         [custom_relays]\nallow = [{ host = \"localhost\", ports = [2525] }]\n",
    )
    .await;
    let mut named = mail(&["b@example.net"]);
    named.tls = Some(pb::TlsOptions {
        mode: TlsMode::Plaintext.into(),
        ..pb::TlsOptions::default()
    });
    let error = service.send(request(named)).await.unwrap_err();
    assert_eq!(error.code, tonic::Code::PermissionDenied as i32);
    assert_eq!(error.reason, "TLS_POLICY_NOT_ALLOWED");

    let elsewhere = mail_through(2526, TlsMode::Starttls, &["b@example.net"]);
    let error = service.send(request(elsewhere)).await.unwrap_err();
    assert_eq!(error.code, tonic::Code::PermissionDenied as i32);
    assert_eq!(error.reason, "RELAY_NOT_ALLOWED");

    let mut unknown = mail(&["b@example.net"]);
    unknown.relay = Some(pb::RelayTarget {
        target: Some(pb::relay_target::Target::Name("other".into())),
    });
    let error = service.send(request(unknown)).await.unwrap_err();
    assert_eq!(error.code, tonic::Code::NotFound as i32);
    assert_eq!(error.reason, "RELAY_NOT_FOUND");
}

#[tokio::test]
async fn without_a_relay_there_is_no_route() {
    let service = Service::start("").await;
    let error = service
        .send(request(mail(&["b@example.net"])))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::FailedPrecondition as i32);
    assert_eq!(error.reason, "NO_ROUTE");
}

#[tokio::test]
async fn the_routes_go_by_the_senders_domain() {
    let first = TestRelay::start().await.unwrap();
    let second = TestRelay::start().await.unwrap();
    let service = Service::start(&format!(
        "default_relay = \"first\"\n\
         routes = [{{ domain = \"*.example.org\", relay = \"second\" }}]\n\
         [relays.first]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n\
         [relays.second]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n",
        first.port(),
        second.port()
    ))
    .await;
    for (from, relay) in [("a@example.org", "first"), ("a@news.example.org", "second")] {
        let mut mail = mail(&["b@example.net"]);
        mail.envelope = Some(pb::Envelope {
            mail_from: Some(from.into()),
            rcpt_to: Vec::new(),
        });
        let sent = service.send(request(mail)).await.unwrap();
        assert_eq!(
            sent.session.unwrap().endpoint.unwrap().relay,
            relay,
            "{from}"
        );
    }
}

/// A newsletter tool once lost its list of TLS versions when certificate
/// options were merged over its defaults. Whatever is set here, in whatever
/// layer, the ClientHello still offers both versions.
#[tokio::test]
async fn keila_283_on_the_wire() {
    const BOTH: [u16; 2] = [0x0304, 0x0303];

    let ca = Ca::new("Test CA");
    let identity = ca.server("localhost");
    let pin = identity.key_pin();
    let relay = TestRelay::builder().tls(identity).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).unwrap();
    let ca_file = ca_file.display();
    let settings = [
        "mode = \"starttls\"".to_owned(),
        "server_name = \"localhost\"".to_owned(),
        "system_roots = false".to_owned(),
        format!("key_pins = [\"{pin}\"]"),
        "post_quantum = false".to_owned(),
        "min_version = \"1.2\"".to_owned(),
        "max_version = \"1.3\"".to_owned(),
    ];
    for setting in &settings {
        for (global, own) in [(setting.as_str(), ""), ("", setting.as_str())] {
            let service = Service::start(&format!(
                "[tls]\nca_file = \"{ca_file}\"\n{global}\n\
                 [relays.primary]\nhost = \"localhost\"\nport = {}\n\
                 allow_tls_options = [\"trust_anchors\"]\n\
                 [relays.primary.tls]\n{own}\n",
                relay.port()
            ))
            .await;
            for options in [
                None,
                Some(pb::TlsOptions {
                    key_pins: if setting.starts_with("key_pins") {
                        vec![pin.clone()]
                    } else {
                        Vec::new()
                    },
                    trust_anchors_pem: ca.pem(),
                    ..pb::TlsOptions::default()
                }),
            ] {
                let mut mail = mail(&["b@example.net"]);
                mail.tls = options;
                service.send(request(mail)).await.unwrap();
                let hello = relay.last_client_hello().unwrap();
                for version in BOTH {
                    let offered = hello.versions.iter().any(|v| u16::from(*v) == version);
                    assert!(offered, "{setting}: {:?}", hello.versions);
                }
            }
        }
    }
}
