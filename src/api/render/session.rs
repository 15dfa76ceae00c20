//! Sessions, replies and certificates.

use super::{count, duration, text::clip_lines, timestamp};
use crate::{api::pb, report};

/// Octets of text in a reply (smtp.proto).
const MAX_REPLY_BYTES: usize = 512;

/// Subject alternative names in a certificate (smtp.proto).
const MAX_NAMES: usize = 16;

pub(in crate::api) fn reply(reply: &report::Reply) -> pb::SmtpReply {
    pb::SmtpReply {
        code: reply.code.value().into(),
        enhanced_status_code: reply.enhanced.map(|code| pb::EnhancedStatusCode {
            class: code.class.into(),
            subject: code.subject.into(),
            detail: code.detail.into(),
        }),
        lines: clip_lines(&reply.lines, MAX_REPLY_BYTES),
    }
}

pub(in crate::api) fn recipients(
    recipients: &[report::RecipientResult],
) -> Vec<pb::RecipientResult> {
    recipients
        .iter()
        .map(|recipient| pb::RecipientResult {
            address: recipient.address.as_str().to_owned(),
            state: recipient.state as i32,
            reply: recipient.reply.as_ref().map(reply),
            redirected_to: String::new(),
        })
        .collect()
}

pub(in crate::api) fn session(session: &report::Session) -> pb::Session {
    pb::Session {
        endpoint: Some(endpoint(&session.endpoint)),
        tls: session.tls.as_deref().map(tls_session),
        reused: session.reused,
        extensions: session.extensions.clone(),
        timings: Some(timings(session.timings)),
    }
}

pub(super) fn endpoint(endpoint: &report::RelayEndpoint) -> pb::RelayEndpoint {
    pb::RelayEndpoint {
        relay: endpoint.relay.clone().unwrap_or_default(),
        host: endpoint.host.clone(),
        port: endpoint.port.into(),
        ip_address: endpoint.ip.map(|ip| ip.to_string()).unwrap_or_default(),
    }
}

pub(super) fn tls_session(session: &report::TlsSession) -> pb::TlsSession {
    pb::TlsSession {
        mode: session.mode as i32,
        version: session.version.map_or(0, |version| version as i32),
        cipher_suite: session.cipher_suite.clone().unwrap_or_default(),
        key_exchange_group: session.key_exchange_group.clone().unwrap_or_default(),
        resumed: session.resumed,
        server_name: session.server_name.clone(),
        certificate: session.certificate.as_ref().map(certificate),
    }
}

pub(super) fn certificate(certificate: &report::Certificate) -> pb::Certificate {
    let names = &certificate.subject_alt_names;
    pb::Certificate {
        subject: certificate.subject.clone(),
        issuer: certificate.issuer.clone(),
        serial_number: certificate.serial_number.clone(),
        not_before_time: Some(timestamp(certificate.not_before)),
        not_after_time: Some(timestamp(certificate.not_after)),
        subject_alt_names: names.iter().take(MAX_NAMES).cloned().collect(),
        subject_alt_names_omitted: count(names.len().saturating_sub(MAX_NAMES)),
        sha256_fingerprint: certificate.sha256_fingerprint.clone(),
        signature_algorithm: certificate.signature_algorithm.clone(),
        public_key: certificate.public_key.clone(),
        self_signed: certificate.self_signed,
        key_pin: certificate.key_pin.clone(),
    }
}

fn timings(timings: report::Timings) -> pb::Timings {
    pb::Timings {
        pool_wait: timings.pool_wait.map(duration),
        resolve: timings.resolve.map(duration),
        connect: timings.connect.map(duration),
        tls_handshake: timings.tls_handshake.map(duration),
        auth: timings.auth.map(duration),
        transaction: timings.transaction.map(duration),
    }
}
