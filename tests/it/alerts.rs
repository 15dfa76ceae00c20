//! Alerts that race with the end of the connection, on real sockets: none is
//! lost, and so the reason is the same every time.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use posthaste::{
    relay::{AllowedHosts, Choice, CustomRelay, CustomRelays, Directory, Settings, TlsOption},
    report::{AlertDirection, Reason, RelayFailure, TlsMode},
    smtp::{Progress, Session, Target},
    testrelay::{
        Answer, Builder, Script, Step, TestRelay, Tls,
        ca::{Ca, Leaf},
    },
    tls,
};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, server::WebPkiClientVerifier};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const RUNS: usize = 200;
const HOST: &str = "127.0.0.1";

static CA: LazyLock<Ca> = LazyLock::new(|| Ca::new("Test CA"));

/// A relay in this process, but for its port.
fn target(mode: TlsMode) -> Target {
    static TARGET: LazyLock<Target> = LazyLock::new(|| {
        let custom = CustomRelay {
            host: HOST.parse().unwrap(),
            port: 25,
            credentials: None,
        };
        let settings = Settings {
            custom: CustomRelays {
                allow: vec![AllowedHosts {
                    host: HOST.into(),
                    ports: Vec::new(),
                }],
                allow_tls_options: vec![TlsOption::TrustAnchors],
                ehlo_name: "client.example.org".into(),
                ..CustomRelays::default()
            },
            ..Settings::default()
        };
        let trusting = tls::Settings {
            trust_anchors: Some(vec![CA.der()]),
            ..tls::Settings::default()
        };
        Directory::new(settings)
            .unwrap()
            .find(&Choice::Custom(custom), "example.org", &trusting)
            .unwrap()
    });
    Target {
        mode,
        ..TARGET.clone()
    }
}

fn at(relay: &TestRelay, mode: TlsMode) -> Target {
    Target {
        port: relay.port(),
        ..target(mode)
    }
}

async fn start(mode: TlsMode, builder: Builder, tls: Tls) -> TestRelay {
    let builder = builder.tls(tls);
    let builder = match mode {
        TlsMode::Implicit => builder.implicit_tls(),
        _ => builder.extensions(["STARTTLS"]),
    };
    builder.start().await.unwrap()
}

async fn failure(target: &Target) -> RelayFailure {
    let outcome = Session::open(target, &Progress::default()).await;
    outcome.map(drop).unwrap_err().into_failure()
}

/// How often which reason was told, and which alert, of the same relay.
async fn told(target: &Target) -> BTreeMap<(&'static str, Option<u8>), usize> {
    let mut told = BTreeMap::new();
    for _ in 0..RUNS {
        let failure = failure(target).await;
        let alert = failure.tls.and_then(|tls| tls.alert).map(|it| it.code);
        *told.entry((failure.reason.name(), alert)).or_default() += 1;
    }
    told
}

const MODES: [TlsMode; 2] = [TlsMode::Implicit, TlsMode::Starttls];

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_in_reply_to_the_hello_survives_the_end_of_the_connection() {
    for mode in MODES {
        for end in [Answer::reset(), Answer::cut(), Answer::close()] {
            for (code, reason) in [
                (40, Reason::HandshakeRefused),
                (70, Reason::NoCommonVersion),
            ] {
                let answer = Answer::alert(code).then(end.clone());
                let script = Script::new().at(Step::Handshake, answer);
                let builder = TestRelay::builder().script(script);
                let relay = start(mode, builder, Tls::new(CA.server(HOST))).await;
                let told = told(&at(&relay, mode)).await;
                let expected = BTreeMap::from([((reason.name(), Some(code)), RUNS)]);
                assert_eq!(told, expected, "{mode} {end:?}");
            }
        }
    }
}

/// The relay refuses while we write: in TLS 1.3 behind a handshake that was
/// complete for us. It has not read all, so that the system resets the
/// connection behind its alert.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_our_certificate_survives_a_reset() {
    for version in rustls::ALL_VERSIONS {
        for (mode, abrupt) in [
            (TlsMode::Implicit, false),
            (TlsMode::Implicit, true),
            (TlsMode::Starttls, false),
            (TlsMode::Starttls, true),
        ] {
            let port = rude_relay(version, mode, abrupt).await;
            let told = told(&Target {
                port,
                ..target(mode)
            })
            .await;
            let reason = Reason::ClientCertRequired.name();
            // certificate_required, which rustls sends in TLS 1.2 too.
            let expected = BTreeMap::from([((reason, Some(116)), RUNS)]);
            assert_eq!(told, expected, "{version:?} {mode} {abrupt}");
        }
    }
}

/// Wants a client certificate, and leaves as soon as it has said so: `abrupt`
/// with a reset at once.
async fn rude_relay(
    version: &'static SupportedProtocolVersion,
    mode: TlsMode,
    abrupt: bool,
) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CA.der()).unwrap();
    let wanted = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let identity = CA.server(HOST);
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(wanted.build().unwrap())
        .with_single_cert(identity.chain().to_vec(), identity.key())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((HOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            io.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if mode == TlsMode::Starttls {
                    for line in ["220 relay.test ESMTP", "250-relay.test\r\n250 STARTTLS"] {
                        io.write_all(format!("{line}\r\n").as_bytes())
                            .await
                            .unwrap();
                        assert_ne!(io.read(&mut [0; 512]).await.unwrap(), 0);
                    }
                    io.write_all(b"220 go ahead\r\n").await.unwrap();
                }
                let (_, io) = acceptor.accept(io).into_fallible().await.err().unwrap();
                if abrupt {
                    io.set_zero_linger().unwrap();
                }
            });
        }
    });
    port
}

/// What our report says that we sent is what the relay's log shows.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_alert_reaches_the_relay() {
    let cases = [
        (CA.issue(Leaf::new([HOST]).expired()), "CertificateExpired"),
        (CA.server("mail.example.com"), "BadCertificate"),
        (Ca::new("Stranger").server(HOST), "UnknownCA"),
    ];
    for mode in MODES {
        for version in rustls::ALL_VERSIONS {
            for (identity, alert) in &cases {
                let tls = Tls::new(identity.clone()).versions(&[version]);
                let relay = start(mode, TestRelay::builder(), tls).await;
                let target = at(&relay, mode);
                for _ in 0..RUNS / 10 {
                    let sent = failure(&target).await.tls.unwrap().alert.unwrap();
                    assert_eq!(sent.direction, AlertDirection::Sent);
                }
                relay.wait_until_alone().await.unwrap();
                let seen = relay.handshake_failures();
                assert_eq!(seen.len(), RUNS / 10);
                for seen in seen {
                    assert!(seen.contains(alert), "{mode} {version:?}: {seen}");
                }
            }
        }
    }
}
