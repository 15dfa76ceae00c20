//! What to try next, and what is known if nothing more can be tried. Pure: it
//! thinks over all that was tried, each time anew.
//!
//! Every path narrows what the relay took down to what it refused, so that a
//! verdict rests on a pair of handshakes that differ in the one thing it names.

use super::{
    Experiment, Verdict, answer::Answer, experiment::Width, flight::Flight, inquiry::Case,
    ladder::Ladder, say, wide,
};
use crate::report::{Confidence, Reason, TlsVersion};

/// Where an inquiry stands.
#[derive(Debug)]
pub(super) struct Thought {
    /// What would tell more.
    pub(super) next: Option<Experiment>,
    /// What is known as it is.
    pub(super) verdict: Option<Verdict>,
}

const PROTOCOL_VERSION: u8 = 70;

/// Where the inquiry stands.
pub(super) fn think(case: &Case) -> Thought {
    let first = first(case);
    match case.answer(first) {
        None => return unknown(case, first),
        Some(Answer::Worked { .. }) if first == Experiment::SAME => return told(passing(case)),
        Some(Answer::Worked { certificate, .. }) => {
            return takes_tls12(case, certificate.as_ref().map(|it| it.reason));
        }
        Some(Answer::Told(error)) if says_why(error.reason) => {
            return told(probed(error.reason, error.summary.clone()));
        }
        // It refuses the version, and our whole offer for something else.
        Some(Answer::Alert(PROTOCOL_VERSION)) if case.symptom.alert != Some(PROTOCOL_VERSION) => {
            return tls13(case);
        }
        Some(_) => {}
    }
    match case.answer(Experiment::UpTo12(Width::Wide)) {
        None => unknown(case, Experiment::UpTo12(Width::Wide)),
        Some(Answer::Flight(flight)) => took_up_to_12(case, flight),
        // One more silence tells no more.
        Some(Answer::Silence) if case.symptom.is_silence => nameless(case),
        Some(_) => tls13(case),
    }
}

/// What may work at once. Where TLS 1.2 is all that is offered, what failed
/// once may work now.
fn first(case: &Case) -> Experiment {
    if case.ours.offers(TlsVersion::Tls13) {
        Experiment::TLS12
    } else {
        Experiment::SAME
    }
}

/// The relay goes along with our offer as TLS 1.2.
fn takes_tls12(case: &Case, certificate: Option<Reason>) -> Thought {
    let ours = &case.ours;
    if !ours.offers(TlsVersion::Tls12) {
        return match case.answer(Experiment::Only13(Width::Wide)) {
            None => unknown(case, Experiment::Only13(Width::Wide)),
            Some(Answer::Flight(flight)) => took_tls13(case, flight),
            Some(_) => told(probed(
                Reason::NoCommonVersion,
                say::newest(case, TlsVersion::Tls12, None),
            )),
        };
    }
    let whole = if ours.is_post_quantum() {
        Experiment::SMALL
    } else {
        Experiment::SAME
    };
    match case.answer(whole) {
        None => unknown(case, whole),
        Some(Answer::Worked { .. }) if whole == Experiment::SMALL => too_large(case),
        Some(Answer::Worked { .. }) => told(passing(case)),
        Some(refusal) => {
            let intolerant = probed(
                Reason::VersionIntolerant,
                say::intolerant(refusal, certificate),
            );
            if !case.is_refusal(refusal) {
                return told(ambiguous(intolerant, vec![case.symptom.reason]));
            }
            if refusal.alert().is_none() {
                return told(intolerant);
            }
            // It may bear TLS 1.3, and have nothing in common with us there.
            match case.answer(Experiment::Only13(Width::Wide)) {
                None => trying(Experiment::Only13(Width::Wide), Some(intolerant)),
                Some(Answer::Flight(flight)) => took_tls13(case, flight),
                Some(_) => told(intolerant),
            }
        }
    }
}

/// The relay goes along with our offer without post-quantum groups.
fn too_large(case: &Case) -> Thought {
    let verdict = probed(Reason::HelloTooLarge, say::too_large(case));
    match case.answer(Experiment::SAME) {
        // What failed once may work now.
        None => trying(
            Experiment::SAME,
            Some(ambiguous(verdict, vec![case.symptom.reason])),
        ),
        Some(Answer::Worked { .. }) => told(passing(case)),
        Some(refusal) if case.is_refusal(refusal) => told(verdict),
        Some(_) => told(ambiguous(verdict, vec![case.symptom.reason])),
    }
}

