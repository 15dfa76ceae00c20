//! Which relay carries a mail, under which TLS policy and on which connection,
//! and what to do about a relay that fails.

mod account;
mod carriage;
mod check;
mod connectors;
mod convoys;
mod credentials;
mod diagnosis;
mod directory;
mod discards;
mod health;
mod lease;
mod name;
mod permission;
mod pool;
mod remedy;
mod target;

pub use account::Account;
pub use carriage::Carried;
pub use check::{Scope, check};
pub use credentials::{CredentialSource, CurrentCredentials};
pub use directory::{BadRelay, Directory, Refusal, RelayStatus};
pub use health::LastSeen;
pub use name::RelayName;
pub use pool::{Connections, PoolLimits};
pub use remedy::remedies;
pub use target::{
    AllowedHosts, Choice, CustomRelay, CustomRelays, Relay, Route, Settings, TlsOption,
};
