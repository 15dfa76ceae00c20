//! A request of a stream of mails.

use super::{Path, Violations, fingerprint, mail};
use crate::{
    api::pb,
    sender::{Order, RequestId},
};

/// Parses a request of SendMailStream. It is the same as one of SendMail with
/// its ID and its mail, so that either repeats the answer to the other.
pub(in crate::api) fn mail_of_stream(
    request: pb::SendMailStreamRequest,
) -> Result<(Order, RequestId), Violations> {
    let mut violations = Violations::default();
    let id = violations.parse(Path::root("request_id"), &request.request_id);
    let request = pb::SendMailRequest {
        mail: request.mail,
        ..pb::SendMailRequest::default()
    };
    let fingerprint = fingerprint(&request);
    let order = mail::order(&mut violations, request.mail, fingerprint);
    match Option::zip(order, id) {
        Some(both) if violations.is_empty() => Ok(both),
        _ => Err(violations),
    }
}
