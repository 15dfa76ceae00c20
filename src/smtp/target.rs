//! A relay, as a session needs to know it.

use std::num::NonZeroUsize;

use super::{Credentials, Host, Resolver, TimeLimits};
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
    /// What to say in EHLO: a domain name, or an address literal in brackets.
    pub ehlo_name: String,
    /// How long each step may take.
    pub limits: TimeLimits,
    /// How many recipients to name in one transaction at most.
    pub max_recipients: Option<NonZeroUsize>,
    /// Finds the host's addresses.
    pub resolver: Resolver,
}
