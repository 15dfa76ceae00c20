//! What a cipher suite asks for beside itself, which its name says.

use rustls::{CipherSuite, ProtocolVersion, SignatureScheme};

/// What a suite asks for beside itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    name: &'static str,
    pub(super) needs_group: bool,
    pub(super) is_ephemeral: bool,
    pub(super) signs: bool,
    pub(super) shows_certificate: bool,
}

impl Exchange {
    pub(super) fn of(suite: CipherSuite) -> Self {
        // The names say how keys are exchanged.
        let name = suite.as_str().unwrap_or_default();
        Self {
            name,
            needs_group: is_of_13(suite) || name.contains("_ECDH"),
            is_ephemeral: name.contains("DHE_") || name.contains("_anon_"),
            signs: is_of_13(suite) || name.contains("DHE_RSA") || name.contains("DHE_ECDSA"),
            shows_certificate: !name.contains("_anon_") && !name.contains("_PSK_WITH"),
        }
    }

    /// Whether the key that the suite's name has can sign so.
    pub(super) fn goes_with(self, scheme: SignatureScheme) -> bool {
        let is_rsa = scheme.as_str().is_some_and(|it| it.starts_with("RSA"));
        if self.name.contains("ECDSA_WITH") {
            !is_rsa
        } else {
            is_rsa || !self.name.contains("RSA_WITH")
        }
    }
}

/// Whether a suite can be used in a version. Those with AEAD or a hash of its
/// own came with TLS 1.2 (RFC 5246 section 1.2).
pub(super) fn fits(suite: CipherSuite, version: ProtocolVersion) -> bool {
    let name = suite.as_str().unwrap_or_default();
    let is_new = ["GCM", "CCM", "POLY1305", "SHA256", "SHA384"]
        .iter()
        .any(|part| name.contains(part));
    match version {
        ProtocolVersion::TLSv1_3 => is_of_13(suite),
        ProtocolVersion::TLSv1_2 => !is_of_13(suite),
        _ => !is_new,
    }
}

/// Those of TLS 1.3 are 0x13.. (RFC 8446 appendix B.4).
pub(super) fn is_of_13(suite: CipherSuite) -> bool {
    u16::from(suite) >> 8 == 0x13
}
