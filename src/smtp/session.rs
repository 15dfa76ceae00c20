//! A session: a connection's life, from DNS to QUIT.

use std::{net::IpAddr, num::NonZeroUsize, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};

use super::{
    Progress, Target, TimeLimits,
    command::Commands,
    connect::connect,
    connection::Connection,
    ehlo::Extensions,
    error::{Error, Halt},
    opening::Opening,
    step::Step,
};
use crate::report::{
    self, RecipientResult, RelayEndpoint, RelayOrigin, Stage, Timings, TlsSession,
};

/// How long to wait for the reply to QUIT.
const QUIT_LIMIT: Duration = Duration::from_secs(2);

/// A session that is ready for transactions.
#[derive(Debug)]
pub struct Session<IO = TcpStream> {
    pub(super) connection: Connection<IO>,
    pub(super) extensions: Extensions,
    pub(super) limits: TimeLimits,
    /// How many recipients to name in one transaction.
    pub(super) max_recipients: Option<NonZeroUsize>,
    /// Whether another transaction may follow. `false` while one is under way,
    /// so that one that is dropped leaves it so.
    pub(super) is_usable: bool,
    place: Place,
    tls: Option<TlsSession>,
    timings: Timings,
    mails: usize,
}

/// Which relay it is, for reports.
#[derive(Clone, Debug)]
struct Place {
    endpoint: RelayEndpoint,
    origin: RelayOrigin,
}

impl Session<TcpStream> {
    /// Connects, starts TLS as the target's mode has it, and authenticates.
    pub async fn open(target: &Target, progress: &Progress) -> Result<Self, Box<Error>> {
        let mut timings = Timings::default();
        let (stream, ip) = reach(target, progress, &mut timings)
            .await
            .map_err(|halt| Place::of(target, None).error(halt, Vec::new()))?;
        Self::begin(stream, ip, target, progress, timings).await
    }
}

async fn reach(
    target: &Target,
    progress: &Progress,
    timings: &mut Timings,
) -> Result<(TcpStream, IpAddr), Halt> {
    let limits = &target.limits;
    let step = Step::enter(progress, Stage::Resolve, limits.resolve);
    let started = Instant::now();
    let addresses = step.wait(target.resolver.resolve(&target.host)).await?;
    timings.resolve = Some(started.elapsed());
    let addresses = addresses.map_err(|kind| step.halt(kind))?;

    // Each address has its limit, and all have theirs.
    let step = Step::enter(progress, Stage::Connect, Duration::MAX);
    let started = Instant::now();
    let connected = step.wait(connect(&addresses, target.port, limits)).await?;
    timings.connect = Some(started.elapsed());
    connected.map_err(|kind| step.halt(kind))
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Gets a fresh connection to `ip` ready for transactions.
    pub(super) async fn begin(
        io: IO,
        ip: IpAddr,
        target: &Target,
        progress: &Progress,
        timings: Timings,
    ) -> Result<Self, Box<Error>> {
        let place = Place::of(target, Some(ip));
        let mut opening = Opening {
            target,
            progress,
            ip,
            timings,
            tls: None,
        };
        match opening.run(io).await {
            Ok((connection, extensions)) => Ok(Self {
                connection,
                extensions,
                limits: target.limits,
                max_recipients: target.max_recipients,
                is_usable: true,
                place,
                tls: opening.tls,
                timings: opening.timings,
                mails: 0,
            }),
            Err(halt) => Err(place.error(halt, Vec::new())),
        }
    }

    /// Whether another transaction may follow.
    pub fn is_reusable(&self) -> bool {
        self.is_usable && self.connection.is_quiet()
    }

    /// Facts about the session, as the last mail saw it.
    pub fn facts(&self) -> report::Session {
        report::Session {
            endpoint: self.place.endpoint.clone(),
            tls: self.tls.clone(),
            reused: self.mails > 1,
            extensions: self.extensions.lines.clone(),
            timings: self.timings,
        }
    }

    /// Says QUIT and closes, within a bounded time.
    pub async fn quit(mut self) {
        let nobody = Progress::default();
        let step = Step::enter(&nobody, Stage::Quit, QUIT_LIMIT);
        // Whatever comes of it, the session is over.
        let _ = self.connection.ask(&Commands::quit(), &step).await;
        let _ = step.wait(self.connection.close()).await;
    }

    /// A mail is to be sent. What the session cost before it was the price of
    /// the first one.
    pub(super) fn count_mail(&mut self) {
        if self.mails > 0 {
            self.timings = Timings::default();
        }
        self.mails += 1;
    }

    pub(super) fn time_transactions(&mut self, elapsed: Duration) {
        self.timings.transaction = Some(elapsed);
    }

    pub(super) fn error(&self, halt: Halt, recipients: Vec<RecipientResult>) -> Box<Error> {
        self.place.clone().error(halt, recipients)
    }
}

