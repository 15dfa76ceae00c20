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
    let mut request = pb::SendMailRequest {
        mail: request.mail,
        ..pb::SendMailRequest::default()
    };
    let fingerprint = fingerprint(&mut request);
    let order = mail::order(&mut violations, request.mail, fingerprint);
    match Option::zip(order, id) {
        Some(both) if violations.is_empty() => Ok(both),
        _ => Err(violations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::parse::send_mail;

    #[test]
    fn either_call_knows_the_request_of_the_other() {
        let mail = pb::Mail {
            content: Some(pb::mail::Content::Message(pb::Message {
                from_address: Some(pb::Address {
                    email: "ada@example.org".into(),
                    ..pb::Address::default()
                }),
                to: vec![pb::Address {
                    email: "bob@example.net".into(),
                    ..pb::Address::default()
                }],
                ..pb::Message::default()
            })),
            ..pb::Mail::default()
        };
        let (order, id) = mail_of_stream(pb::SendMailStreamRequest {
            request_id: "a".into(),
            mail: Some(mail.clone()),
        })
        .unwrap();
        let alone = send_mail(pb::SendMailRequest {
            request_id: "b".into(),
            mail: Some(mail),
            validate_only: false,
        })
        .unwrap();
        assert_eq!(id.as_str(), "a");
        assert_eq!(order.fingerprint, alone.order.fingerprint);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let empty = pb::SendMailStreamRequest::default();
        let violations = mail_of_stream(empty).unwrap_err();
        let fields: Vec<_> = violations.first.iter().map(|it| &it.field).collect();
        assert_eq!(fields, ["request_id", "mail"]);
    }
}
