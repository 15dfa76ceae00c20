//! Header fields, encoded and folded.
//!
//! lettre 0.11 encodes fields as well, but not so that they come back as they
//! were: it leaves alone what only looks like an encoded word, glues encoded
//! words to the word before, loses spaces between encoded words, lets a word of
//! any length through, and cannot repeat a field or write an address that is
//! not ASCII.

use std::fmt;

use lettre::message::header::{HeaderName, HeaderValue};

use super::encoded_word::{Encoding, MAX_CHAR, OVERHEAD, escaped};
use crate::mail::Mailbox;

/// Where lines are folded: RFC 2047 section 2 has 76 for a line with an encoded
/// word, and RFC 5322 section 2.1.1 has 78 for any.
const LINE: usize = 76;

/// The longest word that goes as it is. What is longer could break the 998
/// octets that no line may exceed (RFC 5322 section 2.1.1).
const LONGEST_WORD: usize = 900;

/// The longest quoted string: it is not folded.
const LONGEST_QUOTED: usize = 60;

/// A header field that grows word by word.
///
/// It takes what the types of `mail` let through: no word has a control
/// character but tab, and a tab is always encoded.
pub(super) struct Field<'a> {
    name: &'a str,
    value: String,
    column: usize,
}

impl<'a> Field<'a> {
    /// A field without a body.
    pub(super) fn new(name: &'a str) -> Self {
        Self {
            name,
            value: String::new(),
            column: name.len() + ": ".len(),
        }
    }

    /// Adds a word as it is. It is not broken, whatever its length.
    pub(super) fn word(mut self, word: &str) -> Self {
        // Not before the first word: a line with nothing but the name is
        // legal, but not all readers cope with it.
        if !self.value.is_empty() && self.column + 1 + word.len() > LINE {
            self.fold();
        }
        self.push(word);
        self
    }

    /// Adds free text (RFC 5322 section 2.2.1). Words that would not come back
    /// as they are become encoded words.
    pub(super) fn text(mut self, text: &str) -> Self {
        if text.is_empty() {
            return self;
        }
        let words: Vec<&str> = text.split(' ').collect();
        // Spaces at either end, and more than one in a row, survive only
        // inside an encoded word. Each shows as an empty word.
        let is_plain = |at: usize| {
            let around = at.saturating_sub(1)..words.len().min(at + 2);
            is_plain(words[at]) && words[around].iter().all(|word| !word.is_empty())
        };
        let mut start = 0;
        while start < words.len() {
            let plain = is_plain(start);
            let len = (start..words.len())
                .take_while(|&at| is_plain(at) == plain)
                .count();
            let run = &words[start..start + len];
            if plain {
                for word in run {
                    self = self.word(word);
                }
            } else {
                self = self.encoded(&run.join(" "));
            }
            start += len;
        }
        self
    }

