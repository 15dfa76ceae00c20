//! AUTH, as it goes to and fro (RFC 4954).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use smtp_proto::{
    AUTH_CRAM_MD5, AUTH_LOGIN, AUTH_OAUTHBEARER, AUTH_PLAIN, AUTH_SCRAM_SHA_256,
    AUTH_SCRAM_SHA_256_PLUS, AUTH_XOAUTH2,
};
use uuid::Uuid;

use super::{
    Mechanism, Step, reply::Reply, sasl::Verdict, scram::Dialogue, session::Session, wire::Over,
};

const MOST_RESPONSES: usize = 8;

impl Session {
    pub(super) async fn auth(&mut self, mechanism: u64, initial: &str) -> Result<(), Over> {
        let mechanism = match self.usable(mechanism) {
            Ok(mechanism) => mechanism,
            Err(refusal) => return self.answer(Step::Auth, refusal).await,
        };
        let mut responses = Vec::new();
        match initial {
            "" => {}
            // An initial response of no octets (RFC 4954 section 4).
            "=" => responses.push(Vec::new()),
            text => match BASE64_STANDARD.decode(text) {
                Ok(response) => responses.push(response),
                Err(_) => return self.answer(Step::Auth, not_base64()).await,
            },
        }
        let dialogue = self.dialogue();
        let mut step = Step::Auth;
        for n in 1.. {
            let verdict = self
                .relay
                .settings
                .accounts
                .judge(mechanism, &responses, &dialogue);
            let chosen = self.choose(step, verdict.reply());
            let code = chosen.code;
            if code == Some(235) {
                self.identity = Some(match verdict {
                    Verdict::Accept(user) => user,
                    _ => "whoever the script let in".to_owned(),
                });
            }
            self.give(chosen).await?;
            if code != Some(334) {
                break;
            }
            let Some(line) = self.line().await? else {
                break;
            };
            step = Step::AuthResponse(n);
            let line = line.trim_ascii_end();
            if line == b"*" {
                return self
                    .answer(step, Reply::new(501, "5.7.0", "cancelled"))
                    .await;
            }
            match BASE64_STANDARD.decode(line) {
                Ok(response) if responses.len() < MOST_RESPONSES => responses.push(response),
                _ => return self.answer(step, not_base64()).await,
            }
        }
        Ok(())
    }

    /// What the relay brings into an exchange that begins.
    fn dialogue(&self) -> Dialogue {
        let settings = &self.relay.settings;
        let mut bindings = Vec::new();
        if let Some(exported) = self.wire.exported(b"EXPORTER-Channel-Binding") {
            bindings.push(("tls-exporter".to_owned(), exported));
            bindings.push((
                "tls-server-end-point".to_owned(),
                settings.end_point.clone(),
            ));
        }
        if let Some(names) = &settings.channel_bindings {
            bindings.retain(|(name, _)| names.contains(name));
        }
        Dialogue {
            nonce: Uuid::new_v4().simple().to_string(),
            iterations: settings.scram_iterations,
            offers_binding: settings.mechanisms.contains(&Mechanism::ScramSha256Plus),
            bindings,
        }
    }

    /// The mechanism, if it may be used now.
    fn usable(&self, mechanism: u64) -> Result<Mechanism, Reply> {
        let known = match mechanism {
            AUTH_PLAIN => Some(Mechanism::Plain),
            AUTH_LOGIN => Some(Mechanism::Login),
            AUTH_CRAM_MD5 => Some(Mechanism::CramMd5),
            AUTH_SCRAM_SHA_256 => Some(Mechanism::ScramSha256),
            AUTH_SCRAM_SHA_256_PLUS => Some(Mechanism::ScramSha256Plus),
            AUTH_XOAUTH2 => Some(Mechanism::XOAuth2),
            AUTH_OAUTHBEARER => Some(Mechanism::OAuthBearer),
            _ => None,
        };
        if !self.extended {
            return Err(Reply::new(503, "5.5.1", "say EHLO first"));
        }
        if self.identity.is_some() || self.transaction.is_some() {
            return Err(Reply::new(503, "5.5.1", "not now"));
        }
        if !self.may_authenticate() {
            return Err(Reply::new(538, "5.7.11", "encryption is required"));
        }
        known
            .filter(|mechanism| self.relay.settings.mechanisms.contains(mechanism))
            .ok_or_else(|| Reply::new(504, "5.5.4", "this mechanism is not offered"))
    }
}

fn not_base64() -> Reply {
    Reply::new(501, "5.5.2", "this is not base64")
}
