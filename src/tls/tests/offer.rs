//! What a `ClientHello` says, read off the wire.

use rustls::server::Acceptor;

use super::*;
use crate::report::TlsVersion;

/// The `ClientHello` that goes out under `settings`, and what is reported of it.
async fn hello(settings: &Settings) -> (Vec<u8>, TlsOfferSeen, crate::report::TlsOffer) {
    let (client, mut io) = duplex(1 << 16);
    let server = tokio::spawn(async move { read_hello(&mut io).await });
    let error = refused(settings, client).await;
    let record = server.await.unwrap();

    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut &record[..]).unwrap();
    let accepted = acceptor.accept().unwrap().unwrap();
    let hello = accepted.client_hello();
    let seen = TlsOfferSeen {
        server_name: hello.server_name().map(str::to_owned),
        suites: hello
            .cipher_suites()
            .iter()
            // Not a suite but a signal (RFC 5746).
            .filter(|it| **it != rustls::CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV)
            .map(|it| super::super::offer::suite_name(*it))
            .collect(),
        groups: hello
            .named_groups()
            .unwrap()
            .iter()
            .map(|it| super::super::offer::group_name(*it))
            .collect(),
        schemes: hello.signature_schemes().len(),
        alpn: hello.alpn().is_some(),
    };
    (record, seen, error.evidence.offered)
}

struct TlsOfferSeen {
    server_name: Option<String>,
    suites: Vec<String>,
    groups: Vec<String>,
    schemes: usize,
    alpn: bool,
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

/// The body of supported_versions for both versions, and for one.
const BOTH: &[u8] = &[0, 43, 0, 5, 4, 3, 4, 3, 3];
const ONLY_13: &[u8] = &[0, 43, 0, 3, 2, 3, 4];
const ONLY_12: &[u8] = &[0, 43, 0, 3, 2, 3, 3];

#[tokio::test]
async fn the_report_says_what_is_on_the_wire() {
    for (min, max, versions, on_wire) in [
        (None, None, vec![TlsVersion::Tls12, TlsVersion::Tls13], BOTH),
        (Some(Version::Tls13), None, vec![TlsVersion::Tls13], ONLY_13),
        (None, Some(Version::Tls12), vec![TlsVersion::Tls12], ONLY_12),
    ] {
        let settings = Settings {
            min_version: min,
            max_version: max,
            ..Settings::default()
        };
        let (record, seen, told) = hello(&settings).await;
        assert!(contains(&record, on_wire), "{min:?} {max:?}");
        assert_eq!(told.versions, versions);
        assert_eq!(told.cipher_suites, seen.suites);
        assert_eq!(told.key_exchange_groups, seen.groups);
        assert_eq!(told.signature_schemes.len(), seen.schemes);
        assert_eq!(usize::try_from(told.hello_bytes).unwrap(), record.len());
        assert_eq!(seen.server_name.as_deref(), Some(HOST));
        assert!(!seen.alpn);
    }
}

#[tokio::test]
async fn the_names_are_those_of_iana() {
    let (_, _, told) = hello(&Settings::default()).await;
    assert_eq!(told.cipher_suites[0], "TLS_AES_256_GCM_SHA384");
    assert_eq!(
        told.key_exchange_groups,
        ["X25519MLKEM768", "x25519", "secp256r1", "secp384r1"]
    );
    assert!(
        told.signature_schemes
            .contains(&"ecdsa_secp521r1_sha512".to_owned())
    );
    assert!(told.hello_bytes > 1_200);
}

#[tokio::test]
async fn without_post_quantum_groups_the_hello_is_small() {
    let settings = Settings {
        post_quantum: Some(false),
        ..Settings::default()
    };
    let (_, seen, told) = hello(&settings).await;
    assert_eq!(seen.groups, ["x25519", "secp256r1", "secp384r1"]);
    assert!(told.hello_bytes < 512, "{}", told.hello_bytes);
}

#[tokio::test]
async fn another_server_name_is_sent_and_addresses_are_not() {
    let mut settings = Settings {
        server_name: Some(ServerName::try_from("mx.example").unwrap()),
        ..Settings::default()
    };
    let (_, seen, _) = hello(&settings).await;
    assert_eq!(seen.server_name.as_deref(), Some("mx.example"));

    settings.server_name = Some(ServerName::try_from("192.0.2.1").unwrap());
    let (_, seen, _) = hello(&settings).await;
    assert_eq!(seen.server_name, None);
}
