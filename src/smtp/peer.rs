//! A relay of a few lines, for the tests of this room: it answers each line as
//! a closure says, and counts the turns.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
};

use super::{Error, Host, Progress, Resolver, Session, Target, TimeLimits};
use crate::{
    report::{Reason, RelayOrigin, Timings, TlsMode},
    tls,
};

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(super) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What is on the wire at once.
const WIRE: usize = 64 * 1024;

/// What the peer does when a line has come.
pub(super) enum Answer {
    /// Says this, with a line end behind it.
    Say(String),
    /// Says exactly this.
    Octets(Vec<u8>),
    /// Says nothing any more, and goes on reading.
    Silence,
    /// Says this and hangs up.
    Close(&'static str),
    /// Stops reading, and stays.
    Stall,
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::Say(text.to_owned())
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::Say(text)
    }
}

/// What the peer saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Every line but those of messages.
    pub(super) lines: Vec<String>,
    /// Every message, with the final dot.
    pub(super) messages: Vec<String>,
    /// How often it waited for the client after it had spoken.
    pub(super) turns: usize,
}

/// The usual answers. The greeting answers the empty line.
pub(super) fn usual(line: &str) -> Answer {
    let verb = line.split([' ', ':']).next().unwrap_or_default();
    match verb {
        "" => "220 mail.example.com ESMTP",
        "EHLO" => {
            "250-mail.example.com\r\n250-PIPELINING\r\n250-SIZE 300000\r\n250-8BITMIME\r\n250 SMTPUTF8"
        }
        "DATA" => "354 go on",
        "." => "250 2.0.0 queued",
        "QUIT" => "221 bye",
        _ => "250 2.1.0 ok",
    }
    .into()
}

/// The usual answers of a relay without extensions.
pub(super) fn plain(line: &str) -> Answer {
    if line.starts_with("EHLO") {
        "250 mail.example.com".into()
    } else {
        usual(line)
    }
}

/// The usual answers, but for lines that begin with `start`.
pub(super) fn but<A: Into<Answer>>(
    start: &'static str,
    answer: impl Fn() -> A + Send + 'static,
) -> impl FnMut(&str) -> Answer + Send + 'static {
    move |line| {
        let fits = if start.is_empty() {
            line.is_empty()
        } else {
            line.starts_with(start)
        };
        if fits { answer().into() } else { usual(line) }
    }
}

/// Serves one connection until the client hangs up.
pub(super) fn serve(
    answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (DuplexStream, JoinHandle<Seen>) {
    serve_over(WIRE, answer)
}

/// Serves one connection that holds `wire` octets each way.
pub(super) fn serve_over(
    wire: usize,
    answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (DuplexStream, JoinHandle<Seen>) {
    let (client, io) = duplex(wire);
    (client, tokio::spawn(converse(io, answer)))
}

/// Answers until the client hangs up.
pub(super) async fn converse(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    mut answer: impl FnMut(&str) -> Answer,
) -> Seen {
    let mut seen = Seen::default();
    let mut unread = Vec::new();
    let mut line = String::new();
    loop {
        let answer = answer(&line);
        let takes_message = matches!(&answer, Answer::Say(text) if text.starts_with("354"));
        let said = match answer {
            Answer::Say(text) => io.write_all((text + "\r\n").as_bytes()).await,
            Answer::Octets(octets) => io.write_all(&octets).await,
            Answer::Silence => {
                let _ = tokio::io::copy(&mut io, &mut tokio::io::sink()).await;
                return seen;
            }
            Answer::Close(text) => {
                let _ = io.write_all(text.as_bytes()).await;
                let _ = io.shutdown().await;
                return seen;
            }
            Answer::Stall => std::future::pending().await,
        };
        if said.is_err() || io.flush().await.is_err() {
            return seen;
        }
        let end = if takes_message { "\r\n.\r\n" } else { "\r\n" };
        let mut has_waited = false;
        let text = loop {
            // A message may be the lone dot.
            let lone_dot = takes_message && unread.starts_with(b".\r\n");
            let at = memchr::memmem::find(&unread, end.as_bytes()).map(|at| at + end.len());
            if let Some(at) = if lone_dot { Some(3) } else { at } {
                break String::from_utf8_lossy(&unread.drain(..at).collect::<Vec<_>>())
                    .into_owned();
            }
            if !has_waited {
                seen.turns += 1;
                has_waited = true;
            }
            // A turn must not be counted for octets that are there already.
            unread.reserve(WIRE);
            match io.read_buf(&mut unread).await {
                Ok(0) | Err(_) => return seen,
                Ok(_) => {}
            }
        };
        if takes_message {
            seen.messages.push(text);
            line = ".".into();
        } else {
            line = text.trim_end().to_owned();
            seen.lines.push(line.clone());
        }
    }
}

pub(super) static ROOTS: LazyLock<tls::SystemRoots> = LazyLock::new(tls::SystemRoots::load);

pub(super) fn target(mode: TlsMode) -> Target {
    static TARGET: LazyLock<Target> = LazyLock::new(|| {
        let host: Host = "mail.example.com".parse().unwrap();
        let name = host.to_server_name();
        Target {
            relay: Some("primary".into()),
            origin: RelayOrigin::Configured,
            port: 587,
            mode: TlsMode::Plaintext,
            tls: tls::Connector::new(&tls::Settings::default(), &name, &ROOTS).unwrap(),
            credentials: None,
            ehlo_name: "client.example.com".into(),
            limits: TimeLimits::default(),
            max_recipients: None,
            resolver: Resolver::new(),
            host,
        }
    });
    Target {
        mode,
        ..TARGET.clone()
    }
}

/// Opens a session with `io` as `target` has it.
pub(super) async fn open(
    io: DuplexStream,
    target: &Target,
) -> Result<Session<DuplexStream>, Box<Error>> {
    let progress = Progress::default();
    Session::begin(io, LOOPBACK, target, &progress, Timings::default()).await
}

/// Opens a plaintext session that must open.
pub(super) async fn session(io: DuplexStream) -> Session<DuplexStream> {
    open(io, &target(TlsMode::Plaintext)).await.unwrap()
}

/// Why no session comes about with a peer that answers so.
pub(super) async fn refusal(
    mode: TlsMode,
    answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (Reason, Box<Error>) {
    let (io, _peer) = serve(answer);
    let error = open(io, &target(mode)).await.unwrap_err();
    (error.reason(), error)
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
