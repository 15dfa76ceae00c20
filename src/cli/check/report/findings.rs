//! What is wrong, what soon may be, and what helps.

use super::super::{
    paper::{Ink, Paper},
    words,
};
use crate::api::client::pb;

/// How far the text below a heading stands in.
const INDENT: usize = 2;

pub(super) fn findings(paper: &mut Paper, check: &pb::CheckRelayResponse) {
    if check.findings.is_empty() {
        return;
    }
    paper.heading("Findings");
    for (index, failure) in check.findings.iter().enumerate() {
        if index > 0 {
            paper.gap();
        }
        let mut known = words::confidence(failure.confidence()).to_owned();
        if !failure.alternatives.is_empty() {
            let others: Vec<_> = failure.alternatives().map(words::reason).collect();
            known = format!("{known}: or {}", others.join(", "));
        }
        let stage = words::stage(failure.stage());
        let title = format!("{} at {stage}, {known}", words::reason(failure.reason()));
        paper.paragraph(INDENT, Ink::Bad, &title);
        paper.paragraph(INDENT, Ink::Plain, &failure.summary);
        let alert = failure.tls.as_ref().and_then(|tls| tls.alert.as_ref());
        if let Some(alert) = alert.filter(|it| is_news(it, &failure.summary)) {
            let text = format!("The relay sent the alert {} ({}).", alert.name, alert.code);
            paper.paragraph(INDENT, Ink::Plain, &text);
        }
        probes(paper, failure);
        for remedy in &failure.remedies {
            hint(paper, remedy);
        }
    }
}

pub(super) fn warnings(paper: &mut Paper, check: &pb::CheckRelayResponse) {
    if check.warnings.is_empty() {
        return;
    }
    paper.heading("Warnings");
    for warning in &check.warnings {
        paper.paragraph(INDENT, Ink::Caution, words::warning(warning.code()));
        paper.paragraph(INDENT, Ink::Plain, &warning.summary);
        if let Some(remedy) = &warning.remedy {
            hint(paper, remedy);
        }
    }
}

/// What to do, by whom, and the setting that would do it.
fn hint(paper: &mut Paper, remedy: &pb::Remedy) {
    let text = format!("{} ({})", remedy.summary, words::party(remedy.party()));
    paper.hanging("  -> ", Ink::Hint, Ink::Plain, &text);
    if !remedy.setting.is_empty() {
        let setting = match remedy.value.as_str() {
            "" => remedy.setting.clone(),
            value => format!("{} = {value}", remedy.setting),
        };
        paper.hanging("     setting ", Ink::Faint, Ink::Hint, &setting);
    }
}

/// What we sent follows from what we say is wrong.
fn is_news(alert: &pb::TlsAlert, summary: &str) -> bool {
    alert.direction() == pb::tls_alert::Direction::Received && !summary.contains(&alert.name)
}

/// What was tried afterwards, to tell causes apart. The ports have a table of
/// their own.
fn probes(paper: &mut Paper, failure: &pb::RelayFailure) {
    let probes: Vec<_> = failure
        .tls
        .iter()
        .flat_map(|tls| &tls.probes)
        .filter(|probe| probe.succeeded || !probe.name.starts_with("port-"))
        .collect();
    if !probes.is_empty() {
        paper.paragraph(INDENT, Ink::Plain, "What was tried:");
    }
    for probe in probes {
        let label = format!("     {:<20} ", probe.name);
        paper.hanging(&label, Ink::Faint, Ink::Faint, &outcome(probe));
    }
}

/// What came of a probe.
fn outcome(probe: &pb::TlsProbe) -> String {
    match (probe.succeeded, &probe.alert, probe.reason()) {
        (true, _, _) => "the relay goes along".into(),
        (false, Some(alert), _) => format!("alert {} ({})", alert.name, alert.code),
        (false, None, pb::relay_failure::Reason::Unspecified) => "no answer".into(),
        (false, None, reason) => words::reason(reason).into(),
    }
}
