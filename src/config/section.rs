//! Reads keys out of the layers. Whatever is asked for is a known key; when
//! all is read, every other key in any layer is a mistake.

use std::{cell::RefCell, collections::BTreeSet};

use super::{
    key::{Key, Setting},
    nearest,
    problem::{ConfigError, Findings, Origin},
    record::{About, Entry, Holds, Record, Records, Rule, Unset, join},
    shape::{Disclosure, Shape, items},
    value::{Node, Table, Value},
};

/// What was asked for and what was found wrong, while a configuration is read.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) findings: Findings,
    records: RefCell<Records>,
    /// Whether to ask for one of everything whose name or number the operator
    /// chooses: nothing is configured, but every key is to be known.
    is_specimen: bool,
}

impl Reading {
    /// A reading of nothing that asks for every key.
    pub(super) fn specimen() -> Self {
        Self {
            is_specimen: true,
            ..Self::default()
        }
    }

    /// The top of the layers.
    pub(super) fn root<'a>(&'a self, layers: &'a [Node]) -> Section<'a> {
        Section {
            path: String::new(),
            tables: layers.iter().collect(),
            below: None,
            reading: self,
        }
    }

    /// Tells every key in `layers` that nobody asked for; then the warnings
    /// and what was asked for, when all is well.
    pub(super) fn finish(self, layers: &[Node]) -> Result<(Vec<String>, Records), ConfigError> {
        let records = self.records.into_inner();
        for layer in layers {
            unknown_keys("", layer, &records, &self.findings);
        }
        Ok((self.findings.into_warnings()?, records))
    }

    /// Everything that was asked for.
    pub(super) fn into_records(self) -> Records {
        self.records.into_inner()
    }
}

fn unknown_keys(path: &str, node: &Node, records: &Records, findings: &Findings) {
    let entries: Vec<(String, &Node)> = match &node.value {
        Value::Table(table) => table
            .iter()
            .map(|(key, node)| (join(path, key), node))
            .collect(),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                if records.get(&path).is_some() {
                    unknown_keys(&path, item, records, findings);
                }
            }
            return;
        }
        _ => return,
    };
    for (path, node) in entries {
        match records.get(&path) {
            Some(Entry::Section(_)) => unknown_keys(&path, node, records, findings),
            Some(Entry::Setting(_)) => {}
            None => nearest::report(&path, node, records, findings),
        }
    }
}

/// One section, as all layers have it.
pub(super) struct Section<'a> {
    path: String,
    /// The nodes that make it up, each a table, the weakest first.
    tables: Vec<&'a Node>,
    /// The section whose values hold where this one has none.
    below: Option<String>,
    reading: &'a Reading,
}

