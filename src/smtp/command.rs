//! Commands, as octets. They are built from typed values only, none of which
//! can hold a line end.

use std::{fmt, str::FromStr};

use secrecy::zeroize::Zeroize as _;

use super::{Body, Host, auth::Mechanism, data::CHUNK};
use crate::mail::{Address, Broken, Rule};

/// How many octets follow the message in [`Commands::add_rest`].
pub(super) const BEHIND_MESSAGE: usize = "RSET\r\n".len();

/// Commands to be sent together, and how many there are.
#[derive(Default)]
pub(super) struct Commands {
    octets: Vec<u8>,
    count: usize,
    /// AUTH puts secrets there, which are wiped in the end. A message is not:
    /// it takes longer than to send it.
    is_secret: bool,
}

impl Drop for Commands {
    fn drop(&mut self) {
        if self.is_secret {
            self.octets.zeroize();
        }
    }
}

/// What to say in EHLO: a domain name, or an address literal in brackets
/// (RFC 5321 section 4.1.1.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EhloName(String);

impl fmt::Display for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parameters of MAIL FROM.
#[derive(Clone, Copy, Default)]
pub(super) struct MailParameters {
    /// SIZE (RFC 1870).
    pub(super) size: Option<u64>,
    /// BODY=8BITMIME (RFC 6152).
    pub(super) is_8bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub(super) smtputf8: bool,
}

impl Commands {
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn ehlo(name: &EhloName) -> Self {
        Self::one(&["EHLO ", &name.0])
    }

    pub(super) fn helo(name: &EhloName) -> Self {
        Self::one(&["HELO ", &name.0])
    }

    pub(super) fn starttls() -> Self {
        Self::one(&["STARTTLS"])
    }

    pub(super) fn auth(mechanism: Mechanism, initial_response: Option<&str>) -> Self {
        match initial_response {
            None => Self::one(&["AUTH ", mechanism.name()]),
            Some(response) => Self::secret(&["AUTH ", mechanism.name(), " ", response]),
        }
    }

    /// A line of a SASL exchange, in base64.
    pub(super) fn auth_response(response: &str) -> Self {
        Self::secret(&[response])
    }

    pub(super) fn rset() -> Self {
        Self::one(&["RSET"])
    }

    pub(super) fn data() -> Self {
        Self::one(&["DATA"])
    }

    /// The end of a message that has nothing in it.
    pub(super) fn lone_dot() -> Self {
        Self::one(&["."])
    }

    pub(super) fn quit() -> Self {
        Self::one(&["QUIT"])
    }

    pub(super) fn rcpt(forward_path: &Address) -> Self {
        let mut commands = Self::default();
        commands.add_rcpt(forward_path);
        commands
    }

    pub(super) fn mail(reverse_path: Option<&Address>, parameters: MailParameters) -> Self {
        let size = parameters.size.map(|size| format!(" SIZE={size}"));
        Self::one(&[
            "MAIL FROM:<",
            reverse_path.map_or("", Address::as_str),
            ">",
            size.as_deref().unwrap_or_default(),
            if parameters.is_8bit {
                " BODY=8BITMIME"
            } else {
                ""
            },
            if parameters.smtputf8 { " SMTPUTF8" } else { "" },
        ])
    }

    pub(super) fn add_rcpt(&mut self, forward_path: &Address) {
        self.add(&["RCPT TO:<", forward_path.as_str(), ">"]);
    }

    pub(super) fn add_data(&mut self) {
        self.add(&["DATA"]);
    }

    /// BDAT with the whole message behind it (RFC 3030 section 2): its length
    /// says where the next command begins.
    pub(super) fn add_chunk(&mut self, message: &Body) {
        self.add_bdat(message.len());
        let mut octets = message.reader();
        while let Some(part) = octets.next(CHUNK) {
            self.octets.extend_from_slice(part);
        }
    }

