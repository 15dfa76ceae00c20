//! What a session said and heard, octet for octet, and how a relay that keeps to
//! the standards reads that.

use std::{
    collections::VecDeque,
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

    /// What it is when commands, messages and replies are told apart by RFC
    /// 5321 and RFC 3030.
    pub(super) fn read(&self) -> Reading {
        let mut reading = Reading::new();
        for event in &*self.events() {
            match event {
                Event::Said(octets) => reading.say(octets),
                Event::Heard(octets) => reading.hear(octets),
            }
        }
        reading
    }

    /// How many messages were answered with 2yz: a mail takes several where the
    /// relay finds its recipients too many.
    pub(super) fn accepted_ends(&self) -> usize {
        self.read().accepted
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

/// A conversation, read as the standards have it.
#[derive(Debug)]
pub(super) struct Reading {
    /// The lines where a command was due.
    pub(super) commands: Vec<String>,
    /// Each message that was said to its end, without dot-stuffing.
    pub(super) messages: Vec<Vec<u8>>,
    /// How many of them the relay took.
    accepted: usize,
    said: Vec<u8>,
    heard: Vec<u8>,
    expecting: Expecting,
    /// What has no reply yet.
    due: VecDeque<Due>,
}

#[derive(Debug)]
enum Expecting {
    Command,
    /// A line within AUTH.
    Response,
    Data,
    Chunk(usize),
}

#[derive(Debug, Eq, PartialEq)]
enum Due {
    Other,
    Auth,
    Data,
    /// Whether it was said to its end.
    Message(bool),
}

impl Reading {
    fn new() -> Self {
        Self {
            commands: Vec::new(),
            messages: Vec::new(),
            accepted: 0,
            said: Vec::new(),
            heard: Vec::new(),
            expecting: Expecting::Command,
            // The greeting.
            due: [Due::Other].into(),
        }
    }

    fn say(&mut self, octets: &[u8]) {
        self.said.extend_from_slice(octets);
        loop {
            match self.expecting {
                Expecting::Command => {
                    let Some(line) = self.line() else { return };
                    self.command(line);
                }
                Expecting::Response => {
                    if self.line().is_none() {
                        return;
                    }
                    self.due.push_back(Due::Auth);
                    self.expecting = Expecting::Command;
                }
                Expecting::Data => {
                    let text = [b"\r\n", &*self.said].concat();
                    let Some(end) = memchr::memmem::find(&text, b"\r\n.\r\n") else {
                        return;
                    };
                    self.said = text[end + 5..].to_vec();
                    let message = String::from_utf8(text[..end + 2].to_vec()).unwrap();
                    let message = message.replace("\r\n.", "\r\n");
                    self.messages.push(message[2..].into());
                    self.due.push_back(Due::Message(true));
                    self.expecting = Expecting::Command;
                }
                Expecting::Chunk(size) => {
                    if self.said.len() < size {
                        return;
                    }
                    self.messages.push(self.said.drain(..size).collect());
                    // That it was answered before does not make it a mail.
                    if let Some(Due::Message(is_whole)) = self.due.back_mut() {
                        *is_whole = true;
                    }
                    self.expecting = Expecting::Command;
                }
            }
        }
    }

    fn command(&mut self, line: String) {
        let mut words = line.split(' ');
        let due = match words.next().unwrap() {
            "AUTH" => Due::Auth,
            "DATA" => Due::Data,
            "BDAT" => {
                self.expecting = Expecting::Chunk(words.next().unwrap().parse().unwrap());
                assert_eq!(words.next(), Some("LAST"));
                Due::Message(false)
            }
            _ => Due::Other,
        };
        self.due.push_back(due);
        self.commands.push(line);
    }

    fn hear(&mut self, octets: &[u8]) {
        self.heard.extend_from_slice(octets);
        while let Some(end) = memchr::memchr(b'\n', &self.heard) {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let is_last = !matches!(line.get(3), Some(b'-'));
            let code = line.get(..3).and_then(|code| str::from_utf8(code).ok());
            if let Some(code) = code.and_then(|code| code.parse::<u16>().ok())
                && is_last
            {
                self.reply(code);
            }
        }
    }

    fn reply(&mut self, code: u16) {
        match (self.due.pop_front(), code) {
            (Some(Due::Auth), 334) => self.expecting = Expecting::Response,
            (Some(Due::Data), 354) => self.expecting = Expecting::Data,
            (Some(Due::Message(true)), 200..300) => self.accepted += 1,
            _ => {}
        }
    }

    fn line(&mut self) -> Option<String> {
        let end = memchr::memchr(b'\n', &self.said)?;
        let line: Vec<u8> = self.said.drain(..=end).collect();
        Some(String::from_utf8(line).unwrap().trim_end().to_owned())
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
