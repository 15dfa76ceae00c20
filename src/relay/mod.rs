//! Which relay carries a mail, under which TLS policy, and what to do about
//! one that fails.

use std::str::FromStr;

use crate::mail::Broken;

mod directory;
mod health;
mod permission;
mod remedy;
mod target;

pub use directory::{BadRelay, Directory, Refusal, RelayStatus};
pub use health::LastSeen;
pub use remedy::remedies;
pub use target::{
    AllowedHosts, Choice, CustomRelay, CustomRelays, Relay, Route, Settings, TlsOption,
};

/// The name of a configured relay: lower-case letters, digits and hyphens, a
/// letter first, at most 63.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RelayName(String);

impl FromStr for RelayName {
    type Err = Broken;
    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        todo!()
    }
}

