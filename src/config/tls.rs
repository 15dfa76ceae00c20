//! `[tls]` and `[relays.NAME.tls]`: the same keys, one layer each.

use std::{path::Path, sync::Arc};

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use super::{file, key::Key, kind, section::Section};
use crate::{
    report::TlsMode,
    tls::{ClientCertificate, Settings, Version},
};

const OLDEST: Version = Version::Tls12;
const NEWEST: Version = Version::Tls13;
const SYSTEM_ROOTS: bool = true;

const MAX_CERTIFICATES_BYTES: u64 = 8 << 20;
const MAX_CRL_BYTES: u64 = 64 << 20;
const MAX_KEY_BYTES: u64 = 64 << 10;

/// What holds at one relay where no layer says otherwise.
#[derive(Default)]
pub(super) struct Found {
    pub(super) mode: Option<TlsMode>,
    pub(super) server_name: Option<String>,
}

/// Reads one layer. What it does not set stays `None`.
pub(super) fn settings(section: &Section<'_>, found: &Found) -> Settings {
    Settings {
        mode: section
            .read(Key {
                name: "mode",
                about: "When TLS starts. `implicit`: from the first byte. `starttls`: by STARTTLS, \
                        required. `starttls_if_offered`: plaintext when the relay offers none. \
                        `plaintext`: never.",
                kind: kind::one_of(),
                example: "implicit",
            })
            .or_none_as(
                found.mode.as_ref(),
                "by port: 465 is implicit, all others STARTTLS",
            ),
        min_version: section
            .read(Key {
                name: "min_version",
                about: "The oldest TLS version to accept.",
                kind: kind::tls_version(),
                example: "1.3",
            })
            .or_none_for(&OLDEST),
        max_version: section
            .read(Key {
                name: "max_version",
                about: "The newest TLS version to offer.",
                kind: kind::tls_version(),
                example: "1.3",
            })
            .or_none_for(&NEWEST),
        server_name: section
            .read(Key {
                name: "server_name",
                about: "The name for SNI and in the certificate.",
                kind: kind::server_name(),
                example: "mail.example.com",
            })
            .or_none_as(found.server_name.as_ref(), "the relay's host"),
        system_roots: section
            .read(Key {
                name: "system_roots",
                about: "Whether to trust the system's certificate authorities, or the bundled \
                        ones where the system has none.",
                kind: kind::boolean(),
                example: "false",
            })
            .or_none_for(&SYSTEM_ROOTS),
        trust_anchors: section
            .read(Key {
                name: "ca_file",
                about: "Further trust anchors: PEM certificates.",
                kind: kind::path().then(|path| trust_anchors(&path)),
                example: "/etc/posthaste/ca.pem",
            })
            .or_none("none"),
        key_pins: section
            .read_list(Key {
                name: "key_pins",
                about: "The keys that the relay's certificate may carry: SHA-256 over the \
                        SubjectPublicKeyInfo. The chain is verified as well, unless the pinned \
                        certificate is self-signed.",
                kind: kind::key_pin(),
                example: "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            })
            .or_none("any key"),
        client_certificate: client_certificate(section),
        post_quantum: section
            .read(Key {
                name: "post_quantum",
                about: "Whether to offer post-quantum key exchange. It makes the first packet \
                        larger, which a few old firewalls drop.",
                kind: kind::boolean(),
                example: "false",
            })
            .or_none_for(&true),
        crls: section
            .read(Key {
                name: "crl_file",
                about: "Certificate revocation lists (PEM) to check the chain against.",
                kind: kind::path().then(|path| crls(&path)),
                example: "/etc/posthaste/crl.pem",
            })
            .or_none("none"),
    }
}

/// Whether a version is left to speak under `merged` settings, of which
/// `section` is the uppermost layer.
pub(super) fn check_versions(section: &Section<'_>, merged: &Settings) {
    let min = merged.min_version.unwrap_or(OLDEST);
    let max = merged.max_version.unwrap_or(NEWEST);
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
    merged.system_roots.unwrap_or(SYSTEM_ROOTS)
        || some("ca_file", merged.trust_anchors.as_ref().map(Vec::len))
        || some("key_pins", merged.key_pins.as_ref().map(Vec::len))
}

fn trust_anchors(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let anchors = certificates(path)?;
    for (index, anchor) in anchors.iter().enumerate() {
        webpki::anchor_from_trusted_cert(anchor).map_err(|_| {
            let number = index + 1;
            names(path, &format!("whose certificate {number} is not valid"))
        })?;
    }
    Ok(anchors)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    items(path, MAX_CERTIFICATES_BYTES, "certificate")
}

fn crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let crls: Vec<CertificateRevocationListDer<'static>> =
        items(path, MAX_CRL_BYTES, "revocation list")?;
    for (index, crl) in crls.iter().enumerate() {
        webpki::BorrowedCertRevocationList::from_der(crl).map_err(|_| {
            let number = index + 1;
            names(path, &format!("whose list {number} is not valid"))
        })?;
    }
    Ok(crls)
}

fn client_certificate(section: &Section<'_>) -> Option<ClientCertificate> {
    const CERTIFICATE: &str = "client_certificate_file";
    const KEY: &str = "client_key_file";

    let chain = section
        .read(Key {
            name: CERTIFICATE,
            about: "What to show when the relay asks for a certificate: a PEM chain, the leaf \
                    first. Needs the key.",
            kind: kind::path().then(|path| certificates(&path)),
            example: "/etc/posthaste/client.pem",
        })
        .or_none("none");
    let key = section
        .read(Key {
            name: KEY,
            about: "The key of that leaf: PEM (PKCS #8, PKCS #1 or SEC 1) without a passphrase.",
            kind: kind::secret_path().then(|path| private_key(&path)),
            example: "/run/secrets/posthaste/client.key",
        })
        .or_none("none");
    section.needs(CERTIFICATE, KEY);
    section.needs(KEY, CERTIFICATE);
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

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = file::bytes(path, MAX_KEY_BYTES).map_err(|error| unreadable(path, &error))?;
    // Not the parser's own words: they may quote a line of the key.
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| names(path, "which holds no PEM private key without a passphrase"))
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
