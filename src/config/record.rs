//! What was asked for while a configuration was read: every known key, what it
//! means, what it holds and where that comes from. The handbook, the schema,
//! the effective configuration and the suggestions are all made from it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    problem::Origin,
    shape::Shape,
    value::{Node, Value},
};

/// Everything that was asked for, by its path.
#[derive(Clone, Debug, Default)]
pub(super) struct Records(BTreeMap<String, Known>);

/// One thing that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// How many were asked for before it.
    order: usize,
    pub(super) entry: Entry,
}

/// What a known path leads to.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Section(About),
    Setting(Record),
}

/// A section.
#[derive(Clone, Debug)]
pub(super) struct About {
    /// Sentences of Markdown.
    pub(super) text: &'static str,
    pub(super) holds: Holds,
    /// What must hold between its keys.
    pub(super) rules: Vec<Rule>,
}

/// What is in a section.
#[derive(Clone, Debug)]
pub(super) enum Holds {
    /// Keys of the program's choice.
    Keys,
    /// Sections of this kind, under names of the operator's choice that this
    /// regular expression fits.
    Named(&'static str),
    /// A list of sections; where it is set.
    Items(Option<Origin>),
}

/// What must hold between the keys of one section.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// The first needs the second.
    Needs(&'static str, &'static str),
    /// Both are too many.
    NotBoth(&'static str, &'static str),
    /// Any of the former needs any of the latter.
    NeedsAny([&'static str; 2], [&'static str; 2]),
}

/// A setting: its description, and its value.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) about: &'static str,
    pub(super) shape: Shape,
    pub(super) example: &'static str,
    pub(super) unset: Unset<Json>,
    /// What it is set to, as a file would say it, and where. The value is
    /// missing when it may not be shown.
    pub(super) set: Option<(Option<Json>, Origin)>,
    /// The setting whose value holds where this one has none.
    pub(super) below: Option<String>,
}

/// What holds where nobody sets a key.
#[derive(Clone, Debug)]
pub(super) enum Unset<T> {
    Required,
    Value(T),
    /// What is not the same everywhere, or is no value: in words, and as it
    /// was found.
    Words {
        words: &'static str,
        found: Option<T>,
    },
}

impl Records {
    /// The latter of two entries for one path counts.
    pub(super) fn insert(&mut self, path: String, entry: Entry) {
        let order = self.0.get(&path).map_or(self.0.len(), |known| known.order);
        self.0.insert(path, Known { order, entry });
    }

    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path).map(|known| &known.entry)
    }

    pub(super) fn setting(&self, path: &str) -> Option<&Record> {
        match self.get(path) {
            Some(Entry::Setting(record)) => Some(record),
            _ => None,
        }
    }

    pub(super) fn section_mut(&mut self, path: &str) -> Option<&mut About> {
        match self.0.get_mut(path) {
            Some(Known {
                entry: Entry::Section(about),
                ..
            }) => Some(about),
            _ => None,
        }
    }

    /// Every path, in the order of the alphabet.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Every path with what it leads to, in the order in which they were asked
    /// for: a section before what is in it.
    pub(super) fn in_order(&self) -> Vec<(&str, &Entry)> {
        let mut known: Vec<_> = self.0.iter().collect();
        known.sort_by_key(|(_, known)| known.order);
        known
            .into_iter()
            .map(|(path, known)| (path.as_str(), &known.entry))
            .collect()
    }

    /// What is in the section at `path` itself, by name.
    pub(super) fn children<'r>(&'r self, path: &str) -> Vec<(&'r str, &'r Entry)> {
        let children = self.in_order().into_iter();
        children
            .filter(|(child, _)| parent(child) == Some(path))
            .map(|(child, entry)| (name(child), entry))
            .collect()
    }

    /// The settings of the section at `path` itself, by name.
    pub(super) fn settings<'r>(&'r self, path: &str) -> Vec<(&'r str, &'r Record)> {
        let children = self.children(path).into_iter();
        children
            .filter_map(|(name, entry)| match entry {
                Entry::Setting(record) => Some((name, record)),
                Entry::Section(_) => None,
            })
            .collect()
    }
}

impl Record {
    /// The example, as a file would say it.
    pub(super) fn example(&self) -> Json {
        self.shape.written(&Node {
            value: Value::Text(self.example.to_owned()),
            origin: Origin::Flag(String::new()),
        })
    }
}

/// The path of `key` in the section at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() || key.starts_with('[') {
        format!("{path}{key}")
    } else {
        format!("{path}.{key}")
    }
}

/// The path of the section that `path` is in; `None` for the top.
pub(super) fn parent(path: &str) -> Option<&str> {
    let is_item = path.ends_with(']');
    match path.rfind(if is_item { '[' } else { '.' }) {
        Some(at) => Some(&path[..at]),
        None if path.is_empty() => None,
        None => Some(""),
    }
}

/// What follows the path of the section that `path` is in.
pub(super) fn name(path: &str) -> &str {
    let parent = parent(path).unwrap_or_default();
    path[parent.len()..].trim_start_matches('.')
}
