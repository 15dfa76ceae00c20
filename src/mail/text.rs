//! Free text of a message that ends up in one header field.

use std::{fmt, str::FromStr};

use super::{Broken, Rule};

/// A subject: one line of plain Unicode of at most [`Subject::MAX_CHARS`],
/// without control characters but tab. May be empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subject(String);

impl Subject {
    /// The longest one, in characters.
    pub const MAX_CHARS: usize = 998;

    /// The text, neither encoded nor folded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Subject {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        at_most_chars(text, Self::MAX_CHARS)?;
        no_controls_but_tab(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// The body of a header field: one line of plain Unicode of at most
/// [`FieldBody::MAX_BYTES`], without control characters but tab. May be empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FieldBody(String);

impl FieldBody {
    /// The longest one, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 4096;

    /// The text, neither encoded nor folded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FieldBody {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_BYTES {
            return Err(Broken::new(
                Rule::Length,
                format!("must not be longer than {} bytes", Self::MAX_BYTES),
            ));
        }
        no_controls_but_tab(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// The name that readers see in place of an address: plain Unicode of at most
/// [`DisplayName::MAX_CHARS`], without control characters. May be empty.
///
/// `Debug` does not show it: who gets a mail does not belong in logs.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct DisplayName(String);

impl DisplayName {
    /// The longest one, in characters.
    pub const MAX_CHARS: usize = 256;

    /// The name, neither quoted nor encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        at_most_chars(text, Self::MAX_CHARS)?;
        no_controls(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(..)")
    }
}

/// A file name of at most [`FileName::MAX_CHARS`], without path separators and
/// control characters. May be empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileName(String);

impl FileName {
    /// The longest one, in characters.
    pub const MAX_CHARS: usize = 255;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        at_most_chars(text, Self::MAX_CHARS)?;
        no_controls(text)?;
        if text.contains(['/', '\\']) {
            return Err(Broken::new(
                Rule::ForbiddenCharacter,
                "must not contain path separators",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

fn at_most_chars(text: &str, max: usize) -> Result<(), Broken> {
    if text.chars().nth(max).is_some() {
        return Err(Broken::new(
            Rule::Length,
            format!("must not be longer than {max} characters"),
        ));
    }
    Ok(())
}

/// Refuses C0, DEL and C1: whatever could end a header line is among them.
pub(super) fn no_controls(text: &str) -> Result<(), Broken> {
    if text.chars().any(char::is_control) {
        return Err(Broken::new(
            Rule::ControlCharacter,
            "must not contain control characters",
        ));
    }
    Ok(())
}

fn no_controls_but_tab(text: &str) -> Result<(), Broken> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Broken::new(
            Rule::ControlCharacter,
            "must not contain control characters but tab",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule<T: FromStr<Err = Broken>>(text: &str) -> Option<Rule> {
        text.parse::<T>().err().map(|broken| broken.rule)
    }

    #[test]
    fn the_length_limits_hold_at_under_and_over() {
        for (len, expected) in [(997, None), (998, None), (999, Some(Rule::Length))] {
            assert_eq!(rule::<Subject>(&"ü".repeat(len)), expected, "{len}");
        }
        for (len, expected) in [(255, None), (256, None), (257, Some(Rule::Length))] {
            assert_eq!(rule::<DisplayName>(&"ü".repeat(len)), expected, "{len}");
        }
        for (len, expected) in [(254, None), (255, None), (256, Some(Rule::Length))] {
            assert_eq!(rule::<FileName>(&"ü".repeat(len)), expected, "{len}");
        }
        for (len, expected) in [(2047, None), (2048, None), (2049, Some(Rule::Length))] {
            assert_eq!(rule::<FieldBody>(&"ü".repeat(len)), expected, "{len}");
        }
    }

    #[test]
    fn all_may_be_empty() {
        assert_eq!("".parse(), Ok(Subject::default()));
        assert_eq!("".parse(), Ok(FieldBody::default()));
        assert_eq!("".parse(), Ok(DisplayName::default()));
        assert_eq!("".parse(), Ok(FileName::default()));
    }

    #[test]
    fn no_control_character_gets_through() {
        for c in ('\0'..='\u{9f}').filter(|c| c.is_control()) {
            let text = format!("a{c}b");
            let expected = (c != '\t').then_some(Rule::ControlCharacter);
            assert_eq!(rule::<Subject>(&text), expected, "{c:?}");
            assert_eq!(rule::<FieldBody>(&text), expected, "{c:?}");
            let expected = Some(Rule::ControlCharacter);
            assert_eq!(rule::<DisplayName>(&text), expected, "{c:?}");
            assert_eq!(rule::<FileName>(&text), expected, "{c:?}");
        }
    }

    #[test]
    fn a_file_name_has_no_path() {
        for text in ["a/b", "a\\b", "../x", "C:\\x"] {
            assert_eq!(rule::<FileName>(text), Some(Rule::ForbiddenCharacter));
        }
        assert_eq!(rule::<FileName>("naïve \"x\" (1); b=c.pdf"), None);
    }
}
