//! TLS handshakes and their failures. Knows no SMTP: `smtp::session` says
//! STARTTLS and then calls [`Connector::connect`]. Opens no sockets and reads
//! no files; only the system's own trust anchors are loaded here.

mod alert;
mod algorithm;
mod binding;
mod certificate;
mod dn;
mod error;
mod farewell;
mod handshake;
mod offer;
mod opening;
mod pem;
mod pin;
mod policy;
mod probe;
mod protocol;
mod reason;
mod record;
mod roots;
mod settings;
mod signature;
mod stream;
mod verify;
mod version;
mod witness;

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;

pub use alert::name as alert_name;
pub use binding::ChannelBinding;
pub use error::HandshakeError;
pub use handshake::Connector;
pub use pem::{ClientCertificate, parse_certificates, parse_crls};
pub use pin::KeyPin;
pub use policy::PolicyError;
pub use probe::{Enumerator, Inquiry, Question, Trial, Verdict};
pub use protocol::{foreign_protocol, is_ftp};
pub use reason::described;
pub use roots::SystemRoots;
pub use settings::Settings;
pub use stream::TlsStream;
pub use version::Version;
pub use witness::ClientAuth;
