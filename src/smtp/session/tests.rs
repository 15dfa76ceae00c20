//! Whole sessions, whatever the relay does.

use proptest::{prelude::*, sample::select};

use self::transcript::Transcript;
use super::*;
use crate::{
    report::TlsMode,
    smtp::{Transactions, fixture::target},
};

/// As the operator may have it.
fn transactions() -> impl Strategy<Value = Transactions> {
    select(vec![
        Transactions::Serial,
        Transactions::Standard,
        Transactions::EagerIfSafe,
        Transactions::Eager,
        Transactions::Eager,
    ])
}

/// Whatever the relay says, what it reads as commands are commands, and what it
/// reads as messages are messages.
fn check_framing(transcript: &Transcript, is_message: impl Fn(&[u8]) -> bool) {
    const VERBS: [&str; 9] = [
        "EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT",
    ];
    let reading = transcript.read();
    for line in &reading.commands {
        assert!(VERBS.contains(&&line[..4]), "{line}");
    }
    for message in &reading.messages {
        assert!(
            message.is_empty() || message == b"XDISCARD\r\n" || is_message(message),
            "{transcript:?}"
        );
    }
}

mod octets;
mod scripts;
mod transcript;

#[test]
fn sessions_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let (target, progress) = (target(TlsMode::Starttls), Progress::default());
    is_send(&Session::open(&target, &progress));
}
