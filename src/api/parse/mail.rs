//! A mail, with all that says how it is sent.

use super::{Path, Violations, envelope, list::too_many, message, people::People, relay, tls};
use crate::{
    api::pb,
    mail::{Broken, Content, Mail, RawMessage, RecipientPolicy, Rule},
    sender::Order,
};

const MAX_TAGS: usize = 16;
const MAX_TAG_KEY_CHARS: usize = 63;
const MAX_TAG_VALUE_CHARS: usize = 256;

/// Parses `mail`.
pub(super) fn order(
    violations: &mut Violations,
    mail: Option<pb::Mail>,
    fingerprint: [u8; 32],
) -> Option<Order> {
    let path = Path::root("mail");
    let mail = violations.require(path, mail)?;
    let policy = policy(
        violations,
        path.field("recipient_policy"),
        mail.recipient_policy,
    );
    let relay = relay::choice(violations, path.field("relay"), mail.relay);
    let tls = tls::settings(violations, path.field("tls"), mail.tls);
    let tags = tags(violations, path.field("tags"), mail.tags.into_iter());
    let mail = match mail.content {
        Some(pb::mail::Content::Message(message)) => {
            composed(violations, path, message, mail.envelope)
        }
        Some(pb::mail::Content::Raw(raw)) => {
            let raw = violations.keep(path.field("raw"), RawMessage::try_from(raw));
            let envelope = envelope::explicit(violations, path.field("envelope"), mail.envelope);
            Option::zip(raw, envelope).map(|(raw, envelope)| Mail {
                envelope,
                content: Content::Raw(raw),
            })
        }
        None => {
            violations.breach(path, Rule::Required, "must have `message` or `raw`");
            None
        }
    };
    Some(Order {
        mail: mail?,
        relay: relay?,
        tls,
        policy: policy?,
        tags,
        fingerprint,
    })
}

fn composed(
    violations: &mut Violations,
    path: Path<'_>,
    message: pb::Message,
    envelope: Option<pb::Envelope>,
) -> Option<Mail> {
    let people = People::new(violations, path.field("message"), &message);
    let envelope = envelope::derived(violations, path, envelope, &people);
    let message = message::message(violations, path.field("message"), message, people);
    Option::zip(message, envelope).map(|(message, envelope)| Mail {
        envelope,
        content: Content::Message(Box::new(message)),
    })
}

fn policy(violations: &mut Violations, path: Path<'_>, policy: i32) -> Option<RecipientPolicy> {
    match pb::RecipientPolicy::try_from(policy) {
        Ok(pb::RecipientPolicy::Unspecified | pb::RecipientPolicy::Any) => {
            Some(RecipientPolicy::Any)
        }
        Ok(pb::RecipientPolicy::All) => Some(RecipientPolicy::All),
        Err(_) => {
            violations.breach(path, Rule::UnknownValue, "must be a known value");
            None
        }
    }
}

fn tags(
    violations: &mut Violations,
    path: Path<'_>,
    tags: impl ExactSizeIterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    if tags.len() > MAX_TAGS {
        too_many(violations, path, MAX_TAGS);
        return Vec::new();
    }
    tags.inspect(|(key, value)| {
        let path = path.key(key);
        if let Err(broken) = tag_key(key).and_then(|()| tag_value(value)) {
            violations.add(path, &broken);
        }
    })
    .collect()
}

fn tag_key(key: &str) -> Result<(), Broken> {
    if key.is_empty() || key.chars().nth(MAX_TAG_KEY_CHARS).is_some() {
        return Err(Broken::new(
            Rule::Length,
            format!("must have a key of 1 to {MAX_TAG_KEY_CHARS} characters"),
        ));
    }
    let is_key = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
    if !key.starts_with(|c: char| c.is_ascii_lowercase()) || !key.chars().all(is_key) {
        return Err(Broken::new(
            Rule::ForbiddenCharacter,
            "must have a key of lower-case letters, digits, `_`, `.` and `-`, a letter first",
        ));
    }
    Ok(())
}

fn tag_value(value: &str) -> Result<(), Broken> {
    if value.chars().nth(MAX_TAG_VALUE_CHARS).is_some() {
        return Err(Broken::new(
            Rule::Length,
            format!("must not be longer than {MAX_TAG_VALUE_CHARS} characters"),
        ));
    }
    // Tags go into logs, where a line break would make a line of the caller's.
    if value.chars().any(char::is_control) {
        return Err(Broken::new(
            Rule::ControlCharacter,
            "must not contain control characters",
        ));
    }
    Ok(())
}
