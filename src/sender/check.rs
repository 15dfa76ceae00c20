//! A check of a relay, under the same permissions as a mail.

use super::{ASK_AGAIN, Deadline, SendError, Sender};
use crate::{
    relay::{self, Refusal},
    report::Check,
    tls,
};

/// What a caller wants to know of a relay.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Which one.
    pub relay: relay::Choice,
    /// TLS settings for this check alone.
    pub tls: tls::Settings,
    /// What to look at.
    pub scope: relay::Scope,
}

/// Why a relay was not checked. That something is wrong with it is no such
/// reason.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no such relay, or it may not be checked so.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// AUTH was asked for, and there is nothing to authenticate with.
    #[error("there are no credentials for the relay")]
    NoCredentials,
    /// The service has no room, or stops.
    #[error(transparent)]
    Unable(SendError),
}

impl Sender {
    /// Checks a relay, and answers by the deadline. It counts as a mail under
    /// way.
    pub async fn check(
        &self,
        inspection: Inspection,
        deadline: Deadline,
    ) -> Result<Check, CheckError> {
        let Inspection { relay, tls, scope } = inspection;
        let target = self.directory.find(&relay, "", &tls)?;
        if scope.authenticate && target.credentials.is_none() {
            return Err(CheckError::NoCredentials);
        }
        let _place = self.places.at_once().map_err(CheckError::Unable)?;
        tokio::select! {
            biased;
            check = relay::check(&target, &scope, deadline.answer_by) => Ok(check),
            () = self.stopping.cancelled() => Err(CheckError::Unable(SendError::ShuttingDown {
                retry_after: ASK_AGAIN,
            })),
        }
    }
}
