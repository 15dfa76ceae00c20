//! A connection's octets: in plaintext, or through TLS.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    report::Certificate,
    tls::{ChannelBinding, ClientAuth, HandshakeError, TlsStream},
};

/// A connection's octets: in plaintext, or through TLS.
pub(super) enum Stream<IO> {
    Plain(IO),
    Tls(Box<TlsStream<IO>>),
}

impl<IO> Stream<IO> {
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What became of the relay's wish for a certificate of ours.
    pub(super) fn client_certificate(&self) -> ClientAuth {
        match self {
            Self::Plain(_) => ClientAuth::NotAsked,
            Self::Tls(stream) => stream.client_certificate(),
        }
    }

    /// The chain that the relay presented, leaf first.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Tls(stream) => stream.certificates(),
        }
    }

    /// What tells this connection from every other one, in TLS.
    pub(super) fn channel_binding(&self) -> Option<ChannelBinding> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.channel_binding(),
        }
    }

    /// What an error says about the handshake before it.
    pub(super) fn explain(&self, error: &io::Error) -> Option<Box<HandshakeError>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.explain(error),
        }
    }
}

impl<IO> fmt::Debug for Stream<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_tls() { "Tls" } else { "Plain" })
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
