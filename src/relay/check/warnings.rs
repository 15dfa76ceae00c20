//! What is no failure yet, and what to do about it.

use std::time::{Duration, SystemTime};

use crate::{
    report::{Action, Certificate, Check, Party, Remedy, Stage, TlsVersion, Warning, WarningCode},
    smtp::Target,
};

/// A certificate with less time than this is to be renewed now: ACME clients
/// renew 30 days ahead, so that one that is still there has a problem.
const SOON: Duration = Duration::from_hours(21 * 24);

/// Suites without forward secrecy, or with ciphers or hashes that are broken or
/// nearly (RFC 9325 section 4.1).
const WEAK: [&str; 9] = [
    "NULL", "EXPORT", "anon", "RC4", "DES", "MD5", "TLS_RSA_", "IDEA", "SEED",
];

/// What of `check` is no failure yet, the most pressing first.
pub(super) fn of(check: &Check, target: &Target) -> Vec<Warning> {
    let chain = &check.certificates;
    let mut warnings = Vec::new();
    warnings.extend(expires_soon(chain, SystemTime::now()));
    warnings.extend(no_auth(check, target));
    warnings.extend(out_of_order(chain));
    warnings.extend(unusual_key_usage(chain));
    warnings.extend(root_sent(chain));
    warnings.extend(tls12_only(check));
    warnings.extend(old_versions(check));
    warnings.extend(weak_suites(check));
    warnings.extend(no_pipelining(check));
    warnings
}

/// The one that ends first counts: it takes the chain with it. One that has
/// ended already is a failure.
fn expires_soon(chain: &[Certificate], now: SystemTime) -> Option<Warning> {
    let (certificate, left) = chain
        .iter()
        .filter_map(|it| Some((it, it.not_after.duration_since(now).ok()?)))
        .filter(|(_, left)| *left < SOON)
        .min_by_key(|(_, left)| *left)?;
    let days = left.as_secs() / (24 * 60 * 60);
    let when = match days {
        0 => "today".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    };
    Some(warn(
        WarningCode::CertificateExpiresSoon,
        format!(
            "The certificate of {} expires {when}, on {}.",
            subject(certificate),
            date(certificate.not_after)
        ),
        relay(
            Action::RenewCertificate,
            "Renew it, and reload the mail server so that it is used.",
        ),
    ))
}

/// Told where AUTH would be needed: a relay without credentials may well be one
/// that knows its clients by their addresses.
fn no_auth(check: &Check, target: &Target) -> Option<Warning> {
    target.credentials.as_ref()?;
    let offers = extensions(check)?
        .iter()
        .any(|line| matches!(keyword(line).split('=').next(), Some("AUTH")));
    let in_tls = check.session.as_ref().is_none_or(|it| it.tls.is_some());
    (!offers).then(|| {
        warn(
            WarningCode::NoAuthOffered,
            format!(
                "There are credentials for the relay, and it offers no AUTH{}.",
                if in_tls { "" } else { " in plaintext" }
            ),
            relay(
                Action::ChangeRelayTls,
                "Enable AUTH on this port, or use the port that is for submission.",
            ),
        )
    })
}

fn out_of_order(chain: &[Certificate]) -> Option<Warning> {
    let (below, above) = chain
        .iter()
        .zip(chain.iter().skip(1))
        .find(|(below, above)| !below.self_signed && below.issuer != above.subject)?;
    Some(warn(
        WarningCode::ChainOutOfOrder,
        format!(
            "The chain is out of order: behind {} comes {}, and its issuer is {}.",
            subject(below),
            subject(above),
            or_unnamed(&below.issuer)
        ),
        relay(
            Action::SendIntermediate,
            "Let each certificate in the file be followed by its issuer's, the relay's own \
             first (RFC 5246 section 7.4.2).",
        ),
    ))
}

/// Some libraries look at the key usage of the relay's own certificate, and
/// posthaste's does not: others may refuse what it takes.
fn unusual_key_usage(chain: &[Certificate]) -> Option<Warning> {
    let usage = &chain.first()?.key_usage;
    let signs = usage.contains(&"digitalSignature");
    let issues = usage.contains(&"keyCertSign");
    if usage.is_empty() || (signs && !issues) {
        return None;
    }
    Some(warn(
        WarningCode::KeyUsageUnusual,
        format!(
            "The key usage of the relay's certificate is {}: {}.",
            usage.join(", "),
            if signs {
                "it may sign other certificates"
            } else {
                "it lacks digitalSignature, and OpenSSL and others refuse that"
            }
        ),
        relay(
            Action::RenewCertificate,
            "Issue it again with digitalSignature alone, or with keyEncipherment beside it.",
        ),
    ))
}

