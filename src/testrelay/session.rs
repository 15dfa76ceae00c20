//! One client's session: the server side of RFC 5321. Every reply passes
//! through [`Session::choose`], where the script may step in.

use std::{borrow::Cow, convert::Infallible, sync::Arc};

use bytes::Bytes;
use rustls::ServerConfig;
use smtp_proto::{Error as SyntaxError, Request};
use tokio::time::sleep;

use super::{
    Step,
    answer::{Act, Answer},
    hello::ClientHello,
    meter::Meters,
    relay::{Relay, Security},
    reply::Reply,
    socket::Transport,
    tls::TlsFacts,
    transaction::Transaction,
    wire::{Line, Over, Wire},
};

/// After so many refusals the relay hangs up.
const MOST_REFUSALS: u32 = 1000;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) relay: Arc<Relay>,
    pub(super) meters: Meters,
    pub(super) wire: Wire,
    pub(super) number: u64,
    /// What the client said in EHLO or HELO.
    pub(super) name: Option<String>,
    /// Whether it said EHLO.
    pub(super) extended: bool,
    hello: Option<Box<ClientHello>>,
    pub(super) tls: Option<TlsFacts>,
    /// Whether TLS started by STARTTLS.
    upgraded: bool,
    pub(super) identity: Option<String>,
    pub(super) transaction: Option<Transaction>,
    pub(super) transactions: u32,
    refusals: u32,
    /// What the recipients of the transaction have the relay do.
    pub(super) wishes: Vec<(Step, Answer)>,
}

/// What the relay is about to answer.
pub(super) struct Chosen {
    /// The code that it acts upon. `None`: it gives no reply.
    pub(super) code: Option<u16>,
    usual: Reply,
    answer: Option<Answer>,
}

impl Chosen {
    pub(super) fn is_positive(&self) -> bool {
        self.code.is_some_and(|code| code / 100 == 2)
    }
}

/// What follows upon a command.
enum Next {
    Command,
    Encrypt(Arc<ServerConfig>),
}

impl Session {
    pub(super) fn new(relay: Arc<Relay>, io: impl Transport) -> Self {
        let meters = relay.record.session();
        meters.connection();
        Self {
            wire: Wire::new(Box::new(io), meters.clone(), relay.settings.idle_limit),
            meters,
            number: relay.next_session_number(),
            relay,
            name: None,
            extended: false,
            hello: None,
            tls: None,
            upgraded: false,
            identity: None,
            transaction: None,
            transactions: 0,
            refusals: 0,
            wishes: Vec::new(),
        }
    }

    /// Serves the client until it leaves.
    pub(super) async fn run(mut self) -> Result<Infallible, Over> {
        self.pass(Step::Connect).await?;
        if let Security::Implicit(config) = &self.relay.security {
            let config = Arc::clone(config);
            self = self.encrypt(config).await?;
        }
        let greeting = format!("{} ESMTP ready", self.relay.settings.name);
        self.answer(Step::Greeting, Reply::plain(220, greeting))
            .await?;
        loop {
            if let Next::Encrypt(config) = self.command().await? {
                self = self.encrypt(config).await?;
                self.upgraded = true;
            }
        }
    }

    /// What to answer at `step`, which is `usual` unless the script has it
    /// otherwise.
    pub(super) fn choose(&mut self, step: Step, usual: Reply) -> Chosen {
        let hello = self.hello.as_deref();
        let answer = self.relay.playback().answer(step, hello).or_else(|| {
            let wish = self.wishes.iter().find(|(at, _)| at.covers(step));
            wish.map(|(_, answer)| answer.clone())
        });
        Chosen {
            code: match &answer {
                None => Some(usual.code),
                Some(answer) => answer.code(usual.code),
            },
            usual,
            answer,
        }
    }

    /// Says what was chosen.
    pub(super) async fn give(&mut self, chosen: Chosen) -> Result<(), Over> {
        let with_enhanced =
            self.extended && self.relay.settings.extensions.has("ENHANCEDSTATUSCODES");
        let usual = chosen.usual.render(with_enhanced);
        let Some(answer) = chosen.answer else {
            self.wire.say(&usual);
            return self.count_refusal(chosen.code).await;
        };
        for act in answer.acts {
            match act {
                Act::Usual if answer.in_pieces => self.wire.say_in_pieces(&usual).await?,
                Act::Usual => self.wire.say(&usual),
                Act::Send(bytes) if answer.in_pieces => self.wire.say_in_pieces(&bytes).await?,
                Act::Send(bytes) => self.wire.say(&bytes),
                Act::Endless(bytes) => self.wire.say_endlessly(&bytes).await?,
                Act::Wait(time) => {
                    self.wire.flush().await?;
                    sleep(time).await;
                }
                Act::Hear if self.wire.has_input() => {}
                Act::Hear => self.wire.fill().await?,
                Act::HearOf(text) => self.wire.fill_until(text).await?,
                Act::Stall => {
                    self.wire.flush().await?;
                    return Err(self.wire.stall().await);
                }
                Act::Freeze => return Err(self.wire.freeze().await),
                Act::Close => return Err(self.wire.close().await),
                Act::Cut => return Err(self.wire.cut().await),
                Act::Reset => return Err(self.wire.reset().await),
            }
        }
        self.count_refusal(chosen.code).await
    }

