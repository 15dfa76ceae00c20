//! Names of signature algorithms and keys in certificates.

use x509_parser::{asn1_rs::Oid, public_key::PublicKey, x509::SubjectPublicKeyInfo};

/// The name of a signature algorithm, such as `ecdsa-with-SHA256`; else its
/// number.
pub(super) fn signature_name(oid: &Oid<'_>) -> String {
    let number = oid.to_id_string();
    let name = match number.as_str() {
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10040.4.3" => "dsa-with-SHA1",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        _ => return number,
    };
    name.to_owned()
}

/// Whether signatures of this algorithm can be forged, or nearly.
pub(super) fn is_weak_signature(oid: &Oid<'_>) -> bool {
    let name = signature_name(oid);
    ["md2", "md5", "sha1"]
        .iter()
        .any(|hash| name.starts_with(hash))
        || name.ends_with("-SHA1")
}

/// The name of a key, such as `RSA 2048` or `EC P-256`.
pub(super) fn key_name(key: &SubjectPublicKeyInfo<'_>) -> String {
    if let Some(bits) = rsa_bits(key) {
        return format!("RSA {bits}");
    }
    let number = key.algorithm.algorithm.to_id_string();
    let name = match number.as_str() {
        "1.2.840.10045.2.1" => return format!("EC {}", curve(key)),
        "1.2.840.113549.1.1.1" => "RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.10040.4.1" => "DSA",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        _ => return number,
    };
    name.to_owned()
}

/// The size of an RSA key in bits.
pub(super) fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
    let Ok(PublicKey::RSA(rsa)) = key.parsed() else {
        return None;
    };
    let first = rsa.modulus.iter().position(|byte| *byte != 0)?;
    let modulus = &rsa.modulus[first..];
    Some(modulus.len() * 8 - modulus[0].leading_zeros() as usize)
}

fn curve(key: &SubjectPublicKeyInfo<'_>) -> String {
    let parameters = key.algorithm.parameters.as_ref();
    let number = parameters
        .and_then(|it| it.as_oid().ok())
        .map(|oid| oid.to_id_string())
        .unwrap_or_default();
    let name = match number.as_str() {
        "" => "with explicit parameters",
        "1.3.132.0.33" => "P-224",
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
        _ => return number,
    };
    name.to_owned()
}