    /// Adds mailboxes (RFC 5322 section 3.4), separated by commas.
    pub(super) fn mailboxes<'m>(
        mut self,
        mailboxes: impl IntoIterator<Item = &'m Mailbox>,
    ) -> Self {
        for (at, mailbox) in mailboxes.into_iter().enumerate() {
            if at > 0 {
                self.value.push(',');
                self.column += 1;
            }
            let name = mailbox.display_name.as_str();
            let address = mailbox.address.as_str();
            self = if name.is_empty() {
                self.word(address)
            } else {
                self.phrase(name).word(&format!("<{address}>"))
            };
        }
        self
    }

    /// Adds a parameter (RFC 2045 section 5.1), with the extensions of RFC 2231
    /// where the value needs them.
    pub(super) fn parameter(mut self, name: &str, value: &str) -> Self {
        if name.contains('*') {
            // It is an extended parameter (RFC 2231) already, and must not be
            // quoted unless it has to be.
            self.separate();
            return if !value.is_empty() && value.bytes().all(is_token) {
                self.word(&format!("{name}={value}"))
            } else {
                self.word(&format!("{name}={}", quoted(value)))
            };
        }
        if value.len() <= LONGEST_QUOTED && is_printable(value) && !value.contains("=?") {
            self.separate();
            return if !value.is_empty() && value.bytes().all(is_attribute_char) {
                self.word(&format!("{name}={value}"))
            } else {
                self.word(&format!("{name}={}", quoted(value)))
            };
        }
        let mut sections = sections(value, LINE.saturating_sub(name.len() + " *00*=;".len()));
        if let [only] = &mut sections[..] {
            self.separate();
            return self.word(&format!("{name}*={only}"));
        }
        for (at, section) in sections.iter().enumerate() {
            self.separate();
            self = self.word(&format!("{name}*{at}*={section}"));
        }
        self
    }

    /// The field for lettre's part builder, which folds no further.
    pub(super) fn into_value(self, name: HeaderName) -> HeaderValue {
        let raw = self.value.clone();
        HeaderValue::dangerous_new_pre_encoded(name, raw, self.value)
    }

    /// Adds a display name: atoms, a quoted string, or encoded words.
    fn phrase(self, name: &str) -> Self {
        let is_atom = |word: &str| {
            !word.is_empty() && word.len() <= LONGEST_QUOTED && word.bytes().all(is_atext)
        };
        if name.contains("=?") {
            self.encoded(name)
        } else if name.split(' ').all(is_atom) {
            name.split(' ').fold(self, Field::word)
        } else if name.len() <= LONGEST_QUOTED && is_printable(name) {
            self.word(&quoted(name))
        } else {
            self.encoded(name)
        }
    }

    /// Adds `text` as encoded words. What stands between two of them is dropped
    /// when they are read, so the spaces are inside.
    fn encoded(mut self, text: &str) -> Self {
        let encoding = Encoding::of(text);
        let mut rest = text;
        while !rest.is_empty() {
            let gap = usize::from(!self.value.is_empty());
            if self.column + gap + OVERHEAD + MAX_CHAR > LINE {
                self.fold();
            }
            let gap = usize::from(!self.value.is_empty());
            let (start, end) = encoding.split(rest, LINE - self.column - gap);
            self.push(&encoding.word(start));
            rest = end;
        }
        self
    }

    fn separate(&mut self) {
        self.value.push(';');
        self.column += 1;
    }

    fn fold(&mut self) {
        self.value.push_str("\r\n");
        self.column = 0;
    }

    fn push(&mut self, word: &str) {
        if !self.value.is_empty() {
            self.value.push(' ');
            self.column += 1;
        }
        self.value.push_str(word);
        self.column += word.len();
    }
}

impl fmt::Display for Field<'_> {
    /// The whole field with its line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_text = !self.value.is_empty() && !self.value.starts_with("\r\n");
        let space = if has_text { " " } else { "" };
        write!(f, "{}:{space}{}\r\n", self.name, self.value)
    }
}

