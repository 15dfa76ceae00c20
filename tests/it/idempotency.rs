//! The same request ID, again.

use posthaste::{
    api::client::pb::{self, TlsMode},
    testrelay::{Answer, Script, Step, TestRelay},
};

use crate::service::{Service, mail_through, request};

fn named(id: &str, port: u16, to: &str) -> pb::SendMailRequest {
    pb::SendMailRequest {
        request_id: id.into(),
        ..request(mail_through(port, TlsMode::Plaintext, &[to]))
    }
}

#[tokio::test]
async fn a_repeated_call_gets_the_first_answer() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let first = service
        .send(named("a", relay.port(), "b@example.net"))
        .await
        .unwrap();
    let again = service
        .send(named("a", relay.port(), "b@example.net"))
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(
        pb::SendMailResponse {
            replayed: false,
            ..again
        },
        first
    );
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn an_id_belongs_to_one_mail() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    service
        .send(named("a", relay.port(), "b@example.net"))
        .await
        .unwrap();
    let error = service
        .send(named("a", relay.port(), "c@example.net"))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::AlreadyExists as i32);
    assert_eq!(error.reason, "REQUEST_ID_REUSED");
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn a_failure_after_which_the_relay_has_nothing_frees_the_id() {
    let script = Script::new().once(Step::EndOfData, Answer::reply("451 4.3.0 later"));
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let error = service
        .send(named("a", relay.port(), "b@example.net"))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::Unavailable as i32);
    assert_eq!(error.reason, "DEFERRED");
    assert!(error.retry_after.is_some());
    let sent = service
        .send(named("a", relay.port(), "b@example.net"))
        .await
        .unwrap();
    assert!(!sent.replayed);
}

#[tokio::test]
async fn many_calls_at_once_send_one_mail() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let client = service.client().await;
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let mut client = client.clone();
            let request = named("a", relay.port(), "b@example.net");
            tokio::spawn(async move { client.send(request, None).await })
        })
        .collect();
    let mut first_answers = 0;
    for call in calls {
        let sent = call.await.unwrap().unwrap();
        first_answers += u32::from(!sent.replayed);
    }
    assert_eq!(first_answers, 1);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn validate_only_keeps_no_id() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let mut request = named("a", relay.port(), "b@example.net");
    request.validate_only = true;
    service.send(request).await.unwrap();
    let sent = service
        .send(named("a", relay.port(), "c@example.net"))
        .await
        .unwrap();
    assert!(!sent.replayed);
}
