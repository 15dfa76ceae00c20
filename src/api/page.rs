//! Lists that are answered page by page.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::parse::{Path, Violations};
use crate::mail::{Broken, Rule};

const DEFAULT_SIZE: usize = 50;
const MAX_SIZE: usize = 500;
const MAX_TOKEN_CHARS: usize = 1024;

/// Tokens of other makes, past or future, are refused instead of misread.
const VERSION: &str = "1:";

/// Which page of a list is asked for.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Page {
    size: usize,
    /// The key of the last item of the page before.
    after: Option<String>,
}

impl Page {
    /// Parses the two fields that every list request has.
    pub(super) fn new(page_size: i32, page_token: &str) -> Result<Self, Violations> {
        let size = match usize::try_from(page_size) {
            Ok(0) => DEFAULT_SIZE,
            Ok(size) => size.min(MAX_SIZE),
            Err(_) => {
                return Err(Violations::one(
                    Path::root("page_size"),
                    &Broken::new(Rule::OutOfRange, "must not be negative"),
                ));
            }
        };
        let after =
            key(page_token).map_err(|broken| Violations::one(Path::root("page_token"), &broken))?;
        Ok(Self { size, after })
    }

    /// The items of this page out of `items`, which stand in the order of
    /// their keys, and the token of the next page: empty on the last.
    pub(super) fn of<T>(&self, items: Vec<T>, key: impl Fn(&T) -> &str) -> (Vec<T>, String) {
        let mut rest = items
            .into_iter()
            .filter(|item| self.after.as_deref().is_none_or(|after| key(item) > after));
        let page: Vec<T> = rest.by_ref().take(self.size).collect();
        let next = match (page.last(), rest.next()) {
            (Some(last), Some(_)) => URL_SAFE_NO_PAD.encode(format!("{VERSION}{}", key(last))),
            _ => String::new(),
        };
        (page, next)
    }
}

fn key(token: &str) -> Result<Option<String>, Broken> {
    if token.is_empty() {
        return Ok(None);
    }
    if token.chars().nth(MAX_TOKEN_CHARS).is_some() {
        return Err(Broken::new(
            Rule::Length,
            format!("must not be longer than {MAX_TOKEN_CHARS} characters"),
        ));
    }
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(VERSION).map(str::to_owned))
        .map(Some)
        .ok_or_else(|| Broken::new(Rule::Syntax, "must be the `next_page_token` of a response"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("relay-{n:04}")).collect()
    }

    fn rule(page_size: i32, page_token: &str) -> Option<String> {
        Page::new(page_size, page_token)
            .err()
            .map(|violations| violations.first[0].reason.clone())
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = Page::new(3, &token).unwrap();
            let (items, next) = page.of(names(7), String::as_str);
            assert!(items.len() <= 3);
            seen.extend(items);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, names(7));
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        let page = Page::new(7, "").unwrap();
        assert_eq!(page.of(names(7), String::as_str), (names(7), String::new()));
    }

    #[test]
    fn an_item_that_went_away_hides_no_other() {
        let (_, token) = Page::new(3, "").unwrap().of(names(7), String::as_str);
        let mut left = names(7);
        left.remove(2);
        let (items, _) = Page::new(3, &token).unwrap().of(left, String::as_str);
        assert_eq!(items, names(7)[3..6]);
    }

    #[test]
    fn the_size_limits_hold_at_under_and_over() {
        assert_eq!(rule(-1, ""), Some("OUT_OF_RANGE".into()));
        for (asked, given) in [(0, 50), (1, 1), (499, 499), (500, 500), (501, 500)] {
            let (items, _) = Page::new(asked, "").unwrap().of(names(600), String::as_str);
            assert_eq!(items.len(), given, "{asked}");
        }
    }

    #[test]
    fn the_token_limits_hold_at_under_and_over() {
        for (len, expected) in [(1023, "SYNTAX"), (1024, "SYNTAX"), (1025, "LENGTH")] {
            assert_eq!(rule(0, &"!".repeat(len)), Some(expected.into()), "{len}");
        }
        for (key_len, len, expected) in [
            (765, 1023, None),
            (766, 1024, None),
            (767, 1026, Some("LENGTH".into())),
        ] {
            let token = URL_SAFE_NO_PAD.encode(format!("{VERSION}{}", "x".repeat(key_len)));
            assert_eq!(token.len(), len);
            assert_eq!(rule(0, &token), expected, "{len}");
        }
    }

    #[test]
    fn a_token_of_another_make_is_refused() {
        for text in ["x", "relay-1", &URL_SAFE_NO_PAD.encode("2:relay")] {
            assert_eq!(rule(0, text), Some("SYNTAX".into()), "{text}");
        }
    }
}
