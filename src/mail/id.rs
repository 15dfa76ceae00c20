//! Identifiers of messages and of their parts, without the angle brackets that
//! stand around them in header fields.

use std::str::FromStr;

use super::{Broken, Rule, text::no_controls};

/// The Message-ID of a message (RFC 5322 section 3.6.4): 3 to
/// [`MessageId::MAX_BYTES`] of printable ASCII with one at sign, and something
/// on both sides of it.
///
/// Not ASCII would make the message need SMTPUTF8, which is kept for addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageId(String);

/// What may stand in no atom (RFC 5322 section 3.2.3): readers of header fields
/// stumble over it.
const SPECIALS: [char; 9] = ['(', ')', '[', ']', ':', ';', '\\', ',', '"'];

impl MessageId {
    /// The longest one.
    pub const MAX_BYTES: usize = 250;

    /// The ID without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Reference(id) = text.parse()?;
        match id.split_once('@') {
            Some((left, right))
                if !left.is_empty() && !right.is_empty() && !right.contains('@') =>
            {
                let literal = right.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
                let is_quoting = |part: &str| part.contains(SPECIALS);
                // An IPv6 address has colons.
                let domain = literal.map_or_else(|| right.to_owned(), |it| it.replace(':', ""));
                if is_quoting(left) || is_quoting(&domain) {
                    return Err(Broken::new(
                        Rule::ForbiddenCharacter,
                        "must not contain parentheses, brackets, quotes, backslashes, commas, \
                         colons and semicolons, but for an address literal",
                    ));
                }
                Ok(Self(id))
            }
            _ => Err(Broken::new(
                Rule::Syntax,
                "must have one at sign, and something on both sides of it",
            )),
        }
    }
}

/// The ID of another message, for threading: 3 to [`Reference::MAX_BYTES`] of
/// printable ASCII. Its form is looser than a [`MessageId`]'s, since one must
/// be able to reply to whatever others have sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference(String);

impl Reference {
    /// The longest one.
    pub const MAX_BYTES: usize = 250;

    /// The ID without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(3..=Self::MAX_BYTES).contains(&text.len()) {
            return Err(Broken::new(
                Rule::Length,
                format!("must have 3 to {} bytes", Self::MAX_BYTES),
            ));
        }
        printable_ascii(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// The Content-ID of a part (RFC 2392): 1 to [`ContentId::MAX_CHARS`] of
/// printable ASCII.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentId(String);

impl ContentId {
    /// The longest one.
    pub const MAX_CHARS: usize = 250;

    /// The ID without angle brackets, as it stands in a `cid:` URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContentId {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(Broken::new(
                Rule::Length,
                format!("must have 1 to {} characters", Self::MAX_CHARS),
            ));
        }
        printable_ascii(text)?;
        Ok(Self(text.to_owned()))
    }
}

fn printable_ascii(text: &str) -> Result<(), Broken> {
    no_controls(text)?;
    if text
        .chars()
        .any(|c| !c.is_ascii_graphic() || c == '<' || c == '>')
    {
        return Err(Broken::new(
            Rule::ForbiddenCharacter,
            "must be ASCII without spaces and angle brackets",
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
        for (len, expected) in [
            (2, Some(Rule::Length)),
            (3, None),
            (4, None),
            (249, None),
            (250, None),
            (251, Some(Rule::Length)),
        ] {
            let text = format!("{}@b", "a".repeat(len - 2));
            let text = if len == 2 { "a@" } else { &text };
            assert_eq!(rule::<MessageId>(text), expected, "{len}");
            assert_eq!(rule::<Reference>(text), expected, "{len}");
        }
        for (len, expected) in [
            (0, Some(Rule::Length)),
            (1, None),
            (249, None),
            (250, None),
            (251, Some(Rule::Length)),
        ] {
            assert_eq!(rule::<ContentId>(&"a".repeat(len)), expected, "{len}");
        }
    }

    #[test]
    fn a_message_id_has_one_at_sign() {
        for text in ["abc", "a@b@c", "@bc", "ab@"] {
            assert_eq!(rule::<MessageId>(text), Some(Rule::Syntax), "{text}");
            assert_eq!(rule::<Reference>(text), None, "{text}");
        }
    }

    #[test]
    fn a_message_id_is_made_of_atoms_and_perhaps_an_address_literal() {
        for text in [
            "a.b/c=d$e+f@b-c.example",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
        ] {
            assert_eq!(rule::<MessageId>(text), None, "{text}");
        }
        for text in [
            "(a@b)", "a:b@c", "\"a\"@b", "a@b,c", "a@[b", "[a]@b", "a@b[1]", "a\\@b", "a@[(]",
        ] {
            assert_eq!(
                rule::<MessageId>(text),
                Some(Rule::ForbiddenCharacter),
                "{text}"
            );
            assert_eq!(rule::<Reference>(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_gets_through_that_could_end_the_field() {
        for (text, expected) in [
            ("a\r\n@b", Rule::ControlCharacter),
            ("a@b\0", Rule::ControlCharacter),
            ("a@b\t", Rule::ControlCharacter),
            ("a @b", Rule::ForbiddenCharacter),
            ("<a@b>", Rule::ForbiddenCharacter),
            ("ü@b.c", Rule::ForbiddenCharacter),
        ] {
            assert_eq!(rule::<MessageId>(text), Some(expected), "{text:?}");
            assert_eq!(rule::<Reference>(text), Some(expected), "{text:?}");
            assert_eq!(rule::<ContentId>(text), Some(expected), "{text:?}");
        }
    }
}
