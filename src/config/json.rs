//! JSON as values with their lines. `serde_json` tells no positions, but its
//! raw values borrow from the text, and so say where in it they stand.

use std::{collections::btree_map::Entry, fmt};

use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    problem::Origin,
    value::{Node, Table, Value},
};

/// Deeper than any configuration, and shallow enough for any stack.
const MAX_DEPTH: usize = 16;

/// What is wrong with a JSON text, and at which octet.
pub(super) struct Syntax {
    pub(super) offset: usize,
    pub(super) message: String,
}

/// Reads `text`. `origin` says where the value at an octet comes from.
pub(super) fn parse(text: &str, origin: &dyn Fn(usize) -> Origin) -> Result<Node, Syntax> {
    let raw = serde_json::from_str::<&RawValue>(text).map_err(|error| Syntax {
        offset: offset_of(text, &error),
        message: without_position(&error),
    })?;
    Reader { text, origin }.node(raw, MAX_DEPTH)
}

struct Reader<'a> {
    text: &'a str,
    origin: &'a dyn Fn(usize) -> Origin,
}

impl<'a> Reader<'a> {
    /// Where in the text `raw` stands.
    fn offset(&self, raw: &RawValue) -> usize {
        raw.get().as_ptr().addr() - self.text.as_ptr().addr()
    }

    fn node(&self, raw: &'a RawValue, depth: usize) -> Result<Node, Syntax> {
        let offset = self.offset(raw);
        let value = match raw.get().as_bytes().first() {
            Some(b'{' | b'[') if depth == 0 => {
                return Err(Syntax {
                    offset,
                    message: "nests too deeply".to_owned(),
                });
            }
            Some(b'{') => {
                let Members(members) = read(raw, offset)?;
                let mut table = Table::new();
                for (key, value) in members {
                    let node = self.node(value, depth - 1)?;
                    match table.entry(key) {
                        Entry::Vacant(entry) => entry.insert(node),
                        Entry::Occupied(entry) => {
                            return Err(Syntax {
                                offset: self.offset(value),
                                message: format!("`{}` is given twice", entry.key()),
                            });
                        }
                    };
                }
                Value::Table(table)
            }
            Some(b'[') => Value::List(
                read::<Vec<&RawValue>>(raw, offset)?
                    .into_iter()
                    .map(|item| self.node(item, depth - 1))
                    .collect::<Result<_, _>>()?,
            ),
            Some(b'"') => Value::Text(read(raw, offset)?),
            Some(b't' | b'f') => Value::Boolean(read(raw, offset)?),
            Some(b'n') => Value::Other("null"),
            _ => raw
                .get()
                .parse()
                .map_or(Value::Other("a number out of range"), Value::Integer),
        };
        Ok(Node {
            value,
            origin: (self.origin)(offset),
        })
    }
}

/// Reads one value, which stands at `offset`.
fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, offset: usize) -> Result<T, Syntax> {
    serde_json::from_str(raw.get()).map_err(|error| Syntax {
        offset: offset + offset_of(raw.get(), &error),
        message: without_position(&error),
    })
}

/// Where in `text` an error is: serde_json tells line and column.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    text.split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>()
        + error.column().saturating_sub(1)
}

/// The words of an error that end in " at line 1 column 2".
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

/// The members of an object in their order, repeated keys among them.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}
