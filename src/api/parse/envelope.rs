//! The envelope, as it is given or as the message implies it.

use std::collections::HashSet;

use super::{
    Path, Violations,
    list::list,
    people::{MAX_RECIPIENTS, People},
};
use crate::{
    api::pb,
    mail::{Address, Envelope, Rule},
};

/// The envelope of a mail that is composed: what `envelope` leaves open comes
/// from the message.
pub(super) fn derived(
    violations: &mut Violations,
    mail: Path<'_>,
    envelope: Option<pb::Envelope>,
    people: &People,
) -> Option<Envelope> {
    let path = mail.field("envelope");
    let envelope = envelope.unwrap_or_default();
    let reverse_path = match envelope.mail_from {
        Some(mail_from) => reverse_path(violations, path.field("mail_from"), &mail_from),
        None => people
            .reverse_path()
            .map(|path| ReversePath(Some(path.clone()))),
    };
    if !envelope.rcpt_to.is_empty() {
        return assemble(
            reverse_path,
            forward_paths(violations, path, envelope.rcpt_to),
        );
    }
    if !people.has_recipients {
        violations.breach(
            mail.field("message").field("to"),
            Rule::Required,
            "must hold an address, unless cc, bcc or the envelope does",
        );
    }
    let mut seen = HashSet::new();
    let each_once = people
        .recipients()
        .filter(|address| seen.insert(*address))
        .cloned()
        .collect();
    assemble(reverse_path, each_once)
}

/// The envelope of a raw mail, which must name both its parts.
pub(super) fn explicit(
    violations: &mut Violations,
    path: Path<'_>,
    envelope: Option<pb::Envelope>,
) -> Option<Envelope> {
    let envelope = violations.require(path, envelope)?;
    let reverse_path = violations
        .require(path.field("mail_from"), envelope.mail_from)
        .and_then(|mail_from| reverse_path(violations, path.field("mail_from"), &mail_from));
    if envelope.rcpt_to.is_empty() {
        violations.breach(
            path.field("rcpt_to"),
            Rule::Required,
            "must hold an address, since the mail is raw",
        );
    }
    assemble(
        reverse_path,
        forward_paths(violations, path, envelope.rcpt_to),
    )
}

/// A reverse-path that is in order. `None` is the null one.
struct ReversePath(Option<Address>);

fn reverse_path(
    violations: &mut Violations,
    path: Path<'_>,
    mail_from: &str,
) -> Option<ReversePath> {
    if mail_from.is_empty() {
        return Some(ReversePath(None));
    }
    violations
        .parse(path, mail_from)
        .map(|path| ReversePath(Some(path)))
}

fn forward_paths(
    violations: &mut Violations,
    envelope: Path<'_>,
    rcpt_to: Vec<String>,
) -> Vec<Address> {
    let mut seen = HashSet::new();
    list(
        violations,
        envelope.field("rcpt_to"),
        rcpt_to,
        MAX_RECIPIENTS,
        |violations, path, text| {
            let address: Address = violations.parse(path, &text)?;
            if !seen.insert(address.clone()) {
                violations.breach(path, Rule::Duplicate, "must not be there twice");
            }
            Some(address)
        },
    )
}

fn assemble(reverse_path: Option<ReversePath>, forward_paths: Vec<Address>) -> Option<Envelope> {
    Some(Envelope {
        reverse_path: reverse_path?.0,
        forward_paths,
    })
}
