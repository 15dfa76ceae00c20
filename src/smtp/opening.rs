//! From a fresh connection to a session that is ready: greeting, EHLO,
//! STARTTLS, AUTH.

use std::{net::IpAddr, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep},
};

use super::{
    Progress, Target, auth,
    command::{Commands, EhloName},
    connection::Connection,
    ehlo::{self, Extensions},
    error::{Foreign, Halt, Kind, Local},
    prelude::Prelude,
    probe::{self, Answered},
    reply::BadReply,
    step::Step,
    stream::Stream,
};
use crate::{
    report::{Reason, Reply, Stage, Timings, TlsMode, TlsSession},
    tls::{foreign_protocol, is_ftp},
};

/// The handshake keeps its time limit itself, and can say more about it.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// A relay that closes without a word after so long has waited for the client
/// to speak first, as a port with implicit TLS does.
const TELLING_SILENCE: Duration = Duration::from_secs(5);

/// How long a server that did not greet has to answer a word of ours.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What a session needs on its way to being ready.
pub(super) struct Opening<'a> {
    pub(super) target: &'a Target,
    pub(super) progress: &'a Progress,
    /// The address that is connected to.
    pub(super) ip: IpAddr,
    pub(super) timings: Timings,
    pub(super) tls: Option<TlsSession>,
}

/// What came of the part in plaintext.
enum Begun {
    /// The session goes on in plaintext.
    Plain(Extensions),
    /// The relay waits for TLS to begin.
    Tls(Prelude),
}

