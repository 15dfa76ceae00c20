//! Pieces of the sentences that tell a reason: short, in ASCII.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use rustls_pki_types::ServerName;

use crate::{
    report::{TlsAlert, TlsOffer},
    tls::{offer::group_name, opening::Opening, version},
};

/// The longest summary, in bytes.
const SUMMARY: usize = 400;
/// The longest name within it.
const NAME: usize = 72;
/// How many names of a list are told.
const NAMES: usize = 3;

/// One sentence in ASCII: `text`, shortened as needed, and `ending`.
pub(in crate::tls) fn sentence(text: &str, ending: &str) -> String {
    let room = SUMMARY.saturating_sub(ending.len());
    shorten(text, room) + ending
}

/// `text` in ASCII without control characters, at most `limit` bytes.
fn shorten(text: &str, limit: usize) -> String {
    let ascii = text.chars().map(|it| match it {
        ' '..='~' => it,
        _ => '?',
    });
    let mut short: String = ascii.take(limit.saturating_add(1)).collect();
    if short.len() > limit {
        short.truncate(limit.saturating_sub(3));
        short.push_str("...");
    }
    short
}

/// A name of any length and content.
pub(super) fn name(text: &str) -> String {
    shorten(text, NAME)
}

/// What somebody said.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", shorten(text, NAME))
}

/// The name that the certificate must carry.
pub(super) fn host(server_name: &ServerName<'_>) -> String {
    name(&server_name.to_str())
}

/// Names, as "a, b and 3 more".
pub(super) fn names<T: AsRef<str>>(all: &[T]) -> String {
    let told: Vec<_> = all.iter().take(NAMES).map(|it| name(it.as_ref())).collect();
    let told = told.join(", ");
    match all.len().saturating_sub(NAMES) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

/// The first few bytes: the first line where it is text, in hexadecimal
/// otherwise.
pub(super) fn bytes(all: &[u8]) -> String {
    let line = all.split(|byte| matches!(byte, b'\r' | b'\n')).next();
    let line = line.unwrap_or_default();
    if !line.is_empty() && line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return quote(&String::from_utf8_lossy(line));
    }
    all.iter().take(8).fold("0x".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An alert by its name and number.
pub(super) fn alert(alert: Option<&TlsAlert>) -> String {
    alert.map_or_else(
        || "an alert".to_owned(),
        |alert| format!("the alert {} ({})", alert.name, alert.code),
    )
}

/// The versions that were offered.
pub(super) fn versions(offer: &TlsOffer) -> String {
    let names: Vec<_> = offer.versions.iter().map(|it| version::name(*it)).collect();
    names.join(" and ")
}

/// What was offered, in numbers.
pub(super) fn offered(offer: &TlsOffer) -> String {
    format!(
        "{}, {} cipher suites and {} key exchange groups",
        versions(offer),
        offer.cipher_suites.len(),
        offer.key_exchange_groups.len()
    )
}

/// That the relay asked for another `ClientHello`, as a remark.
pub(super) fn retry(opening: &Opening) -> String {
    let hello = opening.server_hello().filter(|it| it.is_retry);
    match hello.map(|it| it.group) {
        None => String::new(),
        Some(None) => ", and had asked for another ClientHello".to_owned(),
        Some(Some(group)) => format!(", and had asked for a key share of {}", group_name(group)),
    }
}

/// A day, as 2026-07-18. UTC.
pub(super) fn date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "a date out of range".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

/// A day and a time, as 2026-07-18 09:30 UTC.
pub(super) fn date_and_time(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "a date out of range".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// How long it is from `earlier` to `later`, roughly.
pub(super) fn span(earlier: SystemTime, later: SystemTime) -> String {
    const HOUR: u64 = 60 * 60;
    let seconds = later
        .duration_since(earlier)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    match (seconds / (24 * HOUR), seconds / HOUR) {
        (0, 0) => "less than an hour".to_owned(),
        (0, 1) => "1 hour".to_owned(),
        (0, hours) => format!("{hours} hours"),
        (1, _) => "1 day".to_owned(),
        (days, _) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_told_roughly() {
        let told = |seconds| span(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(told(59), "less than an hour");
        assert_eq!(told(3_600), "1 hour");
        assert_eq!(told(86_399), "23 hours");
        assert_eq!(told(86_400), "1 day");
        assert_eq!(told(86_400 * 12 + 7), "12 days");
        assert_eq!(
            span(UNIX_EPOCH + Duration::from_secs(1), UNIX_EPOCH),
            "less than an hour"
        );
    }

    #[test]
    fn lists_of_names_are_cut() {
        assert_eq!(names(&["a", "b"]), "a, b");
        assert_eq!(names(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
        assert_eq!(name(&"n".repeat(300)).len(), NAME);
    }

    #[test]
    fn bytes_that_are_text_are_told_as_text() {
        assert_eq!(bytes(b"what is it?\r\n\0"), "\"what is it?\"");
        assert_eq!(bytes(b"\0\x01text"), "0x000174657874");
        assert_eq!(bytes(b"\x1b[31mred\r\n"), "0x1b5b33316d726564");
        assert_eq!(bytes(b"\r\n"), "0x0d0a");
    }

    #[test]
    fn dates_are_in_utc() {
        let time = UNIX_EPOCH + Duration::from_mins(29_739_450);
        assert_eq!(date(time), "2026-07-18");
        assert_eq!(date_and_time(time), "2026-07-18 09:30 UTC");
    }

    proptest! {
        #[test]
        fn a_sentence_is_short_ascii(text: String, repeat in 1_usize..200) {
            let sentence = sentence(&text.repeat(repeat), " (alert sent: unknown_ca).");
            prop_assert!(sentence.len() <= SUMMARY);
            prop_assert!(sentence.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert!(sentence.ends_with("unknown_ca)."));
        }
    }
}
