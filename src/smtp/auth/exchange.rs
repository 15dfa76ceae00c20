//! What one mechanism says in one exchange, in base64 and line by line. Reads
//! secrets, and sends nothing.

use std::collections::VecDeque;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::{
    Mechanism,
    scram::{self, Binding, Scram},
};
use crate::{
    report::Reply,
    smtp::{Credentials, Host, error::Local},
};

/// A line of the exchange (RFC 4954 section 4).
const MAX_BASE64: usize = 12_288;

/// A line to say.
pub(super) type Line = Zeroizing<String>;

/// What one mechanism says in one exchange.
pub(super) enum Exchange {
    /// It does not depend on the challenges.
    Recital {
        /// The first of them may stand in the command.
        begins: bool,
        lines: VecDeque<Line>,
    },
    CramMd5 {
        username: String,
        /// Until it is used.
        password: Option<SecretString>,
    },
    Scram(Box<Scram>),
}

/// Why a challenge has no answer.
pub(super) enum Unanswered {
    /// Nothing is left to say, or what came is no challenge.
    Unexpected,
    Scram(scram::Fault),
}

impl Exchange {
    /// Prepares to authenticate by `mechanism`, which takes `credentials`, to
    /// the relay at `host` and `port`.
    pub(super) fn new(
        mechanism: Mechanism,
        credentials: &Credentials,
        binding: &Binding,
        (host, port): (&Host, u16),
    ) -> Result<Self, Local> {
        match credentials {
            Credentials::Password { username, password } => {
                let text = password.expose_secret();
                if [username.as_str(), text].iter().any(|it| it.contains('\0')) {
                    return Err(Local::Credentials);
                }
                Ok(match mechanism {
                    Mechanism::ScramSha256Plus | Mechanism::ScramSha256 => {
                        let scram = Scram::new(username, text, binding);
                        Self::Scram(Box::new(scram.ok_or(Local::Credentials)?))
                    }
                    Mechanism::CramMd5 => Self::CramMd5 {
                        username: username.clone(),
                        password: Some(password.clone()),
                    },
                    // It has no initial response.
                    Mechanism::Login => Self::Recital {
                        begins: false,
                        lines: [encode(&[username])?, encode(&[text])?].into(),
                    },
                    _ => Self::Recital {
                        begins: true,
                        lines: [encode(&["\0", username, "\0", text])?].into(),
                    },
                })
            }
            Credentials::OAuth { username, token } => {
                let token = token.expose_secret();
                // An octet of value 1 ends a field.
                let has_control = |text: &str| text.chars().any(char::is_control);
                if has_control(username) || has_control(token) {
                    return Err(Local::Credentials);
                }
                // The second line acknowledges an error that the relay tells
                // in a challenge: it then refuses with a reply.
                let lines = if mechanism == Mechanism::XOAuth2 {
                    let message = ["user=", username, "\x01auth=Bearer ", token, "\x01\x01"];
                    [encode(&message)?, Line::default()]
                } else {
                    // RFC 5801 section 4 escapes what ends the name.
                    let username = username.replace('=', "=3D").replace(',', "=2C");
                    let message = encode(&[
                        "n,a=",
                        &username,
                        ",\x01host=",
                        &host.to_string(),
                        "\x01port=",
                        &port.to_string(),
                        "\x01auth=Bearer ",
                        token,
                        "\x01\x01",
                    ])?;
                    // RFC 7628 section 3.2.3.
                    [message, encode(&["\x01"])?]
                };
                Ok(Self::Recital {
                    begins: true,
                    lines: lines.into(),
                })
            }
        }
    }

    /// The message that begins the exchange. `None` when the relay begins.
    pub(super) fn begin(&mut self) -> Option<Line> {
        match self {
            Self::Recital { begins, lines } => begins.then(|| lines.pop_front())?,
            Self::CramMd5 { .. } => None,
            Self::Scram(scram) => Some(Zeroizing::new(STANDARD.encode(scram.first()))),
        }
    }

    /// What to say to a challenge.
    pub(super) async fn answer(&mut self, challenge: &Reply) -> Result<Line, Unanswered> {
        let challenge = challenge.lines.concat();
        let decode = || STANDARD.decode(challenge.trim()).ok();
        match self {
            Self::Recital { lines, .. } => lines.pop_front().ok_or(Unanswered::Unexpected),
            Self::CramMd5 { username, password } => {
                let answer = password
                    .take()
                    .zip(decode())
                    .map(|(password, challenge)| cram_md5(username, &password, &challenge));
                answer.ok_or(Unanswered::Unexpected)
            }
            Self::Scram(scram) => {
                let malformed = Unanswered::Scram(scram::Fault::Malformed);
                let challenge = decode().ok_or(malformed)?;
                let answer = scram.answer(&challenge).await.map_err(Unanswered::Scram)?;
                Ok(Zeroizing::new(STANDARD.encode(&*answer)))
            }
        }
    }

    /// The relay has let us in. Where it had to prove itself before, it must
    /// have done so.
    pub(super) fn finish(&self) -> Result<(), scram::Fault> {
        match self {
            Self::Scram(scram) => scram.finish(),
            Self::Recital { .. } | Self::CramMd5 { .. } => Ok(()),
        }
    }

    /// Whether the relay has said that this mechanism cannot be used with it.
    pub(super) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Scram(scram) if scram.is_unsupported())
    }
}

/// RFC 2195 section 2.
fn cram_md5(username: &str, password: &SecretString, challenge: &[u8]) -> Line {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Md5>::new_from_slice(password.expose_secret().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(challenge);
    let digest = mac.finalize().into_bytes();
    let digest = u128::from_be_bytes(digest.into());
    Zeroizing::new(STANDARD.encode(format!("{username} {digest:032x}")))
}

fn encode(parts: &[&str]) -> Result<Line, Local> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    // Growing would leave copies behind.
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        message.extend_from_slice(part.as_bytes());
    }
    let mut encoded = Zeroizing::new(String::with_capacity(length.div_ceil(3) * 4));
    STANDARD.encode_string(&message[..], &mut encoded);
    if encoded.len() > MAX_BASE64 {
        return Err(Local::Credentials);
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_2195() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let answer = cram_md5("tim", &"tanstaaftanstaaf".into(), challenge);
        assert_eq!(*answer, "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
    }
}
