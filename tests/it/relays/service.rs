//! The program itself, with a real relay behind it, and a client.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use bytes::Bytes;
use posthaste::api::pb::{
    Envelope, Mail, Message, RelayFailure, RelayTarget, SendMailRequest, SendMailResponse,
    SmtpReply, mail::Content, mail_service_client::MailServiceClient, relay_target::Target,
};
use prost::Message as _;
use tempfile::TempDir;
use tonic::{Status, transport::Channel};

use super::fixture::{PASSWORD, Relay, USERNAME};

const START_LIMIT: Duration = Duration::from_secs(30);

/// The relays of the service: the two ports of the real one.
pub(super) const STARTTLS: &str = "starttls";
pub(super) const IMPLICIT: &str = "implicit";
/// The STARTTLS port with a password that is not right, and with none.
pub(super) const WRONG_PASSWORD: &str = "wrong-password";
pub(super) const NO_PASSWORD: &str = "no-password";
/// Without the test CA.
pub(super) const UNTRUSTED: &str = "untrusted";
/// Implicit TLS at the port for STARTTLS.
pub(super) const WRONG_PORT: &str = "wrong-port";
/// The other port, written to so.
pub(super) const EAGER: &str = "eager";
pub(super) const IF_SAFE: &str = "if-safe";

/// The STARTTLS port, where nothing but that mechanism may be used.
pub(super) fn by(mechanism: &str) -> String {
    format!("by-{}", mechanism.to_ascii_lowercase())
}

/// A relay for each mechanism that the real one offers.
fn by_mechanisms(relay: &Relay, ca: &str, password: &str) -> String {
    let port = relay.starttls_port;
    let relays = relay.kind.mechanisms().map(|mechanism| {
        format!(
            r#"
            [relays.{}]
            host = "localhost"
            port = {port}
            auth_mechanisms = ["{}"]
            tls = {{ ca_file = "{ca}" }}
            credentials = {{ username = "{USERNAME}", password_file = "{password}" }}
            "#,
            by(mechanism),
            mechanism.to_ascii_lowercase(),
        )
    });
    relays.collect::<Vec<_>>().concat()
}

/// `posthaste serve`, stopped when dropped.
pub(super) struct Service {
    client: MailServiceClient<Channel>,
    process: Process,
    _dir: TempDir,
}

struct Process {
    child: Child,
    stderr: Arc<Mutex<String>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when it has ended already, which the tests have noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the service said:\n{}", self.stderr.lock().unwrap());
        }
    }
}

impl Service {
    pub(super) async fn start(relay: &Relay) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let ca = file("ca.pem", &relay.ca_pem);
        let password = file("password", PASSWORD);
        let wrong_password = file("wrong-password", "canary-wrong-secret");
        let starttls = relay.starttls_port;
        let implicit = relay.implicit_port;
        let config = file(
            "posthaste.toml",
            &(format!(
                r#"
                default_relay = "{STARTTLS}"

                [server]
                listen = "127.0.0.1:0"

                [relays.{STARTTLS}]
                host = "localhost"
                port = {starttls}
                tls = {{ ca_file = "{ca}" }}
                credentials = {{ username = "{USERNAME}", password_file = "{password}" }}

                [relays.{IMPLICIT}]
                host = "127.0.0.1"
                port = {implicit}
                tls = {{ mode = "implicit", ca_file = "{ca}" }}
                credentials = {{ username = "{USERNAME}", password_file = "{password}" }}

                [relays.{EAGER}]
                host = "127.0.0.1"
                port = {implicit}
                transactions = "eager"
                tls = {{ mode = "implicit", ca_file = "{ca}" }}
                credentials = {{ username = "{USERNAME}", password_file = "{password}" }}

                [relays.{IF_SAFE}]
                host = "127.0.0.1"
                port = {implicit}
                transactions = "eager_if_safe"
                tls = {{ mode = "implicit", ca_file = "{ca}" }}
                credentials = {{ username = "{USERNAME}", password_file = "{password}" }}

                [relays.{WRONG_PASSWORD}]
                host = "localhost"
                port = {starttls}
                tls = {{ ca_file = "{ca}" }}
                credentials = {{ username = "{USERNAME}", password_file = "{wrong_password}" }}

                [relays.{NO_PASSWORD}]
                host = "localhost"
                port = {starttls}
                tls = {{ ca_file = "{ca}" }}

                [relays.{UNTRUSTED}]
                host = "localhost"
                port = {starttls}

                [relays.{WRONG_PORT}]
                host = "localhost"
                port = {starttls}
                tls = {{ mode = "implicit", ca_file = "{ca}" }}
                "#
            ) + &by_mechanisms(relay, &ca, &password)),
        );

        let mut child = Command::new(env!("CARGO_BIN_EXE_posthaste"))
            .args(["serve", "--config", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (said, address) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let process = Process {
            child,
            stderr: Arc::clone(&stderr),
        };
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on ") {
                    let _ = said.send(address.split(['"', ' ']).next().map(String::from));
                }
                let mut stderr = stderr.lock().unwrap();
                stderr.push_str(&line);
                stderr.push('\n');
            }
        });
        let address = address
            .recv_timeout(START_LIMIT)
            .expect("it says where it listens")
            .expect("an address follows");
        let client = MailServiceClient::connect(format!("http://{address}"))
            .await
            .unwrap();
        Self {
            client,
            process,
            _dir: dir,
        }
    }

    pub(super) async fn send(&self, relay: &str, mail: Mail) -> Result<SendMailResponse, Status> {
        let request = SendMailRequest {
            mail: Some(Mail {
                relay: Some(RelayTarget {
                    target: Some(Target::Name(relay.into())),
                }),
                ..mail
            }),
            ..SendMailRequest::default()
        };
        let answer = self.client.clone().send_mail(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// What the service has said on its standard error so far.
    pub(super) fn said(&self) -> String {
        self.process.stderr.lock().unwrap().clone()
    }
}

/// A mail of that message alone.
pub(super) fn mail(message: Message) -> Mail {
    Mail {
        content: Some(Content::Message(message)),
        ..Mail::default()
    }
}

/// A complete message. Without `from`, its reverse-path is null.
pub(super) fn raw_mail(raw: impl Into<Bytes>, from: &str, to: &[&str]) -> Mail {
    Mail {
        content: Some(Content::Raw(raw.into())),
        envelope: Some(Envelope {
            mail_from: Some(from.into()),
            rcpt_to: to.iter().copied().map(String::from).collect(),
        }),
        ..Mail::default()
    }
}

/// A reply on one line.
pub(super) fn text(reply: &SmtpReply) -> String {
    let code = reply.enhanced_status_code;
    let code = code.map(|code| format!("{}.{}.{} ", code.class, code.subject, code.detail));
    let code = code.unwrap_or_default();
    format!("{} {code}{}", reply.code, reply.lines.join(" "))
}

/// The `RelayFailure` in a status.
pub(super) fn failure(status: &Status) -> RelayFailure {
    let details = tonic_types::pb::Status::decode(status.details()).unwrap();
    let failures: Vec<_> = details
        .details
        .iter()
        .filter(|any| any.type_url == "type.googleapis.com/posthaste.v1.RelayFailure")
        .collect();
    assert_eq!(failures.len(), 1, "{status:?}");
    RelayFailure::decode(failures[0].value.as_slice()).unwrap()
}
