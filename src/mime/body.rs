//! The content of parts in a transfer encoding (RFC 2045 section 6).
//!
//! lettre can choose one too. But it lets NUL and a bare CR through as 7bit,
//! and its way to canonical line ends takes a time that grows with the square
//! of their number.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use lettre::message::{Body, header::ContentTransferEncoding};

use super::line_ends::{canonical, first_bare};

/// Lines that are longer are encoded (RFC 5322 section 2.1.1).
const LINE: usize = 78;

/// No line may be longer (RFC 5322 section 2.1.1).
const LONGEST_LINE: usize = 998;

/// What base64 makes 76 characters of, the longest line (RFC 2045 section 6.8).
const BASE64_LINE: usize = 57;

/// Text, with its line ends in canonical form.
pub(super) fn text(text: &str) -> Body {
    let text = canonical(text.as_bytes());
    if is_7bit(&text, LINE) {
        return Body::dangerous_pre_encoded(text.into_owned(), ContentTransferEncoding::SevenBit);
    }
    let escaped = text
        .iter()
        .filter(|b| !matches!(b, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
        .count();
    // base64 is shorter from a sixth on. But it hides the text, which spam
    // filters hold against a mail, so only text that is not Latin gets it.
    if escaped > text.len() / 3 {
        return octets(&text);
    }
    let encoded = quoted_printable::encode(&text);
    Body::dangerous_pre_encoded(encoded, ContentTransferEncoding::QuotedPrintable)
}

/// Octets, which come back one by one as they are.
pub(super) fn octets(content: &[u8]) -> Body {
    let lines = content.len().div_ceil(BASE64_LINE);
    let mut encoded = String::with_capacity(lines * "\r\n".len() + content.len().div_ceil(3) * 4);
    for line in content.chunks(BASE64_LINE) {
        if !encoded.is_empty() {
            encoded.push_str("\r\n");
        }
        BASE64.encode_string(line, &mut encoded);
    }
    Body::dangerous_pre_encoded(encoded.into_bytes(), ContentTransferEncoding::Base64)
}

/// Octets without an encoding. `None` when they cannot go as they are.
pub(super) fn unencoded(content: &[u8]) -> Option<Body> {
    is_7bit(content, LONGEST_LINE)
        .then(|| Body::dangerous_pre_encoded(content.to_vec(), ContentTransferEncoding::SevenBit))
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

    fn encoded(body: Body) -> (&'static str, String) {
        let encoding = match body.encoding() {
            ContentTransferEncoding::SevenBit => "7bit",
            ContentTransferEncoding::QuotedPrintable => "quoted-printable",
            ContentTransferEncoding::Base64 => "base64",
            other => panic!("{other}"),
        };
        (encoding, String::from_utf8(body.into_vec()).unwrap())
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
            ("\u{df}\u{df}\n", ("base64", "w5/Dnw0K")),
        ] {
            let (encoding, content) = encoded(text(given));
            assert_eq!((encoding, &content[..]), expected, "{given:?}");
        }
        let (encoding, content) = encoded(text(&(line + "x ")));
        assert_eq!(encoding, "quoted-printable");
        assert!(content.lines().all(|line| line.len() <= 76));
    }

    #[test]
    fn octets_are_wrapped_at_76() {
        for len in [0, 1, 56, 57, 58, 114, 1000] {
            let content: Vec<u8> = (0..=255).cycle().take(len).collect();
            let (encoding, encoded) = encoded(octets(&content));
            assert_eq!(encoding, "base64");
            assert!(encoded.split("\r\n").all(|line| line.len() <= 76));
            assert_eq!(BASE64.decode(encoded.replace("\r\n", "")).unwrap(), content);
        }
    }

    #[test]
    fn only_7bit_goes_without_an_encoding() {
        let line = |len| [b"x".repeat(len), b"\r\n".to_vec()].concat();
        assert_eq!(unencoded(&line(998)).unwrap().into_vec(), line(998));
        assert!(unencoded(&line(999)).is_none());
        for content in ["a\nb", "a\rb", "\u{df}", "\0", "\x7f"] {
            assert!(unencoded(content.as_bytes()).is_none(), "{content:?}");
        }
    }
}
