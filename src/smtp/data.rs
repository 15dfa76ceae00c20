//! The octets of a message, as DATA carries them (RFC 5321 section 4.5.2), and
//! as BDAT does (RFC 3030 section 2).

use memchr::memmem;

use super::{
    base64,
    body::{Body, Part, Reader},
    command::Commands,
};

/// How much of a message is written at once.
pub(super) const CHUNK: usize = 64 * 1024;
/// Room for the dots and the end that come on top.
const SPARE: usize = 256;

/// A message in pieces of bounded size, as it is written.
pub(super) trait Pieces {
    /// The next piece, and whether it is the last.
    fn next(&mut self) -> (&[u8], bool);
}

/// A message with dots stuffed and its end marked. A bare LF counts as a line
/// end too, since relays exist that take it for one: no message can hold what
/// they would read as its end.
pub(super) struct Stuffed<'a> {
    rest: Reader<'a>,
    left: u64,
    at_line_start: bool,
    /// The last two octets.
    tail: [u8; 2],
    piece: Vec<u8>,
}

/// A message behind its BDAT, as it is, and RSET behind it.
pub(super) struct Chunk<'a> {
    rest: Reader<'a>,
    /// Of the message.
    left: u64,
    /// BDAT, until it is given.
    command: Option<Commands>,
    /// The first piece, or the last: a message with commands around it.
    piece: Vec<u8>,
}

impl<'a> Stuffed<'a> {
    pub(super) fn new(message: &'a Body) -> Self {
        let whole = usize::try_from(message.len()).unwrap_or(CHUNK);
        Self {
            rest: message.reader(),
            left: message.len(),
            at_line_start: true,
            tail: [0; 2],
            piece: Vec::with_capacity(whole.min(CHUNK) + SPARE),
        }
    }

    /// Puts about `size` further octets into `chunk`. Whether they were the
    /// last, the end of data among them.
    fn fill(&mut self, chunk: &mut Vec<u8>, size: usize) -> bool {
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

impl Pieces for Stuffed<'_> {
    fn next(&mut self) -> (&[u8], bool) {
        let mut piece = std::mem::take(&mut self.piece);
        let is_last = self.fill(&mut piece, CHUNK);
        self.piece = piece;
        (&self.piece, is_last)
    }
}

impl<'a> Chunk<'a> {
    pub(super) fn new(message: &'a Body) -> Self {
        let size = message.len();
        Self {
            rest: message.reader(),
            left: size,
            command: Some(Commands::bdat(size)),
            piece: Vec::new(),
        }
    }
}

impl Pieces for Chunk<'_> {
    fn next(&mut self) -> (&[u8], bool) {
        self.piece.clear();
        if let Some(command) = self.command.take() {
            // One write with BDAT, and for a small message no other.
            self.piece.extend_from_slice(command.octets());
            while self.piece.len() < CHUNK
                && let Some(part) = take(&mut self.rest, &mut self.left, CHUNK - self.piece.len())
            {
                self.piece.extend_from_slice(part);
            }
        } else {
            let part = take(&mut self.rest, &mut self.left, CHUNK).unwrap_or_default();
            if self.left > 0 && !part.is_empty() {
                // Not copied.
                return (part, false);
            }
            self.piece.extend_from_slice(part);
        }
        if self.left > 0 {
            return (&self.piece, self.piece.is_empty());
        }
        self.piece.extend_from_slice(Commands::rset().octets());
        (&self.piece, true)
    }
}

/// Never more than was announced: it would be read as commands.
fn take<'r>(rest: &'r mut Reader<'_>, left: &mut u64, size: usize) -> Option<&'r [u8]> {
    let part = rest.next(size)?;
    let announced = usize::try_from(*left).unwrap_or(usize::MAX);
    let part = &part[..part.len().min(announced)];
    *left -= part.len() as u64;
    Some(part)
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
    use crate::smtp::{Piece, base64::WRAPPED_LINE, command::BEHIND_MESSAGE};

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

    #[test]
    fn a_chunk_is_the_message_behind_its_length_in_pieces_of_bounded_size() {
        for size in [0, 1, CHUNK - 20, CHUNK, 3 * CHUNK + 1] {
            let message: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
            let body = Body::from(Bytes::from(message.clone()));
            let (mut chunk, mut all, mut pieces) = (Chunk::new(&body), Vec::new(), 0);
            loop {
                let (piece, is_last) = chunk.next();
                assert!(piece.len() <= CHUNK + BEHIND_MESSAGE);
                all.extend_from_slice(piece);
                pieces += 1;
                if is_last {
                    break;
                }
            }
            let command = format!("BDAT {size} LAST\r\n");
            assert_eq!(all, [command.as_bytes(), &message, b"RSET\r\n"].concat());
            assert_eq!(pieces, (command.len() + size).div_ceil(CHUNK), "{size}");
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
