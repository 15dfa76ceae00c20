//! One port of the relay's host in one mode, tried by opening a session.

use std::sync::Arc;

use tokio::time::Instant;

use super::{name, reason};
use crate::{
    report::{TlsMode, TlsProbe},
    smtp::{Target, Walk, error::Kind},
};

/// One port of the relay's host in one mode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Door {
    pub(super) port: u16,
    pub(super) mode: TlsMode,
}

impl Door {
    /// Opens a session like one with `target`, but here, until `end` at most.
    pub(super) async fn open(self, target: &Target, end: Instant) -> TlsProbe {
        let target = Target {
            port: self.port,
            mode: self.mode,
            ..target.clone()
        };
        let untold = TlsProbe {
            name: name(self.port, self.mode),
            mode: self.mode,
            port: self.port,
            succeeded: false,
            session: None,
            reason: None,
            alert: None,
        };
        match Walk::take(&target, end).await.outcome {
            Ok(session) => TlsProbe {
                succeeded: true,
                session: session.tls.map(Arc::unwrap_or_clone),
                ..untold
            },
            Err(error) => {
                let reason = Some(reason(&error));
                match error.kind {
                    Kind::Tls(handshake) => TlsProbe {
                        session: handshake.evidence.negotiated,
                        alert: handshake.evidence.alert,
                        reason,
                        ..untold
                    },
                    _ => TlsProbe { reason, ..untold },
                }
            }
        }
    }
}
