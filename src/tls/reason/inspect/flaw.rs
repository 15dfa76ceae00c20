//! One thing that is wrong with a chain, in parts that make a sentence.

use crate::{
    report::{self, Confidence, Reason},
    tls::reason::{Finding, say},
};

/// How many further flaws a sentence tells.
const TOLD: usize = 2;

/// One thing that is wrong with a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::tls::reason) struct Flaw {
    pub(in crate::tls::reason) reason: Reason,
    pub(in crate::tls::reason) confidence: Confidence,
    pub(in crate::tls::reason) alternatives: Vec<Reason>,
    /// What it is about, such as "The certificate of relay.example".
    subject: String,
    /// What is wrong with it, such as "expired on 2026-11-12, 12 days ago".
    predicate: String,
    /// A remark behind both, with the comma or semicolon before it.
    remark: String,
}

impl Flaw {
    /// The certificate itself says so.
    pub(in crate::tls::reason) fn observed(
        reason: Reason,
        subject: impl Into<String>,
        predicate: impl Into<String>,
    ) -> Self {
        Self {
            reason,
            confidence: Confidence::Observed,
            alternatives: Vec::new(),
            subject: subject.into(),
            predicate: predicate.into(),
            remark: String::new(),
        }
    }

    /// It follows from the chain as a whole.
    pub(in crate::tls::reason) fn inferred(
        reason: Reason,
        subject: impl Into<String>,
        predicate: impl Into<String>,
    ) -> Self {
        Self {
            confidence: Confidence::Inferred,
            ..Self::observed(reason, subject, predicate)
        }
    }

    /// It may be one of these instead.
    pub(in crate::tls::reason) fn or(self, alternatives: Vec<Reason>) -> Self {
        Self {
            confidence: Confidence::Ambiguous,
            alternatives,
            ..self
        }
    }

    /// With `remark` at the end of the sentence.
    pub(in crate::tls::reason) fn remarking(self, remark: impl Into<String>) -> Self {
        Self {
            remark: remark.into(),
            ..self
        }
    }

    fn sentence(&self) -> String {
        format!("{} {}{}", self.subject, self.predicate, self.remark)
    }

    /// This one as the finding, with the others beside it. The first of those
    /// are in its sentence too.
    pub(in crate::tls::reason) fn with(self, others: &[Self]) -> Finding {
        let told = others.iter().take(TOLD).enumerate();
        let told = told.map(|(place, other)| {
            if place == 0 && other.subject == self.subject {
                format!(", and {}", other.predicate)
            } else {
                format!("; {} {}", uncapitalized(&other.subject), other.predicate)
            }
        });
        let more = match others.len().saturating_sub(TOLD) {
            0 => String::new(),
            1 => "; one more thing is wrong".to_owned(),
            more => format!("; {more} more things are wrong"),
        };
        let told: String = told.collect();
        let summary = format!(
            "{} {}{told}{more}{}",
            self.subject, self.predicate, self.remark
        );
        Finding {
            reason: self.reason,
            confidence: self.confidence,
            alternatives: self.alternatives,
            summary,
            flaws: others.iter().map(Self::report).collect(),
        }
    }

    fn report(&self) -> report::Flaw {
        report::Flaw {
            reason: self.reason,
            confidence: self.confidence,
            summary: say::sentence(&self.sentence(), "."),
        }
    }
}

fn uncapitalized(subject: &str) -> String {
    let mut characters = subject.chars();
    let first = characters.next().map(|it| it.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}
