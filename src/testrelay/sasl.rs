//! Authentication (RFC 4954) by PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195),
//! SCRAM-SHA-256 (RFC 7677), XOAUTH2 and OAUTHBEARER (RFC 7628). Decides; says
//! nothing on the wire itself.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use strum::{EnumString, IntoStaticStr};

use super::{
    reply::Reply,
    scram::{ClientFirst, Dialogue},
};

/// A SASL mechanism that the relay knows.
#[derive(Clone, Copy, Debug, EnumString, Eq, IntoStaticStr, PartialEq)]
#[strum(ascii_case_insensitive, serialize_all = "UPPERCASE")]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// User name and password, asked for one after the other.
    Login,
    /// RFC 2195.
    #[strum(serialize = "CRAM-MD5")]
    CramMd5,
    /// RFC 7677.
    #[strum(serialize = "SCRAM-SHA-256")]
    ScramSha256,
    /// RFC 7677, bound to the TLS connection.
    #[strum(serialize = "SCRAM-SHA-256-PLUS")]
    ScramSha256Plus,
    /// OAuth 2 as Google introduced it.
    XOAuth2,
    /// RFC 7628.
    OAuthBearer,
}

impl Mechanism {
    /// Its name in EHLO.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Who may authenticate, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    passwords: Vec<(String, String)>,
    tokens: Vec<(String, String)>,
}

impl Accounts {
    pub(super) fn add_password(&mut self, user: &str, password: &str) {
        self.passwords.push((user.to_owned(), password.to_owned()));
    }

    pub(super) fn add_token(&mut self, user: &str, token: &str) {
        self.tokens.push((user.to_owned(), token.to_owned()));
    }

    /// The mechanisms to offer when nobody says which.
    pub(super) fn mechanisms(&self) -> Vec<Mechanism> {
        let mut mechanisms = Vec::new();
        if !self.passwords.is_empty() {
            mechanisms.extend([Mechanism::Plain, Mechanism::Login]);
        }
        if !self.tokens.is_empty() {
            mechanisms.extend([Mechanism::XOAuth2, Mechanism::OAuthBearer]);
        }
        mechanisms
    }

    /// What follows upon the client's `responses` so far.
    pub(super) fn judge(
        &self,
        mechanism: Mechanism,
        responses: &[Vec<u8>],
        dialogue: &Dialogue,
    ) -> Verdict {
        match (mechanism, responses) {
            (Mechanism::CramMd5, []) => {
                Verdict::Challenge(BASE64_STANDARD.encode(cram_challenge(dialogue)))
            }
            (Mechanism::CramMd5, [response, ..]) => self.with_digest(response, dialogue),
            (Mechanism::ScramSha256 | Mechanism::ScramSha256Plus, [first, rest @ ..]) => {
                let is_plus = mechanism == Mechanism::ScramSha256Plus;
                self.with_proof(first, rest, is_plus, dialogue)
            }
            (Mechanism::Login, []) => Verdict::Challenge(BASE64_STANDARD.encode("Username:")),
            (_, []) => Verdict::Challenge(String::new()),
            (Mechanism::Plain, [message, ..]) => self.with_password(plain(message)),
            (Mechanism::Login, [_]) => Verdict::Challenge(BASE64_STANDARD.encode("Password:")),
            (Mechanism::Login, [user, password, ..]) => {
                self.with_password(str::from_utf8(user).ok().zip(str::from_utf8(password).ok()))
            }
            (Mechanism::XOAuth2, [message]) => self.with_token(xoauth2(message).as_ref()),
            (Mechanism::OAuthBearer, [message]) => self.with_token(oauthbearer(message).as_ref()),
            // The client has acknowledged the failure (RFC 7628 section 3.2.3).
            (Mechanism::XOAuth2 | Mechanism::OAuthBearer, _) => Verdict::refused(),
        }
    }

