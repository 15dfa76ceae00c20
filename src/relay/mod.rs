//! Which relay carries a mail, under which TLS policy, and what to do about
//! one that fails.

mod credentials;
mod directory;
mod health;
mod name;
mod permission;
mod remedy;
mod target;

pub use credentials::{CredentialSource, CurrentCredentials};
pub use directory::{BadRelay, Directory, Refusal, RelayStatus};
pub use health::LastSeen;
pub use name::RelayName;
pub use remedy::remedies;
pub use target::{
    AllowedHosts, Choice, CustomRelay, CustomRelays, Relay, Route, Settings, TlsOption,
};
