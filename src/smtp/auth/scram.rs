//! SCRAM-SHA-256 (RFC 5802, RFC 7677), with and without channel binding. Both
//! sides prove that they know the password, and neither says it.

use std::{num::NonZeroU32, panic};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{self, SHA256, SHA256_OUTPUT_LEN},
    hmac::{self, HMAC_SHA256},
    pbkdf2::{self, PBKDF2_HMAC_SHA256},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::zeroize::Zeroizing;
use uuid::Uuid;

use crate::tls::ChannelBinding;

/// RFC 7677 section 4 asks for 4,096 at least. More than the most would let a
/// relay keep this machine busy.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;

/// What a client says about channel binding (RFC 5802 section 6).
#[derive(Clone, Debug)]
pub(super) enum Binding {
    /// This connection, and no other.
    To(ChannelBinding),
    /// It would, and the relay does not offer it. A relay that does then
    /// learns that somebody took its offer away.
    NotOffered,
    /// None.
    None,
}

/// The relay does not do its part.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::smtp) enum Fault {
    #[error("what it sent is not SCRAM")]
    Malformed,
    #[error("it asks for {0} iterations, and from 4096 to 1000000 are taken")]
    Iterations(u32),
    #[error("its nonce does not continue ours")]
    Nonce,
    #[error("its signature is not that of one who knows the password")]
    Signature,
    #[error("it did not prove that it knows the password")]
    NoSignature,
}

/// One exchange.
pub(super) struct Scram {
    /// What the client says about channel binding, with two commas.
    header: String,
    /// The data of the binding.
    channel: Vec<u8>,
    /// The client's first message, without the header.
    first: String,
    nonce: String,
    state: State,
}

enum State {
    /// With the password to answer the challenge.
    Begun(Zeroizing<String>),
    /// With the signature of a relay that knows the password.
    Answered(hmac::Tag),
    /// The relay knows the password.
    Proven,
    /// The relay has told an error.
    Failed { binding_unsupported: bool },
}

impl Scram {
    /// `None` when the user name or the password has a character that SCRAM
    /// cannot carry.
    pub(super) fn new(username: &str, password: &str, binding: &Binding) -> Option<Self> {
        // Two times 122 bits.
        let nonce = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        Self::with_nonce(username, password, binding, nonce)
    }

    fn with_nonce(
        username: &str,
        password: &str,
        binding: &Binding,
        nonce: String,
    ) -> Option<Self> {
        let prepare = |text| {
            let prepared = stringprep::saslprep(text).ok()?;
            (!prepared.is_empty()).then_some(prepared)
        };
        let username = prepare(username)?.replace('=', "=3D").replace(',', "=2C");
        let password = Zeroizing::new(prepare(password)?.into_owned());
        let (header, channel) = match binding {
            Binding::To(binding) => (format!("p={},,", binding.name), binding.data.clone()),
            Binding::NotOffered => ("y,,".to_owned(), Vec::new()),
            Binding::None => ("n,,".to_owned(), Vec::new()),
        };
        Some(Self {
            header,
            channel,
            first: format!("n={username},r={nonce}"),
            nonce,
            state: State::Begun(password),
        })
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("{}{}", self.header, self.first)
    }

    /// What to say to a challenge.
    pub(super) async fn answer(&mut self, challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let challenge = str::from_utf8(challenge).map_err(|_| Fault::Malformed)?;
        // Whatever goes wrong, there is no second try.
        let failed = State::Failed {
            binding_unsupported: false,
        };
        match std::mem::replace(&mut self.state, failed) {
            State::Begun(password) => {
                let (answer, state) = self.prove(challenge, password).await?;
                self.state = state;
                Ok(answer)
            }
            State::Answered(expected) => {
                self.state = conclude(challenge, &expected)?;
                Ok(Zeroizing::new(Vec::new()))
            }
            State::Proven | State::Failed { .. } => Err(Fault::Malformed),
        }
    }

