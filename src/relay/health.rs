//! How the last session with each relay went.

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use crate::report::{Reason, RelayFailure, Session, Stage};

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
    /// recipients, whom a reply may name, are nobody else's business.
    pub(super) fn failed(&self, failure: &RelayFailure) {
        if is_of_the_mail(failure) {
            return;
        }
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

/// Whether the session was in order, and only the mail was not taken.
fn is_of_the_mail(failure: &RelayFailure) -> bool {
    let in_transaction = matches!(
        failure.stage,
        Stage::MailFrom | Stage::RcptTo | Stage::Data | Stage::EndOfData
    );
    let is_refused = failure.reply.is_some()
        || matches!(
            failure.reason,
            Reason::ExtensionMissing | Reason::MessageTooLarge
        );
    in_transaction && is_refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Confidence, RelayEndpoint, RelayOrigin, Reply, ReplyCode};

    fn failure(reason: Reason, stage: Stage, code: Option<u16>) -> RelayFailure {
        RelayFailure {
            reason,
            stage,
            origin: RelayOrigin::Configured,
            retry_after: None,
            confidence: Confidence::Observed,
            alternatives: Vec::new(),
            summary: "refused: <ada@example.com>".into(),
            remedies: Vec::new(),
            endpoint: RelayEndpoint {
                relay: Some("primary".into()),
                host: "mail.example.com".into(),
                port: 587,
                ip: None,
            },
            reply: code.map(|code| Reply {
                code: ReplyCode::new(code).unwrap(),
                enhanced: None,
                lines: vec!["<ada@example.com>".into()],
            }),
            connect_attempts: Vec::new(),
            tls: None,
            recipients: Vec::new(),
            library_message: None,
            missing_extension: None,
            first_bytes: bytes::Bytes::new(),
        }
    }

    #[test]
    fn a_refused_mail_is_no_failed_session() {
        let health = Health::default();
        for (reason, stage, code) in [
            (Reason::RecipientsRejected, Stage::RcptTo, Some(550)),
            (Reason::RelayClosing, Stage::RcptTo, Some(421)),
            (Reason::MessageTooLarge, Stage::MailFrom, None),
        ] {
            health.failed(&failure(reason, stage, code));
            assert!(health.last_seen().failure_time.is_none(), "{reason:?}");
        }
        for (reason, stage, code) in [
            (Reason::AuthRejected, Stage::Auth, Some(535)),
            (Reason::ConnectionLost, Stage::Data, None),
            (Reason::RelayClosing, Stage::Greeting, Some(421)),
        ] {
            health.failed(&failure(reason, stage, code));
            assert_eq!(health.last_seen().failure.unwrap().reason, reason);
        }
    }
}
