//! Looks at a relay without handing it a mail: walks through a session, and
//! says what is wrong, what soon may be, and what would help. What is looked at
//! beyond the session itself is in `beyond`.

mod beyond;
mod warnings;

use tokio::time::Instant;

use super::remedies;
use crate::{
    report::{
        Action, Certificate, Check, Party, Reason, RelayFailure, Remedy, TlsEvidence, Walked,
    },
    smtp::{self, Passed, Target, Walk},
};

/// What a check is to look at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Go on to AUTH with the relay's credentials.
    pub authenticate: bool,
    /// When something fails, look for what would work instead.
    pub probe: bool,
    /// Enumerate what the relay accepts.
    pub deep: bool,
    /// The name to say in EHLO, in place of the relay's own setting.
    pub ehlo_name: Option<smtp::EhloName>,
}

/// Checks `target` on a connection of its own, which ends at `until` at the
/// latest. The pool is left alone, and no TLS session is resumed: the relay has
/// to show its certificate.
pub async fn check(target: &Target, scope: &Scope, until: Instant) -> Check {
    let session_target = Target {
        tls: target.tls.without_resumption(),
        credentials: target.credentials.clone().filter(|_| scope.authenticate),
        ehlo_name: match &scope.ehlo_name {
            Some(name) => name.to_string(),
            None => target.ehlo_name.clone(),
        },
        probing: smtp::Probing {
            is_on: scope.probe || target.probing.is_on,
            ports: target.probing.ports.clone(),
            // What was answered before may be out of date.
            hellos: smtp::Hellos::default(),
        },
        ..target.clone()
    };
    let walk = Walk::take(&session_target, until).await;
    let (session, error) = match walk.outcome {
        Ok(session) => (Some(session), None),
        Err(error) => (None, Some(error)),
    };
    let failure = match error {
        Some(error) => Some(beyond::diagnose(error, &session_target, scope, until).await),
        None => None,
    };
    let certificates = match &failure {
        Some(failure) => presented(failure),
        None => walk.certificates,
    };
    let findings = failure.map(|failure| findings(failure, &session_target));
    let findings = findings.unwrap_or_default();
    let mut check = Check {
        certificates,
        steps: steps(walk.steps, findings.first()),
        session,
        findings,
        warnings: Vec::new(),
        ports: Vec::new(),
        accepted: None,
    };
    beyond::look(&mut check, &session_target, scope, until).await;
    check.warnings = warnings::of(&check, target);
    check
}

fn presented(failure: &RelayFailure) -> Vec<Certificate> {
    let evidence = failure.tls.as_ref();
    evidence.map_or_else(Vec::new, |evidence| evidence.certificates.clone())
}

/// The failure belongs to the step that it stopped.
fn steps(passed: Vec<Passed>, failure: Option<&RelayFailure>) -> Vec<Walked> {
    let last = passed.len().saturating_sub(1);
    passed
        .into_iter()
        .enumerate()
        .map(|(index, step)| Walked {
            stage: step.stage,
            elapsed: step.elapsed,
            reply: step.reply,
            failure: failure.filter(|_| index == last).cloned(),
        })
        .collect()
}

/// The failure that stopped the walk, and what else is wrong with the chain,
/// each as a failure of its own.
fn findings(mut failure: RelayFailure, target: &Target) -> Vec<RelayFailure> {
    failure.remedies = match failure.reason {
        // There is no call of which it was the deadline.
        Reason::DeadlineExceeded => vec![Remedy {
            action: Action::RetryLater,
            party: Party::Caller,
            summary: "Allow more time for the check.".into(),
            setting: None,
        }],
        _ => remedies(&failure, target),
    };
    let flaws = failure.tls.as_ref().map(|tls| tls.flaws.clone());
    let further: Vec<_> = flaws
        .unwrap_or_default()
        .into_iter()
        // The one that stopped the walk is told with it.
        .filter(|flaw| flaw.reason != failure.reason)
        .map(|flaw| {
            let mut further = RelayFailure {
                reason: flaw.reason,
                confidence: flaw.confidence,
                alternatives: Vec::new(),
                summary: flaw.summary,
                retry_after: None,
                library_message: None,
                reply: None,
                // The alert and the probes belong to the other failure.
                tls: failure.tls.as_deref().map(|tls| {
                    Box::new(TlsEvidence {
                        alert: None,
                        probes: Vec::new(),
                        flaws: Vec::new(),
                        ..tls.clone()
                    })
                }),
                ..failure.clone()
            };
            further.remedies = remedies(&further, target);
            further
        })
        .collect();
    std::iter::once(failure).chain(further).collect()
}
