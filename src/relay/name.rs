//! Names of configured relays.

use std::{fmt, str::FromStr};

use crate::mail::{Broken, Rule};

/// The name of a configured relay: lower-case letters, digits and hyphens, a
/// letter first, at most 63.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RelayName(String);

impl RelayName {
    const MAX_BYTES: usize = 63;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RelayName {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(1..=Self::MAX_BYTES).contains(&text.len()) {
            return Err(Broken::new(Rule::Length, "must have 1 to 63 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(Broken::new(
                Rule::ControlCharacter,
                "must not contain control characters",
            ));
        }
        let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(Broken::new(
                Rule::Syntax,
                "must consist of lower-case letters, digits and hyphens, a letter first",
            ))
        }
    }
}

impl fmt::Display for RelayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Rule> {
        text.parse::<RelayName>()
            .map(|name| name.0)
            .map_err(|broken| broken.rule)
    }

    #[test]
    fn a_name_has_letters_digits_and_hyphens() {
        assert_eq!(parse("primary-2"), Ok("primary-2".to_owned()));
        for text in ["2nd", "-a", "Primary", "a_b", "a.b", "ä"] {
            assert_eq!(parse(text), Err(Rule::Syntax), "{text}");
        }
        assert_eq!(parse("a\r\nb"), Err(Rule::ControlCharacter));
    }

    #[test]
    fn the_length_limit_holds_at_under_and_over() {
        assert_eq!(parse(""), Err(Rule::Length));
        assert_eq!(parse("a"), Ok("a".to_owned()));
        assert_eq!(parse(&"a".repeat(63)), Ok("a".repeat(63)));
        assert_eq!(parse(&"a".repeat(64)), Err(Rule::Length));
    }
}
