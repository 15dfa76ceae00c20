//! Sessions through TLS.

use super::*;
use crate::{
    smtp::{Credentials, fixture::ROOTS},
    testrelay::{Mechanism, Tls, ca::Ca},
    tls,
};

const HOST: &str = "mail.example.com";
const MODES: [TlsMode; 2] = [TlsMode::Implicit, TlsMode::Starttls];

/// A relay that offers AUTH PLAIN in TLS. What it offers before must not be
/// believed.
fn relay(mode: TlsMode, tls: impl Into<Tls>) -> Builder {
    let relay = plain()
        .tls(tls)
        .auth("ada", "p")
        .mechanisms([Mechanism::Plain])
        .script(script(mode));
    match mode {
        TlsMode::Implicit => relay.implicit_tls(),
        _ => relay,
    }
}

fn script(mode: TlsMode) -> Script {
    let offer = "250-mail.example.com\n250-SMTPUTF8\n250-AUTH XOAUTH2\n250 STARTTLS";
    match mode {
        TlsMode::Implicit => Script::new(),
        _ => Script::new().at(At::Ehlo, Answer::reply(offer)),
    }
}

/// Reaches the relay, and trusts `ca` alone.
fn trusting(ca: &Ca, mode: TlsMode) -> Target {
    let settings = tls::Settings {
        system_roots: Some(false),
        trust_anchors: Some(vec![ca.der()]),
        ..tls::Settings::default()
    };
    let target = target(mode);
    let name = target.host.to_server_name();
    Target {
        tls: tls::Connector::new(&settings, &name, &ROOTS).unwrap(),
        credentials: Some(Credentials::Password {
            username: "ada".into(),
            password: "p".into(),
        }),
        ..target
    }
}

#[tokio::test]
async fn what_was_heard_before_tls_is_forgotten() {
    let ca = Ca::new("ours");
    for mode in MODES {
        let (io, peer) = serve(relay(mode, ca.server(HOST))).await;
        let session = open(io, &trusting(&ca, mode)).await.unwrap();
        let facts = session.facts();
        assert_eq!(facts.extensions, ["AUTH PLAIN"]);
        assert_eq!(facts.tls.unwrap().mode, mode);
        assert!(facts.timings.tls_handshake.is_some() && facts.timings.auth.is_some());
        session.quit().await;
        let commands = peer.done().await.commands();
        let in_tls: Vec<_> = commands
            .iter()
            .filter(|command| command.tls)
            .map(|command| command.line.as_str())
            .collect();
        assert_eq!(
            in_tls,
            ["EHLO client.example.com", "AUTH PLAIN AGFkYQBw", "QUIT"]
        );
    }
}

#[tokio::test]
async fn a_relay_that_cannot_be_trusted_hears_nothing() {
    let ca = Ca::new("ours");
    for mode in [TlsMode::Starttls, TlsMode::StarttlsIfOffered] {
        let (io, peer) = serve(relay(mode, Ca::new("other").server(HOST))).await;
        let error = open(io, &trusting(&ca, mode)).await.unwrap_err();
        assert_eq!(error.stage, Stage::TlsHandshake);
        let failure = error.into_failure();
        assert_eq!(failure.reason, Reason::CertUnknownIssuer, "{failure:?}");
        assert_eq!(failure.tls.unwrap().certificates.len(), 1);
        let relay = peer.done().await;
        assert_eq!(relay.handshake_failures().len(), 1);
        assert_eq!(lines(&relay), ["EHLO client.example.com", "STARTTLS"]);
    }
}

#[tokio::test]
async fn a_certificate_that_is_missed_after_the_handshake_is_told() {
    let ca = Ca::new("ours");
    for mode in MODES {
        let demanding = Tls::new(ca.server(HOST)).require_client_certificate(&ca);
        let (io, _peer) = serve(relay(mode, demanding)).await;
        let error = open(io, &trusting(&ca, mode)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ClientCertRequired);
        assert_eq!(error.stage, Stage::TlsHandshake);
    }
}

#[tokio::test]
async fn a_refusal_that_names_a_certificate_is_about_the_one_that_was_asked_for() {
    let ca = Ca::new("ours");
    for mode in MODES {
        let first_in_tls = match mode {
            TlsMode::Implicit => At::Greeting,
            _ => At::EhloTls,
        };
        for (text, asks, reason) in [
            (
                "421 4.7.1 Error: No client certificate presented",
                true,
                Reason::ClientCertRequired,
            ),
            ("421 4.7.1 busy", true, Reason::RelayClosing),
            (
                "421 4.7.1 certificate renewal under way",
                false,
                Reason::RelayClosing,
            ),
        ] {
            let tls = Tls::new(ca.server(HOST));
            let tls = if asks {
                tls.ask_client_certificate(&ca)
            } else {
                tls
            };
            let script = script(mode).at(first_in_tls, Answer::reply(text));
            let (io, _peer) = serve(relay(mode, tls).script(script)).await;
            let error = open(io, &trusting(&ca, mode)).await.unwrap_err();
            assert_eq!(error.reason(), reason, "{mode:?}: {text}");
        }
    }
}

#[tokio::test]
async fn what_follows_the_handshake_is_no_tls_failure() {
    let ca = Ca::new("ours");
    for mode in MODES {
        let first_in_tls = match mode {
            TlsMode::Implicit => At::Greeting,
            _ => At::EhloTls,
        };
        for (step, answer, reason) in [
            (first_in_tls, Answer::close(), Reason::ConnectionClosed),
            (first_in_tls, Answer::cut(), Reason::ConnectionClosed),
            (
                At::Auth,
                Answer::reply("535 5.7.8 wrong"),
                Reason::AuthRejected,
            ),
        ] {
            let script = script(mode).at(step, answer);
            let (io, _peer) = serve(relay(mode, ca.server(HOST)).script(script)).await;
            let error = open(io, &trusting(&ca, mode)).await.unwrap_err();
            assert_eq!(error.reason(), reason);
        }
    }
}

#[tokio::test]
async fn plaintext_behind_the_go_ahead_is_no_tls() {
    let ca = Ca::new("ours");
    let mode = TlsMode::Starttls;
    let script = script(mode).at(At::Handshake, Answer::reply("500 5.5.1 what"));
    let (io, _peer) = serve(relay(mode, ca.server(HOST)).script(script)).await;
    let error = open(io, &trusting(&ca, mode)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StarttlsNoTls);
}
