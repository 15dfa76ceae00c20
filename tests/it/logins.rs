//! Logging in: which mechanism is used, what it says and what it does not, and
//! secrets that change while the service runs.

use std::{path::PathBuf, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use posthaste::{
    api::client::pb::{
        self,
        relay_failure::{Confidence, Fault},
    },
    testrelay::{
        Answer, Builder,
        Mechanism::{self, CramMd5, Login, OAuthBearer, Plain, ScramSha256, ScramSha256Plus},
        Script, Step, TestRelay, Tls,
        ca::Ca,
    },
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::service::{Service, mail, request};

const PASSWORD: &str = "correct horse";

/// A CA, and a folder with its certificate and a password.
struct Place {
    ca: Ca,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            ca: Ca::new("Test CA"),
            folder: tempfile::tempdir().unwrap(),
        };
        place.write("ca.pem", &place.ca.pem());
        place.write("secret", PASSWORD);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A relay with STARTTLS and an account.
    fn relay(&self, mechanisms: &[Mechanism]) -> Builder {
        TestRelay::builder()
            .tls(self.ca.server("localhost"))
            .auth("ada", PASSWORD)
            .mechanisms(mechanisms.iter().copied())
            .require_auth()
    }

    /// A service that sends through `relay` with the secret in the file.
    async fn service(&self, relay: &TestRelay, secret: &str, more: &str) -> Service {
        let toml = format!(
            "[relays.primary]\nhost = \"localhost\"\nport = {}\ntls.ca_file = '{}'\n{more}\n\
             [relays.primary.credentials]\nusername = \"ada\"\n{secret}_file = '{}'\n",
            relay.port(),
            self.path("ca.pem").display(),
            self.path("secret").display(),
        );
        Service::start(&toml).await
    }
}

async fn send(service: &Service) -> Result<pb::SendMailResponse, pb::SendError> {
    service.send(request(mail(&["bob@example.net"]))).await
}

/// The AUTH commands that the relay got.
fn auth_commands(relay: &TestRelay) -> Vec<String> {
    let commands = relay.commands().into_iter().map(|command| command.line);
    commands.filter(|line| line.starts_with("AUTH")).collect()
}

/// The names of the mechanisms that were tried.
fn tried(relay: &TestRelay) -> Vec<String> {
    let commands = auth_commands(relay);
    let names = commands.iter().filter_map(|line| line.split(' ').nth(1));
    names.map(str::to_owned).collect()
}

/// What stands behind the name of the mechanism.
fn initial_response(relay: &TestRelay) -> String {
    let commands = auth_commands(relay);
    let response = commands[0].split(' ').nth(2).unwrap();
    String::from_utf8(BASE64_STANDARD.decode(response).unwrap()).unwrap()
}

#[tokio::test]
async fn the_strongest_mechanism_that_is_offered_is_used() {
    let place = Place::new();
    for (offered, used) in [
        (
            &[Plain, Login, ScramSha256, ScramSha256Plus][..],
            "SCRAM-SHA-256-PLUS",
        ),
        (&[Login, CramMd5, Plain, ScramSha256], "SCRAM-SHA-256"),
        (&[Login, CramMd5, Plain], "PLAIN"),
        (&[CramMd5, Login], "LOGIN"),
    ] {
        let relay = place.relay(offered).start().await.unwrap();
        let service = place.service(&relay, "password", "").await;
        send(&service).await.unwrap();
        assert_eq!(tried(&relay), [used]);
        assert_eq!(relay.mails()[0].identity.as_deref(), Some("ada"));
    }
}

#[tokio::test]
async fn the_operator_may_say_which_mechanisms_and_in_which_order() {
    let place = Place::new();
    let offered = [Plain, Login, CramMd5, ScramSha256, ScramSha256Plus];
    for (listed, used) in [
        ("\"login\", \"scram-sha-256\"", "LOGIN"),
        ("\"cram-md5\"", "CRAM-MD5"),
        ("\"scram-sha-256\"", "SCRAM-SHA-256"),
    ] {
        let relay = place.relay(&offered).start().await.unwrap();
        let more = format!("auth_mechanisms = [{listed}]");
        let service = place.service(&relay, "password", &more).await;
        send(&service).await.unwrap();
        assert_eq!(tried(&relay), [used]);
    }
    // Without -PLUS in the list, nothing is said of binding.
    let relay = place.relay(&[ScramSha256]).start().await.unwrap();
    let more = "auth_mechanisms = [\"scram-sha-256\"]";
    let service = place.service(&relay, "password", more).await;
    send(&service).await.unwrap();
    assert!(initial_response(&relay).starts_with("n,,"));
}

#[tokio::test]
async fn cram_md5_is_not_used_unless_it_is_asked_for() {
    let place = Place::new();
    let relay = place.relay(&[CramMd5]).start().await.unwrap();
    let service = place.service(&relay, "password", "").await;
    let error = send(&service).await.unwrap_err();
    assert_eq!(error.reason, "AUTH_MECHANISM");
    let summary = error.failure.unwrap().summary;
    assert!(summary.contains("only CRAM-MD5"), "{summary}");
    assert_eq!(tried(&relay), [""; 0]);
}

#[tokio::test]
async fn scram_is_bound_to_the_connection_in_both_tls_versions() {
    let place = Place::new();
    for (version, header) in [
        (&rustls::version::TLS13, "p=tls-exporter,,"),
        (&rustls::version::TLS12, "p=tls-server-end-point,,"),
    ] {
        let tls = Tls::new(place.ca.server("localhost")).versions(&[version]);
        let relay = place.relay(&[ScramSha256Plus]).tls(tls);
        let relay = relay.start().await.unwrap();
        let service = place.service(&relay, "password", "").await;
        send(&service).await.unwrap();
        let first = initial_response(&relay);
        assert!(first.starts_with(header), "{first}");
    }
}

#[tokio::test]
async fn an_offer_that_was_taken_away_is_noticed() {
    let place = Place::new();
    let ehlo = "250-testrelay.example\n250 AUTH SCRAM-SHA-256 PLAIN";
    let relay = place
        .relay(&[ScramSha256Plus, ScramSha256, Plain])
        .script(Script::new().at(Step::EhloTls, Answer::reply(ehlo)))
        .start()
        .await
        .unwrap();
    let service = place.service(&relay, "password", "").await;
    let error = send(&service).await.unwrap_err();
    assert_eq!(error.reason, "AUTH_REJECTED");
    assert!(initial_response(&relay).starts_with("y,,"));
    assert_eq!(tried(&relay), ["SCRAM-SHA-256"]);
}

#[tokio::test]
async fn a_binding_that_the_relay_does_not_know_gives_way_to_none() {
    let place = Place::new();
    let relay = place.relay(&[ScramSha256Plus, ScramSha256, Plain]);
    let relay = relay
        .channel_bindings(["tls-unique"])
        .start()
        .await
        .unwrap();
    let service = place.service(&relay, "password", "").await;
    send(&service).await.unwrap();
    assert_eq!(tried(&relay), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
}

#[tokio::test]
async fn wrong_credentials_are_tried_once_and_are_not_said() {
    let place = Place::new();
    place.write("secret", "battery staple");
    let relay = place.relay(&[ScramSha256Plus, ScramSha256, Plain, Login]);
    let relay = relay.start().await.unwrap();
    let service = place.service(&relay, "password", "").await;
    let error = send(&service).await.unwrap_err();
    assert_eq!(error.reason, "AUTH_REJECTED");
    let failure = error.failure.unwrap();
    assert!(
        failure.summary.contains("AUTH SCRAM-SHA-256-PLUS"),
        "{}",
        failure.summary
    );
    assert_eq!(failure.reply.unwrap().code, 535);
    assert_eq!(tried(&relay), ["SCRAM-SHA-256-PLUS"]);
    for command in relay.commands() {
        for word in command.line.split(' ') {
            let said = BASE64_STANDARD.decode(word).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned() + word;
            assert!(!said.contains("battery"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_relay_that_does_not_prove_itself_gets_nothing_more() {
    let encode = |text: &str| format!("334 {}", BASE64_STANDARD.encode(text));
    let signature = BASE64_STANDARD.encode([7; 32]);
    let place = Place::new();
    for (step, answer, lines) in [
        // A signature of one who does not know the password.
        (Step::AuthResponse(1), encode(&format!("v={signature}")), 2),
        // None at all, sooner or later.
        (Step::AuthResponse(1), "235 2.7.0 welcome".to_owned(), 2),
        (Step::Auth, "235 2.7.0 welcome".to_owned(), 1),
        // Somebody else's nonce.
        (Step::Auth, encode("r=abc,s=AAAA,i=4096"), 1),
    ] {
        let relay = place
            .relay(&[ScramSha256, Plain])
            .script(Script::new().at(step, Answer::reply(&answer)))
            .start()
            .await
            .unwrap();
        let service = place.service(&relay, "password", "").await;
        let error = send(&service).await.unwrap_err();
        assert_eq!(error.reason, "AUTH_UNPROVEN", "{answer}");
        let failure = error.failure.unwrap();
        assert_eq!(failure.fault(), Fault::PossibleAttack);
        assert_eq!(failure.stage(), pb::SmtpStage::Auth);
        service.stop().await;
        let commands = relay.commands();
        let begin = commands.iter().position(|it| it.line.starts_with("AUTH"));
        assert_eq!(commands.len() - begin.unwrap(), lines, "{commands:?}");
    }
}

#[tokio::test]
async fn the_work_that_a_relay_may_ask_for_is_bounded() {
    let place = Place::new();
    for (iterations, goes) in [
        (4_095, false),
        (4_096, true),
        (20_000, true),
        (1_000_001, false),
        (u32::MAX, false),
    ] {
        let relay = place.relay(&[ScramSha256, Plain]);
        let relay = relay.scram_iterations(iterations).start().await.unwrap();
        let service = place.service(&relay, "password", "").await;
        match send(&service).await {
            Ok(_) => assert!(goes, "{iterations}"),
            Err(error) => {
                assert!(!goes, "{iterations}");
                assert_eq!(error.reason, "AUTH_MECHANISM");
                let summary = error.failure.unwrap().summary;
                assert!(summary.contains(&iterations.to_string()), "{summary}");
            }
        }
        assert_eq!(tried(&relay), ["SCRAM-SHA-256"]);
    }
}

#[tokio::test]
async fn a_password_that_is_not_ascii_is_prepared_as_the_relay_has_stored_it() {
    let place = Place::new();
    place.write("secret", "I\u{ad}X\u{a0}\u{2168}");
    let relay = TestRelay::builder()
        .tls(place.ca.server("localhost"))
        .auth("ada", "IX IX")
        .mechanisms([ScramSha256])
        .start()
        .await
        .unwrap();
    let service = place.service(&relay, "password", "").await;
    send(&service).await.unwrap();

    // SCRAM cannot carry it, and PLAIN can.
    let emoji = "\u{1f600}";
    place.write("secret", emoji);
    let relay = TestRelay::builder()
        .tls(place.ca.server("localhost"))
        .auth("ada", emoji)
        .mechanisms([ScramSha256, Plain])
        .start()
        .await
        .unwrap();
    let service = place.service(&relay, "password", "").await;
    send(&service).await.unwrap();
    assert_eq!(tried(&relay), ["PLAIN"]);
}

/// Sends until `is_so` after one: the files are read once a second.
async fn send_until(
    service: &Service,
    mut is_so: impl FnMut(Result<pb::SendMailResponse, pb::SendError>) -> bool,
) {
    let give_up_at = Instant::now() + Duration::from_secs(15);
    while !is_so(send(service).await) {
        assert!(Instant::now() < give_up_at, "it did not come about");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_password_that_changes_is_used_from_then_on() {
    let place = Place::new();
    let relay = place.relay(&[Plain]).auth("ada", "new");
    let relay = relay.start().await.unwrap();
    // Only another password makes another connection.
    let pool = "pool = { max_connections = 1, max_mails = 1000 }";
    let service = place.service(&relay, "password", pool).await;
    let said = |password: &str| {
        let message = BASE64_STANDARD.encode(format!("\0ada\0{password}"));
        format!("AUTH PLAIN {message}")
    };
    for is_reused in [false, true] {
        let sent = send(&service).await.unwrap();
        assert_eq!(sent.session.unwrap().reused, is_reused);
    }
    assert_eq!(auth_commands(&relay), [said(PASSWORD)]);

    // The open connection is under the old password, and carries no more mails.
    place.write("secret", "new\n");
    send_until(&service, |outcome| {
        let is_new = !outcome.unwrap().session.unwrap().reused;
        assert_eq!(auth_commands(&relay).len(), 1 + usize::from(is_new));
        is_new
    })
    .await;
    assert_eq!(auth_commands(&relay), [said(PASSWORD), said("new")]);
    assert!(send(&service).await.unwrap().session.unwrap().reused);

    // Without the file, the last password is used on.
    std::fs::remove_file(place.path("secret")).unwrap();
    sleep(Duration::from_millis(1_500)).await;
    relay.hang_up().await;
    send(&service).await.unwrap();
    assert_eq!(auth_commands(&relay).last(), Some(&said("new")));
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_told_from_one_that_is_refused() {
    let place = Place::new();
    let relay = place
        .relay(&[OAuthBearer])
        .script(Script::new().at(Step::Auth, Answer::reply("535 5.7.8 expired")))
        .start()
        .await
        .unwrap();
    for is_there in [false, true] {
        place.write("secret", "a token");
        let service = place.service(&relay, "token", "").await;
        let error = send(&service).await.unwrap_err();
        assert_eq!(error.reason, "AUTH_REJECTED");
        if is_there {
            place.write("secret", "");
        } else {
            std::fs::remove_file(place.path("secret")).unwrap();
        }
        send_until(&service, |outcome| {
            let error = outcome.unwrap_err();
            if error.reason == "AUTH_REJECTED" {
                return false;
            }
            assert_eq!(error.reason, "AUTH_TOKEN");
            let failure = error.failure.unwrap();
            assert_eq!(failure.stage(), pb::SmtpStage::Auth);
            assert_eq!(failure.confidence(), Confidence::Observed);
            assert_eq!(failure.fault(), Fault::Operator);
            assert_eq!(failure.reply.unwrap().code, 535);
            assert!(failure.summary.contains("could not be read again"));
            assert!(!failure.summary.contains("secret"), "{}", failure.summary);
            true
        })
        .await;
    }
}
