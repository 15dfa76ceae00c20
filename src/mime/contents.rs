//! The contents of parts, kept out of what lettre puts together: it joins the
//! parts of a message by copying them, so it is given a mark for each.

use bytes::Bytes;
use lettre::message::{Body, SinglePart, SinglePartBuilder};

use super::body::Encoded;
use crate::smtp::Piece;

/// Stands for the content of a part. Contents are all that a caller could put a
/// NUL in, and none of them is among what lettre is given: header fields are
/// made of types that refuse control characters, boundaries of letters and
/// digits.
const MARK: u8 = 0;

/// Contents, in the order of their parts in the message.
#[derive(Default)]
pub(super) struct Contents(Vec<Piece>);

impl Contents {
    /// A part with `content`. The parts of a message must be made in their order.
    pub(super) fn part(&mut self, builder: SinglePartBuilder, content: Encoded) -> SinglePart {
        self.0.push(content.piece);
        builder.body(Body::dangerous_pre_encoded(vec![MARK], content.encoding))
    }

    /// What lettre `formatted`, with the contents in place of their marks.
    /// `has_boundaries` says whether there are several parts.
    pub(super) fn fill_in(self, formatted: Vec<u8>, has_boundaries: bool) -> Vec<Piece> {
        let mut rest = Bytes::from(formatted);
        let marks: Vec<usize> = memchr::memchr_iter(MARK, &rest).collect();
        // A mail with contents in the wrong places would be worse than none.
        assert_eq!(marks.len(), self.0.len(), "each content has its mark");
        let mut pieces = Vec::with_capacity(2 * marks.len() + 1);
        let mut cut = 0;
        for (content, mark) in self.0.into_iter().zip(marks) {
            pieces.push(Piece::Octets(rest.split_to(mark - cut)));
            // lettre ends each content with a line end. base64 has one of its
            // own, and where no boundary follows, a second would be an empty
            // line.
            let is_ended = match &content {
                Piece::Base64(octets) if !octets.is_empty() => true,
                Piece::Base64(_) => !has_boundaries,
                Piece::Octets(octets) => {
                    !has_boundaries && (octets.is_empty() || octets.ends_with(b"\r\n"))
                }
            };
            let behind = if is_ended { b"\0\r\n".len() } else { 1 };
            drop(rest.split_to(behind));
            cut = mark + behind;
            pieces.push(content);
        }
        pieces.push(Piece::Octets(rest));
        pieces
    }
}
