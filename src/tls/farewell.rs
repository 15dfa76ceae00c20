//! Whether a relay took its leave in the midst of a handshake. The library
//! passes over alerts that only say so, and goes on waiting for a relay that
//! leaves the connection open.

/// `close_notify` and `user_canceled` (RFC 8446 section 6.1).
const FAREWELLS: [u8; 2] = [0, 90];
const ALERT: u8 = 21;

/// Reads records as they come, whatever is in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Farewell {
    /// The header of the record that is under way, and where it is an alert in
    /// plaintext, what is in it.
    record: Vec<u8>,
    /// How much is left of a record that tells nothing.
    rest: usize,
    last: Option<u8>,
}

impl Farewell {
    /// The alert that the relay took its leave with, where nothing came behind
    /// it.
    pub(super) fn last(&self) -> Option<u8> {
        self.last
    }

    /// Reads on.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while let Some((first, others)) = bytes.split_first() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.last = None;
            self.record.push(*first);
            bytes = others;
            match self.record[..] {
                // One that is encrypted is longer.
                [ALERT, _, _, 0, 2, _, code] => {
                    self.last = FAREWELLS.contains(&code).then_some(code);
                    self.record.clear();
                }
                [ALERT, _, _, 0, 2, ..] => {}
                [_, _, _, high, low] => {
                    self.rest = u16::from_be_bytes([high, low]).into();
                    self.record.clear();
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = &[22, 3, 3, 0, 9, 21, 3, 3, 0, 2, 1, 0, 0, 0];
    const CLOSE_NOTIFY: &[u8] = &[21, 3, 3, 0, 2, 1, 0];
    const USER_CANCELED: &[u8] = &[21, 3, 3, 0, 2, 1, 90];
    const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 1, 112];

    #[test]
    fn a_farewell_is_one_wherever_it_comes_and_in_any_pieces() {
        for (records, last) in [
            (vec![], None),
            (vec![HELLO], None),
            (vec![CLOSE_NOTIFY], Some(0)),
            (vec![HELLO, USER_CANCELED], Some(90)),
            (vec![USER_CANCELED, CLOSE_NOTIFY], Some(0)),
            (vec![USER_CANCELED, HELLO], None),
            (vec![UNRECOGNIZED_NAME], None),
            (vec![&CLOSE_NOTIFY[..6]], None),
        ] {
            let bytes = records.concat();
            for size in 1..=bytes.len().max(1) {
                let mut farewell = Farewell::default();
                for piece in bytes.chunks(size) {
                    farewell.read(piece);
                }
                assert_eq!(farewell.last(), last, "{bytes:?} in pieces of {size}");
            }
        }
    }
}
