//! Addresses.

use std::{fmt, net::IpAddr, str::FromStr};

use super::{Broken, DisplayName, Rule};

/// An addr-spec (RFC 5321 section 4.1.2, RFC 6531 section 3.3). Its domain is
/// kept as A-labels, so that only a local part that is not ASCII needs SMTPUTF8.
///
/// `Debug` shows the domain alone: addresses do not belong in logs.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Address {
    addr_spec: String,
    at: usize,
}

impl Address {
    /// A local part of 64 octets, an at sign and a domain of 255
    /// (RFC 5321 section 4.5.3.1).
    pub const MAX_BYTES: usize = 320;

    /// The part before the at sign.
    pub fn local_part(&self) -> &str {
        &self.addr_spec[..self.at]
    }

    /// The part after the at sign: A-labels in lower case, or an address literal.
    pub fn domain(&self) -> &str {
        &self.addr_spec[self.at + 1..]
    }

    /// The whole, as it goes into commands and header fields.
    pub fn as_str(&self) -> &str {
        &self.addr_spec
    }

    /// Whether a relay must offer SMTPUTF8 for it (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.addr_spec.is_ascii()
    }
}

impl FromStr for Address {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(3..=Self::MAX_BYTES).contains(&text.len()) {
            return Err(Broken::new(Rule::Length, "must have 3 to 320 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(Broken::new(
                Rule::ControlCharacter,
                "must not contain control characters",
            ));
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c == '<' || c == '>')
        {
            return Err(Broken::new(
                Rule::ForbiddenCharacter,
                "must not contain spaces or angle brackets",
            ));
        }
        let (local_part, domain) = text.rsplit_once('@').ok_or_else(syntax)?;
        if local_part.is_empty() || domain.is_empty() {
            return Err(syntax());
        }
        let domain = parse_domain(domain)?;
        if lettre::Address::new(local_part, "example.com").is_err() {
            return Err(Broken::new(
                Rule::LocalPart,
                "must have a valid local part of at most 64 bytes before the at sign",
            ));
        }
        let addr_spec = format!("{local_part}@{domain}");
        if addr_spec.len() > Self::MAX_BYTES {
            return Err(Broken::new(Rule::Length, "must have 3 to 320 bytes"));
        }
        Ok(Self {
            at: local_part.len(),
            addr_spec,
        })
    }
}

/// Address literals (RFC 5321 section 4.1.3) stay as they are; names become
/// A-labels (RFC 5890).
fn parse_domain(domain: &str) -> Result<String, Broken> {
    if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        let address = literal.strip_prefix("IPv6:").unwrap_or(literal);
        return match address.parse::<IpAddr>() {
            Ok(ip) if ip.is_ipv6() == literal.starts_with("IPv6:") => Ok(format!("[{literal}]")),
            _ => Err(invalid_domain()),
        };
    }
    let ascii = idna::domain_to_ascii(domain).map_err(|_| invalid_domain())?;
    let is_name = ascii.len() <= 255
        && ascii.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    if is_name {
        Ok(ascii)
    } else {
        Err(invalid_domain())
    }
}

fn syntax() -> Broken {
    Broken::new(
        Rule::Syntax,
        "must be a local part, an at sign and a domain",
    )
}

fn invalid_domain() -> Broken {
    Broken::new(
        Rule::Domain,
        "must have a domain name or an address literal after the at sign",
    )
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(..@{})", self.domain())
    }
}

/// An address with the name that readers see (RFC 5322 section 3.4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mailbox {
    /// The address.
    pub address: Address,
    /// The display name. May be empty.
    pub display_name: DisplayName,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Rule> {
        text.parse::<Address>()
            .map(|address| address.addr_spec)
            .map_err(|broken| broken.rule)
    }

    #[test]
    fn a_domain_becomes_a_labels_and_the_local_part_stays() {
        assert_eq!(
            parse("Ada@Bücher.example"),
            Ok("Ada@xn--bcher-kva.example".into())
        );
        assert_eq!(parse("δοκιμή@example.com"), Ok("δοκιμή@example.com".into()));
        assert!(
            !"a@bücher.example"
                .parse::<Address>()
                .unwrap()
                .needs_smtputf8()
        );
        assert!("ü@example.com".parse::<Address>().unwrap().needs_smtputf8());
    }

    #[test]
    fn quoted_local_parts_and_literals_are_addresses() {
        assert_eq!(
            parse("\"a@b\"@example.com"),
            Ok("\"a@b\"@example.com".into())
        );
        assert_eq!(parse("a@[192.0.2.1]"), Ok("a@[192.0.2.1]".into()));
        assert_eq!(
            parse("a@[IPv6:2001:db8::1]"),
            Ok("a@[IPv6:2001:db8::1]".into())
        );
        assert_eq!(parse("a@[2001:db8::1]"), Err(Rule::Domain));
    }

    #[test]
    fn nothing_gets_through_that_could_end_a_command() {
        for text in ["a\r\n@b.c", "a@b.c\r\nRCPT", "a\0@b.c", "\"a\r\"@b.c"] {
            assert_eq!(parse(text), Err(Rule::ControlCharacter), "{text:?}");
        }
        for text in ["a b@c.d", "<a@b.c>", "\"a b\"@c.d", "a@b.c>"] {
            assert_eq!(parse(text), Err(Rule::ForbiddenCharacter), "{text:?}");
        }
    }

    #[test]
    fn the_length_limits_hold_at_under_and_over() {
        let local_part = "l".repeat(64);
        let label = "d".repeat(63);
        let domain = [label.as_str(); 4].join(".");
        assert_eq!(parse("a@"), Err(Rule::Length));
        assert_eq!(parse("a@b"), Ok("a@b".into()));
        assert_eq!(
            parse(&format!("{local_part}@{domain}")).map(|a| a.len()),
            Ok(320)
        );
        assert_eq!(parse(&format!("{local_part}@{domain}d")), Err(Rule::Length));
        assert_eq!(parse(&format!("l{local_part}@b.c")), Err(Rule::LocalPart));
    }

    #[test]
    fn debug_shows_no_local_part() {
        let address: Address = "secret@example.com".parse().unwrap();
        assert_eq!(format!("{address:?}"), "Address(..@example.com)");
    }
}
