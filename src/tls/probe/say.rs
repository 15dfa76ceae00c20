//! The sentences of a verdict, with the facts on both sides.

use super::{
    Experiment,
    answer::Answer,
    flight::{Chosen, Flight, Parameters},
    inquiry::Case,
    wide,
};
use crate::{
    report::{Reason, TlsVersion},
    tls::{alert, reason::sentence, version},
};

/// The relay speaks at most `newest`.
pub(super) fn newest(case: &Case, newest: TlsVersion, suite: Option<u16>) -> String {
    let ours: Vec<_> = case
        .ours
        .versions
        .iter()
        .map(|it| version::name(*it))
        .collect();
    let suite = suite.map_or_else(String::new, |it| format!(" ({})", wide::suite_name(it)));
    let at_most = if newest == TlsVersion::Tls13 {
        "only"
    } else {
        "at most"
    };
    let ours = ours.join(" and ");
    let name = version::name(newest);
    sentence(
        &format!("The relay speaks {at_most} {name}{suite}, and posthaste offers {ours}"),
        ".",
    )
}

/// The relay fails when TLS 1.3 is offered.
pub(super) fn intolerant(refusal: &Answer, certificate: Option<Reason>) -> String {
    let reaction = reaction(refusal);
    let but = flaw(certificate);
    sentence(
        &format!(
            "The relay works with TLS 1.2 alone, and does not bear a ClientHello that offers \
             TLS 1.3 too: it {reaction}{but}"
        ),
        ".",
    )
}

/// The relay, or what is before it, fails when the hello is large.
pub(super) fn too_large(case: &Case) -> String {
    let size = case.offer.hello_bytes;
    let (works, certificate) = match case.answer(Experiment::SMALL) {
        Some(Answer::Worked {
            session,
            certificate,
        }) => (
            session
                .as_ref()
                .and_then(|it| it.version)
                .map(version::name),
            certificate.as_ref().map(|it| it.reason),
        ),
        _ => (None, None),
    };
    let works = works.map_or_else(String::new, |it| format!(" ({it})"));
    let reaction = case
        .answer(Experiment::SAME)
        .map_or("refuses".to_owned(), reaction);
    let but = flaw(certificate);
    sentence(
        &format!(
            "The relay, or a middlebox before it, does not bear our ClientHello of {size} bytes: \
             it {reaction}, and goes along with a small one without post-quantum key \
             shares{works}{but}"
        ),
        ".",
    )
}

/// The relay takes none of our suites.
pub(super) fn cipher(case: &Case, flight: &Flight, ours: &[u16]) -> String {
    let Some(chosen) = flight.chosen else {
        return unchanged(case);
    };
    let suite = wide::suite_name(chosen.suite);
    let kind = match flight.key_exchange.as_ref().map(|it| it.parameters) {
        Some(Parameters::Modulus { bits }) => format!("{} of {bits} bits", kind(&suite)),
        _ => kind(&suite),
    };
    let version = version::name(chosen.version);
    let ours = if chosen.version == TlsVersion::Tls13 {
        list(ours.iter().map(|it| wide::suite_name(*it)))
    } else {
        kinds(ours)
    };
    sentence(
        &format!(
            "The relay takes no cipher suite that posthaste offers: it takes {kind} ({suite}, \
             {version}), and posthaste offers only {ours}"
        ),
        ".",
    )
}

/// The relay takes none of our groups.
pub(super) fn group(case: &Case, flight: &Flight) -> String {
    let ours = match flight.chosen {
        Some(Chosen {
            version: TlsVersion::Tls13,
            ..
        }) => &case.ours.groups_13,
        _ => &case.ours.groups,
    };
    let foreign = flight.group().filter(|it| !ours.contains(it));
    let wish = match (foreign, &flight.key) {
        (Some(group), _) => format!("wants {} for the key exchange", wide::group_name(group)),
        (None, Some(key)) => format!("has a key of {key}, a curve that was not offered"),
        (None, None) => "wants another group".to_owned(),
    };
    let ours = list(ours.iter().map(|it| wide::group_name(*it)));
    sentence(&format!("The relay {wish}; posthaste offers {ours}"), ".")
}

/// The relay's signature is of no kind that we know.
pub(super) fn signature(case: &Case, flight: &Flight) -> String {
    let takes = |experiment| case.answer(experiment).and_then(Answer::flight).is_some();
    // TLS 1.3 encrypts the certificate.
    let hidden = [
        (Experiment::Ed448, "Ed448"),
        (Experiment::RsaPss, "RSA-PSS"),
    ];
    let hidden = hidden
        .into_iter()
        .find(|(experiment, _)| takes(*experiment));
    let key = flight.key.as_deref().or(hidden.map(|(_, key)| key));
    let foreign = flight.scheme().filter(|it| !case.ours.schemes.contains(it));
    let wish = match (foreign.map(wide::scheme_name), key) {
        (Some(scheme), Some(key)) => format!("signs with {scheme}, its key is {key}"),
        (Some(scheme), None) => format!("signs with {scheme}"),
        (None, Some(key)) => format!("has a key of the kind {key}"),
        (None, None) => "signs with none of the schemes that it was offered".to_owned(),
    };
    let kinds = [("ecdsa_", "ECDSA"), ("ed25519", "Ed25519"), ("rsa_", "RSA")];
    let ours = kinds.into_iter().filter(|(start, _)| {
        let mut schemes = case.ours.schemes.iter().map(|it| wide::scheme_name(*it));
        schemes.any(|it| it.starts_with(start))
    });
    let ours = list(ours.map(|(_, name)| name.to_owned()));
    sentence(
        &format!("The relay {wish}; posthaste takes {ours} with SHA-2"),
        ".",
    )
}

