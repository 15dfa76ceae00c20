//! Handshakes with servers in this process, and chains judged without one.

mod alerts;
mod binding;
mod certificates;
mod client_certificate;
mod endings;
mod facts;
mod flaws;
mod offer;
mod pins;
mod policy;
mod probes;
mod resumption;
mod revocation;

use std::{
    io,
    sync::{Arc, LazyLock},
    time::{Duration, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    client::danger::ServerCertVerifier as _,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{
    policy::{Policy, provider},
    witness::Witness,
    *,
};
use crate::report::{Reason, TlsMode, TlsSession};

const HOST: &str = "relay.test";
const LIMIT: Duration = Duration::from_secs(10);
/// In the middle of the validity of the certificates in `chains/`.
const NOON: Duration = Duration::from_hours(60 * 365 * 24);

type Client = TlsStream<DuplexStream>;
type Outcome = Result<(Client, TlsSession), Box<HandshakeError>>;

/// A certification authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A server's certificate, with the chain to send.
#[derive(Debug)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(ca_params(name), key).unwrap())
    }

    fn intermediate(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(params, key, &self.0).unwrap())
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.as_ref().der().clone()
    }

    /// A certificate, to be sent with those of `others` behind it.
    fn issue(&self, params: &CertificateParams, others: &[&Self]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let others = others.iter().map(|it| it.der());
        Identity {
            chain: std::iter::once(leaf.der().clone()).chain(others).collect(),
            key: key.into(),
        }
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|it| (*it).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, HOST);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn self_signed(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    Identity {
        chain: vec![params.self_signed(&key).unwrap().der().clone()],
        key: key.into(),
    }
}

/// Trusts `anchors` and nothing else.
fn trusting(anchors: &[CertificateDer<'static>]) -> Settings {
    Settings {
        system_roots: Some(false),
        trust_anchors: Some(anchors.to_vec()),
        ..Settings::default()
    }
}

fn connector(settings: &Settings) -> Connector {
    static ROOTS: LazyLock<SystemRoots> = LazyLock::new(SystemRoots::bundled);
    let host = ServerName::try_from(HOST).unwrap();
    Connector::new(settings, &host, &ROOTS).unwrap()
}

fn server(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let key = identity.key.clone_key();
    let key = provider().key_provider.load_private_key(key).unwrap();
    // Not checked, so that it can be as wrong as it is to be.
    let certified = CertifiedKey::new(identity.chain.clone(), key);
    let config = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Arc::new(config)
}

/// What the server saw: a complete handshake, or why not.
type Served = JoinHandle<io::Result<()>>;

/// A relay that greets, then takes everything until the end.
fn serve(config: Arc<ServerConfig>) -> (DuplexStream, Served) {
    let (client, io) = duplex(1 << 16);
    let served = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(config).accept(io).await?;
        stream.write_all(b"220 relay.test ESMTP\r\n").await?;
        stream.read_to_end(&mut Vec::new()).await?;
        Ok(())
    });
    (client, served)
}

/// A relay that reads the first record and answers it with `bytes`; then it
/// closes.
fn answer(bytes: &'static [u8]) -> DuplexStream {
    let (client, mut io) = duplex(1 << 16);
    tokio::spawn(async move {
        read_hello(&mut io).await;
        io.write_all(bytes).await.unwrap();
    });
    client
}

async fn read_hello(io: &mut DuplexStream) -> Vec<u8> {
    let mut record = vec![0; 5];
    io.read_exact(&mut record).await.unwrap();
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    io.read_exact(&mut record[5..]).await.unwrap();
    record
}

async fn implicit(settings: &Settings, io: DuplexStream) -> Outcome {
    connector(settings)
        .connect(io, TlsMode::Implicit, LIMIT)
        .await
}

async fn refused(settings: &Settings, io: DuplexStream) -> Box<HandshakeError> {
    implicit(settings, io).await.map(drop).unwrap_err()
}

/// What comes of presenting `chain` under `settings` at a time of its own.
fn judge(
    settings: &Settings,
    chain: &[CertificateDer<'static>],
    now: Duration,
) -> Result<(), HandshakeError> {
    let policy = Policy::new(settings, &SystemRoots::bundled()).unwrap();
    let witness = Arc::new(Witness::default());
    let host = ServerName::try_from(HOST).unwrap();
    let now = UnixTime::since_unix_epoch(now);
    let verified = futures_ready(witness.watch(async {
        policy
            .verifier
            .verify_server_cert(&chain[0], &chain[1..], &host, &[], now)
    }));
    verified.map(drop).map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        connector(settings).failure(error, &witness.seen(), TlsMode::Implicit, None)
    })
}

/// The output of a future that is ready at once.
fn futures_ready<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// A chain from `chains/`, and the anchor that they all lead to.
macro_rules! chain {
    ($name:literal) => {
        parse_certificates(include_str!(concat!("chains/", $name, ".pem"))).unwrap()
    };
}
use chain;

#[track_caller]
fn assert_says(error: &HandshakeError, parts: &[&str]) {
    let summary = &error.summary;
    for part in parts {
        assert!(summary.contains(part), "no {part:?} in {summary:?}");
    }
    assert!(summary.len() <= 400 && summary.is_ascii() && summary.ends_with('.'));
}
