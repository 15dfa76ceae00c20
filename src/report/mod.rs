//! What posthaste tells about a relay: plain facts, without I/O and without
//! knowledge of gRPC. Every layer fills them in; `api::render` shows them to
//! the caller and `telemetry` to the operator.

mod check;
mod failure;
mod reason;
mod remedy;
mod reply;
mod session;
mod stage;
mod tls;

pub use check::{Check, Enumeration, Port, Walked, Warning, WarningCode};
pub use failure::{Acceptance, Confidence, ConnectAttempt, Fault, RelayFailure, Retry};
pub use reason::{Class, Reason, RelayOrigin};
pub use remedy::{Action, Party, Remedy};
pub use reply::{EnhancedStatusCode, RecipientResult, RecipientState, Reply, ReplyCode};
pub use session::{RelayEndpoint, Session, Timings};
pub use stage::Stage;
pub use tls::{
    AlertDirection, Certificate, Flaw, TlsAlert, TlsEvidence, TlsMode, TlsOffer, TlsProbe,
    TlsSession, TlsVersion,
};
