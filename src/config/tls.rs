//! `[tls]` and `[relays.NAME.tls]`: the same keys, one layer each.

use std::{path::Path, sync::Arc};

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use super::{file, kind, section::Section, value::Node};
use crate::tls::{ClientCertificate, Settings, Version};

const MAX_CERTIFICATES_BYTES: u64 = 8 << 20;
const MAX_CRL_BYTES: u64 = 64 << 20;
const MAX_KEY_BYTES: u64 = 64 << 10;

/// Reads one layer. What it does not set stays `None`.
pub(super) fn settings(section: &Section<'_>) -> Settings {
    Settings {
        mode: section.read("mode", kind::tls_mode),
        min_version: section.read("min_version", kind::tls_version),
        max_version: section.read("max_version", kind::tls_version),
        server_name: section.read("server_name", kind::server_name),
        system_roots: section.read("system_roots", kind::boolean),
        trust_anchors: section.read("ca_file", trust_anchors),
        key_pins: section.read_list("key_pins", kind::key_pin),
        client_certificate: client_certificate(section),
        post_quantum: section.read("post_quantum", kind::boolean),
        crls: section.read("crl_file", crls),
    }
}

/// Whether a version is left to speak under `merged` settings, of which
/// `section` is the uppermost layer.
pub(super) fn check_versions(section: &Section<'_>, merged: &Settings) {
    let min = merged.min_version.unwrap_or(Version::Tls12);
    let max = merged.max_version.unwrap_or(Version::Tls13);
    // A layer that sets neither only repeats what was told of the one below.
    let key = ["min_version", "max_version"]
        .into_iter()
        .find(|key| section.has(key));
    if let (true, Some(key)) = (min > max, key) {
        let message = "leaves no version: min_version is above max_version";
        section.wrong(key, message);
    }
}

/// Whether `merged` settings, which come from `layers`, trust anything at all.
pub(super) fn trusts_something(layers: [&Section<'_>; 2], merged: &Settings) -> bool {
    // What is set but cannot be read is told by itself, and so counts here.
    let some = |key, length: Option<usize>| {
        length != Some(0) && layers.iter().any(|section| section.has(key))
    };
    merged.system_roots.unwrap_or(true)
        || some("ca_file", merged.trust_anchors.as_ref().map(Vec::len))
        || some("key_pins", merged.key_pins.as_ref().map(Vec::len))
}

fn trust_anchors(node: &Node) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = kind::path(node)?;
    let anchors = certificates(&path)?;
    for (index, anchor) in anchors.iter().enumerate() {
        webpki::anchor_from_trusted_cert(anchor).map_err(|_| {
            let number = index + 1;
            names(&path, &format!("whose certificate {number} is not valid"))
        })?;
    }
    Ok(anchors)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    items(path, MAX_CERTIFICATES_BYTES, "certificate")
}

fn crls(node: &Node) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let path = kind::path(node)?;
    let crls: Vec<CertificateRevocationListDer<'static>> =
        items(&path, MAX_CRL_BYTES, "revocation list")?;
    for (index, crl) in crls.iter().enumerate() {
        webpki::BorrowedCertRevocationList::from_der(crl).map_err(|_| {
            let number = index + 1;
            names(&path, &format!("whose list {number} is not valid"))
        })?;
    }
    Ok(crls)
}

fn client_certificate(section: &Section<'_>) -> Option<ClientCertificate> {
    const CERTIFICATE: &str = "client_certificate_file";
    const KEY: &str = "client_key_file";

    let chain = section.read(CERTIFICATE, |node| certificates(&kind::path(node)?));
    let key = section.read(KEY, private_key);
    match (section.has(CERTIFICATE), section.has(KEY)) {
        (true, false) => section.wrong(CERTIFICATE, "needs `client_key_file` beside it"),
        (false, true) => section.wrong(KEY, "needs `client_certificate_file` beside it"),
        _ => {}
    }
    let (chain, key) = (chain?, key?);
    let provider = aws_lc_rs::default_provider();
    if let Err(error) = CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
        let message = format!("does not go with `{CERTIFICATE}`: {error}");
        section.wrong(KEY, message);
        return None;
    }
    Some(ClientCertificate {
        chain,
        key: Arc::new(key),
    })
}

fn private_key(node: &Node) -> Result<PrivateKeyDer<'static>, String> {
    let path = kind::path(node)?;
    let bytes = file::bytes(&path, MAX_KEY_BYTES).map_err(|error| unreadable(&path, &error))?;
    // Not the parser's own words: they may quote a line of the key.
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| names(&path, "which holds no PEM private key without a passphrase"))
}

fn items<T: PemObject>(path: &Path, limit: u64, what: &str) -> Result<Vec<T>, String> {
    let bytes = file::bytes(path, limit).map_err(|error| unreadable(path, &error))?;
    let items: Result<Vec<T>, pem::Error> = T::pem_slice_iter(&bytes).collect();
    match items {
        Ok(items) if items.is_empty() => Err(names(path, &format!("which holds no PEM {what}"))),
        Ok(items) => Ok(items),
        Err(_) => Err(names(path, "which is not valid PEM")),
    }
}

/// What to say of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> String {
    names(path, &format!("which cannot be read: {error}"))
}

fn names(path: &Path, fault: &str) -> String {
    format!("names the file {}, {fault}", path.display())
}
