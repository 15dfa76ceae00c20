//! From a fresh connection to a session that is ready: greeting, EHLO,
//! STARTTLS, AUTH.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    Progress, Target,
    auth::{self, Mechanism},
    command::{Commands, EhloName},
    connection::Connection,
    ehlo::{self, Extensions},
    error::{Foreign, Halt, Kind, Local},
    failure::refusal,
    reply::BadReply,
    step::Step,
    stream::Stream,
};
use crate::report::{Reply, Stage, Timings, TlsMode, TlsSession};

/// The handshake keeps its time limit itself, and can say more about it.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);

/// A relay that closes without a word after so long has waited for the client
/// to speak first, as a port with implicit TLS does.
const TELLING_SILENCE: Duration = Duration::from_secs(5);

/// What a session needs on its way to being ready.
pub(super) struct Opening<'a> {
    pub(super) target: &'a Target,
    pub(super) progress: &'a Progress,
    /// The address that is connected to.
    pub(super) ip: IpAddr,
    pub(super) timings: Timings,
    pub(super) tls: Option<TlsSession>,
}

impl Opening<'_> {
    /// Gets a connection ready for transactions.
    pub(super) async fn run<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: IO,
    ) -> Result<(Connection<IO>, Extensions), Halt> {
        let name: EhloName = self
            .target
            .ehlo_name
            .parse()
            .map_err(|local| Halt::new(Stage::Ehlo, Kind::Local(local)))?;
        let (mut connection, extensions) = match self.target.mode {
            TlsMode::Implicit => {
                let mut connection = self.handshake(io).await?;
                let outcome = self.introduce(&mut connection, &name).await;
                let (_, extensions) = or_leave(&mut connection, outcome)?;
                (connection, extensions)
            }
            TlsMode::Starttls | TlsMode::StarttlsIfOffered | TlsMode::Plaintext => {
                let mut connection = Connection::new(Stream::Plain(io));
                let outcome = self.begin_plain(&mut connection, &name).await;
                match or_leave(&mut connection, outcome)? {
                    Some(extensions) => (connection, extensions),
                    None => self.change_to_tls(connection, &name).await?,
                }
            }
        };
        let outcome = self.authenticate(&mut connection, &extensions).await;
        or_leave(&mut connection, outcome)?;
        Ok((connection, extensions))
    }

    async fn introduce<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
        name: &EhloName,
    ) -> Result<(Reply, Extensions), Halt> {
        let greeting = self.greeting(connection).await?;
        let extensions = self.ehlo(connection, name).await?;
        Ok((greeting, extensions))
    }

    /// The part in plaintext. `None` when the relay waits for TLS to begin;
    /// what it offers is then forgotten (RFC 3207 section 4.2).
    async fn begin_plain<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<IO>,
        name: &EhloName,
    ) -> Result<Option<Extensions>, Halt> {
        let (greeting, extensions) = self.introduce(connection, name).await?;
        let mode = self.target.mode;
        if mode == TlsMode::Plaintext {
            return Ok(Some(extensions));
        }
        let step = Step::enter(self.progress, Stage::Starttls, self.target.limits.starttls);
        if !extensions.starttls {
            if !mode.requires_tls() {
                return Ok(Some(extensions));
            }
            return Err(step.halt(Kind::StarttlsMissing {
                stripped: extensions.has_overwritten_keyword()
                    || ehlo::is_overwritten_greeting(&greeting),
            }));
        }
        let reply = connection.ask(&Commands::starttls(), &step).await?;
        if reply.code.value() == 220 {
            Ok(None)
        } else {
            // Whatever else it is, TLS does not begin (RFC 3207 section 4).
            Err(step.halt(Kind::Refused {
                reason: refusal(step.stage(), &reply),
                reply,
                mechanism: None,
            }))
        }
    }

    async fn change_to_tls<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        connection: Connection<IO>,
        name: &EhloName,
    ) -> Result<(Connection<IO>, Extensions), Halt> {
        let io = connection
            .into_plain()
            .map_err(|kind| Halt::new(Stage::Starttls, kind))?;
        let mut connection = self.handshake(io).await?;
        let outcome = self.ehlo(&mut connection, name).await;
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
        let greeting = connection.reply(&step).await.map_err(|halt| {
            let may_be_foreign = matches!(
                halt.kind,
                Kind::BadReply(BadReply::NoCode) | Kind::Closed { .. } | Kind::Timeout { .. }
            );
            match foreign(connection.unread()) {
                Some(foreign) if may_be_foreign => step.halt(Kind::Foreign(foreign)),
                _ if connection.unread().is_empty() => self.silence(halt, started.elapsed()),
                _ => halt,
            }
        })?;
        match greeting.code.value() {
            220 => Ok(greeting),
            400.. => Err(refused(&step, greeting)),
            // NNTP greets with 200, for one.
            _ => Err(step.halt(Kind::Foreign(Foreign::Unknown))),
        }
    }

    /// Nothing at all came where plaintext should begin.
    fn silence(&self, halt: Halt, waited: Duration) -> Halt {
        let closed = match halt.kind {
            Kind::Timeout { .. } => false,
            Kind::Closed { heard: false } if waited >= TELLING_SILENCE => true,
            _ => return halt,
        };
        if self.target.mode == TlsMode::Implicit {
            return halt;
        }
        Halt::new(halt.stage, Kind::Silent { waited, closed })
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
        let mechanism = Mechanism::choose(credentials, &extensions.auth).ok_or_else(|| {
            step.halt(Kind::NoMechanism {
                offered: extensions.auth.clone(),
            })
        })?;
        let started = Instant::now();
        let place = (&target.host, target.port);
        let outcome = auth::authenticate(connection, credentials, mechanism, place, &step).await;
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
    step.halt(if reply.code.is_transient() || reply.code.is_permanent() {
        Kind::Refused {
            reason: refusal(step.stage(), &reply),
            reply,
            mechanism: None,
        }
    } else {
        Kind::Unexpected(reply)
    })
}

