//! One port of the relay's host in one mode, tried by opening a session.

use std::time::Duration;

use tokio::time::timeout;

use super::name;
use crate::{
    report::{TlsMode, TlsProbe},
    smtp::{Progress, Session, Target, error::Kind},
};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(200);

/// One port of the relay's host in one mode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Door {
    pub(super) port: u16,
    pub(super) mode: TlsMode,
}

impl Door {
    /// Opens a session like one with `target`, but here.
    pub(super) async fn open(self, target: &Target) -> TlsProbe {
        let target = Target {
            port: self.port,
            mode: self.mode,
            ..target.clone()
        };
        match Session::open(&target, &Progress::default()).await {
            Ok(session) => {
                let settled = session.facts().tls;
                // The relay needs not wait for what does not come.
                let _ = timeout(FAREWELL, session.quit()).await;
                TlsProbe {
                    succeeded: true,
                    session: settled,
                    ..self.untold()
                }
            }
            Err(error) => {
                let probe = TlsProbe {
                    reason: Some(error.reason()),
                    ..self.untold()
                };
                match error.kind {
                    Kind::Tls(handshake) => TlsProbe {
                        session: handshake.evidence.negotiated,
                        alert: handshake.evidence.alert,
                        ..probe
                    },
                    _ => probe,
                }
            }
        }
    }

    fn untold(self) -> TlsProbe {
        TlsProbe {
            name: name(self.port, self.mode),
            mode: self.mode,
            port: self.port,
            succeeded: false,
            session: None,
            reason: None,
            alert: None,
        }
    }
}
