//! Certificates that rcgen would not make: taken apart, changed, and signed
//! again by their CA.

use rcgen::SigningKey as _;
use rustls_pki_types::CertificateDer;

use super::{
    ca::{Ca, Identity, made},
    der,
};

/// What is odd about a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Oddity {
    /// X.509 version 1, without extensions.
    Version1,
    /// Its signature says of itself that it is ecdsa-with-SHA1. It is not one:
    /// who would verify it is told of a bad signature.
    Sha1,
    /// The same with ecdsa-with-SHA224.
    Sha224,
    /// An RSA key of 1024 bits. There is no private key to it, so that a
    /// handshake cannot get beyond it.
    Rsa1024,
    /// Its signature was damaged.
    Signature,
    /// Its second half is missing.
    Truncated,
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const NULL: [u8; 2] = [0x05, 0x00];
/// `[0]`, the version in a TBSCertificate (RFC 5280 section 4.1).
const VERSION: u8 = 0xa0;
/// `[3]`, its extensions.
const EXTENSIONS: u8 = 0xa3;
const ECDSA_SHA1: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
const ECDSA_SHA224: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01];
const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
];

impl Ca {
    /// A certificate that this CA issued, made odd.
    pub fn spoil(&self, identity: &Identity, oddity: Oddity) -> Identity {
        let mut chain = identity.chain().to_vec();
        chain[0] = self.spoiled(&chain[0], oddity);
        identity.with_chain(chain)
    }

    fn spoiled(&self, certificate: &[u8], oddity: Oddity) -> CertificateDer<'static> {
        let mut whole = der::elements(der::contents(certificate));
        match oddity {
            Oddity::Truncated => return certificate[..certificate.len() / 2].to_vec().into(),
            Oddity::Signature => {
                // The last octet of an integer, so that it stays well-formed.
                if let Some(octet) = whole[2].last_mut() {
                    *octet ^= 1;
                }
                return der::element(SEQUENCE, &whole.concat()).into();
            }
            Oddity::Sha1 => whole[1] = der::element(SEQUENCE, ECDSA_SHA1),
            Oddity::Sha224 => whole[1] = der::element(SEQUENCE, ECDSA_SHA224),
            Oddity::Version1 | Oddity::Rsa1024 => {}
        }
        let mut fields = der::elements(der::contents(&whole[0]));
        // The version is first, and the algorithm behind the serial number;
        // the public key is second to last.
        fields[2].clone_from(&whole[1]);
        match oddity {
            Oddity::Version1 => fields.retain(|field| ![VERSION, EXTENSIONS].contains(&field[0])),
            Oddity::Rsa1024 => {
                let key = fields.len() - 2;
                fields[key] = small_key();
            }
            _ => {}
        }
        whole[0] = der::element(SEQUENCE, &fields.concat());
        let signature = made(self.key().sign(&whole[0]));
        whole[2] = der::element(BIT_STRING, &[&[0], &signature[..]].concat());
        der::element(SEQUENCE, &whole.concat()).into()
    }
}

/// A SubjectPublicKeyInfo (RFC 3279 section 2.3.1) whose modulus is an odd
/// number of 1024 bits that nobody knows the factors of.
fn small_key() -> Vec<u8> {
    let mut modulus = vec![0];
    modulus.extend((0..8).flat_map(|_| *uuid::Uuid::new_v4().as_bytes()));
    modulus[1] |= 0x80;
    modulus[128] |= 1;
    let exponent = [INTEGER, 3, 1, 0, 1];
    let numbers = [der::element(INTEGER, &modulus), exponent.to_vec()].concat();
    let key = [&[0], &der::element(SEQUENCE, &numbers)[..]].concat();
    let algorithm = der::element(SEQUENCE, &[RSA, &NULL].concat());
    let info = [algorithm, der::element(BIT_STRING, &key)].concat();
    der::element(SEQUENCE, &info)
}

#[cfg(test)]
mod tests {
    use x509_parser::{parse_x509_certificate, public_key::PublicKey};

    use super::*;

    #[test]
    fn each_is_odd_in_one_way_and_in_order_otherwise() {
        let ca = Ca::new("Test CA");
        let good = ca.server("localhost");
        let odd = |oddity| ca.spoil(&good, oddity).chain()[0].to_vec();

        let der = odd(Oddity::Version1);
        let (_, it) = parse_x509_certificate(&der).unwrap();
        assert_eq!((it.version().0, it.extensions().len()), (0, 0));
        let der = odd(Oddity::Rsa1024);
        let (_, it) = parse_x509_certificate(&der).unwrap();
        let key = it.public_key().parsed().unwrap();
        assert!(matches!(key, PublicKey::RSA(_)) && key.key_size() == 1024);
        for (oddity, oid) in [
            (Oddity::Sha1, "1.2.840.10045.4.1"),
            (Oddity::Sha224, "1.2.840.10045.4.3.1"),
        ] {
            let der = odd(oddity);
            let (_, it) = parse_x509_certificate(&der).unwrap();
            assert_eq!(it.signature_algorithm.algorithm.to_id_string(), oid);
            assert_eq!(it.tbs_certificate.signature, it.signature_algorithm);
        }
        let der = odd(Oddity::Signature);
        let (_, it) = parse_x509_certificate(&der).unwrap();
        let (_, was) = parse_x509_certificate(&good.chain()[0]).unwrap();
        assert_eq!(it.tbs_certificate, was.tbs_certificate);
        assert_ne!(it.signature_value, was.signature_value);
        assert!(parse_x509_certificate(&odd(Oddity::Truncated)).is_err());
    }
}
