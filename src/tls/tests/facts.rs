//! Facts about certificates, and anything in their place.

use proptest::prelude::*;
use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519, date_time_ymd};

use super::{certificate::describe, *};

#[test]
fn every_field_is_told() {
    let mut params = leaf_params(&["192.0.2.1", HOST, "2001:db8::1", "*.relay.test"]);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Zoo, Inc.");
    params.serial_number = Some(rcgen::SerialNumber::from(vec![0xab, 0x01]));
    params.not_before = date_time_ymd(2026, 1, 2);
    params.not_after = date_time_ymd(2027, 3, 4);
    let identity = Authority::new("Test Root").issue(&params, &[]);
    let facts = describe(&identity.chain[0]);

    assert_eq!(facts.subject, "O=Zoo\\, Inc.,CN=relay.test");
    assert_eq!(facts.issuer, "CN=Test Root");
    assert_eq!(facts.serial_number, "ab01");
    let days = |days: u64| UNIX_EPOCH + Duration::from_hours(days * 24);
    assert_eq!(facts.not_before, days(20_455));
    assert_eq!(facts.not_after, days(20_881));
    assert_eq!(
        facts.subject_alt_names,
        [HOST, "*.relay.test", "192.0.2.1", "2001:db8::1"]
    );
    assert_eq!(facts.sha256_fingerprint.len(), 64);
    assert_eq!(facts.signature_algorithm, "ecdsa-with-SHA256");
    assert_eq!(facts.public_key, "EC P-256");
    assert!(!facts.self_signed);
    assert!(facts.key_pin.parse::<KeyPin>().is_ok());
}

#[test]
fn keys_are_named() {
    for (algorithm, signature, key) in [
        (&PKCS_ED25519, "Ed25519", "Ed25519"),
        (&PKCS_ECDSA_P384_SHA384, "ecdsa-with-SHA384", "EC P-384"),
    ] {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let certificate = leaf_params(&[HOST]).self_signed(&pair).unwrap();
        let facts = describe(certificate.der());
        assert_eq!(facts.signature_algorithm, signature);
        assert_eq!(facts.public_key, key);
        assert!(facts.self_signed);
    }
    let facts = describe(&chain!("ca")[0]);
    assert_eq!(facts.signature_algorithm, "sha256WithRSAEncryption");
    assert_eq!(facts.public_key, "RSA 2048");
    assert_eq!(facts.subject, "CN=Test CA,O=Test");
}

#[test]
fn the_pin_and_the_fingerprint_are_those_of_openssl() {
    // openssl x509 -in ca.pem -pubkey -noout | openssl pkey -pubin -outform der
    //   | openssl dgst -sha256 -binary | base64
    let facts = describe(&chain!("ca")[0]);
    assert_eq!(
        facts.key_pin,
        "sha256/wrG5f6wGHF/mhOztwBFj94ppjE8prMiRU7wDHbqKs3Q="
    );
    assert_eq!(
        facts.sha256_fingerprint,
        "2e6c50d201858e4febc36bb4f6817be288044243fa9c5e2ca854d91475eb044b"
    );
}

fn assert_bounded(chain: Vec<CertificateDer<'static>>, error: rustls::Error, received: Vec<u8>) {
    let seen = super::witness::Seen {
        received,
        chain,
        ..Default::default()
    };
    let error = io::Error::new(io::ErrorKind::InvalidData, error);
    for mode in [TlsMode::Implicit, TlsMode::Starttls] {
        let error = io::Error::new(error.kind(), error.to_string());
        assert_failure(&connector(&Settings::default()).failure(error, &seen, mode, None));
    }
    assert_failure(&connector(&Settings::default()).failure(error, &seen, TlsMode::Implicit, None));
}

fn assert_failure(failure: &HandshakeError) {
    assert!(failure.summary.len() <= 400, "{}", failure.summary);
    assert!(failure.summary.is_ascii());
    assert!(failure.evidence.first_bytes.len() <= 64);
    assert!(failure.evidence.certificates.len() <= 3);
}

fn any_error() -> impl Strategy<Value = rustls::Error> {
    use rustls::{CertificateError as Bad, Error, OtherError};
    let host = ServerName::try_from(HOST).unwrap();
    let time = UnixTime::since_unix_epoch(Duration::MAX);
    let webpki = [
        webpki::Error::CaUsedAsEndEntity,
        webpki::Error::UnsupportedCertVersion,
        webpki::Error::UnsupportedCriticalExtension,
        webpki::Error::EndEntityUsedAsCa,
        webpki::Error::NameConstraintViolation,
        webpki::Error::BadDer,
    ];
    let webpki = webpki.map(|it| Bad::Other(OtherError(Arc::new(it))));
    let mut certificate = vec![
        Bad::BadEncoding,
        Bad::BadSignature,
        Bad::UnknownIssuer,
        Bad::Revoked,
        Bad::Expired,
        Bad::UnhandledCriticalExtension,
        Bad::ApplicationVerificationFailure,
        Bad::ExpiredContext {
            time,
            not_after: time,
        },
        Bad::NotValidYetContext {
            time,
            not_before: time,
        },
        Bad::NotValidForNameContext {
            expected: host,
            presented: vec![],
        },
        Bad::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![],
            supported_algorithms: vec![],
        },
    ];
    certificate.extend(webpki);
    let mut errors: Vec<_> = certificate
        .into_iter()
        .map(Error::InvalidCertificate)
        .collect();
    errors.extend([
        Error::DecryptError,
        Error::NoCertificatesPresented,
        Error::General("x".repeat(1_000)),
        rustls::PeerMisbehaved::SelectedUnofferedCipherSuite.into(),
        rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13.into(),
    ]);
    let alerts = any::<u8>().prop_map(|code| Error::AlertReceived(code.into()));
    prop_oneof![proptest::sample::select(errors), alerts]
}

/// Real certificates with a few bytes changed come further than noise.
fn any_certificate() -> impl Strategy<Value = CertificateDer<'static>> {
    let real = [
        chain!("ca"),
        chain!("sha1"),
        chain!("v1"),
        chain!("self-signed-sha1"),
        chain!("rsa1024-issuer"),
    ];
    let real = proptest::sample::select(real.concat());
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6);
    let nearly_real = (real, changes).prop_map(|(der, changes)| {
        let mut der = der.to_vec();
        for (index, byte) in changes {
            let index = index.index(der.len());
            der[index] = byte;
        }
        CertificateDer::from(der)
    });
    let noise = any::<Vec<u8>>().prop_map(CertificateDer::from);
    prop_oneof![4 => nearly_real, 1 => noise]
}

proptest! {
    #[test]
    fn whatever_is_presented_is_described(der in any_certificate()) {
        let facts = describe(&der);
        prop_assert_eq!(facts.sha256_fingerprint.len(), 64);
    }

    #[test]
    fn whatever_happens_is_told_in_bounds(
        chain in proptest::collection::vec(any_certificate(), 0..5),
        error in any_error(),
        received: Vec<u8>,
    ) {
        assert_bounded(chain, error, received);
    }
}
