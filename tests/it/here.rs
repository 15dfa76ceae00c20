//! What is wrong on this side: settings that cannot be followed, a clock, a
//! fault of posthaste's own, and too much at once.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use posthaste::{
    api::client::pb::{
        self, SmtpStage,
        recipient_result::State,
        relay_failure::{Acceptance, Confidence, Fault, Reason, Retry},
    },
    testrelay::{Answer, Mechanism, Script, Step, TestRelay, ca::Ca},
};
use tracing::{Event, Metadata, Subscriber, span};

use crate::service::{Service, mail, request};

/// A service that sends to `host`, with credentials whose secret stands in a
/// file of `folder`.
async fn service(
    folder: &Path,
    host: &str,
    relay: &TestRelay,
    (kind, secret): (&str, &str),
    tls: &str,
) -> Service {
    let file = folder.join(kind);
    std::fs::write(&file, secret).unwrap();
    let port = relay.port();
    Service::start(&format!(
        "[relays.primary]\nhost = \"{host}\"\nport = {port}\n\
         [relays.primary.tls]\n{tls}\n\
         [relays.primary.credentials]\nusername = \"ada\"\n{kind}_file = '{}'\n",
        file.display()
    ))
    .await
}

async fn refused(service: &Service) -> (pb::SendError, pb::RelayFailure) {
    let outcome = service.send(request(mail(&["bob@example.net"]))).await;
    let mut error = outcome.unwrap_err();
    let failure = error.failure.take().unwrap();
    assert_eq!(failure.confidence(), Confidence::Observed);
    assert_eq!(failure.acceptance(), Acceptance::None);
    (error, failure)
}

#[tokio::test]
async fn credentials_that_would_go_in_plaintext_beyond_loopback_stay_here() {
    // Linux takes it for this machine; it is no loopback address for all that.
    let elsewhere = "0.0.0.0";
    let relay = TestRelay::builder().auth("ada", "secret");
    let relay = relay.auth_in_plaintext().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mode = "mode = \"starttls_if_offered\"";
    let secret = ("password", "secret");
    let service = service(folder.path(), elsewhere, &relay, secret, mode).await;
    let (_, failure) = refused(&service).await;
    assert_eq!(failure.reason(), Reason::LocalConfig);
    assert_eq!(failure.stage(), SmtpStage::Auth);
    assert_eq!(failure.fault(), Fault::Operator);
    assert_eq!(failure.retry(), Retry::AfterFix);
    let names_it = failure.summary.contains("0.0.0.0 is none");
    assert!(names_it, "{}", failure.summary);
    assert!(!failure.remedies.is_empty());
    service.stop().await;
    let said: Vec<_> = relay.commands().into_iter().map(|it| it.line).collect();
    assert!(
        !said.iter().any(|line| line.starts_with("AUTH")),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_token_that_auth_cannot_carry_is_not_sent() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let relay = relay.token("ada", "t").mechanisms([Mechanism::OAuthBearer]);
    let relay = relay.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let anchors = folder.path().join("ca.pem");
    std::fs::write(&anchors, ca.pem()).unwrap();
    let secret = ("token", "t\u{1}auth=Bearer other");
    let tls = format!("ca_file = '{}'", anchors.display());
    let service = service(folder.path(), "localhost", &relay, secret, &tls).await;
    let (_, failure) = refused(&service).await;
    assert_eq!(failure.reason(), Reason::LocalConfig);
    assert_eq!(failure.stage(), SmtpStage::Auth);
    let tells = failure.summary.contains("character that AUTH cannot carry");
    assert!(
        tells && !failure.summary.contains("Bearer"),
        "{}",
        failure.summary
    );
}

/// Panics where a login is logged: the one place of a transaction that a test
/// can make fail as a fault in posthaste would.
struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "posthaste::smtp::auth"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        panic!("a fault in posthaste, which a test staged");
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_fault_in_posthaste_ends_one_mail_and_not_the_service() {
    let relay = TestRelay::builder().auth("ada", "secret");
    let relay = relay.auth_in_plaintext().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mode = "mode = \"plaintext\"";
    let secret = ("password", "secret");
    let service = service(folder.path(), "127.0.0.1", &relay, secret, mode).await;

    // All that the service does, it does on this thread.
    let panics = tracing::subscriber::set_default(Panics);
    let (error, failure) = refused(&service).await;
    drop(panics);
    assert_eq!(error.code, tonic::Code::Internal as i32);
    assert_eq!(failure.reason(), Reason::LocalInternal);
    assert_eq!(failure.stage(), SmtpStage::Auth);
    assert_eq!(failure.fault(), Fault::Operator);
    assert_eq!(failure.retry(), Retry::AfterFix);
    assert_eq!(failure.recipients[0].state(), State::NotSent);
    assert_eq!(
        failure.summary,
        "A fault in posthaste ended the transaction."
    );
    assert!(!failure.remedies.is_empty());
    assert!(relay.mails().is_empty());

    let sent = service.send(request(mail(&["bob@example.net"]))).await;
    assert_eq!(sent.unwrap().accepted_count, 1);
}

/// A library that makes the time of day one of 1970, and leaves the clock that
/// counts for time limits alone.
fn clock_of_1970(folder: &Path) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return None;
    }
    let source = folder.join("clock.c");
    let library = folder.join("clock.so");
    let code = "#define _GNU_SOURCE\n#include <time.h>\n#include <unistd.h>\n\
                #include <sys/syscall.h>\n\
                int clock_gettime(clockid_t id, struct timespec *ts) {\n\
                  if (id == CLOCK_REALTIME) { ts->tv_sec = 86400; ts->tv_nsec = 0; return 0; }\n\
                  return syscall(SYS_clock_gettime, id, ts);\n\
                }\n";
    std::fs::write(&source, code).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    compiled.is_ok_and(|it| it.success()).then_some(library)
}

