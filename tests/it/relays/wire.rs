//! Commands and replies, without posthaste between.

use std::{io, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore},
};

use super::fixture::{PASSWORD, Relay, USERNAME};

const LIMIT: Duration = Duration::from_secs(20);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that has heard the greeting.
pub(super) struct Wire(BufReader<Box<dyn Stream>>);

impl Wire {
    /// To the port for STARTTLS, without it.
    pub(super) async fn plaintext(relay: &Relay) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", relay.starttls_port)).await;
        Self::greeted(Box::new(tcp.unwrap())).await
    }

    /// To the other port.
    pub(super) async fn tls(relay: &Relay) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(relay.ca_pem.as_bytes());
        roots.add(ca.unwrap()).unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(("127.0.0.1", relay.implicit_port)).await;
        let tls = TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), tcp.unwrap())
            .await;
        Self::greeted(Box::new(tls.unwrap())).await
    }

    /// The same, ready for MAIL.
    pub(super) async fn authenticated(relay: &Relay) -> Self {
        let mut wire = Self::tls(relay).await;
        wire.say("EHLO client.example").await;
        let response = BASE64.encode(format!("\0{USERNAME}\0{PASSWORD}"));
        let reply = wire.say(&format!("AUTH PLAIN {response}")).await;
        assert!(reply.starts_with("235"), "{reply}");
        wire
    }

    async fn greeted(stream: Box<dyn Stream>) -> Self {
        let mut wire = Self(BufReader::new(stream));
        let greeting = wire.hear().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        wire
    }

    /// Sends a line, and gives the reply.
    pub(super) async fn say(&mut self, line: &str) -> String {
        self.write(&format!("{line}\r\n")).await;
        self.hear().await
    }

    pub(super) async fn write(&mut self, octets: &str) {
        let write = async {
            self.0.write_all(octets.as_bytes()).await?;
            self.0.flush().await
        };
        // Whether the relay still listens, its reply tells.
        let _heard: io::Result<()> = timeout(LIMIT, write).await.unwrap();
    }

    /// A reply on one line. Empty when the connection is over.
    pub(super) async fn hear(&mut self) -> String {
        let lines = self.hear_lines().await;
        let text: Vec<_> = lines.iter().filter_map(|line| line.get(4..)).collect();
        let code = lines.first().and_then(|line| line.get(..3));
        code.map_or_else(String::new, |code| format!("{code} {}", text.join(" ")))
    }

    pub(super) async fn hear_lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = timeout(LIMIT, self.0.read_line(&mut line)).await;
            if !matches!(read.unwrap(), Ok(1..)) {
                return Vec::new();
            }
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line.trim_end().to_owned());
            if is_last {
                return lines;
            }
        }
    }
}
