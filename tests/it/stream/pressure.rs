//! A stream that is ahead of its relay waits, and holds no more than it may.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use posthaste::{
    api::client::pb::{self, mail_service_client::MailServiceClient},
    testrelay::{Answer, Script, Step, TestRelay},
};
use prost::Message as _;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use super::{by_hand, by_index, mails, named, nth, outcome, rest, service, taken};
use crate::service::{Service, mail, request};

const KIB: usize = 1024;

async fn slow(wait: Duration) -> TestRelay {
    let script = Script::new().at(Step::EndOfData, Answer::usual().after(wait));
    TestRelay::builder().script(script).start().await.unwrap()
}

/// A mail whose text has `bytes` bytes.
fn large(n: usize, bytes: usize) -> pb::SendMailStreamRequest {
    let mut request = nth(n);
    let content = request.mail.as_mut().unwrap().content.as_mut();
    if let Some(pb::mail::Content::Message(message)) = content {
        message.text = "x".repeat(bytes);
    }
    request
}

/// Counts what is taken out of `requests`.
fn counted<S: Stream>(requests: S) -> (Arc<AtomicUsize>, impl Stream<Item = S::Item>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let requests = requests.map(move |request| {
        counting.fetch_add(1, Ordering::Relaxed);
        request
    });
    (count, requests)
}

/// What `count` comes to when it has been the same for a second.
async fn settled(count: impl Fn() -> usize) -> usize {
    let mut last = (count(), 0);
    while last.1 < 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = match count() {
            same if same == last.0 => (same, last.1 + 1),
            other => (other, 0),
        };
    }
    last.0
}