impl Opening<'_> {
    /// Gets a connection ready for transactions.
    pub(super) async fn run<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: IO,
    ) -> Result<(Connection<IO>, Extensions), Halt> {
        let name = self.ehlo_name()?;
        let (mut connection, extensions) = match self.target.mode {
            TlsMode::Implicit => {
                let mut connection = self.handshake(io).await?;
                let outcome = self.introduce(&mut connection, &name).await;
                let ours = connection.client_certificate();
                let outcome = outcome.map_err(|halt| halt.over_certificate(ours));
                let (_, extensions) = or_leave(&mut connection, outcome)?;
                (connection, extensions)
            }
            TlsMode::Starttls | TlsMode::StarttlsIfOffered | TlsMode::Plaintext => {
                let mut connection = Connection::new(Stream::Plain(io));
                let outcome = self.begin_plain(&mut connection, &name).await;
                match or_leave(&mut connection, outcome)? {
                    Begun::Plain(extensions) => (connection, extensions),
                    Begun::Tls(prelude) => {
                        let changed = self.change_to_tls(connection, &name).await;
                        changed.map_err(|halt| halt.after(prelude, &self.target.host))?
                    }
                }
            }
        };
        let outcome = self.authenticate(&mut connection, &extensions).await;
        or_leave(&mut connection, outcome)?;
        Ok((connection, extensions))
    }

    /// Gets a connection to where TLS begins after STARTTLS.
    pub(super) async fn until_tls<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: IO,
    ) -> Result<IO, Halt> {
        let name = self.ehlo_name()?;
        let mut connection = Connection::new(Stream::Plain(io));
        let outcome = self.begin_plain(&mut connection, &name).await;
        match or_leave(&mut connection, outcome)? {
            Begun::Plain(_) => {
                let kind = Kind::StarttlsMissing { stripped: false };
                Err(Halt::new(Stage::Starttls, kind))
            }
            Begun::Tls(_) => connection.into_plain(),
        }
    }

    fn ehlo_name(&self) -> Result<EhloName, Halt> {
        let name = self.target.ehlo_name.parse();
        name.map_err(|_| Halt::new(Stage::Ehlo, Kind::Local(Local::EhloName)))
    }

    async fn introduce<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
        name: &EhloName,
    ) -> Result<(Reply, Extensions), Halt> {
        let greeting = match self.greeting(connection).await {
            Ok(greeting) => greeting,
            Err(halt) => return Err(self.say_something(connection, name, halt).await),
        };
        let extensions = self
            .ehlo(connection, name)
            .await
            .map_err(|halt| match halt.reason() {
                Reason::EhloRejected if is_ftp(&greeting.lines.join(" ")) => {
                    let kind = Kind::Foreign(Foreign::Protocol("FTP"));
                    Halt::new(halt.stage, kind).with_said(greeting.to_string().as_bytes())
                }
                _ => halt,
            })?;
        Ok((greeting, extensions))
    }

    /// The part in plaintext. Where TLS begins, what the relay offers is
    /// forgotten (RFC 3207 section 4.2).
    async fn begin_plain<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
        name: &EhloName,
    ) -> Result<Begun, Halt> {
        let (greeting, extensions) = self.introduce(connection, name).await?;
        let mode = self.target.mode;
        let may_stay_plain = !extensions.starttls && !mode.requires_tls();
        if mode == TlsMode::Plaintext || may_stay_plain {
            return Ok(Begun::Plain(extensions));
        }
        let step = Step::enter(self.progress, Stage::Starttls, self.target.limits.starttls);
        if !extensions.starttls {
            return Err(step.halt(Kind::StarttlsMissing {
                stripped: extensions.has_overwritten_keyword()
                    || ehlo::is_overwritten_greeting(&greeting),
            }));
        }
        let reply = connection.ask(&Commands::starttls(), &step).await?;
        if reply.code.value() == 220 {
            Ok(Begun::Tls(Prelude {
                greeting,
                go_ahead: reply,
            }))
        } else {
            // Whatever else it is, TLS does not begin (RFC 3207 section 4).
            Err(Halt::refused(step.stage(), reply))
        }
    }

    async fn change_to_tls<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        connection: Connection<IO>,
        name: &EhloName,
    ) -> Result<(Connection<IO>, Extensions), Halt> {
        let io = connection.into_plain()?;
        let mut connection = self.handshake(io).await?;
        let outcome = self.ehlo(&mut connection, name).await;
        let ours = connection.client_certificate();
        let outcome = outcome.map_err(|halt| halt.over_certificate(ours));
        let extensions = or_leave(&mut connection, outcome)?;
        Ok((connection, extensions))
    }

    async fn handshake<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: IO,
    ) -> Result<Connection<IO>, Halt> {
        let limit = self.target.limits.handshake;
        let step = Step::enter(
            self.progress,
            Stage::TlsHandshake,
            limit.saturating_add(HANDSHAKE_GRACE),
        );
        let started = Instant::now();
        let handshake = self.target.tls.connect(io, self.target.mode, limit);
        let outcome = step.wait(handshake).await?;
        self.timings.tls_handshake = Some(started.elapsed());
        let (stream, session) = outcome.map_err(|error| step.halt(Kind::Tls(error)))?;
        self.tls = Some(session);
        Ok(Connection::new(Stream::Tls(Box::new(stream))))
    }

    async fn greeting<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
    ) -> Result<Reply, Halt> {
        let step = Step::enter(self.progress, Stage::Greeting, self.target.limits.greeting);
        let started = Instant::now();
        let (greeting, asked) = self.greeting_or_tls(connection, &step).await?;
        let greeting = greeting.map_err(|halt| {
            let may_be_foreign = matches!(
                halt.kind,
                Kind::BadReply(BadReply::NoCode) | Kind::Closed { .. } | Kind::Timeout { .. }
            );
            match foreign(&halt.said) {
                _ if halt.said.is_empty() => self.silence(halt, started.elapsed(), asked),
                Some(foreign) if may_be_foreign => Halt {
                    kind: Kind::Foreign(foreign),
                    ..halt
                },
                _ => halt,
            }
        })?;
        match greeting.code.value() {
            220 => Ok(greeting),
            400.. => Err(refused(&step, greeting)),
            // NNTP greets with 200, for one.
            _ => {
                let halt = step.halt(Kind::Foreign(Foreign::Unknown));
                Err(halt.with_said(greeting.to_string().as_bytes()))
            }
        }
    }

    /// Waits for the greeting. When none has come for a while, a TLS hello on
    /// another connection asks whether the relay waits for TLS; `true` when it
    /// was not answered in TLS.
    async fn greeting_or_tls<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
        step: &Step<'_>,
    ) -> Result<(Result<Reply, Halt>, bool), Halt> {
        let target = self.target;
        let mut greeting = pin!(connection.reply(step));
        if target.mode == TlsMode::Implicit || !target.probing.is_on {
            return Ok((greeting.await, false));
        }
        let hello = async {
            sleep(probe::due(target.limits.greeting)).await;
            target.probing.hellos.answer(target, self.ip).await
        };
        let answered = tokio::select! {
            biased;
            greeting = &mut greeting => return Ok((greeting, false)),
            answered = hello => answered,
        };
        match answered {
            Some(Answered::Tls(hello)) => Err(step.halt(Kind::TlsFirst(hello))),
            Some(Answered::Otherwise) => Ok((greeting.await, true)),
            None => Ok((greeting.await, false)),
        }
    }

    /// Some servers of other protocols wait for their client to speak: where no
    /// greeting came, a word of ours makes them tell. SMTP has had its time.
    async fn say_something<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
        name: &EhloName,
        halt: Halt,
    ) -> Halt {
        let is_silence = matches!(
            halt.kind,
            Kind::Timeout { .. } | Kind::Silent { closed: false, .. }
        );
        if !is_silence || !halt.said.is_empty() || !self.target.probing.is_on {
            return halt;
        }
        let step = Step::enter(self.progress, Stage::Greeting, LAST_WORD);
        // Whatever comes, only what it begins with counts.
        let _ = connection.ask(&Commands::ehlo(name), &step).await;
        let said = connection.unread();
        match foreign(&said) {
            Some(foreign) => step.halt(Kind::Foreign(foreign)).with_said(&said),
            None => halt,
        }
    }

    /// Nothing at all came where plaintext should begin.
    fn silence(&self, halt: Halt, waited: Duration, asked: bool) -> Halt {
        let closed = match halt.kind {
            Kind::Timeout { .. } => false,
            Kind::Closed { heard: false } if waited >= TELLING_SILENCE => true,
            _ => return halt,
        };
        if self.target.mode == TlsMode::Implicit {
            return halt;
        }
        let silent = Kind::Silent {
            waited,
            closed,
            asked,
        };
        Halt::new(halt.stage, silent)
    }

    async fn ehlo<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
        name: &EhloName,
    ) -> Result<Extensions, Halt> {
        let step = Step::enter(self.progress, Stage::Ehlo, self.target.limits.ehlo);
        let reply = connection.ask(&Commands::ehlo(name), &step).await?;
        // Another positive code is the reply to something else, such as a second
        // greeting (RFC 5321 section 4.3.2).
        if reply.code.value() == 250 {
            return Ok(Extensions::parse(&reply));
        }
        // The relay is older than EHLO (RFC 5321 section 3.2).
        if matches!(reply.code.value(), 500 | 502) {
            let reply = connection.ask(&Commands::helo(name), &step).await?;
            if reply.code.is_positive() {
                return Ok(Extensions::default());
            }
            return Err(refused(&step, reply));
        }
        Err(refused(&step, reply))
    }

    async fn authenticate<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        connection: &mut Connection<IO>,
        extensions: &Extensions,
    ) -> Result<(), Halt> {
        let target = self.target;
        let Some(credentials) = &target.credentials else {
            return Ok(());
        };
        let step = Step::enter(self.progress, Stage::Auth, target.limits.auth);
        if !connection.is_tls() && !self.ip.to_canonical().is_loopback() {
            return Err(step.halt(Kind::Local(Local::PlaintextCredentials)));
        }
        let started = Instant::now();
        let offered = &extensions.auth;
        let outcome = auth::authenticate(connection, offered, credentials, target, &step).await;
        self.timings.auth = Some(started.elapsed());
        outcome
    }
}

