//! Brings the connections for finding out all that a relay accepts.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::trials::{ANSWER, bare};
use crate::{
    report::Enumeration,
    smtp::{Host, Target},
};

/// How long it may take in all.
const TIME: Duration = Duration::from_secs(20);
/// How many connections it may take.
const CONNECTIONS: usize = 48;

/// All that the relay accepts, as far as 48 connections and 20 seconds tell,
/// and no longer than until `until`.
pub async fn enumerate(target: &Target, until: Instant) -> Enumeration {
    let end = until.min(Instant::now() + TIME);
    let mut target = super::unarmed(target);
    let mut enumerator = target.tls.enumerate();
    for _ in 0..CONNECTIONS {
        let Some(question) = enumerator.next_question() else {
            break;
        };
        let Ok(Some((io, ip))) = timeout_at(end, bare(&target)).await else {
            enumerator.missed();
            break;
        };
        // All answers are one relay's.
        target.host = Host::Ip(ip);
        let answer = enumerator.attempt(&question, io);
        let _ = timeout_at(end.min(Instant::now() + ANSWER), answer).await;
    }
    enumerator.conclude()
}
