//! The rules that values of the domain keep, and how a breach is told.

use strum::IntoStaticStr;

/// A rule that a value breaks. The name is what `FieldViolation.reason` says.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Rule {
    /// CR, LF, NUL or another control character.
    ControlCharacter,
    /// Two values exclude each other.
    Conflict,
    /// The domain of an address is not one.
    Domain,
    /// The same value twice in a list that takes each once.
    Duplicate,
    /// A character that has no place there, such as a space or an angle bracket.
    ForbiddenCharacter,
    /// Too short or too long.
    Length,
    /// The local part of an address is not one.
    LocalPart,
    /// A number that is too small or too large.
    OutOfRange,
    /// Nothing where something must be.
    Required,
    /// A name that posthaste sets by itself.
    Reserved,
    /// Not of the form that it must have.
    Syntax,
    /// A list with too many items.
    TooMany,
    /// A value of an enumeration that is not known, or has no place there.
    UnknownValue,
}

impl Rule {
    /// The name on the wire, such as `CONTROL_CHARACTER`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A value breaks a rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{description}")]
pub struct Broken {
    /// Which one.
    pub rule: Rule,
    /// What is wrong, in English, as a fragment: "must not be longer than 998 characters".
    pub description: String,
}

impl Broken {
    /// A breach of `rule`.
    pub fn new(rule: Rule, description: impl Into<String>) -> Self {
        Self {
            rule,
            description: description.into(),
        }
    }
}
