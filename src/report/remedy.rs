//! What to do about a failure.

use strum::EnumIter;

/// Something to do about a failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remedy {
    /// The kind of change.
    pub action: Action,
    /// Who can make it.
    pub party: Party,
    /// One sentence in English.
    pub summary: String,
    /// The setting and the value that would do it, such as
    /// `relays.primary.tls.mode` and `implicit`.
    pub setting: Option<(String, String)>,
}

/// Who can do it. The numbers are those of `Remedy.Party`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "failure.proto documents each value")]
pub enum Party {
    Caller = 1,
    Operator = 2,
    Relay = 3,
}

/// The kind of change. The numbers are those of `Remedy.Action`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "failure.proto documents each value")]
pub enum Action {
    RetryLater = 1,
    UseImplicitTls = 2,
    UseStarttls = 3,
    ChangePort = 4,
    AllowTlsVersion = 5,
    ChangeRelayTls = 6,
    SetServerName = 7,
    AddTrustAnchor = 8,
    RenewCertificate = 9,
    SendIntermediate = 10,
    ProvideClientCertificate = 11,
    CheckClock = 12,
    CheckCredentials = 13,
    CheckNetwork = 14,
    CheckHostName = 15,
    SetEhloName = 16,
    UpgradeRelay = 17,
    ChangeMail = 18,
    Investigate = 19,
}
