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

use aws_lc_rs::digest;
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
    let id_text = std::mem::take(&mut request.request_id);
    let id = violations.parse_optional(Path::root("request_id"), &id_text);
    let fingerprint = fingerprint(&request);
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

/// SHA-256 over the request, which must come without its ID.
fn fingerprint(request: &pb::SendMailRequest) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, &request.encode_to_vec());
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest.as_ref());
    fingerprint
}

#[cfg(test)]
mod tests;
