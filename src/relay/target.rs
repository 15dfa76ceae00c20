//! Relays as the operator configures them and as callers describe them.

use std::{num::NonZeroUsize, sync::Arc};

use strum::{EnumString, IntoStaticStr, VariantNames};

use super::{CredentialSource, PoolLimits, RelayName};
use crate::{smtp, tls};

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
    pub tls: tls::Settings,
    /// Which TLS settings a request may change beyond what is always allowed.
    pub allow_tls_options: Vec<TlsOption>,
    /// What to authenticate with.
    pub credentials: Option<Arc<dyn CredentialSource>>,
    /// How to authenticate.
    pub mechanisms: smtp::Mechanisms,
    /// What to say in EHLO.
    pub ehlo_name: String,
    /// How many recipients to name in one transaction at most.
    pub max_recipients: Option<NonZeroUsize>,
    /// How boldly transactions are written.
    pub transactions: smtp::Transactions,
    /// How long each step may take.
    pub limits: smtp::TimeLimits,
    /// How many connections there may be.
    pub pool: PoolLimits,
    /// Whether to make further connections to tell causes of failures apart.
    pub probe: bool,
}

/// A field of `TlsOptions` that an operator can let callers change.
#[derive(Clone, Copy, Debug, EnumString, Eq, IntoStaticStr, PartialEq, VariantNames)]
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
#[derive(Clone, Debug)]
pub struct CustomRelays {
    /// None by default.
    pub allow: Vec<AllowedHosts>,
    /// Which TLS settings a request may change beyond what is always allowed
    /// and beyond a mode that requires TLS, which is the caller's to say.
    pub allow_tls_options: Vec<TlsOption>,
    /// What to say in EHLO.
    pub ehlo_name: String,
    /// How many recipients to name in one transaction at most.
    pub max_recipients: Option<NonZeroUsize>,
    /// How boldly transactions are written.
    pub transactions: smtp::Transactions,
    /// How long each step may take.
    pub limits: smtp::TimeLimits,
    /// How many connections there may be to each, for each of its users.
    pub pool: PoolLimits,
    /// Whether to make further connections to tell causes of failures apart.
    pub probe: bool,
}

impl Default for CustomRelays {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_tls_options: Vec::new(),
            ehlo_name: String::new(),
            max_recipients: None,
            transactions: smtp::Transactions::default(),
            limits: smtp::TimeLimits::default(),
            pool: PoolLimits::default(),
            probe: true,
        }
    }
}

impl CustomRelays {
    pub(super) fn allows(&self, host: &smtp::Host, port: u16) -> bool {
        self.allow.iter().any(|allowed| allowed.covers(host, port))
    }

    /// No port is tried that a request could not name.
    pub(super) fn probing(&self, host: &smtp::Host) -> smtp::Probing {
        let default = smtp::Probing::default();
        let ports = default.ports.iter().copied();
        smtp::Probing {
            is_on: self.probe,
            ports: ports.filter(|port| self.allows(host, *port)).collect(),
            ..default
        }
    }
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

impl AllowedHosts {
    fn covers(&self, host: &smtp::Host, port: u16) -> bool {
        let named = match host {
            smtp::Host::Name(name) => self.host == "*" || domain_fits(&self.host, name),
            smtp::Host::Ip(ip) => self.host == "*" || self.host.parse() == Ok(*ip),
        };
        named && (self.ports.is_empty() || self.ports.contains(&port))
    }
}

/// A route: mail from `domain` goes to `relay`.
#[derive(Clone, Debug)]
pub struct Route {
    /// A domain in A-labels, or `*.example.com` for those below it.
    pub domain: String,
    /// The relay.
    pub relay: RelayName,
}

impl Route {
    pub(super) fn fits(&self, domain: &str) -> bool {
        domain_fits(&self.domain, domain)
    }
}

/// `*.example.com` fits every name below `example.com`, and not the name itself.
fn domain_fits(pattern: &str, domain: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => suffix.starts_with('.') && ends_with_ignore_case(domain, suffix),
        None => domain.eq_ignore_ascii_case(pattern),
    }
}

fn ends_with_ignore_case(domain: &str, suffix: &str) -> bool {
    domain.len() > suffix.len()
        && domain
            .get(domain.len() - suffix.len()..)
            .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// What the operator configured about relays.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Every relay.
    pub relays: Vec<Relay>,
    /// Where mail goes that no route fits.
    pub default: Option<RelayName>,
    /// The first that fits wins.
    pub routes: Vec<Route>,
    /// Which relays callers may describe.
    pub custom: CustomRelays,
    /// The TLS settings below every relay's own.
    pub tls: tls::Settings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_the_names_below_it_and_no_other() {
        assert!(domain_fits("*.example.com", "mail.example.com"));
        assert!(domain_fits("*.example.com", "a.b.EXAMPLE.com"));
        assert!(!domain_fits("*.example.com", "example.com"));
        assert!(!domain_fits("*.example.com", "badexample.com"));
        assert!(!domain_fits("*", "example.com"));
        assert!(domain_fits("example.com", "Example.COM"));
        assert!(!domain_fits("example.com", "mail.example.com"));
    }

    #[test]
    fn custom_relays_are_allowed_by_host_and_port_and_none_by_default() {
        let name = smtp::Host::Name("mail.example.com".into());
        let loopback = smtp::Host::Ip([127, 0, 0, 1].into());
        assert!(!CustomRelays::default().allows(&name, 587));

        let allow = |host: &str, ports: &[u16]| CustomRelays {
            allow: vec![AllowedHosts {
                host: host.into(),
                ports: ports.into(),
            }],
            ..CustomRelays::default()
        };
        assert!(allow("*.example.com", &[587]).allows(&name, 587));
        assert!(!allow("*.example.com", &[587]).allows(&name, 25));
        assert!(allow("*", &[]).allows(&loopback, 25));
        assert!(allow("127.0.0.1", &[]).allows(&loopback, 25));
        assert!(!allow("127.0.0.2", &[]).allows(&loopback, 25));
    }
}
