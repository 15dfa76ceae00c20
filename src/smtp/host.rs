//! Where a relay is: a name or an address.

use std::{fmt, net::IpAddr, str::FromStr};

use rustls_pki_types::{DnsName, ServerName};

use crate::mail::{Broken, Rule};

/// A host name (A-labels) or an IP address.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// A name, in lower case. Built by parsing, which makes sure that it is one.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl Host {
    /// What to look for in the relay's certificate.
    ///
    /// # Panics
    ///
    /// When a [`Host::Name`] was not built by parsing and is no host name.
    pub fn to_server_name(&self) -> ServerName<'static> {
        match self {
            #[expect(clippy::expect_used, reason = "parsing has checked the name")]
            Self::Name(name) => ServerName::DnsName(
                DnsName::try_from(name.clone()).expect("a parsed host is a DNS name"),
            ),
            Self::Ip(ip) => ServerName::IpAddress((*ip).into()),
        }
    }
}

impl FromStr for Host {
    type Err = Broken;

    /// A host name of 1 to 253 characters, or an IP address, which may stand in
    /// square brackets.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.chars().count() > 253 {
            return Err(Broken::new(Rule::Length, "must have 1 to 253 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(Broken::new(
                Rule::ControlCharacter,
                "must not contain control characters",
            ));
        }
        let literal = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(ip) = literal.unwrap_or(text).parse() {
            return Ok(Self::Ip(ip));
        }
        let name = idna::domain_to_ascii(text).map_err(|_| not_a_host())?;
        if name.len() > 253 {
            return Err(Broken::new(
                Rule::Length,
                "must have at most 253 characters as A-labels",
            ));
        }
        // The final dot of an absolute name has no place in a certificate.
        if name.ends_with('.') || DnsName::try_from(name.as_str()).is_err() {
            return Err(not_a_host());
        }
        Ok(Self::Name(name))
    }
}

fn not_a_host() -> Broken {
    Broken::new(Rule::Syntax, "must be a host name or an IP address")
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Host, Rule> {
        text.parse().map_err(|broken: Broken| broken.rule)
    }

    #[test]
    fn names_become_a_labels_in_lower_case() {
        for (text, name) in [
            ("Mail.Example.COM", "mail.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("mail_relay", "mail_relay"),
            ("localhost", "localhost"),
        ] {
            let host = parse(text).unwrap();
            assert_eq!(host, Host::Name(name.into()));
            assert_eq!(host.to_server_name().to_str(), name);
        }
    }

    #[test]
    fn literals_are_addresses() {
        for text in ["192.0.2.1", "[192.0.2.1]"] {
            assert_eq!(parse(text), Ok(Host::Ip([192, 0, 2, 1].into())));
        }
        for text in ["2001:db8::1", "[2001:db8::1]"] {
            let host = parse(text).unwrap();
            assert_eq!(host.to_string(), "2001:db8::1");
            assert_eq!(host.to_server_name().to_str(), "2001:db8::1");
        }
    }

    #[test]
    fn the_length_limit_holds_at_under_and_over() {
        let label = "l".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "l".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(parse(&longest).is_ok());
        assert_eq!(parse(&format!("{longest}l")), Err(Rule::Length));
        assert_eq!(parse(""), Err(Rule::Length));
        assert!(parse("l").is_ok());
        // Short as it is written, and too long for a name as A-labels.
        assert_eq!(parse(&["ü"; 100].join(".")), Err(Rule::Length));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "mail..example.com",
            "mail.example.com.",
            ".",
            "-a.example",
            "a b",
            "a@b",
            "mail:587",
            "256.1.1.1",
            "1.2.3",
            "[mail]",
        ] {
            assert_eq!(parse(text), Err(Rule::Syntax), "{text:?}");
        }
        for text in ["a\r\nb", "a\0", "\u{85}"] {
            assert_eq!(parse(text), Err(Rule::ControlCharacter), "{text:?}");
        }
    }
}
