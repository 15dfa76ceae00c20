//! Finds the relay for a mail, the TLS policy it is reached under, and the
//! connection.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{
    Carried, Choice, Connections, CustomRelay, Relay, RelayName, Settings, TlsOption,
    carriage::Carriage,
    connectors::{Connectors, Policy},
    convoys::Convoys,
    diagnosis::Diagnoses,
    discards::CustomDiscards,
    health::{Health, LastSeen},
    permission::Permission,
    pool::{CustomPools, Pool},
    remedies,
};
use crate::{
    report::{RelayFailure, RelayOrigin, Session, Stage, TlsMode, TlsVersion},
    smtp, tls,
};

/// TLS policies of one configured relay that requests made up.
const MOST_VARIANTS: usize = 16;

/// TLS policies of relays that callers describe.
const MOST_CUSTOM_POLICIES: usize = 256;

/// Every relay that the operator configured, ready to be used.
#[derive(Debug)]
pub struct Directory {
    relays: BTreeMap<RelayName, Entry>,
    settings: Settings,
    roots: tls::SystemRoots,
    resolver: smtp::Resolver,
    custom_connectors: Connectors,
    custom_pools: CustomPools<smtp::Session>,
    custom_discards: CustomDiscards,
    farewells: TaskTracker,
    diagnoses: Diagnoses,
    hellos: smtp::Hellos,
}

#[derive(Debug)]
struct Entry {
    relay: Relay,
    /// The relay's TLS settings over the global ones, the mode among them.
    tls: tls::Settings,
    /// For mails that change no TLS setting.
    connector: tls::Connector,
    /// For those that do.
    variants: Connectors,
    discards: smtp::Discards,
    pool: Arc<Pool<smtp::Session>>,
    convoys: Option<Arc<Convoys>>,
    health: Health,
}

/// A mail has no relay that it may go to.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no relay of that name.
    #[error("there is no relay named `{0}`")]
    NotFound(RelayName),
    /// The operator does not allow callers to name this host and port.
    #[error("custom relays at {host}:{port} are not allowed")]
    NotAllowed {
        /// As the caller gave it.
        host: smtp::Host,
        /// As the caller gave it.
        port: u16,
    },
    /// The operator does not allow callers to change this TLS setting.
    #[error("`tls.{}` may not be changed by a request for this relay", name(*.0))]
    TlsNotAllowed(TlsOption),
    /// The request's TLS settings and the relay's contradict each other.
    #[error("the request's TLS settings do not fit the relay's")]
    TlsConflict(#[source] tls::PolicyError),
    /// No relay was named, and no route fits.
    #[error("no relay was named, and no route fits the sender's domain `{0}`")]
    NoRoute(String),
}

fn name(option: TlsOption) -> &'static str {
    option.into()
}

/// A relay's settings cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("the TLS settings of relay `{relay}` cannot be followed")]
pub struct BadRelay {
    /// Which one.
    pub relay: RelayName,
    /// Why.
    pub source: tls::PolicyError,
}

/// A configured relay, as it stands. Holds no secret.
#[derive(Clone, Debug)]
pub struct RelayStatus {
    /// Its name.
    pub name: RelayName,
    /// Where it is.
    pub host: smtp::Host,
    /// The TCP port.
    pub port: u16,
    /// When TLS starts.
    pub tls_mode: TlsMode,
    /// The oldest version that is accepted.
    pub min_tls_version: TlsVersion,
    /// Whether there are credentials for it.
    pub authenticates: bool,
    /// The connections to it.
    pub connections: Connections,
    /// How its last sessions went.
    pub last_seen: LastSeen,
}

impl Directory {
    /// Loads the trust anchors of the system and prepares every relay.
    pub fn new(settings: Settings) -> Result<Self, BadRelay> {
        let roots = tls::SystemRoots::load();
        let resolver = smtp::Resolver::new();
        let farewells = TaskTracker::new();
        let mut relays = BTreeMap::new();
        for relay in &settings.relays {
            let tls = with_mode(settings.tls.clone().merge(relay.tls.clone()), relay.port);
            let connector = tls::Connector::new(&tls, &relay.host.to_server_name(), &roots)
                .map_err(|source| BadRelay {
                    relay: relay.name.clone(),
                    source,
                })?;
            let entry = Entry {
                relay: relay.clone(),
                tls,
                connector,
                variants: Connectors::new(MOST_VARIANTS),
                discards: smtp::Discards::default(),
                pool: Arc::new(Pool::new(relay.pool, farewells.clone())),
                convoys: Convoys::new(relay.pool),
                health: Health::default(),
            };
            relays.insert(relay.name.clone(), entry);
        }
        Ok(Self {
            relays,
            custom_connectors: Connectors::new(MOST_CUSTOM_POLICIES),
            custom_pools: CustomPools::new(settings.custom.pool, farewells.clone()),
            custom_discards: CustomDiscards::default(),
            farewells,
            diagnoses: Diagnoses::default(),
            hellos: smtp::Hellos::default(),
            settings,
            roots,
            resolver,
        })
    }