#[tokio::test]
async fn a_clock_before_this_program_was_made_is_blamed_and_not_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = clock_of_1970(folder.path()) else {
        eprintln!("NOT TESTED: there is no way to change the clock of a program here");
        return;
    };
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let relay = relay.start().await.unwrap();
    let anchors = folder.path().join("ca.pem");
    std::fs::write(&anchors, ca.pem()).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    check
        .args(["check", "--json", "--ca"])
        .arg(&anchors)
        .arg(format!("localhost:{}", relay.port()))
        .env("LD_PRELOAD", &clock)
        .env_remove("POSTHASTE_CONFIG")
        .stdin(Stdio::null());
    let checked = tokio::task::spawn_blocking(move || check.output().unwrap());
    let Output { status, stdout, .. } = checked.await.unwrap();
    assert_eq!(status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
    let finding = &answer["findings"][0];
    assert_eq!(finding["reason"], "REASON_LOCAL_CLOCK", "{finding}");
    assert_eq!(finding["stage"], "SMTP_STAGE_TLS_HANDSHAKE");
    assert_eq!(finding["confidence"], "CONFIDENCE_INFERRED");
    assert_eq!(finding["fault"], "FAULT_OPERATOR");
    let summary = finding["summary"].as_str().unwrap();
    assert!(summary.contains("1970-01-02 00:00 UTC"), "{summary}");
}

#[tokio::test]
async fn more_mails_than_may_be_under_way_are_told_to_come_again() {
    let script = Script::new().once(Step::Mail(1), Answer::stall());
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let service = Service::start(&format!(
        "server.max_under_way = 1\n[relays.primary]\nhost = \"127.0.0.1\"\nport = {}\n\
         tls.mode = \"plaintext\"\n",
        relay.port()
    ))
    .await;
    let mut client = service.client().await;
    let first = tokio::spawn(async move {
        let patience = Some(Duration::from_secs(2));
        client
            .send(request(mail(&["bob@example.net"])), patience)
            .await
    });
    relay.wait_for_commands("MAIL", 1).await.unwrap();
    let second = service.send(request(mail(&["bob@example.net"]))).await;
    let error = second.unwrap_err();
    assert_eq!(error.code, tonic::Code::ResourceExhausted as i32);
    assert_eq!(error.reason, "OVERLOADED");
    assert!(error.failure.is_none());

    // Its place is free once the first has been given up.
    first.await.unwrap().unwrap_err();
    let third = service.send(request(mail(&["bob@example.net"]))).await;
    assert_eq!(third.unwrap().accepted_count, 1);
}
