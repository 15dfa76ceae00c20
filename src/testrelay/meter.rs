//! Counts what a benchmark or a test asserts on. Only counts; says nothing
//! about time.

use std::{
    ops::Sub,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What was counted, over the relay or over one session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Times that the relay answered after it had waited for the client: the
    /// round trips of SMTP, with the one that the greeting takes and without
    /// those of TCP and TLS.
    pub turns: u64,
    /// Lines of commands, with the responses within AUTH.
    pub commands: u64,
    /// Mails taken.
    pub mails: u64,
    /// Octets received, as they were on the wire.
    pub bytes_in: u64,
    /// Octets sent, as they were on the wire.
    pub bytes_out: u64,
    /// TLS records received.
    pub records_in: u64,
}

impl Sub for Counters {
    type Output = Self;

    /// What was counted since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self {
            connections: self.connections - earlier.connections,
            turns: self.turns - earlier.turns,
            commands: self.commands - earlier.commands,
            mails: self.mails - earlier.mails,
            bytes_in: self.bytes_in - earlier.bytes_in,
            bytes_out: self.bytes_out - earlier.bytes_out,
            records_in: self.records_in - earlier.records_in,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    connections: AtomicU64,
    turns: AtomicU64,
    commands: AtomicU64,
    mails: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    records_in: AtomicU64,
}

impl Meter {
    pub(super) fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            connections: read(&self.connections),
            turns: read(&self.turns),
            commands: read(&self.commands),
            mails: read(&self.mails),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            records_in: read(&self.records_in),
        }
    }
}

/// The relay's meter and the session's: what one counts, the other does too.
#[derive(Clone, Debug)]
pub(super) struct Meters {
    pub(super) relay: Arc<Meter>,
    pub(super) session: Arc<Meter>,
}

impl Meters {
    pub(super) fn connection(&self) {
        self.add(|meter| &meter.connections, 1);
    }

    pub(super) fn turn(&self) {
        self.add(|meter| &meter.turns, 1);
    }

    pub(super) fn command(&self) {
        self.add(|meter| &meter.commands, 1);
    }

    pub(super) fn mail(&self) {
        self.add(|meter| &meter.mails, 1);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.add(|meter| &meter.bytes_in, bytes as u64);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.add(|meter| &meter.bytes_out, bytes as u64);
    }

    pub(super) fn records(&self, records: u64) {
        self.add(|meter| &meter.records_in, records);
    }

    fn add(&self, counter: impl Fn(&Meter) -> &AtomicU64, count: u64) {
        counter(&self.relay).fetch_add(count, Ordering::Relaxed);
        counter(&self.session).fetch_add(count, Ordering::Relaxed);
    }
}

/// Counts TLS records in a stream of octets, by their headers (RFC 8446
/// section 5.1).
#[derive(Debug, Default)]
pub(super) struct RecordCounter {
    header: [u8; 5],
    filled: usize,
    body_left: usize,
}

impl RecordCounter {
    /// How many records start in `bytes`, which follow those given before.
    pub(super) fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut records = 0;
        loop {
            let skipped = self.body_left.min(bytes.len());
            self.body_left -= skipped;
            bytes = &bytes[skipped..];
            let Some((first, rest)) = bytes.split_first() else {
                return records;
            };
            self.header[self.filled] = *first;
            self.filled += 1;
            bytes = rest;
            if self.filled == self.header.len() {
                self.filled = 0;
                self.body_left = u16::from_be_bytes([self.header[3], self.header[4]]).into();
                records += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_records_however_they_are_cut() {
        let wire = [
            &[23, 3, 3, 0, 4, 1, 2, 3, 4],
            &[23, 3, 3, 0, 0][..],
            &[22, 3, 3, 0, 1, 9],
        ]
        .concat();
        for size in 1..=wire.len() {
            let mut counter = RecordCounter::default();
            let records: u64 = wire.chunks(size).map(|chunk| counter.count(chunk)).sum();
            assert_eq!(records, 3, "in chunks of {size}");
        }
    }
}
