//! SASL mechanisms: their names, and which are preferred to which.

use std::fmt;

use strum::{EnumString, IntoStaticStr, VariantNames};

use crate::smtp::Credentials;

/// How to authenticate. Parses from and turns into its name in lower case, as
/// the configuration has it.
#[derive(Clone, Copy, Debug, EnumString, Eq, IntoStaticStr, PartialEq, VariantNames)]
pub enum Mechanism {
    /// RFC 7677, bound to the TLS connection.
    #[strum(serialize = "scram-sha-256-plus")]
    ScramSha256Plus,
    /// RFC 7677.
    #[strum(serialize = "scram-sha-256")]
    ScramSha256,
    /// RFC 2195.
    #[strum(serialize = "cram-md5")]
    CramMd5,
    /// RFC 4616.
    #[strum(serialize = "plain")]
    Plain,
    /// As `draft-murchison-sasl-login` describes it.
    #[strum(serialize = "login")]
    Login,
    /// RFC 7628.
    #[strum(serialize = "oauthbearer")]
    OAuthBearer,
    /// As Google and Microsoft describe it.
    #[strum(serialize = "xoauth2")]
    XOAuth2,
}

impl Mechanism {
    /// Its name in SMTP.
    pub(in crate::smtp) fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::CramMd5 => "CRAM-MD5",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// Whether it takes credentials of this kind.
    pub(super) fn takes(self, credentials: &Credentials) -> bool {
        let takes_token = matches!(self, Self::OAuthBearer | Self::XOAuth2);
        takes_token == matches!(credentials, Credentials::OAuth { .. })
    }

    pub(super) fn is_offered(self, offered: &[String]) -> bool {
        offered.iter().any(|name| name == self.name())
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The mechanisms that may be used, the preferred ones first. The default has
/// the strongest first, and no CRAM-MD5.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mechanisms(Vec<Mechanism>);

impl Mechanisms {
    /// `None` when there are none, or one stands there twice.
    pub fn new(mechanisms: Vec<Mechanism>) -> Option<Self> {
        let mut rest = mechanisms.as_slice();
        while let [first, behind @ ..] = rest {
            if behind.contains(first) {
                return None;
            }
            rest = behind;
        }
        (!mechanisms.is_empty()).then_some(Self(mechanisms))
    }

    /// Whether any of them takes credentials of this kind.
    pub fn take(&self, credentials: &Credentials) -> bool {
        self.iter().any(|mechanism| mechanism.takes(credentials))
    }

    /// The preferred ones first.
    pub fn iter(&self) -> impl Iterator<Item = Mechanism> {
        self.0.iter().copied()
    }
}

impl Default for Mechanisms {
    fn default() -> Self {
        Self(vec![
            Mechanism::ScramSha256Plus,
            Mechanism::ScramSha256,
            Mechanism::Plain,
            Mechanism::Login,
            Mechanism::OAuthBearer,
            Mechanism::XOAuth2,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_smtp_in_lower_case() {
        for name in Mechanism::VARIANTS {
            let mechanism: Mechanism = name.parse().unwrap();
            assert_eq!(mechanism.name().to_ascii_lowercase(), *name);
        }
        assert_eq!(Mechanism::VARIANTS.len(), 7);
    }

    #[test]
    fn a_list_has_each_mechanism_once_and_at_least_one() {
        use Mechanism::{Login, Plain};
        assert!(Mechanisms::new(vec![Login, Plain]).is_some());
        assert_eq!(Mechanisms::new(vec![Login, Plain, Login]), None);
        assert_eq!(Mechanisms::new(Vec::new()), None);
        let default = Mechanisms::default();
        assert_eq!(Mechanisms::new(default.0.clone()), Some(default));
    }
}
