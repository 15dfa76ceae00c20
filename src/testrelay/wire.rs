//! A session's two directions: lines and octets in, replies out. Knows no
//! commands.

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll, time::Duration};

use bytes::{Bytes, BytesMut};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    hello::{self, ClientHello, Parsed},
    meter::Meters,
    socket::{Socket, Transport},
    tls::{Tamper, TlsFacts},
};

/// The session is over: the peer left, a time limit ran out, or the script
/// ended it.
#[derive(Debug)]
pub(super) struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// A line of the client.
#[derive(Debug)]
pub(super) enum Line {
    /// As it came, with its CRLF.
    Whole(Bytes),
    /// More than [`LONGEST_LINE`]; it was skipped.
    TooLong,
    /// It ended in a bare LF.
    Bare,
}

/// Enough for AUTH (RFC 4954 section 4), and for all else (RFC 5321 section
/// 4.5.3.1.4).
pub(super) const LONGEST_LINE: usize = 12_288;

const READ_SIZE: usize = 16 * 1024;
const MOST_UNSENT: usize = 64 * 1024;
/// How far it reads ahead of what it answers.
const MOST_AHEAD: usize = 64 * 1024;
/// As much as an endless answer sends at the most.
const ENDLESS: usize = 1 << 30;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
const LINGER: Duration = Duration::from_secs(5);
const FROZEN: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    input: BytesMut,
    output: Vec<u8>,
    /// Whether it has answered since it last waited for the client.
    answered: bool,
    meters: Meters,
    idle_limit: Duration,
}

