//! Each request has one answer of its own.

use std::time::Duration;

use posthaste::{
    api::client::pb,
    testrelay::{Answer, Script, Step, TestRelay},
};

use super::{by_hand, by_index, mails, named, nth, outcome, rest, service, taken};
use crate::service::{mail, request};

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_mail_among_a_thousand_fails_alone() {
    const BAD: usize = 500;
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "", "pool.max_mails = 1000").await;
    let requests = (0..1000).map(|n| {
        if n == BAD {
            named("id-500", &["no at sign"])
        } else {
            nth(n)
        }
    });
    let mut client = service.client().await;
    let requests = tokio_stream::iter(requests.collect::<Vec<_>>());
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();

    for answer in &answers {
        assert_eq!(answer.request_id, format!("id-{}", answer.request_index));
    }
    let mut all = by_index(answers);
    assert_eq!(all.len(), 1000);
    let error = all.remove(&BAD).unwrap().unwrap_err();
    assert_eq!(error.code, tonic::Code::InvalidArgument as i32);
    assert_eq!(error.reason, "INVALID_REQUEST");
    assert_eq!(error.violations[0].field, "mail.message.to[0].email");
    assert_eq!(error.metadata["violations_total"], "1");
    for (n, outcome) in all {
        let sent = outcome.unwrap_or_else(|error| panic!("{n}: {error:?}"));
        assert_eq!(sent.accepted_count, 1);
    }
    let expected: Vec<_> = (0..1000).filter(|n| *n != BAD).collect();
    assert_eq!(taken(&relay), expected);
    let connections = relay.counters().connections;
    assert!((1..=8).contains(&connections), "{connections}");
}

#[tokio::test]
async fn a_mail_that_stalls_holds_no_other() {
    let script = Script::new().once(Step::AnyMail, Answer::stall());
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let deadline = "server.default_deadline = \"3s\"";
    let service = service(&relay, deadline, "pool.max_connections = 2").await;
    let mut client = service.client().await;
    let mut answers = client.send_stream(mails(20), None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    let mut outcomes: Vec<_> = answers.into_iter().map(outcome).collect();
    let last = outcomes.pop().unwrap().unwrap_err();
    assert_eq!(last.reason, "DEADLINE_EXCEEDED");
    assert_eq!(last.failure.unwrap().stage(), pb::SmtpStage::MailFrom);
    assert_eq!(outcomes.len(), 19);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

#[tokio::test]
async fn an_answer_is_tied_to_a_request_whose_id_is_none() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "", "").await;
    let long = "ü".repeat(200);
    let ids = ["", "two words", &long, &"x".repeat(129), &"y".repeat(128)];
    let requests: Vec<_> = ids
        .iter()
        .map(|id| named(id, &["bob@example.net"]))
        .chain([pb::SendMailStreamRequest::default()])
        .collect();
    let mut client = service.client().await;
    let requests = tokio_stream::iter(requests);
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let (mut answers, end) = rest(&mut answers).await;
    end.unwrap();
    answers.sort_by_key(|answer| answer.request_index);
    let [none, words, unicode, over, longest, empty] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(none.request_id, "");
    assert_eq!(words.request_id, "two words");
    assert_eq!(unicode.request_id, "ü".repeat(128));
    assert_eq!(over.request_id, "x".repeat(128));
    assert_eq!(longest.request_id, "y".repeat(128));
    for bad in [none, words, unicode, over] {
        let error = outcome(bad.clone()).unwrap_err();
        assert_eq!(error.violations.len(), 1);
        assert_eq!(error.violations[0].field, "request_id");
    }
    outcome(longest.clone()).unwrap();
    let error = outcome(empty.clone()).unwrap_err();
    let fields: Vec<_> = error.violations.iter().map(|it| &it.field).collect();
    assert_eq!(fields, ["request_id", "mail"]);
}

#[tokio::test]
async fn an_id_that_was_used_before_is_answered_as_by_send_mail() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "", "").await;
    let first = pb::SendMailRequest {
        request_id: "a".into(),
        ..request(mail(&["bob@example.net"]))
    };
    let first = service.send(first).await.unwrap();

    let mut client = service.client().await;
    let (send, requests) = by_hand();
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let mut ask = async |id: &str, to: &str| {
        send.try_send(named(id, &[to])).unwrap();
        outcome(answers.next().await.unwrap().unwrap())
    };
    let again = ask("a", "bob@example.net").await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.message_id, first.message_id);
    assert!(!ask("b", "bob@example.net").await.unwrap().replayed);
    assert!(ask("b", "bob@example.net").await.unwrap().replayed);
    let reused = ask("b", "eve@example.net").await.unwrap_err();
    assert_eq!(reused.code, tonic::Code::AlreadyExists as i32);
    assert_eq!(reused.reason, "REQUEST_ID_REUSED");
    drop(send);
    assert_eq!(answers.next().await.unwrap(), None);
    assert_eq!(relay.mails().len(), 2);
}

