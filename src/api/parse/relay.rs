//! Which relay carries a mail.

use secrecy::SecretString;

use super::{Path, Violations};
use crate::{
    api::pb::{self, credentials::Secret, relay_target::Target},
    mail::{Broken, Rule},
    relay::{Choice, CustomRelay},
    smtp::Credentials,
};

/// The submission port (RFC 6409 section 3.1).
const DEFAULT_PORT: u16 = 587;

const MAX_USERNAME_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 1024;
const MAX_TOKEN_BYTES: usize = 8192;

/// Parses which relay carries a mail.
pub(super) fn choice(
    violations: &mut Violations,
    path: Path<'_>,
    target: Option<pb::RelayTarget>,
) -> Option<Choice> {
    let Some(target) = target else {
        return Some(Choice::Route);
    };
    match target.target {
        Some(Target::Name(name)) => violations
            .parse(path.field("name"), &name)
            .map(Choice::Named),
        Some(Target::Custom(relay)) => {
            custom(violations, path.field("custom"), relay).map(Choice::Custom)
        }
        None => {
            violations.breach(path, Rule::Required, "must have `name` or `custom`");
            None
        }
    }
}

fn custom(
    violations: &mut Violations,
    path: Path<'_>,
    relay: pb::CustomRelay,
) -> Option<CustomRelay> {
    let host = violations.parse(path.field("host"), &relay.host);
    let port = match u16::try_from(relay.port) {
        Ok(0) => Some(DEFAULT_PORT),
        Ok(port) => Some(port),
        Err(_) => {
            violations.breach(
                path.field("port"),
                Rule::OutOfRange,
                "must not be more than 65535",
            );
            None
        }
    };
    let credentials = relay
        .credentials
        .and_then(|given| credentials(violations, path.field("credentials"), given));
    Some(CustomRelay {
        host: host?,
        port: port?,
        credentials,
    })
}

fn credentials(
    violations: &mut Violations,
    path: Path<'_>,
    credentials: pb::Credentials,
) -> Option<Credentials> {
    let mut check = |path: Path<'_>, text: String, max: usize| {
        let checked = secret(&text, max).map(|()| text);
        violations.keep(path, checked)
    };
    match credentials.secret {
        Some(Secret::Password(given)) => {
            let path = path.field("password");
            let username = check(path.field("username"), given.username, MAX_USERNAME_BYTES);
            let password = check(path.field("password"), given.password, MAX_PASSWORD_BYTES);
            Some(Credentials::Password {
                username: username?,
                password: SecretString::from(password?),
            })
        }
        Some(Secret::Oauth(given)) => {
            let path = path.field("oauth");
            let username = check(path.field("username"), given.username, MAX_USERNAME_BYTES);
            let token = check(path.field("token"), given.token, MAX_TOKEN_BYTES);
            Some(Credentials::OAuth {
                username: username?,
                token: SecretString::from(token?),
            })
        }
        None => {
            violations.breach(path, Rule::Required, "must have `password` or `oauth`");
            None
        }
    }
}

/// NUL separates the fields of SASL PLAIN, and U+0001 those of XOAUTH2 and
/// OAUTHBEARER; no other control character is any use in them either
/// (RFC 4013 section 2.3).
fn secret(text: &str, max_bytes: usize) -> Result<(), Broken> {
    if text.is_empty() || text.len() > max_bytes {
        return Err(Broken::new(
            Rule::Length,
            format!("must have 1 to {max_bytes} bytes"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Broken::new(
            Rule::ControlCharacter,
            "must not contain control characters",
        ));
    }
    Ok(())
}
