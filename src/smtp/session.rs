//! A session: a connection's life, from DNS to QUIT.

use std::{net::IpAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};

use super::{
    Progress, Target, TimeLimits,
    command::Commands,
    connect::{Connected, connect},
    connection::Connection,
    ehlo::Extensions,
    error::{Error, Halt, Kind},
    opening::Opening,
    step::Step,
    transaction::{Curiosity, Standing},
};
use crate::report::{
    self, Certificate, ConnectAttempt, RecipientResult, RelayEndpoint, RelayOrigin, Stage, Timings,
    TlsSession,
};

/// How long a farewell may take.
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
    /// What a refused transaction left to be tidied up.
    pub(super) unsettled: Option<Standing>,
    /// What ended the session behind a mail that had its answer.
    pub(super) parting: Option<Kind>,
    /// What is to be found out when nobody waits for a mail.
    pub(super) curiosity: Option<Curiosity>,
    /// Whether the relay may have something of the message, for the mail under
    /// way or for the last one, in whichever of its transactions.
    pub(super) has_begun_message: bool,
    target: Target,
    place: Place,
    tls: Option<Arc<TlsSession>>,
    timings: Timings,
    /// Transactions that were begun.
    pub(super) mails: usize,
    has_rested: bool,
}

/// Which relay it is, for reports.
#[derive(Clone, Debug)]
struct Place {
    endpoint: RelayEndpoint,
    origin: RelayOrigin,
    /// The addresses that were tried in vain before it was found.
    others: Vec<ConnectAttempt>,
}

impl Session<TcpStream> {
    /// Connects, starts TLS as the target's mode has it, and authenticates.
    pub async fn open(target: &Target, progress: &Progress) -> Result<Self, Box<Error>> {
        let mut timings = Timings::default();
        let Connected { stream, ip, others } = reach(target, progress, &mut timings)
            .await
            .map_err(|halt| Place::of(target, None).error(halt, Vec::new()))?;
        match Self::begin(stream, ip, target, progress, timings).await {
            Ok(mut session) => {
                session.place.others = others;
                Ok(session)
            }
            Err(mut error) => {
                error.connect_attempts = others;
                Err(error)
            }
        }
    }
}

/// Resolves and connects.
pub(super) async fn reach(
    target: &Target,
    progress: &Progress,
    timings: &mut Timings,
) -> Result<Connected<TcpStream>, Halt> {
    let limits = &target.limits;
    let step = Step::enter(progress, Stage::Resolve, limits.resolve);
    let started = Instant::now();
    let addresses = step.wait(target.resolver.resolve(&target.host)).await?;
    timings.resolve = Some(started.elapsed());
    let addresses = addresses.map_err(|kind| step.halt(kind))?;

    // Each address has its limit, and all have theirs.
    let step = Step::enter(progress, Stage::Connect, Duration::MAX);
    let started = Instant::now();
    let connected = step.wait(connect(addresses, target.port, limits)).await?;
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
                unsettled: None,
                parting: None,
                curiosity: None,
                has_begun_message: false,
                target: target.clone(),
                place,
                tls: opening.tls.map(Arc::new),
                timings: opening.timings,
                mails: 0,
                has_rested: false,
            }),
            Err(halt) => Err(place.error(halt, Vec::new())),
        }
    }

    /// Whether another transaction may follow.
    pub fn is_reusable(&self) -> bool {
        self.is_usable && self.connection.is_quiet()
    }

    /// Whether this is the session that opening one for `target` would give.
    pub fn serves(&self, target: &Target) -> bool {
        self.target.is_same_as(target)
    }

    /// Takes the session up for another mail, after a rest. One look at the
    /// socket, and not a word to the relay: `false` when the relay has closed
    /// the connection meanwhile, or has said something, such as 421.
    pub fn resume(&mut self) -> bool {
        // What it cost to get here was the price of an earlier mail.
        self.timings = Timings::default();
        self.place.others.clear();
        self.has_rested = true;
        self.is_usable && !self.connection.is_interrupted()
    }

    /// How many mails it has carried, or begun to carry, as the relay counts
    /// them: each transaction is one.
    pub fn mails(&self) -> usize {
        self.mails
    }

    /// Facts about the session, as the last mail saw it.
    pub fn facts(&self) -> report::Session {
        report::Session {
            endpoint: self.place.endpoint.clone(),
            tls: self.tls.clone(),
            reused: self.has_rested,
            extensions: self.extensions.lines.clone(),
            timings: self.timings,
        }
    }

    /// The chain that the relay presented, leaf first. Empty in plaintext.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        self.connection.certificates()
    }

    /// Says QUIT and closes, within a bounded time. A session that is out of
    /// order is closed without a word: where the relay waits for the rest of a
    /// message, QUIT would become part of it.
    pub async fn quit(self) {
        self.part(&Progress::default()).await;
    }

    /// [`Session::quit`], for somebody who looks on.
    pub(super) async fn part(mut self, progress: &Progress) {
        self.put_in_order().await;
        let step = Step::enter(progress, Stage::Quit, QUIT_LIMIT);
        let listens = self.is_reusable();
        let farewell = async {
            if listens {
                let _ = self.connection.ask(&Commands::quit(), &step).await;
            }
            self.connection.close().await;
        };
        // Whatever comes of it, the session is over.
        let _ = step.wait(farewell).await;
    }

    pub(super) fn time_transactions(&mut self, elapsed: Duration) {
        self.timings.transaction = Some(elapsed);
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn error(&self, halt: Halt, recipients: Vec<RecipientResult>) -> Box<Error> {
        self.error_of(halt, recipients, self.has_begun_message)
    }

    /// The error of a mail of which the relay may have something, or nothing.
    pub(super) fn error_of(
        &self,
        halt: Halt,
        recipients: Vec<RecipientResult>,
        has_begun_message: bool,
    ) -> Box<Error> {
        let is_stale = halt.is_of_the_session() && !has_begun_message;
        Box::new(Error {
            is_stale,
            ..*self.place.clone().error(halt, recipients)
        })
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
            others: Vec::new(),
        }
    }

    fn error(self, halt: Halt, recipients: Vec<RecipientResult>) -> Box<Error> {
        Box::new(Error {
            stage: halt.stage,
            kind: halt.kind,
            endpoint: self.endpoint,
            origin: self.origin,
            recipients,
            connect_attempts: self.others,
            is_stale: false,
            said: halt.said,
        })
    }
}

impl Error {
    /// The caller gave up at `stage`, before there was a session.
    pub fn abandoned(target: &Target, stage: Stage) -> Box<Self> {
        Place::of(target, None).error(Halt::new(stage, Kind::Abandoned), Vec::new())
    }
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
