//! Several mails at once on one session, each in one write, one behind the other
//! (RFC 2920 allows it). Replies come in the order of the commands, so that each
//! finds its mail. Who may send mails so, and on which session, others decide.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    Body, Delivered, Error, Progress, Session, Transaction,
    command::BEHIND_MESSAGE,
    connection::Exchange,
    delivery::untried,
    error::{Halt, Kind},
    step::Step,
    transaction::{Hearing, settle},
};
use crate::{
    mail::{Envelope, RecipientPolicy},
    report::{self, RecipientResult, Reply, ReplyCode, Stage},
};

/// Once so much waits to be written, no further mail is added to it.
const MOST_UNWRITTEN: usize = 256 * 1024;
/// How long to hear a relay that takes its leave.
const FAREWELL: Duration = Duration::from_secs(5);

/// A mail for a session that carries several at once.
#[derive(Debug)]
pub struct Flight {
    envelope: Envelope,
    body: Body,
    progress: Progress,
    landed: oneshot::Sender<Landed>,
}

/// What became of one.
#[derive(Debug)]
pub struct Landed {
    /// As [`Session::send`] has it.
    pub outcome: Result<Delivered, Box<Error>>,
    /// Facts about the session.
    pub session: report::Session,
    /// Whether the session had carried none before it.
    pub is_first: bool,
}

impl Flight {
    /// A mail that may go to some of its recipients, and where to hear what
    /// became of it.
    pub fn new(
        envelope: Envelope,
        body: Body,
        progress: Progress,
    ) -> (Self, oneshot::Receiver<Landed>) {
        let (landed, hears) = oneshot::channel();
        let flight = Self {
            envelope,
            body,
            progress,
            landed,
        };
        (flight, hears)
    }
}

/// A mail that is written, or about to be.
struct Aloft {
    flight: Flight,
    results: Vec<RecipientResult>,
    hearing: Hearing,
    /// Where it ends, among all that is written.
    end: u64,
    /// Whether it is the first that the session carries.
    is_first: bool,
    began: Instant,
}

