//! The client side of RFC 5321: sessions with relays, and transactions on
//! them. The only room that opens connections. It says what went wrong and
//! knows neither what to do about it (`relay` does) nor how mails are composed.
//!
//! [`Session::open`] resolves and connects (`resolve`, `connect`) and gets the
//! connection ready (`opening`: greeting, EHLO, STARTTLS, `auth`);
//! [`Session::send`] hands a mail over (`delivery`), in one `transaction` or in
//! several (`surplus`, `body`, `data`). [`Walk`] opens one and leaves it, for a check;
//! `probe` opens further ones where one failed. Below them, `connection` sends
//! commands and hears replies over a `stream`, and `step` puts every wait under a
//! time limit and the caller's will.

mod auth;
mod base64;
mod body;
mod command;
mod connect;
mod connection;
mod convoy;
mod credentials;
mod data;
mod delivery;
mod discards;
mod ehlo;
mod error;
mod failure;
#[cfg(test)]
#[cfg(feature = "testrelay")]
pub(crate) mod fixture;
mod host;
mod limits;
#[cfg(test)]
pub(crate) mod name_server;
mod opening;
mod prelude;
mod probe;
mod progress;
mod reply;
mod resolve;
mod session;
mod step;
mod stream;
mod surplus;
mod target;
mod transaction;
mod walk;

pub use auth::{Mechanism, Mechanisms};
pub use body::{Body, Piece};
pub use command::EhloName;
pub use convoy::{Flight, Landed};
pub use credentials::Credentials;
pub use discards::Discards;
pub use error::Error;
pub use host::Host;
pub use limits::TimeLimits;
pub use probe::{Answers, Findings, Hellos, Probing, Question, Scope, enumerate, survey};
pub use progress::Progress;
pub use resolve::Resolver;
pub use session::Session;
pub use target::Target;
pub use transaction::{Delivered, Transaction, Transactions};
pub use walk::{Passed, Walk};
