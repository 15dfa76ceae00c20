//! What a check found.

use super::{duration, text::clip};
use super::{
    failure::{failure, remedy},
    session::{certificate, reply, session, tls_session},
};
use crate::{
    api::pb::{self, check_relay_response as message},
    report,
};

/// Octets of a port's banner: as many as a reply has.
const MAX_BANNER_BYTES: usize = 512;

/// The answer to a check.
pub(in crate::api) fn check(check: &report::Check) -> pb::CheckRelayResponse {
    pb::CheckRelayResponse {
        healthy: check.is_healthy(),
        steps: check.steps.iter().map(step).collect(),
        session: check.session.as_ref().map(session),
        findings: check.findings.iter().map(failure).collect(),
        warnings: check.warnings.iter().map(warning).collect(),
        ports: check.ports.iter().map(port).collect(),
        certificates: check.certificates.iter().map(certificate).collect(),
        accepted: check.accepted.as_ref().map(enumeration),
    }
}

fn step(step: &report::Walked) -> message::Step {
    message::Step {
        stage: step.stage as i32,
        elapsed: Some(duration(step.elapsed)),
        reply: step.reply.as_ref().map(reply),
        failure: step.failure.as_ref().map(failure),
    }
}

fn warning(warning: &report::Warning) -> message::Warning {
    message::Warning {
        code: warning.code as i32,
        summary: clip(&warning.summary, MAX_BANNER_BYTES),
        remedy: warning.remedy.as_ref().map(remedy),
    }
}

fn port(port: &report::Port) -> message::Port {
    message::Port {
        port: port.port.into(),
        reachable: port.reachable,
        banner: clip(port.banner.as_deref().unwrap_or_default(), MAX_BANNER_BYTES),
        detected_mode: port.detected_mode.map_or(0, |mode| mode as i32),
        healthy: port.healthy,
        tls: port.tls.as_ref().map(tls_session),
        reason: port.reason.map_or(0, |reason| reason as i32),
    }
}

fn enumeration(accepted: &report::Enumeration) -> message::Enumeration {
    let versions = |list: &[report::TlsVersion]| list.iter().map(|it| *it as i32).collect();
    message::Enumeration {
        versions: versions(&accepted.versions),
        cipher_suites: accepted.cipher_suites.clone(),
        key_exchange_groups: accepted.key_exchange_groups.clone(),
        shared_versions: versions(&accepted.shared_versions),
        shared_cipher_suites: accepted.shared_cipher_suites.clone(),
        shared_key_exchange_groups: accepted.shared_key_exchange_groups.clone(),
    }
}
