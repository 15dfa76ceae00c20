//! Which relay carries a mail, under which TLS policy, and what to do about
//! one that fails.

use crate::smtp;

mod name;

pub use name::RelayName;

/// Which relay carries a mail.
#[derive(Clone, Debug)]
pub enum Choice {
    /// The routes choose.
    Route,
    /// One that the operator configured.
    Named(RelayName),
    /// One that the caller describes.
    Custom(CustomRelay),
}

/// A relay that the caller describes.
#[derive(Clone, Debug)]
pub struct CustomRelay {
    /// Where it is.
    pub host: smtp::Host,
    /// The TCP port.
    pub port: u16,
    /// What to authenticate with.
    pub credentials: Option<smtp::Credentials>,
}

/// A relay that the operator configured.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its name.
    pub name: RelayName,
    /// Where it is.
    pub host: smtp::Host,
    /// The TCP port.
    pub port: u16,
    /// The relay's own TLS settings; the global ones lie below them.
    pub tls: crate::tls::Settings,
    /// Which TLS settings a request may change beyond what is always allowed.
    pub allow_tls_options: Vec<TlsOption>,
    /// What to authenticate with.
    pub credentials: Option<smtp::Credentials>,
    /// What to say in EHLO.
    pub ehlo_name: String,
    /// How long each step may take.
    pub limits: smtp::TimeLimits,
}

/// A field of `TlsOptions` that an operator can let callers change.
#[derive(
    Clone, Copy, Debug, Eq, PartialEq, strum::EnumString, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "relay.proto documents each field")]
pub enum TlsOption {
    Mode,
    MinVersion,
    MaxVersion,
    ServerName,
    TrustAnchors,
    KeyPins,
}

/// Which relays callers may describe themselves.
#[derive(Clone, Debug, Default)]
pub struct CustomRelays {
    /// None by default.
    pub allow: Vec<AllowedHosts>,
    /// Which TLS settings a request may change beyond what is always allowed
    /// and beyond a mode that requires TLS.
    pub allow_tls_options: Vec<TlsOption>,
    /// What to say in EHLO.
    pub ehlo_name: String,
    /// How long each step may take.
    pub limits: smtp::TimeLimits,
}

/// Hosts and ports that callers may name.
#[derive(Clone, Debug)]
pub struct AllowedHosts {
    /// A host name, an IP address, `*.example.com` for the names below it, or
    /// `*` for any.
    pub host: String,
    /// The ports; empty for any.
    pub ports: Vec<u16>,
}

/// A route: mail from `domain` (of the reverse-path, else of From) goes to `relay`.
#[derive(Clone, Debug)]
pub struct Route {
    /// A domain in A-labels, or `*.example.com` for those below it.
    pub domain: String,
    /// The relay.
    pub relay: RelayName,
}

/// What the operator configured about relays.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Every relay, by name.
    pub relays: Vec<Relay>,
    /// Where mail goes that no route fits.
    pub default: Option<RelayName>,
    /// The first that fits wins.
    pub routes: Vec<Route>,
    /// Which relays callers may describe.
    pub custom: CustomRelays,
    /// The TLS settings below every relay's own.
    pub tls: crate::tls::Settings,
}
