//! Reads the configuration file, and every file that it names.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use secrecy::zeroize::Zeroizing;
use toml::de::{DeTable, DeValue};

use super::{
    json,
    problem::{Findings, Origin},
    value::{Lines, Node, Value},
};

/// Far more than any configuration needs.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the configuration file at `path`: TOML or JSON, by its extension.
/// `None` when it cannot be read; `findings` then say why.
pub(super) fn configuration(path: &Path, findings: &Findings) -> Option<Node> {
    let origin = |line| Origin::File {
        path: path.to_owned(),
        line,
    };
    let extension = path.extension().and_then(|extension| extension.to_str());
    let parse = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("toml") => toml,
        Some("json") => json,
        _ => {
            let message = "a configuration file must end in .toml or .json";
            findings.problem(&origin(None), None, message);
            return None;
        }
    };
    let text = bytes(path, MAX_BYTES).and_then(|bytes| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
    });
    match text {
        Ok(text) => parse(&text, &origin, findings).map(without_schema),
        Err(error) => {
            findings.problem(&origin(None), None, format!("cannot be read: {error}"));
            None
        }
    }
}

/// Without the member that tells editors where the schema is.
fn without_schema(mut node: Node) -> Node {
    if let Value::Table(table) = &mut node.value {
        table.remove("$schema");
    }
    node
}

/// Reads the file at `path`, which may have up to `limit` bytes.
pub(super) fn bytes(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

type FileOrigin<'a> = dyn Fn(Option<usize>) -> Origin + 'a;

fn toml(text: &str, origin: &FileOrigin<'_>, findings: &Findings) -> Option<Node> {
    let lines = Lines::of(text);
    let at = |offset: usize| origin(Some(lines.at(offset)));
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        // Not the error's `Display`: it quotes the line, which may hold a secret.
        let offset = error.span().map_or(0, |span| span.start);
        findings.problem(&at(offset), None, error.message());
    }
    let table = table.into_inner();
    errors.is_empty().then(|| Node {
        value: toml_table(table, &at),
        origin: origin(None),
    })
}

fn toml_table(table: DeTable<'_>, at: &dyn Fn(usize) -> Origin) -> Value {
    let entries = table.into_iter().map(|(key, value)| {
        let origin = at(key.span().start);
        let value = toml_value(value.into_inner(), at);
        (key.into_inner().into_owned(), Node { value, origin })
    });
    Value::Table(entries.collect())
}

fn toml_value(value: DeValue<'_>, at: &dyn Fn(usize) -> Origin) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or(Value::Other("a number out of range"), Value::Integer),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| Node {
                    origin: at(item.span().start),
                    value: toml_value(item.into_inner(), at),
                })
                .collect(),
        ),
        DeValue::Table(table) => toml_table(table, at),
    }
}

fn json(text: &str, origin: &FileOrigin<'_>, findings: &Findings) -> Option<Node> {
    let lines = Lines::of(text);
    let at = |offset: usize| origin(Some(lines.at(offset)));
    match json::parse(text, &at) {
        Ok(node) if node.as_table().is_some() => Some(node),
        Ok(node) => {
            findings.problem(&node.origin, None, "the configuration must be an object");
            None
        }
        Err(error) => {
            findings.problem(&at(error.offset), None, error.message);
            None
        }
    }
}
