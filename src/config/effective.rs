//! What every key comes to, and where that is from. Holds no secret: of a
//! secret's file it knows the path, and of a user name only where it is set.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::{
    problem::Origin,
    record::{Entry, Holds, Record, Records, Unset, join},
    shape::Disclosure,
};

const HEAD: &str = "\
# What every key comes to, and where that is from. Secrets stay in their files;
# what has no value, or may not be shown, is commented out.
";
/// Where comments stand, after a value that leaves room.
const COMMENTS_AT: usize = 44;

/// What every key comes to.
#[derive(Debug)]
pub struct Effective(Records);

/// What one key comes to.
struct Held<'r> {
    key: String,
    name: &'r str,
    value: Option<Json>,
    source: Source<'r>,
    disclosure: Disclosure,
}

/// Where a value is from.
enum Source<'r> {
    /// It is the default: what that is, where it is not the same everywhere.
    Default(Option<&'static str>),
    Set(&'r Origin),
    /// Another key is set, and holds here as well.
    Below(&'r str, &'r Origin),
}

impl Effective {
    pub(super) fn new(records: Records) -> Self {
        Self(records)
    }

    /// As a TOML file, with the sources as comments.
    pub fn to_toml(&self) -> String {
        let mut text = HEAD.to_owned();
        for path in self.sections() {
            // Writing to a `String` cannot fail.
            let _ = match path.rsplit_once('[') {
                _ if path.is_empty() => Ok(()),
                Some((list, _)) => writeln!(text, "\n[[{list}]]"),
                None => writeln!(text, "\n[{path}]"),
            };
            for held in self.held_in(path) {
                let code = match &held.value {
                    Some(value) => format!("{} = {}", held.name, toml(value)),
                    None => format!("#{}", held.name),
                };
                let comment = held.comment();
                let _ = writeln!(text, "{code:<COMMENTS_AT$} # {comment}");
            }
        }
        text
    }

    /// As an object that has for each key its value and its source.
    pub fn to_json(&self) -> Json {
        let keys = self
            .sections()
            .into_iter()
            .flat_map(|path| self.held_in(path));
        let keys = keys.map(|held| (held.key.clone(), held.to_json()));
        Json::Object(keys.collect::<Map<_, _>>())
    }

    /// The sections that have keys of the program's choice, the top first.
    fn sections(&self) -> Vec<&str> {
        let sections = self
            .0
            .in_order()
            .into_iter()
            .filter_map(|(path, entry)| match entry {
                Entry::Section(about) => matches!(about.holds, Holds::Keys).then_some(path),
                Entry::Setting(_) => None,
            });
        [""].into_iter().chain(sections).collect()
    }

    /// The keys of the section at `path` itself. A list of sections is a key
    /// while it is empty.
    fn held_in<'r>(&'r self, path: &str) -> Vec<Held<'r>> {
        let keys = self
            .0
            .children(path)
            .into_iter()
            .filter_map(|(name, entry)| {
                let key = join(path, name);
                let (value, source, disclosure) = match entry {
                    Entry::Setting(record) => {
                        let (value, source) = self.value(record);
                        (value, source, record.shape.disclosure)
                    }
                    Entry::Section(about) => match &about.holds {
                        Holds::Items(set) if self.0.children(&key).is_empty() => {
                            let source = set.as_ref().map_or(Source::Default(None), Source::Set);
                            (Some(json!([])), source, Disclosure::Shown)
                        }
                        _ => return None,
                    },
                };
                Some(Held {
                    key,
                    name,
                    value,
                    source,
                    disclosure,
                })
            });
        keys.collect()
    }

    fn value<'r>(&'r self, record: &'r Record) -> (Option<Json>, Source<'r>) {
        if let Some((value, origin)) = &record.set {
            return (value.clone(), Source::Set(origin));
        }
        if let Some(below) = &record.below
            && let Some((value, origin)) =
                self.0.setting(below).and_then(|below| below.set.as_ref())
        {
            return (value.clone(), Source::Below(below, origin));
        }
        match &record.unset {
            Unset::Required => (None, Source::Default(None)),
            Unset::Value(value) => (Some(value.clone()), Source::Default(None)),
            Unset::Words { words, found } => (found.clone(), Source::Default(Some(words))),
        }
    }
}

impl Held<'_> {
    fn is_redacted(&self) -> bool {
        self.disclosure == Disclosure::Hidden && !matches!(self.source, Source::Default(_))
    }

    fn comment(&self) -> String {
        let comment = match &self.source {
            Source::Default(None) => "default".to_owned(),
            Source::Default(Some(words)) => format!("default: {words}"),
            Source::Set(origin) => origin.to_string(),
            Source::Below(key, origin) => format!("{origin} (`{key}`)"),
        };
        let comment = if self.is_redacted() {
            format!("not shown: {comment}")
        } else {
            comment
        };
        // A file's name may hold anything.
        comment.replace(char::is_control, "?")
    }

    fn to_json(&self) -> Json {
        let mut json = match &self.source {
            Source::Default(None) => json!({"source": "default"}),
            Source::Default(Some(words)) => json!({"source": "default", "default": words}),
            Source::Set(origin) => origin.to_json(),
            Source::Below(key, origin) => {
                let mut json = origin.to_json();
                json["key"] = json!(key);
                json
            }
        };
        json["value"] = json!(self.value);
        if self.is_redacted() {
            json["redacted"] = json!(true);
        }
        if self.disclosure == Disclosure::SecretFile {
            json["secret_file"] = json!(true);
        }
        json
    }
}

fn toml(value: &Json) -> String {
    match value {
        Json::String(text) => toml::Value::String(text.clone()).to_string(),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}
