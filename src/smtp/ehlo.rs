//! What a relay offers, from its reply to EHLO (RFC 5321 section 4.1.1.1).

use std::num::NonZeroUsize;

use crate::report::Reply;

/// What a relay offers.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    /// Each keyword with its parameters, as the relay wrote it.
    pub(super) lines: Vec<String>,
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 3030.
    pub(super) chunking: bool,
    /// RFC 1870: the largest message, if there is a fixed maximum.
    pub(super) max_size: Option<u64>,
    /// RFC 1870: whether MAIL takes SIZE.
    pub(super) size: bool,
    /// RFC 9422: how many recipients it takes in one transaction.
    pub(super) max_recipients: Option<NonZeroUsize>,
    /// RFC 6152.
    pub(super) eight_bit_mime: bool,
    /// RFC 6531.
    pub(super) smtputf8: bool,
    /// RFC 3207.
    pub(super) starttls: bool,
    /// RFC 4954: the SASL mechanisms, in upper case.
    pub(super) auth: Vec<String>,
}

impl Extensions {
    /// Reads the lines behind the first, which names the relay.
    pub(super) fn parse(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines.iter().skip(1).map(|line| line.trim()) {
            if !line.is_empty() {
                extensions.add(line);
                extensions.lines.push(line.to_owned());
            }
        }
        extensions
    }

    fn add(&mut self, line: &str) {
        let line = line.to_ascii_uppercase();
        let mut words = line.split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default();
        match keyword {
            "PIPELINING" => self.pipelining = true,
            "CHUNKING" => self.chunking = true,
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "STARTTLS" => self.starttls = true,
            "SIZE" => {
                self.size = true;
                // Zero says that there is none.
                self.max_size = words
                    .next()
                    .and_then(|number| number.parse().ok())
                    .filter(|size| *size > 0);
            }
            "LIMITS" => {
                self.max_recipients = words
                    .find_map(|limit| limit.strip_prefix("RCPTMAX="))
                    .and_then(|number| number.parse().ok());
            }
            "AUTH" => self.add_mechanisms(words),
            _ => {
                // The form of relays older than RFC 2554.
                if let Some(first) = keyword.strip_prefix("AUTH=") {
                    self.add_mechanisms(std::iter::once(first).chain(words));
                }
            }
        }
    }

    fn add_mechanisms<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names.filter(|name| !name.is_empty()) {
            if !self.auth.iter().any(|known| known == name) {
                self.auth.push(name.to_owned());
            }
        }
    }

    /// Whether a middlebox has overwritten a keyword of the length of STARTTLS
    /// with X's, as Cisco's SMTP inspection does (`XXXXXXXA`).
    pub(super) fn has_overwritten_keyword(&self) -> bool {
        self.lines.iter().any(|line| {
            line.len() == "STARTTLS".len()
                && line.as_bytes()[.."STARTTLS".len() - 1]
                    .iter()
                    .all(|b| *b == b'X')
        })
    }
}

/// Whether a middlebox has overwritten a greeting with asterisks. Cisco's SMTP
/// inspection leaves a few characters.
pub(super) fn is_overwritten_greeting(greeting: &Reply) -> bool {
    let text = greeting.lines.concat();
    let asterisks = text.bytes().filter(|b| *b == b'*').count();
    asterisks >= 8 && asterisks * 2 > text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReplyCode;

    fn reply(lines: &[&str]) -> Reply {
        Reply {
            code: ReplyCode::new(250).unwrap(),
            enhanced: None,
            lines: lines.iter().map(ToString::to_string).collect(),
        }
    }

    fn extensions(lines: &[&str]) -> Extensions {
        Extensions::parse(&reply(&[&["mail.example.com PIPELINING"], lines].concat()))
    }

    #[test]
    fn keywords_are_read_in_any_case_and_kept_as_written() {
        let lines = [
            "pipelining",
            "8BitMime",
            "SMTPUTF8",
            "StartTLS",
            "Chunking",
            "X-OWN a b",
        ];
        let e = extensions(&lines);
        assert!(e.pipelining && e.eight_bit_mime && e.smtputf8 && e.starttls && e.chunking);
        assert_eq!(e.lines, lines);
        let none = extensions(&[]);
        assert!(!none.pipelining && !none.starttls && !none.size && !none.chunking);
        assert!(none.lines.is_empty());
    }

    #[test]
    fn size_may_have_a_maximum() {
        for (line, max_size) in [
            ("SIZE 1000", Some(1000)),
            ("SIZE 0", None),
            ("SIZE", None),
            ("SIZE x", None),
            ("SIZE 99999999999999999999", None),
        ] {
            let e = extensions(&[line]);
            assert!(e.size);
            assert_eq!(e.max_size, max_size, "{line}");
        }
    }

    #[test]
    fn recipients_may_have_a_maximum() {
        for (line, max_recipients) in [
            ("LIMITS RCPTMAX=50", Some(50)),
            ("limits mailmax=5 rcptmax=100 x=y", Some(100)),
            ("LIMITS MAILMAX=5", None),
            ("LIMITS RCPTMAX=0", None),
            ("LIMITS RCPTMAX=x", None),
            ("LIMITS RCPTMAX", None),
            ("RCPTMAX=50", None),
        ] {
            let found = extensions(&[line]).max_recipients;
            assert_eq!(found.map(NonZeroUsize::get), max_recipients, "{line}");
        }
    }

    #[test]
    fn mechanisms_are_read_in_both_forms_and_named_once() {
        let e = extensions(&["AUTH=login PLAIN", "AUTH PLAIN XOAUTH2", "AUTH="]);
        assert_eq!(e.auth, ["LOGIN", "PLAIN", "XOAUTH2"]);
        assert!(extensions(&["AUTHENTICATE PLAIN"]).auth.is_empty());
    }

    #[test]
    fn what_a_middlebox_overwrites_shows() {
        assert!(extensions(&["XXXXXXXA"]).has_overwritten_keyword());
        assert!(extensions(&["XXXXXXXX"]).has_overwritten_keyword());
        for line in ["XCLIENT", "XEXCH50", "XXXX", "X-XXXXXX"] {
            assert!(!extensions(&[line]).has_overwritten_keyword(), "{line}");
        }
        assert!(is_overwritten_greeting(&reply(&["*****2***0*****"])));
        for text in ["mail.example.com ESMTP", "*** be nice ***", ""] {
            assert!(!is_overwritten_greeting(&reply(&[text])), "{text}");
        }
    }
}
