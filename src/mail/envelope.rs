//! The SMTP envelope.

use super::Address;

/// Where a mail goes (RFC 5321 section 2.3.1).
#[derive(Clone, Debug)]
pub struct Envelope {
    /// For MAIL FROM. `None` is the null reverse-path.
    pub reverse_path: Option<Address>,
    /// For RCPT TO, in order, each once, at least one.
    pub forward_paths: Vec<Address>,
}

impl Envelope {
    /// Whether a relay must offer SMTPUTF8 to carry it (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        self.reverse_path
            .iter()
            .chain(&self.forward_paths)
            .any(Address::needs_smtputf8)
    }
}

/// What to do when the relay refuses some recipients but not all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RecipientPolicy {
    /// Send to those that it accepts.
    #[default]
    Any,
    /// Send to nobody.
    All,
}
