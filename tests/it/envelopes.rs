//! Mails to more recipients than the relay takes at a time, as callers see them.

use std::time::Duration;

use posthaste::{
    api::client::pb::{
        self,
        recipient_result::State,
        relay_failure::{Acceptance, Reason},
    },
    testrelay::{Answer, Script, Step, TestRelay},
};

use crate::service::{Service, mail, mail_through, request};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("r{n}@example.net")).collect()
}

fn named(id: &str, recipients: usize) -> pb::SendMailRequest {
    let names = names(recipients);
    let to: Vec<_> = names.iter().map(String::as_str).collect();
    pb::SendMailRequest {
        request_id: id.into(),
        ..request(mail(&to))
    }
}

/// A service whose only relay takes `most` at a time.
async fn service(relay: &TestRelay, most: usize) -> Service {
    Service::start(&format!(
        "[relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n\
         max_recipients = {most}\n",
        relay.port()
    ))
    .await
}

async fn relay(script: Script) -> TestRelay {
    TestRelay::builder().script(script).start().await.unwrap()
}

fn states(recipients: &[pb::RecipientResult]) -> Vec<State> {
    recipients.iter().map(pb::RecipientResult::state).collect()
}

/// Whom the relay has each mail for.
fn parts(relay: &TestRelay) -> Vec<Vec<String>> {
    let mails = relay.mails();
    mails
        .iter()
        .map(|mail| mail.recipients().into_iter().map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn a_thousand_recipients_go_out_by_the_hundred_and_each_once() {
    let relay = relay(Script::new()).await;
    let service = service(&relay, 100).await;
    let sent = service.send(named("", 1000)).await.unwrap();
    assert_eq!((sent.accepted_count, sent.refused_count), (1000, 0));
    assert!(sent.partial_failure.is_none());
    let told: Vec<_> = sent.recipients.into_iter().map(|r| r.address).collect();
    assert_eq!(told, names(1000));

    let parts = parts(&relay);
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [100; 10]);
    assert_eq!(parts.concat(), names(1000));
    // One message, the same each time, and counted once.
    let mails = relay.mails();
    assert!(mails.iter().all(|mail| mail.bytes == mails[0].bytes));
    assert_eq!(sent.size_bytes, mails[0].bytes.len() as u64);
    assert_eq!(relay.counters().connections, 1);
}

/// However early it fails: here the port is closed, there is no TLS, the relay
/// does not greet in time, or it refuses the sender.
#[tokio::test]
async fn a_failure_names_every_recipient_whenever_it_comes() {
    let refuse = |step, reply: &str| Script::new().at(step, Answer::reply(reply));
    let late = Script::new().at(Step::Greeting, Answer::stall());
    for (script, setting, stage) in [
        (None, ("tls.mode", "plaintext"), pb::SmtpStage::Connect),
        (
            Some(Script::new()),
            ("tls.mode", "starttls"),
            pb::SmtpStage::Starttls,
        ),
        (
            Some(late),
            ("limits.greeting", "200ms"),
            pb::SmtpStage::Greeting,
        ),
        (
            Some(refuse(Step::AnyMail, "550 5.7.1 no")),
            ("max_recipients", "100"),
            pb::SmtpStage::MailFrom,
        ),
    ] {
        let is_there = script.is_some();
        let relay = relay(script.unwrap_or_default()).await;
        let toml = format!(
            "[relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n",
            relay.port()
        );
        if !is_there {
            drop(relay);
        }
        let setting = (format!("relays.primary.{}", setting.0), setting.1);
        let service = Service::start_with(&toml, &[(&setting.0, setting.1)]).await;
        let failure = service.send(named("", 25)).await.unwrap_err().failure;
        let failure = failure.unwrap();
        assert_eq!(failure.stage(), stage, "{}", failure.summary);
        assert_eq!(states(&failure.recipients), [State::NotSent; 20]);
        assert_eq!(failure.recipients_omitted, 5);
        let told = failure.recipients.into_iter().map(|it| it.address);
        assert_eq!(told.collect::<Vec<_>>(), names(20));
    }
}

#[tokio::test]
async fn a_custom_relay_has_the_limit_of_its_section() {
    let relay = relay(Script::new()).await;
    let service = Service::start(
        "custom_relays.allow = [{ host = \"localhost\" }]\n\
         custom_relays.allow_tls_options = [\"mode\"]\ncustom_relays.max_recipients = 2\n",
    )
    .await;
    let to = ["a@example.net", "b@example.net", "c@example.net"];
    let mail = mail_through(relay.port(), pb::TlsMode::Plaintext, &to);
    service.send(request(mail)).await.unwrap();
    assert_eq!(parts(&relay), [&to[..2], &to[2..]]);
}

#[tokio::test]
async fn a_mail_that_some_have_is_not_sent_again_under_its_id() {
    let relay = relay(Script::new().once(Step::Mail(2), Answer::close())).await;
    let service = service(&relay, 2).await;
    let sent = service.send(named("some", 5)).await.unwrap();
    assert_eq!(
        states(&sent.recipients),
        [
            State::Accepted,
            State::Accepted,
            State::NotSent,
            State::NotSent,
            State::NotSent
        ]
    );
    assert_eq!((sent.accepted_count, sent.refused_count), (2, 3));
    let failure = sent.partial_failure.as_ref().unwrap();
    assert!(failure.recipients.is_empty());
    assert_eq!(failure.reason(), Reason::ConnectionLost);
    assert_eq!(failure.stage(), pb::SmtpStage::MailFrom);
    assert!(!failure.summary.is_empty() && failure.recipients.is_empty());

    let again = service.send(named("some", 5)).await.unwrap();
    assert!(again.replayed);
    let first = pb::SendMailResponse {
        replayed: true,
        ..sent
    };
    assert_eq!(again, first);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn a_warm_connection_that_is_lost_between_two_transactions_is_not_replaced() {
    let relay = relay(Script::new().nth(4, Step::AnyMail, Answer::close())).await;
    let service = service(&relay, 1).await;
    service.send(named("", 2)).await.unwrap();
    let sent = service.send(named("", 3)).await.unwrap();
    assert!(sent.session.unwrap().reused);
    assert_eq!(
        states(&sent.recipients),
        [State::Accepted, State::NotSent, State::NotSent]
    );
    let failure = sent.partial_failure.unwrap();
    assert_eq!(failure.reason(), Reason::ConnectionLost);
    assert_eq!(relay.counters().connections, 1);
    assert_eq!(relay.mails().len(), 3);

    // What is left of it is not used again.
    service.send(named("", 1)).await.unwrap();
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test]
async fn each_transaction_counts_among_the_mails_of_a_connection() {
    let relay = relay(Script::new()).await;
    let service = Service::start(&format!(
        "[relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n\
         max_recipients = 1\npool.max_mails = 3\n",
        relay.port()
    ))
    .await;
    for _ in 0..3 {
        service.send(named("", 2)).await.unwrap();
    }
    // A mail is not torn apart: the second one goes over what is left.
    let by_session: Vec<_> = relay.mails().iter().map(|mail| mail.session).collect();
    assert_eq!(by_session, [1, 1, 1, 1, 2, 2]);
}

#[tokio::test]
async fn a_mail_that_nobody_has_may_be_sent_again_under_its_id() {
    let refusal = Answer::reply("450 4.2.1 greylisted");
    let script = (1..=4).fold(Script::new(), |script, n| {
        script.nth(n, Step::AnyRcpt, refusal.clone())
    });
    let relay = relay(script).await;
    let service = service(&relay, 2).await;
    let error = service.send(named("nobody", 4)).await.unwrap_err();
    assert_eq!(error.code, tonic::Code::Unavailable as i32);
    let failure = error.failure.unwrap();
    assert_eq!(failure.acceptance(), Acceptance::None);
    assert_eq!(states(&failure.recipients), [State::Deferred; 4]);

    let sent = service.send(named("nobody", 4)).await.unwrap();
    assert!(!sent.replayed);
    assert_eq!(parts(&relay).concat(), names(4));
}

#[tokio::test]
async fn past_the_deadline_the_others_still_go_out_and_the_id_tells() {
    let late = Answer::usual().after(Duration::from_millis(1500));
    let relay = relay(Script::new().once(Step::Mail(2), late)).await;
    let service = service(&relay, 1).await;
    let mut client = service.client().await;
    let error = client
        .send(named("late", 3), Some(Duration::from_millis(800)))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::Unknown as i32, "{error:?}");
    let failure = error.failure.unwrap();
    assert_eq!(failure.reason(), Reason::OutcomeUnknown);
    assert_eq!(failure.acceptance(), Acceptance::Unknown);
    assert_eq!(states(&failure.recipients), [State::Unknown; 3]);

    let sent = service.send(named("late", 3)).await.unwrap();
    assert!(sent.replayed);
    assert_eq!(states(&sent.recipients), [State::Accepted; 3]);
    assert_eq!(parts(&relay).concat(), names(3));
}
