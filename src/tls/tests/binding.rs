//! Both ends of a connection know the same, and those of another one do not.

use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm};
use tokio_rustls::server;

use super::*;

/// A connection, both of its ends.
async fn both(
    identity: &Identity,
    version: &'static SupportedProtocolVersion,
) -> (Client, server::TlsStream<DuplexStream>) {
    let (io, theirs) = duplex(1 << 16);
    let acceptor = TlsAcceptor::from(server(identity, &[version]));
    let pin = certificate::describe(&identity.chain[0]).key_pin;
    let settings = Settings {
        key_pins: Some(vec![pin.parse().unwrap()]),
        ..trusting(&[])
    };
    let (client, relay) = tokio::join!(implicit(&settings, io), acceptor.accept(theirs));
    (client.unwrap().0, relay.unwrap())
}

fn signed_by(algorithm: &'static SignatureAlgorithm) -> Identity {
    let key = KeyPair::generate_for(algorithm).unwrap();
    Identity {
        chain: vec![
            leaf_params(&[HOST])
                .self_signed(&key)
                .unwrap()
                .der()
                .clone(),
        ],
        key: key.into(),
    }
}

#[tokio::test]
async fn tls_1_3_exports_what_only_its_two_ends_know() {
    let identity = self_signed(&leaf_params(&[HOST]));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (client, relay) = both(&identity, &rustls::version::TLS13).await;
        let binding = client.channel_binding().unwrap();
        assert_eq!(binding.name, "tls-exporter");
        let exported = relay
            .get_ref()
            .1
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None)
            .unwrap();
        assert_eq!(binding.data, exported);
        seen.push(binding);
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn tls_1_2_is_bound_to_the_certificate() {
    for (algorithm, hash) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, &aws_lc_rs::digest::SHA256),
        (&PKCS_ECDSA_P384_SHA384, &aws_lc_rs::digest::SHA384),
    ] {
        let identity = signed_by(algorithm);
        let (client, _relay) = both(&identity, &rustls::version::TLS12).await;
        let binding = client.channel_binding().unwrap();
        assert_eq!(binding.name, "tls-server-end-point");
        let expected = aws_lc_rs::digest::digest(hash, &identity.chain[0]);
        assert_eq!(binding.data, expected.as_ref());
    }
    // The algorithm has no hash of its own, and the RFC defines nothing.
    let identity = signed_by(&PKCS_ED25519);
    let (client, _relay) = both(&identity, &rustls::version::TLS12).await;
    assert_eq!(client.channel_binding(), None);
}

#[test]
fn weak_hashes_are_replaced() {
    for chain in [chain!("md5"), chain!("sha1"), chain!("self-signed-sha1")] {
        let expected = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &chain[0]);
        let found = crate::tls::binding::end_point(&chain[0]).unwrap();
        assert_eq!(found, expected.as_ref());
    }
    assert_eq!(crate::tls::binding::end_point(b"no certificate"), None);
}
