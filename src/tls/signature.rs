//! Signatures on certificates, one by one, to tell which of a chain is wrong.
//! Decides nothing about trust: `verify` does.

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, UnparsedPublicKey,
};
use x509_parser::{
    asn1_rs::{Oid, Tag},
    certificate::X509Certificate,
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo},
};

use super::{algorithm::rsa_bits, policy};

/// The smallest RSA key whose signatures are taken, in bits.
pub(super) const RSA_BITS: usize = 2_048;

/// The largest, as aws-lc has it.
const MOST_RSA_BITS: usize = 8_192;

/// What became of checking a signature. The better, the smaller.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Signature {
    /// It was made with the key.
    Right,
    /// It is of a kind that cannot be checked here.
    Unchecked,
    /// It was not made with the key, or not for this certificate.
    Wrong,
}

/// Whether `certificate` is signed with `key`. What is too weak to trust is
/// still told for what it is.
pub(super) fn check(
    certificate: &X509Certificate<'_>,
    key: &SubjectPublicKeyInfo<'_>,
) -> Signature {
    let bits: &[u8] = &key.subject_public_key.data;
    let message: &[u8] = certificate.tbs_certificate.as_ref();
    let signature: &[u8] = &certificate.signature_value.data;

    let legacy = || {
        [
            &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        ]
        .into_iter()
        .any(|it| {
            UnparsedPublicKey::new(it, bits)
                .verify(message, signature)
                .is_ok()
        })
    };
    let mut fitting = policy::provider()
        .signature_verification_algorithms
        .all
        .iter()
        .filter(|it| {
            begins(&it.signature_alg_id(), &certificate.signature_algorithm)
                && begins(&it.public_key_alg_id(), &key.algorithm)
        })
        .peekable();
    let is_weak = rsa_bits(key).is_some_and(|bits| bits < RSA_BITS);
    let can_tell = fitting.peek().is_some() && !is_weak && is_supported_key(key);
    if fitting.any(|it| it.verify_signature(bits, message, signature).is_ok()) || legacy() {
        Signature::Right
    } else if can_tell {
        Signature::Wrong
    } else {
        Signature::Unchecked
    }
}

/// Whether signatures of this algorithm can be checked, with the right key.
pub(super) fn is_supported(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    let all = policy::provider().signature_verification_algorithms.all;
    all.iter()
        .any(|it| begins(&it.signature_alg_id(), algorithm))
}

/// Whether signatures of this key can be checked, if it is not too short.
pub(super) fn is_supported_key(key: &SubjectPublicKeyInfo<'_>) -> bool {
    let all = policy::provider().signature_verification_algorithms.all;
    all.iter()
        .any(|it| begins(&it.public_key_alg_id(), &key.algorithm))
        && rsa_bits(key).is_none_or(|bits| bits <= MOST_RSA_BITS)
}

/// Whether `identifier`, the content of an AlgorithmIdentifier in DER, is of
/// `algorithm` and, where its parameter is a number, of that one.
fn begins(identifier: &[u8], algorithm: &AlgorithmIdentifier<'_>) -> bool {
    let parameter = algorithm
        .parameters
        .as_ref()
        .filter(|it| it.tag() == Tag::Oid)
        .and_then(|it| it.as_oid().ok());
    strip(identifier, &algorithm.algorithm)
        .is_some_and(|rest| parameter.is_none_or(|it| strip(rest, &it).is_some()))
}

/// What comes behind an OID in DER. Those of algorithms are short.
fn strip<'a>(der: &'a [u8], oid: &Oid<'_>) -> Option<&'a [u8]> {
    let length = u8::try_from(oid.as_bytes().len()).ok()?;
    der.strip_prefix(&[6, length])?.strip_prefix(oid.as_bytes())
}
