//! Established TLS connections.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    ChannelBinding, Connector, HandshakeError, certificate, reason, record::Recorder,
    witness::ClientAuth,
};
use crate::report::{Certificate, TlsSession};

/// How many certificates of a chain are told.
const CERTIFICATES: usize = 10;

/// An established TLS connection.
#[derive(Debug)]
pub struct TlsStream<IO> {
    stream: tokio_rustls::client::TlsStream<Recorder<IO>>,
    client_certificate: ClientAuth,
    /// What is needed to explain an error, until the relay has sent something.
    fresh: Option<Box<Fresh>>,
}

#[derive(Debug)]
struct Fresh {
    connector: Connector,
    session: TlsSession,
}

impl<IO> TlsStream<IO> {
    pub(super) fn new(
        stream: tokio_rustls::client::TlsStream<Recorder<IO>>,
        connector: Connector,
        session: TlsSession,
    ) -> Self {
        let seen = stream.get_ref().0.seen();
        Self {
            client_certificate: seen.map(|it| it.client_certificate).unwrap_or_default(),
            stream,
            fresh: Some(Box::new(Fresh { connector, session })),
        }
    }

    /// The chain that the relay presented, leaf first, at most ten.
    pub fn certificates(&self) -> Vec<Certificate> {
        let chain = self.stream.get_ref().1.peer_certificates();
        let chain = chain.unwrap_or_default().iter().take(CERTIFICATES);
        chain.map(|der| certificate::describe(der)).collect()
    }

    /// What became of the relay's wish for a certificate of ours.
    pub fn client_certificate(&self) -> ClientAuth {
        self.client_certificate
    }

    /// What tells this connection from every other one. `None` when it has
    /// nothing of a type that can be had here.
    pub fn channel_binding(&self) -> Option<ChannelBinding> {
        ChannelBinding::of(self.stream.get_ref().1)
    }

    /// What a read error on this stream says about the handshake: in TLS 1.3
    /// the relay's refusal of our certificate arrives on the first read after
    /// it (RFC 8446 section 4.4.2.4). An end of file counts as an error of the
    /// kind `UnexpectedEof`. `None` when it says nothing: the connection was
    /// lost for some other reason, or the relay had already sent something.
    pub fn explain(&self, error: &io::Error) -> Option<Box<HandshakeError>> {
        let Fresh { connector, session } = self.fresh.as_deref()?;
        let seen = self.stream.get_ref().0.seen()?;
        let tls_error = reason::tls_error(error);
        // A relay that asked for a certificate, got none, and left, may have
        // sent an alert that was lost with the connection.
        if tls_error.is_none() && seen.client_certificate != ClientAuth::Withheld {
            return None;
        }
        let error = match tls_error {
            Some(tls_error) => io::Error::new(error.kind(), tls_error.clone()),
            None => io::Error::new(error.kind(), error.to_string()),
        };
        let failure = connector.failure(error, &seen, session.mode, Some(session.clone()));
        Some(Box::new(failure))
    }

    /// The relay has spoken: it has accepted the handshake.
    fn settle(&mut self) {
        if self.fresh.take().is_some() {
            self.stream.get_mut().0.stop();
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            this.settle();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
