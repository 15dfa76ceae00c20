//! What the library minds about a certificate or a revocation list, in words.
//! It tells that in the names of its own code.

use rustls::CertRevocationListError;

/// What is wrong with a certificate that cannot be taken for one, of "it".
pub(super) fn malformation(error: &webpki::Error) -> String {
    use webpki::Error;

    match error {
        Error::SignatureAlgorithmMismatch => {
            "it names one algorithm as that of its signature, and is signed with another".into()
        }
        Error::ExtensionValueInvalid => {
            "one of its extensions has a value that it cannot have".into()
        }
        Error::MalformedExtensions => "its extensions cannot be read".into(),
        Error::InvalidCertValidity => "it ends before it begins".into(),
        Error::InvalidSerialNumber => "its serial number is none".into(),
        Error::MalformedDnsIdentifier => "one of its names is no host name".into(),
        Error::UnsupportedNameType => "one of its names is of a kind that is not known".into(),
        Error::MalformedNameConstraint => "one of its name constraints cannot be read".into(),
        Error::InvalidNetworkMaskConstraint => {
            "one of its name constraints has a network mask that is none".into()
        }
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) => "it cannot be read".into(),
        other => spaced(other),
    }
}

/// Why a revocation list is of no use, of "it".
pub(super) fn useless_list(error: &CertRevocationListError) -> String {
    use CertRevocationListError as List;

    match error {
        List::BadSignature => "its signature is not its issuer's".into(),
        List::UnsupportedSignatureAlgorithmContext { .. }
        | List::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed in a way that is not supported".into()
        }
        List::IssuerInvalidForCrl => "its issuer is not one that may sign lists".into(),
        List::ParseError => "it cannot be read".into(),
        List::InvalidCrlNumber => "its number is none".into(),
        List::InvalidRevokedCertSerialNumber => "one of its serial numbers is none".into(),
        List::UnsupportedCrlVersion => "it is not of version 2".into(),
        List::UnsupportedCriticalExtension => {
            "it has a critical extension that is not known".into()
        }
        List::UnsupportedDeltaCrl => "it has only what changed since another list".into(),
        List::UnsupportedIndirectCrl => "it is about certificates of other issuers too".into(),
        List::UnsupportedRevocationReason => "one of its reasons is not known".into(),
        List::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(error) => malformation(error),
            None => "it cannot be used".into(),
        },
        other => spaced(other),
    }
}

/// A name of the library's as words: `MissingKeyShare` is "missing key share".
/// What belongs to it is left out.
pub(super) fn spaced(name: impl std::fmt::Debug) -> String {
    let name = format!("{name:?}");
    let end = name.find(|c: char| !c.is_ascii_alphanumeric());
    let mut words = String::new();
    let mut before = ' ';
    for c in name[..end.unwrap_or(name.len())].chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use webpki::{DerTypeId, Error};

    use super::*;

    /// Whether the words are the library's own.
    fn is_code(words: &str) -> bool {
        let capitals = |word: &str| word.chars().skip(1).any(|c| c.is_ascii_uppercase());
        words.split(' ').any(capitals) || words.contains(['(', '{', '"'])
    }

    #[test]
    fn no_name_of_code_is_told() {
        for error in [
            Error::SignatureAlgorithmMismatch,
            Error::ExtensionValueInvalid,
            Error::MalformedExtensions,
            Error::InvalidCertValidity,
            Error::TrailingData(DerTypeId::Certificate),
            Error::UnsupportedRevocationReasonsPartitioning,
            Error::CertDistrusted,
        ] {
            let told = malformation(&error);
            assert!(!told.is_empty() && !is_code(&told), "{told}");
        }
        for error in [
            CertRevocationListError::BadSignature,
            CertRevocationListError::IssuerInvalidForCrl,
            CertRevocationListError::UnsupportedDeltaCrl,
            CertRevocationListError::Other(rustls::OtherError(std::sync::Arc::new(
                std::io::Error::other("An Error"),
            ))),
        ] {
            let told = useless_list(&error);
            assert!(!told.is_empty() && !is_code(&told), "{told}");
        }
        assert_eq!(spaced(Error::CertDistrusted), "cert distrusted");
    }
}