    pub(super) async fn answer(&mut self, step: Step, usual: Reply) -> Result<(), Over> {
        let chosen = self.choose(step, usual);
        self.give(chosen).await
    }

    /// The next line, with its CRLF. A line that is none was answered, and is
    /// `None`.
    pub(super) async fn line(&mut self) -> Result<Option<Bytes>, Over> {
        let text = match self.wire.line().await? {
            Line::Whole(line) => {
                self.meters.command();
                self.relay
                    .record
                    .command(self.number, self.tls.is_some(), &line);
                return Ok(Some(line));
            }
            Line::TooLong => "this line is too long",
            Line::Bare => "lines end in CRLF",
        };
        self.answer(Step::Unknown, Reply::new(500, "5.5.2", text))
            .await?;
        Ok(None)
    }

    async fn command(&mut self) -> Result<Next, Over> {
        let Some(line) = self.line().await? else {
            return Ok(Next::Command);
        };
        let request = Request::parse(&mut line.iter());
        if self.jumped_the_queue(&request) {
            let text = "this command must be the last of its group";
            self.wire.say(&Reply::new(554, "5.5.0", text).render(true));
            return Err(self.wire.close().await);
        }
        match request {
            Ok(Request::Ehlo { host }) => self.hello(host.into_owned(), true).await?,
            Ok(Request::Helo { host }) => self.hello(host.into_owned(), false).await?,
            Ok(Request::StartTls) => return self.start_tls().await,
            Ok(Request::Auth {
                mechanism,
                initial_response,
            }) => self.auth(mechanism, &initial_response).await?,
            Ok(Request::Mail { from }) => self.mail(&from, &line).await?,
            Ok(Request::Rcpt { to }) => self.rcpt(&to, &line).await?,
            Ok(Request::Data) => self.data().await?,
            Ok(Request::Bdat {
                chunk_size,
                is_last,
            }) => self.bdat(chunk_size, is_last).await?,
            Ok(Request::Rset) => {
                let chosen = self.choose(Step::Rset, Reply::new(250, "2.0.0", "as new"));
                if chosen.is_positive() {
                    self.transaction = None;
                }
                self.give(chosen).await?;
            }
            Ok(Request::Noop { .. }) => {
                self.answer(Step::Noop, Reply::new(250, "2.0.0", "nothing done"))
                    .await?;
            }
            Ok(Request::Vrfy { .. }) => {
                let reply = Reply::new(252, "2.5.2", "send some mail, and see");
                self.answer(Step::Vrfy, reply).await?;
            }
            Ok(Request::Quit) => {
                let chosen = self.choose(Step::Quit, Reply::new(221, "2.0.0", "goodbye"));
                let ends = chosen.is_positive();
                self.give(chosen).await?;
                if ends {
                    return Err(self.wire.close().await);
                }
            }
            Ok(other) => {
                let text = format!("{} is not implemented", other.name());
                self.answer(Step::Unknown, Reply::new(502, "5.5.1", text))
                    .await?;
            }
            Err(error) => self.answer(Step::Unknown, about_syntax(&error)).await?,
        }
        Ok(Next::Command)
    }

    /// Whether the client went on behind a command that it had to wait after
    /// (RFC 2920 section 3.1).
    fn jumped_the_queue(&self, request: &Result<Request<Cow<'_, str>>, SyntaxError>) -> bool {
        let settings = &self.relay.settings;
        let pipelining = self.extended && settings.extensions.has("PIPELINING");
        let must_be_last = match request {
            // The chunk itself comes right behind it.
            Ok(Request::Bdat { .. }) => false,
            Ok(
                Request::Ehlo { .. }
                | Request::Helo { .. }
                | Request::StartTls
                | Request::Auth { .. }
                | Request::Data
                | Request::Noop { .. }
                | Request::Vrfy { .. }
                | Request::Expn { .. }
                | Request::Quit,
            ) => true,
            _ => !pipelining,
        };
        must_be_last && !settings.lenient && self.wire.has_input()
    }

    async fn hello(&mut self, name: String, extended: bool) -> Result<(), Over> {
        let step = match (extended, self.upgraded) {
            (false, _) => Step::Helo,
            (true, false) => Step::Ehlo,
            (true, true) => Step::EhloTls,
        };
        let usual = if !is_domain_or_literal(&name) {
            Reply::new(
                501,
                "5.5.4",
                "this is neither a domain nor an address literal",
            )
        } else if !self.is_welcome(&name) {
            Reply::new(550, "5.7.1", "there is no client of this name")
        } else if extended {
            self.offer()
        } else {
            Reply::plain(250, self.relay.settings.name.clone())
        };
        let chosen = self.choose(step, usual);
        if chosen.is_positive() {
            self.name = Some(name);
            self.extended = extended;
            self.transaction = None;
        }
        self.give(chosen).await
    }

