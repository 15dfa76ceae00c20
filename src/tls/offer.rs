//! What our `ClientHello` offers, read off the configuration in use, under the
//! names that IANA gives.

use rustls::{CipherSuite, NamedGroup, SignatureScheme, client::danger::ServerCertVerifier as _};

use super::policy::Policy;
use crate::report::TlsOffer;

/// What a `ClientHello` under `policy` offers. Its size is known once it is sent.
pub(super) fn offer(policy: &Policy) -> TlsOffer {
    let provider = policy.config.crypto_provider();
    let protocols: Vec<_> = policy.versions.iter().map(|it| it.protocol()).collect();
    TlsOffer {
        versions: policy.versions.iter().map(|it| (*it).into()).collect(),
        cipher_suites: provider
            .cipher_suites
            .iter()
            .map(|suite| suite_name(suite.suite()))
            .collect(),
        key_exchange_groups: provider
            .kx_groups
            .iter()
            .filter(|group| {
                protocols
                    .iter()
                    .any(|it| group.usable_for_version(it.version))
            })
            .map(|group| group_name(group.name()))
            .collect(),
        signature_schemes: policy
            .verifier
            .supported_verify_schemes()
            .into_iter()
            .map(scheme_name)
            .collect(),
        hello_bytes: 0,
    }
}

/// The IANA name of a suite, such as `TLS_AES_256_GCM_SHA384`.
pub(super) fn suite_name(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{:04x}", u16::from(suite)),
    }
}

/// The IANA name of a group, such as `x25519`.
pub(super) fn group_name(group: NamedGroup) -> String {
    match (group, group.as_str()) {
        (NamedGroup::X25519 | NamedGroup::X448, Some(name)) => name.to_ascii_lowercase(),
        (NamedGroup::secp256r1MLKEM768, _) => "SecP256r1MLKEM768".to_owned(),
        (_, Some(name)) if name.starts_with("FFDHE") => name.to_ascii_lowercase(),
        (_, Some(name)) => name.to_owned(),
        (_, None) => format!("0x{:04x}", u16::from(group)),
    }
}

/// The IANA name of a signature scheme, such as `ecdsa_secp256r1_sha256`.
pub(super) fn scheme_name(scheme: SignatureScheme) -> String {
    let name = match scheme {
        SignatureScheme::RSA_PKCS1_SHA1 => "rsa_pkcs1_sha1",
        SignatureScheme::ECDSA_SHA1_Legacy => "ecdsa_sha1",
        SignatureScheme::RSA_PKCS1_SHA256 => "rsa_pkcs1_sha256",
        SignatureScheme::RSA_PKCS1_SHA384 => "rsa_pkcs1_sha384",
        SignatureScheme::RSA_PKCS1_SHA512 => "rsa_pkcs1_sha512",
        SignatureScheme::ECDSA_NISTP256_SHA256 => "ecdsa_secp256r1_sha256",
        SignatureScheme::ECDSA_NISTP384_SHA384 => "ecdsa_secp384r1_sha384",
        SignatureScheme::ECDSA_NISTP521_SHA512 => "ecdsa_secp521r1_sha512",
        SignatureScheme::RSA_PSS_SHA256 => "rsa_pss_rsae_sha256",
        SignatureScheme::RSA_PSS_SHA384 => "rsa_pss_rsae_sha384",
        SignatureScheme::RSA_PSS_SHA512 => "rsa_pss_rsae_sha512",
        SignatureScheme::ED25519 => "ed25519",
        SignatureScheme::ED448 => "ed448",
        SignatureScheme::ML_DSA_44 => "mldsa44",
        SignatureScheme::ML_DSA_65 => "mldsa65",
        SignatureScheme::ML_DSA_87 => "mldsa87",
        other => return format!("0x{:04x}", u16::from(other)),
    };
    name.to_owned()
}
