//! What is wrong with a request.

use std::str::FromStr;

use super::Path;
use crate::{
    api::{pb, render::clip},
    mail::{Broken, Rule},
};

/// The rules that a request breaks: the first of them, and how many in all.
#[derive(Debug, Default)]
pub(in crate::api) struct Violations {
    pub(in crate::api) first: Vec<pb::FieldViolation>,
    pub(in crate::api) omitted: u32,
}

impl Violations {
    /// How many are told.
    pub(in crate::api) const MAX: usize = 20;

    /// A path or a description may quote the request: no more of it than this.
    const MAX_TEXT_BYTES: usize = 160;

    /// A single one.
    pub(in crate::api) fn one(path: Path<'_>, broken: &Broken) -> Self {
        let mut violations = Self::default();
        violations.add(path, broken);
        violations
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(super) fn add(&mut self, path: Path<'_>, broken: &Broken) {
        if self.first.len() == Self::MAX {
            self.omitted = self.omitted.saturating_add(1);
            return;
        }
        self.first.push(pb::FieldViolation {
            field: clip(&path.to_string(), Self::MAX_TEXT_BYTES),
            description: clip(&broken.description, Self::MAX_TEXT_BYTES),
            reason: broken.rule.name().to_owned(),
        });
    }

    /// Notes that `path` breaks `rule`.
    pub(super) fn breach(&mut self, path: Path<'_>, rule: Rule, description: impl Into<String>) {
        self.add(path, &Broken::new(rule, description));
    }

    /// The value, or a note of the rule that it breaks.
    pub(super) fn keep<T>(&mut self, path: Path<'_>, value: Result<T, Broken>) -> Option<T> {
        value.map_err(|broken| self.add(path, &broken)).ok()
    }

    /// Parses a field.
    pub(super) fn parse<T: FromStr<Err = Broken>>(
        &mut self,
        path: Path<'_>,
        text: &str,
    ) -> Option<T> {
        self.keep(path, text.parse())
    }

    /// Parses a field that says nothing when it is empty.
    pub(super) fn parse_optional<T: FromStr<Err = Broken>>(
        &mut self,
        path: Path<'_>,
        text: &str,
    ) -> Option<T> {
        (!text.is_empty()).then(|| self.parse(path, text))?
    }

    /// The field, or a note that it must be set.
    pub(super) fn require<T>(&mut self, path: Path<'_>, field: Option<T>) -> Option<T> {
        if field.is_none() {
            self.breach(path, Rule::Required, "must be set");
        }
        field
    }

    /// Notes it when `len` is more than `max` bytes.
    pub(super) fn at_most_bytes(&mut self, path: Path<'_>, len: usize, max: usize) {
        if len > max {
            self.breach(
                path,
                Rule::Length,
                format!("must not be longer than {max} bytes"),
            );
        }
    }
}
