//! A client that says what it is told to, octet for octet.

use std::{io, sync::Arc};

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::aws_lc_rs};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    net::TcpStream,
    time::{Duration, timeout},
};
use tokio_rustls::TlsConnector;

use crate::testrelay::{
    TestRelay,
    ca::{Ca, Identity},
};

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) struct Client(BufReader<Box<dyn Io>>);

impl Client {
    pub(super) async fn connect(relay: &TestRelay) -> Self {
        let tcp = TcpStream::connect(relay.address()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self::over(tcp)
    }

    pub(super) fn over(io: impl Io + 'static) -> Self {
        Self(BufReader::new(Box::new(io)))
    }

    /// Connected, greeted and introduced.
    pub(super) async fn ready(relay: &TestRelay) -> Self {
        let mut client = Self::connect(relay).await;
        assert!(client.reply().await.starts_with("220 "));
        assert!(client.ask("EHLO client.example").await.starts_with("250"));
        client
    }

    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// A whole reply, with its line ends.
    pub(super) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let line = self.line().await.unwrap();
            assert!(line.ends_with("\r\n"), "{line:?} after {reply:?}");
            let last = line.as_bytes()[3] != b'-';
            reply.push_str(&line);
            if last {
                return reply;
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        timeout(Duration::from_secs(10), self.0.read_line(&mut line))
            .await
            .unwrap()?;
        Ok(line)
    }

    pub(super) async fn ask(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n")).await;
        self.reply().await
    }

    /// Says each line, and checks how each reply begins.
    pub(super) async fn expect<const N: usize>(&mut self, dialogue: [(&str, &str); N]) {
        for (line, start) in dialogue {
            let reply = self.ask(line).await;
            assert!(
                reply.starts_with(start),
                "{line:?} led to {reply:?}, not {start:?}"
            );
        }
    }

    /// Everything until the relay ends the connection.
    pub(super) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        timeout(Duration::from_secs(10), read).await.unwrap()?;
        Ok(bytes)
    }

    /// Exactly so many octets.
    pub(super) async fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = self.0.read_exact(&mut bytes);
        timeout(Duration::from_secs(10), read)
            .await
            .unwrap()
            .unwrap();
        bytes
    }

    /// Whether the relay says nothing for a while.
    pub(super) async fn hears_nothing(&mut self) -> bool {
        let read = self.0.fill_buf();
        timeout(Duration::from_millis(200), read).await.is_err()
    }

    pub(super) async fn handshake(self, config: ClientConfig) -> io::Result<Self> {
        let name = "localhost".try_into().unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        assert_eq!(self.0.buffer(), b"", "octets behind the reply");
        let stream = timeout(
            Duration::from_secs(10),
            connector.connect(name, self.0.into_inner()),
        );
        Ok(Self(BufReader::new(Box::new(stream.await.unwrap()?))))
    }
}

pub(super) fn trusting(ca: &Ca) -> ClientConfig {
    trusting_with(ca, rustls::DEFAULT_VERSIONS)
}

/// Speaks only these versions.
pub(super) fn trusting_with(
    ca: &Ca,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    builder(ca, versions).with_no_client_auth()
}

pub(super) fn showing(ca: &Ca, identity: &Identity) -> ClientConfig {
    builder(ca, rustls::DEFAULT_VERSIONS)
        .with_client_auth_cert(identity.chain().to_vec(), identity.key())
        .unwrap()
}

fn builder(
    ca: &Ca,
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}
