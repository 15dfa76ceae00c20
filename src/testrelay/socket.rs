//! The TCP connection of a session: counts what passes, and can hand out again
//! what was read before TLS took over.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::meter::{Meters, RecordCounter};

#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    meters: Meters,
    /// Read already, to be read again before anything else.
    rewound: BytesMut,
    /// Once TLS has started.
    records: Option<RecordCounter>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, meters: Meters) -> Self {
        Self {
            tcp,
            meters,
            rewound: BytesMut::new(),
            records: None,
        }
    }

    /// The same connection, about to speak TLS, with `bytes` to be read first.
    pub(super) fn rewind(mut self, bytes: BytesMut) -> Self {
        self.rewound = bytes;
        self.records = Some(RecordCounter::default());
        self
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    fn count_records(&mut self, bytes: &[u8]) {
        if let Some(counter) = &mut self.records {
            self.meters.records(counter.count(bytes));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.rewound.is_empty() {
            ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
            self.meters.received(buf.filled().len() - before);
        } else {
            let length = self.rewound.len().min(buf.remaining());
            buf.put_slice(&self.rewound[..length]);
            self.rewound.advance(length);
        }
        self.count_records(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf))?;
        self.meters.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs))?;
        self.meters.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
