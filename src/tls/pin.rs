//! Pins of public keys.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::mail::{Broken, Rule};

const PREFIX: &str = "sha256/";

/// SHA-256 over a SubjectPublicKeyInfo. Written as `sha256/` and 44
/// characters of base64.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct KeyPin([u8; 32]);

impl KeyPin {
    /// The pin of the key whose SubjectPublicKeyInfo is `spki`, in DER.
    pub(super) fn of(spki: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, spki).as_ref());
        Self(hash)
    }
}

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64_STANDARD.encode(self.0))
    }
}

impl FromStr for KeyPin {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Broken> {
        let hash = text
            .strip_prefix(PREFIX)
            .filter(|base64| base64.len() == 44)
            .and_then(|base64| BASE64_STANDARD.decode(base64).ok())
            .and_then(|hash| <[u8; 32]>::try_from(hash).ok());
        hash.map(Self).ok_or_else(|| {
            Broken::new(
                Rule::Syntax,
                "must be `sha256/` and the base64 of 32 bytes, which is 44 characters",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIN: &str = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn the_pin_is_the_hash_of_the_key() {
        assert_eq!(KeyPin::of(b"").to_string(), PIN);
        assert_eq!(PIN.parse(), Ok(KeyPin::of(b"")));
    }

    #[test]
    fn nothing_else_is_a_pin() {
        for text in [
            "",
            "sha256/",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha1/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "SHA256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "sha256/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4",
            "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            let broken = text.parse::<KeyPin>().unwrap_err();
            assert_eq!(broken.rule, Rule::Syntax, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(hash: [u8; 32]) {
            let pin = KeyPin(hash);
            prop_assert_eq!(pin.to_string().parse(), Ok(pin));
        }
    }
}
