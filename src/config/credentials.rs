//! `[relays.NAME.credentials]`. Secrets come from files alone: a file can be
//! read by one user, while settings are printed, logged and committed.

use std::{path::Path, str};

use secrecy::SecretString;

use super::{file, key::Key, kind, section::Section, tls::unreadable, value::Node};
use crate::smtp::Credentials;

const MAX_USERNAME_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 1024;
const MAX_TOKEN_BYTES: usize = 8192;

/// Reads the credentials. `None` when there are none, or they are wrong.
pub(super) fn credentials(section: &Section<'_>) -> Option<Credentials> {
    let username = section
        .read(Key {
            name: "username",
            about: "The user name. `config print` does not show it: with some relays it is the \
                    same token as the password.",
            // Not quoted when it is wrong, either.
            kind: kind::line("text of 1 to 255 bytes", 1..=MAX_USERNAME_BYTES, username).hidden(),
            example: "posthaste",
        })
        .or_none("none");
    let username_from_file = section
        .read(Key {
            name: "username_file",
            about: "A file that holds it, instead.",
            kind: kind::secret_path().then(|path| secret(&path, MAX_USERNAME_BYTES)),
            example: "/run/secrets/posthaste/username",
        })
        .or_none("none");
    let password = section
        .read(Key {
            name: "password_file",
            about: "A file with the password, of 1 to 1024 bytes: SASL PLAIN, or LOGIN.",
            kind: kind::secret_path().then(|path| secret(&path, MAX_PASSWORD_BYTES)),
            example: "/run/secrets/posthaste/password",
        })
        .or_none("none");
    let token = section
        .read(Key {
            name: "token_file",
            about: "A file with an OAuth access token, of 1 to 8192 bytes: SASL XOAUTH2 or \
                    OAUTHBEARER.",
            kind: kind::secret_path().then(|path| secret(&path, MAX_TOKEN_BYTES)),
            example: "/run/secrets/posthaste/token",
        })
        .or_none("none");
    section.not_both("username", "username_file");
    section.not_both("password_file", "token_file");
    let names = ["username", "username_file"];
    let secrets = ["password_file", "token_file"];
    section.needs_any(names, secrets);
    section.needs_any(secrets, names);
    let username = username.or(username_from_file)?;
    match (password, token) {
        (Some(password), _) => Some(Credentials::Password {
            username,
            password: SecretString::from(password),
        }),
        (None, Some(token)) => Some(Credentials::OAuth {
            username,
            token: SecretString::from(token),
        }),
        (None, None) => None,
    }
}

fn username(text: &str, _: &Node) -> Result<String, String> {
    let fits =
        (1..=MAX_USERNAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 255 bytes and no control characters".to_owned())
    }
}

/// The one line in the file at `path`, without its line break.
fn secret(path: &Path, max_bytes: usize) -> Result<String, String> {
    let wrong = |fault: &str| format!("names the file {}, {fault}", path.display());

    // Room for the line break.
    let limit = max_bytes as u64 + 2;
    let bytes = file::bytes(path, limit).map_err(|error| unreadable(path, &error))?;
    let text = str::from_utf8(&bytes).map_err(|_| wrong("which is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(wrong("which is empty"));
    }
    if text.len() > max_bytes {
        return Err(wrong(&format!("which has more than {max_bytes} bytes")));
    }
    if text.contains(['\r', '\n', '\0']) {
        return Err(wrong("which must hold one line without NUL"));
    }
    Ok(text.to_owned())
}
