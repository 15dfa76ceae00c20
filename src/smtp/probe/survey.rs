//! Looks at each port that relays take mail at: what does it speak, and would
//! a session come about there?

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Probing, reason, unarmed};
use crate::{
    report::{Port, Reason, Stage, TlsMode},
    smtp::{Error, Target, TimeLimits, Walk, error::Kind},
};

/// How long it may take in all.
const TIME: Duration = Duration::from_secs(5);
/// How long the greeting may take. Half of it is over when it is asked for TLS,
/// and there has to be time for that.
const GREETING: Duration = Duration::from_secs(4);

/// Looks at the target's own port, and at those that `target.probing` allows
/// for, all at the same time. It takes 5 seconds at most, and no longer than
/// until `until`. No port is authenticated at.
pub async fn survey(target: &Target, until: Instant) -> Vec<Port> {
    let end = until.min(Instant::now() + TIME);
    let mut ports = target.probing.ports.to_vec();
    ports.push(target.port);
    ports.sort_unstable();
    ports.dedup();
    join_all(ports.into_iter().map(|port| look(target, port, end))).await
}

async fn look(target: &Target, port: u16, end: Instant) -> Port {
    let own = port == target.port && target.mode == TlsMode::Implicit;
    let first = if own {
        TlsMode::Implicit
    } else {
        lenient(TlsMode::of_port(port))
    };
    let mut view = View::take(target, port, first, end).await;
    // It speaks in another way than its number says.
    let other = match view.reason() {
        Some(Reason::PlaintextOnTlsPort) => Some(TlsMode::StarttlsIfOffered),
        Some(Reason::TlsOnPlaintextPort) => Some(TlsMode::Implicit),
        _ => None,
    };
    if let Some(other) = other {
        view = View::take(target, port, other, end).await;
    }
    view.tell(target, port)
}

/// STARTTLS where it is offered: what is offered is what is asked.
fn lenient(mode: TlsMode) -> TlsMode {
    match mode {
        TlsMode::Implicit => mode,
        _ => TlsMode::StarttlsIfOffered,
    }
}

/// A port as it looks in one mode.
struct View {
    mode: TlsMode,
    walk: Walk,
}

impl View {
    async fn take(target: &Target, port: u16, mode: TlsMode, end: Instant) -> Self {
        let hasty = unarmed(target);
        let target = Target {
            port,
            mode,
            // A port that waits for TLS is to be told from one that is slow.
            probing: Probing {
                is_on: true,
                ..Probing::off()
            },
            limits: TimeLimits {
                greeting: target.limits.greeting.min(GREETING),
                ..hasty.limits
            },
            ..hasty
        };
        Self {
            mode,
            walk: Walk::take(&target, end).await,
        }
    }

    fn reason(&self) -> Option<Reason> {
        let error = self.walk.outcome.as_ref().err();
        error.map(|error| reason(error))
    }

    fn tell(self, target: &Target, port: u16) -> Port {
        let banner = self.banner();
        match self.walk.outcome {
            Ok(session) => {
                let detected = match (self.mode, &session.tls) {
                    (TlsMode::Implicit, _) => TlsMode::Implicit,
                    (_, Some(_)) => TlsMode::Starttls,
                    (_, None) => TlsMode::Plaintext,
                };
                let lacks_tls = session.tls.is_none() && target.mode.requires_tls();
                Port {
                    port,
                    reachable: true,
                    banner,
                    detected_mode: Some(detected),
                    healthy: !lacks_tls,
                    tls: session.tls.map(Arc::unwrap_or_clone),
                    reason: lacks_tls.then_some(Reason::StarttlsNotOffered),
                }
            }
            Err(error) => Port {
                port,
                reachable: error.endpoint.ip.is_some(),
                banner,
                detected_mode: spoken(self.mode, &error),
                healthy: false,
                reason: Some(reason(&error)),
                tls: match error.kind {
                    Kind::Tls(handshake) => handshake.evidence.negotiated,
                    _ => None,
                },
            },
        }
    }

    /// The first line of the greeting.
    fn banner(&self) -> Option<String> {
        let mut steps = self.walk.steps.iter();
        let greeting = steps.find(|step| step.stage == Stage::Greeting)?;
        let reply = greeting.reply.as_ref()?;
        let text = reply.lines.first().map_or("", String::as_str);
        Some(format!("{} {text}", reply.code).trim_end().to_owned())
    }
}

/// The mode that a port speaks at which a session in `mode` came to `error`.
/// `None` where that did not show.
fn spoken(mode: TlsMode, error: &Error) -> Option<TlsMode> {
    match (mode, &error.kind) {
        (TlsMode::Implicit, Kind::Tls(handshake)) => handshake.heard_tls.then_some(mode),
        // The greeting comes in TLS.
        (TlsMode::Implicit, _) if matches!(error.stage, Stage::Greeting | Stage::Ehlo) => {
            Some(mode)
        }
        (_, Kind::TlsFirst(_)) => Some(TlsMode::Implicit),
        (_, Kind::Tls(_)) => Some(TlsMode::Starttls),
        _ if error.stage == Stage::Starttls => Some(TlsMode::Starttls),
        _ => None,
    }
}
