//! A connection of lettre's to nothing: what is written is dropped, and a reply
//! is there whenever one is read. It leaves what lettre itself does.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::{
    client::{AsyncSmtpConnection, AsyncTokioStream},
    extension::ClientId,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Result, message};

/// A positive reply to whatever was said.
const REPLY: &[u8] = b"250 2.0.0 ok\r\n";

/// A connection that takes every message.
pub async fn connect() -> Result<AsyncSmtpConnection> {
    let name = ClientId::Domain(message::EHLO_NAME.into());
    Ok(AsyncSmtpConnection::connect_with_transport(Box::new(Sink), &name).await?)
}

#[derive(Debug)]
struct Sink;

impl AsyncTokioStream for Sink {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 25).into())
    }
}

impl AsyncRead for Sink {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(REPLY);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::hint::black_box(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
