//! Channel bindings: what both ends of one TLS connection know, and nobody
//! else's connection has (RFC 5056). Knows nothing of what is bound to it.

use aws_lc_rs::digest::{self, SHA224, SHA256, SHA384, SHA512};
use rustls::{ClientConnection, ProtocolVersion};
use x509_parser::signature_algorithm::SignatureAlgorithm;

use super::certificate;

/// What tells a TLS connection from every other one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelBinding {
    /// The registered name of its type.
    pub name: &'static str,
    /// The octets.
    pub data: Vec<u8>,
}

impl ChannelBinding {
    /// `tls-exporter` in TLS 1.3 (RFC 9266), `tls-server-end-point` in TLS 1.2
    /// (RFC 5929 section 4): the exporter of TLS 1.2 is unique only with an
    /// extension that not every server has, and `tls-unique` is not to be had.
    pub(super) fn of(connection: &ClientConnection) -> Option<Self> {
        if connection.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
            let label = b"EXPORTER-Channel-Binding";
            let data = connection.export_keying_material([0; 32], label, Some(b""));
            return Some(Self {
                name: "tls-exporter",
                data: data.ok()?.to_vec(),
            });
        }
        Some(Self {
            name: "tls-server-end-point",
            data: end_point(connection.peer_certificates()?.first()?)?,
        })
    }
}

/// The certificate's hash, by the algorithm that it is signed with. `None`
/// where the RFC defines none.
pub(super) fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = certificate::parse(der)?;
    let signed = &certificate.signature_algorithm;
    let pss = SignatureAlgorithm::try_from(signed);
    let oid = match &pss {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => parameters.hash_algorithm_oid(),
        _ => &signed.algorithm,
    };
    let algorithm = match oid.to_id_string().as_str() {
        // With RSA, with ECDSA, and the hash by itself, MD5 and SHA-1 first,
        // which SHA-256 stands in for.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.3.14.3.2.29"
        | "1.2.840.10045.4.1"
        | "1.3.14.3.2.26"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2"
        | "2.16.840.1.101.3.4.2.1" => &SHA256,
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.2.4" => &SHA224,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => &SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => &SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, der).as_ref().to_vec())
}
