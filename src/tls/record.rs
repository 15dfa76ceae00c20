//! The stream under a handshake: it passes everything on and tells the
//! handshake's witness.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::witness::{Seen, Witness};

/// Records a handshake, until it is told to stop.
#[derive(Debug)]
pub(super) struct Recorder<IO> {
    io: IO,
    /// `None` once it has stopped.
    witness: Option<Arc<Witness>>,
    /// A write that failed because the relay is gone. A relay that refuses us
    /// sends an alert and closes; we may write into that before we have read
    /// the alert. So the error waits, and what is written is dropped, until
    /// reading has told more.
    lost: Option<io::ErrorKind>,
}

impl<IO> Recorder<IO> {
    /// Records what passes through `io`.
    pub(super) fn new(io: IO, witness: Arc<Witness>) -> Self {
        Self {
            io,
            witness: Some(witness),
            lost: None,
        }
    }

    /// Stops recording. From now on it only passes on.
    pub(super) fn stop(&mut self) {
        self.witness = None;
    }

    /// What was seen, unless it has stopped.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.witness.as_ref().map(|witness| witness.seen())
    }

    fn has_taken_leave(&self) -> bool {
        let witness = self.witness.as_ref();
        witness.is_some_and(|it| it.with(|seen| seen.farewell.last().is_some()))
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        if let Some(witness) = &self.witness {
            witness.with(change);
        }
    }

    /// `Ok` when writing is of no use any more, with what to answer.
    fn already_lost(&self, length: usize) -> Option<io::Result<usize>> {
        let kind = self.lost?;
        Some(match self.witness {
            Some(_) => Ok(length),
            None => Err(kind.into()),
        })
    }

    fn after_write(
        &mut self,
        result: io::Result<usize>,
        length: usize,
        note: impl FnOnce(&mut Seen, usize),
    ) -> io::Result<usize> {
        let Some(witness) = &self.witness else {
            return result;
        };
        match result {
            Ok(written) => {
                witness.with(|seen| note(seen, written));
                Ok(written)
            }
            Err(error) if is_gone(error.kind()) => {
                witness.with(|seen| seen.reset |= error.kind() == io::ErrorKind::ConnectionReset);
                self.lost = Some(error.kind());
                Ok(length)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether an error says that the other side has left.
pub(super) fn is_gone(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
    )
}

impl<IO: AsyncRead + Unpin> AsyncRead for Recorder<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = match Pin::new(&mut this.io).poll_read(context, buffer) {
            // Nothing more will come of a relay that took its leave, although
            // it leaves the connection open.
            Poll::Pending if this.has_taken_leave() => return Poll::Ready(Ok(())),
            polled => ready!(polled),
        };
        this.note(|seen| match &result {
            Ok(()) => seen.note_received(&buffer.filled()[before..]),
            Err(error) => seen.reset |= error.kind() == io::ErrorKind::ConnectionReset,
        });
        Poll::Ready(result)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Recorder<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(answer) = this.already_lost(buffer.len()) {
            return Poll::Ready(answer);
        }
        let result = ready!(Pin::new(&mut this.io).poll_write(context, buffer));
        Poll::Ready(this.after_write(result, buffer.len(), |seen, written| {
            seen.note_sent(&buffer[..written]);
        }))
    }

    // TLS writes several records at once, such as a change of keys and the
    // alert that it is for. In several writes the later ones may come too late.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = buffers.iter().map(|buffer| buffer.len()).sum();
        if let Some(answer) = this.already_lost(length) {
            return Poll::Ready(answer);
        }
        let result = ready!(Pin::new(&mut this.io).poll_write_vectored(context, buffers));
        Poll::Ready(this.after_write(result, length, |seen, mut written| {
            for buffer in buffers {
                let part = &buffer[..buffer.len().min(written)];
                seen.note_sent(part);
                written -= part.len();
            }
        }))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_test_io::Relay;

    use super::*;
    use crate::tls::witness::PREFIX;

    /// A stream that refuses writes, and still has something to read.
    mod tokio_test_io {
        use super::*;

        pub(super) struct Relay {
            pub(super) unread: &'static [u8],
            pub(super) write_error: io::ErrorKind,
            pub(super) vectored: usize,
        }

        impl AsyncRead for Relay {
            fn poll_read(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                buffer.put_slice(self.unread);
                self.unread = b"";
                Poll::Ready(Ok(()))
            }
        }

        impl AsyncWrite for Relay {
            fn poll_write(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                _: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Err(self.write_error.into()))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.vectored += 1;
                Poll::Ready(Ok(buffers.iter().map(|it| it.len()).sum()))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
    }

    fn recorder(write_error: io::ErrorKind) -> (Recorder<Relay>, Arc<Witness>) {
        let witness = Arc::new(Witness::default());
        let relay = Relay {
            unread: b"\x15\x03\x03\x00\x02\x02\x28",
            write_error,
            vectored: 0,
        };
        (Recorder::new(relay, Arc::clone(&witness)), witness)
    }

    #[tokio::test]
    async fn a_relay_that_is_gone_is_still_read() {
        let (mut recorder, witness) = recorder(io::ErrorKind::ConnectionReset);
        recorder.write_all(b"Finished").await.unwrap();
        recorder.write_all(b"more").await.unwrap();

        let mut alert = Vec::new();
        recorder.read_to_end(&mut alert).await.unwrap();
        assert_eq!(alert, b"\x15\x03\x03\x00\x02\x02\x28");
        assert_eq!(witness.seen().received, alert);
        assert!(witness.seen().reset);

        recorder.stop();
        let error = recorder.write_all(b"EHLO").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn other_errors_are_not_held_back() {
        let (mut recorder, _) = recorder(io::ErrorKind::StorageFull);
        let error = recorder.write_all(b"Finished").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn vectored_writes_stay_vectored_and_give_the_size_of_the_hello() {
        let (mut recorder, witness) = recorder(io::ErrorKind::BrokenPipe);
        assert!(recorder.is_write_vectored());
        let parts = [
            IoSlice::new(b"\x16\x03"),
            IoSlice::new(b"\x01\x02\x00\x01"),
            IoSlice::new(&[0; 506]),
        ];
        assert_eq!(recorder.write_vectored(&parts).await.unwrap(), 512);
        assert_eq!(recorder.io.vectored, 1);
        assert_eq!(witness.seen().hello_bytes(), 5 + 512);
    }

    #[tokio::test]
    async fn only_the_first_bytes_are_kept() {
        let witness = Arc::new(Witness::default());
        let mut recorder = Recorder::new(tokio::io::repeat(b'x'), Arc::clone(&witness));
        let mut much = vec![0; 1 << 20];
        recorder.read_exact(&mut much).await.unwrap();
        assert_eq!(witness.seen().received, [b'x'; PREFIX]);
    }
}
