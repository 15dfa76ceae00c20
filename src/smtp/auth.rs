//! AUTH (RFC 4954): which mechanism, and its exchange.
//!
//! A refusal of the credentials is final: trying the same ones by a weaker
//! mechanism would say more of them to a relay that may not be the right one,
//! and counts as a further failed login. Only a relay that does not know the
//! mechanism which it offers is asked for the next one.

use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::{
    Credentials, Target,
    command::Commands,
    connection::Connection,
    error::{Halt, Kind},
    failure::refusal,
    step::Step,
};
use crate::report::{Reason, Reply};

mod exchange;
mod mechanism;
mod scram;

pub use mechanism::{Mechanism, Mechanisms};
pub(super) use scram::Fault;

use exchange::{Exchange, Unanswered};
use scram::Binding;

/// A command line with its end (RFC 5321 section 4.5.3.1.4). A longer initial
/// response waits for the relay's go-ahead (RFC 4954 section 4).
const MAX_COMMAND_LINE: usize = 512;

/// Authenticates to `target` with `credentials`, by the first of its mechanisms
/// that is among those `offered` and takes them.
pub(super) async fn authenticate<IO: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<IO>,
    offered: &[String],
    credentials: &Credentials,
    target: &Target,
    step: &Step<'_>,
) -> Result<(), Halt> {
    let channel = connection.channel_binding();
    let mut failed = None;
    for mechanism in target.mechanisms.iter() {
        if !mechanism.takes(credentials) || !mechanism.is_offered(offered) {
            continue;
        }
        let binding = match (&channel, mechanism) {
            (None, Mechanism::ScramSha256Plus) => continue,
            (Some(channel), Mechanism::ScramSha256Plus) => Binding::To(channel.clone()),
            (Some(_), _) if target.would_bind(offered) => Binding::NotOffered,
            _ => Binding::None,
        };
        let place = (&target.host, target.port);
        let exchange = match Exchange::new(mechanism, credentials, &binding, place) {
            Ok(exchange) => exchange,
            // Another one may carry them.
            Err(local) => {
                failed.get_or_insert(step.halt(Kind::Local(local)));
                continue;
            }
        };
        match converse(connection, mechanism, exchange, step).await {
            Ok(()) => {
                debug!(%mechanism, "authenticated");
                return Ok(());
            }
            Err(halt) if halt.is_orderly() && halt.reason() == Reason::AuthMechanism => {
                debug!(%mechanism, "the relay does not know what it offers");
                failed = Some(halt);
            }
            Err(halt) => return Err(with_stale_token(halt, credentials, target)),
        }
    }
    Err(failed.unwrap_or_else(|| {
        step.halt(Kind::NoMechanism {
            offered: offered.to_vec(),
        })
    }))
}

impl Target {
    /// Whether only the missing offer keeps us from binding to the connection.
    fn would_bind(&self, offered: &[String]) -> bool {
        let plus = Mechanism::ScramSha256Plus;
        self.mechanisms.iter().any(|it| it == plus) && !plus.is_offered(offered)
    }
}

/// A token that could not be read anew is likely to have expired.
fn with_stale_token(mut halt: Halt, credentials: &Credentials, target: &Target) -> Halt {
    if let Kind::Refused { reason, .. } = &mut halt.kind
        && *reason == Reason::AuthRejected
        && target.credentials_are_stale
        && matches!(credentials, Credentials::OAuth { .. })
    {
        *reason = Reason::AuthToken;
    }
    halt
}

async fn converse<IO: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<IO>,
    mechanism: Mechanism,
    mut exchange: Exchange,
    step: &Step<'_>,
) -> Result<(), Halt> {
    let mut first = exchange.begin();
    let initial = first.take_if(|line| fits_command(mechanism, line));
    let mut command = Commands::auth(mechanism, initial.as_ref().map(|line| line.as_str()));
    let fault = |fault| step.halt(Kind::Scram { mechanism, fault });
    loop {
        let reply = connection.ask(&command, step).await?;
        if reply.code.is_positive() {
            return exchange.finish().map_err(fault);
        }
        // 334 alone asks for a response (RFC 4954 section 4). Whatever else goes
        // on, a secret has no place in it.
        if reply.code.is_intermediate() && reply.code.value() != 334 {
            return Err(step.halt(Kind::Unexpected(reply)));
        }
        if !reply.code.is_intermediate() {
            return Err(refused(reply, mechanism, &exchange, step));
        }
        let line = match first.take() {
            Some(line) => line,
            None => match step.wait(exchange.answer(&reply)).await? {
                Ok(line) => line,
                Err(Unanswered::Unexpected) => return Err(step.halt(Kind::Unexpected(reply))),
                Err(Unanswered::Scram(error)) => return Err(fault(error)),
            },
        };
        command = Commands::auth_response(&line);
    }
}