/// Where the conversation stopped in good order, leaves in good order.
fn or_leave<IO: AsyncRead + AsyncWrite + Unpin, T>(
    connection: &mut Connection<IO>,
    outcome: Result<T, Halt>,
) -> Result<T, Halt> {
    outcome.inspect_err(|halt| {
        if halt.is_orderly() {
            connection.leave();
        }
    })
}

/// A reply that should have been positive.
pub(super) fn refused(step: &Step<'_>, reply: Reply) -> Halt {
    if reply.code.is_refusal() {
        Halt::refused(step.stage(), reply)
    } else {
        step.halt(Kind::Unexpected(reply))
    }
}

/// What `octets`, which should begin a greeting, begin instead.
fn foreign(octets: &[u8]) -> Option<Foreign> {
    // A TLS record: an alert or a handshake message, of a version that begins
    // with 3 (RFC 8446 section 5.1).
    if let [21 | 22, 3, ..] = octets {
        return Some(Foreign::Tls);
    }
    let known = foreign_protocol(octets).map(Foreign::Protocol);
    // Reply codes begin with 2 to 5 (RFC 5321 section 4.2).
    let mut code = octets.iter().zip([b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']);
    let is_code = code.all(|(octet, digits)| digits.contains(octet));
    known.or((!is_code).then_some(Foreign::Unknown))
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
