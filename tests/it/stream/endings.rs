//! Streams that end before their time: whatever ends them, the caller knows
//! what was taken, and no mail is sent twice.

use std::time::Duration;

use posthaste::{
    api::client::pb,
    testrelay::{Answer, Script, Step, TestRelay},
};
use prost::Message as _;
use tokio_stream::StreamExt as _;

use super::{by_hand, by_index, mails, nth, rest, service, taken};

/// The same mail by itself, with the same ID.
fn alone(request: pb::SendMailStreamRequest) -> pb::SendMailRequest {
    pb::SendMailRequest {
        request_id: request.request_id,
        mail: request.mail,
        validate_only: false,
    }
}

async fn scripted(script: Script) -> TestRelay {
    TestRelay::builder().script(script).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_service_stops_the_caller_knows_what_to_send_elsewhere() {
    const ALL: usize = 500;
    let slowly = Answer::usual().after(Duration::from_millis(5));
    let relay = scripted(Script::new().at(Step::EndOfData, slowly)).await;
    let first = service(&relay, "server.max_stream_mails = 32", "").await;
    let mut client = first.client().await;
    // The caller does not end its side: it has more to send.
    let requests = mails(ALL).chain(tokio_stream::pending());
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..50 {
        all.push(answers.next().await.unwrap().unwrap());
    }
    let ((), (last, end)) = tokio::join!(first.stop(), rest(&mut answers));
    all.extend(last);
    let end = end.unwrap_err();
    assert_eq!(end.code, tonic::Code::Unavailable as i32, "{end:?}");
    assert_eq!(end.reason, "SHUTTING_DOWN");
    assert!(end.retry_after.is_some());

    let mut all = by_index(all);
    all.retain(|n, outcome| match outcome {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(
                error.code,
                tonic::Code::Unavailable as i32,
                "{n}: {error:?}"
            );
            assert_eq!(error.reason, "SHUTTING_DOWN");
            assert!(error.retry_after.is_some());
            false
        }
    });
    let sent: Vec<_> = all.into_keys().collect();
    assert!((50..ALL).contains(&sent.len()), "{}", sent.len());
    assert_eq!(taken(&relay), sent);

    let second = service(&relay, "", "").await;
    let left: Vec<_> = (0..ALL).filter(|n| !sent.contains(n)).map(nth).collect();
    let mut client = second.client().await;
    let requests = tokio_stream::iter(left);
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    assert!(by_index(answers).values().all(Result::is_ok));
    assert_eq!(taken(&relay), (0..ALL).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_waits_for_its_turn_is_refused_when_the_service_stops() {
    let relay = scripted(Script::new().at(Step::AnyMail, Answer::stall())).await;
    let server = "server.drain = \"300ms\"";
    let service = service(&relay, server, "pool.max_connections = 1").await;
    let mut client = service.client().await;
    let requests = mails(10).chain(tokio_stream::pending());
    let mut answers = client.send_stream(requests, None).await.unwrap();
    relay.wait_for_commands("MAIL", 1).await.unwrap();
    let ((), (answers, end)) = tokio::join!(service.stop(), rest(&mut answers));
    assert_eq!(end.unwrap_err().reason, "SHUTTING_DOWN");
    for (n, outcome) in by_index(answers) {
        assert_eq!(outcome.unwrap_err().reason, "SHUTTING_DOWN", "{n}");
    }
    assert_eq!(relay.mails().len(), 0);
}

#[tokio::test]
async fn when_the_time_to_drain_is_over_what_the_relay_may_have_is_unknown() {
    let relay = scripted(Script::new().at(Step::EndOfData, Answer::stall())).await;
    let server = "server.drain = \"300ms\"";
    let service = service(&relay, server, "pool.max_connections = 1").await;
    let mut client = service.client().await;
    let requests = mails(1).chain(tokio_stream::pending());
    let mut answers = client.send_stream(requests, None).await.unwrap();
    relay.wait_for_commands("BDAT", 1).await.unwrap();
    heard(&relay, 350).await;
    let ((), (answers, end)) = tokio::join!(service.stop(), rest(&mut answers));
    assert_eq!(end.unwrap_err().reason, "SHUTTING_DOWN");
    let error = by_index(answers).remove(&0).unwrap().unwrap_err();
    assert_eq!(error.reason, "OUTCOME_UNKNOWN");
    assert_eq!(error.code, tonic::Code::Unknown as i32);
}

#[tokio::test]
async fn an_idle_stream_does_not_keep_the_service_from_stopping() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "server.drain = \"1h\"", "").await;
    let mut client = service.client().await;
    let (_send, requests) = by_hand();
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(service.stop(), answers.next()).1
    });
    assert_eq!(stopped.await.unwrap().unwrap_err().reason, "SHUTTING_DOWN");
}

