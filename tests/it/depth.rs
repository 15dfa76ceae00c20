//! Several mails at once on one connection, through the service.

use posthaste::{
    api::client::pb::{self, relay_failure::Reason},
    testrelay::{Answer, Script, Step, TestRelay},
};
use tokio::task::JoinSet;

use crate::service::{Service, mail, request};

/// A relay that keeps its first answer to a message back until it has heard of
/// a further mail: with one at a time it would wait for ever.
fn until_there_are_more(then: Answer) -> Script {
    Script::new().once(Step::EndOfData, Answer::hear_of("MAIL").then(then))
}

async fn relay(script: Script) -> TestRelay {
    TestRelay::builder()
        .most_connections(1)
        .script(script)
        .start()
        .await
        .unwrap()
}

async fn service(relay: &TestRelay, server: &str, pool: &str) -> Service {
    Service::start(&format!(
        "{server}\n[relays.primary]\nhost = \"127.0.0.1\"\nport = {}\n\
         tls.mode = \"plaintext\"\ntransactions = \"eager\"\npool = {{ {pool} }}\n",
        relay.port()
    ))
    .await
}

const ONE: &str = "max_connections = 1, depth = 8, max_mails = 1000";

/// So many mails at the same time. Why each was not sent, if it was not.
async fn crowd(service: &Service, mails: usize) -> Vec<Option<Reason>> {
    let client = service.client().await;
    let mut calls = JoinSet::new();
    for number in 0..mails {
        let mut client = client.clone();
        calls.spawn(async move {
            let to = format!("r{number}@example.net");
            let sent = client.send(request(mail(&[&to])), None).await;
            sent.err().map(|error| error.failure.unwrap().reason())
        });
    }
    calls.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_at_once_share_the_one_connection_that_the_relay_allows() {
    let relay = relay(until_there_are_more(Answer::usual())).await;
    let service = service(&relay, "", ONE).await;
    assert_eq!(crowd(&service, 30).await, vec![None; 30]);
    assert_eq!(relay.counters().connections, 1);
    let mails = relay.mails();
    let mut recipients: Vec<_> = mails.iter().flat_map(|mail| mail.recipients()).collect();
    recipients.sort_unstable();
    recipients.dedup();
    assert_eq!((mails.len(), recipients.len()), (30, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_for_all_or_none_gets_its_turn() {
    let relay = relay(Script::new()).await;
    let service = service(&relay, "", ONE).await;
    let mut client = service.client().await;
    let to_all = pb::Mail {
        recipient_policy: pb::RecipientPolicy::All.into(),
        ..mail(&["ann@example.net", "bob@example.net"])
    };
    let crowds = async {
        for _ in 0..5 {
            assert_eq!(crowd(&service, 30).await, vec![None; 30]);
        }
    };
    let (sent, ()) = tokio::join!(client.send(request(to_all), None), crowds);
    assert_eq!(sent.unwrap().accepted_count, 2);
    assert_eq!(relay.counters().connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_lost_connection_each_mail_has_its_own_fate() {
    let unknown = Some(Reason::OutcomeUnknown);
    let bye = Answer::reply("421 4.3.2 bye").then(Answer::close());
    for (answer, expected) in [
        (Answer::close(), [unknown, unknown]),
        // It had not come to the other, which is tried once more.
        (bye, [None, Some(Reason::RelayClosing)]),
    ] {
        // It may not have noticed yet that the first connection is over.
        let relay = TestRelay::builder().script(until_there_are_more(answer));
        let relay = relay.start().await.unwrap();
        let service = service(&relay, "", ONE).await;
        let mut outcomes = crowd(&service, 2).await;
        outcomes.sort_by_key(Option::is_some);
        assert_eq!(outcomes, expected);
        let sent = expected.iter().filter(|it| it.is_none()).count();
        assert_eq!(relay.mails().len(), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_the_relay_cannot_have_is_tried_once_more() {
    let bye = Answer::reply("421 4.7.0 enough").then(Answer::close());
    let relay = TestRelay::builder()
        .script(Script::new().nth(2, Step::AnyMail, bye))
        .start()
        .await
        .unwrap();
    let service = service(&relay, "", ONE).await;
    for _ in 0..2 {
        assert_eq!(crowd(&service, 1).await, [None]);
    }
    assert_eq!(relay.counters().connections, 2);
    assert_eq!(relay.mails().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_carries_more_than_it_may() {
    let relay = TestRelay::builder()
        .script(until_there_are_more(Answer::usual()))
        .start()
        .await
        .unwrap();
    let service = service(&relay, "", "max_connections = 2, depth = 8, max_mails = 3").await;
    assert_eq!(crowd(&service, 20).await, vec![None; 20]);
    let sessions = relay.sessions();
    assert!(sessions.iter().all(|session| session.mails <= 3));
    assert_eq!(relay.counters().mails, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_time_to_drain_is_over_all_that_are_in_flight_are_unknown() {
    let relay = relay(Script::new().at(Step::EndOfData, Answer::stall())).await;
    let service = service(&relay, "server.drain = \"200ms\"", ONE).await;
    let client = service.client().await;
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let mut client = client.clone();
        calls.spawn(async move { client.send(request(mail(&["bob@example.net"])), None).await });
    }
    // The relay reads on, and answers nothing.
    relay.wait_for_commands("BDAT", 1).await.unwrap();
    service.stop().await;
    for outcome in calls.join_all().await {
        let failure = outcome.unwrap_err().failure.unwrap();
        assert_eq!(failure.reason(), Reason::OutcomeUnknown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_disturb_the_others() {
    let relay = relay(until_there_are_more(Answer::usual())).await;
    let service = service(&relay, "", ONE).await;
    let mut client = service.client().await;
    let first =
        tokio::spawn(async move { client.send(request(mail(&["ann@example.net"])), None).await });
    relay.wait_for_commands("BDAT", 1).await.unwrap();
    first.abort();
    assert_eq!(crowd(&service, 10).await, vec![None; 10]);
    // What was in flight goes on.
    assert_eq!(relay.wait_for_mails(11).await.unwrap().len(), 11);
    assert_eq!(relay.counters().connections, 1);
}
