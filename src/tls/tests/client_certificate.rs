//! Relays that want a certificate of ours.

use rustls::{RootCertStore, server::WebPkiClientVerifier};

use super::*;

struct Scene {
    root: Authority,
    clients: Authority,
    identity: Identity,
}

impl Scene {
    fn new() -> Self {
        let root = Authority::new("Test Root");
        Self {
            identity: root.issue(&leaf_params(&[HOST]), &[]),
            clients: Authority::new("Client CA"),
            root,
        }
    }

    fn server(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.clients.der()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider()))
                .build()
                .unwrap();
        let config = ServerConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.identity.chain.clone(), self.identity.key.clone_key())
            .unwrap();
        Arc::new(config)
    }

    fn settings(&self, issuer: Option<&Authority>) -> Settings {
        let ours = issuer.map(|issuer| {
            let mut params = leaf_params(&["client.test"]);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            let identity = issuer.issue(&params, &[]);
            ClientCertificate {
                chain: identity.chain,
                key: Arc::new(identity.key),
            }
        });
        Settings {
            client_certificate: ours,
            ..trusting(&[self.root.der()])
        }
    }
}

/// The failure, whether it comes in the handshake or on the first read.
async fn failure(outcome: Outcome) -> Box<HandshakeError> {
    match outcome {
        Err(error) => error,
        Ok((mut stream, _)) => {
            let error = stream.read_u8().await.unwrap_err();
            stream.explain(&error).unwrap()
        }
    }
}

#[tokio::test]
async fn ours_is_shown() {
    let scene = Scene::new();
    for version in rustls::ALL_VERSIONS {
        let settings = scene.settings(Some(&scene.clients));
        let (io, _) = serve(scene.server(version));
        let (mut stream, _) = implicit(&settings, io).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'2');
    }
}

#[tokio::test]
async fn none_is_told_from_one_that_is_refused_every_time() {
    let scene = Scene::new();
    let stranger = Authority::new("Another CA");
    for version in rustls::ALL_VERSIONS {
        for (issuer, reason) in [
            (None, Reason::ClientCertRequired),
            (Some(&stranger), Reason::ClientCertRejected),
        ] {
            let settings = scene.settings(issuer);
            for _ in 0..10 {
                let (io, _) = serve(scene.server(version));
                let error = failure(implicit(&settings, io).await).await;
                assert_eq!(error.reason, reason, "{version:?}: {error:?}");
                assert!(error.evidence.negotiated.is_some());
            }
        }
    }
}

#[tokio::test]
async fn a_relay_that_leaves_in_silence_after_asking_may_have_wanted_one() {
    let scene = Scene::new();
    let optional = {
        let mut roots = RootCertStore::empty();
        roots.add(scene.clients.der()).unwrap();
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider()))
            .allow_unauthenticated()
            .build()
            .unwrap()
    };
    let config = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_client_cert_verifier(optional)
        .with_single_cert(scene.identity.chain.clone(), scene.identity.key.clone_key())
        .unwrap();
    let (client, io) = duplex(1 << 16);
    tokio::spawn(async move { TlsAcceptor::from(Arc::new(config)).accept(io).await });
    let outcome = implicit(&scene.settings(None), client).await;
    let error = failure(outcome).await;
    assert_eq!(error.reason, Reason::ClientCertRequired);
    assert_eq!(error.alternatives, [Reason::ConnectionClosed]);
}

#[tokio::test]
async fn a_close_after_the_handshake_says_nothing_about_it() {
    let scene = Scene::new();
    let config = server(&scene.identity, rustls::ALL_VERSIONS);
    let (client, io) = duplex(1 << 16);
    tokio::spawn(async move { TlsAcceptor::from(config).accept(io).await });
    let (mut stream, _) = implicit(&scene.settings(None), client).await.unwrap();
    let error = stream.read_u8().await.unwrap_err();
    assert!(stream.explain(&error).is_none());
}

#[tokio::test]
async fn once_the_relay_has_spoken_nothing_is_explained() {
    let scene = Scene::new();
    let (io, _) = serve(server(&scene.identity, rustls::ALL_VERSIONS));
    let (mut stream, _) = implicit(&scene.settings(None), io).await.unwrap();
    stream.read_u8().await.unwrap();
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
    let error = io::Error::new(io::ErrorKind::InvalidData, alert);
    assert!(stream.explain(&error).is_none());
}
