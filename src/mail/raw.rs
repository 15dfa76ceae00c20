//! Messages that are complete.

use std::fmt;

use bytes::Bytes;

use super::{Broken, Rule};

/// A complete RFC 5322 message of 1 to [`RawMessage::MAX_BYTES`], without NUL
/// and with no line of more than [`RawMessage::MAX_LINE`] octets. Lines may end
/// in CR, LF or CRLF: `mime` puts them in order.
///
/// `Debug` shows the length alone: bodies do not belong in logs.
#[derive(Clone, Eq, PartialEq)]
pub struct RawMessage(Bytes);

impl RawMessage {
    /// The largest one.
    pub const MAX_BYTES: usize = 36_700_160;

    /// The longest line in octets, without its end (RFC 5322 section 2.1.1).
    pub const MAX_LINE: usize = 998;

    /// The octets as the caller gave them.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl TryFrom<Bytes> for RawMessage {
    type Error = Broken;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        if !(1..=Self::MAX_BYTES).contains(&bytes.len()) {
            return Err(Broken::new(
                Rule::Length,
                format!("must have 1 to {} bytes", Self::MAX_BYTES),
            ));
        }
        if memchr::memchr(0, &bytes).is_some() {
            return Err(Broken::new(Rule::ControlCharacter, "must not contain NUL"));
        }
        // A bare CR or LF will become a CRLF, so each ends a line.
        let mut start = 0;
        for end in memchr::memchr2_iter(b'\r', b'\n', &bytes).chain([bytes.len()]) {
            if end - start > Self::MAX_LINE {
                return Err(Broken::new(
                    Rule::Length,
                    format!("must not have lines of more than {} octets", Self::MAX_LINE),
                ));
            }
            start = end + 1;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawMessage({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(bytes: impl Into<Bytes>) -> Option<Rule> {
        RawMessage::try_from(bytes.into())
            .err()
            .map(|broken| broken.rule)
    }

    #[test]
    fn the_length_limits_hold_at_under_and_over() {
        assert_eq!(rule(""), Some(Rule::Length));
        assert_eq!(rule("a"), None);
        assert_eq!(rule("ab"), None);
        let line = [b"x".repeat(RawMessage::MAX_LINE), b"\r\n".to_vec()].concat();
        let mut max = line.repeat(RawMessage::MAX_BYTES / line.len() + 1);
        max.truncate(RawMessage::MAX_BYTES + 1);
        let max = Bytes::from(max);
        assert_eq!(rule(max.slice(2..)), None);
        assert_eq!(rule(max.slice(1..)), None);
        assert_eq!(rule(max), Some(Rule::Length));
    }

    #[test]
    fn the_line_limit_holds_at_under_and_over_for_every_line_end() {
        for end in ["\r\n", "\n", "\r", ""] {
            for (len, expected) in [(997, None), (998, None), (999, Some(Rule::Length))] {
                let line = "ü".repeat(len / 2) + &"x".repeat(len % 2);
                assert_eq!(rule(format!("a: b\r\n{line}{end}")), expected, "{len}");
                assert_eq!(rule(format!("{line}{end}{end}")), expected, "{len}");
            }
        }
    }

    #[test]
    fn nul_is_refused() {
        assert_eq!(rule("a: b\r\n\r\n\0"), Some(Rule::ControlCharacter));
    }

    #[test]
    fn debug_shows_no_content() {
        let raw = RawMessage::try_from(Bytes::from("secret")).unwrap();
        assert_eq!(format!("{raw:?}"), "RawMessage(6 bytes)");
    }
}
