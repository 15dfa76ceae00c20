//! AUTH (RFC 4954): which mechanism, and its exchange. The only place that
//! reads secrets.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, zeroize::Zeroizing};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Credentials, Host,
    command::Commands,
    connection::Connection,
    error::{Kind, Local, Stop},
    failure::refusal,
    step::Step,
};

/// A command line with its end (RFC 5321 section 4.5.3.1.4). A longer initial
/// response waits for the relay's go-ahead (RFC 4954 section 4).
const MAX_COMMAND_LINE: usize = 512;
/// A line of the exchange (RFC 4954 section 4).
const MAX_BASE64: usize = 12_288;

/// How to authenticate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// As `draft-murchison-sasl-login` describes it.
    Login,
    /// RFC 7628.
    OAuthBearer,
    /// As Google and Microsoft describe it.
    XOAuth2,
}

impl Mechanism {
    /// The best of those `offered` that `credentials` fit.
    pub(super) fn choose(credentials: &Credentials, offered: &[String]) -> Option<Self> {
        let fitting = match credentials {
            Credentials::Password { .. } => [Self::Plain, Self::Login],
            Credentials::OAuth { .. } => [Self::OAuthBearer, Self::XOAuth2],
        };
        fitting
            .into_iter()
            .find(|mechanism| offered.iter().any(|name| name == mechanism.name()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// What to answer when the relay tells an error in a challenge. It then
    /// refuses with a reply.
    fn acknowledgement(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Login => None,
            // One octet of value 1 (RFC 7628 section 3.2.3).
            Self::OAuthBearer => Some("AQ=="),
            Self::XOAuth2 => Some(""),
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Authenticates with `mechanism` to the relay at `host` and `port`.
pub(super) async fn authenticate<IO: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<IO>,
    credentials: &Credentials,
    mechanism: Mechanism,
    (host, port): (&Host, u16),
    step: &Step<'_>,
) -> Result<(), Box<Stop>> {
    let responses = responses(credentials, mechanism, host, port)
        .map_err(|local| step.stop(Kind::Local(local)))?;
    let mut responses = responses
        .iter()
        .map(|response| response.as_str())
        .peekable();
    let initial = responses.next_if(|response| fits_command(mechanism, response));
    let mut acknowledgement = mechanism.acknowledgement();

    let mut command = Commands::auth(mechanism, initial);
    loop {
        let reply = connection.ask(&command, step).await?;
        if reply.code.is_positive() {
            return Ok(());
        }
        if reply.code.is_intermediate() {
            match responses.next().or_else(|| acknowledgement.take()) {
                Some(response) => command = Commands::auth_response(response),
                None => return Err(step.stop(Kind::Unexpected(reply))),
            }
        } else {
            return Err(step.stop(Kind::Refused {
                reason: refusal(step.stage(), &reply),
                reply,
                mechanism: Some(mechanism),
            }));
        }
    }
}

/// Whether a response may stand in the command. LOGIN has no initial response.
fn fits_command(mechanism: Mechanism, response: &str) -> bool {
    let others = "AUTH  \r\n".len() + mechanism.name().len();
    mechanism != Mechanism::Login && others + response.len() <= MAX_COMMAND_LINE
}

/// What to say, in base64, one after the other.
fn responses(
    credentials: &Credentials,
    mechanism: Mechanism,
    host: &Host,
    port: u16,
) -> Result<Vec<Zeroizing<String>>, Local> {
    match credentials {
        Credentials::Password { username, password } => {
            let password = password.expose_secret();
            if [username, password].iter().any(|text| text.contains('\0')) {
                return Err(Local::Credentials);
            }
            if mechanism == Mechanism::Login {
                Ok(vec![encode(&[username])?, encode(&[password])?])
            } else {
                Ok(vec![encode(&["\0", username, "\0", password])?])
            }
        }
        Credentials::OAuth { username, token } => {
            let token = token.expose_secret();
            // An octet of value 1 ends a field.
            let has_control = |text: &str| text.chars().any(char::is_control);
            if has_control(username) || has_control(token) {
                return Err(Local::Credentials);
            }
            let message = if mechanism == Mechanism::XOAuth2 {
                encode(&["user=", username, "\x01auth=Bearer ", token, "\x01\x01"])
            } else {
                // RFC 5801 section 4 escapes what ends the name.
                let username = username.replace('=', "=3D").replace(',', "=2C");
                encode(&[
                    "n,a=",
                    &username,
                    ",\x01host=",
                    &host.to_string(),
                    "\x01port=",
                    &port.to_string(),
                    "\x01auth=Bearer ",
                    token,
                    "\x01\x01",
                ])
            };
            Ok(vec![message?])
        }
    }
}

fn encode(parts: &[&str]) -> Result<Zeroizing<String>, Local> {
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