    fn with_password(&self, given: Option<(&str, &str)>) -> Verdict {
        match given {
            Some((user, password)) if holds(&self.passwords, user, password) => {
                Verdict::Accept(user.to_owned())
            }
            Some(_) => Verdict::refused(),
            None => Verdict::malformed(),
        }
    }

    fn with_digest(&self, response: &[u8], dialogue: &Dialogue) -> Verdict {
        let response = str::from_utf8(response).ok();
        let Some((user, digest)) = response.and_then(|it| it.rsplit_once(' ')) else {
            return Verdict::malformed();
        };
        let expected = self.password(user).and_then(|password| {
            let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes()).ok()?;
            mac.update(cram_challenge(dialogue).as_bytes());
            let digest = mac.finalize().into_bytes();
            Some(
                digest
                    .iter()
                    .fold(String::new(), |hex, octet| format!("{hex}{octet:02x}")),
            )
        });
        if expected.as_deref() == Some(digest) {
            Verdict::Accept(user.to_owned())
        } else {
            Verdict::refused()
        }
    }

    fn with_proof(
        &self,
        first: &[u8],
        rest: &[Vec<u8>],
        is_plus: bool,
        dialogue: &Dialogue,
    ) -> Verdict {
        let Some(first) = ClientFirst::parse(first) else {
            return Verdict::malformed();
        };
        if !first.fits(is_plus, dialogue) {
            return Verdict::refused();
        }
        let Some((last, acknowledgement)) = rest.split_first() else {
            return Verdict::Challenge(BASE64_STANDARD.encode(first.challenge(dialogue)));
        };
        let outcome = first.conclude(last, self.password(&first.username), dialogue);
        match (outcome, acknowledgement) {
            (Ok(signature), []) => {
                Verdict::Challenge(BASE64_STANDARD.encode(format!("v={signature}")))
            }
            (Ok(_), _) => Verdict::Accept(first.username),
            (Err(error), []) => Verdict::Challenge(BASE64_STANDARD.encode(format!("e={error}"))),
            (Err(_), _) => Verdict::refused(),
        }
    }

    fn password(&self, user: &str) -> Option<&str> {
        let account = self.passwords.iter().find(|(name, _)| name == user);
        account.map(|(_, password)| password.as_str())
    }

    fn with_token(&self, given: Option<&(String, String)>) -> Verdict {
        match given {
            Some((user, token)) if holds(&self.tokens, user, token) => {
                Verdict::Accept(user.clone())
            }
            Some(_) => Verdict::Challenge(
                BASE64_STANDARD.encode(r#"{"status":"invalid_token","schemes":"bearer"}"#),
            ),
            None => Verdict::malformed(),
        }
    }
}

/// What the relay makes of the responses so far.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// In base64.
    Challenge(String),
    /// The user.
    Accept(String),
    Refuse {
        code: u16,
        enhanced: &'static str,
        text: &'static str,
    },
}

impl Verdict {
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::Challenge(challenge) => Reply::plain(334, challenge.clone()),
            Self::Accept(_) => Reply::new(235, "2.7.0", "authenticated"),
            Self::Refuse {
                code,
                enhanced,
                text,
            } => Reply::new(*code, enhanced, *text),
        }
    }

    fn refused() -> Self {
        Self::Refuse {
            code: 535,
            enhanced: "5.7.8",
            text: "these credentials are not valid here",
        }
    }

    fn malformed() -> Self {
        Self::Refuse {
            code: 501,
            enhanced: "5.5.2",
            text: "this response is malformed",
        }
    }
}

fn cram_challenge(dialogue: &Dialogue) -> String {
    format!("<{}@testrelay.example>", dialogue.nonce)
}

fn holds(accounts: &[(String, String)], user: &str, secret: &str) -> bool {
    accounts
        .iter()
        .any(|(name, expected)| name == user && expected == secret)
}