impl Place {
    fn of(target: &Target, ip: Option<IpAddr>) -> Self {
        Self {
            endpoint: RelayEndpoint {
                relay: target.relay.clone(),
                host: target.host.to_string(),
                port: target.port,
                ip,
            },
            origin: target.origin,
        }
    }

    fn error(self, halt: Halt, recipients: Vec<RecipientResult>) -> Box<Error> {
        Box::new(Error {
            stage: halt.stage,
            kind: halt.kind,
            endpoint: self.endpoint,
            origin: self.origin,
            recipients,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::runtime;

    use super::*;
    use crate::{
        mail::{Envelope, RecipientPolicy},
        report::{RecipientState, TlsMode},
        smtp::{
            Body, Credentials, Transaction,
            peer::{Answer, open, seconds, serve_over, target, usual},
        },
    };

    #[test]
    fn sessions_move_between_threads() {
        fn is_send<T: Send>(_: &T) {}
        let (target, progress) = (target(TlsMode::Starttls), Progress::default());
        is_send(&Session::open(&target, &progress));
    }

    /// What a relay may say where a reply is due: most often what it should.
    fn saying() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop_oneof![
            8 => Just(None),
            3 => "[2-5][0-9]{2}[ -][ -~]{0,20}\r\n".prop_map(|line| Some(line.into_bytes())),
            1 => "(250-[a-zA-Z0-9= ]{0,12}\r\n){0,9}250 (AUTH PLAIN|SIZE [0-9]{1,3}|PIPELINING)\r\n"
                .prop_map(|lines| Some(lines.into_bytes())),
            1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Some),
            1 => "(250 ok\r\n|354 go\r\n){0,4}".prop_map(|lines| Some(lines.into_bytes())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn whatever_a_relay_says_the_session_ends_in_time_and_in_sense(
            sayings in prop::collection::vec(saying(), 0..24),
            last in 0_u8..3,
            wire in 8_usize..2000,
            recipients in 1_usize..4,
            to_all in any::<bool>(),
            has_credentials in any::<bool>(),
        ) {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut sayings = sayings.into_iter();
                let (io, _peer) = serve_over(wire, move |line| match (sayings.next(), last) {
                    (Some(Some(octets)), _) => Answer::Octets(octets),
                    (Some(None), _) => usual(line),
                    (None, 0) => Answer::Close(""),
                    (None, 1) => Answer::Silence,
                    (None, _) => Answer::Stall,
                });
                let credentials = has_credentials.then(|| Credentials::Password {
                    username: "ada".into(),
                    password: "p".into(),
                });
                let target = Target { credentials, ..target(TlsMode::Plaintext) };
                let envelope = Envelope {
                    reverse_path: None,
                    forward_paths: (0..recipients)
                        .map(|n| format!("r{n}@example.com").parse().unwrap())
                        .collect(),
                };
                let body = Body {
                    bytes: "a\r\n".repeat(500).into(),
                    is_8bit: false,
                    needs_smtputf8: false,
                };
                let transaction = Transaction {
                    envelope: &envelope,
                    body: &body,
                    policy: if to_all { RecipientPolicy::All } else { RecipientPolicy::Any },
                };

                let started = Instant::now();
                if let Ok(mut session) = open(io, &target).await {
                    for _ in 0..3 {
                        if !session.is_reusable() {
                            break;
                        }
                        match session.send(transaction, &Progress::default()).await {
                            Ok(delivered) => {
                                let taken = |r: &RecipientResult| r.state == RecipientState::Accepted;
                                assert!(delivered.recipients.iter().any(taken));
                            }
                            Err(error) => {
                                let failure = error.into_failure();
                                assert!(failure.summary.is_ascii());
                                let is_unknown = failure.reason == report::Reason::OutcomeUnknown;
                                assert!(!is_unknown || failure.stage == Stage::EndOfData);
                                for recipient in failure.recipients {
                                    assert_ne!(recipient.state, RecipientState::Accepted);
                                    assert!(is_unknown || recipient.state != RecipientState::Unknown);
                                }
                            }
                        }
                    }
                    session.quit().await;
                }
                // One wait for each limit at most: the peer falls silent once.
                assert!(started.elapsed() <= seconds(600 + 5 + 4), "{:?}", started.elapsed());
            });
        }
    }
}
