//! Callers that cannot wait, and callers that go away.

use std::time::Duration;

use posthaste::{
    api::client::pb::{
        self, TlsMode,
        recipient_result::State,
        relay_failure::{Acceptance, Confidence, Reason, Retry},
    },
    testrelay::{Answer, Script, Step, TestRelay},
};

use crate::service::{Service, mail, mail_through, request};

fn named(id: &str, port: u16) -> pb::SendMailRequest {
    pb::SendMailRequest {
        request_id: id.into(),
        ..request(mail_through(port, TlsMode::Plaintext, &["bob@example.net"]))
    }
}

/// Waits until the relay has read what follows DATA: all of it is larger than
/// the commands together.
async fn has_heard_the_message(relay: &TestRelay) {
    let heard = async {
        while relay.counters().bytes_in < 350 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), heard)
        .await
        .unwrap();
}

async fn relay(step: Step, answer: Answer) -> TestRelay {
    TestRelay::builder()
        .extensions(["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"])
        .script(Script::new().once(step, answer))
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn before_the_end_of_data_the_answer_names_the_stage_and_the_id_is_free() {
    let service = Service::for_custom_relays("").await;
    for (step, stage) in [
        (Step::Greeting, pb::SmtpStage::Greeting),
        (Step::Ehlo, pb::SmtpStage::Ehlo),
        (Step::Mail(1), pb::SmtpStage::MailFrom),
    ] {
        let relay = relay(step, Answer::stall()).await;
        let mut client = service.client().await;
        let request = named(&format!("slow-{stage:?}"), relay.port());
        let error = client
            .send(request.clone(), Some(Duration::from_millis(800)))
            .await
            .unwrap_err();
        // Had the client's own clock run out, there would be no failure to read.
        assert_eq!(
            error.code,
            tonic::Code::DeadlineExceeded as i32,
            "{error:?}"
        );
        let failure = error.failure.unwrap();
        assert_eq!(failure.reason(), Reason::DeadlineExceeded);
        assert_eq!(failure.stage(), stage);
        assert_eq!(failure.confidence(), Confidence::Observed);
        assert_eq!(failure.acceptance(), Acceptance::None);
        let summary = failure.summary;
        assert!(summary.starts_with("The deadline ran out"), "{summary}");

        let sent = client.send(request, None).await.unwrap();
        assert!(!sent.replayed);
        assert_eq!(relay.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_time_when_the_relay_stalls_behind_it() {
    let script = Script::new()
        .at(Step::AnyRcpt, Answer::reply("550 5.1.1 no such user"))
        .at(Step::Rset, Answer::stall());
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let mut client = service.client().await;
    let error = client
        .send(
            named("refused", relay.port()),
            Some(Duration::from_millis(800)),
        )
        .await
        .unwrap_err();
    let failure = error.failure.unwrap();
    assert_eq!(failure.reason(), Reason::RecipientsRejected);
    assert_eq!(failure.recipients[0].state(), State::Rejected);
    relay.wait_for_commands("RSET", 1).await.unwrap();
}

#[tokio::test]
async fn after_the_end_of_data_the_outcome_is_unknown_and_told_later() {
    let wait = Duration::from_millis(1500);
    let relay = relay(Step::EndOfData, Answer::usual().after(wait)).await;
    let service = Service::for_custom_relays("").await;
    let mut client = service.client().await;
    let request = named("later", relay.port());

    let error = client
        .send(request.clone(), Some(Duration::from_millis(700)))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::Unknown as i32, "{error:?}");
    let failure = error.failure.unwrap();
    assert_eq!(failure.reason(), Reason::OutcomeUnknown);
    assert_eq!(failure.stage(), pb::SmtpStage::EndOfData);
    assert_eq!(failure.acceptance(), Acceptance::Unknown);
    assert_eq!(failure.retry(), Retry::Never);
    assert_eq!(failure.recipients[0].state(), State::Unknown);

    // A call that cannot wait for it either is told so.
    let error = client
        .send(request.clone(), Some(Duration::from_millis(200)))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::Aborted as i32, "{error:?}");
    assert_eq!(error.reason, "REQUEST_IN_PROGRESS");

    let sent = client.send(request, None).await.unwrap();
    assert!(sent.replayed);
    assert_eq!(sent.accepted_count, 1);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn a_relay_that_is_lost_after_the_end_of_data_may_have_the_mail() {
    let relay = relay(Step::EndOfData, Answer::cut().as_if(250)).await;
    let service = Service::for_custom_relays("").await;
    for _ in 0..2 {
        let error = service.send(named("lost", relay.port())).await.unwrap_err();
        assert_eq!(error.code, tonic::Code::Unknown as i32, "{error:?}");
        assert_eq!(error.failure.unwrap().reason(), Reason::OutcomeUnknown);
    }
    // The second call was answered without a second mail.
    assert_eq!(relay.mails().len(), 1);
    assert_eq!(relay.counters().connections, 1);
}

#[tokio::test]
async fn a_cancelled_call_sends_nothing_that_is_not_yet_on_its_way() {
    let relay = relay(Step::Mail(1), Answer::stall()).await;
    let service = Service::for_custom_relays("").await;
    let mut client = service.client().await;
    let call = tokio::spawn({
        let request = named("gone", relay.port());
        async move { client.send(request, None).await }
    });
    relay.wait_for_commands("MAIL", 1).await.unwrap();
    call.abort();

    // The ID is free, and the relay answers this time.
    let sent = service.send(named("gone", relay.port())).await.unwrap();
    assert!(!sent.replayed);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn a_call_cancelled_after_the_end_of_data_goes_on() {
    let relay = relay(
        Step::EndOfData,
        Answer::usual().after(Duration::from_millis(500)),
    )
    .await;
    let service = Service::for_custom_relays("").await;
    let mut client = service.client().await;
    let request = named("on", relay.port());
    let call = tokio::spawn({
        let request = request.clone();
        async move { client.send(request, None).await }
    });
    has_heard_the_message(&relay).await;
    call.abort();

    let sent = service.send(request).await.unwrap();
    assert!(sent.replayed);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn stopping_waits_for_the_transaction_under_way() {
    let relay = relay(
        Step::EndOfData,
        Answer::usual().after(Duration::from_millis(500)),
    )
    .await;
    let service = Service::for_custom_relays("").await;
    let mut client = service.client().await;
    let call = tokio::spawn({
        let request = named("", relay.port());
        async move { client.send(request, None).await }
    });
    relay.wait_for_commands("DATA", 1).await.unwrap();
    service.stop().await;
    let sent = call.await.unwrap().unwrap();
    assert_eq!(sent.accepted_count, 1);
}

/// A connection that just ended would be UNAVAILABLE to the caller, who would
/// send again what the relay may have.
#[tokio::test]
async fn when_the_time_to_drain_is_over_every_caller_still_gets_an_answer() {
    for (step, code, reason) in [
        (Step::Mail(1), tonic::Code::Unavailable, "SHUTTING_DOWN"),
        (Step::EndOfData, tonic::Code::Unknown, "OUTCOME_UNKNOWN"),
    ] {
        let relay = relay(step, Answer::stall()).await;
        let service = Service::start(&format!(
            "server.drain = \"200ms\"\n\
             [relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n",
            relay.port()
        ))
        .await;
        let mut client = service.client().await;
        let call =
            tokio::spawn(
                async move { client.send(request(mail(&["bob@example.net"])), None).await },
            );
        let awaited = if step == Step::EndOfData {
            "DATA"
        } else {
            "MAIL"
        };
        relay.wait_for_commands(awaited, 1).await.unwrap();
        if step == Step::EndOfData {
            has_heard_the_message(&relay).await;
        }
        service.stop().await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.code, error.reason.as_str()), (code as i32, reason));
    }
}
