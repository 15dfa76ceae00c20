//! Lets go of peers that do not begin as HTTP/2 does. hyper waits for its
//! preface without a limit, and each connection takes one of a bounded number
//! of places.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long it may take to.
const LIMIT: Duration = Duration::from_secs(10);

/// A stream whose reads fail when it does not begin with the preface in time.
#[derive(Debug)]
pub(super) struct Prefaced<IO> {
    io: IO,
    /// What is still to come of the preface.
    awaited: &'static [u8],
    too_late: Pin<Box<Sleep>>,
}

impl<IO> Prefaced<IO> {
    /// The time begins now.
    pub(super) fn new(io: IO) -> Self {
        Self {
            io,
            awaited: PREFACE,
            too_late: Box::pin(sleep(LIMIT)),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Prefaced<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let begin = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if self.awaited.is_empty() {
            return read;
        }
        if read.is_pending() {
            ready!(self.too_late.as_mut().poll(cx));
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        let came = &buf.filled()[begin..];
        let (expected, rest) = self.awaited.split_at(came.len().min(self.awaited.len()));
        self.awaited = rest;
        if came.starts_with(expected) {
            read
        } else {
            Poll::Ready(Err(ErrorKind::InvalidData.into()))
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Prefaced<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use super::*;

    /// What a peer that sends `pieces` and then stays is told, and when.
    async fn told(pieces: Vec<Vec<u8>>) -> (Result<Vec<u8>, ErrorKind>, Duration) {
        let (mut peer, io) = duplex(1024);
        let expected: usize = pieces.iter().map(Vec::len).sum();
        let began = Instant::now();
        let sending = tokio::spawn(async move {
            for piece in pieces {
                peer.write_all(&piece).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            peer
        });
        let mut io = Prefaced::new(io);
        let mut all = vec![0; expected.max(PREFACE.len())];
        let read = io.read_exact(&mut all).await;
        drop(sending);
        (read.map(|_| all).map_err(|e| e.kind()), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_begins_well_is_passed_on_however_it_is_cut() {
        let whole = [PREFACE, b"frames"].concat();
        for cut in [1, 10, PREFACE.len(), whole.len()] {
            let (first, second) = whole.split_at(cut);
            let (read, _) = told(vec![first.into(), second.into()]).await;
            assert_eq!(read.unwrap(), whole, "{cut}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_begins_otherwise_or_not_at_all_is_let_go() {
        for begun in [&b""[..], b"PRI * HTTP/2.0"] {
            let (read, waited) = told(vec![begun.into()]).await;
            assert_eq!(read.unwrap_err(), ErrorKind::TimedOut);
            assert_eq!(waited, LIMIT);
        }
        for (first, second) in [("GET / HTTP/1.1\r\n\r\n", ""), ("PRI *", " HTTP/1.1")] {
            let (read, _) = told(vec![first.into(), second.into()]).await;
            assert_eq!(read.unwrap_err(), ErrorKind::InvalidData, "{first}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn behind_the_preface_a_peer_may_be_silent() {
        let (mut peer, io) = duplex(64);
        let mut io = Prefaced::new(io);
        peer.write_all(PREFACE).await.unwrap();
        io.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
        let mut octet = [0];
        let silent = tokio::time::timeout(LIMIT * 9, io.read(&mut octet)).await;
        assert!(silent.is_err(), "{silent:?}");
    }
}
