//! The server side of TLS: what a test relay shows and accepts.

use std::sync::Arc;

use rustls::{
    NamedGroup, ProtocolVersion, RootCertStore, ServerConfig, SupportedCipherSuite,
    SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
    server::{ServerConnection, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::ca::{Ca, Identity};

/// How a relay does TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    identity: Identity,
    versions: Vec<&'static SupportedProtocolVersion>,
    cipher_suites: Option<Vec<SupportedCipherSuite>>,
    groups: Option<Vec<NamedGroup>>,
    client_ca: Option<(Ca, Demand)>,
    resumption: bool,
    tamper: Option<Tamper>,
}

/// Changes the octets of each record that the relay sends in a handshake.
pub(super) type Tamper = fn(&mut [u8]);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Demand {
    Ask,
    Require,
}

impl From<Identity> for Tls {
    fn from(identity: Identity) -> Self {
        Self {
            identity,
            versions: rustls::ALL_VERSIONS.to_vec(),
            cipher_suites: None,
            groups: None,
            client_ca: None,
            resumption: true,
            tamper: None,
        }
    }
}

impl Tls {
    /// TLS 1.2 and 1.3, with this certificate.
    pub fn new(identity: Identity) -> Self {
        identity.into()
    }

    /// Only these versions, such as [`rustls::version::TLS12`].
    #[must_use]
    pub fn versions(mut self, versions: &[&'static SupportedProtocolVersion]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// Only these cipher suites.
    #[must_use]
    pub fn cipher_suites(mut self, suites: &[SupportedCipherSuite]) -> Self {
        self.cipher_suites = Some(suites.to_vec());
        self
    }

    /// Only these key exchange groups.
    #[must_use]
    pub fn groups(mut self, groups: &[NamedGroup]) -> Self {
        self.groups = Some(groups.to_vec());
        self
    }

    /// Asks for a client certificate issued by `ca`, and does without.
    #[must_use]
    pub fn ask_client_certificate(mut self, ca: &Ca) -> Self {
        self.client_ca = Some((ca.clone(), Demand::Ask));
        self
    }

    /// Requires a client certificate issued by `ca`.
    #[must_use]
    pub fn require_client_certificate(mut self, ca: &Ca) -> Self {
        self.client_ca = Some((ca.clone(), Demand::Require));
        self
    }

    /// Never resumes a session.
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        self.resumption = false;
        self
    }

    /// Damages what the relay sends from the ClientHello on, record by record,
    /// as somebody on the way would.
    #[must_use]
    pub fn tampered(mut self, tamper: fn(&mut [u8])) -> Self {
        self.tamper = Some(tamper);
        self
    }

    pub(super) fn tamper(&self) -> Option<Tamper> {
        self.tamper
    }

    /// The hash of the certificate, for channel binding (RFC 5929 section 4).
    /// That of one which is signed with SHA-256, as all usually are here.
    pub(super) fn end_point(&self) -> Vec<u8> {
        Sha256::digest(&self.identity.chain()[0]).to_vec()
    }

    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(self.provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some((ca, demand)) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.der())?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(match demand {
                    Demand::Ask => verifier.allow_unauthenticated().build()?,
                    Demand::Require => verifier.build()?,
                })
            }
        };
        // Without a look at the certificate, which may well be broken.
        let key = self
            .provider()
            .key_provider
            .load_private_key(self.identity.key())?;
        let certified = CertifiedKey::new(self.identity.chain().to_vec(), key);
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        if !self.resumption {
            config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = aws_lc_rs::default_provider();
        if let Some(suites) = &self.cipher_suites {
            provider.cipher_suites.clone_from(suites);
        }
        if let Some(groups) = &self.groups {
            provider.kx_groups = aws_lc_rs::ALL_KX_GROUPS
                .iter()
                .copied()
                .filter(|group| groups.contains(&group.name()))
                .collect();
        }
        provider
    }
}

/// TLS settings that do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Versions, suites, groups and certificate do not fit together.
    #[error("the relay's TLS settings do not fit together")]
    Settings(#[from] rustls::Error),
    /// The client CA cannot be used.
    #[error("the client CA cannot be used")]
    ClientCa(#[from] rustls::server::VerifierBuilderError),
}

/// What a handshake led to, as the relay saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFacts {
    /// The version.
    pub version: Option<ProtocolVersion>,
    /// The key exchange group.
    pub group: Option<NamedGroup>,
    /// The name in SNI.
    pub server_name: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The client's certificate, if it showed one.
    pub client_certificate: Option<CertificateDer<'static>>,
}

impl From<&ServerConnection> for TlsFacts {
    fn from(connection: &ServerConnection) -> Self {
        Self {
            version: connection.protocol_version(),
            group: connection
                .negotiated_key_exchange_group()
                .map(SupportedKxGroup::name),
            server_name: connection.server_name().map(str::to_owned),
            resumed: connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            client_certificate: connection
                .peer_certificates()
                .and_then(|chain| chain.first())
                .cloned(),
        }
    }
}
