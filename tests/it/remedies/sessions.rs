//! What to set where the relay was too slow, or did not let us in.

use std::time::Duration;

use posthaste::{
    api::client::pb::relay_failure::Reason,
    testrelay::{Answer, Script, Step, TestRelay, ca::Ca},
};

use super::Case;

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
async fn credentials() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .auth("ada", "correct horse")
        .require_auth();
    let none = Case::new(relay.clone().start().await.unwrap()).trusting(&ca);
    let right = none.file("right", "correct horse\n");
    let login = [
        ("credentials.username", "ada"),
        ("credentials.password_file", right.as_str()),
    ];
    none.is_mended_with(Reason::AuthRequired, &login).await;

    let wrong = Case::new(relay.start().await.unwrap()).trusting(&ca);
    let file = wrong.file("wrong", "battery staple\n");
    wrong
        .with("credentials.username", "\"ada\"")
        .with("credentials.password_file", &format!("{file:?}"))
        .is_mended_with(Reason::AuthRejected, &login)
        .await;
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
