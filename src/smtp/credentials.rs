//! What to authenticate with.

use std::sync::LazyLock;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

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

/// Tells credentials apart without being one: nobody can guess from it, and in
/// another process the same credentials have another one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Fingerprint([u8; 32]);

impl Credentials {
    /// Whose they are.
    pub fn username(&self) -> &str {
        let (Self::Password { username, .. } | Self::OAuth { username, .. }) = self;
        username
    }

    /// The same for the same credentials, and for no others.
    pub fn fingerprint(&self) -> Fingerprint {
        static KEY: LazyLock<hmac::Key> = LazyLock::new(|| {
            let random = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes);
            hmac::Key::new(HMAC_SHA256, random.as_flattened())
        });
        let (kind, username, secret) = match self {
            Self::Password { username, password } => ("password", username, password),
            Self::OAuth { username, token } => ("token", username, token),
        };
        let mut context = hmac::Context::with_key(&KEY);
        context.update(kind.as_bytes());
        // Neither can be moved into the other.
        context.update(&(username.len() as u64).to_be_bytes());
        context.update(username.as_bytes());
        context.update(secret.expose_secret().as_bytes());
        let mut octets = [0; 32];
        octets.copy_from_slice(context.sign().as_ref());
        Fingerprint(octets)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_fingerprint_tells_credentials_apart() {
        let password = |username: &str, password: &str| Credentials::Password {
            username: username.into(),
            password: password.into(),
        };
        let token = Credentials::OAuth {
            username: "ada".into(),
            token: "p".into(),
        };
        let different = [
            password("ada", "p"),
            password("ada", "q"),
            password("adap", ""),
            password("ad", "ap"),
            token,
        ];
        let fingerprints: HashSet<_> = different.iter().map(Credentials::fingerprint).collect();
        assert_eq!(fingerprints.len(), different.len());
        let again = password("ada", "p").fingerprint();
        assert_eq!(again, different[0].fingerprint());
    }
}