/// Whether a word of free text comes back as it is. Not when it looks like an
/// encoded word.
fn is_plain(word: &str) -> bool {
    word.len() <= LONGEST_WORD && word.bytes().all(|b| b.is_ascii_graphic()) && !word.contains("=?")
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// RFC 5322 section 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// RFC 2045 section 5.1.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

/// RFC 2231 section 7. Some readers trip over the other characters of a token.
fn is_attribute_char(byte: u8) -> bool {
    is_token(byte) && !b"*'%".contains(&byte)
}

/// RFC 5322 section 3.2.4.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The sections of an extended parameter value (RFC 2231 sections 3 and 4),
/// each of at most `room`, with whole characters in each.
fn sections(value: &str, room: usize) -> Vec<String> {
    let mut sections = vec!["utf-8''".to_owned()];
    for c in value.chars() {
        let mut encoded = String::new();
        for &byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
            if is_attribute_char(byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.extend(escaped('%', byte));
            }
        }
        match sections.last_mut() {
            Some(last) if last.len() + encoded.len() <= room => last.push_str(&encoded),
            _ => sections.push(encoded),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        Field::new("Subject").text(text).to_string()
    }

    fn mailbox(display_name: &str) -> String {
        let mailbox = Mailbox {
            address: "a@b.c".parse().unwrap(),
            display_name: display_name.parse().unwrap(),
        };
        Field::new("To").mailboxes([&mailbox]).to_string()
    }

    fn parameter(name: &str, value: &str) -> String {
        Field::new("X").word("y").parameter(name, value).to_string()
    }

    #[test]
    fn only_what_needs_it_is_encoded() {
        assert_eq!(text("Hello, world!"), "Subject: Hello, world!\r\n");
        assert_eq!(text(""), "Subject:\r\n");
        assert_eq!(
            text("A Gruß to you"),
            "Subject: A =?utf-8?b?R3J1w58=?= to you\r\n"
        );
        assert_eq!(
            text("a größere Größe b"),
            "Subject: a =?utf-8?b?Z3LDtsOfZXJlIEdyw7bDn2U=?= b\r\n"
        );
    }

    #[test]
    fn what_a_reader_would_change_is_encoded() {
        for (given, expected) in [
            ("=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?="),
            ("a\tb", "=?utf-8?b?YQli?="),
            (" a", "=?utf-8?q?_a?="),
            ("a ", "=?utf-8?q?a_?="),
            ("a b  c d", "a =?utf-8?q?b__c?= d"),
            (" ", "=?utf-8?q?_?="),
        ] {
            assert_eq!(text(given), format!("Subject: {expected}\r\n"));
        }
    }

    #[test]
    fn lines_are_folded_between_words_and_inside_long_encoded_ones() {
        assert_eq!(
            text("word ".repeat(30).trim()),
            format!(
                "Subject: {}\r\n {}\r\n word word\r\n",
                ["word"; 13].join(" "),
                ["word"; 15].join(" ")
            )
        );
        let folded = text(&"ß".repeat(100));
        assert!(folded.lines().count() > 4, "{folded}");
        assert!(folded.lines().all(|line| line.len() <= LINE), "{folded}");
    }

    #[test]
    fn a_word_that_would_break_the_line_limit_is_encoded() {
        assert!(text(&"x".repeat(900)).starts_with("Subject: xxx"));
        let folded = text(&"x".repeat(901));
        assert!(folded.lines().all(|line| line.len() <= LINE), "{folded}");
    }

    #[test]
    fn display_names_are_atoms_or_quoted_or_encoded() {
        for (given, expected) in [
            ("", "a@b.c"),
            ("Ada Lovelace", "Ada Lovelace <a@b.c>"),
            ("Lovelace, Ada", "\"Lovelace, Ada\" <a@b.c>"),
            ("\"\\", "\"\\\"\\\\\" <a@b.c>"),
            ("a  b", "\"a  b\" <a@b.c>"),
            ("Lovelace-Weiß", "=?utf-8?q?Lovelace-Wei=C3=9F?= <a@b.c>"),
            ("=?x", "=?utf-8?b?PT94?= <a@b.c>"),
        ] {
            assert_eq!(mailbox(given), format!("To: {expected}\r\n"));
        }
        for long in ["x".repeat(256), "x,".repeat(128), "ß ".repeat(128)] {
            let folded = mailbox(&long);
            assert!(folded.lines().all(|line| line.len() <= LINE), "{folded}");
        }
    }

    #[test]
    fn parameters_are_tokens_or_quoted_or_extended() {
        for (value, expected) in [
            ("a.pdf", "filename=a.pdf"),
            ("a b; c=d", "filename=\"a b; c=d\""),
            ("a\"b", "filename=\"a\\\"b\""),
            ("it's", "filename=\"it's\""),
            ("", "filename=\"\""),
            ("ß 1.pdf", "filename*=utf-8''%C3%9F%201.pdf"),
            ("=?x?=", "filename*=utf-8''%3D%3Fx%3F%3D"),
        ] {
            let field = parameter("filename", value);
            assert_eq!(field, format!("X: y; {expected}\r\n"));
        }
        let folded = parameter("filename", &"😀".repeat(255));
        assert!(folded.contains(" filename*0*=utf-8''%F0%9F%98%80"));
        assert!(folded.lines().all(|line| line.len() <= LINE), "{folded}");
    }

    #[test]
    fn an_extended_parameter_stays_one_and_smuggles_nothing() {
        assert_eq!(
            parameter("a*", "utf-8''%C3%9F"),
            "X: y; a*=utf-8''%C3%9F\r\n"
        );
        assert_eq!(
            parameter("a*0", "x; boundary=y"),
            "X: y; a*0=\"x; boundary=y\"\r\n"
        );
    }
}
