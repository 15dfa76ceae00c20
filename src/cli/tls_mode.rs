//! When TLS starts, as an option of the command line.

use clap::ValueEnum;

use crate::api::client::pb;

/// When TLS starts.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum TlsMode {
    /// From the first byte.
    Implicit,
    /// By STARTTLS, required.
    Starttls,
    /// By STARTTLS when it is offered, plaintext otherwise.
    StarttlsIfOffered,
    /// Never.
    Plaintext,
}

impl TlsMode {
    /// The value of `tls.mode` in the configuration.
    pub(super) fn setting(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::Starttls => "starttls",
            Self::StarttlsIfOffered => "starttls_if_offered",
            Self::Plaintext => "plaintext",
        }
    }
}

impl From<TlsMode> for pb::TlsMode {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::Implicit => Self::Implicit,
            TlsMode::Starttls => Self::Starttls,
            TlsMode::StarttlsIfOffered => Self::StarttlsIfOffered,
            TlsMode::Plaintext => Self::Plaintext,
        }
    }
}