    /// The relay has let us in: it must have proven itself before.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self.state {
            State::Proven => Ok(()),
            _ => Err(Fault::NoSignature),
        }
    }

    /// Whether the relay has said that it cannot bind to this connection.
    pub(super) fn is_unsupported(&self) -> bool {
        matches!(
            self.state,
            State::Failed {
                binding_unsupported: true
            }
        )
    }

    async fn prove(
        &self,
        challenge: &str,
        password: Zeroizing<String>,
    ) -> Result<(Zeroizing<Vec<u8>>, State), Fault> {
        let Challenge {
            nonce,
            salt,
            iterations,
        } = Challenge::parse(challenge, &self.nonce)?;
        // Milliseconds at least, up to half a second.
        let salting = tokio::task::spawn_blocking(move || {
            let mut salted = Zeroizing::new([0; SHA256_OUTPUT_LEN]);
            let password = password.as_bytes();
            pbkdf2::derive(
                PBKDF2_HMAC_SHA256,
                iterations,
                &salt,
                password,
                &mut *salted,
            );
            salted
        });
        let salted = salting
            .await
            .unwrap_or_else(|fault| panic::resume_unwind(fault.into_panic()));

        let bound = STANDARD.encode([self.header.as_bytes(), &self.channel].concat());
        let unproven = format!("c={bound},r={nonce}");
        let auth_message = format!("{},{challenge},{unproven}", self.first);

        let salted = hmac::Key::new(HMAC_SHA256, &*salted);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(&SHA256, client_key.as_ref());
        let stored_key = hmac::Key::new(HMAC_SHA256, stored_key.as_ref());
        let signature = hmac::sign(&stored_key, auth_message.as_bytes());
        let pairs = client_key.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = pairs.map(|(key, signature)| key ^ signature).collect();

        let server_key = hmac::sign(&salted, b"Server Key");
        let server_key = hmac::Key::new(HMAC_SHA256, server_key.as_ref());
        let expected = hmac::sign(&server_key, auth_message.as_bytes());
        let answer = format!("{unproven},p={}", STANDARD.encode(proof));
        Ok((
            Zeroizing::new(answer.into_bytes()),
            State::Answered(expected),
        ))
    }
}

/// The server's first message.
struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> Challenge<'a> {
    fn parse(text: &'a str, our_nonce: &str) -> Result<Self, Fault> {
        // What comes behind them are extensions, which may be passed over. A
        // mandatory one would come first.
        let mut attributes = text.split(',');
        let mut value = |name| {
            let attribute = attributes.next().and_then(|it| it.strip_prefix(name));
            attribute.ok_or(Fault::Malformed)
        };
        let (nonce, salt, iterations) = (value("r=")?, value("s=")?, value("i=")?);
        if nonce.len() <= our_nonce.len() || !nonce.starts_with(our_nonce) {
            return Err(Fault::Nonce);
        }
        let salt = STANDARD.decode(salt).map_err(|_| Fault::Malformed)?;
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| Fault::Malformed)?;
        if !ITERATIONS.contains(&iterations.get()) {
            return Err(Fault::Iterations(iterations.get()));
        }
        Ok(Self {
            nonce,
            salt,
            iterations,
        })
    }
}