struct Convoy<'a, IO> {
    session: &'a mut Session<IO>,
    /// In the order in which replies are due.
    aloft: VecDeque<Aloft>,
    unwritten: Vec<u8>,
    /// How much was written.
    written: u64,
    /// When the wait for the next reply began.
    since: Instant,
    /// The relay takes its leave: until then, what it still says is heard.
    leaves_by: Option<Instant>,
    /// What it said so, unless it has said anything since: if it has left with
    /// that, it is the answer to all that it had not come to.
    farewell: Option<Reply>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Carries mails, up to `depth` at once, until no sender of `flights` is
    /// left. [`Session::is_reusable`] then tells whether another mail may
    /// follow, once the session is settled.
    ///
    /// When the connection fails, each mail has its own fate: what its replies
    /// say; that the outcome is unknown, where all of it was written; else that
    /// the session failed ([`Error::is_stale`]).
    pub async fn convoy(&mut self, flights: &mut mpsc::Receiver<Flight>, depth: usize) {
        self.is_usable = false;
        self.curiosity = None;
        let mut convoy = Convoy {
            session: self,
            aloft: VecDeque::new(),
            unwritten: Vec::new(),
            written: 0,
            since: Instant::now(),
            leaves_by: None,
            farewell: None,
        };
        match convoy.run(flights, depth).await {
            Ok(()) => self.is_usable = true,
            Err(kind) => {
                flights.close();
                convoy.end(&kind);
                while let Ok(flight) = flights.try_recv() {
                    convoy.turn_away(flight, kind.again());
                }
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Convoy<'_, IO> {
    /// `Err` is why the session is over.
    async fn run(
        &mut self,
        flights: &mut mpsc::Receiver<Flight>,
        depth: usize,
    ) -> Result<(), Kind> {
        let mut is_open = true;
        while is_open || !self.aloft.is_empty() {
            let has_room = self.aloft.len() < depth && self.unwritten.len() < MOST_UNWRITTEN;
            let admits = is_open && has_room && self.leaves_by.is_none();
            let until = self.deadline();
            let is_waiting = !self.aloft.is_empty();
            // Whoever takes its leave is told nothing more.
            let octets = match self.leaves_by {
                None => &self.unwritten[..],
                Some(_) => &[],
            };
            tokio::select! {
                biased;
                flight = flights.recv(), if admits => match flight {
                    Some(flight) => self.take_off(flight).await?,
                    None => is_open = false,
                },
                event = timeout_at(until, self.session.connection.exchange(octets)),
                    if is_waiting =>
                {
                    let limit = until - self.since;
                    match event.map_err(|_| Kind::Timeout { limit })? {
                        Exchange::Written(count) => {
                            self.unwritten.drain(..count);
                            self.written += count as u64;
                        }
                        Exchange::Heard(reply) => self.hear(reply).await?,
                        Exchange::Ended(kind) => return Err(kind),
                    }
                }
            }
            if self.leaves_by.is_some() && self.aloft.is_empty() {
                return Err(Kind::Closed { heard: true });
            }
        }
        Ok(())
    }

    /// When the reply that is due must be there.
    fn deadline(&self) -> Instant {
        let limits = &self.session.limits;
        let due = self.aloft.front().and_then(|first| first.hearing.due());
        let limit = due.map_or(limits.mail, |due| due.limit(limits));
        let until = self.since + limit;
        self.leaves_by.map_or(until, |leaves| leaves.min(until))
    }

    /// Puts a mail behind those that are being written.
    async fn take_off(&mut self, flight: Flight) -> Result<(), Kind> {
        let transaction = Transaction {
            envelope: &flight.envelope,
            body: &flight.body,
            policy: RecipientPolicy::Any,
        };
        let mut group = match self.session.mail(&transaction) {
            Ok(mail) => mail,
            Err(kind) => {
                self.turn_away(flight, kind);
                return Ok(());
            }
        };
        if self.aloft.is_empty() && self.session.connection.is_interrupted() {
            // Nothing is due: a relay that speaks has had enough.
            let step = Step::enter(&flight.progress, Stage::MailFrom, FAREWELL);
            let halt = self.session.connection.unasked(&step).await;
            let cause = halt.kind.again();
            self.turn_away(flight, halt.kind);
            return Err(cause);
        }
        if !flight.progress.commit() {
            self.turn_away(flight, Kind::Abandoned);
            return Ok(());
        }
        group.add_rest(&flight.envelope.forward_paths, &flight.body);
        if self.aloft.is_empty() {
            self.since = Instant::now();
        }
        self.unwritten.extend_from_slice(group.octets());
        let is_first = self.session.mails == 0;
        self.session.mails += 1;
        self.aloft.push_back(Aloft {
            is_first,
            results: untried(&flight.envelope.forward_paths),
            hearing: Hearing::new(flight.envelope.forward_paths.len()),
            end: self.written + self.unwritten.len() as u64,
            began: Instant::now(),
            flight,
        });
        Ok(())
    }

    /// Gives a reply to the first mail that has one due.
    async fn hear(&mut self, reply: Reply) -> Result<(), Kind> {
        self.since = Instant::now();
        let is_farewell = reply.code == ReplyCode::CLOSING;
        if is_farewell && self.leaves_by.is_none() {
            self.leaves_by = Some(Instant::now() + FAREWELL);
        }
        let Some(first) = self.aloft.front_mut() else {
            return Err(Kind::Unexpected(reply));
        };
        self.farewell = is_farewell.then(|| reply.clone());
        let lacking = first.end.saturating_sub(self.written);
        let lacking = usize::try_from(lacking).unwrap_or(usize::MAX);
        first.hearing.hear(reply, lacking);
        // Whoever takes its leave may go on all the same.
        let is_over = first.hearing.is_over() && self.leaves_by.is_none();
        if first.hearing.due().is_some() && !is_over {
            return Ok(());
        }
        self.land().await
    }

    /// Nothing more is heard of the first mail.
    async fn land(&mut self) -> Result<(), Kind> {
        let Some(first) = self.aloft.pop_front() else {
            return Ok(());
        };
        let is_left = first.hearing.farewell_behind().is_some();
        // One reply too many shows only where no other is due.
        let is_last = self.aloft.is_empty() && first.hearing.due().is_none();
        let surplus = if is_last && !is_left {
            self.session.connection.surplus().await
        } else {
            None
        };
        let is_in_order = is_left || first.hearing.is_in_order();
        let odd = first.hearing.last().filter(|_| !is_in_order).cloned();
        self.tell(first, surplus.as_ref().map(Kind::again));
        match surplus.or(odd.map(Kind::Unexpected)) {
            Some(kind) => Err(kind),
            None => Ok(()),
        }
    }

    /// Tells what became of a mail.
    fn tell(&self, aloft: Aloft, cut: Option<Kind>) {
        let Aloft {
            flight,
            mut results,
            hearing,
            end,
            is_first,
            began,
        } = aloft;
        let is_whole = end <= self.written + BEHIND_MESSAGE as u64;
        let cut = cut.map(|kind| Halt::new(Stage::EndOfData, kind));
        let outcome = match hearing.judge(&mut results, is_whole, cut) {
            Ok(reply) => Ok(Delivered {
                reply,
                recipients: results,
                partial_failure: None,
            }),
            Err(halt) => {
                settle(&mut results, &halt);
                let may_be_taken = halt.stage == Stage::EndOfData;
                if !may_be_taken {
                    flight.progress.reopen();
                }
                Err(self.session.error_of(halt, results, may_be_taken))
            }
        };
        self.answer(flight, outcome, began.elapsed(), is_first);
    }

    /// A mail of which nothing was written.
    fn turn_away(&self, flight: Flight, kind: Kind) {
        let results = untried(&flight.envelope.forward_paths);
        let halt = Halt::new(Stage::MailFrom, kind);
        let error = self.session.error_of(halt, results, false);
        let is_first = self.session.mails == 0;
        self.answer(flight, Err(error), Duration::ZERO, is_first);
    }

    fn answer(
        &self,
        flight: Flight,
        outcome: Result<Delivered, Box<Error>>,
        elapsed: Duration,
        is_first: bool,
    ) {
        let mut session = self.session.facts();
        session.timings.transaction = Some(elapsed);
        // Who asked may have gone.
        let _ = flight.landed.send(Landed {
            outcome,
            session,
            is_first,
        });
    }

    /// Tells every mail what the end of the session makes of it.
    fn end(&mut self, kind: &Kind) {
        if let Kind::Closed { .. } | Kind::Broken { .. } = kind
            && let Some(farewell) = self.farewell.take()
        {
            for mail in &mut self.aloft {
                if mail.hearing.last().is_none() {
                    mail.hearing.hear(farewell.clone(), 0);
                }
            }
        }
        while let Some(first) = self.aloft.pop_front() {
            self.tell(first, Some(kind.again()));
        }
    }
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
