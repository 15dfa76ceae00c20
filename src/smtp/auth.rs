//! AUTH (RFC 4954): which mechanism, and its exchange. The only place that
//! reads secrets.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Credentials, Host,
    command::Commands,
    connection::Connection,
    error::{Halt, Kind, Local},
    failure::refusal,
    step::Step,
};

/// A command line with its end (RFC 5321 section 4.5.3.1.4). A longer initial
/// response waits for the relay's go-ahead (RFC 4954 section 4).
const MAX_COMMAND_LINE: usize = 512;
/// A line of the exchange (RFC 4954 section 4).
const MAX_BASE64: usize = 12_288;

/// How to authenticate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// As `draft-murchison-sasl-login` describes it.
    Login,
    /// RFC 7628.
    OAuthBearer,
    /// As Google and Microsoft describe it.
    XOAuth2,
}

impl Mechanism {
    /// The best of those `offered` that `credentials` fit.
    pub(super) fn choose(credentials: &Credentials, offered: &[String]) -> Option<Self> {
        let fitting = match credentials {
            Credentials::Password { .. } => [Self::Plain, Self::Login],
            Credentials::OAuth { .. } => [Self::OAuthBearer, Self::XOAuth2],
        };
        fitting
            .into_iter()
            .find(|mechanism| offered.iter().any(|name| name == mechanism.name()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// What to answer when the relay tells an error in a challenge. It then
    /// refuses with a reply.
    fn acknowledgement(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Login => None,
            // One octet of value 1 (RFC 7628 section 3.2.3).
            Self::OAuthBearer => Some("AQ=="),
            Self::XOAuth2 => Some(""),
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Authenticates with `mechanism` to the relay at `host` and `port`.
pub(super) async fn authenticate<IO: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<IO>,
    credentials: &Credentials,
    mechanism: Mechanism,
    (host, port): (&Host, u16),
    step: &Step<'_>,
) -> Result<(), Halt> {
    let mut responses = responses(credentials, mechanism, host, port)
        .map_err(|local| step.halt(Kind::Local(local)))?
        .into_iter()
        .peekable();
    let mut acknowledgement = mechanism.acknowledgement();

    let initial = responses.next_if(|response| fits_command(mechanism, response));
    let mut command = Commands::auth(
        mechanism,
        initial.as_ref().map(|response| response.as_str()),
    );
    loop {
        let reply = connection.ask(&command, step).await?;
        if reply.code.is_positive() {
            return Ok(());
        }
        // 334 alone asks for a response (RFC 4954 section 4). Whatever else goes
        // on, a secret has no place in it.
        if reply.code.is_intermediate() && reply.code.value() != 334 {
            return Err(step.halt(Kind::Unexpected(reply)));
        }
        if !reply.code.is_intermediate() {
            return Err(step.halt(Kind::Refused {
                reason: refusal(step.stage(), &reply),
                reply,
                mechanism: Some(mechanism),
            }));
        }
        command = if let Some(response) = responses.next() {
            Commands::auth_response(&response)
        } else if let Some(acknowledgement) = acknowledgement.take() {
            Commands::auth_response(acknowledgement)
        } else {
            return Err(step.halt(Kind::Unexpected(reply)));
        };
    }
}

/// Whether a response may stand in the command. LOGIN has no initial response.
fn fits_command(mechanism: Mechanism, response: &str) -> bool {
    let others = "AUTH  \r\n".len() + mechanism.name().len();
    mechanism != Mechanism::Login && others + response.len() <= MAX_COMMAND_LINE
}

/// What to say, in base64, one after the other.
fn responses(
    credentials: &Credentials,
    mechanism: Mechanism,
    host: &Host,
    port: u16,
) -> Result<Vec<Zeroizing<String>>, Local> {
    match credentials {
        Credentials::Password { username, password } => {
            let password = password.expose_secret();
            if [username, password].iter().any(|text| text.contains('\0')) {
                return Err(Local::Credentials);
            }
            if mechanism == Mechanism::Login {
                Ok(vec![encode(&[username])?, encode(&[password])?])
            } else {
                Ok(vec![encode(&["\0", username, "\0", password])?])
            }
        }
        Credentials::OAuth { username, token } => {
            let token = token.expose_secret();
            // An octet of value 1 ends a field.
            let has_control = |text: &str| text.chars().any(char::is_control);
            if has_control(username) || has_control(token) {
                return Err(Local::Credentials);
            }
            let message = if mechanism == Mechanism::XOAuth2 {
                encode(&["user=", username, "\x01auth=Bearer ", token, "\x01\x01"])
            } else {
                // RFC 5801 section 4 escapes what ends the name.
                let username = username.replace('=', "=3D").replace(',', "=2C");
                encode(&[
                    "n,a=",
                    &username,
                    ",\x01host=",
                    &host.to_string(),
                    "\x01port=",
                    &port.to_string(),
                    "\x01auth=Bearer ",
                    token,
                    "\x01\x01",
                ])
            };
            Ok(vec![message?])
        }
    }
}

fn encode(parts: &[&str]) -> Result<Zeroizing<String>, Local> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    // Growing would leave copies behind.
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        message.extend_from_slice(part.as_bytes());
    }
    let mut encoded = Zeroizing::new(String::with_capacity(length.div_ceil(3) * 4));
    STANDARD.encode_string(&message[..], &mut encoded);
    if encoded.len() > MAX_BASE64 {
        return Err(Local::Credentials);
    }
    Ok(encoded)
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests {
    use super::*;
    use crate::{
        report::{Reason, Stage, Timings, TlsMode},
        smtp::{
            Error, Progress, Session, Target,
            fixture::{ELSEWHERE, lines, open, plain, serve, target},
        },
        testrelay::{Answer, Script, Step as At, TestRelay},
    };

    fn password(password: &str) -> Credentials {
        Credentials::Password {
            username: "ada".into(),
            password: password.into(),
        }
    }

    fn oauth(token: &str) -> Credentials {
        Credentials::OAuth {
            username: "a=b,c@example.com".into(),
            token: token.into(),
        }
    }

    /// Opens a session with a relay that offers `mechanisms` and answers AUTH
    /// and what follows with `answers`.
    async fn log_in(
        credentials: Credentials,
        mechanisms: &'static str,
        answers: &[&'static str],
    ) -> (Result<(), Box<Error>>, TestRelay) {
        let offer = format!("250-mail.example.com\n250 {mechanisms}");
        let script = Script::new().at(At::Ehlo, Answer::reply(&offer));
        let steps = std::iter::once(At::Auth).chain((1..).map(At::AuthResponse));
        let script = answers
            .iter()
            .zip(steps)
            .fold(script, |script, (answer, step)| {
                script.at(step, Answer::reply(answer))
            });
        let relay = plain().auth("ada", "p").token("ada", "t").script(script);
        let (io, peer) = serve(relay).await;
        let target = Target {
            credentials: Some(credentials),
            ..target(TlsMode::Plaintext)
        };
        let outcome = match open(io, &target).await {
            Ok(session) => {
                session.quit().await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        (outcome, peer.done().await)
    }

    /// What was said between EHLO and QUIT.
    fn exchange(relay: &TestRelay) -> Vec<String> {
        let lines = lines(relay).into_iter();
        lines.skip(1).take_while(|line| line != "QUIT").collect()
    }

    fn base64(text: &str) -> String {
        STANDARD.encode(text)
    }

    #[tokio::test]
    async fn a_password_goes_by_plain_and_else_by_login() {
        let (outcome, seen) = log_in(password("p"), "AUTH LOGIN PLAIN", &["235 ok"]).await;
        outcome.unwrap();
        let plain = format!("AUTH PLAIN {}", base64("\0ada\0p"));
        assert_eq!(exchange(&seen), [plain.as_str()]);

        let answers = ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"];
        let (outcome, seen) = log_in(password("p"), "AUTH=LOGIN XOAUTH2", &answers).await;
        outcome.unwrap();
        assert_eq!(exchange(&seen), ["AUTH LOGIN", "YWRh", "cA=="]);
    }

    #[tokio::test]
    async fn a_token_goes_by_oauthbearer_and_else_by_xoauth2() {
        let (outcome, seen) =
            log_in(oauth("t"), "AUTH PLAIN XOAUTH2 OAUTHBEARER", &["235 ok"]).await;
        outcome.unwrap();
        let message = "n,a=a=3Db=2Cc@example.com,\x01host=mail.example.com\x01port=587\x01auth=Bearer t\x01\x01";
        let bearer = format!("AUTH OAUTHBEARER {}", base64(message));
        assert_eq!(exchange(&seen), [bearer.as_str()]);

        let (outcome, seen) = log_in(oauth("t"), "AUTH PLAIN XOAUTH2", &["235 ok"]).await;
        outcome.unwrap();
        let message = "user=a=b,c@example.com\x01auth=Bearer t\x01\x01";
        let xoauth2 = format!("AUTH XOAUTH2 {}", base64(message));
        assert_eq!(exchange(&seen), [xoauth2.as_str()]);
    }

    #[tokio::test]
    async fn an_error_in_a_challenge_is_acknowledged() {
        for (mechanisms, acknowledgement) in [("AUTH OAUTHBEARER", "AQ=="), ("AUTH XOAUTH2", "")] {
            let answers = ["334 eyJzdGF0dXMiOiI0MDEifQ==", "535 5.7.8 bad token"];
            let (outcome, seen) = log_in(oauth("t"), mechanisms, &answers).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.reason(), Reason::AuthRejected);
            assert_eq!(exchange(&seen)[1], acknowledgement);
            let (outcome, _) = log_in(oauth("t"), mechanisms, &["334 a", "334 b"]).await;
            assert_eq!(outcome.unwrap_err().reason(), Reason::ReplyMalformed);
        }
        let (outcome, _) = log_in(password("p"), "AUTH PLAIN", &["334 what"]).await;
        assert_eq!(outcome.unwrap_err().reason(), Reason::ReplyMalformed);
    }

    #[tokio::test]
    async fn a_long_response_waits_for_the_go_ahead() {
        // `AUTH PLAIN ` and the line end leave 499 octets, of which base64
        // fills 496: 372 octets of message, 5 of them not the password's.
        let fits = "p".repeat(372 - 5);
        let (outcome, seen) = log_in(password(&fits), "AUTH PLAIN", &["235 ok"]).await;
        outcome.unwrap();
        assert_eq!(exchange(&seen).len(), 1);
        assert_eq!(exchange(&seen)[0].len(), 512 - 2 - 3);

        let too_long = fits + "p";
        let (outcome, seen) = log_in(password(&too_long), "AUTH PLAIN", &["334 ", "235 ok"]).await;
        outcome.unwrap();
        assert_eq!(exchange(&seen)[0], "AUTH PLAIN");
        assert_eq!(exchange(&seen)[1], base64(&format!("\0ada\0{too_long}")));
    }

    #[tokio::test]
    async fn what_a_relay_can_say_to_auth() {
        for (answer, reason) in [
            ("535 5.7.8 wrong", Reason::AuthRejected),
            ("534 5.7.9 too weak", Reason::AuthRejected),
            ("504 5.5.4 unknown", Reason::AuthMechanism),
            ("454 4.7.0 not now", Reason::AuthTemporary),
            ("421 4.7.0 bye", Reason::RelayClosing),
        ] {
            let (outcome, _) = log_in(password("p"), "AUTH PLAIN LOGIN", &[answer]).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.reason(), reason, "{answer}");
            assert_eq!(error.stage, Stage::Auth);
            let summary = error.into_failure().summary;
            assert!(summary.contains("AUTH PLAIN"), "{summary}");
            assert!(summary.contains(answer), "{summary}");
        }
    }

    #[tokio::test]
    async fn a_mechanism_that_is_not_offered_is_never_tried() {
        for (credentials, mechanisms, named) in [
            (password("p"), "AUTH CRAM-MD5 XOAUTH2", "CRAM-MD5, XOAUTH2"),
            (oauth("t"), "AUTH PLAIN LOGIN", "PLAIN, LOGIN"),
            (password("p"), "PIPELINING", "no AUTH"),
        ] {
            let (outcome, seen) = log_in(credentials, mechanisms, &[]).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.reason(), Reason::AuthMechanism);
            let summary = error.into_failure().summary;
            assert!(summary.contains(named), "{summary}");
            assert!(exchange(&seen).is_empty());
        }
    }

    #[tokio::test]
    async fn credentials_are_not_sent_in_plaintext_beyond_loopback() {
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        for (ip, goes) in [(ELSEWHERE, false), (mapped, true)] {
            for mode in [TlsMode::Plaintext, TlsMode::StarttlsIfOffered] {
                let (io, peer) = serve(plain().auth("ada", "p")).await;
                let target = Target {
                    credentials: Some(password("p")),
                    ..target(mode)
                };
                let progress = Progress::default();
                let timings = Timings::default();
                let outcome = Session::begin(io, ip, &target, &progress, timings).await;
                assert_eq!(outcome.is_ok(), goes, "{ip} {mode}");
                if let Err(error) = outcome {
                    assert_eq!(error.reason(), Reason::LocalConfig);
                    assert_eq!(error.stage, Stage::Auth);
                    let relay = peer.done().await;
                    assert_eq!(exchange(&relay), [""; 0]);
                }
            }
        }
    }

    #[tokio::test]
    async fn what_would_change_the_meaning_of_a_message_is_not_sent() {
        let injecting = "t\x01auth=Bearer other";
        for (credentials, mechanisms) in [
            (password("p\0q"), "AUTH PLAIN"),
            (oauth(injecting), "AUTH XOAUTH2"),
            (oauth(injecting), "AUTH OAUTHBEARER"),
            (oauth(&"t".repeat(9_300)), "AUTH XOAUTH2"),
        ] {
            let (outcome, seen) = log_in(credentials, mechanisms, &[]).await;
            assert_eq!(outcome.unwrap_err().reason(), Reason::LocalConfig);
            assert!(exchange(&seen).is_empty());
        }
        let longest = oauth(&"t".repeat(8_192));
        let (outcome, _) = log_in(longest, "AUTH OAUTHBEARER", &["334 ", "235 ok"]).await;
        outcome.unwrap();
    }

    #[tokio::test]
    async fn a_failure_shows_no_secret() {
        let (outcome, _) = log_in(password("hunter2"), "AUTH PLAIN", &["535 no"]).await;
        let error = outcome.unwrap_err();
        let encoded = base64("\0ada\0hunter2");
        let shown = format!("{error} {error:?}") + &format!("{:?}", error.into_failure());
        assert!(
            !shown.contains("hunter2") && !shown.contains(&encoded),
            "{shown}"
        );
    }
}
