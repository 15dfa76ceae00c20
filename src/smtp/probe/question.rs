//! What further connections could tell about a failure, and what they told.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::{Door, trials, unarmed};
use crate::{
    report::{Confidence, Reason, RelayFailure, Stage, TlsEvidence, TlsMode, TlsProbe},
    smtp::{Error, Host, Target, error::Kind, failure::retry_after},
    tls::{Inquiry, Verdict},
};

/// How many connections one failure is cause for, at most.
const CONNECTIONS: usize = 8;
/// How long it may take in all.
const TIME: Duration = Duration::from_secs(5);
/// How long sessions elsewhere may take to open.
const DOORS: Duration = Duration::from_secs(3);
/// The ports that are looked at for what works instead, each in its usual mode.
const INSTEAD: [u16; 3] = [465, 587, 2525];

/// How much is worth asking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Only what tells causes apart that look the same.
    Doubt,
    /// What would work instead, too, however clear the cause is.
    All,
}

/// What further connections could tell about a failure.
#[derive(Debug)]
pub struct Question {
    target: Target,
    reason: Reason,
    alert: Option<u8>,
    inquiry: Option<Inquiry>,
    other_mode: Option<TlsMode>,
}

/// What they told.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Each connection that came to something, in the order that they were
    /// made.
    pub probes: Vec<TlsProbe>,
    /// The cause, where it was told apart from others.
    pub verdict: Option<Verdict>,
    /// For a failure that came before any handshake.
    blank: TlsEvidence,
}

impl Error {
    /// What to ask about this failure of a session with `target`. `None` where
    /// nothing could be told.
    pub fn question(&self, target: &Target, scope: Scope) -> Option<Question> {
        let handshake = match &self.kind {
            Kind::Tls(handshake) => Some(handshake.as_ref()),
            _ => None,
        };
        let inquiry = handshake.and_then(|error| target.tls.inquire(error));
        if inquiry.is_none() && !(scope == Scope::All && self.is_of_the_door()) {
            return None;
        }
        let reason = self.reason();
        let heard_tls = handshake.is_some_and(|error| error.heard_tls);
        Some(Question {
            reason,
            alert: handshake
                .and_then(|error| error.evidence.alert.as_ref())
                .map(|alert| alert.code),
            inquiry,
            other_mode: (!heard_tls)
                .then(|| other_mode(target.mode, reason))
                .flatten(),
            target: Target {
                // The address that was reached, where one was.
                host: self
                    .endpoint
                    .ip
                    .map_or_else(|| target.host.clone(), Host::Ip),
                ..unarmed(target)
            },
        })
    }

    /// Whether another port or another mode may do better.
    fn is_of_the_door(&self) -> bool {
        let is_early = matches!(
            self.stage,
            Stage::Connect | Stage::Greeting | Stage::Ehlo | Stage::Starttls | Stage::TlsHandshake
        );
        is_early && !matches!(self.kind, Kind::Local(_) | Kind::Abandoned)
    }
}

impl Question {
    /// What went wrong, as it was seen.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The alert that came or went with it.
    pub fn alert(&self) -> Option<u8> {
        self.alert
    }

    /// Asks, on at most 8 connections and within 5 seconds.
    pub async fn investigate(self) -> Findings {
        let end = Instant::now() + TIME;
        let target = &self.target;
        let reason = self.reason;
        let inquires = self.inquiry.is_some();
        let mut doors = self.elsewhere();
        let other_mode = self.other_mode.map(|mode| Door {
            port: target.port,
            mode,
        });
        // Where hellos are tried, they show whether it is the mode at all. The
        // least likely port makes room for that.
        let mut postponed = None;
        if !inquires {
            doors.splice(0..0, other_mode);
        } else if other_mode.is_some() && doors.len() == INSTEAD.len() {
            postponed = doors.pop();
        }
        let tries = CONNECTIONS - doors.len() - usize::from(postponed.is_some());
        let inquire = async {
            match self.inquiry {
                Some(inquiry) => trials::carry_out(inquiry, target, tries, end).await,
                None => trials::Outcome::default(),
            }
        };
        let (outcome, found) = join(inquire, open(&doors, target, end)).await;
        let mut probes = outcome.probes;
        let heard_tls = probes
            .iter()
            .any(|probe| probe.session.is_some() || probe.alert.is_some());
        let room = CONNECTIONS.saturating_sub(outcome.connections + doors.len());
        let further = other_mode.filter(|_| inquires && !heard_tls);
        let further: Vec<_> = further.into_iter().chain(postponed).take(room).collect();
        probes.extend(found);
        probes.extend(open(&further, target, end).await);
        // Where the relay said something, that tells more.
        let was_silent = !matches!(reason, Reason::PlaintextOnTlsPort | Reason::NotTls);
        let wrong_mode = other_mode
            .filter(|_| was_silent)
            .and_then(|door| wrong_mode(door, &probes));
        Findings {
            probes,
            verdict: wrong_mode.or(outcome.verdict),
            blank: target.tls.evidence(target.mode),
        }
    }

