//! A key as the code that reads it describes it: reading a key and describing
//! it are one act, so that neither can be forgotten.

use serde_json::Value as Json;

use super::{
    kind::Kind,
    record::{Entry, Record, Unset},
    section::Section,
    shape::Plain,
};

/// A key, to be read by [`Section::read`] or [`Section::read_list`].
pub(super) struct Key<'k, T> {
    /// Its name in its section.
    pub(super) name: &'static str,
    /// What it sets, in one or two sentences of Markdown.
    pub(super) about: &'static str,
    /// How its value is understood; of a list, each item.
    pub(super) kind: Kind<'k, T>,
    /// A value, as on the command line.
    pub(super) example: &'static str,
}

/// What the layers say of a key. Nothing is known of it until one of the
/// methods has said what holds where nobody sets it.
#[must_use]
pub(super) struct Setting<'s, 'a, T> {
    pub(super) section: &'s Section<'a>,
    pub(super) name: &'static str,
    /// `None` when it is not set or is wrong; what is wrong has been told.
    pub(super) value: Option<T>,
    pub(super) record: Record,
}

impl<T> Setting<'_, '_, T> {
    /// The value, or `default`.
    pub(super) fn or(self, default: T) -> T
    where
        T: Plain,
    {
        let written = self.record.shape.of_default(&default);
        self.learn(Unset::Value(written)).unwrap_or(default)
    }

    /// The value, or `default`, which is not the same everywhere; the handbook
    /// has `words` for it.
    pub(super) fn or_found(self, default: T, words: &'static str) -> T
    where
        T: Plain,
    {
        let found = Some(self.record.shape.of_default(&default));
        self.learn(Unset::Words { words, found }).unwrap_or(default)
    }

    /// The value, or none. `words` say what that comes to.
    pub(super) fn or_none(self, words: &'static str) -> Option<T> {
        self.learn(Unset::Words { words, found: None })
    }

    /// The value, or none, which comes to `stands_for`.
    pub(super) fn or_none_for(self, stands_for: &impl Plain) -> Option<T> {
        let written = self.record.shape.of_default(stands_for);
        self.learn(Unset::Value(written))
    }

    /// The value, or none, which here comes to `found` and in the handbook to
    /// `words`.
    pub(super) fn or_none_as(self, found: Option<&impl Plain>, words: &'static str) -> Option<T> {
        let found = found.map(|found| self.record.shape.of_default(found));
        self.learn(Unset::Words { words, found })
    }

    /// The value. Where nobody sets it, that is told, with a `hint`.
    pub(super) fn required(self, hint: &str) -> Option<T> {
        if !self.section.has(self.name) {
            let message = format!("needs `{}`{hint}", self.name);
            self.section.wrong_here(message);
        }
        self.learn(Unset::Required)
    }

    fn learn(mut self, unset: Unset<Json>) -> Option<T> {
        self.record.unset = unset;
        self.section.learn(self.name, Entry::Setting(self.record));
        self.value
    }
}