/// Waits until the relay has read so much.
async fn heard(relay: &TestRelay, bytes: u64) {
    let heard = async {
        while relay.counters().bytes_in < bytes {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(10), heard);
    heard.await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_up_what_the_relay_does_not_have() {
    let relay = scripted(Script::new().once(Step::AnyMail, Answer::stall())).await;
    let service = service(&relay, "", "pool.max_connections = 1").await;
    let mut client = service.client().await;
    let answers = client.send_stream(mails(50), None).await.unwrap();
    relay.wait_for_commands("MAIL", 1).await.unwrap();
    drop(answers);

    // Their IDs are free: the first was under way, the other in line.
    for n in [0, 20] {
        let sent = service.send(alone(nth(n))).await.unwrap();
        assert!(!sent.replayed);
    }
    assert_eq!(taken(&relay), [0, 20]);
}

#[tokio::test]
async fn what_the_relay_may_have_goes_on_without_its_caller() {
    let slowly = Answer::usual().after(Duration::from_millis(500));
    let relay = scripted(Script::new().once(Step::EndOfData, slowly)).await;
    let service = service(&relay, "", "pool.max_connections = 1").await;
    let mut client = service.client().await;
    let requests = mails(50);
    let answers = client.send_stream(requests, None).await.unwrap();
    relay.wait_for_commands("BDAT", 1).await.unwrap();
    heard(&relay, 350).await;
    drop(answers);

    let begun = taken_up(&relay);
    let sent = service.send(alone(nth(begun))).await.unwrap();
    assert!(sent.replayed);
    assert_eq!(taken(&relay), [begun]);
}

/// The number of the mail that the relay heard of first.
fn taken_up(relay: &TestRelay) -> usize {
    let commands = relay.commands();
    let rcpt = commands.iter().find(|it| it.line.starts_with("RCPT"));
    let line = &rcpt.unwrap().line;
    let number = line.trim_start_matches("RCPT TO:<r").split('@').next();
    number.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_deadline_of_the_call_holds_for_all_of_it() {
    let relay = scripted(Script::new().at(Step::AnyMail, Answer::stall())).await;
    let server = "server.max_stream_mails = 5";
    let service = service(&relay, server, "pool.max_connections = 1").await;
    let mut client = service.client().await;
    let timeout = Some(Duration::from_secs(2));
    let mut answers = client.send_stream(mails(20), timeout).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    // The service says so, and not the client's own clock.
    let end = end.unwrap_err();
    assert_eq!(end.code, tonic::Code::DeadlineExceeded as i32, "{end:?}");
    assert_eq!(end.reason, "DEADLINE_EXCEEDED");
    let all = by_index(answers);
    assert_eq!(all.len(), 5);
    let mut stages: Vec<_> = all
        .into_values()
        .map(|outcome| {
            let error = outcome.unwrap_err();
            assert_eq!(error.code, tonic::Code::DeadlineExceeded as i32);
            error.failure.unwrap().stage()
        })
        .collect();
    stages.sort_unstable();
    stages.dedup();
    assert_eq!(stages, [pb::SmtpStage::MailFrom, pb::SmtpStage::PoolWait]);
    assert_eq!(relay.mails().len(), 0);
}

#[tokio::test]
async fn a_request_that_is_too_large_ends_the_call_after_the_answers() {
    let slowly = Answer::usual().after(Duration::from_millis(200));
    let relay = scripted(Script::new().at(Step::EndOfData, slowly)).await;
    let service = service(&relay, "server.max_request_bytes = \"64KiB\"", "").await;
    let mut client = service.client().await;
    let mut large = nth(3);
    large.request_id = "x".repeat(64 * 1024);
    let requests = mails(3).chain(tokio_stream::iter([large, nth(4)]));
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    let end = end.unwrap_err();
    assert_eq!(end.code, tonic::Code::ResourceExhausted as i32, "{end:?}");
    assert_eq!(end.reason, "REQUEST_TOO_LARGE");
    assert_eq!(end.metadata["max_request_bytes"], "65536");
    let all = by_index(answers);
    assert!(all.values().all(Result::is_ok), "{all:?}");
    assert_eq!(all.into_keys().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(taken(&relay), [0, 1, 2]);
}

#[tokio::test]
async fn what_cannot_be_decoded_ends_the_call_after_the_answers() {
    let slowly = Answer::usual().after(Duration::from_millis(200));
    let relay = scripted(Script::new().at(Step::EndOfData, slowly)).await;
    let service = service(&relay, "", "").await;
    let endpoint = tonic::transport::Endpoint::from_shared(service.endpoint.clone());
    let channel = endpoint.unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mail = nth(0).mail.unwrap().encode_to_vec();
    let requests = [mail, b"no mail".to_vec()].map(|mail| AlmostRequest {
        request_id: "a".into(),
        mail,
    });
    let requests = tonic::Request::new(tokio_stream::iter(requests));
    let path = "/posthaste.v1.MailService/SendMailStream".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<AlmostRequest, pb::SendMailStreamResponse>::default();
    let answers = client.streaming(requests, path, codec).await.unwrap();
    let mut answers = answers.into_inner();
    let first = answers.message().await.unwrap().unwrap();
    assert!(by_index(vec![first])[&0].is_ok());
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
    assert!(!status.details().is_empty());
}

/// A request on the wire, but that its mail may be anything.
#[derive(Clone, PartialEq, prost::Message)]
struct AlmostRequest {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(bytes = "vec", tag = "2")]
    mail: Vec<u8>,
}

#[tokio::test]
async fn a_timeout_that_is_none_is_refused() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "", "").await;
    let endpoint = tonic::transport::Endpoint::from_shared(service.endpoint.clone());
    let channel = endpoint.unwrap().connect().await.unwrap();
    let mut client = pb::mail_service_client::MailServiceClient::new(channel);
    let mut request = tonic::Request::new(mails(1));
    request
        .metadata_mut()
        .insert("grpc-timeout", "soon".parse().unwrap());
    let status = client.send_mail_stream(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert_eq!(relay.counters().connections, 0);
}
