//! `[relays.NAME.credentials]`. Secrets come from files alone: a file can be
//! read by one user, while settings are printed, logged and committed.

use std::str;

use secrecy::SecretString;

use super::{file, kind, section::Section, tls::unreadable, value::Node};
use crate::smtp::Credentials;

const MAX_USERNAME_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 1024;
const MAX_TOKEN_BYTES: usize = 8192;

/// Reads the credentials. `None` when there are none, or they are wrong.
pub(super) fn credentials(section: &Section<'_>) -> Option<Credentials> {
    let username = section.read("username", username);
    let username_from_file = section.read("username_file", username_file);
    let password = section.read("password_file", |node| {
        secret(node, MAX_PASSWORD_BYTES).map(SecretString::from)
    });
    let token = section.read("token_file", |node| {
        secret(node, MAX_TOKEN_BYTES).map(SecretString::from)
    });
    exclude_each_other(section, "username", "username_file");
    exclude_each_other(section, "password_file", "token_file");
    let has_username = section.has("username") || section.has("username_file");
    let has_secret = section.has("password_file") || section.has("token_file");
    match (has_username, has_secret) {
        (true, false) => section.wrong_here("needs `password_file` or `token_file`"),
        (false, true) => section.wrong_here("needs `username` or `username_file`"),
        _ => {}
    }
    let username = username.or(username_from_file)?;
    match (password, token) {
        (Some(password), _) => Some(Credentials::Password { username, password }),
        (None, Some(token)) => Some(Credentials::OAuth { username, token }),
        (None, None) => None,
    }
}

fn exclude_each_other(section: &Section<'_>, this: &str, that: &str) {
    if section.has(this) && section.has(that) {
        section.wrong(that, format!("excludes `{}`", section.path(this)));
    }
}

fn username(node: &Node) -> Result<String, String> {
    let text = kind::text(node)?;
    let fits =
        (1..=MAX_USERNAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits {
        Ok(text)
    } else {
        Err("must have 1 to 255 bytes and no control characters".to_owned())
    }
}

fn username_file(node: &Node) -> Result<String, String> {
    secret(node, MAX_USERNAME_BYTES)
}

/// The one line in the file that `node` names, without its line break.
fn secret(node: &Node, max_bytes: usize) -> Result<String, String> {
    let path = kind::path(node)?;
    let wrong = |fault: &str| format!("names the file {}, {fault}", path.display());

    // Room for the line break.
    let limit = max_bytes as u64 + 2;
    let bytes = file::bytes(&path, limit).map_err(|error| unreadable(&path, &error))?;
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