    /// The same with names looked up elsewhere than the system's are.
    #[cfg(test)]
    pub(crate) fn resolving_by(self, resolver: smtp::Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// The relay for a mail from `sender_domain`, with the TLS settings that
    /// the request brings on top.
    pub fn find(
        &self,
        choice: &Choice,
        sender_domain: &str,
        request: &tls::Settings,
    ) -> Result<smtp::Target, Refusal> {
        match choice {
            Choice::Named(name) => self.configured(name, request),
            Choice::Custom(custom) => self.custom(custom, request),
            Choice::Route => {
                let name = self
                    .settings
                    .routes
                    .iter()
                    .find(|route| route.fits(sender_domain))
                    .map(|route| &route.relay)
                    .or(self.settings.default.as_ref())
                    .ok_or_else(|| Refusal::NoRoute(sender_domain.to_owned()))?;
                self.configured(name, request)
            }
        }
    }

    fn configured(
        &self,
        name: &RelayName,
        request: &tls::Settings,
    ) -> Result<smtp::Target, Refusal> {
        let Entry {
            relay,
            tls: own,
            connector,
            variants,
            discards,
            ..
        } = self
            .relays
            .get(name)
            .ok_or_else(|| Refusal::NotFound(name.clone()))?;
        let permission = Permission {
            origin: RelayOrigin::Configured,
            mode: mode(own, relay.port),
            base: own,
            allowed: &relay.allow_tls_options,
        };
        let tls = permit(&permission, request)?;
        let current = relay.credentials.as_ref().map(|source| source.current());
        let connector = if tls == *own {
            connector.clone()
        } else {
            self.connector(variants, &tls, &relay.host, relay.port)?
        };
        Ok(smtp::Target {
            relay: Some(name.to_string()),
            origin: RelayOrigin::Configured,
            host: relay.host.clone(),
            port: relay.port,
            mode: mode(&tls, relay.port),
            tls: connector,
            credentials_are_stale: current.as_ref().is_some_and(|it| it.are_stale),
            credentials: current.map(|it| it.credentials),
            mechanisms: relay.mechanisms.clone(),
            ehlo_name: relay.ehlo_name.clone(),
            limits: relay.limits,
            max_recipients: relay.max_recipients,
            transactions: relay.transactions,
            discards: discards.clone(),
            resolver: self.resolver.clone(),
            probing: smtp::Probing {
                is_on: relay.probe,
                hellos: self.hellos.clone(),
                ..smtp::Probing::default()
            },
        })
    }

    fn custom(
        &self,
        relay: &CustomRelay,
        request: &tls::Settings,
    ) -> Result<smtp::Target, Refusal> {
        let custom = &self.settings.custom;
        if !custom.allows(&relay.host, relay.port) {
            return Err(Refusal::NotAllowed {
                host: relay.host.clone(),
                port: relay.port,
            });
        }
        let permission = Permission {
            origin: RelayOrigin::Custom,
            mode: mode(&self.settings.tls, relay.port),
            base: &self.settings.tls,
            allowed: &custom.allow_tls_options,
        };
        let tls = permit(&permission, request)?;
        Ok(smtp::Target {
            relay: None,
            origin: RelayOrigin::Custom,
            host: relay.host.clone(),
            port: relay.port,
            mode: mode(&tls, relay.port),
            tls: self.connector(&self.custom_connectors, &tls, &relay.host, relay.port)?,
            credentials: relay.credentials.clone(),
            credentials_are_stale: false,
            mechanisms: smtp::Mechanisms::default(),
            ehlo_name: custom.ehlo_name.clone(),
            limits: custom.limits,
            max_recipients: custom.max_recipients,
            transactions: custom.transactions,
            discards: self.custom_discards.of(&relay.host, relay.port),
            resolver: self.resolver.clone(),
            probing: smtp::Probing {
                hellos: self.hellos.clone(),
                ..custom.probing(&relay.host)
            },
        })
    }

    fn connector(
        &self,
        known: &Connectors,
        tls: &tls::Settings,
        host: &smtp::Host,
        port: u16,
    ) -> Result<tls::Connector, Refusal> {
        let policy = Policy {
            host: host.clone(),
            port,
            tls: with_mode(tls.clone(), port),
        };
        known.get(policy, &self.roots).map_err(Refusal::TlsConflict)
    }

    /// How many mails the relay of `target`, which [`Directory::find`] gave,
    /// may be given at a time.
    pub fn capacity(&self, target: &smtp::Target) -> usize {
        let entry = self.entry(target.relay.as_deref());
        let pool = entry.map_or(&self.settings.custom.pool, |entry| &entry.relay.pool);
        pool.max_connections * pool.depth
    }

    /// Carries a mail to `target`, which [`Directory::find`] gave, on a connection
    /// that is there or on a fresh one. Waits in line while the relay has no place
    /// free.
    pub async fn carry(
        &self,
        target: &smtp::Target,
        transaction: smtp::Transaction<'_>,
        progress: &smtp::Progress,
    ) -> Carried {
        let entry = self.entry(target.relay.as_deref());
        let carriage = Carriage {
            pool: match entry {
                Some(entry) => Arc::clone(&entry.pool),
                None => self.custom_pools.get(target),
            },
            convoys: entry.and_then(|entry| entry.convoys.clone()),
            target,
            transaction,
            progress,
        };
        carriage.carry().await
    }

    /// What to tell about `error`, which a session with `target` met, with
    /// what to do about it. Where its causes cannot be told apart, further
    /// connections tell, which are waited for until `until` at most.
    pub async fn explain(
        &self,
        error: Box<smtp::Error>,
        target: &smtp::Target,
        until: Instant,
    ) -> Box<RelayFailure> {
        let question = error.question(target, smtp::Scope::Doubt);
        let mut failure = Box::new(error.into_failure());
        if let Some(question) = question
            && target.probing.is_on
            && let Some(findings) = self.diagnoses.find(question, target, until).await
        {
            findings.apply(&mut failure);
        }
        failure.remedies = remedies(&failure, target);
        failure
    }

    /// Says QUIT on every idle connection and waits, for two seconds or so at
    /// most, until they are closed. Sessions that come back later are not kept.
    pub async fn disconnect(&self) {
        self.diagnoses.stop().await;
        self.hellos.stop().await;
        for entry in self.relays.values() {
            entry.pool.close();
        }
        self.custom_pools.close();
        self.farewells.close();
        self.farewells.wait().await;
    }

    fn entry(&self, relay: Option<&str>) -> Option<&Entry> {
        let name = relay?;
        self.relays
            .values()
            .find(|entry| entry.relay.name.as_str() == name)
    }

    /// Keeps how a session with a configured relay went.
    pub fn note(&self, relay: Option<&str>, outcome: Result<&Session, &RelayFailure>) {
        if let Some(entry) = self.entry(relay) {
            match outcome {
                Ok(session) => entry.health.succeeded(session),
                // There was no session.
                Err(failure) if failure.stage == Stage::PoolWait => {}
                Err(failure) => entry.health.failed(failure),
            }
        }
    }

    /// Every configured relay, by name.
    pub fn statuses(&self) -> Vec<RelayStatus> {
        self.relays
            .values()
            .map(|entry| RelayStatus {
                name: entry.relay.name.clone(),
                host: entry.relay.host.clone(),
                port: entry.relay.port,
                tls_mode: mode(&entry.tls, entry.relay.port),
                min_tls_version: entry.tls.min_version.unwrap_or(tls::Version::Tls12).into(),
                authenticates: entry.relay.credentials.is_some(),
                connections: entry.pool.connections(),
                last_seen: entry.health.last_seen(),
            })
            .collect()
    }
}

fn mode(tls: &tls::Settings, port: u16) -> TlsMode {
    tls.mode.unwrap_or_else(|| TlsMode::of_port(port))
}

/// Said or left to the port, the mode is the same.
fn with_mode(tls: tls::Settings, port: u16) -> tls::Settings {
    tls::Settings {
        mode: Some(mode(&tls, port)),
        ..tls
    }
}

fn permit(permission: &Permission<'_>, request: &tls::Settings) -> Result<tls::Settings, Refusal> {
    if let Some(option) = permission.refuse(request) {
        return Err(Refusal::TlsNotAllowed(option));
    }
    let base = permission.base;
    let mut tls = base.clone().merge(request.clone());
    // A request's anchors stand beside the relay's and replace none.
    if let (Some(own), Some(further)) = (&base.trust_anchors, &request.trust_anchors) {
        tls.trust_anchors = Some([own.as_slice(), further].concat());
    }
    Ok(tls)
}
