//! How a relay is set up.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;

use super::{
    Answer, Bounds, Mechanism, Script, Step, TestRelay, Tls,
    magic::{Magic, Rule},
    record::Record,
    relay::{Extensions, Relay, Security, Settings},
    sasl::Accounts,
    script::Playback,
    tls::TlsError,
};

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It could not listen.
    #[error("the relay cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Its TLS settings cannot be followed.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Sets a [`TestRelay`] up. Without further ado it is one in plaintext that
/// offers every extension it knows and takes all mail.
#[derive(Clone, Debug)]
pub struct Builder {
    listen: SocketAddr,
    settings: Settings,
    tls: Option<Tls>,
    implicit: bool,
    script: Script,
    keeps: bool,
    magic: Option<Rule>,
    bounds: Bounds,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            settings: Settings {
                name: "testrelay.example".to_owned(),
                extensions: Extensions::new([
                    "PIPELINING",
                    "SIZE 104857600",
                    "8BITMIME",
                    "ENHANCEDSTATUSCODES",
                    "SMTPUTF8",
                    "CHUNKING",
                ]),
                accounts: Accounts::default(),
                mechanisms: Vec::new(),
                scram_iterations: 4096,
                end_point: Vec::new(),
                tamper: None,
                channel_bindings: None,
                auth_in_plaintext: false,
                require_tls: false,
                require_auth: false,
                clients: None,
                lenient: false,
                reads_refused_chunks: false,
                most_recipients: 10_000,
                idle_limit: Duration::from_mins(5),
                folder: None,
            },
            tls: None,
            implicit: false,
            script: Script::new(),
            keeps: true,
            magic: None,
            bounds: Bounds {
                connections: 1024,
                session: Duration::from_hours(24),
            },
        }
    }
}

impl Builder {
    /// The address to listen on, instead of a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The host name in the greeting and in file names.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.settings.name);
        self
    }

    /// The lines of the reply to EHLO, such as `SIZE 1000`, instead of all
    /// that the relay knows. STARTTLS and AUTH come by themselves.
    #[must_use]
    pub fn extensions<'a>(mut self, lines: impl IntoIterator<Item = &'a str>) -> Self {
        self.settings.extensions = Extensions::new(lines);
        self
    }

    /// Offers STARTTLS, with this certificate or these settings.
    #[must_use]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = Some(tls.into());
        self
    }

    /// Starts TLS at once, instead of by STARTTLS.
    #[must_use]
    pub fn implicit_tls(mut self) -> Self {
        self.implicit = true;
        self
    }

    /// Takes no mail before TLS has started.
    #[must_use]
    pub fn require_tls(mut self) -> Self {
        self.settings.require_tls = true;
        self
    }

    /// Offers AUTH PLAIN and LOGIN. A relay with TLS offers them only in TLS.
    #[must_use]
    pub fn auth(mut self, user: &str, password: &str) -> Self {
        self.settings.accounts.add_password(user, password);
        self
    }

    /// Offers AUTH XOAUTH2 and OAUTHBEARER.
    #[must_use]
    pub fn token(mut self, user: &str, token: &str) -> Self {
        self.settings.accounts.add_token(user, token);
        self
    }

    /// The mechanisms to offer, instead of those that there are accounts for.
    #[must_use]
    pub fn mechanisms(mut self, mechanisms: impl IntoIterator<Item = Mechanism>) -> Self {
        self.settings.mechanisms = mechanisms.into_iter().collect();
        self
    }

    /// How often SCRAM has the client hash, instead of 4,096 times.
    #[must_use]
    pub fn scram_iterations(mut self, iterations: u32) -> Self {
        self.settings.scram_iterations = iterations;
        self
    }

    /// The types of channel binding to know, such as `tls-exporter`, instead
    /// of all.
    #[must_use]
    pub fn channel_bindings<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::to_owned);
        self.settings.channel_bindings = Some(names.collect());
        self
    }

    /// Offers AUTH before TLS too, to tempt a client into it.
    #[must_use]
    pub fn auth_in_plaintext(mut self) -> Self {
        self.settings.auth_in_plaintext = true;
        self
    }

    /// Takes no mail from a client that has not authenticated.
    #[must_use]
    pub fn require_auth(mut self) -> Self {
        self.settings.require_auth = true;
        self
    }

    /// Refuses EHLO and HELO by any other name than these.
    #[must_use]
    pub fn clients<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.settings.clients = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// Lets clients pipeline what RFC 2920 does not allow.
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.settings.lenient = true;
        self
    }

    /// Reads a chunk that it refuses as commands, as relays do that do not keep
    /// to RFC 3030 section 2.
    #[must_use]
    pub fn reads_refused_chunks(mut self) -> Self {
        self.settings.reads_refused_chunks = true;
        self
    }

    /// How many recipients it takes in one transaction (RFC 5321 section
    /// 4.5.3.1.10).
    #[must_use]
    pub fn most_recipients(mut self, most: usize) -> Self {
        self.settings.most_recipients = most;
        self
    }

    /// What it does otherwise than usual.
    #[must_use]
    pub fn script(mut self, script: Script) -> Self {
        self.script = script;
        self
    }

    /// Writes each mail it takes into a file `NAME-NUMBER.eml` in this folder.
    #[must_use]
    pub fn keep_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.folder = Some(folder.into());
        self
    }

    /// Counts mails and commands, and forgets them: for benchmarks.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// How long a client may be silent.
    #[must_use]
    pub fn idle_limit(mut self, limit: Duration) -> Self {
        self.settings.idle_limit = limit;
        self
    }

    /// Connections beyond so many get a 421.
    #[must_use]
    pub fn most_connections(mut self, most: usize) -> Self {
        self.bounds.connections = most;
        self
    }

    /// How long a connection may last, instead of a day.
    #[must_use]
    pub fn session_limit(mut self, limit: Duration) -> Self {
        self.bounds.session = limit;
        self
    }

    /// Has recipients decide what the relay does: the rule is given the address
    /// and how often, from 1, it was named. The answer is one to that RCPT TO
    /// ([`Step::AnyRcpt`]), or to a later step of the same transaction.
    #[must_use]
    pub fn recipients(mut self, rule: fn(&str, u32) -> Option<(Step, Answer)>) -> Self {
        self.magic = Some(rule);
        self
    }

    /// Starts to listen.
    pub async fn start(mut self) -> Result<TestRelay, StartError> {
        if self.settings.mechanisms.is_empty() {
            self.settings.mechanisms = self.settings.accounts.mechanisms();
        }
        if let Some(tls) = &self.tls {
            self.settings.end_point = tls.end_point();
            self.settings.tamper = tls.tamper();
        }
        let security = match self.tls {
            None => Security::Plaintext,
            Some(tls) if self.implicit => Security::Implicit(tls.config()?),
            Some(tls) => Security::StartTls(tls.config()?),
        };
        let listener = TcpListener::bind(self.listen).await;
        let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| StartError::Listen {
            address: self.listen,
            source,
        })?;
        let relay = Relay::new(
            self.settings,
            security,
            Record::new(self.keeps),
            Playback::from(self.script),
            self.magic.map(Magic::new),
        );
        Ok(TestRelay::run(
            Arc::new(relay),
            listener,
            address,
            self.bounds,
        ))
    }
}