/// `authzid NUL authcid NUL password`.
fn plain(message: &[u8]) -> Option<(&str, &str)> {
    let mut parts = str::from_utf8(message).ok()?.split('\0');
    let (_, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some((user, password))
}

/// `user=NAME ^A auth=Bearer TOKEN ^A ^A`.
fn xoauth2(message: &[u8]) -> Option<(String, String)> {
    let message = str::from_utf8(message).ok()?.strip_suffix("\x01\x01")?;
    let (user, token) = message.split_once('\x01')?;
    let user = user.strip_prefix("user=")?;
    Some((user.to_owned(), bearer(token)?))
}

/// `n,a=NAME, ^A KEY=VALUE ^A ... auth=Bearer TOKEN ^A ^A`, with `=2C` and
/// `=3D` for commas and equals signs in the name (RFC 5801 section 4).
fn oauthbearer(message: &[u8]) -> Option<(String, String)> {
    let message = str::from_utf8(message).ok()?.strip_suffix("\x01\x01")?;
    let (header, pairs) = message.split_once('\x01')?;
    let user = header.strip_prefix("n,a=")?.strip_suffix(',')?;
    let token = pairs.split('\x01').find_map(bearer)?;
    Some((user.replace("=2C", ",").replace("=3D", "="), token))
}

fn bearer(pair: &str) -> Option<String> {
    pair.strip_prefix("auth=Bearer ").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        let mut accounts = Accounts::default();
        accounts.add_password("ann", "secret");
        accounts.add_token("bob,=", "ya29");
        accounts
    }

    fn judge(mechanism: Mechanism, responses: &[&str]) -> Verdict {
        let responses: Vec<_> = responses
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        accounts().judge(mechanism, &responses, &Dialogue::default())
    }

    #[test]
    fn names_are_those_of_ehlo() {
        let names: Vec<_> = accounts()
            .mechanisms()
            .into_iter()
            .map(Mechanism::name)
            .collect();
        assert_eq!(names, ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]);
        assert_eq!("oauthbearer".parse(), Ok(Mechanism::OAuthBearer));
    }

    #[test]
    fn the_right_secret_is_accepted_by_every_mechanism() {
        let ann = Verdict::Accept("ann".to_owned());
        let bob = Verdict::Accept("bob,=".to_owned());
        assert_eq!(judge(Mechanism::Plain, &["\0ann\0secret"]), ann);
        assert_eq!(judge(Mechanism::Login, &["ann", "secret"]), ann);
        let message = "user=bob,=\x01auth=Bearer ya29\x01\x01";
        assert_eq!(judge(Mechanism::XOAuth2, &[message]), bob);
        let message = "n,a=bob=2C=3D,\x01host=h\x01port=587\x01auth=Bearer ya29\x01\x01";
        assert_eq!(judge(Mechanism::OAuthBearer, &[message]), bob);
    }

    #[test]
    fn a_wrong_secret_is_refused_by_every_mechanism() {
        assert_eq!(judge(Mechanism::Plain, &["\0ann\0x"]), Verdict::refused());
        assert_eq!(
            judge(Mechanism::Login, &["bob,=", "ya29"]),
            Verdict::refused()
        );
        let message = "user=bob\x01auth=Bearer x\x01\x01";
        assert!(matches!(
            judge(Mechanism::XOAuth2, &[message]),
            Verdict::Challenge(_)
        ));
        assert_eq!(
            judge(Mechanism::XOAuth2, &[message, ""]),
            Verdict::refused()
        );
        let message = "n,a=bob,\x01auth=Bearer x\x01\x01";
        assert!(matches!(
            judge(Mechanism::OAuthBearer, &[message]),
            Verdict::Challenge(_)
        ));
        assert_eq!(
            judge(Mechanism::OAuthBearer, &[message, "\x01"]),
            Verdict::refused()
        );
    }

    #[test]
    fn what_is_malformed_is_told_apart() {
        assert_eq!(
            judge(Mechanism::Plain, &["ann\0secret"]),
            Verdict::malformed()
        );
        assert_eq!(
            judge(Mechanism::XOAuth2, &["user=ann"]),
            Verdict::malformed()
        );
    }
}