/// The relay answered a wide hello of TLS 1.2.
fn took_up_to_12(case: &Case, wide: &Flight) -> Thought {
    let Some(chosen) = wide.chosen else {
        return stuck(case);
    };
    if chosen.version < TlsVersion::Tls12 || !case.ours.offers(TlsVersion::Tls12) {
        let summary = say::newest(case, chosen.version, Some(chosen.suite));
        return told(probed(Reason::NoCommonVersion, summary));
    }
    if wide::suite_name(chosen.suite).contains("PSK") {
        return told(probed(Reason::PskRequired, say::psk_suite(chosen)));
    }
    let ladder = Ladder {
        case,
        rung: Experiment::UpTo12,
        suites: &case.ours.suites,
        groups: &case.ours.groups,
    };
    match ladder.climb(wide) {
        Ok(flight) => ladder.last_rung(flight).unwrap_or_else(|| stuck(case)),
        Err(thought) => thought,
    }
}

/// Nothing but TLS 1.3 is left to try.
fn tls13(case: &Case) -> Thought {
    match case.answer(Experiment::Only13(Width::Wide)) {
        None => unknown(case, Experiment::Only13(Width::Wide)),
        Some(Answer::Flight(flight)) => took_tls13(case, flight),
        Some(refusal) if wants_psk(case, refusal) => psk(case, refusal),
        Some(_) => nameless(case),
    }
}

/// The relay answered a wide hello of TLS 1.3.
fn took_tls13(case: &Case, wide: &Flight) -> Thought {
    let Some(chosen) = wide.chosen else {
        return stuck(case);
    };
    if chosen.version < TlsVersion::Tls13 || !case.ours.offers(TlsVersion::Tls13) {
        let summary = say::newest(case, chosen.version, Some(chosen.suite));
        return told(probed(Reason::NoCommonVersion, summary));
    }
    let ladder = Ladder {
        case,
        rung: Experiment::Only13,
        suites: &case.ours.suites_13,
        groups: &case.ours.groups_13,
    };
    let flight = match ladder.climb(wide) {
        Ok(flight) => flight,
        Err(thought) => return thought,
    };
    // A refusal comes from what the hello says, silence from what it weighs.
    if case.symptom.alert.is_some()
        && let Some(thought) = ladder.last_rung(flight)
    {
        return thought;
    }
    match case.answer(Experiment::SMALL) {
        None => unknown(case, Experiment::SMALL),
        Some(Answer::Worked { .. }) => too_large(case),
        Some(refusal) => match (ladder.last_rung(flight), case.answer(Experiment::TLS12)) {
            (Some(thought), _) => thought,
            // Every part of it is to the relay's liking, and the whole is not.
            (None, Some(Answer::Worked { certificate, .. })) if case.is_refusal(refusal) => {
                let certificate = certificate.as_ref().map(|it| it.reason);
                told(probed(
                    Reason::VersionIntolerant,
                    say::intolerant(refusal, certificate),
                ))
            }
            (None, _) => stuck(case),
        },
    }
}

/// The relay knows TLS 1.3, and takes nothing of it.
fn wants_psk(case: &Case, refusal: &Answer) -> bool {
    let refuses_tls12 = case.answer(Experiment::TLS12).and_then(Answer::alert);
    let refuses_tls13 = refusal.alert();
    refuses_tls12 == Some(PROTOCOL_VERSION)
        && refuses_tls13.is_some_and(|it| it != PROTOCOL_VERSION)
}

fn psk(case: &Case, without: &Answer) -> Thought {
    match case.answer(Experiment::Psk) {
        None => unknown(case, Experiment::Psk),
        Some(with) if with.alert().is_some() && with.alert() != without.alert() => {
            told(probed(Reason::PskRequired, say::psk(without, with)))
        }
        Some(_) => {
            let verdict = probed(Reason::HandshakeRefused, say::no_way_in(case, without));
            told(ambiguous(verdict, vec![Reason::PskRequired]))
        }
    }
}