#[tokio::test]
async fn the_same_request_many_times_at_once_is_one_mail() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "", "pool.max_connections = 1").await;
    let same = vec![named("a", &["bob@example.net"]); 50];
    let mut client = service.client().await;
    let requests = tokio_stream::iter(same);
    let mut answers = client.send_stream(requests, None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    let sent = by_index(answers).into_values().map(Result::unwrap);
    let replayed: Vec<_> = sent.map(|sent| sent.replayed).collect();
    assert_eq!(replayed.len(), 50);
    assert_eq!(replayed.iter().filter(|it| !**it).count(), 1);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn an_empty_stream_ends_well() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "", "").await;
    let mut client = service.client().await;
    let mut answers = client.send_stream(mails(0), None).await.unwrap();
    assert_eq!(answers.next().await.unwrap(), None);
}

#[tokio::test]
async fn each_error_is_that_of_send_mail() {
    let script = Script::new().at(Step::AnyRcpt, Answer::reply("550 5.1.1 no such user"));
    let refusing = TestRelay::builder().script(script).start().await.unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = gone.local_addr().unwrap().port();
    drop(gone);
    let down =
        format!("[relays.down]\nhost = \"127.0.0.1\"\nport = {nobody}\ntls.mode = \"plaintext\"\n");
    let service = service(&refusing, "default_relay = \"primary\"", &down).await;
    let through = |relay: &str| {
        let target = pb::relay_target::Target::Name(relay.into());
        let relay = Some(pb::RelayTarget {
            target: Some(target),
        });
        pb::Mail {
            relay,
            ..mail(&["bob@example.net"])
        }
    };
    for relay in ["primary", "down", "unknown"] {
        let unary = service.send(request(through(relay))).await.unwrap_err();
        let streamed = pb::SendMailStreamRequest {
            request_id: relay.into(),
            mail: Some(through(relay)),
        };
        let mut client = service.client().await;
        let requests = tokio_stream::once(streamed);
        let mut answers = client.send_stream(requests, None).await.unwrap();
        let error = outcome(answers.next().await.unwrap().unwrap()).unwrap_err();
        assert_eq!(
            (error.code, &error.reason, &error.message, &error.metadata),
            (unary.code, &unary.reason, &unary.message, &unary.metadata)
        );
        assert_eq!(error.retry_after, unary.retry_after);
        assert_eq!(error.failure.is_some(), unary.failure.is_some());
        assert_eq!(answers.next().await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_in_the_middle_costs_no_mail_its_answer() {
    let script = Script::new()
        .nth(
            20,
            Step::AnyMail,
            Answer::reply("421 4.3.2 restarting").then(Answer::close()),
        )
        .nth(
            40,
            Step::EndOfData,
            Answer::reply("421 4.3.2 restarting").then(Answer::close()),
        )
        .nth(60, Step::AnyRcpt, Answer::cut());
    let relay = TestRelay::builder().script(script).start().await.unwrap();
    let service = service(&relay, "", "pool.max_connections = 2").await;
    let mut client = service.client().await;
    let mut answers = client.send_stream(mails(100), None).await.unwrap();
    let (answers, end) = rest(&mut answers).await;
    end.unwrap();
    let all = by_index(answers);
    assert_eq!(all.len(), 100);
    let mut sent = Vec::new();
    for (n, outcome) in all {
        match outcome {
            Ok(_) => sent.push(n),
            Err(error) => assert_eq!(error.code, tonic::Code::Unavailable as i32, "{error:?}"),
        }
    }
    assert_eq!(taken(&relay), sent);
    assert!(sent.len() >= 97, "{}", sent.len());
}

#[tokio::test]
async fn a_stream_may_pause_for_longer_than_a_mail_may_take() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "server.default_deadline = \"300ms\"", "").await;
    let mut client = service.client().await;
    let (send, requests) = by_hand();
    let mut answers = client.send_stream(requests, None).await.unwrap();
    for n in 0..2 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        send.try_send(nth(n)).unwrap();
        outcome(answers.next().await.unwrap().unwrap()).unwrap();
    }
    drop(send);
    assert_eq!(answers.next().await.unwrap(), None);
}
