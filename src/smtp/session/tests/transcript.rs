//! What a session said and heard, octet for octet.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a session said and heard. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript(Arc<Mutex<Vec<Event>>>);

#[derive(Clone, Debug)]
enum Event {
    Said(Vec<u8>),
    /// Nothing at all is the end of the stream.
    Heard(Vec<u8>),
}

/// A stream that writes its transcript.
#[derive(Debug)]
pub(super) struct Tap<IO> {
    io: IO,
    transcript: Transcript,
}

impl Transcript {
    pub(super) fn tap<IO>(&self, io: IO) -> Tap<IO> {
        Tap {
            io,
            transcript: self.clone(),
        }
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap()
    }

    /// How many ends of data were answered with 2yz: a mail takes several where
    /// the relay finds its recipients too many.
    pub(super) fn accepted_ends(&self) -> usize {
        let (mut said, mut heard, mut accepted) = (Vec::new(), Vec::new(), 0);
        let is_accepted = |said: &[u8], heard: &[u8]| {
            usize::from(said.ends_with(b"\r\n.\r\n") && heard.starts_with(b"2"))
        };
        for event in &*self.events() {
            match event {
                Event::Said(octets) => {
                    accepted += is_accepted(&said, &heard);
                    said.extend_from_slice(octets);
                    heard.clear();
                }
                Event::Heard(octets) => heard.extend_from_slice(octets),
            }
        }
        accepted + is_accepted(&said, &heard)
    }

    /// What was said after the relay had closed, or had said that it would.
    pub(super) fn said_after_the_end(&self) -> String {
        let (mut said, mut heard, mut ended) = (Vec::new(), Vec::new(), false);
        for event in &*self.events() {
            match event {
                Event::Said(octets) if ended => said.extend_from_slice(octets),
                Event::Said(_) => {}
                Event::Heard(octets) => {
                    heard.extend_from_slice(octets);
                    let lines = heard.split_inclusive(|octet| *octet == b'\n');
                    ended |= octets.is_empty()
                        || lines
                            .filter(|line| line.ends_with(b"\n"))
                            .any(|line| line.starts_with(b"421 "));
                }
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Tap<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let octets = buf.filled()[before..].to_vec();
        self.transcript.events().push(Event::Heard(octets));
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tap<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        let octets = buf[..written].to_vec();
        self.transcript.events().push(Event::Said(octets));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
