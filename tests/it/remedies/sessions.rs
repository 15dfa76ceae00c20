//! What to set where the relay was too slow, or did not let us in.

use std::time::Duration;

use posthaste::{
    api::client::pb::relay_failure::Reason,
    testrelay::{Answer, Script, Step, TestRelay},
};

use super::Case;
use crate::service::{Service, mail, request};

#[tokio::test]
async fn more_time() {
    let slow = |reply: &str| Answer::reply(reply).after(Duration::from_millis(900));
    for (step, reply, reason, limit) in [
        (
            Step::Greeting,
            "220 mail.example.com",
            Reason::BannerTimeout,
            "greeting",
        ),
        (Step::AnyMail, "250 2.1.0 ok", Reason::ReplyTimeout, "mail"),
        (Step::AnyRcpt, "250 2.1.5 ok", Reason::ReplyTimeout, "rcpt"),
    ] {
        let script = Script::new().at(step, slow(reply));
        let relay = TestRelay::builder().script(script).start().await.unwrap();
        let setting = format!("limits.{limit}");
        Case::new(relay)
            .with("tls.mode", "\"plaintext\"")
            .with(&setting, "\"300ms\"")
            .is_mended_with(reason, &[(&setting, "10s")])
            .await;
    }
}

#[tokio::test]
async fn the_name_is_not_to_blame_where_ehlo_is_unknown() {
    for (reply, setting) in [
        ("500 unknown command", "relays.primary.port"),
        ("550 bad name", "relays.primary.ehlo_name"),
    ] {
        let script = Script::new()
            .at(Step::Ehlo, Answer::reply(reply))
            .at(Step::Helo, Answer::reply(reply));
        let relay = TestRelay::builder().script(script);
        let case = Case::new(relay.start().await.unwrap());
        let failure = case.send(&[]).await.unwrap_err().failure.unwrap();
        assert_eq!(failure.reason(), Reason::EhloRejected);
        assert_eq!(failure.remedies[0].setting, setting, "{reply}");
    }
}

#[tokio::test]
async fn a_name_that_the_relay_takes_in_ehlo() {
    let relay = TestRelay::builder().clients(["mail.example.com"]);
    Case::new(relay.start().await.unwrap())
        .with("tls.mode", "\"plaintext\"")
        .with("ehlo_name", "\"other.example.com\"")
        .is_mended_with(Reason::EhloRejected, &[("ehlo_name", "mail.example.com")])
        .await;
}

const SLOW: &str = "RCPT TO:<slow@";

/// Two mails at a time, of which the relay never answers the first.
#[tokio::test]
async fn more_connections() {
    let relay = TestRelay::builder().recipients(|to, _| {
        to.starts_with("slow@")
            .then(|| (Step::AnyRcpt, Answer::stall()))
    });
    let relay = relay.start().await.unwrap();
    let limit = "pool.max_connections";
    let case = Case::new(relay)
        .with("tls.mode", "\"plaintext\"")
        .with(limit, "1");
    let behind_another = async |service: &Service| {
        let (mut first, mut second) = (service.client().await, service.client().await);
        let before = case.relay.commands();
        let before = before.iter().filter(|it| it.line.starts_with(SLOW)).count();
        let first = tokio::spawn(async move {
            let slow = request(mail(&["slow@example.net"]));
            first.send(slow, None).await
        });
        let arrived = case.relay.wait_for_commands(SLOW, before + 1).await;
        arrived.unwrap();
        let mail = request(mail(&["bob@example.net"]));
        let sent = second.send(mail, Some(Duration::from_secs(1))).await;
        first.abort();
        sent
    };
    case.is_mended_for(behind_another, Reason::DeadlineExceeded, &[(limit, "2")])
        .await;
}
