//! A throw-away certificate authority. Its keys live in memory only, and
//! nothing but a relay for trying and testing may be given its certificates.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData as _,
    RevokedCertParams, SerialNumber, SignatureAlgorithm,
};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A certificate authority. Clones share its key.
#[derive(Clone, Debug)]
pub struct Ca {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    /// What a relay sends above its own certificate: this CA's certificate and
    /// those above it, without the root.
    above: Vec<CertificateDer<'static>>,
}

impl Ca {
    /// A root with this common name.
    pub fn new(name: &str) -> Self {
        let issuer = made(CertifiedIssuer::self_signed(ca_params(name), new_key()));
        Self {
            issuer: Arc::new(issuer),
            above: Vec::new(),
        }
    }

    /// A CA below this one. What it issues comes with its certificate in the
    /// chain.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, |_| {})
    }

    /// A CA below this one that differs in whatever rcgen can express.
    #[must_use]
    pub fn intermediate_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let issuer = made(CertifiedIssuer::signed_by(params, new_key(), &self.issuer));
        let mut above = vec![issuer.der().clone()];
        above.extend_from_slice(&self.above);
        Self {
            issuer: Arc::new(issuer),
            above,
        }
    }

    /// A certificate that is in order, for a relay of this name (or IP
    /// address).
    pub fn server(&self, name: &str) -> Identity {
        self.issue(Leaf::new([name]))
    }

    /// A certificate for a client, with this common name.
    pub fn client(&self, name: &str) -> Identity {
        self.issue(Leaf::client(name))
    }

    /// A certificate as `leaf` describes it.
    pub fn issue(&self, leaf: Leaf) -> Identity {
        let certificate = made(leaf.params.signed_by(&leaf.key, &self.issuer));
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(&self.above);
        Identity::new(chain, leaf.key)
    }

    /// A list that revokes these.
    pub fn revoke<'a>(
        &self,
        identities: impl IntoIterator<Item = &'a Identity>,
    ) -> CertificateRevocationListDer<'static> {
        let now = SystemTime::now();
        self.revoke_until(identities, now + 30 * DAY)
    }

    /// The same, in a list that is due to be replaced then.
    pub fn revoke_until<'a>(
        &self,
        identities: impl IntoIterator<Item = &'a Identity>,
        next_update: SystemTime,
    ) -> CertificateRevocationListDer<'static> {
        let now = SystemTime::now();
        let list = CertificateRevocationListParams {
            this_update: (now.min(next_update) - HOUR).into(),
            next_update: next_update.into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: identities
                .into_iter()
                .map(|identity| RevokedCertParams {
                    serial_number: identity.serial(),
                    revocation_time: (now - HOUR).into(),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        made(list.signed_by(&self.issuer)).der().clone()
    }

    pub(super) fn key(&self) -> &KeyPair {
        self.issuer.key()
    }

    /// Its own certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Its own certificate, as a CA file holds it.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }
}

/// What a certificate is to say.
#[derive(Debug)]
pub struct Leaf {
    params: CertificateParams,
    key: KeyPair,
}

impl Leaf {
    /// A relay's certificate, valid now, with these DNS names or IP addresses
    /// as subject alternative names and the first as common name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let params = made(CertificateParams::new(names));
        Self::with_params(params, &common_name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A relay's certificate that has its name as common name only.
    pub fn without_san(common_name: &str) -> Self {
        let params = CertificateParams::default();
        Self::with_params(params, common_name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate.
    pub fn client(common_name: &str) -> Self {
        let params = CertificateParams::default();
        Self::with_params(params, common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// One that ran out two days ago.
    #[must_use]
    pub fn expired(self) -> Self {
        let now = SystemTime::now();
        self.valid(now - 90 * DAY, now - 2 * DAY)
    }

    /// One that is valid from the day after tomorrow.
    #[must_use]
    pub fn not_yet_valid(self) -> Self {
        let now = SystemTime::now();
        self.valid(now + 2 * DAY, now + 90 * DAY)
    }

    /// One that is valid from and until then.
    #[must_use]
    pub fn valid(self, from: SystemTime, until: SystemTime) -> Self {
        self.with(|params| {
            params.not_before = from.into();
            params.not_after = until.into();
        })
    }

    /// One with a key of this kind, such as [`rcgen::PKCS_ED25519`].
    #[must_use]
    pub fn key_of(mut self, algorithm: &'static SignatureAlgorithm) -> Self {
        self.key = made(KeyPair::generate_for(algorithm));
        self
    }

    /// One that differs in whatever rcgen can express.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    /// The certificate, signed with its own key.
    pub fn self_signed(self) -> Identity {
        let certificate = made(self.params.self_signed(&self.key));
        Identity::new(vec![certificate.der().clone()], self.key)
    }

    fn with_params(
        mut params: CertificateParams,
        common_name: &str,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Self {
        name_and_date(&mut params, common_name, 90 * DAY);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        Self {
            params,
            key: new_key(),
        }
    }
}

/// A certificate chain, leaf first, and the leaf's key.
#[derive(Clone, Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<KeyPair>,
}

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: KeyPair) -> Self {
        Self {
            chain,
            key: Arc::new(key),
        }
    }

    /// The same, but the leaf is sent alone.
    #[must_use]
    pub fn without_intermediates(mut self) -> Self {
        self.chain.truncate(1);
        self
    }

    /// The same, with a further certificate at the end of the chain, such as
    /// the root.
    #[must_use]
    pub fn followed_by(mut self, certificate: CertificateDer<'static>) -> Self {
        self.chain.push(certificate);
        self
    }

    /// The same key, with another chain.
    pub(super) fn with_chain(&self, chain: Vec<CertificateDer<'static>>) -> Self {
        let key = Arc::clone(&self.key);
        Self { chain, key }
    }

    /// Leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The leaf's key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// The chain, as a certificate file holds it.
    pub fn chain_pem(&self) -> String {
        self.chain
            .iter()
            .map(|certificate| pem("CERTIFICATE", certificate))
            .collect()
    }

    /// The key, as a key file holds it.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The pin of the leaf's key: `sha256/` and base64.
    pub fn key_pin(&self) -> String {
        let spki = self.key.subject_public_key_info();
        let hash = digest::digest(&digest::SHA256, &spki);
        format!("sha256/{}", BASE64_STANDARD.encode(hash))
    }

    fn serial(&self) -> SerialNumber {
        let (_, leaf) = made(x509_parser::parse_x509_certificate(&self.chain[0]));
        SerialNumber::from_slice(leaf.raw_serial())
    }
}

/// Binary data in the textual encoding of RFC 7468.
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + "-----END " + label + "-----\n"
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    name_and_date(&mut params, name, 3650 * DAY);
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn name_and_date(params: &mut CertificateParams, common_name: &str, lifetime: Duration) {
    let now = SystemTime::now();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = (now - HOUR).into();
    params.not_after = (now + lifetime).into();
}

fn new_key() -> KeyPair {
    made(KeyPair::generate())
}

/// What was made. rcgen fails for names that are not ASCII and for key kinds
/// that it cannot generate: mistakes in the test, best shown on the spot.
#[expect(clippy::expect_used, reason = "a mistake in the calling test")]
pub(super) fn made<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("a name or a key kind that rcgen knows")
}