fn root_sent(chain: &[Certificate]) -> Option<Warning> {
    let root = chain.iter().skip(1).find(|it| it.self_signed)?;
    Some(warn(
        WarningCode::RootInChain,
        format!(
            "The relay sends its root, {}: nobody trusts it for that, and every handshake is \
             larger.",
            subject(root)
        ),
        relay(
            Action::ChangeRelayTls,
            "Take the root out of the relay's certificate file.",
        ),
    ))
}

fn tls12_only(check: &Check) -> Option<Warning> {
    let version = check.session.as_ref()?.tls.as_ref()?.version?;
    let takes_13 = check
        .accepted
        .as_ref()
        .is_some_and(|it| it.versions.contains(&TlsVersion::Tls13));
    (version == TlsVersion::Tls12 && !takes_13).then(|| {
        warn(
            WarningCode::Tls12Only,
            "The session was in TLS 1.2, though TLS 1.3 may have been offered.".into(),
            relay(Action::UpgradeRelay, "Enable TLS 1.3 in the relay."),
        )
    })
}

fn old_versions(check: &Check) -> Option<Warning> {
    let versions = &check.accepted.as_ref()?.versions;
    let old: Vec<_> = versions
        .iter()
        .filter(|version| **version < TlsVersion::Tls12)
        .map(|version| match version {
            TlsVersion::Ssl30 => "SSL 3.0",
            TlsVersion::Tls10 => "TLS 1.0",
            _ => "TLS 1.1",
        })
        .collect();
    (!old.is_empty()).then(|| {
        warn(
            WarningCode::OldVersionsAccepted,
            format!(
                "The relay still takes {}, deprecated since RFC 8996. posthaste never offers that.",
                old.join(", ")
            ),
            relay(
                Action::ChangeRelayTls,
                "Let the relay take TLS 1.2 and newer alone, once no client needs the others.",
            ),
        )
    })
}

fn weak_suites(check: &Check) -> Option<Warning> {
    let suites = &check.accepted.as_ref()?.cipher_suites;
    let weak: Vec<_> = suites
        .iter()
        .filter(|suite| WEAK.iter().any(|part| suite.contains(part)))
        .map(String::as_str)
        .collect();
    let first = weak.first()?;
    let others = match weak.len() - 1 {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    Some(warn(
        WarningCode::WeakSuitesAccepted,
        format!(
            "The relay takes suites without forward secrecy, or weak ones: {first}{others}. \
             posthaste never offers them."
        ),
        relay(
            Action::ChangeRelayTls,
            "Let the relay take ECDHE suites with AES-GCM or ChaCha20 alone.",
        ),
    ))
}

fn no_pipelining(check: &Check) -> Option<Warning> {
    let session = check.session.as_ref()?;
    let offers = session
        .extensions
        .iter()
        .any(|line| keyword(line) == "PIPELINING");
    (!offers).then(|| {
        warn(
            WarningCode::NoPipelining,
            "The relay does not offer PIPELINING: each mail takes more round trips.".into(),
            relay(
                Action::UpgradeRelay,
                "Enable PIPELINING (RFC 2920) in the relay, or look for a proxy before it that \
                 takes it out.",
            ),
        )
    })
}

/// What the relay offered last. Not known where TLS did not come about, since
/// what was offered before it does not count (RFC 3207 section 4.2).
fn extensions(check: &Check) -> Option<&[String]> {
    if let Some(session) = &check.session {
        return Some(&session.extensions);
    }
    let last = check.steps.last()?;
    let ehlo = check.steps.iter().rfind(|it| it.stage == Stage::Ehlo)?;
    (last.stage == Stage::Auth).then(|| ehlo.reply.as_ref()?.lines.get(1..))?
}

fn keyword(line: &str) -> String {
    let word = line.split_ascii_whitespace().next().unwrap_or_default();
    word.to_ascii_uppercase()
}

fn subject(certificate: &Certificate) -> &str {
    match certificate.subject_alt_names.first() {
        Some(name) if certificate.subject.is_empty() => name,
        _ => or_unnamed(&certificate.subject),
    }
}

fn or_unnamed(name: &str) -> &str {
    if name.is_empty() {
        "one without a name"
    } else {
        name
    }
}

/// The day, in UTC.
fn date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "a day beyond all calendars".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

fn warn(code: WarningCode, summary: String, remedy: Remedy) -> Warning {
    Warning {
        code,
        summary,
        remedy: Some(remedy),
    }
}

fn relay(action: Action, summary: &str) -> Remedy {
    Remedy {
        action,
        party: Party::Relay,
        summary: summary.into(),
        setting: None,
    }
}
