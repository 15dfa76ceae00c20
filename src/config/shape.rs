//! What a value looks like from outside: for the handbook, for editors, and
//! for whoever prints it. Must not know how a value is understood: that is
//! [`super::kind`], which makes each shape from the same range or list of names
//! that it checks.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value as Json, json};

use super::{
    LogFormat,
    problem::Origin,
    value::{Node, Value},
};
use crate::{
    relay::{RelayName, TlsOption},
    report::TlsMode,
    smtp::{Mechanisms, Transactions},
    tls::Version,
};

/// Whitespace and units as `humantime` takes them.
const DURATION: &str = r"^\s*([0-9][0-9\s]*(\.[0-9\s]+)?(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|min|mins|m|hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|M|years|year|yrs|yr|y)\s*)+$";
const SIZE: &str = r"^[0-9]+\s*(B|kB|KiB|MB|MiB|GB|GiB)?$";
/// Without control characters, and so on one line.
const LINE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// The looks of a value.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The handbook's word for it: "duration, 1ms to 1h".
    pub(super) words: String,
    pub(super) form: Form,
    pub(super) disclosure: Disclosure,
}

/// How a value is written.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Boolean,
    Choice(Vec<&'static str>),
    Duration,
    Integer(RangeInclusive<usize>),
    /// On one line, with so many characters, and of this regular expression.
    Line(RangeInclusive<usize>, Option<&'static str>),
    List(Box<Shape>),
    /// Of a file, in at most so many bytes.
    Path(usize),
    Size(RangeInclusive<usize>),
}

/// What of a value may be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Disclosure {
    Shown,
    /// Not where it may be a secret, whatever its name.
    Hidden,
    /// The name of a file whose content is a secret.
    SecretFile,
}

impl Shape {
    pub(super) fn new(words: impl Into<String>, form: Form) -> Self {
        Self {
            words: words.into(),
            form,
            disclosure: Disclosure::Shown,
        }
    }

    pub(super) fn list_of(item: Self) -> Self {
        Self::new(
            format!("list of {}", item.words),
            Form::List(Box::new(item)),
        )
    }

    /// The JSON Schema of it.
    pub(super) fn schema(&self) -> Json {
        let integer = |range: &RangeInclusive<usize>| json!({"type": "integer", "minimum": range.start(), "maximum": range.end()});
        match &self.form {
            Form::Boolean => json!({"type": "boolean"}),
            Form::Choice(names) => json!({"enum": names}),
            Form::Duration => json!({"type": "string", "pattern": DURATION}),
            Form::Integer(range) => integer(range),
            Form::Line(length, pattern) => json!({
                "type": "string",
                "minLength": length.start(),
                "maxLength": length.end(),
                "pattern": pattern.unwrap_or(LINE),
            }),
            Form::List(item) => json!({"type": "array", "items": item.schema()}),
            Form::Path(most) => {
                json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": LINE})
            }
            Form::Size(range) => {
                json!({"anyOf": [integer(range), {"type": "string", "pattern": SIZE}]})
            }
        }
    }

    /// What `node` says, as a typed file would say it. The environment and the
    /// command line have texts alone.
    pub(super) fn written(&self, node: &Node) -> Json {
        match (&self.form, &node.value) {
            (Form::Boolean | Form::Integer(_) | Form::Size(_), Value::Text(text)) => text
                .parse()
                .ok()
                .filter(|json: &Json| !json.is_string())
                .unwrap_or_else(|| json!(text)),
            (Form::Path(_), Value::Text(text)) => {
                json!(resolved(text, &node.origin).display().to_string())
            }
            (Form::List(item), _) => items(node)
                .unwrap_or_default()
                .iter()
                .map(|node| item.written(node))
                .collect(),
            (_, Value::Text(text)) => json!(text),
            (_, Value::Integer(integer)) => json!(integer),
            (_, Value::Boolean(boolean)) => json!(boolean),
            // No setting takes these, and so none is ever shown.
            (_, Value::List(_) | Value::Table(_) | Value::Other(_)) => Json::Null,
        }
    }

    /// `default`, as somebody would write it.
    pub(super) fn of_default(&self, default: &impl Plain) -> Json {
        let json = default.plain();
        match (&self.form, json.as_u64()) {
            (Form::Size(_), Some(bytes)) => json!(size_text(bytes)),
            _ => json,
        }
    }
}

/// The items of a list. In the environment and on the command line a comma may
/// separate them.
pub(super) fn items(node: &Node) -> Option<Vec<Node>> {
    match &node.value {
        Value::List(items) => Some(items.clone()),
        Value::Text(text) if node.origin.is_untyped() => Some(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Node {
                    value: Value::Text(item.to_owned()),
                    origin: node.origin.clone(),
                })
                .collect(),
        ),
        _ => None,
    }
}

/// The path that `text` means: in the file, relative to the file's own folder.
pub(super) fn resolved(text: &str, origin: &Origin) -> PathBuf {
    match origin {
        Origin::File { path, .. } => path.parent().unwrap_or(Path::new("")).join(text),
        Origin::Environment(_) | Origin::Flag(_) => PathBuf::from(text),
    }
}

/// A value that can be a default, as it is written in a file.
pub(super) trait Plain {
    fn plain(&self) -> Json;
}

/// Written as a number or a word of their own, and as texts.
macro_rules! plain {
    (as_they_are: $($as_is:ty),+; displayed: $($text:ty),+) => {
        $(impl Plain for $as_is {
            fn plain(&self) -> Json {
                json!(self)
            }
        })+
        $(impl Plain for $text {
            fn plain(&self) -> Json {
                json!(self.to_string())
            }
        })+
    };
}

plain! {
    as_they_are: bool, u16, usize, String;
    displayed: LogFormat, RelayName, SocketAddr, TlsMode, Version
}

impl Plain for Duration {
    fn plain(&self) -> Json {
        json!(duration_text(*self))
    }
}

impl Plain for TlsOption {
    fn plain(&self) -> Json {
        json!(<&str>::from(self))
    }
}

impl Plain for Transactions {
    fn plain(&self) -> Json {
        json!(<&str>::from(self))
    }
}

impl Plain for Mechanisms {
    fn plain(&self) -> Json {
        self.iter().map(<&str>::from).collect()
    }
}

impl<T: Plain> Plain for Vec<T> {
    fn plain(&self) -> Json {
        self.iter().map(Plain::plain).collect()
    }
}

/// In the largest unit that leaves a whole number: `90s`, `2min`, `3d`.
pub(super) fn duration_text(duration: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
        (1, "ms"),
    ];
    in_largest(duration.as_millis(), &UNITS)
}

/// In the largest unit that leaves a whole number: `48MiB`.
pub(super) fn size_text(bytes: u64) -> String {
    const UNITS: [(u128, &str); 4] = [
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
        (1, "B"),
    ];
    in_largest(bytes.into(), &UNITS)
}

fn in_largest(number: u128, units: &[(u128, &str)]) -> String {
    let fits = |(factor, _): &&(u128, &str)| number > 0 && number.is_multiple_of(*factor);
    let (factor, unit) = units.iter().find(fits).or(units.last()).unwrap_or(&(1, ""));
    format!("{}{unit}", number / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_the_largest_unit_that_fits() {
        for (millis, text) in [
            (0, "0ms"),
            (1, "1ms"),
            (90_000, "90s"),
            (120_000, "2min"),
            (259_200_000, "3d"),
        ] {
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
        for (bytes, text) in [(48 << 20, "48MiB"), (1 << 10, "1KiB"), (1025, "1025B")] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
