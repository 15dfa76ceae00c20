//! Sessions to resume.

use super::*;

/// Connects and reads the greeting, with which the tickets of TLS 1.3 come.
async fn session(connector: &Connector, config: &Arc<ServerConfig>) -> TlsSession {
    let (io, _) = serve(Arc::clone(config));
    let (mut stream, session) = connector
        .connect(io, TlsMode::Implicit, LIMIT)
        .await
        .unwrap();
    let mut greeting = [0; 22];
    stream.read_exact(&mut greeting).await.unwrap();
    session
}

#[tokio::test]
async fn clones_share_sessions() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    for version in rustls::ALL_VERSIONS {
        let config = server(&identity, &[version]);
        let connector = connector(&trusting(&[root.der()]));

        let first = session(&connector, &config).await;
        assert!(!first.resumed);
        let second = session(&connector.clone(), &config).await;
        assert!(second.resumed, "{version:?}");
        // The chain is not sent again, and is still known.
        assert_eq!(first.certificate, second.certificate);
        assert!(second.certificate.is_some());
    }
}

#[tokio::test]
async fn another_connector_does_not_take_over_what_it_did_not_verify() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    let config = server(&identity, rustls::ALL_VERSIONS);
    session(&connector(&trusting(&[root.der()])), &config).await;
    let other = session(&connector(&trusting(&[root.der()])), &config).await;
    assert!(!other.resumed);
}

/// Two handshakes of one connector, in step, must not mix up their chains.
#[tokio::test]
async fn each_handshake_keeps_its_own_chain() {
    let connector = connector(&trusting(&[Authority::new("Trusted").der()]));
    let handshakes = (0..8).map(|number| {
        let issuer = format!("Untrusted {number}");
        let identity = Authority::new(&issuer).issue(&leaf_params(&[HOST]), &[]);
        let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
        let connector = connector.clone();
        let handshake = async move { connector.connect(io, TlsMode::Implicit, LIMIT).await };
        (identity, tokio::spawn(handshake))
    });
    for (identity, handshake) in handshakes.collect::<Vec<_>>() {
        let error = handshake.await.unwrap().map(drop).unwrap_err();
        let expected = super::certificate::describe(&identity.chain[0]);
        assert_eq!(error.evidence.certificates, [expected]);
    }
}
