//! What further connections told about a relay's failure: asked once, by
//! whoever meets it first, and kept for the mails that meet it next. Knows
//! neither what is asked nor how.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    report::{Reason, TlsMode},
    smtp::{Findings, Host, Question, Target},
    tls,
};

/// How long findings are taken for true.
const KEPT: Duration = Duration::from_mins(5);
/// How many of them are kept.
const MOST_CASES: usize = 256;
/// How many failures are looked into at a time. Callers can describe any number
/// of relays that fail.
const MOST_AT_A_TIME: usize = 16;

/// Failures that were looked into, and those that are.
#[derive(Debug)]
pub(super) struct Diagnoses {
    /// The oldest first.
    cases: Mutex<Vec<Case>>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Case {
    subject: Subject,
    since: Instant,
    told: Told,
}

/// `None` as long as it is looked into.
type Told = watch::Receiver<Option<Arc<Findings>>>;

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
    pub(super) fn new() -> Self {
        Self {
            cases: Mutex::default(),
            room: Arc::new(Semaphore::new(MOST_AT_A_TIME)),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }
    }

    /// What is known about a failure of a session with `target`, at the latest
    /// at `until`. Where nothing is known by then, the next to ask may have
    /// more luck: what has begun goes on.
    pub(super) async fn find(
        &self,
        question: Question,
        target: &Target,
        until: Instant,
    ) -> Option<Arc<Findings>> {
        let mut told = self.told(question, target)?;
        let found = timeout_at(until, told.wait_for(Option::is_some)).await;
        found.ok()?.ok()?.clone()
    }

    /// Ends what is under way, and begins nothing any more.
    pub(super) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn told(&self, question: Question, target: &Target) -> Option<Told> {
        let subject = Subject::of(&question, target);
        let mut cases = self.cases.lock().unwrap_or_else(PoisonError::into_inner);
        cases.retain(|case| case.since.elapsed() < KEPT);
        if let Some(case) = cases.iter().find(|case| case.subject == subject) {
            return Some(case.told.clone());
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        if self.stopping.is_cancelled() {
            return None;
        }
        if cases.len() >= MOST_CASES {
            cases.remove(0);
        }
        let (tell, told) = watch::channel(None);
        cases.push(Case {
            subject,
            since: Instant::now(),
            told: told.clone(),
        });
        drop(cases);

        let (reason, alert) = (question.reason(), question.alert());
        let (relay, host, port) = (target.relay.clone(), target.host.to_string(), target.port);
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            let investigation = stopping.run_until_cancelled(Box::pin(question.investigate()));
            let Some(findings) = investigation.await else {
                return;
            };
            drop(permit);
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
            // Nobody may be waiting; it is there for the next.
            tell.send_replace(Some(Arc::new(findings)));
        });
        Some(told)
    }
}