/// What the server's final message leads to.
fn conclude(text: &str, expected: &hmac::Tag) -> Result<State, Fault> {
    let attribute = text.split(',').next().unwrap_or_default();
    if let Some(error) = attribute.strip_prefix("e=") {
        let binding_unsupported = matches!(
            error,
            "channel-binding-not-supported" | "unsupported-channel-binding-type"
        );
        return Ok(State::Failed {
            binding_unsupported,
        });
    }
    let signature = attribute.strip_prefix("v=").ok_or(Fault::Malformed)?;
    let signature = STANDARD.decode(signature).map_err(|_| Fault::Malformed)?;
    verify_slices_are_equal(expected.as_ref(), &signature)
        .map(|()| State::Proven)
        .map_err(|_| Fault::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUR_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn scram(username: &str, password: &str, binding: &Binding) -> Option<Scram> {
        Scram::with_nonce(username, password, binding, OUR_NONCE.to_owned())
    }

    fn user() -> Scram {
        scram("user", "pencil", &Binding::None).unwrap()
    }

    async fn say(scram: &mut Scram, challenge: &str) -> Result<String, Fault> {
        let answer = scram.answer(challenge.as_bytes()).await?;
        Ok(String::from_utf8(answer.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_exchange_of_rfc_7677_section_3() {
        let mut scram = user();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let answer = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                      p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(say(&mut scram, CHALLENGE).await.unwrap(), answer);
        assert_eq!(scram.finish(), Err(Fault::NoSignature));
        assert_eq!(say(&mut scram, FINAL).await.unwrap(), "");
        assert_eq!(scram.finish(), Ok(()));
    }

    #[tokio::test]
    async fn a_relay_that_does_not_know_the_password_is_found_out() {
        let other = STANDARD.encode([7; 32]);
        for (last, fault) in [
            (format!("v={other}"), Fault::Signature),
            ("v=".to_owned(), Fault::Signature),
            ("v=!".to_owned(), Fault::Malformed),
            ("ok".to_owned(), Fault::Malformed),
            (String::new(), Fault::Malformed),
        ] {
            let mut scram = user();
            say(&mut scram, CHALLENGE).await.unwrap();
            assert_eq!(say(&mut scram, &last).await, Err(fault), "{last}");
            assert_eq!(scram.finish(), Err(Fault::NoSignature));
            // There is no second try.
            assert_eq!(say(&mut scram, FINAL).await, Err(Fault::Malformed));
        }
        // One that skips the exchange, or ends it early.
        assert_eq!(user().finish(), Err(Fault::NoSignature));
    }

    #[tokio::test]
    async fn a_challenge_that_is_none_is_not_answered() {
        let ours = format!("r={OUR_NONCE}x");
        for (challenge, fault) in [
            (String::new(), Fault::Malformed),
            ("e=other-error".to_owned(), Fault::Malformed),
            (format!("m=x,{ours},s=AAAA,i=4096"), Fault::Malformed),
            (format!("{ours},s=AAAA"), Fault::Malformed),
            (format!("{ours},s=AAA,i=4096"), Fault::Malformed),
            (format!("{ours},s=AAAA,i=0"), Fault::Malformed),
            (format!("{ours},s=AAAA,i=-1"), Fault::Malformed),
            (format!("{ours},s=AAAA,i=99999999999"), Fault::Malformed),
            (format!("{ours},s=AAAA,i=4095"), Fault::Iterations(4095)),
            (
                format!("{ours},s=AAAA,i=1000001"),
                Fault::Iterations(1_000_001),
            ),
            (format!("r={OUR_NONCE},s=AAAA,i=4096"), Fault::Nonce),
            ("r=another,s=AAAA,i=4096".to_owned(), Fault::Nonce),
        ] {
            assert_eq!(
                say(&mut user(), &challenge).await,
                Err(fault),
                "{challenge}"
            );
        }
        let not_utf8 = user().answer(b"r=\xff").await.map(drop);
        assert_eq!(not_utf8, Err(Fault::Malformed));
        // The bounds themselves, and an extension.
        for challenge in ["i=4096", "i=1000000", "i=5000,x=y"] {
            let challenge = format!("{ours},s=AAAA,{challenge}");
            say(&mut user(), &challenge).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_binding_is_said_and_proven() {
        let to = Binding::To(ChannelBinding {
            name: "tls-exporter",
            data: vec![b',', 0, 255],
        });
        for (binding, header, bound) in [
            (Binding::None, "n,,", b"n,,".to_vec()),
            (Binding::NotOffered, "y,,", b"y,,".to_vec()),
            (to, "p=tls-exporter,,", b"p=tls-exporter,,,\0\xff".to_vec()),
        ] {
            let mut scram = scram("user", "pencil", &binding).unwrap();
            let first = format!("{header}n=user,r={OUR_NONCE}");
            assert_eq!(scram.first(), first);
            let answer = say(&mut scram, CHALLENGE).await.unwrap();
            let said = format!("c={},", STANDARD.encode(bound));
            assert!(answer.starts_with(&said), "{answer}");
        }
    }

    #[tokio::test]
    async fn an_error_is_acknowledged_and_told_apart() {
        for (error, is_unsupported) in [
            ("e=invalid-proof", false),
            ("e=channel-bindings-dont-match", false),
            ("e=unsupported-channel-binding-type", true),
            ("e=channel-binding-not-supported,x=y", true),
        ] {
            let mut scram = user();
            say(&mut scram, CHALLENGE).await.unwrap();
            assert_eq!(say(&mut scram, error).await.unwrap(), "");
            assert_eq!(scram.is_unsupported(), is_unsupported);
            assert_eq!(scram.finish(), Err(Fault::NoSignature));
        }
    }

    #[tokio::test]
    async fn names_and_passwords_are_prepared() {
        // RFC 4013 section 3, and the escapes of RFC 5802 section 5.1.
        let first = |username| scram(username, "p", &Binding::None).map(|scram| scram.first());
        for (username, said) in [("I\u{ad}X", "IX"), ("\u{aa}", "a"), ("a=b,c", "a=3Db=2Cc")] {
            let expected = format!("n,,n={said},r={OUR_NONCE}");
            assert_eq!(first(username).unwrap(), expected);
        }
        for text in ["\u{7}", "a\0", "\u{627}1", "\u{ad}", ""] {
            assert!(first(text).is_none(), "{text:?}");
            assert!(scram("user", text, &Binding::None).is_none(), "{text:?}");
        }
        let mut same = Vec::new();
        for password in ["\u{2168}", "I\u{ad}X", "IX"] {
            let mut scram = scram("user", password, &Binding::None).unwrap();
            same.push(say(&mut scram, CHALLENGE).await.unwrap());
        }
        assert!(same.iter().all(|answer| *answer == same[0]));
    }

    #[test]
    fn nonces_differ_and_hold_no_comma() {
        let nonce = || {
            let scram = Scram::new("user", "pencil", &Binding::None).unwrap();
            scram.nonce
        };
        assert_ne!(nonce(), nonce());
        assert!(nonce().bytes().all(|octet| octet.is_ascii_hexdigit()));
        assert_eq!(nonce().len(), 64);
    }
}
