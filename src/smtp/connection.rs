//! Commands out, replies in. Knows what a reply is, and not what it means.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::{
    Progress,
    command::Commands,
    error::{Halt, Kind},
    reply::Parser,
    step::Step,
    stream::Stream,
};
use crate::{
    report::{Certificate, Reason, Reply, ReplyCode, Stage},
    tls::{ChannelBinding, ClientAuth},
};

/// How long to look for a reply that explains why the relay no longer reads.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection on which commands and replies go back and forth.
pub(super) struct Connection<IO> {
    stream: Stream<IO>,
    parser: Parser,
    /// Replies that nobody has taken yet, each with what of the octets that are
    /// being written was still ours when it came.
    heard: VecDeque<(Reply, usize)>,
    /// The latter, of the reply that was taken last.
    lacking: usize,
    has_spoken: bool,
    read_end: Option<Kind>,
    write_end: Option<io::Error>,
    /// How much of what was last to be written is still ours.
    unwritten: usize,
}

/// What happened on a connection.
pub(super) enum Exchange {
    /// So many octets were written.
    Written(usize),
    Heard(Reply),
    /// Nothing more will be heard.
    Ended(Kind),
}

impl<IO> Connection<IO> {
    pub(super) fn new(stream: Stream<IO>) -> Self {
        Self {
            stream,
            parser: Parser::default(),
            heard: VecDeque::new(),
            lacking: 0,
            has_spoken: false,
            read_end: None,
            write_end: None,
            unwritten: 0,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    /// What became of the relay's wish for a certificate of ours.
    pub(super) fn client_certificate(&self) -> ClientAuth {
        self.stream.client_certificate()
    }

    /// The chain that the relay presented, leaf first.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        self.stream.certificates()
    }

    /// What tells this connection from every other one, in TLS.
    pub(super) fn channel_binding(&self) -> Option<ChannelBinding> {
        self.stream.channel_binding()
    }

    /// Whether nothing came that was not asked for, and nothing is broken.
    pub(super) fn is_quiet(&self) -> bool {
        self.heard.is_empty()
            && self.parser.is_empty()
            && self.read_end.is_none()
            && self.write_end.is_none()
    }

    /// How many of the octets that were last to be written the relay cannot have.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// The same, when the reply came that was taken last.
    pub(super) fn lacking(&self) -> usize {
        self.lacking
    }

    /// What came and is no reply yet: its beginning.
    pub(super) fn unread(&self) -> Vec<u8> {
        self.parser.beginning()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// Sends one command, and waits for its reply.
    pub(super) async fn ask(&mut self, command: &Commands, step: &Step<'_>) -> Result<Reply, Halt> {
        self.send(command, step).await?;
        self.reply(step).await
    }

    /// Sends commands. Their replies are taken in meanwhile, as they come: a
    /// relay that cannot get rid of its replies may stop reading.
    ///
    /// That the relay no longer reads is no error here, since its last words
    /// may say why: [`Connection::reply`] tells.
    ///
    /// No reply may be due. When the relay has said something all the same,
    /// nothing is sent: it would be taken for the reply to these commands, and
    /// every reply from then on for that to another command.
    pub(super) async fn send(&mut self, commands: &Commands, step: &Step<'_>) -> Result<(), Halt> {
        self.unwritten = commands.octets().len();
        if self.is_interrupted() {
            return Err(self.unasked(step).await);
        }
        step.wait(self.pump(commands.octets(), commands.count(), None))
            .await
            .map(drop)
    }

    /// Sends octets of a message, to which no reply is due, and `behind` octets
    /// that follow it. `false` when the message was not all written, since the
    /// relay replied or hung up meanwhile.
    pub(super) async fn send_data(
        &mut self,
        octets: &[u8],
        behind: usize,
        step: &Step<'_>,
    ) -> Result<bool, Halt> {
        step.wait(self.pump(octets, 1, Some(behind))).await
    }

    /// The next reply.
    pub(super) async fn reply(&mut self, step: &Step<'_>) -> Result<Reply, Halt> {
        let bounded = match self.write_end {
            None => *step,
            Some(_) => step.at_most(LAST_WORDS),
        };
        let next = poll_fn(|cx| {
            self.hear(cx, 1);
            match (self.take(), &mut self.read_end) {
                (Some(reply), _) => Poll::Ready(Ok(reply)),
                (None, Some(_)) => Poll::Ready(Err(self.read_end.take())),
                (None, None) => Poll::Pending,
            }
        });
        let kind = match bounded.wait(next).await {
            Ok(Ok(reply)) => {
                step.heard(&reply);
                return Ok(reply);
            }
            Ok(Err(end)) => end.unwrap_or(Kind::Closed {
                heard: self.has_spoken,
            }),
            Err(halt) => match (halt.kind, self.write_end.take()) {
                (Kind::Timeout { .. }, Some(error)) => self.broken(error),
                (kind, _) => kind,
            },
        };
        Err(step.halt(kind).with_said(&self.parser.beginning()))
    }

    /// What came behind the last reply that is due, as far as that can be known
    /// without waiting. It is not known then which was the one too many.
    pub(super) async fn surplus(&mut self) -> Option<Kind> {
        if !self.is_out_of_step() {
            return None;
        }
        let nobody = Progress::default();
        let step = Step::enter(&nobody, Stage::EndOfData, LAST_WORDS);
        match self.reply(&step).await {
            // It may take its leave at any time (RFC 5321 section 3.8).
            Ok(reply) if reply.code == ReplyCode::CLOSING => None,
            Ok(reply) => Some(Kind::Unexpected(reply)),
            Err(halt) => Some(halt.kind),
        }
    }

    /// Writes some of `octets`, or hears a reply, whichever comes first. To drop
    /// the future loses neither.
    pub(super) async fn exchange(&mut self, octets: &[u8]) -> Exchange {
        let event = poll_fn(|cx| {
            self.hear(cx, 1);
            if let Some(reply) = self.take() {
                return Poll::Ready(Exchange::Heard(reply));
            }
            if let Some(kind) = self.read_end.take() {
                return Poll::Ready(Exchange::Ended(kind));
            }
            let stream = Pin::new(&mut self.stream);
            let written = match octets {
                [] => stream.poll_flush(cx).map_ok(|()| 0),
                octets => stream.poll_write(cx, octets),
            };
            let written = match written {
                Poll::Ready(Ok(0)) if octets.is_empty() => return Poll::Pending,
                Poll::Ready(Ok(0)) => Err(ErrorKind::WriteZero.into()),
                Poll::Ready(written) => written,
                Poll::Pending => return Poll::Pending,
            };
            Poll::Ready(match written {
                Ok(count) => Exchange::Written(count),
                Err(error) => Exchange::Ended(self.broken(error)),
            })
        });
        event.await
    }

    /// A reply that came while something was written.
    pub(super) fn reply_at_hand(&mut self) -> Option<Reply> {
        self.take()
    }

    fn take(&mut self) -> Option<Reply> {
        let (reply, lacking) = self.heard.pop_front()?;
        self.lacking = lacking;
        Some(reply)
    }

    /// What it means that the relay spoke, or left, without being asked.
    pub(super) async fn unasked(&mut self, step: &Step<'_>) -> Halt {
        match self.reply(step).await {
            // It may take its leave at any time (RFC 5321 section 3.8).
            Ok(reply) if reply.code == ReplyCode::CLOSING => step.halt(Kind::Refused {
                reason: Reason::RelayClosing,
                reply,
                mechanism: None,
            }),
            Ok(reply) => step.halt(Kind::Unexpected(reply)),
            Err(halt) => halt,
        }
    }

    /// Whether the relay has something to say that nobody asked for, as far as
    /// that can be known without waiting.
    pub(super) fn is_interrupted(&mut self) -> bool {
        self.hear(&mut Context::from_waker(Waker::noop()), 1);
        !self.is_quiet()
    }

    /// Whether there are more replies than commands, as far as that can be
    /// known without waiting. That the relay takes its leave is none of them:
    /// it may do so behind a refusal.
    pub(super) fn is_out_of_step(&mut self) -> bool {
        self.hear(&mut Context::from_waker(Waker::noop()), 1);
        match self.heard.front() {
            Some((reply, _)) => reply.code != ReplyCode::CLOSING,
            None => !self.parser.is_empty(),
        }
    }

    /// The octets, for TLS to take over. Fails when any came behind the last
    /// reply: whoever injected them would be heard as if through TLS
    /// (RFC 3207 section 6).
    pub(super) fn into_plain(mut self) -> Result<IO, Halt> {
        let mut buffer = [0; 64];
        let mut buffer = ReadBuf::new(&mut buffer);
        let mut cx = Context::from_waker(Waker::noop());
        // An error here is one that the handshake meets again.
        let _ = Pin::new(&mut self.stream).poll_read(&mut cx, &mut buffer);
        let is_silent =
            buffer.filled().is_empty() && self.heard.is_empty() && self.parser.is_empty();
        match self.stream {
            Stream::Plain(io) if is_silent => Ok(io),
            _ => {
                let mut injected = Vec::new();
                for (reply, _) in &self.heard {
                    injected.extend_from_slice(reply.to_string().as_bytes());
                    injected.extend_from_slice(b"\r\n");
                }
                injected.extend(self.parser.beginning());
                injected.extend_from_slice(buffer.filled());
                Err(Halt::new(Stage::Starttls, Kind::Injected).with_said(&injected))
            }
        }
    }

    /// Says QUIT without waiting for anything.
    pub(super) fn leave(&mut self) {
        let quit = Commands::quit();
        let mut cx = Context::from_waker(Waker::noop());
        let mut stream = Pin::new(&mut self.stream);
        // RFC 5321 section 4.1.1.10 wants it said; nothing depends on it.
        let _ = stream.as_mut().poll_write(&mut cx, quit.octets());
        let _ = stream.as_mut().poll_flush(&mut cx);
        let _ = stream.poll_shutdown(&mut cx);
    }

    /// Ends the stream in good order.
    pub(super) async fn close(mut self) {
        // The relay may have closed first.
        let _ = self.stream.shutdown().await;
    }

    /// Writes, and takes in up to `due` replies whenever that has to wait. With
    /// `behind`, a reply ends it that comes before no more than so many octets
    /// are left. Whether all was written.
    async fn pump(&mut self, octets: &[u8], due: usize, behind: Option<usize>) -> bool {
        let mut rest = octets;
        self.unwritten = rest.len();
        poll_fn(|cx| {
            loop {
                let stream = Pin::new(&mut self.stream);
                let written = match rest {
                    [] => stream.poll_flush(cx).map_ok(|()| 0),
                    rest => stream.poll_write(cx, rest),
                };
                match written {
                    Poll::Ready(Ok(_)) if rest.is_empty() => return Poll::Ready(true),
                    Poll::Ready(Ok(0)) => {
                        self.write_end = Some(ErrorKind::WriteZero.into());
                        return Poll::Ready(false);
                    }
                    Poll::Ready(Ok(count)) => {
                        rest = &rest[count..];
                        self.unwritten = rest.len();
                    }
                    Poll::Ready(Err(error)) => {
                        self.write_end = Some(error);
                        return Poll::Ready(false);
                    }
                    Poll::Pending => break,
                }
            }
            self.hear(cx, due);
            let is_early = |behind| behind == 0 || rest.len() > behind;
            if self.read_end.is_some() || (behind.is_some_and(is_early) && !self.heard.is_empty()) {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Takes in what has come, until `due` replies are there.
    fn hear(&mut self, cx: &mut Context<'_>, due: usize) {
        let mut buffer = [0; 1024];
        while self.read_end.is_none() {
            while self.heard.len() < due {
                match self.parser.next() {
                    Ok(Some(reply)) => {
                        self.has_spoken = true;
                        self.heard.push_back((reply, self.unwritten));
                    }
                    Ok(None) => break,
                    Err(bad) => {
                        self.read_end = Some(Kind::BadReply(bad));
                        return;
                    }
                }
            }
            if self.heard.len() >= due {
                return;
            }
            let mut octets = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut octets) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if octets.filled().is_empty() => {
                    self.read_end = Some(self.broken(ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(())) => self.parser.feed(octets.filled()),
                Poll::Ready(Err(error)) => self.read_end = Some(self.broken(error)),
            }
        }
    }

    fn broken(&self, source: io::Error) -> Kind {
        let heard = self.has_spoken;
        match source.kind() {
            // In TLS 1.3 the relay may refuse the handshake after it is done
            // for us (RFC 8446 section 4.4.2.4).
            _ if !heard && let Some(handshake) = self.stream.explain(&source) => {
                Kind::Tls(handshake)
            }
            // TLS that ends without a word.
            ErrorKind::UnexpectedEof => Kind::Closed { heard },
            _ => Kind::Broken { heard, source },
        }
    }
}

impl<IO> fmt::Debug for Connection<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.stream).finish()
    }
}
