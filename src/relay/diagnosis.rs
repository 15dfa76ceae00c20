//! What further connections told about a relay's failure: asked once, by
//! whoever meets it first, and kept for the mails that meet it next. Knows
//! neither what is asked nor how.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tracing::info;

use crate::{
    report::{Reason, TlsMode},
    smtp::{Answers, Findings, Host, Question, Target},
    tls,
};

/// Failures that were looked into, and those that are.
#[derive(Debug, Default)]
pub(super) struct Diagnoses(Answers<Subject, Arc<Findings>>);

/// One failure of one relay under one TLS policy.
#[derive(Debug, PartialEq)]
struct Subject {
    relay: Option<String>,
    host: Host,
    port: u16,
    mode: TlsMode,
    tls: tls::Connector,
    reason: Reason,
    alert: Option<u8>,
}

impl Subject {
    fn of(question: &Question, target: &Target) -> Self {
        Self {
            relay: target.relay.clone(),
            host: target.host.clone(),
            port: target.port,
            mode: target.mode,
            tls: target.tls.clone(),
            reason: question.reason(),
            alert: question.alert(),
        }
    }
}

impl Diagnoses {
    /// What is known about a failure of a session with `target`, at the latest
    /// at `until`. Where nothing is known by then, the next to ask may have
    /// more luck: what has begun goes on.
    pub(super) async fn find(
        &self,
        question: Question,
        target: &Target,
        until: Instant,
    ) -> Option<Arc<Findings>> {
        let subject = Subject::of(&question, target);
        let found = self.0.get(subject, || investigate(question, target));
        timeout_at(until, found).await.ok()?
    }

    /// Ends what is under way, and begins nothing any more.
    pub(super) async fn stop(&self) {
        self.0.stop().await;
    }
}

fn investigate(
    question: Question,
    target: &Target,
) -> impl Future<Output = Arc<Findings>> + Send + use<> {
    let (reason, alert) = (question.reason(), question.alert());
    let (relay, host, port) = (target.relay.clone(), target.host.to_string(), target.port);
    async move {
        let findings = question.investigate().await;
        info!(
            relay,
            host,
            port,
            reason = reason.name(),
            alert,
            found = findings.verdict.as_ref().map(|it| it.reason.name()),
            probes = findings.probes.len(),
            "looked into a failure"
        );
        Arc::new(findings)
    }
}
