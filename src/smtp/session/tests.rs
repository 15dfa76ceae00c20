//! Whole sessions, whatever the relay does.

use super::*;
use crate::{report::TlsMode, smtp::fixture::target};

mod octets;
mod scripts;
mod transcript;

#[test]
fn sessions_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let (target, progress) = (target(TlsMode::Starttls), Progress::default());
    is_send(&Session::open(&target, &progress));
}
