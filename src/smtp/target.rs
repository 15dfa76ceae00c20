//! A relay, as a session needs to know it.

use std::num::NonZeroUsize;

use super::{Credentials, Discards, Host, Mechanisms, Probing, Resolver, TimeLimits, Transactions};
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
    /// How many recipients to name in one transaction at most.
    pub max_recipients: Option<NonZeroUsize>,
    /// How boldly transactions are written.
    pub transactions: Transactions,
    /// What is known of the relay, for [`Transactions::EagerIfSafe`].
    pub discards: Discards,
    /// Finds the host's addresses.
    pub resolver: Resolver,
    /// What may be done to find out why a session fails.
    pub probing: Probing,
}

impl Target {
    /// Whether a session for one is as good as a session for the other. All
    /// counts that the relay sees, and all that keeps it honest.
    pub fn is_same_as(&self, other: &Self) -> bool {
        // What is added to a target, and not thought of here, must not compile.
        let Self {
            relay,
            origin,
            host,
            port,
            mode,
            tls,
            credentials,
            // Says nothing about the session that they have opened.
            credentials_are_stale: _,
            mechanisms,
            ehlo_name,
            limits,
            max_recipients,
            transactions,
            // Known of the relay, whoever asks.
            discards: _,
            resolver: _,
            // Nor does what is done when there is none.
            probing: _,
        } = self;
        *relay == other.relay
            && *origin == other.origin
            && *host == other.host
            && *port == other.port
            && *mode == other.mode
            && *tls == other.tls
            && *credentials == other.credentials
            && *mechanisms == other.mechanisms
            && *ehlo_name == other.ehlo_name
            && *max_recipients == other.max_recipients
            && *transactions == other.transactions
            && *limits == other.limits
    }
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::smtp::{
        Mechanism,
        fixture::{ROOTS, target},
    };

    #[test]
    fn a_target_is_another_as_soon_as_one_thing_differs() {
        let base = target(TlsMode::Starttls);
        assert!(base.is_same_as(&base.clone()));
        assert!(base.is_same_as(&Target {
            credentials_are_stale: true,
            ..base.clone()
        }));
        let with = |change: fn(&mut Target)| {
            let mut other = base.clone();
            change(&mut other);
            other
        };
        let others = [
            with(|it| it.relay = None),
            with(|it| it.origin = RelayOrigin::Custom),
            with(|it| it.host = "mail.example.net".parse().unwrap()),
            with(|it| it.port = 465),
            with(|it| it.mode = TlsMode::StarttlsIfOffered),
            with(|it| {
                // The same settings, but not the same sessions to resume.
                let name = it.host.to_server_name();
                it.tls = tls::Connector::new(&tls::Settings::default(), &name, &ROOTS).unwrap();
            }),
            with(|it| {
                it.credentials = Some(Credentials::Password {
                    username: "ada".into(),
                    password: "p".into(),
                });
            }),
            with(|it| it.mechanisms = Mechanisms::new(vec![Mechanism::Plain]).unwrap()),
            with(|it| it.ehlo_name = "other.example.com".into()),
            with(|it| it.limits.mail = Duration::from_secs(1)),
            with(|it| it.max_recipients = NonZeroUsize::new(1)),
            with(|it| it.transactions = Transactions::Serial),
        ];
        for (number, other) in others.iter().enumerate() {
            assert!(!base.is_same_as(other), "{number}");
            assert!(!other.is_same_as(&base), "{number}");
        }
    }
}
