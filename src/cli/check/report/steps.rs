//! What was said, and how long it took.

use super::super::{
    paper::{Ink, Paper},
    words,
};
use crate::api::client::pb;

pub(super) fn steps(paper: &mut Paper, check: &pb::CheckRelayResponse) {
    if check.steps.is_empty() {
        return;
    }
    paper.heading("Steps");
    for step in &check.steps {
        let elapsed = step.elapsed.as_ref();
        let elapsed =
            elapsed.map_or_else(String::new, |it| words::milliseconds(it.seconds, it.nanos));
        let label = format!("  {:<13} {elapsed:>9}  ", words::stage(step.stage()));
        match &step.failure {
            Some(failure) => {
                let mut text = words::reason(failure.reason()).to_owned();
                if let Some(reply) = &step.reply {
                    text = format!("{text}: {}", words::reply(reply));
                }
                paper.hanging(&label, Ink::Bad, Ink::Bad, &text);
            }
            None => paper.hanging(&label, Ink::Plain, Ink::Plain, &said(check, step)),
        }
    }
}

/// The reply or, where there is none, what the step came to.
fn said(check: &pb::CheckRelayResponse, step: &pb::check_relay_response::Step) -> String {
    if let Some(reply) = &step.reply {
        return words::reply(reply);
    }
    match step.stage() {
        pb::SmtpStage::Connect => endpoint(check)
            .map(|it| it.ip_address.clone())
            .unwrap_or_default(),
        pb::SmtpStage::TlsHandshake => check
            .session
            .as_ref()
            .and_then(|session| session.tls.as_ref())
            .map(|tls| {
                [
                    words::version(tls.version()),
                    &tls.cipher_suite,
                    &tls.key_exchange_group,
                ]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
            })
            .unwrap_or_default(),
        _ => String::new(),
    }
}

fn endpoint(check: &pb::CheckRelayResponse) -> Option<&pb::RelayEndpoint> {
    let session = check.session.as_ref().and_then(|it| it.endpoint.as_ref());
    session.or_else(|| check.findings.first()?.endpoint.as_ref())
}
