//! From settings to what rustls is to do.

use std::sync::{Arc, LazyLock};

use rustls::{
    ClientConfig, NamedGroup, RootCertStore,
    client::{VerifierBuilderError, WebPkiServerVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    sign::CertifiedKey,
};
use webpki::OwnedCertRevocationList;

use super::{
    ClientCertificate, Settings, SystemRoots, Version,
    roots::{Origin, TrustSource},
    verify::{Identity, Verifier},
};

/// Settings that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No version is left to offer.
    #[error("the oldest TLS version, {min}, is above the newest, {max}")]
    MinAboveMax {
        /// The oldest to accept.
        min: Version,
        /// The newest to offer.
        max: Version,
    },
    /// A certificate that cannot be a trust anchor.
    #[error("trust anchor number {number} cannot be used")]
    BadTrustAnchor {
        /// Its place, from 1.
        number: usize,
        /// Why not.
        #[source]
        source: Box<rustls::Error>,
    },
    /// Our certificate cannot be used, or its key does not belong to it.
    #[error("the client certificate and its key cannot be used together")]
    ClientCertificate(#[source] Box<rustls::Error>),
    /// A revocation list that cannot be used.
    #[error("a certificate revocation list cannot be used")]
    Crl(#[source] VerifierBuilderError),
    /// The TLS library refuses the policy.
    #[error("the TLS library refuses the policy")]
    Library(#[source] Box<rustls::Error>),
}

/// What to do in handshakes with one relay.
pub(super) struct Policy {
    pub(super) config: ClientConfig,
    pub(super) verifier: Arc<Verifier>,
    /// Oldest first.
    pub(super) versions: Vec<Version>,
    /// Where the trust anchors came from.
    pub(super) trust_source: TrustSource,
}

/// What a further handshake does otherwise than the policy says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Deviation {
    /// The only version to offer.
    pub(super) version: Option<Version>,
    /// Offers no post-quantum groups.
    pub(super) classical: bool,
    /// Does not tell the relay's name.
    pub(super) nameless: bool,
}

/// The cryptography in use. Never the process's default, which another crate
/// could change.
pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

impl Policy {
    pub(super) fn new(settings: &Settings, system: &SystemRoots) -> Result<Self, PolicyError> {
        let versions = versions(settings)?;
        let provider = match settings.post_quantum {
            Some(false) => classical(),
            _ => Arc::clone(provider()),
        };
        let (roots, trust_source) = trust(settings, system)?;
        let verifier = Arc::new(verifier(settings, roots, &provider)?);
        let identity = settings.client_certificate.as_ref();
        let identity = identity.map(|ours| certified_key(ours, &provider));
        let identity = Arc::new(Identity(identity.transpose()?.map(Arc::new)));

        let protocols: Vec<_> = versions.iter().map(|version| version.protocol()).collect();
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&protocols)
            .map_err(|error| PolicyError::Library(Box::new(error)))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
            .with_client_cert_resolver(identity);
        Ok(Self {
            config,
            verifier,
            versions,
            trust_source,
        })
    }
}

/// The configuration for handshakes that deviate from the policy behind
/// `config` and `verifier`. It shares no sessions with it.
pub(super) fn deviate(
    config: &ClientConfig,
    verifier: &Arc<Verifier>,
    versions: &[Version],
    deviation: Deviation,
) -> Result<ClientConfig, rustls::Error> {
    let provider = if deviation.classical {
        classical()
    } else {
        Arc::clone(config.crypto_provider())
    };
    let versions = deviation.version.map_or(versions.to_vec(), |it| vec![it]);
    let protocols: Vec<_> = versions.iter().map(|version| version.protocol()).collect();
    let mut deviating = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&protocols)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifier) as _)
        .with_client_cert_resolver(Arc::clone(&config.client_auth_cert_resolver));
    deviating.enable_sni = !deviation.nameless;
    Ok(deviating)
}

fn versions(settings: &Settings) -> Result<Vec<Version>, PolicyError> {
    let min = settings.min_version.unwrap_or(Version::Tls12);
    let max = settings.max_version.unwrap_or(Version::Tls13);
    if min > max {
        return Err(PolicyError::MinAboveMax { min, max });
    }
    let all = [Version::Tls12, Version::Tls13];
    Ok(all
        .into_iter()
        .filter(|it| (min..=max).contains(it))
        .collect())
}

/// Without key exchange that withstands quantum computers, whose shares make
/// the `ClientHello` larger than some middleboxes bear.
fn classical() -> Arc<CryptoProvider> {
    let mut provider = CryptoProvider::clone(provider());
    provider.kx_groups.retain(|group| {
        matches!(
            group.name(),
            NamedGroup::X25519 | NamedGroup::secp256r1 | NamedGroup::secp384r1
        )
    });
    Arc::new(provider)
}

fn trust(
    settings: &Settings,
    system: &SystemRoots,
) -> Result<(Arc<RootCertStore>, TrustSource), PolicyError> {
    let uses_system = settings.system_roots.unwrap_or(true);
    let further = settings.trust_anchors.as_deref().unwrap_or_default();
    let source = TrustSource {
        name: match (uses_system, system.origin, further.is_empty()) {
            (true, Origin::System, true) => "system",
            (true, Origin::Bundled | Origin::StandIn, true) => "bundled",
            (true, Origin::System, false) => "system and file",
            (true, Origin::Bundled | Origin::StandIn, false) => "bundled and file",
            (false, _, false) => "file",
            (false, _, true) => "none",
        },
        lacks_system: uses_system && system.origin == Origin::StandIn,
    };
    if uses_system && further.is_empty() {
        return Ok((Arc::clone(&system.store), source));
    }
    let mut store = if uses_system {
        RootCertStore::clone(&system.store)
    } else {
        RootCertStore::empty()
    };
    for (index, anchor) in further.iter().enumerate() {
        store
            .add(anchor.clone())
            .map_err(|error| PolicyError::BadTrustAnchor {
                number: index + 1,
                source: Box::new(error),
            })?;
    }
    Ok((Arc::new(store), source))
}

fn verifier(
    settings: &Settings,
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Verifier, PolicyError> {
    let pins = settings.key_pins.clone().unwrap_or_default();
    let chain = if roots.is_empty() {
        None
    } else {
        // The lists are checked as far as they reach: a certificate that none
        // of them covers passes, but a list past its time covers nothing.
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
            .with_crls(settings.crls.iter().flatten().cloned())
            .allow_unknown_revocation_status()
            .enforce_revocation_expiration()
            .build()
            .map(Some)
            .map_err(PolicyError::Crl)?
    };
    let crls = settings.crls.iter().flatten();
    let crls = crls.filter_map(|der| OwnedCertRevocationList::from_der(der).ok());
    Ok(Verifier {
        chain,
        roots,
        crls: crls.map(Into::into).collect(),
        pins,
        algorithms: provider.signature_verification_algorithms,
    })
}

fn certified_key(
    ours: &ClientCertificate,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, PolicyError> {
    CertifiedKey::from_der(ours.chain.clone(), ours.key.clone_key(), provider)
        .map_err(|error| PolicyError::ClientCertificate(Box::new(error)))
}
