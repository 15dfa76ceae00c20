//! A failure of a relay.

use bytes::Bytes;

use super::{
    clip, count, duration, recipients, reply,
    session::{certificate, endpoint, tls_session},
};
use crate::{api::pb, report};

/// Recipients in a failure (failure.proto).
const MAX_RECIPIENTS: usize = 20;

/// Certificates of a chain (failure.proto).
const MAX_CERTIFICATES: usize = 3;

/// Octets that came where TLS or a reply should have been (failure.proto).
const MAX_FIRST_BYTES: usize = 64;

/// Octets of the sentence that says what happened: as many as the status
/// message may have.
const MAX_SUMMARY_BYTES: usize = 512;

pub(in crate::api) fn failure(failure: &report::RelayFailure) -> pb::RelayFailure {
    let tried = &failure.recipients[..failure.recipients.len().min(MAX_RECIPIENTS)];
    let tls_rpt = failure.reason.tls_rpt_result_type();
    pb::RelayFailure {
        reason: failure.reason as i32,
        stage: failure.stage as i32,
        fault: failure.fault() as i32,
        retry: failure.retry() as i32,
        retry_after: failure.retry_after.map(duration),
        confidence: failure.confidence as i32,
        alternatives: failure.alternatives.iter().map(|r| *r as i32).collect(),
        acceptance: failure.acceptance() as i32,
        summary: clip(&failure.summary, MAX_SUMMARY_BYTES),
        remedies: failure.remedies.iter().map(remedy).collect(),
        endpoint: Some(endpoint(&failure.endpoint)),
        reply: failure.reply.as_ref().map(reply),
        connect_attempts: failure.connect_attempts.iter().map(attempt).collect(),
        tls: failure.tls.as_deref().map(evidence),
        recipients: recipients(tried),
        recipients_omitted: count(failure.recipients.len() - tried.len()),
        tls_rpt_result_type: tls_rpt.unwrap_or_default().to_owned(),
        library_message: failure.library_message.clone().unwrap_or_default(),
        missing_extension: failure.missing_extension.unwrap_or_default().to_owned(),
        first_bytes: first_bytes(&failure.first_bytes),
    }
}

pub(super) fn remedy(remedy: &report::Remedy) -> pb::Remedy {
    let (setting, value) = remedy.setting.clone().unwrap_or_default();
    pb::Remedy {
        action: remedy.action as i32,
        party: remedy.party as i32,
        summary: remedy.summary.clone(),
        setting,
        value,
    }
}

fn attempt(attempt: &report::ConnectAttempt) -> pb::ConnectAttempt {
    pb::ConnectAttempt {
        ip_address: attempt.ip.to_string(),
        reason: attempt.reason.map_or(0, |reason| reason as i32),
        elapsed: Some(duration(attempt.elapsed)),
    }
}

fn evidence(evidence: &report::TlsEvidence) -> pb::TlsEvidence {
    let chain = evidence.certificates.iter().take(MAX_CERTIFICATES);
    pb::TlsEvidence {
        mode: evidence.mode as i32,
        server_name: evidence.server_name.clone(),
        alert: evidence.alert.as_ref().map(alert),
        offered: Some(offer(&evidence.offered)),
        negotiated: evidence.negotiated.as_ref().map(tls_session),
        certificates: chain.map(certificate).collect(),
        first_bytes: first_bytes(&evidence.first_bytes),
        probes: evidence.probes.iter().map(probe).collect(),
        trust_source: evidence.trust_source.to_owned(),
        starttls_reply: evidence.starttls_reply.as_ref().map(reply),
        flaws: evidence.flaws.iter().map(flaw).collect(),
    }
}

fn first_bytes(all: &Bytes) -> Bytes {
    all.slice(..all.len().min(MAX_FIRST_BYTES))
}

fn flaw(flaw: &report::Flaw) -> pb::CertificateFlaw {
    pb::CertificateFlaw {
        reason: flaw.reason as i32,
        confidence: flaw.confidence as i32,
        summary: clip(&flaw.summary, MAX_SUMMARY_BYTES),
    }
}

fn alert(alert: &report::TlsAlert) -> pb::TlsAlert {
    pb::TlsAlert {
        direction: alert.direction as i32,
        code: alert.code.into(),
        name: alert.name.clone(),
    }
}

fn probe(probe: &report::TlsProbe) -> pb::TlsProbe {
    pb::TlsProbe {
        name: probe.name.clone(),
        mode: probe.mode as i32,
        port: probe.port.into(),
        succeeded: probe.succeeded,
        session: probe.session.as_ref().map(tls_session),
        reason: probe.reason.map_or(0, |reason| reason as i32),
        alert: probe.alert.as_ref().map(alert),
    }
}

fn offer(offer: &report::TlsOffer) -> pb::TlsOffer {
    pb::TlsOffer {
        versions: offer.versions.iter().map(|v| *v as i32).collect(),
        cipher_suites: offer.cipher_suites.clone(),
        key_exchange_groups: offer.key_exchange_groups.clone(),
        signature_schemes: offer.signature_schemes.clone(),
        hello_bytes: offer.hello_bytes,
    }
}
