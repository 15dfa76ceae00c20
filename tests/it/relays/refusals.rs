//! Mails that relays refuse, and what the caller gets to know.

use posthaste::api::pb::{
    Address, Attachment, Header, Mail, Message, RecipientPolicy, RecipientResult, SmtpStage,
    recipient_result::State,
    relay_failure::{Acceptance, Fault, Reason, Retry},
};
use tonic::Code;

use super::{
    fixture::{PASSWORD, Relay, SIZE_LIMIT},
    service::{
        IMPLICIT, NO_PASSWORD, STARTTLS, Service, UNTRUSTED, WRONG_PASSWORD, WRONG_PORT, failure,
        mail, text,
    },
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

pub(super) async fn one_refused_recipient_does_not_hurt_the_others(relay: &Relay) {
    let service = Service::start(relay).await;
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
    let reply = |number: usize| text(sent.recipients[number].reply.as_ref().unwrap());
    assert_eq!(reply(1), relay.kind.unknown_recipient);
    assert!(reply(2).starts_with("450 4.2.1 "), "{}", reply(2));
    relay.delivered("box-partial@example.com").await;
}

pub(super) async fn all_or_nobody(relay: &Relay) {
    let service = Service::start(relay).await;
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
    relay.delivered("box-all-later@example.com").await;
    assert!(relay.find("box-all@example.com").is_none());
}

pub(super) async fn each_refusal_has_its_reason(relay: &Relay) {
    let service = Service::start(relay).await;
    let from = |email: &str| Message {
        from_address: Some(Address {
            email: email.into(),
            ..Address::default()
        }),
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
}

pub(super) async fn a_message_beyond_the_size_is_not_sent(relay: &Relay) {
    let service = Service::start(relay).await;
    let large = Message {
        attachments: vec![Attachment {
            filename: "large.bin".into(),
            content: vec![0; SIZE_LIMIT].into(),
            ..Attachment::default()
        }],
        ..message(&["box-never@example.com"])
    };
    let status = service.send(STARTTLS, mail(large)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let failure = failure(&status);
    assert_eq!(failure.reason(), Reason::MessageTooLarge);
    // SIZE told the limit (RFC 1870), so that nobody was asked.
    assert_eq!(failure.reply, None);
}

pub(super) async fn a_message_is_refused_after_its_data(relay: &Relay) {
    let service = Service::start(relay).await;
    let refused = Message {
        headers: vec![Header {
            name: "X-Refuse".into(),
            value: "yes".into(),
        }],
        ..message(&["box-refused@example.com", "box-refused-2@example.com"])
    };
    for relay in [STARTTLS, IMPLICIT] {
        let status = service.send(relay, mail(refused.clone())).await;
        let status = status.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        let failure = failure(&status);
        assert_eq!(failure.reason(), Reason::MessageRejected);
        assert_eq!(failure.fault(), Fault::Caller);
        assert_eq!(failure.stage(), SmtpStage::EndOfData);
        assert_eq!(failure.retry(), Retry::Never);
        assert_eq!(failure.acceptance(), Acceptance::None);
        let reply = text(failure.reply.as_ref().unwrap());
        assert_eq!(reply, "550 5.7.1 not this content");
    }
    // A later mail is there, so the refused one would be.
    let later = message(&["box-refused-later@example.com"]);
    service.send(STARTTLS, mail(later)).await.unwrap();
    relay.delivered("box-refused-later@example.com").await;
    assert!(relay.find("box-refused@example.com").is_none());
}

pub(super) async fn a_wrong_password_is_the_operators_and_shows_no_secret(relay: &Relay) {
    let service = Service::start(relay).await;
    let status = service
        .send(WRONG_PASSWORD, mail(message(&["box-never@example.com"])))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let failure = failure(&status);
    assert_eq!(failure.reason(), Reason::AuthRejected);
    assert_eq!(failure.fault(), Fault::Operator);
    assert_eq!(failure.retry(), Retry::AfterFix);
    let reply = text(failure.reply.as_ref().unwrap());
    assert_eq!(reply, relay.kind.wrong_password);
    assert!(!failure.remedies.is_empty());

    let shown = format!("{status:?} {failure:?} {}", service.said());
    for secret in ["canary-wrong-secret", PASSWORD] {
        assert!(!shown.contains(secret), "{secret:?} in {shown}");
    }
    // Its result has the recipient; whatever else is told and logged has not.
    assert_eq!(failure.recipients[0].address, "box-never@example.com");
    let told = format!(
        "{} {} {}",
        status.message(),
        failure.summary,
        service.said()
    );
    assert!(!told.contains("box-never"), "{told}");
}

pub(super) async fn no_password_where_one_is_needed(relay: &Relay) {
    let service = Service::start(relay).await;
    let mail = mail(message(&["box-never@example.com"]));
    let status = service.send(NO_PASSWORD, mail).await.unwrap_err();
    let failure = failure(&status);
    let (reply, reason, fault) = relay.kind.no_password;
    assert_eq!(text(failure.reply.as_ref().unwrap()), reply);
    assert_eq!((failure.reason(), failure.fault()), (reason, fault));
    assert_eq!(failure.stage(), SmtpStage::MailFrom);
}

pub(super) async fn a_certificate_of_an_unknown_ca_is_refused(relay: &Relay) {
    let service = Service::start(relay).await;
    let mail = mail(message(&["box-never@example.com"]));
    let status = service.send(UNTRUSTED, mail).await.unwrap_err();
    let failure = failure(&status);
    assert_eq!(failure.reason(), Reason::CertUnknownIssuer);
    assert_eq!(failure.stage(), SmtpStage::TlsHandshake);
    assert_eq!(failure.acceptance(), Acceptance::None);
}

pub(super) async fn implicit_tls_at_the_port_for_starttls(relay: &Relay) {
    let service = Service::start(relay).await;
    let mail = mail(message(&["box-never@example.com"]));
    let status = service.send(WRONG_PORT, mail).await.unwrap_err();
    let failure = failure(&status);
    assert_eq!(failure.reason(), Reason::PlaintextOnTlsPort);
    assert_eq!(failure.stage(), SmtpStage::TlsHandshake);
}
