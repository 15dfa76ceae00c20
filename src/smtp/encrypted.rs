//! Sessions through TLS, with a relay and a certification authority of the
//! tests' own.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Credentials, Target,
    peer::{self, Answer, Seen, converse, open, usual},
};
use crate::{
    report::{Reason, Stage, TlsMode},
    tls,
};

const HOST: &str = "mail.example.com";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.as_ref().der().clone()
    }

    /// A relay's side of TLS.
    fn acceptor(&self, wants_certificate: bool) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([HOST.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let builder = if wants_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.der()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(vec![leaf.der().clone()], key.into());
        Arc::new(config.unwrap()).into()
    }

    fn target(&self, mode: TlsMode) -> Target {
        let settings = tls::Settings {
            system_roots: Some(false),
            trust_anchors: Some(vec![self.der()]),
            ..tls::Settings::default()
        };
        let target = peer::target(mode);
        let name = target.host.to_server_name();
        Target {
            tls: tls::Connector::new(&settings, &name, &peer::ROOTS).unwrap(),
            credentials: Some(Credentials::Password {
                username: "ada".into(),
                password: "p".into(),
            }),
            ..target
        }
    }
}

/// A relay whose first word comes through TLS, or after STARTTLS. `None` when
/// the handshake failed and nothing came behind it.
fn serve(
    acceptor: TlsAcceptor,
    mode: TlsMode,
    mut answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (DuplexStream, JoinHandle<Option<Seen>>) {
    let (client, mut io) = duplex(64 * 1024);
    let task = tokio::spawn(async move {
        let mut has_greeted = false;
        if mode != TlsMode::Implicit {
            begin_plain(&mut io).await;
            has_greeted = true;
        }
        let stream = acceptor.accept(io).await.ok()?;
        let seen = converse(stream, move |line| {
            if line.is_empty() && has_greeted {
                return Answer::Octets(Vec::new());
            }
            answer(line)
        });
        Some(seen.await)
    });
    (client, task)
}

/// What is offered before TLS must not be believed.
async fn begin_plain(io: &mut DuplexStream) {
    let offer: &[u8] =
        b"250-mail.example.com\r\n250-SMTPUTF8\r\n250-AUTH XOAUTH2\r\n250 STARTTLS\r\n";
    let mut line = vec![0; 1000];
    for reply in [b"220 mail.example.com ESMTP\r\n", offer, b"220 go\r\n"] {
        io.write_all(reply).await.unwrap();
        if reply != b"220 go\r\n" {
            assert_ne!(io.read(&mut line).await.unwrap(), 0);
        }
    }
}

fn offers_plain(line: &str) -> Answer {
    match line {
        _ if line.starts_with("EHLO") => "250-mail.example.com\r\n250 AUTH PLAIN".into(),
        _ if line.starts_with("AUTH") => "235 2.7.0 welcome".into(),
        _ => usual(line),
    }
}

const MODES: [TlsMode; 2] = [TlsMode::Implicit, TlsMode::Starttls];

#[tokio::test]
async fn what_was_heard_before_tls_is_forgotten() {
    let authority = Authority::new("ours");
    for mode in MODES {
        let (io, relay) = serve(authority.acceptor(false), mode, offers_plain);
        let session = open(io, &authority.target(mode)).await.unwrap();
        let facts = session.facts();
        assert_eq!(facts.extensions, ["AUTH PLAIN"]);
        assert_eq!(facts.tls.unwrap().mode, mode);
        assert!(facts.timings.tls_handshake.is_some() && facts.timings.auth.is_some());
        session.quit().await;
        let lines = relay.await.unwrap().unwrap().lines;
        assert_eq!(
            lines,
            ["EHLO client.example.com", "AUTH PLAIN AGFkYQBw", "QUIT"]
        );
    }
}

#[tokio::test]
async fn a_relay_that_cannot_be_trusted_hears_nothing() {
    let authority = Authority::new("ours");
    for mode in [TlsMode::Starttls, TlsMode::StarttlsIfOffered] {
        let (io, relay) = serve(Authority::new("other").acceptor(false), mode, offers_plain);
        let error = open(io, &authority.target(mode)).await.unwrap_err();
        assert_eq!(error.stage, Stage::TlsHandshake);
        let failure = error.into_failure();
        assert_eq!(failure.reason, Reason::CertUnknownIssuer, "{failure:?}");
        assert_eq!(failure.tls.unwrap().certificates.len(), 1);
        assert!(relay.await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_certificate_that_is_missed_after_the_handshake_is_told() {
    let authority = Authority::new("ours");
    for mode in MODES {
        let (io, _relay) = serve(authority.acceptor(true), mode, offers_plain);
        let error = open(io, &authority.target(mode)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ClientCertRequired);
        assert_eq!(error.stage, Stage::TlsHandshake);
    }
}

#[tokio::test]
async fn what_follows_the_handshake_is_no_tls_failure() {
    let authority = Authority::new("ours");
    for mode in MODES {
        let hangs_up = |_: &str| Answer::Close("");
        let (io, _relay) = serve(authority.acceptor(false), mode, move |line| match mode {
            TlsMode::Implicit => hangs_up(line),
            _ if line.starts_with("EHLO") => hangs_up(line),
            _ => usual(line),
        });
        let error = open(io, &authority.target(mode)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ConnectionClosed);

        let (io, _relay) = serve(authority.acceptor(false), mode, |line| match line {
            _ if line.starts_with("AUTH") => "535 5.7.8 wrong".into(),
            _ => offers_plain(line),
        });
        let error = open(io, &authority.target(mode)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::AuthRejected);
    }
}

#[tokio::test]
async fn plaintext_behind_the_go_ahead_is_no_tls() {
    let (io, mut relay) = duplex(64 * 1024);
    let authority = Authority::new("ours");
    let target = authority.target(TlsMode::Starttls);
    let (outcome, ()) = tokio::join!(open(io, &target), async {
        begin_plain(&mut relay).await;
        let mut hello = [0; 8000];
        assert_ne!(relay.read(&mut hello).await.unwrap(), 0);
        relay.write_all(b"500 5.5.1 what\r\n").await.unwrap();
    });
    assert_eq!(outcome.unwrap_err().reason(), Reason::StarttlsNoTls);
}
