//! Encoded words (RFC 2047).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

const OPENING: &str = "=?utf-8?";
const CLOSING: &str = "?=";

/// What an encoded word has around its encoded text.
pub(super) const OVERHEAD: usize = OPENING.len() + "q?".len() + CLOSING.len();

/// The most that one character takes: four octets in the Q encoding.
pub(super) const MAX_CHAR: usize = 12;

/// How the octets of a word are written in ASCII (RFC 2047 section 4).
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    Q,
    B,
}

impl Encoding {
    /// The one that makes `text` shorter. Q, which one can half read, when both
    /// do as well.
    pub(super) fn of(text: &str) -> Self {
        if Self::Q.len(text) <= Self::B.len(text) {
            Self::Q
        } else {
            Self::B
        }
    }

    /// The beginning of `text`, whole characters, that fits into an encoded
    /// word of at most `room`; then the rest.
    pub(super) fn split(self, text: &str, room: usize) -> (&str, &str) {
        let mut len = 0;
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            len = match self {
                Self::Q => len + q_len(&text[at..end]),
                Self::B => b_len(end),
            };
            if OVERHEAD + len > room {
                return text.split_at(at);
            }
        }
        (text, "")
    }

    /// `text` as one encoded word.
    pub(super) fn word(self, text: &str) -> String {
        let mut word = OPENING.to_owned();
        match self {
            Self::Q => {
                word.push_str("q?");
                for byte in text.bytes() {
                    match byte {
                        b' ' => word.push('_'),
                        byte if is_q_safe(byte) => word.push(char::from(byte)),
                        byte => word.extend(escaped('=', byte)),
                    }
                }
            }
            Self::B => {
                word.push_str("b?");
                BASE64.encode_string(text, &mut word);
            }
        }
        word + CLOSING
    }

    fn len(self, text: &str) -> usize {
        match self {
            Self::Q => q_len(text),
            Self::B => b_len(text.len()),
        }
    }
}

/// `byte` as a mark and two hexadecimal digits in upper case.
pub(super) fn escaped(mark: char, byte: u8) -> [char; 3] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    [mark, digit(byte >> 4), digit(byte & 15)]
}

fn q_len(text: &str) -> usize {
    let len = |byte| {
        if byte == b' ' || is_q_safe(byte) {
            1
        } else {
            3
        }
    };
    text.bytes().map(len).sum()
}

fn b_len(octets: usize) -> usize {
    octets.div_ceil(3) * 4
}

/// The smallest set, which may stand in a display name too (RFC 2047
/// section 5, rule 3).
fn is_q_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!*+-/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_encoding_is_taken() {
        let word = |text| Encoding::of(text).word(text);
        assert_eq!(word("Ein Gruß, Ada"), "=?utf-8?q?Ein_Gru=C3=9F=2C_Ada?=");
        assert_eq!(word("日本語"), "=?utf-8?b?5pel5pys6Kqe?=");
    }

    #[test]
    fn a_word_fills_its_room_and_breaks_no_character() {
        for encoding in [Encoding::Q, Encoding::B] {
            for room in OVERHEAD + MAX_CHAR..=75 {
                let mut rest = "aß語😀 ".repeat(20);
                while !rest.is_empty() {
                    let (start, end) = encoding.split(&rest, room);
                    assert!(!start.is_empty());
                    assert!(encoding.word(start).len() <= room);
                    rest = end.to_owned();
                }
            }
        }
    }
}
