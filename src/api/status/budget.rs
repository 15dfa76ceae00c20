//! What is left out of a failure that is too large for a status.
//!
//! gRPC clients refuse trailers of more than about 8 KiB, and then the caller
//! sees nothing at all of the error. So the least useful facts go first.

use prost::Message as _;

use crate::api::{pb, render::clip};

/// Octets of reply text that a crowded failure keeps.
const MAX_REPLY_BYTES: usize = 1024;

/// Remedies that a crowded failure keeps.
const MAX_REMEDIES: usize = 3;

/// Octets that a crowded failure keeps of each text of its core.
const MAX_CORE_TEXT_BYTES: usize = 128;

/// Each leaves out a little more, and says whether there was something to
/// leave out.
const STEPS: [fn(&mut pb::RelayFailure) -> bool; 16] = [
    untried,
    library_message,
    probes,
    issuers,
    long_replies,
    recipients,
    names,
    offer,
    negotiated,
    certificates,
    connect_attempts,
    flaws,
    first_bytes,
    replies,
    remedies,
    core_texts,
];

/// Leaves out of `failure` what it takes to encode it within `max_bytes`:
/// always the reason, the stage, what follows from them, the sentence that
/// says what happened, and the likeliest remedies stay.
pub(super) fn shed(failure: &mut pb::RelayFailure, max_bytes: usize) {
    for step in STEPS {
        while failure.encoded_len() > max_bytes {
            if !step(failure) {
                break;
            }
        }
    }
}

/// Recipients of whom it says no more than that they got nothing, which their
/// number tells as well.
fn untried(failure: &mut pb::RelayFailure) -> bool {
    let is_untried = |it: &pb::RecipientResult| {
        it.state() == pb::recipient_result::State::NotSent && it.reply.is_none()
    };
    failure.recipients.iter().all(is_untried) && recipients(failure)
}

fn library_message(failure: &mut pb::RelayFailure) -> bool {
    !std::mem::take(&mut failure.library_message).is_empty()
}

fn probes(failure: &mut pb::RelayFailure) -> bool {
    tls(failure, |tls| tls.probes.pop().is_some())
}

/// The certificates above the relay's own.
fn issuers(failure: &mut pb::RelayFailure) -> bool {
    tls(failure, |tls| {
        tls.certificates.len() > 1 && tls.certificates.pop().is_some()
    })
}

/// Texts of replies beyond the first [`MAX_REPLY_BYTES`].
fn long_replies(failure: &mut pb::RelayFailure) -> bool {
    cut_replies(failure, MAX_REPLY_BYTES)
}

fn recipients(failure: &mut pb::RelayFailure) -> bool {
    let popped = failure.recipients.pop().is_some();
    failure.recipients_omitted = failure.recipients_omitted.saturating_add(popped.into());
    popped
}

fn names(failure: &mut pb::RelayFailure) -> bool {
    tls(failure, |tls| {
        let settled = tls
            .negotiated
            .iter_mut()
            .flat_map(|session| &mut session.certificate);
        tls.certificates
            .iter_mut()
            .chain(settled)
            .find_map(|certificate| {
                certificate.subject_alt_names.pop()?;
                certificate.subject_alt_names_omitted =
                    certificate.subject_alt_names_omitted.saturating_add(1);
                Some(())
            })
            .is_some()
    })
}

fn offer(failure: &mut pb::RelayFailure) -> bool {
    tls(failure, |tls| tls.offered.take().is_some())
}

fn negotiated(failure: &mut pb::RelayFailure) -> bool {
    tls(failure, |tls| {
        let reply = tls.starttls_reply.take().is_some();
        tls.negotiated.take().is_some() || reply
    })
}

fn certificates(failure: &mut pb::RelayFailure) -> bool {
    tls(failure, |tls| tls.certificates.pop().is_some())
}

fn connect_attempts(failure: &mut pb::RelayFailure) -> bool {
    failure.connect_attempts.pop().is_some()
}

fn flaws(failure: &mut pb::RelayFailure) -> bool {
    tls(failure, |tls| tls.flaws.pop().is_some())
}

fn first_bytes(failure: &mut pb::RelayFailure) -> bool {
    !std::mem::take(&mut failure.first_bytes).is_empty()
}

fn replies(failure: &mut pb::RelayFailure) -> bool {
    cut_replies(failure, 0)
}

fn remedies(failure: &mut pb::RelayFailure) -> bool {
    failure.remedies.len() > MAX_REMEDIES && failure.remedies.pop().is_some()
}

fn core_texts(failure: &mut pb::RelayFailure) -> bool {
    let alternatives = failure.alternatives.len();
    failure.alternatives.truncate(MAX_REMEDIES);
    let mut cut = failure.alternatives.len() < alternatives;
    let mut shorten = |text: &mut String| {
        let long = text.len() > MAX_CORE_TEXT_BYTES;
        if long {
            *text = clip(text, MAX_CORE_TEXT_BYTES);
        }
        cut |= long;
    };
    for remedy in &mut failure.remedies {
        shorten(&mut remedy.summary);
        shorten(&mut remedy.setting);
        shorten(&mut remedy.value);
    }
    shorten(&mut failure.missing_extension);
    if let Some(endpoint) = &mut failure.endpoint {
        shorten(&mut endpoint.relay);
        shorten(&mut endpoint.host);
    }
    if let Some(tls) = &mut failure.tls {
        shorten(&mut tls.server_name);
        shorten(&mut tls.trust_source);
        if let Some(alert) = &mut tls.alert {
            shorten(&mut alert.name);
        }
    }
    cut
}

fn tls(failure: &mut pb::RelayFailure, step: impl FnOnce(&mut pb::TlsEvidence) -> bool) -> bool {
    failure.tls.as_mut().is_some_and(step)
}

/// Keeps the first `max_bytes` of the replies' texts: the one that decided it
/// comes first, then the recipients' in their order.
fn cut_replies(failure: &mut pb::RelayFailure, max_bytes: usize) -> bool {
    let mut left = max_bytes;
    let mut cut = false;
    let of_recipients = failure
        .recipients
        .iter_mut()
        .flat_map(|recipient| &mut recipient.reply);
    for reply in failure.reply.iter_mut().chain(of_recipients) {
        reply.lines.retain_mut(|line| {
            let kept = line.floor_char_boundary(left);
            cut |= kept < line.len() || kept == 0;
            line.truncate(kept);
            left -= kept;
            kept > 0
        });
    }
    cut
}
