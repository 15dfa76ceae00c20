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
        } else {
            (Ink::Bad, words::reason(port.reason()).to_owned())
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
    let versions = accepted.versions().map(words::version);
    let ours: Vec<_> = accepted.shared_versions().collect();
    let unshared = accepted
        .versions()
        .filter(|it| !ours.contains(it))
        .map(words::version);
    list(paper, "versions", versions, unshared);
    for (label, all, shared) in [
        (
            "suites",
            &accepted.cipher_suites,
            &accepted.shared_cipher_suites,
        ),
        (
            "groups",
            &accepted.key_exchange_groups,
            &accepted.shared_key_exchange_groups,
        ),
    ] {
        let unshared = all.iter().filter(|it| !shared.contains(it));
        list(
            paper,
            label,
            all.iter().map(String::as_str),
            unshared.map(String::as_str),
        );
    }
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

fn list<'a>(
    paper: &mut Paper,
    label: &str,
    all: impl Iterator<Item = &'a str>,
    unshared: impl Iterator<Item = &'a str>,
) {
    let all: Vec<_> = all.collect();
    let unshared: Vec<_> = unshared.collect();
    let shown: Vec<_> = all
        .into_iter()
        .map(|it| {
            if unshared.contains(&it) {
                format!("{it} (not posthaste)")
            } else {
                it.to_owned()
            }
        })
        .collect();
    let shown = if shown.is_empty() {
        "none".into()
    } else {
        shown.join(", ")
    };
    field(paper, label, &shown);
}
