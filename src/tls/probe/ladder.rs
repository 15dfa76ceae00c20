//! From all that a relay may take down to what we offer, part by part: the rung
//! that it does not take is the cause. What it chooses on the rungs above is
//! only what it prefers.

use super::{
    Experiment, Verdict,
    answer::Answer,
    experiment::Width,
    flight::Flight,
    inquiry::Case,
    plan::{Thought, ambiguous, probed, told, trying},
    say,
};
use crate::report::{Reason, TlsVersion};

/// The rungs of one version.
pub(super) struct Ladder<'a> {
    pub(super) case: &'a Case,
    /// The hello of a rung.
    pub(super) rung: fn(Width) -> Experiment,
    /// Ours of that version, as are the groups.
    pub(super) suites: &'a [u16],
    pub(super) groups: &'a [u16],
}

impl<'a> Ladder<'a> {
    /// What the relay answered above the last rung.
    pub(super) fn climb(&self, top: &'a Flight) -> Result<&'a Flight, Thought> {
        let mut flight = top;
        let suite = flight.chosen.map(|it| it.suite);
        if suite.is_some_and(|it| !self.suites.contains(&it)) {
            let verdict = probed(
                Reason::NoCommonCipher,
                say::cipher(self.case, flight, self.suites),
            );
            let others = vec![Reason::NoCommonGroup, Reason::NoCommonSignature];
            flight = self.step(Width::OurSuites, verdict, others)?;
        }
        // TLS 1.2 knows the curve of the relay's key by the groups, too (RFC
        // 8422 section 5.1.1).
        let curve = flight.key.as_deref().and_then(say::curve_of_key);
        let mut groups = flight.group().into_iter().chain(curve);
        if groups.any(|it| !self.groups.contains(&it)) {
            let verdict = probed(Reason::NoCommonGroup, say::group(self.case, flight));
            let others = vec![Reason::NoCommonSignature];
            flight = self.step(Width::OurSuitesAndGroups, verdict, others)?;
        }
        Ok(flight)
    }

    /// The relay's signature, if it is that. `None` when our offer, written by
    /// hand, is to its liking.
    pub(super) fn last_rung(&self, flight: &Flight) -> Option<Thought> {
        let verdict = probed(Reason::NoCommonSignature, say::signature(self.case, flight));
        let others = vec![self.case.symptom.reason];
        match self.step(Width::Ours, verdict.clone(), others) {
            Ok(_) => None,
            Err(Thought { next: None, .. }) if is_encrypted(flight) => {
                Some(self.kind_of_key(verdict))
            }
            Err(thought) => Some(thought),
        }
    }

    /// Of a relay whose certificate is encrypted: only trying tells.
    fn kind_of_key(&self, verdict: Verdict) -> Thought {
        for kind in [Experiment::Ed448, Experiment::RsaPss] {
            match self.case.answer(kind) {
                None => return trying(kind, Some(verdict)),
                Some(Answer::Flight(_)) => break,
                Some(_) => {}
            }
        }
        told(verdict)
    }

    fn step(
        &self,
        width: Width,
        verdict: Verdict,
        others: Vec<Reason>,
    ) -> Result<&'a Flight, Thought> {
        let experiment = (self.rung)(width);
        match self.case.answer(experiment) {
            None => Err(trying(experiment, Some(ambiguous(verdict, others)))),
            Some(Answer::Flight(flight)) => Ok(flight),
            Some(refusal) if self.case.is_refusal(refusal) => Err(told(verdict)),
            Some(_) => Err(told(ambiguous(verdict, others))),
        }
    }
}

fn is_encrypted(flight: &Flight) -> bool {
    flight
        .chosen
        .is_some_and(|it| it.version == TlsVersion::Tls13)
}
