//! A configuration as it is written, each value with its origin, before any
//! key has a meaning.

use std::collections::BTreeMap;

use super::problem::Origin;

/// The values of one table, by key.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where it comes from. No `Debug`: it may hold anything.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// A value.
#[derive(Clone)]
pub(super) enum Value {
    Boolean(bool),
    Integer(i64),
    List(Vec<Node>),
    /// Of a kind that no setting takes: a float, a date, null.
    Other(&'static str),
    Table(Table),
    Text(String),
}

impl Node {
    /// What it is, to be quoted in a message.
    pub(super) fn describe(&self) -> String {
        const SHOWN: usize = 60;
        match &self.value {
            Value::Boolean(value) => format!("`{value}`"),
            Value::Integer(value) => format!("`{value}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Other(kind) => (*kind).to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Text(text) if text.chars().count() > SHOWN => {
                let start: String = text.chars().take(SHOWN).collect();
                format!("\"{}...\"", start.escape_debug())
            }
            Value::Text(text) => format!("\"{}\"", text.escape_debug()),
        }
    }

    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

/// Which line an octet of a text is in.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// Counted from 1.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}