/// What `octets`, which should begin a greeting, begin instead.
fn foreign(octets: &[u8]) -> Option<Foreign> {
    let protocols: [(&[u8], &str); 5] = [
        (b"HTTP/", "HTTP"),
        (b"* ", "IMAP"),
        (b"+OK", "POP3"),
        (b"-ERR", "POP3"),
        (b"SSH-", "SSH"),
    ];
    // A TLS record: an alert or a handshake message, of a version that begins
    // with 3 (RFC 8446 section 5.1).
    if let [21 | 22, 3, ..] = octets {
        return Some(Foreign::Tls);
    }
    let known = protocols
        .iter()
        .find(|(start, _)| octets.starts_with(start))
        .map(|(_, name)| Foreign::Protocol(name));
    let is_code = octets.iter().take(3).all(u8::is_ascii_digit);
    known.or((!is_code).then_some(Foreign::Unknown))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        report::{Confidence, Reason},
        smtp::{
            Session,
            peer::{Answer, but, open, refusal, seconds, serve, target, usual},
        },
    };

    #[tokio::test(start_paused = true)]
    async fn what_a_greeting_can_be_instead() {
        let close = |text| move || Answer::Close(text);
        let say = |octets: &'static [u8]| move || Answer::Octets(octets.to_vec());
        let long = || Answer::Octets([b"220 ".to_vec(), vec![b'a'; 5000]].concat());
        for (answer, reason) in [
            (
                Box::new(close("421 4.3.2 busy\r\n")) as Box<dyn Fn() -> Answer + Send>,
                Reason::RelayClosing,
            ),
            (Box::new(close("450 4.7.1 later\r\n")), Reason::Deferred),
            (Box::new(close("554 5.7.1 no\r\n")), Reason::BannerRejected),
            (Box::new(close("")), Reason::ConnectionClosed),
            (Box::new(close("220-mail\r\n")), Reason::ConnectionClosed),
            (Box::new(close("SSH")), Reason::NotSmtp),
            (Box::new(say(b"* OK ready\r\n")), Reason::NotSmtp),
            (Box::new(say(b"+OK ready\r\n")), Reason::NotSmtp),
            (Box::new(say(b"SSH-2.0-OpenSSH\r\n")), Reason::NotSmtp),
            (Box::new(say(b"HTTP/1.1 400 Bad\r\n")), Reason::NotSmtp),
            (Box::new(say(b"\x80\x81\x82\x83\x84")), Reason::NotSmtp),
            (Box::new(say(b"200 news\r\n")), Reason::NotSmtp),
            (
                Box::new(say(b"\x15\x03\x03\x00\x02\x02\x28")),
                Reason::TlsOnPlaintextPort,
            ),
            (Box::new(say(b"220_x\r\n")), Reason::ReplyMalformed),
            (Box::new(say(b"220-a\r\n250 b\r\n")), Reason::ReplyMalformed),
            (Box::new(long), Reason::ReplyTooLarge),
            (Box::new(|| Answer::Silence), Reason::BannerTimeout),
            (Box::new(say(b"220-still")), Reason::BannerTimeout),
            (Box::new(say(b"ab")), Reason::NotSmtp),
        ] {
            let shown = match answer() {
                Answer::Octets(octets) => String::from_utf8_lossy(&octets).into_owned(),
                Answer::Close(text) => text.to_owned(),
                _ => "silence".to_owned(),
            };
            let (found, error) = refusal(TlsMode::Starttls, but("", answer)).await;
            assert_eq!(found, reason, "{shown:?}");
            assert_eq!(error.stage, Stage::Greeting);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_that_does_not_greet_is_given_its_time_and_no_more() {
        let started = Instant::now();
        let (reason, error) = refusal(TlsMode::Plaintext, |_| Answer::Silence).await;
        assert_eq!(reason, Reason::BannerTimeout);
        assert_eq!(started.elapsed(), seconds(30));
        let summary = error.into_failure().summary;
        assert!(summary.contains("30 s"), "{summary}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_silence_before_the_end_may_have_been_a_wait_for_tls() {
        for (silence, reason) in [(4, Reason::ConnectionClosed), (6, Reason::BannerTimeout)] {
            let (io, relay) = tokio::io::duplex(64);
            tokio::spawn(async move {
                tokio::time::sleep(seconds(silence)).await;
                drop(relay);
            });
            let failure = open(io, &target(TlsMode::Starttls))
                .await
                .unwrap_err()
                .into_failure();
            assert_eq!(failure.reason, reason, "{silence} s");
            let ambiguous = reason == Reason::BannerTimeout;
            assert_eq!(failure.confidence == Confidence::Ambiguous, ambiguous);
            assert_eq!(
                failure.alternatives.contains(&Reason::TlsOnPlaintextPort),
                ambiguous
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_relay_can_say_to_ehlo() {
        for (answer, reason, confidence) in [
            (
                "550 5.7.1 bad name",
                Reason::EhloRejected,
                Confidence::Observed,
            ),
            ("450 4.7.1 later", Reason::Deferred, Confidence::Observed),
            ("421 4.7.0 bye", Reason::RelayClosing, Confidence::Observed),
            ("354 what", Reason::ReplyMalformed, Confidence::Observed),
            ("what", Reason::ReplyMalformed, Confidence::Observed),
        ] {
            let (found, error) = refusal(TlsMode::Plaintext, but("EHLO", move || answer)).await;
            assert_eq!(found, reason, "{answer}");
            assert_eq!(error.stage, Stage::Ehlo);
            assert_eq!(error.into_failure().confidence, confidence);
        }
        let hung_up = but("EHLO", || Answer::Close(""));
        let (reason, error) = refusal(TlsMode::Plaintext, hung_up).await;
        assert_eq!(reason, Reason::EhloRejected);
        assert_eq!(error.into_failure().confidence, Confidence::Inferred);

        let silent = but("EHLO", || Answer::Silence);
        let (reason, _) = refusal(TlsMode::Plaintext, silent).await;
        assert_eq!(reason, Reason::ReplyTimeout);
    }

    #[tokio::test]
    async fn a_relay_older_than_ehlo_is_greeted_with_helo() {
        let (io, peer) = serve(but("EHLO", || "502 5.5.2 what"));
        let session = open(io, &target(TlsMode::Plaintext)).await.unwrap();
        assert!(!session.extensions.pipelining);
        session.quit().await;
        let seen = peer.await.unwrap();
        assert_eq!(
            seen.lines,
            ["EHLO client.example.com", "HELO client.example.com", "QUIT"]
        );

        let (reason, _) = refusal(TlsMode::Starttls, but("EHLO", || "500 what")).await;
        assert_eq!(reason, Reason::StarttlsNotOffered);
        let (reason, _) = refusal(TlsMode::Plaintext, |line| match line {
            "" => usual(line),
            _ => "502 5.5.2 what".into(),
        })
        .await;
        assert_eq!(reason, Reason::EhloRejected);
    }

    /// Offers STARTTLS and answers it so.
    fn starttls(answer: &'static [u8]) -> impl FnMut(&str) -> Answer + Send {
        move |line| match line {
            "STARTTLS" => Answer::Octets(answer.to_vec()),
            _ if line.starts_with("EHLO") => "250-mail.example.com\r\n250 STARTTLS".into(),
            _ => usual(line),
        }
    }

    #[tokio::test]
    async fn what_a_relay_can_say_to_starttls() {
        for (answer, reason) in [
            (
                &b"454 4.7.0 not now\r\n"[..],
                Reason::StarttlsRefusedTemporary,
            ),
            (b"502 5.5.1 not at all\r\n", Reason::StarttlsRefused),
            (b"421 4.3.2 bye\r\n", Reason::RelayClosing),
            (b"250 fine\r\n", Reason::StarttlsRefused),
            (b"220 go\r\n250 injected\r\n", Reason::StarttlsInjection),
            (b"220 go\r\n2", Reason::StarttlsInjection),
            (b"220 go\r\n\n", Reason::StarttlsInjection),
        ] {
            for mode in [TlsMode::Starttls, TlsMode::StarttlsIfOffered] {
                let (found, error) = refusal(mode, starttls(answer)).await;
                let shown = String::from_utf8_lossy(answer);
                assert_eq!(found, reason, "{shown:?}");
                assert_eq!(error.stage, Stage::Starttls);
            }
        }
    }

    #[tokio::test]
    async fn without_the_offer_only_a_mode_that_allows_it_goes_on() {
        let (reason, _) = refusal(TlsMode::Starttls, usual).await;
        assert_eq!(reason, Reason::StarttlsNotOffered);

        let (io, peer) = serve(usual);
        let session = open(io, &target(TlsMode::StarttlsIfOffered)).await.unwrap();
        session.quit().await;
        assert!(!peer.await.unwrap().lines.contains(&"STARTTLS".to_owned()));
    }

    #[tokio::test]
    async fn plaintext_never_says_starttls() {
        let (io, peer) = serve(starttls(b"220 go\r\n"));
        let session = open(io, &target(TlsMode::Plaintext)).await.unwrap();
        assert_eq!(session.facts().extensions, ["STARTTLS"]);
        session.quit().await;
        assert_eq!(
            peer.await.unwrap().lines,
            ["EHLO client.example.com", "QUIT"]
        );
    }

    #[tokio::test]
    async fn an_offer_that_was_overwritten_is_told_from_one_that_is_not_there() {
        let keyword = but("EHLO", || "250-mail.example.com\r\n250 XXXXXXXA");
        let greeting = but("", || "220 ***********************");
        for (reason, error) in [
            refusal(TlsMode::Starttls, keyword).await,
            refusal(TlsMode::Starttls, greeting).await,
        ] {
            assert_eq!(reason, Reason::StarttlsStripped);
            assert_eq!(error.into_failure().confidence, Confidence::Inferred);
        }
    }

    #[tokio::test]
    async fn a_session_that_stops_in_good_order_says_quit() {
        let (io, peer) = serve(usual);
        open(io, &target(TlsMode::Starttls)).await.unwrap_err();
        assert_eq!(
            peer.await.unwrap().lines,
            ["EHLO client.example.com", "QUIT"]
        );
    }

    #[tokio::test]
    async fn an_ehlo_name_that_is_none_is_our_fault() {
        let (io, peer) = serve(usual);
        let target = Target {
            ehlo_name: "a\r\nQUIT".into(),
            ..target(TlsMode::Plaintext)
        };
        let error = open(io, &target).await.unwrap_err();
        assert_eq!(error.reason(), Reason::LocalConfig);
        assert!(peer.await.unwrap().lines.is_empty());
    }

    #[tokio::test]
    async fn over_tcp_a_reset_is_told_from_a_close_and_a_refusal() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut target = Target {
            host: "localhost".parse().unwrap(),
            port: listener.local_addr().unwrap().port(),
            ..target(TlsMode::Plaintext)
        };
        let progress = Progress::default();
        for (reset, reason) in [
            (true, Reason::ConnectionReset),
            (false, Reason::ConnectionClosed),
        ] {
            let (error, ()) = tokio::join!(Session::open(&target, &progress), async {
                let (stream, _) = listener.accept().await.unwrap();
                if reset {
                    stream.set_zero_linger().unwrap();
                }
            });
            let error = error.unwrap_err();
            assert_eq!(error.reason(), reason);
            let failure = error.into_failure();
            // A reset may come so early that connecting fails with it.
            if !reset {
                assert_eq!(failure.endpoint.ip, Some([127, 0, 0, 1].into()));
            }
        }
        drop(listener);
        target.host = "127.0.0.1".parse().unwrap();
        let error = Session::open(&target, &progress).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ConnectRefused);
        assert_eq!(error.into_failure().connect_attempts.len(), 1);
        assert_eq!(progress.stage(), Stage::Connect);
    }
}
