//! One case: a mail through its port, and whether what is told is right.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use posthaste::api::client::pb::{self, TlsMode};

use super::{
    faultd::{Entry, Manifest},
    told::missing,
};
use crate::service::{Service, mail_through, request};

/// The service's own time limits are no more than this, so that a relay that
/// stalls does not take a test's time.
const LIMIT: &str = "2s";
/// A silent greeting is waited for longer, as one that is late is in order.
const GREETING_LIMIT: &str = "4s";
/// What such a relay may take on a busy machine.
const STALLED: Duration = Duration::from_secs(12);
/// By now a call hangs.
const HUNG: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) enum Verdict {
    Right,
    /// One of the other reasons that are fair.
    Ambiguous,
    Wrong(String),
    Hung,
}

#[derive(Debug)]
pub(super) struct Told {
    pub(super) verdict: Verdict,
    pub(super) elapsed: Duration,
}

/// The service, as it is set up for the cases that need something.
pub(super) struct Services {
    plain: Service,
    with_crl: Service,
    with_certificate: Service,
    manifest: Manifest,
}

impl Services {
    pub(super) async fn start(manifest: &Manifest) -> Self {
        let files = &manifest.files;
        let crl = format!("tls.crl_file = '{}'", files.crl.display());
        let certificate = format!(
            "tls.client_certificate_file = '{}'\ntls.client_key_file = '{}'",
            files.client_certificate.display(),
            files.client_key.display()
        );
        Self {
            plain: start(manifest, LIMIT, "").await,
            with_crl: start(manifest, LIMIT, &crl).await,
            with_certificate: start(manifest, LIMIT, &certificate).await,
            manifest: manifest.clone(),
        }
    }

    /// Sends a mail as the case has it.
    pub(super) async fn run(&self, case: &Entry) -> Told {
        let needs = |what: &str| case.needs.iter().any(|need| need == what);
        let service = match () {
            () if needs("crl") => &self.with_crl,
            () if needs("client_certificate") => &self.with_certificate,
            () => &self.plain,
        };
        let mail = self.mail(case, needs);
        let mut client = service.client().await;
        let started = Instant::now();
        let answer = client.send(request(mail), Some(HUNG)).await;
        let elapsed = started.elapsed();
        let verdict = match judge(case, answer.as_ref(), elapsed) {
            Ok(verdict) => verdict,
            Err(_) if elapsed >= HUNG => Verdict::Hung,
            Err(what) => Verdict::Wrong(what),
        };
        Told { verdict, elapsed }
    }

    fn mail(&self, case: &Entry, needs: impl Fn(&str) -> bool) -> pb::Mail {
        let mode = match case.mode.as_str() {
            "implicit" => TlsMode::Implicit,
            "starttls" => TlsMode::Starttls,
            "plaintext" => TlsMode::Plaintext,
            other => panic!("{other}"),
        };
        let to = if needs("non_ascii_mail") {
            "jürgen@example.net"
        } else {
            "bob@example.net"
        };
        let mut mail = mail_through(case.port, mode, &[to]);
        if needs("large_mail")
            && let Some(pb::mail::Content::Message(message)) = &mut mail.content
        {
            message.text = "A line of text that is repeated.\n".repeat(400);
        }
        if needs("pin")
            && let Some(tls) = &mut mail.tls
        {
            tls.key_pins = vec![self.manifest.pin.clone()];
        }
        let target = mail.relay.as_mut().and_then(|relay| relay.target.as_mut());
        if let Some(pb::relay_target::Target::Custom(relay)) = target {
            relay.host = if needs("ip_address") {
                self.manifest.ip.clone()
            } else {
                self.manifest.host.clone()
            };
            if needs("login") {
                let login = &self.manifest.login;
                let password = pb::PasswordCredentials {
                    username: login.username.clone(),
                    password: login.password.clone(),
                };
                relay.credentials = Some(pb::Credentials {
                    secret: Some(pb::credentials::Secret::Password(password)),
                });
            }
        }
        mail
    }
}

pub(super) async fn start(manifest: &Manifest, limit: &str, more: &str) -> Service {
    let ca = manifest.files.ca.display();
    let mut toml = format!("tls.ca_file = '{ca}'\n{more}\n");
    toml.push_str(
        "[custom_relays]\nallow = [{ host = \"localhost\" }, { host = \"127.0.0.1\" }]\n\
         allow_tls_options = [\"mode\", \"key_pins\"]\nehlo_name = \"client.example\"\n\
         [custom_relays.limits]\n",
    );
    for step in [
        "connect",
        "ehlo",
        "starttls",
        "handshake",
        "auth",
        "mail",
        "rcpt",
        "data",
        "end_of_data",
    ] {
        writeln!(toml, "{step} = \"{limit}\"").unwrap();
    }
    writeln!(toml, "greeting = \"{GREETING_LIMIT}\"").unwrap();
    Service::start(&toml).await
}

fn judge(
    case: &Entry,
    answer: Result<&pb::SendMailResponse, &pb::SendError>,
    elapsed: Duration,
) -> Result<Verdict, String> {
    let limit = case.max_seconds.map_or(STALLED, Duration::from_secs);
    let error = match (answer, &case.reason) {
        (Ok(_), None) if elapsed <= limit => return Ok(Verdict::Right),
        (Ok(_), None) => return Err(format!("right, but after {elapsed:?}")),
        (Ok(_), Some(reason)) => return Err(format!("sent, instead of {reason}")),
        (Err(error), _) => error,
    };
    let failure = error.failure.as_ref();
    let told = error.reason.as_str();
    let stage = failure.map_or("", |it| it.stage().as_str_name());
    let stage = stage.trim_start_matches("SMTP_STAGE_");
    let summary = failure.map_or("", |it| it.summary.as_str());
    let described = || {
        let alternatives = failure.map(|it| it.alternatives().collect::<Vec<_>>());
        format!(
            "{told} at {stage} after {elapsed:?}: {summary} {alternatives:?} ({:?})",
            error.message
        )
    };
    let Some(reason) = &case.reason else {
        return Err(described());
    };
    if elapsed > limit {
        return Err(format!("late: {}", described()));
    }
    if !case.stages.iter().any(|it| it == stage) {
        return Err(format!("another stage: {}", described()));
    }
    let missing = failure.map(missing).unwrap_or_default();
    if !missing.is_empty() {
        return Err(format!("without {}: {}", missing.join(", "), described()));
    }
    if told == reason {
        return Ok(Verdict::Right);
    }
    if case.accepts.iter().any(|it| it == told) {
        return Ok(Verdict::Ambiguous);
    }
    Err(described())
}
