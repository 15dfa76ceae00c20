//! Unknown keys, and the known ones that were probably meant.

use super::{
    problem::{Findings, Origin},
    record::Records,
    source::variable,
    value::Node,
};

/// Below this, two keys have nothing to do with each other.
const LIKENESS: f64 = 0.6;

/// The one of `words` that was probably meant by `word`.
pub(super) fn nearest_word<'a>(
    word: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    words
        .into_iter()
        .map(|known| (known, strsim::normalized_damerau_levenshtein(known, word)))
        .filter(|(_, likeness)| *likeness >= LIKENESS)
        .max_by(|(_, x), (_, y)| x.total_cmp(y))
        .map(|(known, _)| known)
}

/// Tells that `path`, at `node`, is not a known key.
pub(super) fn report(path: &str, node: &Node, known: &Records, findings: &Findings) {
    // What follows the unknown key, where the layer is one chain of keys.
    let rest = if node.origin.is_untyped() {
        chain(node)
    } else {
        String::new()
    };
    let message = if let Some(better) = secret(path) {
        format!(
            "is refused: a secret may stand neither in the configuration nor in the environment; \
             put it into a file, and name that file in `{better}`"
        )
    } else if let Some(key) = nearest(path, &rest, known) {
        let meant = match node.origin {
            Origin::Environment(_) => variable(&key),
            Origin::File { .. } | Origin::Flag(_) => key,
        };
        format!("is not a known key; did you mean `{meant}`?")
    } else {
        format!("is not a known key; {}", siblings(path, known))
    };
    findings.problem(&node.origin, Some(&format!("{path}{rest}")), message);
}

/// The key to use instead, when `path` looks like a secret.
fn secret(path: &str) -> Option<&'static str> {
    match last(path) {
        "password" | "passwd" | "pass" | "secret" => Some("password_file"),
        "token" | "access_token" | "oauth_token" => Some("token_file"),
        "client_key" => Some("client_key_file"),
        _ => None,
    }
}

fn nearest(path: &str, rest: &str, known: &Records) -> Option<String> {
    let whole = format!("{path}{rest}");
    let likeness = |key: &str| -> f64 {
        if same_words(key, &whole) {
            return 1.0;
        }
        if parent(key) == parent(path) && !key.ends_with(']') {
            return strsim::normalized_damerau_levenshtein(last(key), last(path));
        }
        // The right name, a section too high.
        let inside = parent(path).is_empty() || key.starts_with(&format!("{}.", parent(path)));
        if inside && !key.contains('[') && last(key) == last(path) {
            0.9
        } else {
            0.0
        }
    };
    let (best, _) = known
        .paths()
        .map(|key| (key, likeness(key)))
        .filter(|(_, likeness)| *likeness >= LIKENESS)
        .max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.len().cmp(&a.len())))?;
    if same_words(best, &whole) {
        Some(best.to_owned())
    } else {
        Some(format!("{best}{rest}"))
    }
}

/// Whether two keys differ only in what joins their words.
fn same_words(a: &str, b: &str) -> bool {
    let words = |text: &str| text.replace(['.', '_', '-'], "");
    words(a) == words(b)
}

fn siblings(path: &str, known: &Records) -> String {
    let names: Vec<_> = known
        .paths()
        .filter(|key| parent(key) == parent(path) && !key.ends_with(']'))
        .map(|key| format!("`{}`", last(key)))
        .collect();
    let place = match parent(path) {
        "" => "at the top".to_owned(),
        parent => format!("in `{parent}`"),
    };
    format!("{place} there are {}", names.join(", "))
}

/// `.b.c` for a table that holds b alone, which holds c alone.
fn chain(mut node: &Node) -> String {
    let mut path = String::new();
    while let Some((key, value)) = node.as_table().and_then(|table| {
        let only = table.len() == 1;
        table.iter().next().filter(|_| only)
    }) {
        path.push('.');
        path.push_str(key);
        node = value;
    }
    path
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn last(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}
