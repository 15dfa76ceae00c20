//! Requests of the API as values of the domain: parsed once, so that nothing
//! behind it need check them again. All that is wrong with a request is told
//! at once.

mod check;
mod envelope;
mod list;
mod mail;
mod message;
mod path;
mod people;
mod relay;
mod stream;
mod tls;
mod violations;

pub(super) use check::check_relay;
pub(super) use path::Path;
pub(super) use stream::mail_of_stream;
pub(super) use violations::Violations;

use std::mem;

use aws_lc_rs::digest;
use bytes::Bytes;
use prost::Message as _;

use crate::{
    api::pb,
    sender::{Order, RequestId},
};

/// A request to send a mail.
#[derive(Debug)]
pub(super) struct SendMail {
    pub(super) order: Order,
    pub(super) id: Option<RequestId>,
    pub(super) validate_only: bool,
}

/// Parses a request to send a mail.
pub(super) fn send_mail(mut request: pb::SendMailRequest) -> Result<SendMail, Violations> {
    let mut violations = Violations::default();
    let id_text = mem::take(&mut request.request_id);
    let id = violations.parse_optional(Path::root("request_id"), &id_text);
    // It takes longer than all else that is done with a large request.
    let fingerprint = match id {
        Some(_) => fingerprint(&mut request),
        None => [0; 32],
    };
    let validate_only = request.validate_only;
    let order = mail::order(&mut violations, request.mail, fingerprint);
    match (order, violations.is_empty()) {
        (Some(order), true) => Ok(SendMail {
            order,
            id,
            validate_only,
        }),
        _ => Err(violations),
    }
}

/// SHA-256 over the request, which must come without its ID. Files go into it
/// as their own SHA-256, since encoding the request would copy them.
fn fingerprint(request: &mut pb::SendMailRequest) -> [u8; 32] {
    let files: Vec<Bytes> = files(request)
        .map(|file| {
            let stand_in = Bytes::copy_from_slice(&sha256(file));
            mem::replace(file, stand_in)
        })
        .collect();
    let fingerprint = sha256(&request.encode_to_vec());
    for (stand_in, file) in self::files(request).zip(files) {
        *stand_in = file;
    }
    fingerprint
}

/// What a request may carry a lot of. The same in every request of one kind:
/// were some left out for what they are, one could pass for another.
fn files(request: &mut pb::SendMailRequest) -> impl Iterator<Item = &mut Bytes> {
    use pb::mail::Content;

    let content = request.mail.as_mut().and_then(|mail| mail.content.as_mut());
    let (raw, message) = match content {
        Some(Content::Raw(raw)) => (Some(raw), None),
        Some(Content::Message(message)) => (None, Some(message)),
        None => (None, None),
    };
    let parts = message.into_iter().flat_map(|message| {
        let others = message.alternatives.iter_mut().map(|it| &mut it.content);
        let files = message.attachments.iter_mut().map(|it| &mut it.content);
        others.chain(files)
    });
    raw.into_iter().chain(parts)
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    digest
}

#[cfg(test)]
mod tests;
