//! One binary for all integration tests.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on panics"
)]

mod alerts;
mod bad_input;
mod check;
mod compose;
mod connecting;
mod deadlines;
mod depth;
mod docs;
mod envelopes;
mod faults;
mod here;
mod idempotency;
mod logins;
mod matrix;
mod memory;
mod pool;
mod probing;
mod raw_corpus;
mod relays;
mod remedies;
mod round_trips;
mod send_mail;
mod service;
mod staged;
mod strategies;
mod stream;
