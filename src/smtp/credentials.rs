//! What to authenticate with.

use std::hash::{Hash, Hasher};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret as _, SecretString};

/// What to authenticate with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// SASL SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616), LOGIN or CRAM-MD5
    /// (RFC 2195).
    Password {
        /// 1 to 255 bytes, no NUL.
        username: String,
        /// 1 to 1024 bytes, no NUL.
        password: SecretString,
    },
    /// SASL OAUTHBEARER (RFC 7628) or XOAUTH2.
    OAuth {
        /// 1 to 255 bytes.
        username: String,
        /// 1 to 8192 bytes.
        token: SecretString,
    },
}

impl Credentials {
    /// Whose they are.
    pub fn username(&self) -> &str {
        let (Self::Password { username, .. } | Self::OAuth { username, .. }) = self;
        username
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Password { username, password },
                Self::Password {
                    username: other_username,
                    password: other_password,
                },
            ) => username == other_username && is_same(password, other_password),
            (
                Self::OAuth { username, token },
                Self::OAuth {
                    username: other_username,
                    token: other_token,
                },
            ) => username == other_username && is_same(token, other_token),
            (Self::Password { .. } | Self::OAuth { .. }, _) => false,
        }
    }
}

impl Eq for Credentials {}

/// By the user name alone: what is equal has the same, and no secret is spread.
impl Hash for Credentials {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.username().hash(state);
    }
}

/// In a time that tells nothing about the secrets but their lengths: a caller
/// may bring one to find out whether it is another's.
fn is_same(one: &SecretString, other: &SecretString) -> bool {
    let (one, other) = (one.expose_secret(), other.expose_secret());
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_the_same_when_kind_name_and_secret_are() {
        let password = |username: &str, password: &str| Credentials::Password {
            username: username.into(),
            password: password.into(),
        };
        let token = Credentials::OAuth {
            username: "ada".into(),
            token: "p".into(),
        };
        assert_eq!(password("ada", "p"), password("ada", "p"));
        assert_eq!(token, token.clone());
        for other in [password("ada", "q"), password("bob", "p"), token] {
            assert_ne!(password("ada", "p"), other);
        }
    }
}
