//! What is wrong with a configuration, and where. Must not know what any key
//! means, and never holds a secret: values are quoted only where none can be.

use std::{cell::RefCell, error::Error, fmt, path::PathBuf};

use serde_json::json;

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The configuration file.
    File {
        /// As it was given.
        path: PathBuf,
        /// Counted from 1. `None` when the file cannot be read at all.
        line: Option<usize>,
    },
    /// The environment variable of this name.
    Environment(String),
    /// The command line, with this dotted key.
    Flag(String),
}

impl Origin {
    /// Whether values from there have no types of their own: `true` is a text
    /// in the environment and on the command line.
    pub(super) fn is_untyped(&self) -> bool {
        !matches!(self, Self::File { .. })
    }

    /// The same as its `Display`, for programs.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::File { path, line } => {
                json!({"source": "file", "file": path.display().to_string(), "line": line})
            }
            Self::Environment(name) => json!({"source": "environment", "variable": name}),
            Self::Flag(key) => json!({"source": "flag", "flag": key}),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(key) => write!(f, "command line, {key}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The dotted key, such as `relays.primary.tls.mode`. `None` when the file
    /// as a whole is wrong.
    pub key: Option<String>,
    /// A fragment that follows the key: "must be a port from 1 to 65535".
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}: `{key}` {}", self.origin, self.message),
            None => write!(f, "{}: {}", self.origin, self.message),
        }
    }
}

/// Everything that is wrong with a configuration: at least one problem.
#[derive(Debug)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Those of the file first, from top to bottom.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl Error for ConfigError {}

/// Collects what is found while a configuration is read, so that one run tells
/// everything.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
}

impl Findings {
    pub(super) fn problem(&self, origin: &Origin, key: Option<&str>, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem {
            origin: origin.clone(),
            key: key.map(str::to_owned),
            message: message.into(),
        });
    }

    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// The warnings, when nothing is wrong.
    pub(super) fn into_warnings(self) -> Result<Vec<String>, ConfigError> {
        if self.problems.borrow().is_empty() {
            Ok(self.warnings.into_inner())
        } else {
            Err(self.into_error())
        }
    }

    /// File before environment before flags, and the file from top to bottom.
    pub(super) fn into_error(self) -> ConfigError {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| match problem.origin {
            Origin::File { line, .. } => (0, line),
            Origin::Environment(_) => (1, None),
            Origin::Flag(_) => (2, None),
        });
        ConfigError { problems }
    }
}
