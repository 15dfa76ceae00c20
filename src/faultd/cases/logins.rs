//! Logging in: what is refused there, and what a client must not believe.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{faulty, secure};
use crate::{
    faultd::{
        case::{Case, Need},
        pki::Pki,
    },
    report::{
        Reason,
        Stage::{Auth, MailFrom},
        TlsMode::Implicit,
    },
    testrelay::{
        Answer, Builder,
        Mechanism::{self, CramMd5, Plain, ScramSha256},
        Script, Step,
    },
};

/// The account on every relay that has one.
pub(in crate::faultd) const USER: &str = "user";
/// Its password.
pub(in crate::faultd) const PASSWORD: &str = "password";

/// A relay with an account, by SCRAM-SHA-256, PLAIN and LOGIN.
pub(super) fn with_account(pki: &Pki) -> Builder {
    let usual = [ScramSha256, Plain, Mechanism::Login];
    secure(pki).auth(USER, PASSWORD).mechanisms(usual)
}

fn login(
    name: &str,
    about: &'static str,
    reason: Reason,
    relay: impl Fn(&Pki) -> Builder + Send + Sync + 'static,
) -> Case {
    Case::fails(Implicit, name, about, (Auth, reason), relay).with(Need::Login)
}

/// A relay that knows one mechanism only, with a fault.
fn answering(
    mechanism: Mechanism,
    step: Step,
    answer: Answer,
) -> impl Fn(&Pki) -> Builder + Send + Sync + 'static {
    move |pki| {
        with_account(pki)
            .mechanisms([mechanism])
            .script(Script::new().at(step, answer.clone()))
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, about, reply, reason) in [
        (
            "login-535",
            "the password is wrong",
            "535 5.7.8 authentication failed",
            Reason::AuthRejected,
        ),
        (
            "login-534",
            "the relay wants a password of its own for this program",
            "534 5.7.9 application-specific password required",
            Reason::AuthRejected,
        ),
        (
            "login-454",
            "the relay cannot look the password up for the time being",
            "454 4.7.0 temporary authentication failure",
            Reason::AuthTemporary,
        ),
        (
            "login-504",
            "the relay does not know the mechanism that it offers",
            "504 5.5.4 unrecognized authentication type",
            Reason::AuthMechanism,
        ),
        (
            "login-421",
            "the relay leaves after too many attempts",
            "421 4.7.0 too many attempts",
            Reason::RelayClosing,
        ),
        (
            "login-of-no-sense",
            "a reply to AUTH that has no place there",
            "354 go ahead",
            Reason::ReplyMalformed,
        ),
    ] {
        let relay = answering(Plain, Step::Auth, Answer::reply(reply));
        cases.push(login(name, about, reason, relay));
    }
    cases.extend([
        login(
            "login-closed",
            "the connection is closed at AUTH",
            Reason::ConnectionLost,
            answering(Plain, Step::Auth, Answer::close()),
        ),
        login(
            "login-stalled",
            "AUTH is never answered",
            Reason::ReplyTimeout,
            answering(Plain, Step::Auth, Answer::stall()),
        )
        .until_time_is_up(),
        login(
            "login-not-offered",
            "the relay offers no AUTH",
            Reason::AuthMechanism,
            secure,
        ),
        login(
            "login-cram-md5",
            "the relay offers CRAM-MD5 only",
            Reason::AuthMechanism,
            |pki| with_account(pki).mechanisms([CramMd5]),
        ),
        login(
            "login-hard-work",
            "SCRAM with 100 million iterations",
            Reason::AuthMechanism,
            |pki| {
                let relay = with_account(pki).mechanisms([ScramSha256]);
                relay.scram_iterations(100_000_000)
            },
        ),
    ]);
    cases.extend(lies());
    cases.push(Case::fails(
        Implicit,
        "login-required",
        "takes no mail from a client without a login, and the client has none",
        (MailFrom, Reason::AuthRequired),
        |pki| with_account(pki).require_auth(),
    ));
    cases.push(Case::fails(
        Implicit,
        "login-required-unsaid",
        "the same, and it offers no AUTH",
        (MailFrom, Reason::AuthRequired),
        faulty(
            Step::AnyMail,
            Answer::reply("530 5.7.0 authentication required"),
        ),
    ));
    cases
}

/// Relays that do not know the password and pretend to.
fn lies() -> Vec<Case> {
    let challenge = |text: &str| Answer::reply(&format!("334 {}", BASE64_STANDARD.encode(text)));
    let signature = BASE64_STANDARD.encode([7; 32]);
    [
        (
            "login-wrong-signature",
            "SCRAM: the relay's signature is not made with the password",
            Step::AuthResponse(1),
            challenge(&format!("v={signature}")),
        ),
        (
            "login-no-signature",
            "SCRAM: the relay lets the client in without a signature",
            Step::AuthResponse(1),
            Answer::reply("235 2.7.0 welcome"),
        ),
        (
            "login-other-nonce",
            "SCRAM: the relay's nonce does not begin with the client's",
            Step::Auth,
            challenge("r=abc,s=AAAA,i=4096"),
        ),
    ]
    .into_iter()
    .map(|(name, about, step, answer)| {
        let relay = answering(ScramSha256, step, answer);
        login(name, about, Reason::AuthUnproven, relay)
    })
    .collect()
}
