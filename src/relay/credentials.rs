//! Credentials that may change while the service runs.

use std::fmt;

use crate::smtp;

/// Gives a relay's credentials out. Whoever implements it knows where they
/// come from and when they are read.
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// The credentials as they are now. Asked for each mail: does not wait.
    fn current(&self) -> CurrentCredentials;
}

/// Credentials as they are now.
#[derive(Clone, Debug)]
pub struct CurrentCredentials {
    /// The last that could be had.
    pub credentials: smtp::Credentials,
    /// Whether they could not be read again since: they may be out of date.
    pub are_stale: bool,
}