impl<'a> Section<'a> {
    /// The section below `key`, empty where no layer has it. `about` says in
    /// sentences of Markdown what it is for.
    pub(super) fn section(&self, key: &str, about: &'static str) -> Section<'a> {
        self.part(key, about, Holds::Keys)
    }

    /// The sections below `key`, whose names the operator chooses: what the
    /// regular expression `pattern` fits.
    pub(super) fn named(
        &self,
        key: &str,
        about: &'static str,
        pattern: &'static str,
    ) -> Vec<(String, Section<'a>)> {
        let all = self.part(key, about, Holds::Named(pattern));
        let mut names: BTreeSet<_> = all.layers().flat_map(Table::keys).cloned().collect();
        if self.reading.is_specimen {
            names.insert("NAME".to_owned());
        }
        names
            .into_iter()
            .map(|name| {
                let section = all.section(&name, about);
                (name, section)
            })
            .collect()
    }

    /// The tables in the list `key`.
    pub(super) fn list(&self, key: &str, about: &'static str) -> Vec<Section<'a>> {
        let origin = self.origin(key).cloned();
        let path = self.learn(key, section(about, Holds::Items(origin)));
        let item = |name: String, node: Option<&'a Node>| Section {
            path: self.learn(&name, section(about, Holds::Keys)),
            tables: node.into_iter().collect(),
            below: None,
            reading: self.reading,
        };
        if self.reading.is_specimen {
            return vec![item(format!("{key}[]"), None)];
        }
        let Some(node) = self.winner(key) else {
            return Vec::new();
        };
        let Value::List(nodes) = &node.value else {
            let message = "must be a list of tables";
            self.findings().problem(&node.origin, Some(&path), message);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let section = item(format!("{key}[{index}]"), Some(node));
            if node.as_table().is_some() {
                sections.push(section);
            } else {
                self.findings()
                    .problem(&node.origin, Some(&section.path), "must be a table");
            }
        }
        sections
    }

    /// What `key` is set to.
    pub(super) fn read<T>(&self, key: Key<'_, T>) -> Setting<'_, 'a, T> {
        let value = self.winner(key.name).and_then(|node| {
            let path = join(&self.path, key.name);
            self.parse(&path, node, |node| key.kind.parse(node))
        });
        self.setting(key.name, key.about, key.kind.shape, key.example, value)
    }

    /// What the list `key` is set to.
    pub(super) fn read_list<T>(&self, key: Key<'_, T>) -> Setting<'_, 'a, Vec<T>> {
        let value = self.winner(key.name).and_then(|node| {
            let path = join(&self.path, key.name);
            let Some(items) = items(node) else {
                let message = format!("must be a list, not {}", node.describe());
                self.findings().problem(&node.origin, Some(&path), message);
                return None;
            };
            let parsed: Vec<_> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    self.parse(&format!("{path}[{index}]"), item, |node| {
                        key.kind.parse(node)
                    })
                })
                .collect();
            parsed.into_iter().collect()
        });
        let shape = Shape::list_of(key.kind.shape);
        self.setting(key.name, key.about, shape, key.example, value)
    }

    fn setting<T>(
        &self,
        name: &'static str,
        about: &'static str,
        shape: Shape,
        example: &'static str,
        value: Option<T>,
    ) -> Setting<'_, 'a, T> {
        let set = self.winner(name).map(|node| {
            let is_shown = shape.disclosure != Disclosure::Hidden;
            let written = is_shown.then(|| shape.written(node));
            (written, node.origin.clone())
        });
        let below = self.below.as_ref().map(|below| join(below, name));
        Setting {
            section: self,
            name,
            value,
            record: Record {
                about,
                shape,
                example,
                unset: Unset::Required,
                set,
                below,
            },
        }
    }

    /// The same section, over the one at `below`, whose keys hold where this
    /// one does not set them.
    pub(super) fn over(mut self, below: &Section<'_>) -> Self {
        self.below = Some(below.path.clone());
        self
    }

    /// Tells when both `this` and `that` are set.
    pub(super) fn not_both(&self, this: &'static str, that: &'static str) {
        self.rule(Rule::NotBoth(this, that));
        if self.has(this) && self.has(that) {
            self.wrong(that, format!("excludes `{}`", self.path(this)));
        }
    }

    /// Tells when `this` is set without `that`.
    pub(super) fn needs(&self, this: &'static str, that: &'static str) {
        self.rule(Rule::Needs(this, that));
        if self.has(this) && !self.has(that) {
            self.wrong(this, format!("needs `{that}` beside it"));
        }
    }

    /// Tells when any of `keys` is set without any that is `needed`.
    pub(super) fn needs_any(&self, keys: [&'static str; 2], needed: [&'static str; 2]) {
        self.rule(Rule::NeedsAny(keys, needed));
        let any = |keys: [&str; 2]| keys.into_iter().any(|key| self.has(key));
        if any(keys) && !any(needed) {
            let [this, that] = needed;
            self.wrong_here(format!("needs `{this}` or `{that}`"));
        }
    }

    fn rule(&self, rule: Rule) {
        let mut records = self.reading.records.borrow_mut();
        if let Some(about) = records.section_mut(&self.path) {
            about.rules.push(rule);
        }
    }

    /// Whether any layer sets `key`, rightly or wrongly.
    pub(super) fn has(&self, key: &str) -> bool {
        self.winner(key).is_some()
    }

    /// Tells what is wrong with `key` in the light of others.
    pub(super) fn wrong(&self, key: &str, message: impl Into<String>) {
        let node = self.winner(key).or_else(|| self.tables.last().copied());
        if let Some(node) = node {
            let path = join(&self.path, key);
            self.findings().problem(&node.origin, Some(&path), message);
        }
    }

    /// Tells what is wrong with the section as a whole.
    pub(super) fn wrong_here(&self, message: impl Into<String>) {
        if let Some(node) = self.tables.last() {
            self.findings()
                .problem(&node.origin, Some(&self.path), message);
        }
    }

    /// Tells something that is allowed but seldom meant.
    pub(super) fn warn(&self, warning: String) {
        self.findings().warn(warning);
    }

    /// The dotted key of `key` here.
    pub(super) fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Where `key` is set.
    pub(super) fn origin(&self, key: &str) -> Option<&'a Origin> {
        self.winner(key).map(|node| &node.origin)
    }

    fn findings(&self) -> &'a Findings {
        &self.reading.findings
    }

    /// Makes `key` known; returns its path.
    pub(super) fn learn(&self, key: &str, entry: Entry) -> String {
        let path = join(&self.path, key);
        let mut records = self.reading.records.borrow_mut();
        records.insert(path.clone(), entry);
        path
    }

    fn part(&self, key: &str, about: &'static str, holds: Holds) -> Section<'a> {
        let path = self.learn(key, section(about, holds));
        let mut tables = Vec::new();
        for node in self.nodes(key) {
            if node.as_table().is_some() {
                tables.push(node);
            } else {
                // Not quoted: this may be anything, even a password.
                self.findings()
                    .problem(&node.origin, Some(&path), "must be a table");
            }
        }
        Section {
            path,
            tables,
            below: None,
            reading: self.reading,
        }
    }

    fn layers(&self) -> impl Iterator<Item = &'a Table> {
        self.tables.iter().filter_map(|node| node.as_table())
    }

    fn nodes(&self, key: &str) -> impl Iterator<Item = &'a Node> {
        self.layers().filter_map(move |table| table.get(key))
    }

    /// The strongest value of `key`.
    fn winner(&self, key: &str) -> Option<&'a Node> {
        self.nodes(key).last()
    }

    fn parse<T>(
        &self,
        path: &str,
        node: &Node,
        parse: impl Fn(&Node) -> Result<T, String>,
    ) -> Option<T> {
        match parse(node) {
            Ok(value) => Some(value),
            Err(message) => {
                self.findings().problem(&node.origin, Some(path), message);
                None
            }
        }
    }
}

fn section(text: &'static str, holds: Holds) -> Entry {
    Entry::Section(About {
        text,
        holds,
        rules: Vec::new(),
    })
}
