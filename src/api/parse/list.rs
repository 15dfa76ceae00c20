//! Lists with a bounded number of items.

use super::{Path, Violations};
use crate::mail::Rule;

/// Parses each item, and notes it when there are more than `max`. Those beyond
/// are not looked at, so that a long list costs no more than the longest
/// allowed one. An item that `parse` gives `None` for is left out.
pub(super) fn list<I: IntoIterator<Item: Sized>, T>(
    violations: &mut Violations,
    path: Path<'_>,
    items: I,
    max: usize,
    mut parse: impl FnMut(&mut Violations, Path<'_>, I::Item) -> Option<T>,
) -> Vec<T> {
    let mut parsed = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        if index == max {
            too_many(violations, path, max);
            break;
        }
        parsed.extend(parse(violations, path.item(index), item));
    }
    parsed
}

/// Notes that a list has more than `max` items.
pub(super) fn too_many(violations: &mut Violations, path: Path<'_>, max: usize) {
    violations.breach(
        path,
        Rule::TooMany,
        format!("must not have more than {max} items"),
    );
}
