//! What a relay said in plaintext before TLS began, and what that tells about
//! a handshake that failed: a greeting in one foreign name and a certificate
//! for the same show that somebody else answers.

use super::Host;
use crate::{
    report::{Confidence, Flaw, Reason, Reply, TlsEvidence},
    tls::HandshakeError,
};

/// What a relay said before TLS began.
pub(super) struct Prelude {
    pub(super) greeting: Reply,
    /// The reply to STARTTLS.
    pub(super) go_ahead: Reply,
}

/// Domains of those who run relays for everybody. Their names stand for nobody
/// else's relays, so that whoever answers by another name is somebody else.
const PUBLIC_RELAYS: [&str; 32] = [
    "163.com",
    "amazonaws.com",
    "aol.com",
    "brevo.com",
    "fastmail.com",
    "gmail.com",
    "gmx.com",
    "gmx.net",
    "google.com",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mail.ru",
    "mailgun.org",
    "mailjet.com",
    "mandrillapp.com",
    "me.com",
    "office365.com",
    "outlook.com",
    "postmarkapp.com",
    "qq.com",
    "sendgrid.net",
    "sendinblue.com",
    "sparkpostmail.com",
    "t-online.de",
    "web.de",
    "yahoo.com",
    "yandex.com",
    "yandex.ru",
    "zoho.com",
    "zoho.eu",
];

/// Second labels under which a country registers names, as in `co.uk`.
const COUNTRY_WIDE: [&str; 11] = [
    "ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "or", "org",
];

impl Prelude {
    /// Adds to `error` what was said before the handshake with `host`.
    pub(super) fn explain(self, host: &Host, error: &mut HandshakeError) {
        if let Some(stranger) = Stranger::answering(&self.greeting, host, &error.evidence) {
            stranger.blame(error);
        }
        error.evidence.starttls_reply = Some(self.go_ahead);
    }
}

/// Whoever greets and shows a certificate in a name that has nothing to do
/// with the relay's.
struct Stranger {
    name: String,
    certainty: Certainty,
}

/// How it is known that the stranger is not the relay by another name, such as
/// a provider's behind a customer's.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Certainty {
    /// The relay's name is nobody else's.
    Sure,
    /// The stranger's is that of one machine among many, as hosting providers
    /// number theirs.
    Likely,
    Unlikely,
}

impl Stranger {
    fn answering(greeting: &Reply, host: &Host, evidence: &TlsEvidence) -> Option<Self> {
        // Who asks for an address has no name that could be another's.
        let Host::Name(host) = host else {
            return None;
        };
        let name = greeting_name(greeting)?;
        let certified = &evidence.certificates.first()?.subject_alt_names;
        let is_certified = |it: &str| certified.iter().any(|name| are_related(it, name));
        let wanted = [host.as_str(), &evidence.server_name];
        if !is_certified(&name)
            || wanted
                .iter()
                .any(|it| are_related(it, &name) || is_certified(it))
        {
            return None;
        }
        let is_public =
            |name: &str| domain(name).is_some_and(|it| PUBLIC_RELAYS.contains(&it.as_str()));
        let digits = |name: &str| {
            let label = name.split('.').next().unwrap_or_default();
            label.bytes().filter(u8::is_ascii_digit).count()
        };
        let certainty = if is_public(host) && !is_public(&name) {
            Certainty::Sure
        } else if digits(&name) >= 3 {
            Certainty::Likely
        } else {
            Certainty::Unlikely
        };
        Some(Self { name, certainty })
    }

    /// Puts the stranger in the place of the wrong name in `error`. Where the
    /// reason is another one it stays, unless it is sure that all the rest is
    /// the stranger's too.
    fn blame(self, error: &mut HandshakeError) {
        let sentence = self.sentence(&error.evidence);
        let (reason, confidence, alternatives) = self.verdict();
        let mut flaws = error.evidence.flaws.iter_mut();
        let misnamed = flaws.find(|flaw| flaw.reason == Reason::CertNameMismatch);
        match misnamed {
            Some(flaw) if self.certainty == Certainty::Sure => {
                *flaw = Flaw {
                    reason: error.reason,
                    confidence: error.confidence,
                    summary: std::mem::take(&mut error.summary),
                };
            }
            Some(flaw) => {
                *flaw = Flaw {
                    reason,
                    confidence,
                    summary: sentence + ".",
                };
                return;
            }
            None if error.reason == Reason::CertNameMismatch => {}
            None => return,
        }
        let alert = error.evidence.alert.as_ref();
        let alert = alert.map_or_else(String::new, |it| format!(" (alert sent: {})", it.name));
        error.reason = reason;
        error.confidence = confidence;
        error.alternatives = alternatives;
        error.summary = format!("{sentence}{alert}.");
    }

    fn verdict(&self) -> (Reason, Confidence, Vec<Reason>) {
        use Reason::{CertNameMismatch, SmtpIntercepted};

        match self.certainty {
            Certainty::Sure => (SmtpIntercepted, Confidence::Inferred, Vec::new()),
            Certainty::Likely => (
                SmtpIntercepted,
                Confidence::Ambiguous,
                vec![CertNameMismatch],
            ),
            Certainty::Unlikely => (
                CertNameMismatch,
                Confidence::Ambiguous,
                vec![SmtpIntercepted],
            ),
        }
    }

    fn sentence(&self, evidence: &TlsEvidence) -> String {
        let host = clip(&evidence.server_name);
        let name = clip(&self.name);
        let certified = evidence.certificates.first();
        let certified = certified.and_then(|it| {
            let related = |san: &&String| are_related(san, &self.name);
            it.subject_alt_names.iter().find(related)
        });
        let certified = clip(certified.map_or(name, String::as_str));
        let facts = format!(
            "{name} answers in the place of {host}: it greets by that name, and its certificate \
             is for {certified}, not for {host}"
        );
        match self.certainty {
            Certainty::Sure => facts,
            Certainty::Likely => {
                format!("{facts}; SMTP is redirected, or {host} is another name for it")
            }
            Certainty::Unlikely => {
                format!("{facts}; {host} is another name for it, or SMTP is redirected")
            }
        }
    }
}

/// The name that a greeting begins with (RFC 5321 section 4.2), if it is a
/// domain name.
fn greeting_name(greeting: &Reply) -> Option<String> {
    let word = greeting.lines.first()?.split_ascii_whitespace().next()?;
    match word.trim_end_matches('.').parse().ok()? {
        Host::Name(name) if name.contains('.') => Some(name),
        _ => None,
    }
}

/// Whether two names are likely those of one owner.
fn are_related(one: &str, other: &str) -> bool {
    let of = |name: &str| domain(name.strip_prefix("*.").unwrap_or(name));
    match (of(one), of(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// What an owner may have registered of a name: its last two labels, or three
/// where the second is one such as `co` in `co.uk`. A guess: the list of public
/// suffixes is longer than all of this.
fn domain(name: &str) -> Option<String> {
    let labels: Vec<_> = name.rsplit('.').collect();
    let count = match labels[..] {
        [top, second, _, ..] if top.len() == 2 && COUNTRY_WIDE.contains(&second) => 3,
        [_, _, ..] => 2,
        _ => return None,
    };
    let mut owned: Vec<_> = labels.into_iter().take(count).collect();
    owned.reverse();
    Some(owned.join(".").to_ascii_lowercase())
}

/// The part of a name that fits into a sentence. Names of hosts are ASCII.
fn clip(name: &str) -> &str {
    &name[..name.floor_char_boundary(72)]
}

#[cfg(test)]
#[cfg(feature = "testrelay")]
mod tests;