/// A client with the smallest windows that HTTP/2 has by default.
async fn narrow(service: &Service) -> MailServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(service.endpoint.clone()).unwrap();
    let endpoint = endpoint
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535);
    MailServiceClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_takes_no_answers_is_not_read_from() {
    const ALL: usize = 6000;
    const HELD: usize = 16;
    let relay = TestRelay::start().await.unwrap();
    let server = format!("server.max_stream_mails = {HELD}");
    let service = service(&relay, &server, "pool.max_mails = 10000").await;
    let mut client = narrow(&service).await;
    let (read, requests) = counted(tokio_stream::iter((0..ALL).map(|n| large(n, KIB))));
    let answers = client.send_mail_stream(requests).await.unwrap();
    let mut answers = answers.into_inner();
    let first = answers.message().await.unwrap().unwrap();

    let sent = settled(|| usize::try_from(relay.counters().mails).unwrap()).await;
    // What HTTP/2 has taken of the answers: the window, and what the server
    // has ready behind it.
    let on_their_way = (65_535 + 2 * 32 * KIB) / first.encoded_len();
    assert!(
        sent <= HELD + on_their_way,
        "{sent} > {HELD} + {on_their_way}"
    );
    // And of the requests: a window, and what the client has ready behind it.
    let unread = read.load(Ordering::Relaxed) - sent;
    let on_their_way = (1024 + 256) * KIB / nth(0).encoded_len().max(KIB);
    assert!(unread <= HELD + on_their_way, "{unread}");

    // It goes on where it was when the caller takes answers again.
    let mut all = vec![first];
    while let Some(answer) = answers.message().await.unwrap() {
        all.push(answer);
    }
    let all = by_index(all);
    assert_eq!(all.len(), ALL);
    assert!(all.values().all(Result::is_ok));
    assert_eq!(relay.counters().mails, ALL as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_streams_are_open_than_the_operator_allows() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "server.max_streams = 1", "").await;
    let mut client = service.client().await;
    let (hold, requests) = by_hand();
    hold.send(nth(0)).await.unwrap();
    let mut first = client.send_stream(requests, None).await.unwrap();
    assert!(first.next().await.unwrap().is_some());

    let refused = client.send_stream(mails(1), None).await.unwrap_err();
    assert_eq!(refused.code, Code::ResourceExhausted as i32);
    assert_eq!(refused.reason, "OVERLOADED");

    drop(hold);
    assert_eq!(first.next().await.unwrap(), None);
    let mut again = client.send_stream(mails(1), None).await.unwrap();
    assert!(again.next().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_mails_are_held_than_the_operator_allows() {
    // Without the bound, eight connections would be opened.
    let relay = slow(Duration::from_millis(50)).await;
    let service = service(&relay, "server.max_stream_mails = 3", "").await;
    let mut client = service.client().await;
    let mut answers = client.send_stream(mails(30), None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    assert!(by_index(answers).values().all(Result::is_ok));
    assert_eq!(relay.counters().mails, 30);
    assert_eq!(relay.counters().connections, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_bytes_are_held_than_a_request_may_have() {
    let relay = slow(Duration::from_millis(50)).await;
    let service = service(&relay, "server.max_request_bytes = \"100KiB\"", "").await;
    let mut client = service.client().await;
    let requests = tokio_stream::iter((0..12).map(|n| large(n, 60 * KIB)));
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    assert!(by_index(answers).values().all(Result::is_ok));
    assert_eq!(relay.counters().mails, 12);
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_one_connection_is_given_one_mail_at_a_time() {
    let relay = TestRelay::builder()
        .most_connections(1)
        .start()
        .await
        .unwrap();
    // A call beyond the only place would be refused.
    let server = "server.max_under_way = 1";
    let settings = "pool = { max_connections = 1, max_mails = 1000 }";
    let service = service(&relay, server, settings).await;
    let mut client = service.client().await;
    let mut answers = client.send_stream(mails(300), None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    let all = by_index(answers);
    assert_eq!(all.len(), 300);
    assert!(all.values().all(Result::is_ok), "{all:?}");
    assert_eq!(relay.counters().connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_fewer_connections_than_it_may_have_keeps_mails_waiting() {
    for settings in [
        "",
        "transactions = \"eager\"\npool = { depth = 8, max_mails = 1000 }",
    ] {
        let relay = TestRelay::builder()
            .most_connections(1)
            .start()
            .await
            .unwrap();
        let service = service(&relay, "", settings).await;
        let mut client = service.client().await;
        let mut answers = client.send_stream(mails(90), None).await.unwrap();
        let (answers, end) = rest(&mut answers).await;
        end.unwrap();
        let all = by_index(answers);
        assert_eq!(all.len(), 90);
        assert!(all.values().all(Result::is_ok), "{all:?}");
        assert_eq!(relay.counters().mails, 90);
        // It was not asked for another each time.
        assert!(relay.counters().connections < 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mails_time_is_not_spent_by_its_neighbours() {
    // Thirty mails, one after the other, take three times what each may.
    let relay = slow(Duration::from_millis(100)).await;
    let deadline = "server.default_deadline = \"1s\"";
    let service = service(&relay, deadline, "pool.max_connections = 1").await;
    let mut client = service.client().await;
    let mut answers = client.send_stream(mails(30), None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    let all = by_index(answers);
    assert!(all.values().all(Result::is_ok), "{all:?}");
    assert_eq!(taken(&relay), (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_call_finds_a_connection_beside_a_stream() {
    let relay = slow(Duration::from_millis(20)).await;
    let service = service(&relay, "", "pool.max_connections = 1").await;
    let mut client = service.client().await;
    let mut answers = client.send_stream(mails(200), None).await.unwrap();
    answers.next().await.unwrap().unwrap();

    // Behind two mails of the stream, not behind two hundred.
    let sent = service.send(request(mail(&["single@example.net"]))).await;
    sent.unwrap();
    let before = relay.mails().iter().position(|mail| {
        let recipients = mail.recipients();
        recipients == ["single@example.net"]
    });
    assert!(before.unwrap() < 50, "{before:?}");
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    assert_eq!(answers.len(), 199);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_read_holds_no_other_call_of_its_connection() {
    let script = Script::new().once(Step::AnyMail, Answer::stall());
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let service = service(&relay, "server.max_stream_mails = 1", "").await;
    let mut client = service.client().await;
    let (read, requests) = counted(tokio_stream::iter((0..).map(|n| large(n, 60 * KIB))));
    let _answers = client.send_stream(requests, None).await.unwrap();
    relay.wait_for_commands("MAIL", 1).await.unwrap();
    // The stream has filled all that it may fill.
    settled(|| read.load(Ordering::Relaxed)).await;

    let single = request(mail(&["single@example.net"]));
    let sent = client.send(single, Some(Duration::from_secs(10))).await;
    sent.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_relay_does_not_hold_the_mails_to_another() {
    let script = Script::new().at(Step::AnyMail, Answer::stall());
    let stalled = TestRelay::builder().script(script).start().await.unwrap();
    let other = TestRelay::start().await.unwrap();
    let second = format!(
        "[relays.other]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n",
        other.port()
    );
    let service = service(&stalled, "default_relay = \"primary\"", &second).await;
    let mut client = service.client().await;
    let to_other = |n: usize| {
        let target = pb::relay_target::Target::Name("other".into());
        let mut request = named(&format!("other-{n}"), &["bob@example.net"]);
        request.mail.as_mut().unwrap().relay = Some(pb::RelayTarget {
            target: Some(target),
        });
        request
    };
    // More than the stalled relay takes, and then some for the other.
    let requests: Vec<_> = (0..100).map(nth).chain((0..50).map(to_other)).collect();
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let mut answers = client.send_stream(requests, None).await.unwrap();
    for _ in 0..50 {
        let answer = answers.next().await.unwrap().unwrap();
        assert!(answer.request_id.starts_with("other-"), "{answer:?}");
        outcome(answer).unwrap();
    }
    assert_eq!(stalled.counters().mails, 0);
    // It was given what its eight connections carry.
    let begun = stalled
        .commands()
        .iter()
        .filter(|it| it.line.starts_with("MAIL"))
        .count();
    assert!(begun <= 8, "{begun}");
}
