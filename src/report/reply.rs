//! A relay's replies, and what they mean for each recipient.

use std::fmt;

use strum::EnumIter;

use crate::mail::Address;

/// A reply code of three digits, 200 to 599 (RFC 5321 section 4.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// 421: the relay closes the connection (RFC 5321 section 3.8).
    pub const CLOSING: Self = Self(421);

    /// A code from its number, if it is one.
    pub fn new(code: u16) -> Option<Self> {
        (200..600).contains(&code).then_some(Self(code))
    }

    /// The number.
    pub fn value(self) -> u16 {
        self.0
    }

    /// 2yz: done.
    pub fn is_positive(self) -> bool {
        self.0 / 100 == 2
    }

    /// 3yz: go on.
    pub fn is_intermediate(self) -> bool {
        self.0 / 100 == 3
    }

    /// 4yz: refused for now.
    pub fn is_transient(self) -> bool {
        self.0 / 100 == 4
    }

    /// 5yz: refused for good.
    pub fn is_permanent(self) -> bool {
        self.0 / 100 == 5
    }

    /// 4yz or 5yz: refused.
    pub fn is_refusal(self) -> bool {
        self.is_transient() || self.is_permanent()
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An enhanced status code such as 5.7.1 (RFC 3463).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EnhancedStatusCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// At most three digits.
    pub subject: u16,
    /// At most three digits.
    pub detail: u16,
}

impl fmt::Display for EnhancedStatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A relay's reply to a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The reply code.
    pub code: ReplyCode,
    /// The enhanced status code, if the reply had one.
    pub enhanced: Option<EnhancedStatusCode>,
    /// The text of each line, without codes, as valid UTF-8 without controls.
    pub lines: Vec<String>,
}

impl fmt::Display for Reply {
    /// The reply on one line: `550 5.1.1 no such user`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecipientResult {
    /// The forward-path.
    pub address: Address,
    /// What became of it.
    pub state: RecipientState,
    /// The reply that decided it: to RCPT TO, or to the end of data.
    pub reply: Option<Reply>,
}

impl RecipientResult {
    /// All of these, with the same fate and no reply that decided it.
    pub fn all(forward_paths: &[Address], state: RecipientState) -> Vec<Self> {
        let all = forward_paths.iter().map(|address| Self {
            address: address.clone(),
            state,
            reply: None,
        });
        all.collect()
    }
}

/// What became of a recipient. The numbers are those of `RecipientResult.State`.
#[derive(Clone, Copy, Debug, EnumIter, Eq, PartialEq)]
#[allow(missing_docs, reason = "smtp.proto documents each value")]
pub enum RecipientState {
    Accepted = 1,
    Deferred = 2,
    Rejected = 3,
    NotSent = 4,
    Unknown = 5,
}
