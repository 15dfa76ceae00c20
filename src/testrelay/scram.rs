//! The server side of SCRAM-SHA-256 (RFC 5802, RFC 7677), straight from the
//! RFCs and over another cryptographic library than the client side has.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// What the relay brings into one exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialogue {
    /// The relay's part of the nonce; CRAM-MD5's challenge too.
    pub(super) nonce: String,
    pub(super) iterations: u32,
    /// The bindings that the relay knows for this connection.
    pub(super) bindings: Vec<(String, Vec<u8>)>,
    /// Whether a client could have bound itself to the connection.
    pub(super) offers_binding: bool,
}

/// The client's first message.
pub(super) struct ClientFirst<'a> {
    header: &'a str,
    bare: &'a str,
    pub(super) username: String,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let message = str::from_utf8(message).ok()?;
        let mut commas = message.match_indices(',').map(|(at, _)| at);
        let (header, bare) = message.split_at(commas.nth(1)? + 1);
        let mut attributes = bare.split(',');
        let username = attributes.next()?.strip_prefix("n=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        Some(Self {
            header,
            bare,
            username: username.replace("=2C", ",").replace("=3D", "="),
            nonce,
        })
    }

    /// Whether its binding flag goes with the mechanism (RFC 5802 section 6).
    pub(super) fn fits(&self, is_plus: bool, dialogue: &Dialogue) -> bool {
        match self.header {
            "n,," => !is_plus,
            "y,," => !is_plus && !dialogue.offers_binding,
            _ => is_plus && self.header.starts_with("p=") && self.header.ends_with(",,"),
        }
    }

    pub(super) fn challenge(&self, dialogue: &Dialogue) -> String {
        format!(
            "r={}{},s={},i={}",
            self.nonce,
            dialogue.nonce,
            BASE64_STANDARD.encode(salt(&self.username)),
            dialogue.iterations
        )
    }

    /// The relay's signature, when the client's final message proves that it
    /// knows `password`; else the error to tell.
    pub(super) fn conclude(
        &self,
        message: &[u8],
        password: Option<&str>,
        dialogue: &Dialogue,
    ) -> Result<String, &'static str> {
        let malformed = "invalid-encoding";
        let message = str::from_utf8(message).map_err(|_| malformed)?;
        let (unproven, proof) = message.rsplit_once(",p=").ok_or(malformed)?;
        let (bound, nonce) = unproven.split_once(",r=").ok_or(malformed)?;
        let bound = bound.strip_prefix("c=").ok_or(malformed)?;
        let bound = BASE64_STANDARD.decode(bound).map_err(|_| malformed)?;
        let proof = BASE64_STANDARD.decode(proof).map_err(|_| malformed)?;
        let data = bound
            .strip_prefix(self.header.as_bytes())
            .ok_or("channel-bindings-dont-match")?;
        if let Some(name) = self.header.strip_prefix("p=") {
            let known = dialogue
                .bindings
                .iter()
                .find(|(known, _)| name.strip_suffix(",,") == Some(known));
            match known {
                None => return Err("unsupported-channel-binding-type"),
                Some((_, expected)) if expected != data => {
                    return Err("channel-bindings-dont-match");
                }
                Some(_) => {}
            }
        }
        if nonce != format!("{}{}", self.nonce, dialogue.nonce) {
            return Err("other-error");
        }
        let password = password.ok_or("unknown-user")?;
        let salted = salted(password, &salt(&self.username), dialogue.iterations);
        let stored_key = Sha256::digest(mac(&salted, b"Client Key"));
        let auth_message = format!("{},{},{unproven}", self.bare, self.challenge(dialogue));
        let signature = mac(&stored_key, auth_message.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        if Sha256::digest(client_key) != stored_key {
            return Err("invalid-proof");
        }
        let server_key = mac(&salted, b"Server Key");
        let signature = mac(&server_key, auth_message.as_bytes());
        Ok(BASE64_STANDARD.encode(signature))
    }
}

fn salt(username: &str) -> [u8; 16] {
    let mut salt = [0; 16];
    salt.copy_from_slice(&Sha256::digest(username)[..16]);
    salt
}

/// `Hi` (RFC 5802 section 2.2).
fn salted(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut last = mac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = last;
    for _ in 1..iterations {
        last = mac(password.as_bytes(), &last);
        for (sum, last) in sum.iter_mut().zip(last) {
            *sum ^= last;
        }
    }
    sum
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 section 3 has a salt of its own.
    #[test]
    fn the_salted_password_of_rfc_7677_leads_to_its_signature() {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = salted("pencil", &salt, 4096);
        let server_key = mac(&salted, b"Server Key");
        let auth_message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = mac(&server_key, auth_message.as_bytes());
        assert_eq!(
            BASE64_STANDARD.encode(signature),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }
}
