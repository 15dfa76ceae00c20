//! Which TLS settings a request may bring.

use super::TlsOption;
use crate::{
    report::{RelayOrigin, TlsMode},
    tls,
};

/// The TLS settings of a relay, and what callers may do with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission<'a> {
    pub(super) origin: RelayOrigin,
    /// The relay's mode when the request says nothing.
    pub(super) mode: TlsMode,
    /// The relay's settings over the global ones.
    pub(super) base: &'a tls::Settings,
    /// What the operator allows beyond what is always allowed.
    pub(super) allowed: &'a [TlsOption],
}

impl Permission<'_> {
    /// Says which setting of `request` is not allowed, if any.
    pub(super) fn refuse(&self, request: &tls::Settings) -> Option<TlsOption> {
        // A setting that a request can bring, and this match does not know,
        // must not compile.
        let tls::Settings {
            mode,
            min_version,
            max_version,
            server_name,
            trust_anchors,
            key_pins,
            system_roots: _,
            client_certificate: _,
            post_quantum: _,
            crls: _,
        } = request;

        let base = self.base;
        let fine = [
            (
                TlsOption::Mode,
                mode.is_none_or(|mode| self.allows_mode(mode)),
            ),
            (
                TlsOption::MinVersion,
                min_version.is_none_or(|v| v >= base.min_version.unwrap_or(tls::Version::Tls12)),
            ),
            (
                TlsOption::MaxVersion,
                max_version.is_none_or(|v| v == base.max_version.unwrap_or(tls::Version::Tls13)),
            ),
            (
                TlsOption::ServerName,
                server_name.is_none() || *server_name == base.server_name,
            ),
            (TlsOption::TrustAnchors, trust_anchors.is_none()),
            (
                TlsOption::KeyPins,
                key_pins.as_ref().is_none_or(|pins| {
                    let own = base.key_pins.as_deref().unwrap_or_default();
                    pins.iter().all(|pin| own.contains(pin))
                }),
            ),
        ];
        fine.into_iter()
            .find(|(option, fine)| !fine && !self.allowed.contains(option))
            .map(|(option, _)| option)
    }

    /// A mode that requires TLS where the relay's did not is always allowed.
    /// A relay that the caller describes has no mode of its own: which of the
    /// two that require TLS its port speaks is part of the description.
    fn allows_mode(&self, mode: TlsMode) -> bool {
        mode == self.mode
            || mode.requires_tls()
                && (!self.mode.requires_tls() || self.origin == RelayOrigin::Custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(mode: TlsMode, origin: RelayOrigin, request: &tls::Settings) -> Option<TlsOption> {
        Permission {
            origin,
            mode,
            base: &tls::Settings::default(),
            allowed: &[],
        }
        .refuse(request)
    }

    fn with_mode(mode: TlsMode) -> tls::Settings {
        tls::Settings {
            mode: Some(mode),
            ..tls::Settings::default()
        }
    }

    #[test]
    fn tls_may_be_asked_for_and_not_waived() {
        use RelayOrigin::{Configured, Custom};
        use TlsMode::{Implicit, Plaintext, Starttls, StarttlsIfOffered};
        let refused = Some(TlsOption::Mode);
        for origin in [Configured, Custom] {
            assert_eq!(refuse(Plaintext, origin, &with_mode(Starttls)), None);
            assert_eq!(
                refuse(StarttlsIfOffered, origin, &with_mode(Implicit)),
                None
            );
            assert_eq!(refuse(Starttls, origin, &with_mode(Starttls)), None);
            assert_eq!(refuse(Starttls, origin, &with_mode(Plaintext)), refused);
            assert_eq!(
                refuse(Starttls, origin, &with_mode(StarttlsIfOffered)),
                refused
            );
            assert_eq!(
                refuse(Plaintext, origin, &with_mode(StarttlsIfOffered)),
                refused
            );
        }
        assert_eq!(refuse(Starttls, Configured, &with_mode(Implicit)), refused);
        assert_eq!(refuse(Starttls, Custom, &with_mode(Implicit)), None);
    }

    #[test]
    fn a_version_may_be_raised_and_not_lowered() {
        let base = tls::Settings {
            min_version: Some(tls::Version::Tls13),
            ..tls::Settings::default()
        };
        let ask = |version| tls::Settings {
            min_version: Some(version),
            ..tls::Settings::default()
        };
        let permission = Permission {
            origin: RelayOrigin::Configured,
            mode: TlsMode::Starttls,
            base: &base,
            allowed: &[],
        };
        assert_eq!(permission.refuse(&ask(tls::Version::Tls13)), None);
        assert_eq!(
            permission.refuse(&ask(tls::Version::Tls12)),
            Some(TlsOption::MinVersion)
        );
        let permission = Permission {
            allowed: &[TlsOption::MinVersion],
            ..permission
        };
        assert_eq!(permission.refuse(&ask(tls::Version::Tls12)), None);
    }

    #[test]
    fn further_trust_needs_permission() {
        let request = tls::Settings {
            trust_anchors: Some(Vec::new()),
            ..tls::Settings::default()
        };
        assert_eq!(
            refuse(TlsMode::Starttls, RelayOrigin::Custom, &request),
            Some(TlsOption::TrustAnchors)
        );
    }
}
