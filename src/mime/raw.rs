//! Messages that are complete.

use bytes::Bytes;

use super::{Composed, line_ends::canonical};
use crate::{
    mail::RawMessage,
    smtp::{Body, Piece},
};

/// Each bare CR or LF becomes CRLF, and the last line ends in one. Nothing else
/// is changed, and nothing is copied when there is nothing to change.
pub(super) fn compose(raw: &RawMessage) -> Composed {
    let octets = canonical(raw.as_bytes().clone());
    let mut pieces = vec![Piece::Octets(octets.clone())];
    if !octets.ends_with(b"\r\n") {
        pieces.push(Piece::Octets(Bytes::from_static(b"\r\n")));
    }
    let mut body = Body::new(pieces);
    let header = header_section(&octets);
    body.is_8bit = !octets.is_ascii();
    body.needs_smtputf8 = !header.is_ascii();
    Composed {
        message_id: message_id(header),
        body,
    }
}

/// Everything before the first empty line (RFC 5322 section 2.1).
fn header_section(message: &[u8]) -> &[u8] {
    if message.starts_with(b"\r\n") {
        return &[];
    }
    match memchr::memmem::find(message, b"\r\n\r\n") {
        Some(end) => &message[..end],
        None => message,
    }
}

/// What the first Message-ID field says, without angle brackets. Empty when
/// there is none.
fn message_id(header: &[u8]) -> String {
    let header = String::from_utf8_lossy(header);
    let mut lines = header.split("\r\n");
    let first = lines.by_ref().find_map(|line| {
        let (name, body) = line.split_once(':')?;
        name.trim_end()
            .eq_ignore_ascii_case("Message-ID")
            .then_some(body)
    });
    let Some(first) = first else {
        return String::new();
    };
    let unfolded: String = std::iter::once(first)
        .chain(lines.take_while(|line| line.starts_with([' ', '\t'])))
        .collect();
    let id = unfolded.trim();
    let id = id.split_once('<').map_or(id, |(_, id)| id);
    let id = id.split_once('>').map_or(id, |(id, _)| id);
    id.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::mime::line_ends::first_bare;

    fn composed(bytes: impl Into<Bytes>) -> Composed {
        compose(&RawMessage::try_from(bytes.into()).unwrap())
    }

    #[test]
    fn line_ends_are_put_in_order_and_nothing_else() {
        for (given, expected) in [
            ("A: b\r\n\r\n.\r\n..x\r\n", "A: b\r\n\r\n.\r\n..x\r\n"),
            ("A: b\n\nc", "A: b\r\n\r\nc\r\n"),
            ("A: b\r\rc\r", "A: b\r\n\r\nc\r\n"),
            ("A: b\r\n\r\nc", "A: b\r\n\r\nc\r\n"),
            ("\n", "\r\n"),
            ("x", "x\r\n"),
        ] {
            assert_eq!(
                composed(given).body.to_vec(),
                expected.as_bytes(),
                "{given:?}"
            );
        }
    }

    #[test]
    fn what_is_in_order_is_not_copied() {
        for bytes in ["A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc"] {
            let bytes = Bytes::from(bytes);
            let composed = composed(bytes.clone());
            let mut reader = composed.body.reader();
            assert_eq!(reader.next(100).unwrap().as_ptr(), bytes.as_ptr());
        }
    }

    #[test]
    fn what_it_needs_of_the_relay_is_told() {
        let needs = |given: &'static str| {
            let body = composed(given).body;
            (body.is_8bit, body.needs_smtputf8)
        };
        assert_eq!(needs("A: b\n\nc"), (false, false));
        assert_eq!(needs("A: b\n\nü"), (true, false));
        assert_eq!(needs("A: ü\n\nc"), (true, true));
        assert_eq!(needs("A: ü"), (true, true));
        assert_eq!(needs("\nü: b"), (true, false));
    }

    #[test]
    fn the_message_id_is_read_from_the_first_such_field() {
        let id = |given: &'static str| composed(given).message_id;
        assert_eq!(id("A: b\nMessage-ID: <a@b>\nMessage-ID: <c@d>\n\n"), "a@b");
        assert_eq!(id("message-id :\r\n <a\r\n\t@b>\r\nX: y"), "a\t@b");
        assert_eq!(id("Message-Id: a@b (comment)\n"), "a@b (comment)");
        assert_eq!(id("Message-Id: \n\n"), "");
        assert_eq!(id("A: b\n\nMessage-ID: <a@b>\n"), "");
    }

    proptest! {
        #[test]
        fn any_octets_are_put_in_order(octets in vec(prop_oneof![select(&b"a:<@> \r\n\x80"[..]), 1..=255_u8], 1..60)) {
            let body = composed(octets.clone()).body;
            let sent = body.to_vec();
            prop_assert_eq!(first_bare(&sent), None);
            prop_assert!(sent.ends_with(b"\r\n"));
            prop_assert_eq!(body.is_8bit, !octets.is_ascii());
            prop_assert!(body.is_8bit || !body.needs_smtputf8);
            let strip = |octets: &[u8]| -> Vec<u8> {
                octets.iter().copied().filter(|b| !b"\r\n".contains(b)).collect()
            };
            prop_assert_eq!(strip(&sent), strip(&octets));
        }
    }
}
