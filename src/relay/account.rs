//! Whose connections a mail goes on.

use crate::smtp::{Credentials, Host, Target};

/// Mails of one account share connections, and no others do: no caller waits
/// for those of another.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Account {
    /// Of a configured relay, by its name.
    Configured(String),
    /// Of a relay that a caller described: where it is, and who logs in.
    Custom(Host, u16, Option<Credentials>),
}

impl Account {
    /// That of mails to `target`.
    pub fn of(target: &Target) -> Self {
        match &target.relay {
            Some(name) => Self::Configured(name.clone()),
            None => Self::Custom(target.host.clone(), target.port, target.credentials.clone()),
        }
    }
}
