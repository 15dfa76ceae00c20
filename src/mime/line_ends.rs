//! Line ends in canonical form (RFC 2045 section 2.1).

use bytes::Bytes;

/// `text` with each bare CR and each bare LF as CRLF. Shared when there is none
/// of them.
pub(super) fn canonical(text: Bytes) -> Bytes {
    let Some(first) = first_bare(&text) else {
        return text;
    };
    let mut out = Vec::with_capacity(text.len() + text.len() / 32 + 2);
    let mut rest = &text[..];
    let mut next = Some(first);
    while let Some(end) = next {
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(b"\r\n");
        rest = &rest[end + 1..];
        next = first_bare(rest);
    }
    out.extend_from_slice(rest);
    out.into()
}

/// Where the first CR or LF is that is not part of a CRLF.
pub(super) fn first_bare(text: &[u8]) -> Option<usize> {
    let mut ends = memchr::memchr2_iter(b'\r', b'\n', text);
    while let Some(end) = ends.next() {
        if text[end] == b'\n' || text.get(end + 1) != Some(&b'\n') {
            return Some(end);
        }
        ends.next();
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bare_line_ends_become_crlf() {
        for (text, expected) in [
            ("", ""),
            ("a", "a"),
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\nb\rc\r\n", "a\r\nb\r\nc\r\n"),
            ("\r\r\n\n", "\r\n\r\n\r\n"),
            ("\n\r", "\r\n\r\n"),
            ("\r\n\r", "\r\n\r\n"),
        ] {
            assert_eq!(canonical(text.into()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_in_order_is_not_copied() {
        let text = Bytes::from("a\r\n\r\nb");
        assert_eq!(canonical(text.clone()).as_ptr(), text.as_ptr());
    }

    proptest! {
        #[test]
        fn the_lines_stay_the_same(text in "[a\r\n]{0,40}") {
            let canonical = String::from_utf8(canonical(text.clone().into()).into()).unwrap();
            prop_assert_eq!(first_bare(canonical.as_bytes()), None);
            let lines = text.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(canonical.replace("\r\n", "\n"), lines);
        }
    }
}
