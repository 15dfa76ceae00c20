//! The relay for trying and testing: a real SMTP server with STARTTLS, implicit
//! TLS and AUTH, and with a [`Script`] that can make it answer anything at any
//! step. `posthaste demo`, the integration tests and the benchmarks use it;
//! there is no other SMTP server in the project. It knows nothing of the
//! client side, and nothing else uses it.
//!
//! Commands and data are parsed by `smtp-proto`, the parser of a mail server in
//! wide use: it shares no code with the client side, so that the two cannot
//! agree on a mistake. It does no I/O and decides nothing, which leaves every
//! byte on the wire to the script.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use posthaste::testrelay::{Answer, Script, Step, TestRelay, ca::Ca};
//!
//! let ca = Ca::new("Test CA");
//! let relay = TestRelay::builder()
//!     .tls(ca.server("localhost"))
//!     .auth("user", "pass")
//!     .require_auth()
//!     .script(Script::new().at(Step::Rcpt(2), Answer::reply("550 5.1.1 no such user")))
//!     .start()
//!     .await?;
//! // ... send a mail to `localhost`, `relay.port()`, trusting `ca.pem()` ...
//! let mails = relay.wait_for_mails(1).await?;
//! assert_eq!(mails[0].recipients(), ["ann@example.org"]);
//! # Ok(())
//! # }
//! ```

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

mod answer;
mod auth;
mod builder;
pub mod ca;
mod der;
mod hello;
mod magic;
mod meter;
mod odd;
mod record;
mod relay;
mod reply;
mod sasl;
mod scram;
mod script;
mod session;
mod socket;
mod stack;
mod tls;
mod transaction;
mod wire;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use builder::{Builder, StartError};
pub use hello::ClientHello;
pub use meter::Counters;
pub use odd::Oddity;
pub use record::{Command, Mail, Path, TimedOut};
pub use sasl::Mechanism;
pub use script::{Script, Step};
pub use stack::Stack;
pub use tls::{Tls, TlsError, TlsFacts};

use relay::Relay;
use session::Session;

/// How long the wait helpers wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// A relay that is running. It stops, and its connections end, when this is
/// dropped.
#[derive(Debug)]
pub struct TestRelay {
    relay: Arc<Relay>,
    address: SocketAddr,
    hang_up: mpsc::Sender<oneshot::Sender<()>>,
    _accepting: AbortOnDropHandle<()>,
}

impl TestRelay {
    /// A relay to be set up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A relay in plaintext that takes all mail.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Serves one more client, over `io`: all that it does over TCP it does
    /// over any other stream (TLS too), but for [`Answer::reset`]. It looks at
    /// no clock but tokio's, so that a test can pause it.
    ///
    /// The caller runs what this gives, until it ends with the session. It
    /// outlives the relay, and [`TestRelay::hang_up`] does not reach it.
    pub fn serve<IO>(&self, io: IO) -> impl Future<Output = ()> + Send + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let session = Session::new(Arc::clone(&self.relay), io);
        async {
            let Err(_over) = session.run().await;
        }
    }

    /// Plays another script from now on.
    pub fn play(&self, script: Script) {
        *self.relay.playback() = script.into();
    }

    /// Ends all connections, as a relay that restarts does.
    pub async fn hang_up(&self) {
        let (done, wait) = oneshot::channel();
        if self.hang_up.send(done).await.is_ok() {
            // An error says that the relay has stopped, and then they are ended too.
            let _ended = wait.await;
        }
    }

    /// The mails that it took, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.relay.record.mails()
    }

    /// Every line that it received, but for the messages, oldest first.
    pub fn commands(&self) -> Vec<Command> {
        self.relay.record.commands()
    }

    /// What was counted over all connections.
    pub fn counters(&self) -> Counters {
        self.relay.record.counters()
    }

    /// What was counted for each of its latest connections, oldest first.
    pub fn sessions(&self) -> Vec<Counters> {
        self.relay.record.sessions()
    }

    /// The latest ClientHellos, oldest first.
    pub fn client_hellos(&self) -> Vec<ClientHello> {
        self.relay.record.hellos()
    }

    /// The last ClientHello.
    pub fn last_client_hello(&self) -> Option<ClientHello> {
        self.client_hellos().pop()
    }

    /// Why handshakes failed, in the words of a log on the relay's side, such
    /// as `received fatal alert: CertificateExpired`.
    pub fn handshake_failures(&self) -> Vec<String> {
        self.relay.record.handshake_failures()
    }

    /// Waits until it has taken `n` mails, and tells all that it took.
    pub async fn wait_for_mails(&self, n: usize) -> Result<Vec<Mail>, TimedOut> {
        self.wait_for(&format!("mail {n}"), |relay| {
            Some(relay.mails()).filter(|mails| mails.len() >= n)
        })
        .await
    }

    /// Waits until a line that starts with `verb` has come `n` times.
    pub async fn wait_for_commands(&self, verb: &str, n: usize) -> Result<(), TimedOut> {
        self.wait_for(&format!("{verb} number {n}"), |relay| {
            let commands = relay.commands();
            let found = commands
                .iter()
                .filter(|command| command.line.starts_with(verb));
            (found.count() >= n).then_some(())
        })
        .await
    }

    /// Waits until no connection is left, so that whatever its clients have
    /// sent is on record.
    pub async fn wait_until_alone(&self) -> Result<(), TimedOut> {
        self.wait_for("the end of the last connection", |relay| {
            (relay.relay.record.present() == 0).then_some(())
        })
        .await
    }

    /// Waits, at most ten seconds, until `condition` gives something. It is
    /// asked whenever a line, a mail or a ClientHello has come, and when a
    /// connection begins or ends.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        mut condition: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, TimedOut> {
        self.relay
            .record
            .wait(what, PATIENCE, || condition(self))
            .await
    }

    fn run(relay: Arc<Relay>, listener: TcpListener, address: SocketAddr, bounds: Bounds) -> Self {
        let (hang_up, wishes) = mpsc::channel(1);
        let accepting = accept(Arc::clone(&relay), listener, wishes, bounds);
        Self {
            relay,
            address,
            hang_up,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)),
        }
    }
}

/// What a relay bears.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// At a time.
    connections: usize,
    /// How long each may last.
    session: Duration,
}

/// Accepts connections for ever. The sessions end with it.
async fn accept(
    relay: Arc<Relay>,
    listener: TcpListener,
    mut wishes: mpsc::Receiver<oneshot::Sender<()>>,
    bounds: Bounds,
) {
    let mut sessions = JoinSet::new();
    loop {
        relay.record.set_present(sessions.len());
        tokio::select! {
            Some(done) = wishes.recv() => {
                sessions.shutdown().await;
                // Who asked may have gone.
                let _gone = done.send(());
            }
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else {
                    // Too many open files, most likely; a session that ends helps.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                if sessions.len() >= bounds.connections {
                    sessions.spawn(turn_away(tcp));
                    continue;
                }
                if tcp.set_nodelay(true).is_ok() {
                    let session = Session::new(Arc::clone(&relay), tcp);
                    let limit = bounds.session;
                    sessions.spawn(async move {
                        let _over = tokio::time::timeout(limit, session.run()).await;
                    });
                }
            }
        }
    }
}

async fn turn_away(mut tcp: TcpStream) {
    use tokio::io::AsyncWriteExt as _;
    // Whether the client hears it or not, it is turned away.
    let _unheard = tcp.write_all(b"421 4.3.2 too many connections\r\n").await;
}
