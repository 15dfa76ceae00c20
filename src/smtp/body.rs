//! A message on its way out, piece by piece: octets that are there, and octets
//! that base64 makes of a file while they are sent, so that no message is ever
//! held encoded as a whole.

use std::sync::Arc;

use bytes::Bytes;

use super::base64::{self, LINE, WRAPPED_LINE};

/// A message, ready to be sent: lines end in CRLF, and so does the last. Clones
/// share the octets.
#[derive(Clone, Debug)]
pub struct Body {
    pieces: Arc<[Piece]>,
    /// Whether it has octets above 127, and so needs 8BITMIME (RFC 6152).
    pub is_8bit: bool,
    /// Whether a header field needs SMTPUTF8 (RFC 6531).
    pub needs_smtputf8: bool,
}

/// A part of a message, in the order of the message.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Sent as it is.
    Octets(Bytes),
    /// Sent in base64, in lines of 76 characters that each end in CRLF.
    Base64(Bytes),
}

impl Piece {
    /// How many octets are sent for it, before dot-stuffing.
    fn len(&self) -> u64 {
        match self {
            Self::Octets(octets) => octets.len() as u64,
            Self::Base64(content) => base64::wrapped_len(content.len()),
        }
    }
}

impl Body {
    /// A message of 7-bit `pieces`.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self {
            pieces: pieces.into(),
            is_8bit: false,
            needs_smtputf8: false,
        }
    }

    /// What it is made of.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How many octets it has, before dot-stuffing.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its octets, from the first on.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            pieces: &self.pieces,
            read: 0,
            scratch: Vec::new(),
        }
    }

    /// Its octets, all at once: for those who look at small ones.
    pub fn to_vec(&self) -> Vec<u8> {
        let (mut all, mut reader) = (Vec::new(), self.reader());
        while let Some(octets) = reader.next(usize::MAX) {
            all.extend_from_slice(octets);
        }
        all
    }
}

impl From<Bytes> for Body {
    /// A message of 7-bit octets.
    fn from(octets: Bytes) -> Self {
        Self::new(vec![Piece::Octets(octets)])
    }
}

/// Reads the octets of a message.
#[derive(Debug)]
pub struct Reader<'a> {
    pieces: &'a [Piece],
    /// Of the first piece, before its encoding.
    read: usize,
    scratch: Vec<u8>,
}

/// Some octets of one piece, as the piece has them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// To be sent as they are.
    Octets(&'a [u8]),
    /// To be sent as [`base64::wrap`] makes them.
    Base64(&'a [u8]),
}

impl<'a> Reader<'a> {
    /// At most `size` further octets, or a line of base64 where that is more,
    /// 78. `None` at the end.
    pub fn next(&mut self, size: usize) -> Option<&[u8]> {
        match self.part(size)? {
            Part::Octets(octets) => Some(octets),
            Part::Base64(content) => {
                self.scratch.clear();
                base64::wrap(content, &mut self.scratch);
                Some(&self.scratch)
            }
        }
    }

    /// What [`Reader::next`] would give, for those who write it elsewhere.
    pub(super) fn part(&mut self, size: usize) -> Option<Part<'a>> {
        loop {
            let (piece, later) = self.pieces.split_first()?;
            let (Piece::Octets(content) | Piece::Base64(content)) = piece;
            let rest = &content[self.read..];
            if rest.is_empty() {
                (self.pieces, self.read) = (later, 0);
                continue;
            }
            let most = match piece {
                Piece::Octets(_) => size,
                Piece::Base64(_) => (size / WRAPPED_LINE).max(1).saturating_mul(LINE),
            };
            let octets = &rest[..most.min(rest.len())];
            self.read += octets.len();
            return Some(match piece {
                Piece::Octets(_) => Part::Octets(octets),
                Piece::Base64(_) => Part::Base64(octets),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn piece() -> impl Strategy<Value = Piece> {
        let octets = || vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        prop_oneof![
            octets().prop_map(Piece::Octets),
            octets().prop_map(Piece::Base64)
        ]
    }

    proptest! {
        #[test]
        fn its_length_is_known_before_it_is_read(pieces in vec(piece(), 0..6), size in 1_usize..400) {
            let body = Body::new(pieces);
            let (mut all, mut reader) = (Vec::new(), body.reader());
            while let Some(octets) = reader.next(size) {
                prop_assert!((1..=size.max(WRAPPED_LINE)).contains(&octets.len()));
                all.extend_from_slice(octets);
            }
            prop_assert_eq!(all.len() as u64, body.len());
            prop_assert_eq!(all, body.to_vec());
        }
    }
}
