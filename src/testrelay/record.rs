//! What a relay saw, for tests to look at.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::watch, time::timeout};

use super::{
    hello::ClientHello,
    meter::{Counters, Meter, Meters},
    tls::TlsFacts,
};

/// A mail that the relay took.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The session that brought it, from 1.
    pub session: u64,
    /// What the client said in EHLO.
    pub ehlo_name: String,
    /// MAIL FROM.
    pub reverse_path: Path,
    /// The forward-paths that were accepted.
    pub forward_paths: Vec<Path>,
    /// The message, without dot-stuffing.
    pub bytes: Bytes,
    /// How it was brought. `None`: in plaintext.
    pub tls: Option<TlsFacts>,
    /// Who the client had authenticated as.
    pub identity: Option<String>,
}

impl Mail {
    /// The message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The addresses that it went to.
    pub fn recipients(&self) -> Vec<&str> {
        self.forward_paths
            .iter()
            .map(|path| path.address.as_str())
            .collect()
    }
}

/// The argument of MAIL FROM or RCPT TO, as it was on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// What stood between the angle brackets.
    pub address: String,
    /// Such as `SIZE=1000` and `SMTPUTF8`.
    pub parameters: Vec<String>,
}

impl Path {
    /// Reads the path and its parameters from a command that is known to be
    /// well formed.
    pub(super) fn of_command(line: &str) -> Self {
        let rest = line.split_once('<').map_or("", |(_, rest)| rest);
        let mut quoted = false;
        let mut escaped = false;
        let end = rest.find(|c| {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = quoted;
            } else if c == '"' {
                quoted = !quoted;
            }
            c == '>' && !quoted
        });
        let (address, parameters) = rest.split_at(end.unwrap_or(rest.len()));
        Self {
            address: address.to_owned(),
            parameters: parameters
                .split_whitespace()
                .skip(1)
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// A line that the client sent: a command, or a response within AUTH.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    /// The session, from 1.
    pub session: u64,
    /// Whether it came in TLS.
    pub tls: bool,
    /// The line, without CRLF.
    pub line: String,
}

/// The wait was over before what was waited for came.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not come within {limit:?}; the relay saw {mails} mails and {commands:#?}")]
pub struct TimedOut {
    what: String,
    limit: Duration,
    mails: usize,
    commands: Vec<String>,
}

/// Beyond these the oldest are forgotten.
const MOST_COMMANDS: usize = 100_000;
const MOST_SESSIONS: usize = 10_000;
const MOST_HELLOS: usize = 1000;
/// Beyond this no mail is taken.
const MOST_BYTES: usize = 1 << 30;

#[derive(Debug)]
pub(super) struct Record {
    /// Whether to keep mails and commands, or only to count.
    keeps: bool,
    total: Arc<Meter>,
    /// How many connections there are.
    present: AtomicUsize,
    seen: Mutex<Seen>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Seen {
    mails: Vec<Mail>,
    bytes: usize,
    commands: VecDeque<Command>,
    sessions: VecDeque<Arc<Meter>>,
    hellos: VecDeque<ClientHello>,
    handshake_failures: VecDeque<String>,
}

impl Record {
    pub(super) fn new(keeps: bool) -> Self {
        Self {
            keeps,
            total: Arc::default(),
            present: AtomicUsize::new(0),
            seen: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Meters for a new session.
    pub(super) fn session(&self) -> Meters {
        let session = Arc::new(Meter::default());
        push_bounded(
            &mut self.seen().sessions,
            Arc::clone(&session),
            MOST_SESSIONS,
        );
        Meters {
            relay: Arc::clone(&self.total),
            session,
        }
    }

    pub(super) fn present(&self) -> usize {
        self.present.load(Ordering::Acquire)
    }

    pub(super) fn set_present(&self, connections: usize) {
        self.present.store(connections, Ordering::Release);
        self.changed.send_replace(());
    }

    pub(super) fn command(&self, session: u64, tls: bool, line: &[u8]) {
        if self.keeps {
            let command = Command {
                session,
                tls,
                line: String::from_utf8_lossy(line.trim_ascii_end()).into_owned(),
            };
            push_bounded(&mut self.seen().commands, command, MOST_COMMANDS);
            self.changed.send_replace(());
        }
    }

    pub(super) fn hello(&self, hello: ClientHello) {
        push_bounded(&mut self.seen().hellos, hello, MOST_HELLOS);
        self.changed.send_replace(());
    }

    pub(super) fn handshake_failure(&self, error: &dyn std::error::Error) {
        push_bounded(
            &mut self.seen().handshake_failures,
            error.to_string(),
            MOST_HELLOS,
        );
        self.changed.send_replace(());
    }

    /// Whether there is room for a mail of this size.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        !self.keeps || self.seen().bytes + bytes <= MOST_BYTES
    }

    pub(super) fn mail(&self, mail: Mail) {
        if self.keeps {
            let mut seen = self.seen();
            seen.bytes += mail.bytes.len();
            seen.mails.push(mail);
        }
        self.changed.send_replace(());
    }

    pub(super) fn mails(&self) -> Vec<Mail> {
        self.seen().mails.clone()
    }

    pub(super) fn commands(&self) -> Vec<Command> {
        self.seen().commands.iter().cloned().collect()
    }

    pub(super) fn counters(&self) -> Counters {
        self.total.read()
    }

    pub(super) fn sessions(&self) -> Vec<Counters> {
        self.seen()
            .sessions
            .iter()
            .map(|meter| meter.read())
            .collect()
    }

    pub(super) fn hellos(&self) -> Vec<ClientHello> {
        self.seen().hellos.iter().cloned().collect()
    }

    pub(super) fn handshake_failures(&self) -> Vec<String> {
        self.seen().handshake_failures.iter().cloned().collect()
    }

    /// Waits until `condition` gives something.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<T, TimedOut> {
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                if let Some(found) = condition() {
                    return found;
                }
                if changed.changed().await.is_err() {
                    // Without a sender nothing can change any more.
                    std::future::pending::<()>().await;
                }
            }
        };
        timeout(limit, wait).await.map_err(|_| {
            let seen = self.seen();
            TimedOut {
                what: what.to_owned(),
                limit,
                mails: seen.mails.len(),
                commands: seen
                    .commands
                    .iter()
                    .map(|command| command.line.clone())
                    .collect(),
            }
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_as_it_was_on_the_wire() {
        let path = Path::of_command(r#"MAIL FROM:<"a> \"b"@example.org> SIZE=10 SMTPUTF8"#);
        assert_eq!(path.address, r#""a> \"b"@example.org"#);
        assert_eq!(path.parameters, ["SIZE=10", "SMTPUTF8"]);

        let path = Path::of_command("MAIL FROM:<>");
        assert_eq!(path.address, "");
        assert!(path.parameters.is_empty());
    }
}
