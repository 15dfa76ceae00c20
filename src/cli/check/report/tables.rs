//! The other ports, and all that the relay accepts.

use super::{
    super::{
        paper::{Ink, Paper},
        words,
    },
    field,
};
use crate::api::client::pb::{self, check_relay_response::Enumeration};

pub(super) fn ports(paper: &mut Paper, check: &pb::CheckRelayResponse) {
    if check.ports.is_empty() {
        return;
    }
    paper.heading("Ports");
    let row =
        |port: &str, mode: &str, version: &str| format!("  {port:>5}  {mode:<12}  {version:<7}  ");
    let title = row("port", "speaks", "version");
    paper.hanging(&title, Ink::Faint, Ink::Faint, "verdict");
    for port in &check.ports {
        let version = port
            .tls
            .as_ref()
            .map_or("-", |tls| words::version(tls.version()));
        let label = row(
            &port.port.to_string(),
            words::mode(port.detected_mode()),
            version,
        );
        let (ink, verdict) = if port.healthy {
            (Ink::Good, "takes mail".to_owned())
        } else if port.reason() == pb::relay_failure::Reason::Unspecified {
            (Ink::Bad, "does not take mail".to_owned())
        } else if port.reachable {
            (Ink::Bad, words::reason(port.reason()).to_owned())
        } else {
            (Ink::Faint, words::reason(port.reason()).to_owned())
        };
        paper.hanging(&label, Ink::Plain, ink, &verdict);
        if !port.banner.is_empty() {
            paper.paragraph(9, Ink::Faint, &port.banner);
        }
    }
}

pub(super) fn accepted(paper: &mut Paper, check: &pb::CheckRelayResponse) {
    let Some(accepted) = &check.accepted else {
        return;
    };
    paper.heading("Accepted");
    paper.paragraph(2, Ink::Plain, &shared(accepted));
    let versions: Vec<_> = accepted.versions().map(words::version).collect();
    let ours: Vec<_> = accepted.shared_versions().map(words::version).collect();
    let rows = [
        ("versions", versions, ours),
        (
            "suites",
            texts(&accepted.cipher_suites),
            texts(&accepted.shared_cipher_suites),
        ),
        (
            "groups",
            texts(&accepted.key_exchange_groups),
            texts(&accepted.shared_key_exchange_groups),
        ),
    ];
    for (label, _, ours) in &rows {
        field(paper, label, &ours.join(", "));
    }
    let others = rows.map(|(label, all, ours)| {
        let others: Vec<_> = all.into_iter().filter(|it| !ours.contains(it)).collect();
        (label, others.join(", "))
    });
    if others.iter().any(|(_, others)| !others.is_empty()) {
        paper.paragraph(2, Ink::Plain, "the relay takes besides:");
    }
    for (label, others) in &others {
        field(paper, label, others);
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// What both sides take, in one sentence.
fn shared(accepted: &Enumeration) -> String {
    let has = |version| {
        if accepted.shared_versions().any(|it| it == version) {
            "yes"
        } else {
            "no"
        }
    };
    let number = |list: &[String]| match list.len() {
        0 => "none".to_owned(),
        number => number.to_string(),
    };
    format!(
        "relay and posthaste share: TLS 1.2 {}, TLS 1.3 {}, suites {}, groups {}",
        has(pb::TlsVersion::TlsVersion12),
        has(pb::TlsVersion::TlsVersion13),
        number(&accepted.shared_cipher_suites),
        number(&accepted.shared_key_exchange_groups),
    )
}
