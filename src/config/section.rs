//! Reads keys out of the layers. Whatever is asked for is a known key; when
//! all is read, every other key in any layer is a mistake.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    nearest,
    problem::{ConfigError, Findings, Origin},
    value::{Node, Table, Value},
};

/// What a known key holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Further keys.
    Section,
    /// A value.
    Setting,
}

/// What was asked for and what was found wrong, while a configuration is read.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) findings: Findings,
    known: RefCell<BTreeMap<String, Kind>>,
}

impl Reading {
    /// The top of the layers.
    pub(super) fn root<'a>(&'a self, layers: &'a [Node]) -> Section<'a> {
        Section {
            path: String::new(),
            tables: layers.iter().collect(),
            reading: self,
        }
    }

    /// Tells every key in `layers` that nobody asked for; then the warnings,
    /// when all is well.
    pub(super) fn finish(self, layers: &[Node]) -> Result<Vec<String>, ConfigError> {
        let known = self.known.into_inner();
        for layer in layers {
            unknown_keys("", layer, &known, &self.findings);
        }
        self.findings.into_warnings()
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> BTreeMap<String, Kind> {
        self.known.borrow().clone()
    }
}

fn unknown_keys(path: &str, node: &Node, known: &BTreeMap<String, Kind>, findings: &Findings) {
    let entries: Vec<(String, &Node)> = match &node.value {
        Value::Table(table) => table
            .iter()
            .map(|(key, node)| (join(path, key), node))
            .collect(),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                if known.contains_key(&path) {
                    unknown_keys(&path, item, known, findings);
                }
            }
            return;
        }
        _ => return,
    };
    for (path, node) in entries {
        match known.get(&path) {
            Some(Kind::Section) => unknown_keys(&path, node, known, findings),
            Some(Kind::Setting) => {}
            None => nearest::report(&path, node, known, findings),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// One section, as all layers have it.
pub(super) struct Section<'a> {
    path: String,
    /// The nodes that make it up, each a table, the weakest first.
    tables: Vec<&'a Node>,
    reading: &'a Reading,
}

impl<'a> Section<'a> {
    /// The section below `key`. Empty where no layer has it.
    pub(super) fn section(&self, key: &str) -> Section<'a> {
        let path = self.learn(key, Kind::Section);
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
            reading: self.reading,
        }
    }

    /// The sections below `key`, whose names the operator chooses.
    pub(super) fn named(&self, key: &str) -> Vec<(String, Section<'a>)> {
        let all = self.section(key);
        let names: BTreeSet<_> = all.layers().flat_map(Table::keys).collect();
        names
            .into_iter()
            .map(|name| (name.clone(), all.section(name)))
            .collect()
    }

    /// The tables in the list `key`.
    pub(super) fn list(&self, key: &str) -> Vec<Section<'a>> {
        let path = self.learn(key, Kind::Section);
        let Some(node) = self.winner(key) else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            let message = "must be a list of tables";
            self.findings().problem(&node.origin, Some(&path), message);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = self.learn(&format!("{key}[{index}]"), Kind::Section);
            if item.as_table().is_some() {
                sections.push(Section {
                    path,
                    tables: vec![item],
                    reading: self.reading,
                });
            } else {
                self.findings()
                    .problem(&item.origin, Some(&path), "must be a table");
            }
        }
        sections
    }

    /// The value of `key`, as `parse` understands it. `None` when it is not
    /// set or is wrong; what is wrong is then told.
    pub(super) fn read<T>(
        &self,
        key: &str,
        parse: impl Fn(&Node) -> Result<T, String>,
    ) -> Option<T> {
        let path = self.learn(key, Kind::Setting);
        let node = self.winner(key)?;
        self.parse(&path, node, parse)
    }

    /// The values in the list `key`. In the environment and on the command
    /// line a comma may separate them.
    pub(super) fn read_list<T>(
        &self,
        key: &str,
        parse: impl Fn(&Node) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let path = self.learn(key, Kind::Setting);
        let node = self.winner(key)?;
        let split;
        let items = match &node.value {
            Value::List(items) => items,
            Value::Text(text) if node.origin.is_untyped() => {
                split = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Node {
                        value: Value::Text(item.to_owned()),
                        origin: node.origin.clone(),
                    })
                    .collect();
                &split
            }
            _ => {
                let message = format!("must be a list, not {}", node.describe());
                self.findings().problem(&node.origin, Some(&path), message);
                return None;
            }
        };
        let parsed: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.parse(&format!("{path}[{index}]"), item, &parse))
            .collect();
        parsed.into_iter().collect()
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

    fn learn(&self, key: &str, kind: Kind) -> String {
        let path = join(&self.path, key);
        self.reading.known.borrow_mut().insert(path.clone(), kind);
        path
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
