//! A relay, as a session needs to know it.

use super::{Credentials, Host, Mechanisms, Resolver, TimeLimits};
use crate::{
    report::{RelayOrigin, TlsMode},
    tls,
};

/// A relay, as a session needs to know it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The configured name, for reports. `None` for a custom relay.
    pub relay: Option<String>,
    /// Who described it.
    pub origin: RelayOrigin,
    /// Where it is.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
    /// When TLS starts.
    pub mode: TlsMode,
    /// Makes the TLS connections, in every mode but plaintext.
    pub tls: tls::Connector,
    /// What to authenticate with.
    pub credentials: Option<Credentials>,
    /// Whether the credentials could not be read again: they may be out of date.
    pub credentials_are_stale: bool,
    /// How to authenticate.
    pub mechanisms: Mechanisms,
    /// What to say in EHLO: a domain name, or an address literal in brackets.
    pub ehlo_name: String,
    /// How long each step may take.
    pub limits: TimeLimits,
    /// Finds the host's addresses.
    pub resolver: Resolver,
}
