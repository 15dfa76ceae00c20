//! Whether a relay is who it should be: the chain, by webpki, and the pins.
//! Keeps the chain for the report.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::CertRevocationList;
use x509_parser::certificate::X509Certificate;

use super::{
    certificate,
    pin::KeyPin,
    witness::{ClientAuth, Witness},
};

/// The chain is in order, and its leaf carries none of the pinned keys.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the key of the certificate is {presented}, which is not pinned")]
pub(super) struct PinMismatch {
    /// The pin of the key that was presented.
    pub(super) presented: KeyPin,
}

/// Verifies the chains that relays present.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` when there are no trust anchors: then only pins can make a
    /// certificate trusted.
    pub(super) chain: Option<Arc<WebPkiServerVerifier>>,
    /// The trust anchors that `chain` has, to tell what is wrong.
    pub(super) roots: Arc<RootCertStore>,
    /// The revocation lists that `chain` has, to tell what is wrong.
    pub(super) crls: Vec<CertRevocationList<'static>>,
    /// When there are any, the leaf's key must be one of them.
    pub(super) pins: Vec<KeyPin>,
    /// What signatures can be verified.
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// A pinned certificate that is self-signed needs nobody to vouch for it.
    /// It must still be valid now, and the handshake must still be signed with
    /// its key.
    fn verify_pinned(&self, leaf: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
        self.verify_pin(leaf)?;
        let not_before = unix_time(leaf.validity().not_before.timestamp());
        let not_after = unix_time(leaf.validity().not_after.timestamp());
        if now < not_before {
            return Err(CertificateError::NotValidYetContext {
                time: now,
                not_before,
            }
            .into());
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext {
                time: now,
                not_after,
            }
            .into());
        }
        Ok(())
    }

    fn verify_pin(&self, leaf: &X509Certificate<'_>) -> Result<(), Error> {
        let presented = certificate::key_pin(leaf);
        if self.pins.contains(&presented) {
            return Ok(());
        }
        let mismatch = OtherError(Arc::new(PinMismatch { presented }));
        Err(CertificateError::Other(mismatch).into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Witness::note_chain(end_entity, intermediates);

        // Without pins the certificate need not even be read here.
        let pinning = !self.pins.is_empty();
        let leaf = pinning.then(|| certificate::parse(end_entity)).flatten();
        if let Some(leaf) = &leaf
            && certificate::is_self_signed(leaf)
        {
            self.verify_pinned(leaf, now)?;
            return Ok(ServerCertVerified::assertion());
        }

        let chain = self.chain.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        let verified = chain
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| without_namesake(error, end_entity))?;
        if pinning {
            self.verify_pin(&leaf.ok_or(CertificateError::BadEncoding)?)?;
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A trust anchor that has the name of a self-signed certificate and another
/// key did not issue it: nobody did.
fn without_namesake(error: Error, leaf: &CertificateDer<'_>) -> Error {
    let is_of_signature = matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::BadSignature
                | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        )
    );
    if is_of_signature
        && certificate::parse(leaf).is_some_and(|it| certificate::is_self_signed(&it))
    {
        CertificateError::UnknownIssuer.into()
    } else {
        error
    }
}

fn unix_time(seconds: i64) -> UnixTime {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

/// Our certificate, if we have one; it notes that it was asked for.
#[derive(Debug)]
pub(super) struct Identity(pub(super) Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let ours = self
            .0
            .as_ref()
            .filter(|ours| ours.key.choose_scheme(schemes).is_some());
        Witness::note_client_certificate(match ours {
            Some(_) => ClientAuth::Shown,
            None => ClientAuth::Withheld,
        });
        ours.cloned()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
