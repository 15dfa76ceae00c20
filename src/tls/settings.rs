//! TLS settings, merged field by field.

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};

use super::{ClientCertificate, KeyPin, Version};
use crate::report::TlsMode;

/// TLS settings of one layer: the global defaults, a relay's, a request's.
/// `None` keeps what the layer below says, so that setting one field never
/// takes another away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// When TLS starts.
    pub mode: Option<TlsMode>,
    /// The oldest version to accept.
    pub min_version: Option<Version>,
    /// The newest version to offer.
    pub max_version: Option<Version>,
    /// The name for SNI and for the certificate, when it is not the host.
    pub server_name: Option<ServerName<'static>>,
    /// Trust the anchors of the system (or the bundled ones).
    pub system_roots: Option<bool>,
    /// Further trust anchors.
    pub trust_anchors: Option<Vec<CertificateDer<'static>>>,
    /// The keys that the relay's certificate may carry.
    pub key_pins: Option<Vec<KeyPin>>,
    /// What to show when the relay asks for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Offer post-quantum key exchange groups.
    pub post_quantum: Option<bool>,
    /// Revocation lists to check the chain against.
    pub crls: Option<Vec<CertificateRevocationListDer<'static>>>,
}

impl Settings {
    /// Whether this layer says nothing.
    pub fn is_empty(&self) -> bool {
        let Self {
            mode,
            min_version,
            max_version,
            server_name,
            system_roots,
            trust_anchors,
            key_pins,
            client_certificate,
            post_quantum,
            crls,
        } = self;
        mode.is_none()
            && min_version.is_none()
            && max_version.is_none()
            && server_name.is_none()
            && system_roots.is_none()
            && trust_anchors.is_none()
            && key_pins.is_none()
            && client_certificate.is_none()
            && post_quantum.is_none()
            && crls.is_none()
    }

    /// These settings, with `over` on top.
    #[must_use]
    pub fn merge(self, over: Self) -> Self {
        Self {
            mode: over.mode.or(self.mode),
            min_version: over.min_version.or(self.min_version),
            max_version: over.max_version.or(self.max_version),
            server_name: over.server_name.or(self.server_name),
            system_roots: over.system_roots.or(self.system_roots),
            trust_anchors: over.trust_anchors.or(self.trust_anchors),
            key_pins: over.key_pins.or(self.key_pins),
            client_certificate: over.client_certificate.or(self.client_certificate),
            post_quantum: over.post_quantum.or(self.post_quantum),
            crls: over.crls.or(self.crls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings with one field each, and all of them. Naming every field makes
    /// a new one a compile error here.
    fn each() -> (Vec<Settings>, Settings) {
        let all = Settings {
            mode: Some(TlsMode::Implicit),
            min_version: Some(Version::Tls12),
            max_version: Some(Version::Tls13),
            server_name: ServerName::try_from("relay.test").ok(),
            system_roots: Some(true),
            trust_anchors: Some(vec![]),
            key_pins: Some(vec![]),
            client_certificate: Some(ClientCertificate {
                chain: vec![],
                key: std::sync::Arc::new(rustls_pki_types::PrivatePkcs8KeyDer::from(vec![]).into()),
            }),
            post_quantum: Some(true),
            crls: Some(vec![]),
        };
        let none = Settings::default;
        macro_rules! alone {
            ($($field:ident),*) => {
                vec![$(Settings { $field: all.$field.clone(), ..none() }),*]
            };
        }
        let each = alone![
            mode,
            min_version,
            max_version,
            server_name,
            system_roots,
            trust_anchors,
            key_pins,
            client_certificate,
            post_quantum,
            crls
        ];
        (each, all)
    }

    fn shown(settings: &Settings) -> String {
        format!("{settings:?}")
    }

    #[test]
    fn setting_one_field_takes_no_other_away() {
        let (each, all) = each();
        for one in &each {
            assert_eq!(shown(&all.clone().merge(one.clone())), shown(&all));
            assert_eq!(shown(&one.clone().merge(all.clone())), shown(&all));
            assert_eq!(shown(&one.clone().merge(Settings::default())), shown(one));
        }
        let joined = each.into_iter().fold(Settings::default(), Settings::merge);
        assert_eq!(shown(&joined), shown(&all));
    }

    #[test]
    fn the_later_layer_wins() {
        let layer = |version| Settings {
            max_version: Some(version),
            ..Settings::default()
        };
        let merged = layer(Version::Tls13).merge(layer(Version::Tls12));
        assert_eq!(merged.max_version, Some(Version::Tls12));
    }
}
