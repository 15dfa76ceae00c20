//! All that a relay may take, whether posthaste does or not: numbers of cipher
//! suites, groups and signature schemes, and the names that rustls lacks.

use rustls::{CipherSuite, NamedGroup, SignatureScheme};

use crate::tls::offer;

/// Up to TLS 1.2: with ephemeral keys first, those without a certificate last.
pub(super) const SUITES: &[u16] = &[
    // ECDHE.
    0xc02c, 0xc030, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc0ad, 0xc0ac, 0xc0af, 0xc0ae, 0xc024, 0xc028,
    0xc023, 0xc027, 0xc00a, 0xc014, 0xc009, 0xc013, 0xc073, 0xc077, 0xc072, 0xc076, 0xc05d, 0xc061,
    0xc05c, 0xc060, 0xc008, 0xc012, 0xc007, 0xc011, 0xc006, 0xc010, //
    // DHE.
    0x009f, 0x009e, 0xccaa, 0xc09f, 0xc09e, 0xc0a3, 0xc0a2, 0x006b, 0x0067, 0x0039, 0x0033, 0x00a3,
    0x00a2, 0x006a, 0x0040, 0x0038, 0x0032, 0x0088, 0x0045, 0x00c4, 0x00be, 0x0016, 0x0013, 0x0015,
    0xc053, 0xc052, //
    // RSA key exchange.
    0x009d, 0x009c, 0xc09d, 0xc09c, 0xc0a1, 0xc0a0, 0x003d, 0x003c, 0x0035, 0x002f, 0x0084, 0x0041,
    0x00c0, 0x00ba, 0xc051, 0xc050, 0x0096, 0x0007, 0x000a, 0x0005, 0x0004, 0x0009, 0x0003, 0x0006,
    0x0008, 0x003b, 0x0002, 0x0001, //
    // ECDH with the certificate's own key.
    0xc02e, 0xc032, 0xc02d, 0xc031, 0xc005, 0xc00f, 0xc004, 0xc00e, //
    // Pre-shared keys.
    0xd002, 0xd001, 0xccac, 0xc038, 0xc037, 0xc036, 0xc035, 0x00ab, 0x00aa, 0xccad, 0x00b3, 0x00b2,
    0x0091, 0x0090, 0x00ad, 0x00ac, 0xccae, 0x0095, 0x0094, 0x00a9, 0x00a8, 0xccab, 0xc0a5, 0xc0a4,
    0x00af, 0x00ae, 0x008d, 0x008c, 0x008b, //
    // Nobody's key.
    0x00a7, 0x00a6, 0x006d, 0x006c, 0x003a, 0x0034, 0x001b, 0x0018, 0xc019, 0xc018, 0xc017, 0xc016,
];

/// Of TLS 1.3 (RFC 8446 appendix B.4), and those of RFC 8998.
pub(super) const SUITES_13: &[u16] = &[0x1302, 0x1301, 0x1303, 0x1304, 0x1305, 0x00c6, 0x00c7];

/// Without those that withstand quantum computers, which are none of TLS 1.2.
pub(super) const GROUPS: &[u16] = &[
    0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x001a, 0x001b, 0x001c, 0x0016, 0x0015, 0x0013, 0x000e,
    0x000d, 0x000b, 0x000c, 0x0009, 0x000a, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104,
];

/// Of TLS 1.3 alone: hybrids, ML-KEM, Brainpool of RFC 8734, SM2.
pub(super) const GROUPS_13: &[u16] = &[
    0x11ec, 0x11eb, 0x11ed, 0x0200, 0x0201, 0x0202, 0x001f, 0x0020, 0x0021, 0x0029,
];

/// For signatures.
pub(super) const SCHEMES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0808, 0x0809,
    0x080a, 0x080b, 0x081a, 0x081b, 0x081c, 0x0904, 0x0905, 0x0906, 0x0708, 0x0303, 0x0301, 0x0203,
    0x0201, 0x0402, 0x0202,
];

/// Of Ed448 keys.
pub(super) const ED448: &[u16] = &[0x0808];
/// Of RSA keys that are for RSA-PSS only (RFC 8446 section 4.2.3).
pub(super) const RSA_PSS: &[u16] = &[0x0809, 0x080a, 0x080b];

/// Those that have an old relay's only suites, before TLS had extensions.
pub(super) const OLD_SUITES: &[u16] = &[
    0x0035, 0x002f, 0x0039, 0x0033, 0x0038, 0x0032, 0x0016, 0x0013, 0x000a, 0x0005, 0x0004, 0x0009,
    0x0015, 0x0003, 0x0006, 0x0008, // The signal that renegotiation is safe (RFC 5746).
    0x00ff,
];

/// The IANA name of a suite.
pub(super) fn suite_name(number: u16) -> String {
    let name = match number {
        0x00c6 => "TLS_SM4_GCM_SM3",
        0x00c7 => "TLS_SM4_CCM_SM3",
        0xd001 => "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
        0xd002 => "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384",
        _ => return offer::suite_name(CipherSuite::from(number)),
    };
    name.to_owned()
}

/// The IANA name of a group.
pub(super) fn group_name(number: u16) -> String {
    let name = match number {
        0x0009 => "sect283k1",
        0x000a => "sect283r1",
        0x000b => "sect409k1",
        0x000c => "sect409r1",
        0x000d => "sect571k1",
        0x000e => "sect571r1",
        0x0013 => "secp192r1",
        0x0015 => "secp224r1",
        0x0016 => "secp256k1",
        0x001a => "brainpoolP256r1",
        0x001b => "brainpoolP384r1",
        0x001c => "brainpoolP512r1",
        0x001f => "brainpoolP256r1tls13",
        0x0020 => "brainpoolP384r1tls13",
        0x0021 => "brainpoolP512r1tls13",
        0x0029 => "curveSM2",
        0x11ed => "SecP384r1MLKEM1024",
        _ => return offer::group_name(NamedGroup::from(number)),
    };
    name.to_owned()
}

/// The IANA name of a signature scheme.
pub(super) fn scheme_name(number: u16) -> String {
    let name = match number {
        0x0202 => "dsa_sha1",
        0x0301 => "rsa_pkcs1_sha224",
        0x0303 => "ecdsa_sha224",
        0x0402 => "dsa_sha256",
        0x0708 => "sm2sig_sm3",
        0x0809 => "rsa_pss_pss_sha256",
        0x080a => "rsa_pss_pss_sha384",
        0x080b => "rsa_pss_pss_sha512",
        0x081a => "ecdsa_brainpoolP256r1tls13_sha256",
        0x081b => "ecdsa_brainpoolP384r1tls13_sha384",
        0x081c => "ecdsa_brainpoolP512r1tls13_sha512",
        _ => return offer::scheme_name(SignatureScheme::from(number)),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_twice_and_everything_has_a_name() {
        let names = |numbers: &[u16], name: fn(u16) -> String| {
            let mut names: Vec<_> = numbers.iter().map(|it| name(*it)).collect();
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all);
            names
        };
        let suites = names(&[SUITES, SUITES_13].concat(), suite_name);
        let groups = names(&[GROUPS, GROUPS_13].concat(), group_name);
        let schemes = names(SCHEMES, scheme_name);
        let nameless: Vec<_> = [suites, groups, schemes]
            .concat()
            .into_iter()
            .filter(|name| name.starts_with("0x"))
            .collect();
        assert_eq!(nameless, [""; 0]);
    }
}