    /// What makes a transaction of this MAIL, all of it: every RCPT, the message
    /// in one chunk, and RSET.
    pub(super) fn add_rest<'a>(
        &mut self,
        forward_paths: impl IntoIterator<Item = &'a Address>,
        message: &Body,
    ) {
        for forward_path in forward_paths {
            self.add_rcpt(forward_path);
        }
        self.add_chunk(message);
        self.append(&Self::rset());
    }

    /// Commands to be sent behind these.
    pub(super) fn append(&mut self, further: &Self) {
        self.octets.extend_from_slice(&further.octets);
        self.count += further.count;
        self.is_secret |= further.is_secret;
    }

    /// BDAT, for a message of so many octets to follow.
    pub(super) fn bdat(size: u64) -> Self {
        let mut commands = Self::default();
        commands.add_bdat(size);
        commands
    }

    fn add_bdat(&mut self, size: u64) {
        self.add(&["BDAT ", &size.to_string(), " LAST"]);
    }

    fn secret(parts: &[&str]) -> Self {
        let mut commands = Self::one(parts);
        commands.is_secret = true;
        commands
    }

    fn one(parts: &[&str]) -> Self {
        let mut commands = Self::default();
        commands.add(parts);
        commands
    }

    fn add(&mut self, parts: &[&str]) {
        debug_assert!(
            !parts.iter().any(|part| part.contains(['\r', '\n', '\0'])),
            "a command is one line"
        );
        // Growing would leave copies of secrets behind.
        self.octets
            .reserve(parts.iter().map(|part| part.len()).sum::<usize>() + 2);
        for part in parts {
            self.octets.extend_from_slice(part.as_bytes());
        }
        self.octets.extend_from_slice(b"\r\n");
        self.count += 1;
    }
}

impl FromStr for EhloName {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let literal = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let host = match literal {
            Some(literal) => literal.strip_prefix("IPv6:").unwrap_or(literal).parse(),
            None => text.parse(),
        };
        match host {
            Ok(Host::Name(name)) if literal.is_none() => Ok(Self(name)),
            // RFC 5321 section 4.1.3.
            Ok(Host::Ip(ip)) if ip.is_ipv6() => Ok(Self(format!("[IPv6:{ip}]"))),
            Ok(Host::Ip(ip)) => Ok(Self(format!("[{ip}]"))),
            _ => Err(Broken::new(
                Rule::Syntax,
                "must be a host name, or an address literal in brackets",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(commands: &Commands) -> &str {
        std::str::from_utf8(commands.octets()).unwrap()
    }

    #[test]
    fn mail_has_the_parameters_that_apply() {
        let from: Address = "a@example.com".parse().unwrap();
        let all = MailParameters {
            size: Some(42),
            is_8bit: true,
            smtputf8: true,
        };
        assert_eq!(
            text(&Commands::mail(Some(&from), all)),
            "MAIL FROM:<a@example.com> SIZE=42 BODY=8BITMIME SMTPUTF8\r\n"
        );
        assert_eq!(
            text(&Commands::mail(None, MailParameters::default())),
            "MAIL FROM:<>\r\n"
        );
    }

    #[test]
    fn commands_are_counted() {
        let mut commands = Commands::mail(None, MailParameters::default());
        commands.add_rcpt(&"a@example.com".parse().unwrap());
        commands.add_data();
        assert_eq!(commands.count(), 3);
        assert_eq!(
            text(&commands),
            "MAIL FROM:<>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n"
        );
    }

    #[test]
    fn the_ehlo_name_is_a_name_or_a_literal() {
        for (name, said) in [
            ("Mail.example.com", "mail.example.com"),
            ("[192.0.2.1]", "[192.0.2.1]"),
            ("192.0.2.1", "[192.0.2.1]"),
            ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
            ("[2001:db8::1]", "[IPv6:2001:db8::1]"),
        ] {
            let name: EhloName = name.parse().unwrap();
            assert_eq!(text(&Commands::ehlo(&name)), format!("EHLO {said}\r\n"));
        }
        for name in ["", "a b", "a\r\nMAIL", "[name]", "<a>", "a@b"] {
            assert!(name.parse::<EhloName>().is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_command_is_one_line_whatever_it_is_built_from(name in any::<String>(), path in any::<String>()) {
            let mut commands = Commands::default();
            if let Ok(name) = name.parse() {
                commands = Commands::ehlo(&name);
            }
            if let Ok(path) = path.parse() {
                commands.add_rcpt(&path);
            }
            let ends = commands.octets().iter().filter(|b| **b == b'\n' || **b == b'\r').count();
            prop_assert_eq!(ends, 2 * commands.count());
        }
    }
}
