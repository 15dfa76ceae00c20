//! Header fields that the caller adds.

use std::str::FromStr;

use super::{Broken, FieldBody, Rule};

/// A header field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// The field name.
    pub name: HeaderName,
    /// The field body.
    pub value: FieldBody,
}

/// The name of a header field that posthaste does not set by itself: 1 to
/// [`HeaderName::MAX_CHARS`] of printable ASCII without colon (RFC 5322
/// section 2.2), in the case that the caller chose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderName(String);

impl HeaderName {
    /// The longest one.
    pub const MAX_CHARS: usize = 76;

    /// The name, without the colon.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(Broken::new(
                Rule::Length,
                format!("must have 1 to {} characters", Self::MAX_CHARS),
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(Broken::new(
                Rule::ControlCharacter,
                "must not contain control characters",
            ));
        }
        if text.chars().any(|c| !c.is_ascii_graphic() || c == ':') {
            return Err(Broken::new(
                Rule::ForbiddenCharacter,
                "must be printable ASCII without spaces and colons",
            ));
        }
        if is_reserved(text) {
            return Err(Broken::new(
                Rule::Reserved,
                format!("must not be `{text}`, which posthaste or a relay sets by itself"),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Fields of the message's own making; those that describe its MIME structure;
/// and those that only a relay or a signer can write, since they speak of the
/// finished message or of its way (RFC 5322 sections 3.6.6 and 3.6.7).
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 18] = [
        "bcc",
        "cc",
        "date",
        "dkim-signature",
        "from",
        "in-reply-to",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-id",
        "mime-version",
        "received",
        "references",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
        "delivered-to",
    ];
    const PREFIXES: [&str; 2] = ["content-", "resent-"];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<Rule> {
        text.parse::<HeaderName>().err().map(|broken| broken.rule)
    }

    #[test]
    fn the_length_limits_hold_at_under_and_over() {
        assert_eq!(rule(""), Some(Rule::Length));
        for (len, expected) in [
            (1, None),
            (2, None),
            (75, None),
            (76, None),
            (77, Some(Rule::Length)),
        ] {
            assert_eq!(rule(&"x".repeat(len)), expected, "{len}");
        }
    }

    #[test]
    fn only_printable_ascii_without_colon_is_a_name() {
        for c in '\0'..='\u{ff}' {
            let expected = match c {
                c if c.is_control() => Some(Rule::ControlCharacter),
                '!'..='9' | ';'..='~' => None,
                _ => Some(Rule::ForbiddenCharacter),
            };
            assert_eq!(rule(&format!("X{c}")), expected, "{c:?}");
        }
    }

    #[test]
    fn names_that_are_set_elsewhere_are_reserved_in_any_case() {
        for text in [
            "From",
            "SENDER",
            "reply-to",
            "To",
            "Cc",
            "bCC",
            "Subject",
            "Date",
            "Message-Id",
            "In-Reply-To",
            "References",
            "MIME-Version",
            "Content-Type",
            "content-foo",
            "List-Unsubscribe",
            "List-Unsubscribe-Post",
            "Return-Path",
            "Received",
            "Delivered-To",
            "DKIM-Signature",
            "Resent-From",
        ] {
            assert_eq!(rule(text), Some(Rule::Reserved), "{text}");
        }
        for text in ["List-Id", "X-From", "Precedence", "Contents", "Comments"] {
            assert_eq!(rule(text), None, "{text}");
        }
    }
}
