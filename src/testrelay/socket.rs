//! The connection of a session, by TCP or by any other stream: counts what
//! passes, and can hand out again what was read before TLS took over.

use std::{
    any::Any,
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    meter::{Meters, RecordCounter},
    tls::Tamper,
};

/// What a session can run over.
pub(super) trait Transport: Any + AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: Any + AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(super) struct Socket {
    io: Box<dyn Transport>,
    meters: Meters,
    /// Read already, to be read again before anything else.
    rewound: BytesMut,
    /// Once TLS has started.
    records: Option<RecordCounter>,
    tamper: Option<Tamper>,
}

impl Socket {
    pub(super) fn new(io: Box<dyn Transport>, meters: Meters) -> Self {
        Self {
            io,
            meters,
            rewound: BytesMut::new(),
            records: None,
            tamper: None,
        }
    }

    /// The same connection, about to speak TLS, with `bytes` to be read first.
    pub(super) fn rewind(mut self, bytes: BytesMut) -> Self {
        self.rewound = bytes;
        self.records = Some(RecordCounter::default());
        self
    }

    /// The same, with a change to every record that is written: whoever writes
    /// here writes records whole.
    pub(super) fn tampered(mut self, tamper: Option<Tamper>) -> Self {
        self.tamper = tamper;
        self
    }

    /// Has the connection end in a reset (RST) when this is dropped. Only TCP
    /// has resets: another stream just ends.
    pub(super) fn reset_when_dropped(&self) -> io::Result<()> {
        let io: &dyn Any = &*self.io;
        match io.downcast_ref::<TcpStream>() {
            Some(tcp) => tcp.set_zero_linger(),
            None => Ok(()),
        }
    }

    fn count_records(&mut self, bytes: &[u8]) {
        if let Some(counter) = &mut self.records {
            self.meters.records(counter.count(bytes));
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("rewound", &self.rewound.len())
            .finish_non_exhaustive()
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
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
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
        let mut changed;
        let buf = match self.tamper {
            Some(tamper) => {
                changed = buf.to_vec();
                tamper(&mut changed);
                &changed
            }
            None => buf,
        };
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.meters.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.tamper.is_some() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.meters.sent(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.tamper.is_none() && self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
