//! The octets of a message, as DATA carries them (RFC 5321 section 4.5.2).

use memchr::memmem;

use super::{
    base64,
    body::{Body, Part, Reader},
};

/// Gives a message in chunks of bounded size, with dots stuffed and its end
/// marked. A bare LF counts as a line end too, since relays exist that take it
/// for one: no message can hold what they would read as its end.
pub(super) struct Stuffed<'a> {
    rest: Reader<'a>,
    left: u64,
    at_line_start: bool,
    /// The last two octets.
    tail: [u8; 2],
}

impl<'a> Stuffed<'a> {
    pub(super) fn new(message: &'a Body) -> Self {
        Self {
            rest: message.reader(),
            left: message.len(),
            at_line_start: true,
            tail: [0; 2],
        }
    }

    /// Puts about `size` further octets into `chunk`. Whether they were the
    /// last, the end of data among them.
    pub(super) fn fill(&mut self, chunk: &mut Vec<u8>, size: usize) -> bool {
        chunk.clear();
        while chunk.len() < size
            && let Some(part) = self.rest.part(size - chunk.len())
        {
            let start = chunk.len();
            match part {
                Part::Octets(octets) => {
                    stuff(octets, self.at_line_start, chunk);
                    self.left -= octets.len() as u64;
                }
                // base64 knows no dot.
                Part::Base64(content) => {
                    base64::wrap(content, chunk);
                    self.left -= (chunk.len() - start) as u64;
                }
            }
            self.at_line_start = chunk.ends_with(b"\n");
            self.tail = match chunk[start..] {
                [.., a, b] => [a, b],
                [b] => [self.tail[1], b],
                [] => self.tail,
            };
        }
        if self.left > 0 {
            return false;
        }
        if self.tail != *b"\r\n" {
            chunk.extend_from_slice(b"\r\n");
        }
        chunk.extend_from_slice(b".\r\n");
        true
    }
}

fn stuff(part: &[u8], at_line_start: bool, chunk: &mut Vec<u8>) {
    if at_line_start && part.starts_with(b".") {
        chunk.push(b'.');
    }
    let mut copied = 0;
    for line_end in memmem::find_iter(part, b"\n.") {
        chunk.extend_from_slice(&part[copied..=line_end]);
        chunk.push(b'.');
        copied = line_end + 1;
    }
    chunk.extend_from_slice(&part[copied..]);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::smtp::{Piece, base64::WRAPPED_LINE};

    fn stuff(message: &[u8], size: usize) -> Vec<u8> {
        stuff_body(&Body::from(Bytes::copy_from_slice(message)), size)
    }

    fn stuff_body(body: &Body, size: usize) -> Vec<u8> {
        let mut stuffed = Stuffed::new(body);
        let (mut all, mut chunk) = (Vec::new(), Vec::new());
        loop {
            let is_last = stuffed.fill(&mut chunk, size);
            assert!(chunk.len() <= 2 * size + 6 + WRAPPED_LINE);
            all.extend_from_slice(&chunk);
            if is_last {
                return all;
            }
        }
    }

    #[test]
    fn dots_at_line_starts_are_doubled() {
        for (message, sent) in [
            ("a\r\n", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            (".a\r\n..b\r\nc.d\r\n", "..a\r\n...b\r\nc.d\r\n.\r\n"),
            ("a\r\n.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n"),
            ("a\n.\nb\r\n", "a\n..\nb\r\n.\r\n"),
            ("a\r", "a\r\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ] {
            for size in 1..=message.len().max(1) {
                let all = stuff(message.as_bytes(), size);
                assert_eq!(
                    String::from_utf8(all).unwrap(),
                    sent,
                    "{message:?} by {size}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn a_relay_reads_back_the_message_and_nothing_behind_it(
            message in "[.a\r\n]{0,40}",
            size in 1_usize..50,
        ) {
            let sent = String::from_utf8(stuff(message.as_bytes(), size)).unwrap();
            let (body, behind) = sent.split_once("\r\n.\r\n").unwrap();
            prop_assert_eq!(behind, "");
            prop_assert!(!sent[..sent.len() - 3].contains("\n.\n"));
            // RFC 5321 section 4.5.2, from the relay's side.
            let lines: Vec<&str> = body
                .split_inclusive('\n')
                .map(|line| line.strip_prefix('.').unwrap_or(line))
                .collect();
            let mut read = lines.concat();
            read.push_str("\r\n");
            let ended = message.ends_with("\r\n");
            prop_assert_eq!(read, if ended { message } else { message + "\r\n" });
        }

        #[test]
        fn it_makes_no_difference_what_a_message_is_made_of(
            pieces in vec(("[.a\r\n]{0,40}", any::<bool>()), 0..6),
            size in 1_usize..200,
        ) {
            let piece = |(content, is_file): (String, bool)| {
                let kind = if is_file { Piece::Base64 } else { Piece::Octets };
                kind(Bytes::from(content))
            };
            let body = Body::new(pieces.into_iter().map(piece).collect());
            prop_assert_eq!(stuff_body(&body, size), stuff(&body.to_vec(), 1000));
        }
    }
}
