//! A case: what a port of the fault relay does, and what a client should say
//! of it.

use std::sync::Arc;

use serde::Serialize;

use super::pki::Pki;
use crate::{
    report::{Reason, Stage, TlsMode},
    testrelay::Builder,
};

/// A client that is not told better waits this long at the most, in seconds.
const USUAL_SECONDS: u32 = 5;

/// One case of the catalogue.
#[derive(Clone)]
pub struct Case {
    /// Lower case, with hyphens.
    pub name: String,
    /// How the client is to connect.
    pub mode: TlsMode,
    /// What it stages, as a sentence without a full stop.
    pub about: &'static str,
    /// What comes of a mail. `None`: the relay takes it.
    pub reason: Option<Reason>,
    /// How far the session gets, where a mail fails: one of these.
    pub stages: Vec<Stage>,
    /// What a client may say as well.
    pub accepts: Vec<Reason>,
    /// What a client says that has not looked further than the failed session,
    /// where that is not enough to tell the reason.
    pub passive: Option<Reason>,
    /// What the client has to bring along.
    pub needs: Vec<Need>,
    /// How long the client may take. `None`: as long as its own time limits.
    pub max_seconds: Option<u32>,
    pub(super) served: Served,
}

/// What a client has to bring along, beside the trust in the served CA.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The user name and the password.
    Login,
    /// The revocation lists.
    Crl,
    /// The pin.
    Pin,
    /// The client certificate and its key.
    ClientCertificate,
    /// A recipient with a local part that is not ASCII.
    NonAsciiMail,
    /// A mail of 10,000 octets or more.
    LargeMail,
    /// The IP address instead of the host name.
    IpAddress,
}

/// What listens on the port of a case.
#[derive(Clone)]
pub(super) enum Served {
    /// Nothing: connections are refused.
    Nothing,
    /// A relay.
    Relay(Arc<dyn Fn(&Pki) -> Builder + Send + Sync>),
}

impl Need {
    /// What it is, for a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Login => "the login",
            Self::Crl => "the revocation lists",
            Self::Pin => "the pin",
            Self::ClientCertificate => "the client certificate",
            Self::NonAsciiMail => "a recipient that is not ASCII",
            Self::LargeMail => "a mail of 10,000 octets",
            Self::IpAddress => "the IP address as host",
        }
    }
}

impl Case {
    /// A port where a mail fails with `reason` at `stage`.
    pub(super) fn fails(
        mode: TlsMode,
        name: &str,
        about: &'static str,
        (stage, reason): (Stage, Reason),
        relay: impl Fn(&Pki) -> Builder + Send + Sync + 'static,
    ) -> Self {
        Self {
            reason: Some(reason),
            stages: vec![stage],
            ..Self::sends(mode, name, about, relay)
        }
    }

    /// A port that takes mails.
    pub(super) fn sends(
        mode: TlsMode,
        name: &str,
        about: &'static str,
        relay: impl Fn(&Pki) -> Builder + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            mode,
            about,
            reason: None,
            stages: Vec::new(),
            accepts: Vec::new(),
            passive: None,
            needs: Vec::new(),
            max_seconds: Some(USUAL_SECONDS),
            served: Served::Relay(Arc::new(relay)),
        }
    }

    /// A port where nothing listens.
    pub(super) fn closed(name: &str, about: &'static str, reason: Reason) -> Self {
        Self {
            served: Served::Nothing,
            ..Self::fails(
                TlsMode::Starttls,
                name,
                about,
                (Stage::Connect, reason),
                |_| Builder::default(),
            )
        }
    }

    /// Other reasons that are fair.
    pub(super) fn or(mut self, reasons: &[Reason]) -> Self {
        self.accepts.extend_from_slice(reasons);
        self
    }

    /// Some get as far as this instead.
    pub(super) fn or_at(mut self, stage: Stage) -> Self {
        self.stages.push(stage);
        self
    }

    /// Who does not look further can say no more than this.
    pub(super) fn passively(mut self, reason: Reason) -> Self {
        self.passive = Some(reason);
        self
    }

    pub(super) fn with(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// The client has to wait until its own time limit.
    pub(super) fn until_time_is_up(mut self) -> Self {
        self.max_seconds = None;
        self
    }

    /// The client has to bear with it for this long.
    pub(super) fn within(mut self, seconds: u32) -> Self {
        self.max_seconds = Some(seconds);
        self
    }

    /// The same fault by STARTTLS, as a case of its own. What comes of it is
    /// told from the side, where it differs.
    pub(super) fn by_starttls(&self) -> Self {
        Self {
            name: format!("starttls-{}", self.name),
            mode: TlsMode::Starttls,
            ..self.clone()
        }
    }

    /// Another reason than in the case that this was made from.
    pub(super) fn told_as(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Whether only a look beyond the failed session tells the reason.
    pub fn is_probed(&self) -> bool {
        self.passive.is_some()
    }

    /// What serves it, or `None` when nothing is to listen.
    pub(super) fn relay(&self, pki: &Pki) -> Option<Builder> {
        match &self.served {
            Served::Nothing => None,
            Served::Relay(make) => {
                let builder = make(pki);
                Some(match self.mode {
                    TlsMode::Implicit => builder.implicit_tls(),
                    _ => builder,
                })
            }
        }
    }
}

/// The same fault in both modes that require TLS.
pub(super) fn in_both(case: Case) -> [Case; 2] {
    let other = case.by_starttls();
    [case, other]
}
