//! Handshakes that fail after STARTTLS.

use super::*;
use crate::{
    report::{RelayFailure, TlsMode},
    smtp::{
        Target,
        fixture::{ROOTS, open, plain, serve, target},
    },
    testrelay::{
        Answer, Script, Step,
        ca::{Ca, Leaf},
    },
    tls,
};

/// What is told of a relay that is asked for as `host`, greets as `greeting`
/// and shows `leaf`, issued by an authority that is trusted.
async fn told(host: &str, greeting: &str, leaf: Leaf) -> RelayFailure {
    told_under(&tls::Settings::default(), host, greeting, leaf).await
}

async fn told_under(
    settings: &tls::Settings,
    host: &str,
    greeting: &str,
    leaf: Leaf,
) -> RelayFailure {
    let ca = Ca::new("ours");
    let settings = tls::Settings {
        system_roots: Some(false),
        trust_anchors: Some(vec![ca.der()]),
        ..settings.clone()
    };
    let host: Host = host.parse().unwrap();
    let target = Target {
        tls: tls::Connector::new(&settings, &host.to_server_name(), &ROOTS).unwrap(),
        host,
        ..target(TlsMode::Starttls)
    };
    let greeting = Answer::reply(&format!("220 {greeting} ESMTP"));
    let relay = plain()
        .extensions(["STARTTLS"])
        .tls(ca.issue(leaf))
        .script(Script::new().at(Step::Greeting, greeting));
    let (io, _peer) = serve(relay).await;
    open(io, &target).await.unwrap_err().into_failure()
}

fn flaws(failure: &RelayFailure) -> Vec<Reason> {
    let tls = failure.tls.as_ref().unwrap();
    tls.flaws.iter().map(|flaw| flaw.reason).collect()
}

#[tokio::test]
async fn the_reply_to_starttls_is_kept() {
    let failure = told(
        "mail.example.com",
        "mail.example.com",
        Leaf::new(["mx.example"]),
    )
    .await;
    assert_eq!(failure.reason, Reason::CertNameMismatch);
    assert_eq!(failure.confidence, Confidence::Observed);
    assert!(failure.reply.is_none());
    let reply = failure.tls.unwrap().starttls_reply.unwrap();
    assert_eq!(reply.code.value(), 220);
}

#[tokio::test]
async fn a_strangers_greeting_and_certificate_show_that_smtp_is_redirected() {
    let name = "vs114211.freehosting.example";
    let failure = told("smtp.gmail.com", name, Leaf::new([name])).await;
    assert_eq!(failure.reason, Reason::SmtpIntercepted);
    assert_eq!(failure.confidence, Confidence::Inferred);
    assert_eq!(
        failure.summary,
        "vs114211.freehosting.example answers in the place of smtp.gmail.com: it greets by that \
         name, and its certificate is for vs114211.freehosting.example, not for smtp.gmail.com \
         (alert sent: bad_certificate)."
    );
    assert_eq!(flaws(&failure), []);

    // Whatever else is wrong with the stranger's certificate is not the relay's.
    let failure = told("smtp.gmail.com", name, Leaf::new([name]).expired()).await;
    assert_eq!(failure.reason, Reason::SmtpIntercepted);
    assert_eq!(flaws(&failure), [Reason::CertExpired]);
    assert!(
        failure
            .summary
            .ends_with("(alert sent: certificate_expired).")
    );
}

#[tokio::test]
async fn a_stranger_may_be_the_relay_by_another_name() {
    for host in ["smtp.example.com", "localhost"] {
        let name = "vs114211.freehosting.example";
        let failure = told(host, name, Leaf::new([name])).await;
        assert_eq!(failure.reason, Reason::SmtpIntercepted);
        assert_eq!(failure.confidence, Confidence::Ambiguous);
        assert_eq!(failure.alternatives, [Reason::CertNameMismatch]);

        let leaf = Leaf::new(["*.provider.example"]);
        let failure = told(host, "mail.provider.example", leaf).await;
        assert_eq!(failure.reason, Reason::CertNameMismatch);
        assert_eq!(failure.confidence, Confidence::Ambiguous);
        assert_eq!(failure.alternatives, [Reason::SmtpIntercepted]);
        assert!(failure.summary.contains("*.provider.example"));

        let failure = told(host, name, Leaf::new([name]).expired()).await;
        assert_eq!(failure.reason, Reason::CertExpired);
        assert_eq!(flaws(&failure), [Reason::SmtpIntercepted]);
    }
}

#[tokio::test]
async fn nobody_is_a_stranger_by_one_name_alone() {
    for (host, greeting, certified) in [
        // The relay's own name is wrong in the certificate, or in the greeting.
        ("smtp.example.com", "mx1.example.com", "mx1.example.net"),
        ("smtp.example.com", "mx1.example.net", "mx1.example.com"),
        ("smtp.example.com", "mx1.example.net", "mail.example.org"),
        // Nothing can be said of an address, or by a name that is none.
        (
            "192.0.2.1",
            "mail.provider.example",
            "mail.provider.example",
        ),
        ("smtp.gmail.com", "localhost", "localhost"),
        ("smtp.gmail.com", "[192.0.2.1]", "mail.provider.example"),
        ("smtp.gmail.com", "******", "mail.provider.example"),
    ] {
        let failure = told(host, greeting, Leaf::new([certified])).await;
        assert_eq!(
            failure.reason,
            Reason::CertNameMismatch,
            "{host} {greeting}"
        );
        assert_eq!(failure.confidence, Confidence::Observed);
    }
    // The name that was to be looked for counts, not the way to it.
    let settings = tls::Settings {
        server_name: Some("mail.provider.example".try_into().unwrap()),
        ..tls::Settings::default()
    };
    let (name, leaf) = ("mx2.provider.example", Leaf::new(["mx2.provider.example"]));
    let failure = told_under(&settings, "smtp.gmail.com", name, leaf).await;
    assert_eq!(failure.confidence, Confidence::Observed);
}

#[test]
fn owners_are_told_by_their_domain() {
    for (one, other, related) in [
        ("smtp.example.com", "mx1.mail.example.com", true),
        ("smtp.example.com", "*.Example.com", true),
        ("example.com", "smtp.example.com", true),
        ("smtp.example.com", "smtp.example.net", false),
        ("smtp.one.co.uk", "smtp.two.co.uk", false),
        ("smtp.one.co.uk", "mail.one.co.uk", true),
        ("one.de", "smtp.one.de", true),
        ("localhost", "localhost", true),
        ("localhost", "mail.localhost", false),
    ] {
        assert_eq!(are_related(one, other), related, "{one} {other}");
    }
}
