//! How the last session with each relay went.

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use crate::report::{RelayFailure, Session};

/// How the last sessions with one relay went.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<LastSeen>);

/// What was last seen of a relay.
#[derive(Clone, Debug, Default)]
pub struct LastSeen {
    /// Why the last session failed. `None` when it succeeded.
    pub failure: Option<RelayFailure>,
    /// When a session last succeeded.
    pub success_time: Option<SystemTime>,
    /// When a session last failed.
    pub failure_time: Option<SystemTime>,
    /// When the certificate that it showed last runs out.
    pub certificate_not_after: Option<SystemTime>,
}

impl Health {
    pub(super) fn last_seen(&self) -> LastSeen {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn succeeded(&self, session: &Session) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.failure = None;
        seen.success_time = Some(SystemTime::now());
        if let Some(certificate) = session
            .tls
            .as_ref()
            .and_then(|tls| tls.certificate.as_ref())
        {
            seen.certificate_not_after = Some(certificate.not_after);
        }
    }

    /// A refused mail says nothing about the relay's health, and its
    /// recipients are nobody else's business.
    pub(super) fn failed(&self, failure: &RelayFailure) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.failure_time = Some(SystemTime::now());
        let certificate = failure
            .tls
            .as_ref()
            .and_then(|tls| tls.certificates.first());
        if let Some(certificate) = certificate {
            seen.certificate_not_after = Some(certificate.not_after);
        }
        seen.failure = Some(RelayFailure {
            recipients: Vec::new(),
            ..failure.clone()
        });
    }
}
