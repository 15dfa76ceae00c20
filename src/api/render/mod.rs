//! Facts of the domain as messages of the API. Every list and text that a
//! relay can make long is bounded here.

mod check;
mod failure;
#[cfg(test)]
mod numbers;
mod session;
mod text;

pub(super) use check::check;
pub(super) use failure::failure;
pub(super) use session::{recipients, reply, session};
pub(super) use text::clip;

use std::time::{Duration, SystemTime};

use crate::{
    api::pb,
    relay::RelayStatus,
    report::RecipientState,
    sender::{Sent, Validated},
};

/// The answer to a mail that was sent.
pub(super) fn sent(sent: &Sent) -> pb::SendMailResponse {
    let accepted = sent
        .recipients
        .iter()
        .filter(|recipient| recipient.state == RecipientState::Accepted)
        .count();
    pb::SendMailResponse {
        message_id: sent.message_id.clone(),
        reply: Some(reply(&sent.reply)),
        recipients: recipients(&sent.recipients),
        session: Some(session(&sent.session)),
        size_bytes: sent.size_bytes,
        replayed: sent.replayed,
        accepted_count: count(accepted),
        refused_count: count(sent.recipients.len() - accepted),
        partial_failure: sent.partial_failure.as_deref().map(failure),
    }
}

/// The answer to a mail that was only checked.
pub(super) fn validated(validated: Validated) -> pb::SendMailResponse {
    pb::SendMailResponse {
        message_id: validated.message_id,
        size_bytes: validated.size_bytes,
        ..pb::SendMailResponse::default()
    }
}

/// A configured relay.
pub(super) fn relay(relay: &RelayStatus) -> pb::Relay {
    let seen = &relay.last_seen;
    pb::Relay {
        name: relay.name.to_string(),
        host: relay.host.to_string(),
        port: relay.port.into(),
        tls_mode: relay.tls_mode as i32,
        min_tls_version: relay.min_tls_version as i32,
        authenticates: relay.authenticates,
        max_connections: count(relay.connections.max),
        open_connections: count(relay.connections.open),
        idle_connections: count(relay.connections.idle),
        last_failure: seen.failure.as_ref().map(failure),
        last_success_time: seen.success_time.map(timestamp),
        last_failure_time: seen.failure_time.map(timestamp),
        certificate_not_after_time: seen.certificate_not_after.map(timestamp),
        ..pb::Relay::default()
    }
}

/// A length of time. What is longer than a `Duration` may be becomes the
/// longest: ProtoJSON takes no other.
pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    /// Ten thousand years.
    const MAX: Duration = Duration::from_hours(87_660_000);
    duration.min(MAX).try_into().unwrap_or_default()
}

/// A time. What lies outside the years 1 to 9999 becomes the nearest that does
/// not: ProtoJSON takes no other.
fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    let time = prost_types::Timestamp::from(time);
    prost_types::Timestamp {
        seconds: time.seconds.clamp(-62_135_596_800, 253_402_300_799),
        ..time
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
