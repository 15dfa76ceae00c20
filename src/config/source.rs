//! Where a configuration comes from: one layer for the file, one for each
//! environment variable, one for each flag, the weakest first. Layers are
//! never merged: whoever reads a key looks through them.

use std::{env, ffi::OsString, fmt, path::PathBuf};

use super::{
    file, json,
    problem::{Findings, Origin},
    value::{Node, Table, Value},
};

/// What an environment variable starts with that sets a key.
const PREFIX: &str = "POSTHASTE__";

/// More keys below one another than any setting has. What follows them is one
/// key, and an unknown one.
const MAX_KEYS: usize = 8;

/// Where a configuration comes from. Later fields win over earlier ones, and
/// all of them over the built-in defaults.
///
/// `Debug` shows names alone: somebody may have put a secret into a value.
#[derive(Clone, Default)]
pub struct Sources {
    /// A TOML or JSON file, by its extension.
    pub file: Option<PathBuf>,
    /// Environment variables. Those that do not start with `POSTHASTE__` are
    /// passed over.
    pub env: Vec<(String, String)>,
    /// Dotted keys and values from the command line. The last one wins.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The sources of this process: its environment, the file (by default the
    /// one that `POSTHASTE_CONFIG` names), and `overrides`.
    pub fn from_process(file: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        let default = || env::var_os("POSTHASTE_CONFIG").filter(|path| !path.is_empty());
        Self {
            file: file.or_else(|| default().map(PathBuf::from)),
            env: env::vars_os()
                .map(|(name, value)| (lossy(name), lossy(value)))
                .filter(|(name, _)| name.starts_with(PREFIX))
                .collect(),
            overrides,
        }
    }

    /// The layers, the weakest first. `None` when the file cannot be read.
    pub(super) fn layers(&self, findings: &Findings) -> Option<Vec<Node>> {
        let file = match &self.file {
            Some(path) => Some(file::configuration(path, findings)?),
            None => None,
        };
        let mut env: Vec<_> = self
            .env
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        env.sort();
        let env = env.into_iter().map(|(name, value)| {
            let keys: Vec<_> = name[PREFIX.len()..]
                .splitn(MAX_KEYS, "__")
                .map(str::to_ascii_lowercase)
                .collect();
            layer(unspell(keys), value, &Origin::Environment(name.clone()))
        });
        let flags = self.overrides.iter().map(|(key, value)| {
            let keys = key.splitn(MAX_KEYS, '.').map(str::to_owned).collect();
            layer(keys, value, &Origin::Flag(key.clone()))
        });
        Some(file.into_iter().chain(env).chain(flags).collect())
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect();
        let (env, overrides): (Vec<_>, Vec<_>) = (names(&self.env), names(&self.overrides));
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("env", &env)
            .field("overrides", &overrides)
            .finish()
    }
}

/// The name of the variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    let name = key.replace('-', "_").replace('.', "__");
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// A variable's name takes no hyphen; a relay's name takes no underscore.
fn unspell(mut keys: Vec<String>) -> Vec<String> {
    if let [first, name, ..] = keys.as_mut_slice()
        && first == "relays"
    {
        *name = name.replace('_', "-");
    }
    keys
}

/// Octets that are no text make a value that no setting takes, which is then told.
fn lossy(value: OsString) -> String {
    value
        .into_string()
        .unwrap_or_else(|value| value.to_string_lossy().into_owned())
}

fn layer(keys: Vec<String>, text: &str, origin: &Origin) -> Node {
    let value = untyped(text, origin);
    keys.into_iter().rev().fold(value, |value, key| Node {
        value: Value::Table(Table::from([(key, value)])),
        origin: origin.clone(),
    })
}

/// A JSON array or object, where it is one; a text otherwise.
fn untyped(text: &str, origin: &Origin) -> Node {
    let json = text
        .trim_start()
        .starts_with(['[', '{'])
        .then(|| json::parse(text, &|_| origin.clone()).ok())
        .flatten();
    json.unwrap_or_else(|| Node {
        value: Value::Text(text.to_owned()),
        origin: origin.clone(),
    })
}
