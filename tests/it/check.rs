//! CheckRelay and `posthaste check`, against relays that are in order and
//! relays that are not.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use posthaste::{
    api::client::pb::{
        self, SmtpStage, TlsMode,
        check_relay_response::{Step as Walked, Warning as Caution, warning::Code as Warning},
        relay_failure::{Confidence, Fault, Reason},
    },
    testrelay::{
        Answer, Builder, Script, Step, TestRelay, Tls,
        ca::{Ca, Leaf},
    },
};
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::service::Service;

/// Files for a program or a service.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// What `posthaste check` printed, and how it ended.
struct Told {
    status: i32,
    out: String,
    err: String,
}

async fn told(arguments: &[&str]) -> Told {
    told_with(&[], arguments).await
}

/// As above, with variables in the environment.
async fn told_with(environment: &[(&str, &str)], arguments: &[&str]) -> Told {
    let child = Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .arg("check")
        .args(arguments)
        .env_remove("POSTHASTE_CONFIG")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap())
        .await
        .unwrap();
    Told {
        status: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

impl Told {
    /// The report, held to what every report keeps.
    fn report(&self, status: i32) -> &str {
        assert_eq!(self.status, status, "{}{}", self.out, self.err);
        assert_eq!(self.err, "");
        for line in self.out.lines() {
            assert!(line.chars().count() <= 80, "{line:?}");
            assert_eq!(line, line.trim_end());
        }
        assert!(!self.out.contains('\x1b'), "{}", self.out);
        &self.out
    }

    /// The answer as JSON, read by the descriptors.
    fn json(&self) -> DynamicMessage {
        let set: &[u8] = tonic::include_file_descriptor_set!("posthaste.v1");
        let pool = DescriptorPool::decode(set).unwrap();
        let descriptor = pool
            .get_message_by_name("posthaste.v1.CheckRelayResponse")
            .unwrap();
        let mut json = serde_json::Deserializer::from_str(&self.out);
        let message = DynamicMessage::deserialize(descriptor, &mut json)
            .unwrap_or_else(|error| panic!("{error}: {}", self.out));
        json.end().unwrap();
        message
    }
}

fn relay() -> Builder {
    TestRelay::builder().name("mail.example.com")
}

/// A check of the relay at `localhost`, as a caller of the service asks for it.
fn custom(port: u16) -> pb::CheckRelayRequest {
    pb::CheckRelayRequest {
        relay: Some(pb::RelayTarget {
            target: Some(pb::relay_target::Target::Custom(pb::CustomRelay {
                host: "localhost".into(),
                port: port.into(),
                credentials: None,
            })),
        }),
        ..pb::CheckRelayRequest::default()
    }
}

fn named(name: &str) -> pb::CheckRelayRequest {
    pb::CheckRelayRequest {
        relay: Some(pb::RelayTarget {
            target: Some(pb::relay_target::Target::Name(name.into())),
        }),
        ..pb::CheckRelayRequest::default()
    }
}

async fn check(
    service: &Service,
    request: pb::CheckRelayRequest,
) -> Result<pb::CheckRelayResponse, pb::SendError> {
    service.client().await.check_relay(request).await
}

fn stages(check: &pb::CheckRelayResponse) -> Vec<SmtpStage> {
    check.steps.iter().map(Walked::stage).collect()
}

fn reasons(check: &pb::CheckRelayResponse) -> Vec<Reason> {
    check
        .findings
        .iter()
        .map(pb::RelayFailure::reason)
        .collect()
}

/// What no check may say.
async fn said_nothing_of_mail(relay: &TestRelay, auth: bool) {
    relay.wait_until_alone().await.unwrap();
    let lines: Vec<_> = relay.commands().into_iter().map(|it| it.line).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        assert!(!line.starts_with("MAIL"), "{lines:?}");
        assert!(auth || !line.starts_with("AUTH"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_healthy_relay_is_walked_through_to_quit() {
    use SmtpStage::{Connect, Ehlo, Greeting, Quit, Resolve, Starttls, TlsHandshake};

    let ca = Ca::new("Test CA");
    let identity = ca.intermediate("Test Issuer").server("localhost");
    let service = Service::for_custom_relays(&ca.pem()).await;
    let by_starttls = [
        Resolve,
        Connect,
        Greeting,
        Ehlo,
        Starttls,
        TlsHandshake,
        Ehlo,
        Quit,
    ];
    let at_once = [Resolve, Connect, TlsHandshake, Greeting, Ehlo, Quit];
    for (mode, expected) in [
        (TlsMode::Starttls, &by_starttls[..]),
        (TlsMode::Implicit, &at_once),
    ] {
        let mut builder = relay().tls(identity.clone()).auth("ada", "secret");
        if mode == TlsMode::Implicit {
            builder = builder.implicit_tls();
        }
        let relay = builder.start().await.unwrap();
        let request = pb::CheckRelayRequest {
            tls: Some(pb::TlsOptions {
                mode: mode.into(),
                ..pb::TlsOptions::default()
            }),
            ehlo_name: "checker.example.org".into(),
            ..custom(relay.port())
        };
        let check = check(&service, request).await.unwrap();

        assert!(check.healthy, "{check:#?}");
        assert!(check.findings.is_empty());
        assert!(check.warnings.is_empty(), "{:?}", check.warnings);
        assert_eq!(stages(&check), expected);
        for step in &check.steps {
            assert!(step.elapsed.is_some() && step.failure.is_none());
            let code = match step.stage() {
                Greeting | Starttls => Some(220),
                Ehlo => Some(250),
                Quit => Some(221),
                _ => None,
            };
            assert_eq!(step.reply.as_ref().map(|it| it.code), code, "{step:?}");
        }
        let session = check.session.unwrap();
        assert_eq!(session.tls.unwrap().mode(), mode);
        assert!(session.extensions.contains(&"PIPELINING".to_owned()));
        let subjects: Vec<_> = check.certificates.iter().map(|it| &it.subject).collect();
        assert_eq!(subjects, ["CN=localhost", "CN=Test Issuer"]);
        assert_eq!(check.certificates[0].key_pin, identity.key_pin());

        said_nothing_of_mail(&relay, false).await;
        let ehlo = relay.commands().remove(0).line;
        assert_eq!(ehlo, "EHLO checker.example.org");
    }
}

#[tokio::test]
async fn each_check_sees_the_certificate_anew() {
    let ca = Ca::new("Test CA");
    let service = Service::for_custom_relays(&ca.pem()).await;
    let relay = relay().tls(ca.server("localhost")).start().await.unwrap();
    for _ in 0..2 {
        let check = check(&service, custom(relay.port())).await.unwrap();
        assert!(!check.session.unwrap().tls.unwrap().resumed);
        assert_eq!(check.certificates.len(), 1);
    }
}

#[tokio::test]
async fn an_expired_certificate_for_another_name_is_two_findings() {
    let ca = Ca::new("Test CA");
    let leaf = Leaf::new(["mail.example.net"]).expired();
    let relay = relay().tls(ca.issue(leaf)).start().await.unwrap();
    let service = Service::for_custom_relays(&ca.pem()).await;
    let check = check(&service, custom(relay.port())).await.unwrap();

    assert!(!check.healthy && check.session.is_none());
    assert_eq!(
        reasons(&check),
        [Reason::CertExpired, Reason::CertNameMismatch]
    );
    for finding in &check.findings {
        assert_eq!(finding.stage(), SmtpStage::TlsHandshake);
        assert!(!finding.remedies.is_empty() && !finding.summary.is_empty());
    }
    assert!(check.findings[1].summary.contains("mail.example.net"));
    let last = check.steps.last().unwrap();
    assert_eq!(last.stage(), SmtpStage::TlsHandshake);
    let stopped = last.failure.as_ref().unwrap();
    assert_eq!(stopped.reason(), Reason::CertExpired);
    assert_eq!(stopped.remedies, check.findings[0].remedies);
    assert_eq!(
        check.certificates[0].subject_alt_names,
        ["mail.example.net"]
    );

    let folder = Folder::new();
    let ca = folder.file("ca.pem", &ca.pem());
    let place = format!("localhost:{}", relay.port());
    let told = told(&[&place, "--ca", ca.to_str().unwrap()]).await;
    let report = told.report(1);
    let verdict = format!("{place} does not take mail: the certificate expired 2 days ago\n");
    assert!(report.starts_with(&verdict), "{report}");
    assert!(report.contains("CERT_NAME_MISMATCH"), "{report}");
    assert!(
        report.contains("tls.server_name = \"mail.example.net\""),
        "{report}"
    );
    said_nothing_of_mail(&relay, false).await;
}

/// The words of a report without what is another each time: numbers, keys and
/// the name of the host.
fn alike(report: &str) -> String {
    let report = report
        .replace("relays.localhost", "relays.smtp-example-com")
        .replace("localhost", "smtp.example.com");
    let words = report.split_whitespace().map(|word| {
        let is_key = word.starts_with("sha256/") || (word.len() == 64 && !word.contains('.'));
        if is_key {
            return "KEY".to_owned();
        }
        let mut alike = String::new();
        for c in word.chars() {
            match c {
                '0'..='9' | '.' if alike.ends_with('0') => {}
                '0'..='9' => alike.push('0'),
                _ => alike.push(c),
            }
        }
        alike
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_handbook_shows_a_real_report() {
    let ca = Ca::new("Example CA");
    let leaf = Leaf::new(["mail.example.net"]).expired();
    let relay = TestRelay::builder()
        .name("smtp.example.com")
        .extensions(["PIPELINING", "SIZE 52428800", "8BITMIME"])
        .tls(ca.issue(leaf))
        .start()
        .await
        .unwrap();
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &ca.pem());
    let place = format!("localhost:{}", relay.port());
    let told = told(&[&place, "--ca", ca.to_str().unwrap()]).await;
    let report = told.report(1);

    let page = include_str!("../../docs/check.md");
    let (_, shown) = page.split_once("--ca ca.pem\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert_eq!(alike(shown), alike(report), "{report}");
}

#[tokio::test]
async fn a_probe_says_which_mode_works() {
    let ca = Ca::new("Test CA");
    let relay = relay()
        .tls(ca.server("localhost"))
        .implicit_tls()
        .start()
        .await
        .unwrap();
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &ca.pem());
    let ca = ca.to_str().unwrap();
    let page = folder.0.path().join("page.html");
    let place = format!("localhost:{}", relay.port());
    let probed = told(&[
        &place,
        "--ca",
        ca,
        "--probe",
        "--html",
        page.to_str().unwrap(),
    ])
    .await;
    let report = probed.report(1);
    assert!(
        report.contains("the port speaks TLS first, not plaintext\n"),
        "{report}"
    );
    assert!(report.contains("found out by probing"), "{report}");
    assert!(report.contains("  tls.mode = \"implicit\"\n"), "{report}");
    let own = format!("  {:>5}  implicit TLS  TLS 1.3  takes mail\n", relay.port());
    assert!(report.contains(&own), "{report}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.ends_with("</html>\n"));
    assert!(!page.contains("src=") && !page.contains("href="));
    said_nothing_of_mail_before_tls(&relay).await;

    let deep = told(&[&place, "--ca", ca, "--tls-mode", "implicit", "--deep"]).await;
    let report = deep.report(0);
    assert!(
        report.contains("relay and posthaste share: TLS 1.2 yes, TLS 1.3 yes"),
        "{report}"
    );
    assert!(report.contains("X25519MLKEM768"), "{report}");
}

/// The relay heard hellos, and at most EHLO in TLS.
async fn said_nothing_of_mail_before_tls(relay: &TestRelay) {
    relay.wait_until_alone().await.unwrap();
    for command in relay.commands() {
        assert!(command.tls, "{command:?}");
        let is_harmless = ["EHLO", "QUIT"]
            .iter()
            .any(|it| command.line.starts_with(it));
        assert!(is_harmless, "{command:?}");
    }
}

#[tokio::test]
async fn a_relay_without_starttls_stops_there() {
    let relay = relay().start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let check = check(&service, custom(relay.port())).await.unwrap();
    assert_eq!(reasons(&check), [Reason::StarttlsNotOffered]);
    assert_eq!(stages(&check).last(), Some(&SmtpStage::Starttls));
    assert!(check.certificates.is_empty());

    let told = told(&[&format!("localhost:{}", relay.port())]).await;
    let report = told.report(1);
    assert!(report.contains("does not take mail: it does not offer STARTTLS\n"));
    assert!(report.contains("[relays.localhost]\n"), "{report}");
    assert!(report.contains("  port = 465\n"), "{report}");
    said_nothing_of_mail(&relay, false).await;
}

#[tokio::test]
async fn credentials_are_tried_when_that_is_asked_for() {
    let ca = Ca::new("Test CA");
    let relay = relay()
        .tls(ca.server("localhost"))
        .auth("ada", "correct horse")
        .start()
        .await
        .unwrap();
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &ca.pem());
    let wrong = folder.file("wrong", "battery staple");
    let right = folder.file("right", "correct horse\n");
    let toml = |password: &PathBuf| {
        format!(
            "[relays.primary]\nhost = \"localhost\"\nport = {}\ntls.ca_file = {ca:?}\n\
             credentials = {{ username = \"ada\", password_file = {password:?} }}\n",
            relay.port()
        )
    };

    let service = Service::start(&toml(&wrong)).await;
    let healthy = check(&service, named("primary")).await.unwrap();
    assert!(healthy.healthy, "{healthy:#?}");
    said_nothing_of_mail(&relay, false).await;

    let authenticate = || pb::CheckRelayRequest {
        authenticate: true,
        ..named("primary")
    };
    let refused = check(&service, authenticate()).await.unwrap();
    assert_eq!(reasons(&refused), [Reason::AuthRejected]);
    let finding = &refused.findings[0];
    assert_eq!(finding.fault(), Fault::Operator);
    assert_eq!(finding.confidence(), Confidence::Observed);
    assert_eq!(finding.reply.as_ref().unwrap().code, 535);
    assert_eq!(stages(&refused).last(), Some(&SmtpStage::Auth));
    let shown = format!("{refused:?}");
    assert!(!shown.contains("battery staple"));
    said_nothing_of_mail(&relay, true).await;

    let service = Service::start(&toml(&right)).await;
    let taken = check(&service, authenticate()).await.unwrap();
    assert!(taken.healthy, "{taken:#?}");
    assert!(stages(&taken).contains(&SmtpStage::Auth));

    let config = folder.file("posthaste.toml", &toml(&wrong));
    let from = ["--config", config.to_str().unwrap(), "--relay", "primary"];
    told(&from).await.report(0);
    let with_auth = [&from[..], &["--auth"]].concat();
    let refused = told(&with_auth).await;
    let report = refused.report(1);
    assert!(report.contains("does not take mail: it refuses the credentials\n"));
    assert!(report.contains("relays.primary.credentials"), "{report}");
    let right = right.to_str().unwrap();
    let other = ["--username", "ada", "--password-file", right];
    told(&[&with_auth[..], &other].concat()).await.report(0);
    said_nothing_of_mail(&relay, true).await;
}

#[tokio::test]
async fn what_cannot_be_checked_is_an_error_of_the_call() {
    let folder = Folder::new();
    let relay = relay().start().await.unwrap();
    let service = Service::start(&format!(
        "[relays.primary]\nhost = \"localhost\"\nport = {}\ntls.mode = \"plaintext\"\n",
        relay.port()
    ))
    .await;
    for (request, code, reason) in [
        (named("other"), tonic::Code::NotFound, "RELAY_NOT_FOUND"),
        (
            custom(relay.port()),
            tonic::Code::PermissionDenied,
            "RELAY_NOT_ALLOWED",
        ),
        (
            pb::CheckRelayRequest::default(),
            tonic::Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            pb::CheckRelayRequest {
                authenticate: true,
                ..named("primary")
            },
            tonic::Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
        (
            pb::CheckRelayRequest {
                tls: Some(pb::TlsOptions {
                    trust_anchors_pem: Ca::new("Other CA").pem(),
                    ..pb::TlsOptions::default()
                }),
                ..named("primary")
            },
            tonic::Code::PermissionDenied,
            "TLS_POLICY_NOT_ALLOWED",
        ),
    ] {
        let error = check(&service, request).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_str()), (code as i32, reason));
        if reason == "TLS_POLICY_NOT_ALLOWED" {
            assert_eq!(error.metadata["field"], "tls.trust_anchors_pem");
        }
    }
    assert!(relay.commands().is_empty());

    let place = format!("localhost:{}", relay.port());
    let missing = folder.0.path().join("missing");
    let missing = missing.to_str().unwrap();
    let bad = folder.file("bad.pem", "no certificate");
    for arguments in [
        &[][..],
        &["a b"],
        &[&place, "--tls-mode", "sometimes"],
        &[&place, "--ca", missing],
        &[&place, "--ca", bad.to_str().unwrap()],
        &[&place, "--config", missing],
        &[&place, "--auth"],
        &[&place, "--username", "ada", "--password-file", missing],
        &[
            &place,
            "--auth",
            "--username",
            "ada",
            "--password-file",
            missing,
        ],
        &[&place, "--ehlo-name", "a b"],
        &["--relay", "nosuch"],
        &["--relay", "nosuch", &place],
    ] {
        let told = told(arguments).await;
        assert_eq!(told.status, 2, "{arguments:?}: {}{}", told.out, told.err);
        assert_eq!(told.out, "", "{arguments:?}");
        assert!(!told.err.is_empty(), "{arguments:?}");
    }
    assert!(relay.commands().is_empty());
}

#[tokio::test]
async fn the_json_is_the_answer_of_the_service_alone_on_standard_output() {
    let ca = Ca::new("Test CA");
    let relay = relay().tls(ca.server("localhost")).start().await.unwrap();
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &ca.pem());
    let place = format!("localhost:{}", relay.port());
    let healthy = told(&[&place, "--ca", ca.to_str().unwrap(), "--json"]).await;
    assert_eq!((healthy.status, healthy.err.as_str()), (0, ""));
    let message = healthy.json();
    let field = |name: &str| message.get_field_by_name(name).unwrap().into_owned();
    assert_eq!(field("healthy").as_bool(), Some(true));
    assert_eq!(field("steps").as_list().unwrap().len(), 8);

    let sick = told(&[&place, "--json"]).await;
    assert_eq!((sick.status, sick.err.as_str()), (1, ""));
    let message = sick.json();
    let findings = message.get_field_by_name("findings").unwrap();
    assert!(!findings.as_list().unwrap().is_empty());
}

#[tokio::test]
async fn warnings_tell_what_is_no_failure_yet() {
    let ca = Ca::new("Test CA");
    let day = std::time::Duration::from_hours(24);
    let now = std::time::SystemTime::now();
    let leaf = Leaf::new(["localhost"])
        .valid(now - day, now + 5 * day + day / 2)
        .with(|params| {
            params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        });
    let identity = ca.issue(leaf);
    let other = ca.intermediate("Another CA").der();
    let identity = identity.followed_by(other).followed_by(ca.der());
    let relay = relay()
        .extensions(["SIZE 1000"])
        .tls(Tls::new(identity).versions(&[&rustls::version::TLS12]))
        .start()
        .await
        .unwrap();
    let folder = Folder::new();
    let ca = folder.file("ca.pem", &ca.pem());
    let password = folder.file("password", "secret");
    let service = Service::start(&format!(
        "[relays.primary]\nhost = \"localhost\"\nport = {}\ntls.ca_file = {ca:?}\n\
         credentials = {{ username = \"ada\", password_file = {password:?} }}\n",
        relay.port()
    ))
    .await;
    let check = check(&service, named("primary")).await.unwrap();
    assert!(check.healthy, "{:#?}", check.findings);
    let codes: Vec<_> = check.warnings.iter().map(Caution::code).collect();
    assert_eq!(
        codes,
        [
            Warning::CertificateExpiresSoon,
            Warning::NoAuthOffered,
            Warning::ChainOutOfOrder,
            Warning::KeyUsageUnusual,
            Warning::RootInChain,
            Warning::Tls12Only,
            Warning::NoPipelining,
        ]
    );
    assert!(check.warnings[0].summary.contains("in 5 days"));
    for warning in &check.warnings {
        assert!(warning.remedy.is_some() && !warning.summary.is_empty());
    }
}

#[tokio::test]
async fn a_relay_that_hangs_costs_no_more_than_the_time_that_there_is() {
    let relay = relay()
        .script(Script::new().at(Step::Greeting, Answer::stall()))
        .start()
        .await
        .unwrap();
    let place = format!("localhost:{}", relay.port());
    let told = told(&[&place, "--tls-mode", "plaintext", "--timeout", "300ms"]).await;
    let report = told.report(1);
    assert!(
        report.contains("does not take mail: the time ran out\n"),
        "{report}"
    );
    assert!(report.contains("waiting for the greeting"), "{report}");
}

#[tokio::test]
async fn nothing_of_a_reply_reaches_the_terminal_as_it_is() {
    let reply = "220 mail.example.com \x1b]0;owned\x07\x1b[2J\u{202e}\u{9b}31m".to_owned()
        + &"x".repeat(300)
        + "\r\n";
    let relay = relay()
        .script(Script::new().at(Step::Greeting, Answer::raw(reply.into_bytes())))
        .start()
        .await
        .unwrap();
    let place = format!("localhost:{}", relay.port());
    let told = told(&[&place, "--tls-mode", "plaintext"]).await;
    let report = told.report(0);
    assert!(report.contains("takes mail in plaintext\n"), "{report}");
    let is_control = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!report.chars().any(is_control), "{report:?}");
}

#[tokio::test]
async fn trust_anchors_that_cannot_be_read_are_a_cause() {
    let ca = Ca::new("Test CA");
    let chain = ca.server("localhost").followed_by(ca.der());
    let relay = relay().tls(chain).start().await.unwrap();
    let folder = Folder::new();
    let anchors = folder.file("anchors.pem", "-----BEGIN CERTIFICATE-----\n!\n");
    let place = format!("localhost:{}", relay.port());
    let environment = [
        ("SSL_CERT_FILE", anchors.to_str().unwrap()),
        ("SSL_CERT_DIR", ""),
    ];
    let told = told_with(&environment, &[&place, "--json"]).await;
    assert_eq!(told.status, 1, "{}", told.err);
    let answer: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    let finding = &answer["findings"][0];
    assert_eq!(finding["reason"], "REASON_LOCAL_TRUST_STORE", "{finding}");
    assert_eq!(finding["stage"], "SMTP_STAGE_TLS_HANDSHAKE");
    assert_eq!(finding["confidence"], "CONFIDENCE_AMBIGUOUS");
    assert_eq!(finding["tls"]["trustSource"], "bundled");
    let summary = finding["summary"].as_str().unwrap();
    assert!(summary.contains("cannot be read"), "{summary}");
}
