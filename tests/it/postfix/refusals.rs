//! Mails that Postfix refuses, and what the caller gets to know.

use posthaste::api::pb::{
    Address, Attachment, Mail, Message, RecipientPolicy, RecipientResult,
    recipient_result::State,
    relay_failure::{Acceptance, Fault, Reason, Retry},
};
use tonic::Code;

use super::{
    fixture::{PASSWORD, Postfix, SIZE_LIMIT},
    service::{IMPLICIT, STARTTLS, Service, WRONG_PASSWORD, failure, mail},
};

fn message(to: &[&str]) -> Message {
    let address = |email: &str| Address {
        email: email.into(),
        ..Address::default()
    };
    Message {
        from_address: Some(address("a@example.com")),
        to: to.iter().copied().map(address).collect(),
        text: "text".into(),
        ..Message::default()
    }
}

#[tokio::test]
async fn one_refused_recipient_does_not_hurt_the_others() {
    let postfix = Postfix::shared();
    let service = Service::start(postfix).await;
    let sent = service
        .send(
            STARTTLS,
            mail(message(&[
                "box-partial@example.com",
                "nobody@example.com",
                "later@example.com",
            ])),
        )
        .await
        .unwrap();
    assert_eq!((sent.accepted_count, sent.refused_count), (1, 2));
    let states: Vec<_> = sent.recipients.iter().map(RecipientResult::state).collect();
    assert_eq!(states, [State::Accepted, State::Rejected, State::Deferred]);
    let refused = sent.recipients[1].reply.as_ref().unwrap();
    assert_eq!(refused.code, 550);
    let code = refused.enhanced_status_code.unwrap();
    assert_eq!((code.class, code.subject, code.detail), (5, 1, 1));
    postfix.delivered("box-partial@example.com").await;
}

#[tokio::test]
async fn all_or_nobody() {
    let postfix = Postfix::shared();
    let service = Service::start(postfix).await;
    let status = service
        .send(
            STARTTLS,
            Mail {
                recipient_policy: RecipientPolicy::All.into(),
                ..mail(message(&["box-all@example.com", "nobody@example.com"]))
            },
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let failure = failure(&status);
    assert_eq!(failure.reason(), Reason::RecipientsRejected);
    assert_eq!(failure.acceptance(), Acceptance::None);
    let each: Vec<_> = failure
        .recipients
        .iter()
        .map(RecipientResult::state)
        .collect();
    assert_eq!(each, [State::NotSent, State::Rejected]);

    // A later mail is there, so the refused one would be.
    service
        .send(STARTTLS, mail(message(&["box-all-later@example.com"])))
        .await
        .unwrap();
    postfix.delivered("box-all-later@example.com").await;
    assert!(postfix.find("box-all@example.com").is_none());
}

/// That port takes three at a time (`smtpd_recipient_limit` in `master.cf`).
#[tokio::test]
async fn recipients_that_are_too_many_for_one_transaction_get_it_all_the_same() {
    let postfix = Postfix::shared();
    let service = Service::start(postfix).await;
    for (policy, name) in [(RecipientPolicy::Any, "any"), (RecipientPolicy::All, "all")] {
        let to: [_; 7] = std::array::from_fn(|n| format!("box-crowd-{name}-{n}@example.com"));
        let mail = Mail {
            recipient_policy: policy.into(),
            ..mail(message(&to.each_ref().map(String::as_str)))
        };
        let sent = service.send(IMPLICIT, mail).await.unwrap();
        assert_eq!((sent.accepted_count, sent.refused_count), (7, 0));
        for to in to {
            postfix.delivered(&to).await;
        }
    }
}

#[tokio::test]
async fn each_refusal_has_its_reason() {
    let service = Service::start(Postfix::shared()).await;
    let from = |email: &str| Message {
        from_address: Some(Address {
            email: email.into(),
            ..Address::default()
        }),
        ..message(&["box-never@example.com"])
    };
    let large = Message {
        attachments: vec![Attachment {
            filename: "large.bin".into(),
            content: vec![0; SIZE_LIMIT].into(),
            ..Attachment::default()
        }],
        ..message(&["box-never@example.com"])
    };
    let cases = [
        (
            "every recipient refused for good",
            message(&["nobody@example.com"]),
            (
                Code::FailedPrecondition,
                Reason::RecipientsRejected,
                Retry::Never,
                550,
            ),
        ),
        (
            "the recipient refused for now",
            message(&["later@example.com"]),
            (Code::Unavailable, Reason::Deferred, Retry::Later, 450),
        ),
        (
            "the sender refused",
            from("refused@example.com"),
            (
                Code::FailedPrecondition,
                Reason::SenderRejected,
                Retry::Never,
                550,
            ),
        ),
    ];
    for (case, message, (code, reason, retry, reply)) in cases {
        let status = service.send(STARTTLS, mail(message)).await.unwrap_err();
        let failure = failure(&status);
        assert_eq!(status.code(), code, "{case}: {status:?}");
        assert_eq!(failure.reason(), reason, "{case}");
        assert_eq!(failure.retry(), retry, "{case}");
        assert_eq!(failure.acceptance(), Acceptance::None, "{case}");
        // A refused recipient keeps its reply, whatever the whole one is.
        let replies = failure.recipients.iter().filter_map(|r| r.reply.as_ref());
        assert!(
            failure.reply.iter().chain(replies).any(|r| r.code == reply),
            "{case}: {failure:?}"
        );
    }

    // SIZE told the limit (RFC 1870), so that whether there was a reply is
    // posthaste's choice.
    let status = service.send(STARTTLS, mail(large)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(failure(&status).reason(), Reason::MessageTooLarge);
}

#[tokio::test]
async fn a_wrong_password_is_the_operators_and_shows_no_secret() {
    let service = Service::start(Postfix::shared()).await;
    let status = service
        .send(WRONG_PASSWORD, mail(message(&["box-never@example.com"])))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let failure = failure(&status);
    assert_eq!(failure.reason(), Reason::AuthRejected);
    assert_eq!(failure.fault(), Fault::Operator);
    assert_eq!(failure.retry(), Retry::AfterFix);
    assert_eq!(failure.reply.as_ref().unwrap().code, 535);
    assert!(!failure.remedies.is_empty());

    let shown = format!("{status:?} {failure:?} {}", service.said());
    for secret in ["canary-wrong-secret", PASSWORD, "box-never"] {
        // The status names the recipient only where the recipient is at fault.
        assert!(!shown.contains(secret), "{secret:?} in {shown}");
    }
}
