//! `[relays.NAME.credentials]`. Secrets come from files alone: a file can be
//! read by one user, while settings are printed, logged and committed.

use std::sync::Arc;

use super::{
    kind,
    secrets::{self, MAX_USERNAME_BYTES, SecretFile, SecretFiles, Username},
    section::Section,
    value::Node,
};
use crate::smtp::Credentials;

/// Reads the credentials. `None` when there are none, or they are wrong.
pub(super) fn credentials(section: &Section<'_>) -> Option<Arc<SecretFiles>> {
    let given = section.read("username", |node| {
        username(node).map(|text| (Username::Given, text))
    });
    let from_file = section.read("username_file", |node| {
        let path = kind::path(node)?;
        let text = secrets::username_in(&path)?;
        Ok((Username::File(path), text))
    });
    let password = section.read("password_file", |node| {
        let path = kind::path(node)?;
        let password = secrets::password_in(&path)?;
        Ok((SecretFile::Password(path), password))
    });
    let token = section.read("token_file", |node| {
        let path = kind::path(node)?;
        let token = secrets::token_in(&path)?;
        Ok((SecretFile::Token(path), token))
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
    let (username_source, username) = given.or(from_file)?;
    let (key, (secret_file, credentials)) = match (password, token) {
        (Some((file, password)), _) => {
            let credentials = Credentials::Password { username, password };
            ("password_file", (file, credentials))
        }
        (None, Some((file, token))) => {
            let credentials = Credentials::OAuth { username, token };
            ("token_file", (file, credentials))
        }
        (None, None) => return None,
    };
    Some(Arc::new(SecretFiles::new(
        section.path(key),
        username_source,
        secret_file,
        credentials,
    )))
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