    /// The other ports that may work instead, the likeliest first.
    fn elsewhere(&self) -> Vec<Door> {
        let Target { port, probing, .. } = &self.target;
        INSTEAD
            .into_iter()
            .filter(|other| other != port && probing.ports.contains(other))
            .map(|port| Door {
                port,
                mode: TlsMode::of_port(port),
            })
            .collect()
    }
}

/// Opens all of them at the same time.
async fn open(doors: &[Door], target: &Target, end: Instant) -> Vec<TlsProbe> {
    let end = end.min(Instant::now() + DOORS);
    join_all(doors.iter().map(|door| door.open(target, end))).await
}

impl Findings {
    /// Tells `failure` what was found. Its remedies are then out of date.
    pub fn apply(&self, failure: &mut RelayFailure) {
        if let Some(verdict) = &self.verdict {
            failure.reason = verdict.reason;
            failure.confidence = verdict.confidence;
            failure.alternatives.clone_from(&verdict.alternatives);
            failure.summary.clone_from(&verdict.summary);
            failure.retry_after = retry_after(verdict.reason);
        }
        if !self.probes.is_empty() {
            let evidence = failure
                .tls
                .get_or_insert_with(|| Box::new(self.blank.clone()));
            evidence.probes.extend(self.probes.iter().cloned());
        }
    }
}

/// The port works in the mode of `door`, and said nothing in its own.
fn wrong_mode(door: Door, probes: &[TlsProbe]) -> Option<Verdict> {
    let works = probes
        .iter()
        .find(|it| (it.port, it.mode) == (door.port, door.mode) && it.succeeded)?;
    let settled = works
        .session
        .as_ref()
        .map_or_else(String::new, |session| format!(" ({session})"));
    let port = door.port;
    let (reason, summary) = match door.mode {
        TlsMode::Implicit => (
            Reason::TlsOnPlaintextPort,
            format!(
                "Port {port} does not greet in plaintext, and works with implicit TLS{settled}."
            ),
        ),
        TlsMode::Starttls | TlsMode::StarttlsIfOffered | TlsMode::Plaintext => (
            Reason::PlaintextOnTlsPort,
            format!("Port {port} does not answer a TLS hello, and works with STARTTLS{settled}."),
        ),
    };
    Some(Verdict {
        reason,
        confidence: Confidence::Probed,
        alternatives: Vec::new(),
        summary,
    })
}

/// The mode that the port may be for, when none that it was used in fits.
fn other_mode(mode: TlsMode, reason: Reason) -> Option<TlsMode> {
    match (mode, reason) {
        (
            TlsMode::Implicit,
            Reason::PlaintextOnTlsPort
            | Reason::NotTls
            | Reason::HandshakeTimeout
            | Reason::HandshakeClosed
            | Reason::HandshakeReset
            | Reason::ConnectionClosed
            | Reason::ConnectionReset,
        ) => Some(TlsMode::Starttls),
        (
            TlsMode::Starttls | TlsMode::StarttlsIfOffered | TlsMode::Plaintext,
            Reason::BannerTimeout | Reason::ConnectionClosed | Reason::ConnectionReset,
        ) => Some(TlsMode::Implicit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(port: u16, mode: TlsMode, succeeded: bool) -> TlsProbe {
        TlsProbe {
            name: super::super::name(port, mode),
            mode,
            port,
            succeeded,
            session: None,
            reason: None,
            alert: None,
        }
    }

    #[test]
    fn the_mode_is_wrong_where_the_other_one_works_on_the_same_port() {
        use TlsMode::{Implicit, Starttls};

        for (mode, reason) in [
            (Implicit, Reason::TlsOnPlaintextPort),
            (Starttls, Reason::PlaintextOnTlsPort),
        ] {
            let door = Door { port: 2465, mode };
            let verdict = wrong_mode(door, &[tried(2465, mode, true)]).unwrap();
            assert_eq!(verdict.reason, reason);
            assert_eq!(verdict.confidence, Confidence::Probed);
            assert!(verdict.summary.starts_with("Port 2465 does not"));
            assert!(wrong_mode(door, &[tried(2465, mode, false)]).is_none());
            assert!(wrong_mode(door, &[tried(465, mode, true)]).is_none());
        }
    }
}
