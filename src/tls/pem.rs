//! Certificates, keys and revocation lists from PEM text (RFC 7468). Reads no
//! files: the text comes from the configuration or from a caller.

use std::sync::Arc;

use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{Error, PemObject},
};
use x509_parser::{prelude::FromDer as _, revocation_list::CertificateRevocationList};

use super::certificate;
use crate::mail::{Broken, Rule};

/// Our certificate chain, leaf first, and its key. Whether the two belong
/// together is checked when a [`Connector`](super::Connector) is made.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientCertificate {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key. It has no `Debug` that shows it.
    pub key: Arc<PrivateKeyDer<'static>>,
}

impl ClientCertificate {
    /// Reads the chain and the key (PKCS #8, PKCS #1 or SEC 1, not encrypted).
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, Broken> {
        let chain = parse_certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| match error {
            Error::NoItemsFound => Broken::new(
                Rule::Required,
                "must have a private key in PEM that is not encrypted",
            ),
            _ => not_pem(),
        })?;
        Ok(Self {
            chain,
            key: Arc::new(key),
        })
    }
}

/// Reads certificates: at least one, each of which is an X.509 certificate.
pub fn parse_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Broken> {
    parse(pem, "certificate", |der: &CertificateDer<'_>| {
        certificate::parse(der).is_some()
    })
}

/// Reads certificate revocation lists: at least one.
pub fn parse_crls(pem: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, Broken> {
    parse(
        pem,
        "revocation list",
        |der: &CertificateRevocationListDer<'_>| {
            CertificateRevocationList::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
        },
    )
}

fn parse<T: PemObject>(
    pem: &str,
    what: &str,
    is_valid: impl Fn(&T) -> bool,
) -> Result<Vec<T>, Broken> {
    let items = T::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| not_pem())?;
    if items.is_empty() {
        return Err(Broken::new(
            Rule::Required,
            format!("must have at least one {what} in PEM"),
        ));
    }
    match items.iter().position(|item| !is_valid(item)) {
        None => Ok(items),
        Some(index) => Err(Broken::new(
            Rule::Syntax,
            format!("has a {what} (number {}) that cannot be read", index + 1),
        )),
    }
}

fn not_pem() -> Broken {
    Broken::new(Rule::Syntax, "is not valid PEM")
}