#[derive(Debug)]
enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Wire {
    pub(super) fn new(io: Box<dyn Transport>, meters: Meters, idle_limit: Duration) -> Self {
        Self {
            stream: Stream::Plain(Socket::new(io, meters.clone())),
            input: BytesMut::new(),
            output: Vec::new(),
            answered: false,
            meters,
            idle_limit,
        }
    }

    /// What both ends of this TLS connection can derive, and nobody else.
    pub(super) fn exported(&self, label: &[u8]) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => {
                let connection = stream.get_ref().1;
                let exported = connection.export_keying_material([0; 32], label, Some(b""));
                exported.ok().map(|octets| octets.to_vec())
            }
        }
    }

    /// Whether the client has sent more than was read.
    pub(super) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Forgets what the client sent ahead.
    pub(super) fn drop_input(&mut self) {
        self.input.clear();
    }

    /// What has come and was not read yet, to take from.
    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// The next line.
    pub(super) async fn line(&mut self) -> Result<Line, Over> {
        if self.output.len() > MOST_UNSENT {
            self.flush().await?;
        }
        let mut searched = 0;
        let mut too_long = false;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.input[searched..]) {
                let line = self.input.split_to(searched + at + 1).freeze();
                return Ok(if too_long || line.len() > LONGEST_LINE {
                    Line::TooLong
                } else if line.ends_with(b"\r\n") {
                    Line::Whole(line)
                } else {
                    Line::Bare
                });
            }
            if self.input.len() > LONGEST_LINE {
                too_long = true;
                self.input.clear();
            }
            searched = self.input.len();
            self.fill().await?;
        }
    }

    /// Reads more. Before it has to wait, it sends what is due.
    pub(super) async fn fill(&mut self) -> Result<(), Over> {
        self.read(false).await
    }

    /// Reads ahead until `text` has come.
    pub(super) async fn fill_until(&mut self, text: &str) -> Result<(), Over> {
        while memchr::memmem::find(&self.input, text.as_bytes()).is_none()
            && self.input.len() < MOST_AHEAD
        {
            self.fill().await?;
        }
        Ok(())
    }

    /// Reads more of what the client is under way to send, which it does not
    /// wait with for an answer.
    pub(super) async fn fill_up(&mut self) -> Result<(), Over> {
        self.read(true).await
    }

    async fn read(&mut self, is_under_way: bool) -> Result<(), Over> {
        self.input.reserve(READ_SIZE);
        let at_once = {
            let mut read = pin!(self.stream.read(&mut self.input));
            poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await
        };
        let length = match at_once {
            Poll::Ready(length) => length?,
            Poll::Pending => {
                self.flush().await?;
                self.answered &= is_under_way;
                let read = timeout(self.idle_limit, self.stream.read(&mut self.input));
                let Ok(length) = read.await else {
                    self.say(b"421 4.4.2 nothing was heard for too long\r\n");
                    return Err(self.close().await);
                };
                length?
            }
        };
        if length == 0 { Err(Over) } else { Ok(()) }
    }

    /// Says this, at the latest when the client is waited for.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Says this in writes of one byte.
    pub(super) async fn say_in_pieces(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.flush().await?;
        for byte in bytes {
            self.say(&[*byte]);
            self.flush().await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Says this again and again, until the peer leaves.
    pub(super) async fn say_endlessly(&mut self, bytes: &[u8]) -> Result<(), Over> {
        let chunk = bytes.repeat(READ_SIZE.div_ceil(bytes.len().max(1)));
        for _ in 0..ENDLESS / READ_SIZE {
            self.say(&chunk);
            self.flush().await?;
        }
        Err(Over)
    }

    pub(super) async fn flush(&mut self) -> Result<(), Over> {
        if !self.output.is_empty() {
            // Counted before the client can know of it.
            if !std::mem::replace(&mut self.answered, true) {
                self.meters.turn();
            }
            timeout(self.idle_limit, self.stream.write(&self.output))
                .await
                .map_err(|_| Over)??;
            self.output.clear();
        }
        Ok(())
    }

    /// Reads and forgets, until the peer leaves.
    pub(super) async fn stall(&mut self) -> Over {
        loop {
            self.input.clear();
            self.input.reserve(READ_SIZE);
            if !matches!(self.stream.read(&mut self.input).await, Ok(length) if length > 0) {
                return Over;
            }
        }
    }

    /// Says what is due, and neither reads nor writes any more.
    pub(super) async fn freeze(&mut self) -> Over {
        if self.flush().await.is_ok() {
            // Without reading, the peer's end is not seen.
            sleep(FROZEN).await;
        }
        Over
    }

    /// Says what is due and ends the stream: close_notify and FIN.
    pub(super) async fn close(&mut self) -> Over {
        if self.flush().await.is_ok() && self.stream.shutdown().await.is_ok() {
            self.linger().await;
        }
        Over
    }

    /// Says what is due and ends the stream with a FIN, without close_notify.
    pub(super) async fn cut(&mut self) -> Over {
        if self.flush().await.is_ok() {
            let socket = match &mut self.stream {
                Stream::Plain(socket) => socket,
                Stream::Tls(stream) => stream.get_mut().0,
            };
            if socket.shutdown().await.is_ok() {
                self.linger().await;
            }
        }
        Over
    }

    /// Says what is due and resets the connection.
    pub(super) async fn reset(&mut self) -> Over {
        let flushed = self.flush().await;
        let socket = match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
        };
        // The reset goes out when the session drops the socket. Should the
        // option not be taken, the peer sees a FIN instead.
        if flushed.is_ok() && socket.reset_when_dropped().is_err() {
            tracing::debug!("the connection could not be reset");
        }
        Over
    }

    /// A socket that is closed with input left in it sends RST, which may
    /// overtake what was said last. So what still comes is read.
    async fn linger(&mut self) {
        // Time running out is as good an end as any.
        let _over = timeout(LINGER, self.stall()).await;
    }

    /// The ClientHello, without taking it from the input. `None`: what came is
    /// none.
    pub(super) async fn client_hello(&mut self) -> Result<Option<Box<ClientHello>>, Over> {
        loop {
            match hello::parse(&self.input) {
                Parsed::Hello(hello) => return Ok(Some(hello)),
                Parsed::NotOne => return Ok(None),
                Parsed::Incomplete => self.fill().await?,
            }
        }
    }

    /// The same connection, in TLS.
    pub(super) async fn encrypt(
        self,
        config: Arc<ServerConfig>,
        tamper: Option<Tamper>,
    ) -> io::Result<(Self, TlsFacts)> {
        let Stream::Plain(socket) = self.stream else {
            return Err(io::Error::other("TLS within TLS"));
        };
        let handshake =
            TlsAcceptor::from(config).accept(socket.rewind(self.input).tampered(tamper));
        let stream = timeout(HANDSHAKE_LIMIT, handshake).await??;
        let facts = TlsFacts::from(stream.get_ref().1);
        let wire = Self {
            stream: Stream::Tls(Box::new(stream)),
            input: BytesMut::new(),
            output: self.output,
            answered: false,
            meters: self.meters,
            idle_limit: self.idle_limit,
        };
        Ok((wire, facts))
    }
}

impl Stream {
    /// Takes part of a read: safe to drop before it is done.
    async fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read_buf(input).await,
            Self::Tls(stream) => stream.read_buf(input).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        }
    }
}