    fn is_welcome(&self, name: &str) -> bool {
        let known = self.relay.settings.clients.as_ref();
        known.is_none_or(|names| names.iter().any(|it| it == name))
    }

    fn offer(&self) -> Reply {
        let settings = &self.relay.settings;
        let mut reply = Reply::plain(250, settings.name.clone());
        for extension in settings.extensions.iter() {
            reply = reply.line(extension.to_owned());
        }
        if self.tls.is_none() && matches!(self.relay.security, Security::StartTls(_)) {
            reply = reply.line("STARTTLS");
        }
        if self.may_authenticate() && !settings.mechanisms.is_empty() {
            let names: Vec<_> = settings.mechanisms.iter().map(|it| it.name()).collect();
            reply = reply.line(format!("AUTH {}", names.join(" ")));
        }
        reply
    }

    /// Whether credentials may be sent now, as far as secrecy goes.
    pub(super) fn may_authenticate(&self) -> bool {
        self.tls.is_some()
            || self.relay.settings.auth_in_plaintext
            || matches!(self.relay.security, Security::Plaintext)
    }

    async fn start_tls(&mut self) -> Result<Next, Over> {
        let config = match &self.relay.security {
            Security::StartTls(config) if self.tls.is_none() => Some(Arc::clone(config)),
            _ => None,
        };
        let usual = match (&config, &self.tls) {
            (Some(_), _) => Reply::new(220, "2.0.0", "go ahead"),
            (None, Some(_)) => Reply::new(503, "5.5.1", "TLS is on already"),
            (None, None) => Reply::new(502, "5.5.1", "STARTTLS is not implemented"),
        };
        let chosen = self.choose(Step::StartTls, usual);
        let starts = chosen.code == Some(220);
        self.give(chosen).await?;
        Ok(match config {
            Some(config) if starts => Next::Encrypt(config),
            _ => Next::Command,
        })
    }

    /// The session in TLS, begun anew (RFC 3207 section 4.2).
    async fn encrypt(mut self, config: Arc<ServerConfig>) -> Result<Self, Over> {
        // What came before the handshake must not be taken for something that
        // came after it.
        self.wire.drop_input();
        self.wire.flush().await?;
        self.hello = self.wire.client_hello().await?;
        if let Some(hello) = &self.hello {
            self.relay.record.hello(ClientHello::clone(hello));
        }
        self.pass(Step::Handshake).await?;
        let tamper = self.relay.settings.tamper;
        match self.wire.encrypt(config, tamper).await {
            Ok((wire, facts)) => Ok(Self {
                wire,
                name: None,
                extended: false,
                tls: Some(facts),
                identity: None,
                transaction: None,
                ..self
            }),
            Err(error) => {
                self.relay.record.handshake_failure(&error);
                Err(Over)
            }
        }
    }

    /// A step that usually has no reply. An answer without [`Answer::usual`]
    /// in it ends the session there.
    async fn pass(&mut self, step: Step) -> Result<(), Over> {
        let chosen = self.choose(step, Reply::none());
        let goes_on = chosen
            .answer
            .as_ref()
            .is_none_or(|answer| answer.acts.iter().any(|act| matches!(act, Act::Usual)));
        self.give(chosen).await?;
        if goes_on {
            return Ok(());
        }
        self.wire.flush().await?;
        Err(self.wire.stall().await)
    }

    async fn count_refusal(&mut self, code: Option<u16>) -> Result<(), Over> {
        if code.is_some_and(|code| code >= 500) {
            self.refusals += 1;
        }
        if self.refusals < MOST_REFUSALS {
            return Ok(());
        }
        self.wire.say(b"421 4.7.0 too many mistakes\r\n");
        Err(self.wire.close().await)
    }
}

fn about_syntax(error: &SyntaxError) -> Reply {
    match error {
        SyntaxError::UnknownCommand => Reply::new(500, "5.5.2", "this command is not known"),
        SyntaxError::InvalidSenderAddress => Reply::new(501, "5.1.7", "this is no reverse-path"),
        SyntaxError::InvalidRecipientAddress => Reply::new(501, "5.1.3", "this is no forward-path"),
        SyntaxError::SyntaxError { syntax } => Reply::new(501, "5.5.4", format!("say {syntax}")),
        SyntaxError::InvalidParameter { param } => {
            Reply::new(501, "5.5.4", format!("{param} has no such value"))
        }
        SyntaxError::UnsupportedParameter { param } => {
            Reply::new(555, "5.5.4", format!("{param} is not known"))
        }
        SyntaxError::NeedsMoreData { .. }
        | SyntaxError::ResponseTooLong
        | SyntaxError::InvalidResponse { .. } => Reply::new(500, "5.5.2", "this is no command"),
    }
}

fn is_domain_or_literal(name: &str) -> bool {
    let literal = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match literal {
        Some(literal) => literal
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c)),
        None => name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
    }
}
