//! Why a mail was not sent, as the message that says so. `status` puts it into
//! the status of a call; a stream sends it as it is.

use std::{collections::BTreeMap, time::Duration};

use tonic::Code;

use super::{
    parse::{Path, Violations},
    pb, render,
};
use crate::{
    mail::{Broken, Rule},
    relay::{Refusal, TlsOption},
    report::{Acceptance, Class, Reason, RelayFailure, Retry},
    sender::{CheckError, SendError},
};

/// The key of the violations' full number in `ErrorInfo.metadata`.
pub(super) const VIOLATIONS_TOTAL: &str = "violations_total";

impl From<SendError> for pb::SendError {
    fn from(error: SendError) -> Self {
        use pb::ErrorReason as Why;

        let message = error.to_string();
        match error {
            SendError::Relay(failure) => relay_failure(&failure),
            SendError::Refused(refusal) => {
                refused(refusal, message, Path::root("mail").field("tls"))
            }
            SendError::RequestIdReused => {
                plain(Code::AlreadyExists, Why::RequestIdReused, message, [])
            }
            SendError::RequestInProgress { retry_after } => later(
                plain(Code::Aborted, Why::RequestInProgress, message, []),
                retry_after,
            ),
            SendError::Overloaded { retry_after } => later(
                plain(Code::ResourceExhausted, Why::Overloaded, message, []),
                retry_after,
            ),
            SendError::ShuttingDown { retry_after } => later(
                plain(Code::Unavailable, Why::ShuttingDown, message, []),
                retry_after,
            ),
            SendError::Internal => plain(Code::Internal, Why::Internal, message, []),
        }
    }
}

impl From<CheckError> for pb::SendError {
    fn from(error: CheckError) -> Self {
        let message = error.to_string();
        match error {
            CheckError::Refused(refusal) => refused(refusal, message, Path::root("tls")),
            CheckError::NoCredentials => {
                let broken = Broken::new(Rule::Conflict, "needs credentials for the relay");
                Violations::one(Path::root("authenticate"), &broken).into()
            }
            CheckError::Unable(error) => error.into(),
        }
    }
}

impl From<Violations> for pb::SendError {
    fn from(violations: Violations) -> Self {
        let told = u32::try_from(violations.first.len()).unwrap_or(u32::MAX);
        let total = told.saturating_add(violations.omitted);
        let message = match violations.first.as_slice() {
            [only] if total == 1 => format!("{} {}", only.field, only.description),
            _ => format!("the request breaks {total} rules"),
        };
        Self {
            violations: violations.first,
            violations_omitted: violations.omitted,
            ..plain(
                Code::InvalidArgument,
                pb::ErrorReason::InvalidRequest,
                message,
                [(VIOLATIONS_TOTAL, total.to_string())],
            )
        }
    }
}

/// `tls` is where the request has its `TlsOptions`.
fn refused(refusal: Refusal, message: String, tls: Path<'_>) -> pb::SendError {
    use pb::ErrorReason as Why;

    match refusal {
        Refusal::NotFound(name) => plain(
            Code::NotFound,
            Why::RelayNotFound,
            message,
            [("relay", name.to_string())],
        ),
        Refusal::NotAllowed { host, port } => plain(
            Code::PermissionDenied,
            Why::RelayNotAllowed,
            message,
            [("host", host.to_string()), ("port", port.to_string())],
        ),
        Refusal::TlsNotAllowed(option) => plain(
            Code::PermissionDenied,
            Why::TlsPolicyNotAllowed,
            message,
            [("field", tls.field(tls_field(option)).to_string())],
        ),
        Refusal::TlsConflict(error) => {
            let broken = Broken::new(Rule::Conflict, format!("does not fit the relay: {error}"));
            Violations::one(tls, &broken).into()
        }
        Refusal::NoRoute(domain) => plain(
            Code::FailedPrecondition,
            Why::NoRoute,
            message,
            [("domain", domain)],
        ),
    }
}

fn tls_field(option: TlsOption) -> &'static str {
    match option {
        TlsOption::Mode => "mode",
        TlsOption::MinVersion => "min_version",
        TlsOption::MaxVersion => "max_version",
        TlsOption::ServerName => "server_name",
        TlsOption::TrustAnchors => "trust_anchors_pem",
        TlsOption::KeyPins => "key_pins",
    }
}