/// The relay takes a suite with a pre-shared key.
pub(super) fn psk_suite(chosen: Chosen) -> String {
    let suite = wide::suite_name(chosen.suite);
    let version = version::name(chosen.version);
    sentence(
        &format!(
            "The relay wants a pre-shared key ({suite}, {version}), and posthaste has none to offer"
        ),
        ".",
    )
}

/// The relay answers otherwise when it is offered a pre-shared key.
pub(super) fn psk(without: &Answer, with: &Answer) -> String {
    let without = reaction(without);
    let with = reaction(with);
    sentence(
        &format!(
            "The relay wants a pre-shared key of TLS 1.3, and posthaste has none to offer: without \
             one it {without}, with an invented one it {with}"
        ),
        ".",
    )
}

/// The relay speaks TLS 1.3 and takes nothing of it.
pub(super) fn no_way_in(case: &Case, refusal: &Answer) -> String {
    let reaction = reaction(refusal);
    let tries = case.tried.len();
    sentence(
        &format!(
            "The relay speaks TLS 1.3 and refuses every cipher suite, group and signature scheme \
             of it: it {reaction} to {tries} offers, as one does that has no certificate"
        ),
        ".",
    )
}

/// The relay goes along without SNI.
pub(super) fn nameless(case: &Case) -> String {
    let name = case.ours.server_name.as_deref().unwrap_or_default();
    sentence(
        &format!("The relay refuses the name {name} in SNI: without a name the handshake works"),
        ".",
    )
}

/// What failed works now.
pub(super) fn passing(case: &Case) -> String {
    let before = case.symptom.summary.trim_end_matches('.');
    sentence(before, "; the same offer worked when it was tried again.")
}

/// Nothing else fares better.
pub(super) fn unchanged(case: &Case) -> String {
    let before = case.symptom.summary.trim_end_matches('.');
    let tries = case.tried.len();
    let ending = match tries {
        1 => "; another offer fared no better.".to_owned(),
        _ => format!("; {tries} other offers fared no better."),
    };
    sentence(before, &ending)
}

/// The group of a key that is on one of the curves of TLS.
pub(super) fn curve_of_key(name: &str) -> Option<u16> {
    match name {
        "EC P-256" => Some(0x0017),
        "EC P-384" => Some(0x0018),
        "EC P-521" => Some(0x0019),
        _ => None,
    }
}

fn flaw(certificate: Option<Reason>) -> String {
    certificate.map_or_else(String::new, |reason| {
        let name: &str = reason.into();
        format!("; its certificate then fails with {name}")
    })
}

fn reaction(answer: &Answer) -> String {
    let word = match answer {
        Answer::Silence => "does not answer",
        Answer::Closed => "closes the connection",
        Answer::Reset => "resets the connection",
        _ => "refuses",
    };
    match answer.alert() {
        Some(code) => format!("sends the alert {} ({code})", alert::name(code)),
        None => word.to_owned(),
    }
}

const EPHEMERAL: &str = "ECDHE with ";

/// The kind of a suite, in the words that administrators use.
fn kind(suite: &str) -> String {
    let exchange = match suite
        .strip_prefix("TLS_")
        .and_then(|it| it.split_once("_WITH_"))
    {
        Some(("RSA", _)) => "RSA key exchange",
        Some(("ECDHE_ECDSA" | "ECDHE_RSA", _)) => "ECDHE",
        Some(("DHE_RSA" | "DHE_DSS", _)) => "DHE",
        Some((exchange, _)) if exchange.contains("anon") => "anonymous key exchange",
        Some((exchange, _)) if exchange.starts_with("ECDH") => "ECDH without ephemeral keys",
        _ => "",
    };
    let cipher = cipher_kind(suite);
    match exchange {
        "" => cipher.to_owned(),
        "ECDHE" => format!("{EPHEMERAL}{cipher}"),
        _ => exchange.to_owned(),
    }
}

fn cipher_kind(suite: &str) -> &'static str {
    let kinds = [
        ("CHACHA20", "ChaCha20"),
        ("ARIA", "ARIA"),
        ("CAMELLIA", "Camellia"),
        ("GCM", "AES-GCM"),
        ("CCM", "AES-CCM"),
        ("CBC", "CBC"),
        ("RC4", "RC4"),
        ("NULL", "no encryption"),
    ];
    let kind = kinds.into_iter().find(|(part, _)| suite.contains(part));
    kind.map_or("another cipher", |(_, kind)| kind)
}

/// The kinds of suites, each once: "ECDHE with AES-GCM or ChaCha20".
fn kinds(suites: &[u16]) -> String {
    let mut kinds = Vec::new();
    for suite in suites {
        let kind = kind(&wide::suite_name(*suite));
        let ephemeral = kind.strip_prefix(EPHEMERAL);
        let kind = match (ephemeral, kinds.is_empty()) {
            (Some(cipher), false) => cipher.to_owned(),
            _ => kind,
        };
        if !kinds.iter().any(|it: &String| it.ends_with(&kind)) {
            kinds.push(kind);
        }
    }
    kinds.join(" or ")
}

/// "a, b and c".
fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
