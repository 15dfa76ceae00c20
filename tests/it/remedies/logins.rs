//! What to set where the relay did not let us in.

use std::time::Duration;

use posthaste::{
    api::client::pb::relay_failure::Reason,
    testrelay::{
        Mechanism::{OAuthBearer, XOAuth2},
        TestRelay,
        ca::Ca,
    },
};
use tokio::time::{Instant, sleep};

use super::{Case, naming, one_mail};

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
async fn a_new_token() {
    let ca = Ca::new("Test CA");
    for mechanism in [OAuthBearer, XOAuth2] {
        let relay = TestRelay::builder()
            .tls(ca.server("localhost"))
            .token("ada", "new")
            .mechanisms([mechanism])
            .require_auth();
        let case = Case::new(relay.start().await.unwrap()).trusting(&ca);
        let old = case.file("old", "old\n");
        let new = case.file("new", "new\n");
        case.with("credentials.username", "\"ada\"")
            .with("credentials.token_file", &format!("{old:?}"))
            .is_mended_with(Reason::AuthRejected, &[("credentials.token_file", &new)])
            .await;
    }
}

/// Whatever renews the file has failed, and then does its work: the service
/// goes on by itself.
#[tokio::test]
async fn a_new_token_in_the_same_file() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .token("ada", "new")
        .require_auth();
    let case = Case::new(relay.start().await.unwrap()).trusting(&ca);
    let file = case.file("token", "old\n");
    let case = case
        .with("credentials.username", "\"ada\"")
        .with("credentials.token_file", &format!("{file:?}"));
    let service = case.start(&[]).await;
    case.file("token", "");
    let give_up_at = Instant::now() + Duration::from_secs(15);
    let failure = loop {
        let failure = one_mail(&service).await.unwrap_err().failure.unwrap();
        if failure.reason() == Reason::AuthToken {
            break failure;
        }
        assert_eq!(failure.reason(), Reason::AuthRejected);
        assert!(Instant::now() < give_up_at, "{}", failure.summary);
        sleep(Duration::from_millis(100)).await;
    };
    let remedy = naming(&failure, "relays.primary.credentials.token_file");
    assert_eq!(remedy.setting, "relays.primary.credentials.token_file");

    case.file("token", "new\n");
    while let Err(error) = one_mail(&service).await {
        assert!(Instant::now() < give_up_at, "{error:?}");
        sleep(Duration::from_millis(100)).await;
    }
}