/// An error that needs no more than its reason.
pub(super) fn plain<const N: usize>(
    code: Code,
    reason: pb::ErrorReason,
    message: impl Into<String>,
    metadata: [(&str, String); N],
) -> pb::SendError {
    let name = reason.as_str_name();
    pb::SendError {
        code: code.into(),
        message: message.into(),
        reason: name
            .strip_prefix("ERROR_REASON_")
            .unwrap_or(name)
            .to_owned(),
        metadata: metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        ..pb::SendError::default()
    }
}

/// An error after which it helps to wait.
pub(super) fn later(error: pb::SendError, retry_after: Duration) -> pb::SendError {
    pb::SendError {
        retry_after: Some(render::duration(retry_after)),
        ..error
    }
}

fn relay_failure(failure: &RelayFailure) -> pb::SendError {
    let mut metadata = BTreeMap::from([("stage".to_owned(), failure.stage.name().to_owned())]);
    if let Some(reply) = &failure.reply {
        metadata.insert("reply_code".to_owned(), reply.code.to_string());
    }
    let told = render::failure(failure);
    pb::SendError {
        code: code(failure.reason).into(),
        message: told.summary.clone(),
        reason: failure.reason.name().to_owned(),
        failure: Some(told),
        retry_after: failure.retry_after.map(render::duration),
        metadata,
        ..pb::SendError::default()
    }
}

/// UNAVAILABLE is the one code that gRPC clients retry by themselves: it says
/// that the relay has accepted nothing and that time alone may help. The
/// relay's refusal of our login is never UNAUTHENTICATED, or callers would
/// renew their own credentials.
fn code(reason: Reason) -> Code {
    match (reason.class(), reason.acceptance(), reason.retry()) {
        (_, Acceptance::Unknown, _) => Code::Unknown,
        (Class::Deadline, ..) => Code::DeadlineExceeded,
        (Class::Defect, ..) => Code::Internal,
        (_, Acceptance::None, Retry::Later) => Code::Unavailable,
        (_, Acceptance::None, Retry::AfterFix | Retry::Never) => Code::FailedPrecondition,
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;
    use crate::smtp;

    #[test]
    fn a_machine_retries_only_where_nothing_was_accepted_and_time_may_help() {
        for reason in Reason::iter() {
            let retried = code(reason) == Code::Unavailable;
            let safe = reason.acceptance() == Acceptance::None;
            let later = reason.retry() == Retry::Later && reason != Reason::DeadlineExceeded;
            assert_eq!(retried, safe && later, "{reason:?}");
        }
    }

    #[test]
    fn a_relays_failure_is_never_taken_for_the_callers_own() {
        for reason in Reason::iter() {
            assert!(
                matches!(
                    code(reason),
                    Code::Unavailable
                        | Code::FailedPrecondition
                        | Code::Unknown
                        | Code::DeadlineExceeded
                        | Code::Internal
                ),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn each_error_has_its_code_and_reason() {
        let retry_after = Duration::from_secs(1);
        for (error, code, reason) in [
            (
                Refusal::NotFound("x".parse().unwrap()).into(),
                Code::NotFound,
                "RELAY_NOT_FOUND",
            ),
            (
                Refusal::NotAllowed {
                    host: smtp::Host::Name("x".into()),
                    port: 25,
                }
                .into(),
                Code::PermissionDenied,
                "RELAY_NOT_ALLOWED",
            ),
            (
                Refusal::TlsNotAllowed(TlsOption::Mode).into(),
                Code::PermissionDenied,
                "TLS_POLICY_NOT_ALLOWED",
            ),
            (
                Refusal::NoRoute("x".into()).into(),
                Code::FailedPrecondition,
                "NO_ROUTE",
            ),
            (SendError::Internal, Code::Internal, "INTERNAL"),
            (
                SendError::RequestIdReused,
                Code::AlreadyExists,
                "REQUEST_ID_REUSED",
            ),
            (
                SendError::RequestInProgress { retry_after },
                Code::Aborted,
                "REQUEST_IN_PROGRESS",
            ),
            (
                SendError::ShuttingDown { retry_after },
                Code::Unavailable,
                "SHUTTING_DOWN",
            ),
            (
                SendError::Overloaded { retry_after },
                Code::ResourceExhausted,
                "OVERLOADED",
            ),
        ] {
            let told = pb::SendError::from(error);
            assert_eq!((told.code, told.reason.as_str()), (i32::from(code), reason));
            assert!(!told.message.is_empty());
            let says_when = matches!(
                code,
                Code::Aborted | Code::ResourceExhausted | Code::Unavailable
            );
            assert_eq!(told.retry_after.is_some(), says_when);
        }
    }
}
