//! The chain that the relay showed.

use super::{
    super::{paper::Paper, words},
    field,
};
use crate::api::client::pb;

pub(super) fn certificates(paper: &mut Paper, check: &pb::CheckRelayResponse, now: i64) {
    let Some((leaf, above)) = check.certificates.split_first() else {
        return;
    };
    paper.heading("Certificate");
    let verified = check
        .session
        .as_ref()
        .and_then(|session| session.tls.as_ref())
        .map(|tls| tls.server_name.as_str());
    if let Some(name) = verified {
        field(paper, "verified", &format!("for {name}"));
    }
    field(paper, "subject", &leaf.subject);
    field(paper, "names", &names(leaf));
    field(paper, "issuer", &leaf.issuer);
    field(paper, "valid", &validity(leaf, now));
    field(
        paper,
        "key",
        &format!(
            "{}, signed with {}",
            leaf.public_key, leaf.signature_algorithm
        ),
    );
    field(paper, "key pin", &leaf.key_pin);
    field(paper, "SHA-256", &leaf.sha256_fingerprint);
    for certificate in above {
        let what = if certificate.self_signed {
            "root"
        } else {
            "above it"
        };
        field(
            paper,
            what,
            &format!("{}, {}", certificate.subject, validity(certificate, now)),
        );
    }
}

fn names(certificate: &pb::Certificate) -> String {
    let names = certificate.subject_alt_names.join(", ");
    match certificate.subject_alt_names_omitted {
        0 if names.is_empty() => "none: a common name does not count".into(),
        0 => names,
        omitted => format!("{names} and {omitted} more"),
    }
}

fn validity(certificate: &pb::Certificate, now: i64) -> String {
    let (Some(from), Some(until)) = (&certificate.not_before_time, &certificate.not_after_time)
    else {
        return String::new();
    };
    let (from, until) = (from.seconds, until.seconds);
    let note = if now < from {
        format!("begins {}", words::distance(from, now))
    } else if until < now {
        format!("expired {}", words::distance(until, now))
    } else {
        format!("ends {}", words::distance(until, now))
    };
    format!("{} to {} ({note})", words::day(from), words::day(until))
}