fn refused(reply: Reply, mechanism: Mechanism, exchange: &Exchange, step: &Step<'_>) -> Halt {
    let reason = match refusal(step.stage(), &reply) {
        Reason::AuthRejected if exchange.is_unsupported() => Reason::AuthMechanism,
        reason => reason,
    };
    step.halt(Kind::Refused {
        reason,
        reply,
        mechanism: Some(mechanism),
    })
}

/// Whether the first message may stand in the command.
fn fits_command(mechanism: Mechanism, message: &str) -> bool {
    let others = "AUTH  \r\n".len() + mechanism.name().len();
    others + message.len() <= MAX_COMMAND_LINE
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;
    use crate::{
        report::{Stage, Timings, TlsMode},
        smtp::{
            Error, Progress, Session,
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
        let steps = std::iter::once(At::Auth).chain((1..).map(At::AuthResponse));
        let script = answers
            .iter()
            .zip(steps)
            .fold(Script::new(), |script, (answer, step)| {
                script.at(step, Answer::reply(answer))
            });
        log_in_by(credentials, mechanisms, script).await
    }

    /// Opens a session with a relay that offers `mechanisms` and otherwise does
    /// as `script` has it.
    async fn log_in_by(
        credentials: Credentials,
        mechanisms: &'static str,
        script: Script,
    ) -> (Result<(), Box<Error>>, TestRelay) {
        let offer = format!("250-mail.example.com\n250 {mechanisms}");
        let script = script.at(At::Ehlo, Answer::reply(&offer));
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
    async fn what_comes_back_instead_of_a_reply_is_not_told() {
        let echo = Answer::raw(format!("AUTH PLAIN {}\r\n", base64("\0ada\0p")));
        let script = Script::new().at(At::Auth, echo);
        let (outcome, _) = log_in_by(password("p"), "AUTH PLAIN", script).await;
        let failure = outcome.unwrap_err().into_failure();
        assert_eq!(failure.reason, crate::report::Reason::ReplyMalformed);
        assert!(failure.first_bytes.is_empty());
        assert!(!failure.summary.contains(&base64("\0ada\0p")));
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
            let (outcome, _) = log_in(password("p"), "AUTH PLAIN XOAUTH2", &[answer]).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.reason(), reason, "{answer}");
            assert_eq!(error.stage, Stage::Auth);
            let summary = error.into_failure().summary;
            assert!(summary.contains("AUTH PLAIN"), "{summary}");
            assert!(summary.contains(answer), "{summary}");
        }
    }

    #[tokio::test]
    async fn a_mechanism_that_is_offered_and_unknown_gives_way_to_the_next() {
        let unknown = Answer::reply("504 5.5.4 what");
        let script = Script::new().once(At::Auth, unknown.clone());
        let (outcome, seen) = log_in_by(password("p"), "AUTH PLAIN LOGIN", script).await;
        outcome.unwrap();
        assert_eq!(exchange(&seen)[1..], ["AUTH LOGIN", "YWRh", "cA=="]);

        let script = Script::new().at(At::Auth, unknown);
        let (outcome, _) = log_in_by(password("p"), "AUTH PLAIN LOGIN", script).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.reason(), Reason::AuthMechanism);
        let summary = error.into_failure().summary;
        assert!(summary.contains("AUTH LOGIN"), "{summary}");
    }

    #[tokio::test]
    async fn a_refusal_of_the_credentials_is_final() {
        for refusal in ["535 5.7.8 wrong", "534 5.7.9 too weak", "454 4.7.0 later"] {
            let (outcome, seen) = log_in(password("p"), "AUTH PLAIN LOGIN", &[refusal]).await;
            outcome.unwrap_err();
            assert_eq!(exchange(&seen).len(), 1, "{refusal}");
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
