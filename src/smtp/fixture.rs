//! Sessions with the test relay over a pipe, for the tests of this room.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::LazyLock,
    time::Duration,
};

use proptest::prelude::*;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    runtime::{self, Runtime},
    task::JoinHandle,
};

use super::{
    Discards, Error, Host, Mechanisms, Probing, Progress, Resolver, Session, Target, TimeLimits,
    Transactions,
};
use crate::{
    report::{Reason, RelayOrigin, Timings, TlsMode},
    testrelay::{Answer, Builder, Script, Step, TestRelay},
    tls,
};

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(super) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What is on the wire at once.
const WIRE: usize = 64 * 1024;

/// A relay that serves one session over a pipe.
pub(super) struct Peer {
    pub(super) relay: TestRelay,
    serving: JoinHandle<()>,
}

impl Peer {
    /// The relay, when it has seen all that the client sent before it left.
    pub(super) async fn done(self) -> TestRelay {
        self.serving.await.unwrap();
        self.relay
    }

    /// Every line that it received, but for the messages, until the client
    /// left.
    pub(super) async fn lines(self) -> Vec<String> {
        lines(&self.done().await)
    }
}

/// Every line that `relay` received so far, but for the messages.
pub(super) fn lines(relay: &TestRelay) -> Vec<String> {
    let commands = relay.commands().into_iter();
    commands.map(|command| command.line).collect()
}

const EXTENSIONS: [&str; 5] = [
    "PIPELINING",
    "SIZE 300000",
    "8BITMIME",
    "ENHANCEDSTATUSCODES",
    "SMTPUTF8",
];

/// A relay with some extensions.
pub(super) fn usual() -> Builder {
    let relay = TestRelay::builder().name("mail.example.com");
    relay.extensions(EXTENSIONS)
}

/// A relay that takes messages in chunks too.
pub(super) fn chunking() -> Builder {
    usual().extensions(EXTENSIONS.into_iter().chain(["CHUNKING"]))
}

/// A relay without extensions.
pub(super) fn plain() -> Builder {
    usual().extensions([])
}

/// A relay with some extensions, which at `step` answers so.
pub(super) fn but(step: Step, answer: Answer) -> Builder {
    usual().script(Script::new().at(step, answer))
}

/// What a relay says to a command, each time that it comes: the usual where it
/// is `None`, `usual` times as often as one of `replies`. `!`: the connection
/// ends. `+`: so it does, and the mail is taken.
pub(super) fn sayings(
    replies: &'static [&'static str],
    usual: u32,
    most: usize,
) -> impl Strategy<Value = Vec<Option<&'static str>>> {
    let one = prop_oneof![
        usual => Just(None),
        1 => prop::sample::select(replies).prop_map(Some),
    ];
    prop::collection::vec(one, 0..most)
}

/// `script`, and these [`sayings`] at `step`.
pub(super) fn saying(script: Script, step: Step, sayings: &[Option<&'static str>]) -> Script {
    let numbered = (1..).zip(sayings);
    numbered.fold(script, |script, (n, saying)| match saying {
        None => script,
        Some("!") => script.nth(n, step, Answer::close()),
        Some("+") => script.nth(n, step, Answer::close().as_if(250)),
        Some(reply) => script.nth(n, step, Answer::reply(reply)),
    })
}

/// A runtime whose clock goes on when there is nothing else to do.
pub(super) fn paused() -> Runtime {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap()
}

/// Serves one session.
pub(super) async fn serve(relay: Builder) -> (DuplexStream, Peer) {
    serve_over(WIRE, relay).await
}

/// Serves one session over a pipe that holds `wire` octets each way.
pub(super) async fn serve_over(wire: usize, relay: Builder) -> (DuplexStream, Peer) {
    let relay = relay.start().await.unwrap();
    let (client, io) = duplex(wire);
    let serving = tokio::spawn(relay.serve(io));
    (client, Peer { relay, serving })
}

pub(super) static ROOTS: LazyLock<tls::SystemRoots> = LazyLock::new(tls::SystemRoots::load);

pub(crate) fn target(mode: TlsMode) -> Target {
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
            credentials_are_stale: false,
            mechanisms: Mechanisms::default(),
            ehlo_name: "client.example.com".into(),
            limits: TimeLimits::default(),
            max_recipients: None,
            transactions: Transactions::Standard,
            discards: Discards::default(),
            resolver: Resolver::new(),
            probing: Probing::off(),
            host,
        }
    });
    Target {
        mode,
        ..TARGET.clone()
    }
}

/// Opens a session over `io` as `target` has it.
pub(super) async fn open<IO: AsyncRead + AsyncWrite + Unpin>(
    io: IO,
    target: &Target,
) -> Result<Session<IO>, Box<Error>> {
    let progress = Progress::default();
    Session::begin(io, LOOPBACK, target, &progress, Timings::default()).await
}

/// Opens a plaintext session that must open.
pub(super) async fn session(io: DuplexStream) -> Session<DuplexStream> {
    open(io, &target(TlsMode::Plaintext)).await.unwrap()
}

/// Why no session comes about with `relay`.
pub(super) async fn refusal(mode: TlsMode, relay: Builder) -> (Reason, Box<Error>) {
    let (io, _peer) = serve(relay).await;
    let error = open(io, &target(mode)).await.unwrap_err();
    (error.reason(), error)
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