/// The relay takes nothing that is offered to the name.
fn nameless(case: &Case) -> Thought {
    // What a relay says of versions, it says of no name.
    let is_version = case.symptom.alert == Some(PROTOCOL_VERSION);
    if case.ours.server_name.is_some() && !is_version {
        match case.answer(Experiment::NAMELESS) {
            None => return unknown(case, Experiment::NAMELESS),
            Some(Answer::Worked { .. }) => {
                return told(probed(Reason::SniRejected, say::nameless(case)));
            }
            Some(_) => {}
        }
    }
    if case.symptom.is_silence {
        return stuck(case);
    }
    match case.answer(Experiment::Old) {
        None => unknown(case, Experiment::Old),
        Some(Answer::Flight(flight)) => {
            let chosen = flight.chosen.map(|it| (it.version, it.suite));
            let (version, suite) = chosen.unzip();
            let version = version.unwrap_or(TlsVersion::Tls10);
            told(probed(
                Reason::NoCommonVersion,
                say::newest(case, version, suite),
            ))
        }
        Some(_) => stuck(case),
    }
}

/// Whether a failure in the midst of a handshake tells its cause.
fn says_why(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::HandshakeRefused
            | Reason::HandshakeTimeout
            | Reason::HandshakeClosed
            | Reason::HandshakeReset
            | Reason::ConnectionClosed
            | Reason::ConnectionReset
            | Reason::ProtocolViolation
            | Reason::Corrupted
            | Reason::LocalInternal
    )
}

pub(super) fn trying(next: Experiment, verdict: Option<Verdict>) -> Thought {
    Thought {
        next: Some(next),
        verdict,
    }
}

pub(super) fn told(verdict: Verdict) -> Thought {
    Thought {
        next: None,
        verdict: Some(verdict),
    }
}

fn unknown(case: &Case, next: Experiment) -> Thought {
    trying(next, narrowed(case))
}

fn stuck(case: &Case) -> Thought {
    Thought {
        next: None,
        verdict: narrowed(case),
    }
}

pub(super) fn probed(reason: Reason, summary: String) -> Verdict {
    Verdict {
        reason,
        confidence: Confidence::Probed,
        alternatives: Vec::new(),
        summary,
    }
}

pub(super) fn ambiguous(verdict: Verdict, alternatives: Vec<Reason>) -> Verdict {
    Verdict {
        confidence: Confidence::Ambiguous,
        alternatives,
        ..verdict
    }
}

/// What failed works now.
fn passing(case: &Case) -> Verdict {
    Verdict {
        reason: case.symptom.reason,
        confidence: Confidence::Observed,
        alternatives: Vec::new(),
        summary: say::passing(case),
    }
}

/// What was seen first, without the causes that are ruled out.
fn narrowed(case: &Case) -> Option<Verdict> {
    let refuses = |experiment| {
        case.answer(experiment)
            .is_some_and(|it| it.is_mute() || it.alert().is_some())
    };
    let takes = |experiment| case.answer(experiment).and_then(Answer::flight).is_some();
    let refuses_first = refuses(first(case));
    let refuses_wide =
        refuses(Experiment::UpTo12(Width::Wide)) && refuses(Experiment::Only13(Width::Wide));
    let refuses_old = refuses(Experiment::Old);
    let takes_ours =
        takes(Experiment::UpTo12(Width::Ours)) || takes(Experiment::Only13(Width::Ours));
    let is_possible = |reason: &Reason| match reason {
        Reason::VersionIntolerant | Reason::HelloTooLarge => !refuses_first,
        Reason::NoCommonCipher | Reason::NoCommonGroup | Reason::NoCommonSignature => {
            !refuses_wide && !takes_ours
        }
        Reason::PskRequired => !takes_ours,
        Reason::NoCommonVersion => !(takes_ours || refuses_wide && refuses_old),
        _ => true,
    };
    let symptom = &case.symptom;
    let alternatives: Vec<_> = symptom
        .alternatives
        .iter()
        .copied()
        .filter(is_possible)
        .collect();
    if alternatives.len() == symptom.alternatives.len() {
        return None;
    }
    Some(Verdict {
        reason: symptom.reason,
        confidence: if alternatives.is_empty() {
            Confidence::Observed
        } else {
            Confidence::Ambiguous
        },
        alternatives,
        summary: say::unchanged(case),
    })
}
