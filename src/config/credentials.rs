//! `[relays.NAME.credentials]`. Secrets come from files alone: a file can be
//! read by one user, while settings are printed, logged and committed.

use std::sync::Arc;

use super::{
    key::Key,
    kind,
    secrets::{self, MAX_USERNAME_BYTES, SecretFile, SecretFiles, Username},
    section::Section,
    value::Node,
};
use crate::smtp::Credentials;

/// Reads the credentials. `None` when there are none, or they are wrong.
pub(super) fn credentials(section: &Section<'_>) -> Option<Arc<SecretFiles>> {
    let given = section
        .read(Key {
            name: "username",
            about: "The user name. `config print` does not show it: with some relays it is the \
                    same token as the password.",
            // Not quoted when it is wrong, either.
            kind: kind::line("text of 1 to 255 bytes", 1..=MAX_USERNAME_BYTES, username).hidden(),
            example: "posthaste",
        })
        .or_none("none")
        .map(|username| (Username::Given, username));
    let from_file = section
        .read(Key {
            name: "username_file",
            about: "A file that holds it, instead.",
            kind: kind::secret_path().then(|path| {
                let username = secrets::username_in(&path)?;
                Ok((Username::File(path), username))
            }),
            example: "/run/secrets/posthaste/username",
        })
        .or_none("none");
    let password = section
        .read(Key {
            name: "password_file",
            about: "A file with the password, of 1 to 1024 bytes.",
            kind: kind::secret_path().then(|path| {
                let password = secrets::password_in(&path)?;
                Ok((SecretFile::Password(path), password))
            }),
            example: "/run/secrets/posthaste/password",
        })
        .or_none("none");
    let token = section
        .read(Key {
            name: "token_file",
            about: "A file with an OAuth access token, of 1 to 8192 bytes.",
            kind: kind::secret_path().then(|path| {
                let token = secrets::token_in(&path)?;
                Ok((SecretFile::Token(path), token))
            }),
            example: "/run/secrets/posthaste/token",
        })
        .or_none("none");
    section.not_both("username", "username_file");
    section.not_both("password_file", "token_file");
    let names = ["username", "username_file"];
    let secrets = ["password_file", "token_file"];
    section.needs_any(names, secrets);
    section.needs_any(secrets, names);
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

fn username(text: &str, _: &Node) -> Result<String, String> {
    let fits =
        (1..=MAX_USERNAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 255 bytes and no control characters".to_owned())
    }
}
