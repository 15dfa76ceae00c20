//! What to authenticate with.

use secrecy::SecretString;

/// What to authenticate with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// SASL PLAIN (RFC 4616) or LOGIN.
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
