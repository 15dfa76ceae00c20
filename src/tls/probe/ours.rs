//! What our own handshakes are made of, in the numbers of the wire: read off
//! the cryptography in use, so that it never says other than the truth.

use rustls::{ProtocolVersion, client::danger::ServerCertVerifier as _, crypto::CryptoProvider};
use rustls_pki_types::ServerName;

use crate::{
    report::TlsVersion,
    tls::{Version, verify::Verifier},
};

/// What our own handshakes are made of.
#[derive(Clone, Debug)]
pub(in crate::tls) struct Ours {
    /// Oldest first.
    pub(super) versions: Vec<TlsVersion>,
    /// Up to TLS 1.2.
    pub(super) suites: Vec<u16>,
    /// Of TLS 1.3.
    pub(super) suites_13: Vec<u16>,
    /// Of TLS 1.2.
    pub(super) groups: Vec<u16>,
    /// Of TLS 1.3.
    pub(super) groups_13: Vec<u16>,
    pub(super) schemes: Vec<u16>,
    /// Public keys of the groups of TLS 1.2, each with its group.
    pub(super) shares: Vec<(u16, Vec<u8>)>,
    pub(super) random: [u8; 32],
    /// The name for SNI, which an address is not.
    pub(super) server_name: Option<String>,
}

impl Ours {
    pub(in crate::tls) fn of(
        provider: &CryptoProvider,
        verifier: &Verifier,
        versions: &[Version],
        server_name: &ServerName<'_>,
    ) -> Self {
        let offered: Vec<_> = versions.iter().map(|it| it.protocol().version).collect();
        let suites = |version| -> Vec<u16> {
            let suites = provider.cipher_suites.iter();
            let is_offered = offered.contains(&version);
            suites
                .filter(|it| is_offered && it.version().version == version)
                .map(|it| it.suite().into())
                .collect()
        };
        let groups = |version| -> Vec<u16> {
            let groups = provider.kx_groups.iter();
            let is_offered = offered.contains(&version);
            groups
                .filter(|it| is_offered && it.usable_for_version(version))
                .map(|it| it.name().into())
                .collect()
        };
        let schemes = verifier.supported_verify_schemes();
        // The others are too large for a small hello.
        let classical = provider
            .kx_groups
            .iter()
            .filter(|it| it.usable_for_version(ProtocolVersion::TLSv1_2));
        let shares = classical
            .filter_map(|it| it.start().ok())
            .map(|it| (it.group().into(), it.pub_key().to_vec()))
            .collect();
        let mut random = [7; 32];
        // A relay minds no random bytes that are not random.
        let _ = provider.secure_random.fill(&mut random);
        Self {
            versions: versions.iter().map(|it| (*it).into()).collect(),
            suites: suites(ProtocolVersion::TLSv1_2),
            suites_13: suites(ProtocolVersion::TLSv1_3),
            groups: groups(ProtocolVersion::TLSv1_2),
            groups_13: groups(ProtocolVersion::TLSv1_3),
            schemes: schemes.into_iter().map(Into::into).collect(),
            shares,
            random,
            server_name: match server_name {
                ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
                _ => None,
            },
        }
    }

    pub(super) fn offers(&self, version: TlsVersion) -> bool {
        self.versions.contains(&version)
    }

    /// Whether our hello carries shares that withstand quantum computers, which
    /// are large.
    pub(super) fn is_post_quantum(&self) -> bool {
        self.groups_13.len() > self.shares.len()
    }
}
