//! The content of parts in a transfer encoding (RFC 2045 section 6).
//!
//! lettre can choose one too. But it lets NUL and a bare CR through as 7bit,
//! and its way to canonical line ends takes a time that grows with the square
//! of their number.

use bytes::Bytes;
use lettre::message::header::ContentTransferEncoding;

use super::line_ends::{canonical, first_bare};
use crate::smtp::Piece;

/// Lines that are longer are encoded (RFC 5322 section 2.1.1).
const LINE: usize = 78;

/// No line may be longer (RFC 5322 section 2.1.1).
const LONGEST_LINE: usize = 998;

/// The content of a part, as it is sent.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) encoding: ContentTransferEncoding,
    pub(super) piece: Piece,
}

impl Encoded {
    fn unchanged(content: Bytes) -> Self {
        Self {
            encoding: ContentTransferEncoding::SevenBit,
            piece: Piece::Octets(content),
        }
    }
}

/// Text, with its line ends in canonical form. Not copied when it can go as it
/// is.
pub(super) fn text(text: Bytes) -> Encoded {
    let text = canonical(text);
    if is_7bit(&text, LINE) {
        return Encoded::unchanged(text);
    }
    let escaped = text
        .iter()
        .filter(|b| !matches!(b, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
        .count();
    // base64 is shorter from a sixth on. But it hides the text, which spam
    // filters hold against a mail, so only text that is not Latin gets it.
    if escaped > text.len() / 3 {
        return octets(text);
    }
    Encoded {
        encoding: ContentTransferEncoding::QuotedPrintable,
        piece: Piece::Octets(quoted_printable::encode(&text).into()),
    }
}

/// Octets, which come back one by one as they are. Encoded while they are sent.
pub(super) fn octets(content: Bytes) -> Encoded {
    Encoded {
        encoding: ContentTransferEncoding::Base64,
        piece: Piece::Base64(content),
    }
}

/// Octets without an encoding. `None` when they cannot go as they are.
pub(super) fn unencoded(content: &Bytes) -> Option<Encoded> {
    is_7bit(content, LONGEST_LINE).then(|| Encoded::unchanged(content.clone()))
}

/// RFC 2045 section 2.7, without control characters but tab.
fn is_7bit(content: &[u8], longest_line: usize) -> bool {
    first_bare(content).is_none()
        && content
            .split(|&b| b == b'\n')
            .all(|line| line.strip_suffix(b"\r").unwrap_or(line).len() <= longest_line)
        && content
            .iter()
            .all(|b| matches!(b, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Body;

    fn sent(encoded: Encoded) -> (&'static str, String) {
        let encoding = match encoded.encoding {
            ContentTransferEncoding::SevenBit => "7bit",
            ContentTransferEncoding::QuotedPrintable => "quoted-printable",
            ContentTransferEncoding::Base64 => "base64",
            other => panic!("{other}"),
        };
        let octets = Body::new(vec![encoded.piece]).to_vec();
        (encoding, String::from_utf8(octets).unwrap())
    }

    #[test]
    fn text_takes_the_encoding_that_suits_it() {
        let line = "x".repeat(LINE);
        for (given, expected) in [
            ("", ("7bit", "")),
            ("a\nb\rc\r\n", ("7bit", "a\r\nb\r\nc\r\n")),
            (&line, ("7bit", &line[..])),
            (
                "a long line with one \u{df}",
                ("quoted-printable", "a long line with one =C3=9F"),
            ),
            ("a\0bcdef", ("quoted-printable", "a=00bcdef")),
            ("\u{df}\u{df}\n", ("base64", "w5/Dnw0K\r\n")),
        ] {
            let (encoding, content) = sent(text(given.to_owned().into()));
            assert_eq!((encoding, &content[..]), expected, "{given:?}");
        }
        let (encoding, content) = sent(text((line + "x ").into()));
        assert_eq!(encoding, "quoted-printable");
        assert!(content.lines().all(|line| line.len() <= 76));
    }

    #[test]
    fn only_7bit_goes_without_an_encoding() {
        let line = |len| Bytes::from([b"x".repeat(len), b"\r\n".to_vec()].concat());
        let longest = unencoded(&line(998)).unwrap();
        assert_eq!(sent(longest).1.as_bytes(), line(998));
        assert!(unencoded(&line(999)).is_none());
        for content in ["a\nb", "a\rb", "\u{df}", "\0", "\x7f"] {
            assert!(unencoded(&content.into()).is_none(), "{content:?}");
        }
    }

    #[test]
    fn what_can_go_as_it_is_is_not_copied() {
        let content = Bytes::from("a\r\n".repeat(3));
        for encoded in [text(content.clone()), unencoded(&content).unwrap()] {
            let Piece::Octets(octets) = encoded.piece else {
                panic!("{encoded:?}");
            };
            assert_eq!(octets.as_ptr(), content.as_ptr());
        }
    }
}
