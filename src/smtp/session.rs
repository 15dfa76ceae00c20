//! A session: a connection's life, from DNS to QUIT.

use std::{net::IpAddr, time::Duration};

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
    /// Whether another transaction may follow. `false` while one is under way,
    /// so that one that is dropped leaves it so.
    pub(super) is_usable: bool,
    place: Place,
    tls: Option<TlsSession>,
    timings: Timings,
    transactions: usize,
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
                is_usable: true,
                place,
                tls: opening.tls,
                timings: opening.timings,
                transactions: 0,
            }),
            Err(halt) => Err(place.error(halt, Vec::new())),
        }
    }

    /// Whether another transaction may follow.
    pub fn is_reusable(&self) -> bool {
        self.is_usable && self.connection.is_quiet()
    }

    /// Facts about the session, as the last transaction saw it.
    pub fn facts(&self) -> report::Session {
        report::Session {
            endpoint: self.place.endpoint.clone(),
            tls: self.tls.clone(),
            reused: self.transactions > 1,
            extensions: self.extensions.lines.clone(),
            timings: self.timings,
        }
    }

    /// Says QUIT where that has a meaning, and closes, within a bounded time.
    pub async fn quit(mut self) {
        let nobody = Progress::default();
        let step = Step::enter(&nobody, Stage::Quit, QUIT_LIMIT);
        // A relay that waits for the message would take it for part of that,
        // and one that has said goodbye wants no more commands.
        if self.is_reusable() {
            // Whatever comes of it, the session is over.
            let _ = self.connection.ask(&Commands::quit(), &step).await;
        }
        let _ = step.wait(self.connection.close()).await;
    }

    /// A transaction begins. What the session cost before it was the price of
    /// the first one.
    pub(super) fn count_transaction(&mut self) {
        if self.transactions > 0 {
            self.timings = Timings::default();
        }
        self.transactions += 1;
    }

    pub(super) fn time_transaction(&mut self, elapsed: Duration) {
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
#[cfg(feature = "testrelay")]
mod tests;
