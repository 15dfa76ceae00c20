//! Warm connections: how many are opened, who gets one, and what happens when
//! one turns out to be lost.

use std::{future::Future, time::Duration};

use posthaste::{
    api::client::pb::{
        self, TlsMode,
        relay_failure::{Acceptance, Reason},
    },
    testrelay::{Answer, Script, Step, TestRelay, ca::Ca},
};
use tonic::transport::Channel;

use crate::service::{Service, mail, mail_through, request};

const TO: [&str; 1] = ["bob@example.net"];

/// A service with one relay, reached in plaintext, with these settings of its
/// pool.
async fn service(relay: &TestRelay, pool: &str) -> Service {
    service_with(relay, &format!("pool = {{ {pool} }}\n")).await
}

/// As above, with more settings of any kind.
async fn service_with(relay: &TestRelay, settings: &str) -> Service {
    Service::start(&format!(
        "[relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n\
         {settings}",
        relay.port()
    ))
    .await
}

/// Short, for relays that fall silent.
const LIMITS: &str = "limits = { mail = \"300ms\", rcpt = \"300ms\", data = \"300ms\" }\n";

/// Takes messages by DATA, so that it comes to every step.
async fn scripted(script: Script) -> TestRelay {
    TestRelay::builder()
        .extensions(["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"])
        .script(script)
        .start()
        .await
        .unwrap()
}

/// Sends `mails` mails, one after the other, and tells each session.
async fn send(service: &Service, mails: usize) -> Vec<pb::Session> {
    let mut client = service.client().await;
    let mut sessions = Vec::new();
    for _ in 0..mails {
        let sent = client.send(request(mail(&TO)), None).await.unwrap();
        sessions.push(sent.session.unwrap());
    }
    sessions
}

async fn failure(service: &Service) -> pb::RelayFailure {
    let error = service.send(request(mail(&TO))).await.unwrap_err();
    error.failure.unwrap()
}

/// Runs `callers` at the same time.
async fn crowd<F: Future<Output = ()> + Send + 'static>(
    callers: usize,
    mut caller: impl FnMut() -> F,
) {
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(caller())).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn status(service: &Service) -> pb::Relay {
    let channel = Channel::from_shared(service.endpoint.clone()).unwrap();
    let channel = channel.connect().await.unwrap();
    let listed = pb::relay_service_client::RelayServiceClient::new(channel)
        .list_relays(pb::ListRelaysRequest::default())
        .await
        .unwrap();
    listed.into_inner().relays.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mails_of_one_caller_take_one_connection() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "max_mails = 1000").await;
    let sessions = send(&service, 1000).await;
    assert_eq!(relay.counters().mails, 1000);
    assert_eq!(relay.counters().connections, 1);
    assert!(!sessions[0].reused && sessions[1..].iter().all(|session| session.reused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mails_of_sixteen_callers_take_sixteen_connections_at_most() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "max_connections = 16, max_mails = 1000").await;
    let client = service.client().await;
    crowd(16, || {
        let mut client = client.clone();
        async move {
            for _ in 0..63 {
                client.send(request(mail(&TO)), None).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(relay.counters().mails, 16 * 63);
    let connections = relay.counters().connections;
    assert!((1..=16).contains(&connections), "{connections}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_wait_in_line_for_what_the_relay_allows() {
    // A connection too many would get a 421, and fail a mail.
    let relay = TestRelay::builder()
        .most_connections(3)
        .start()
        .await
        .unwrap();
    let service = service(&relay, "max_connections = 3").await;
    let client = service.client().await;
    crowd(64, || {
        let mut client = client.clone();
        async move {
            let sent = client.send(request(mail(&TO)), None).await.unwrap();
            assert!(sent.session.unwrap().timings.unwrap().pool_wait.is_some());
        }
    })
    .await;
    assert_eq!(relay.counters().mails, 64);
    let connections = relay.counters().connections;
    let status = status(&service).await;
    assert_eq!(status.max_connections, 3);
    assert!((1..=3).contains(&connections), "{connections}");
    assert_eq!(u64::from(status.open_connections), connections);
    assert_eq!(u64::from(status.idle_connections), connections);
}

#[tokio::test]
async fn a_warm_mail_takes_two_turns() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "").await;
    send(&service, 2).await;
    let before = relay.counters();
    send(&service, 1).await;
    let spent = relay.counters() - before;
    assert_eq!((spent.turns, spent.commands, spent.connections), (2, 4, 0));
}

#[tokio::test]
async fn only_the_first_mail_pays_for_the_connection() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "").await;
    let [cold, warm] = &send(&service, 2).await[..] else {
        panic!("two mails")
    };
    let timings = cold.timings.as_ref().unwrap();
    assert!(!cold.reused && timings.connect.is_some() && timings.pool_wait.is_some());
    let timings = warm.timings.as_ref().unwrap();
    assert!(warm.reused && timings.transaction.is_some() && timings.pool_wait.is_some());
    assert!(timings.resolve.is_none() && timings.connect.is_none());
}

#[tokio::test]
async fn a_deadline_that_runs_out_in_line_says_so_and_the_line_goes_on() {
    let relay = scripted(Script::new().once(Step::Mail(1), Answer::stall())).await;
    let service = service(&relay, "max_connections = 1").await;
    let mut client = service.client().await;
    let holds_it = tokio::spawn({
        let mut client = client.clone();
        async move { client.send(request(mail(&TO)), None).await }
    });
    relay.wait_for_commands("MAIL", 1).await.unwrap();
    assert_eq!(status(&service).await.open_connections, 1);

    let error = client
        .send(request(mail(&TO)), Some(Duration::from_millis(700)))
        .await
        .unwrap_err();
    assert_eq!(error.code, tonic::Code::DeadlineExceeded as i32);
    let failure = error.failure.unwrap();
    assert_eq!(failure.reason(), Reason::DeadlineExceeded);
    assert_eq!(failure.stage(), pb::SmtpStage::PoolWait);
    assert_eq!(failure.acceptance(), Acceptance::None);
    let settings: Vec<_> = failure.remedies.iter().map(|it| &it.setting).collect();
    assert_eq!(settings[1], "relays.primary.pool.max_connections");

    // No session was tried.
    assert!(status(&service).await.last_failure.is_none());

    // Given up, the one that held the connection closes it.
    holds_it.abort();
    send(&service, 1).await;
    assert_eq!(relay.counters().connections, 2);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_connection_fails_one_mail_and_not_those_behind_it() {
    let relay = scripted(Script::new().once(Step::Greeting, Answer::reply("554 5.7.1 no"))).await;
    let service = service(&relay, "max_connections = 1").await;
    let (mut failed, mut sent) = (0, 0);
    let client = service.client().await;
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.send(request(mail(&TO)), None).await })
        })
        .collect();
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => sent += 1,
            Err(error) => {
                assert_eq!(error.reason, "BANNER_REJECTED");
                failed += 1;
            }
        }
    }
    assert_eq!((failed, sent), (1, 4));
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test]
async fn a_connection_that_is_idle_for_too_long_is_taken_leave_of() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "idle_time = \"150ms\"").await;
    send(&service, 1).await;
    relay.wait_for_commands("QUIT", 1).await.unwrap();
    assert_eq!(status(&service).await.idle_connections, 0);
    send(&service, 1).await;
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test]
async fn a_connection_carries_so_many_mails_and_no_more() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "max_mails = 2").await;
    let sessions = send(&service, 5).await;
    let reused: Vec<_> = sessions.iter().map(|session| session.reused).collect();
    assert_eq!(reused, [false, true, false, true, false]);
    relay.wait_for_commands("QUIT", 2).await.unwrap();
    let by_session: Vec<_> = relay.mails().iter().map(|mail| mail.session).collect();
    assert_eq!(by_session, [1, 1, 2, 2, 3]);
}

#[tokio::test]
async fn a_relay_that_closed_an_idle_connection_fails_no_mail() {
    let relay = TestRelay::start().await.unwrap();
    let service = service(&relay, "").await;
    send(&service, 1).await;
    relay.hang_up().await;
    let sessions = send(&service, 1).await;
    assert!(!sessions[0].reused);
    assert_eq!(relay.counters().connections, 2);
    assert_eq!(relay.mails().len(), 2);
}

#[tokio::test]
async fn a_relay_that_hangs_up_after_421_on_an_idle_connection_fails_no_mail() {
    // It comes with the last reply, or while the connection is idle, or when
    // the next mail is on its way: it must not matter.
    for wait in [0, 5, 20] {
        let closing = Answer::reply("421 4.4.2 idle for too long");
        let closing = closing.after(Duration::from_millis(wait));
        let script = Script::new().at(
            Step::EndOfData,
            Answer::usual().then(closing).then(Answer::close()),
        );
        let relay = scripted(script).await;
        let service = service(&relay, "").await;
        send(&service, 5).await;
        assert_eq!(relay.counters().connections, 5, "after {wait} ms");
        assert_eq!(relay.mails().len(), 5, "after {wait} ms");
    }
}

/// What a relay that ends a connection can do at the second mail on it.
fn endings() -> [Answer; 4] {
    [
        Answer::reply("421 4.3.2 shutting down").then(Answer::close()),
        Answer::close(),
        Answer::cut(),
        Answer::reset(),
    ]
}

#[tokio::test]
async fn a_warm_connection_lost_before_the_message_is_replaced_without_a_word() {
    for step in [Step::AnyMail, Step::AnyRcpt, Step::Data] {
        for (number, ending) in endings().into_iter().enumerate() {
            let relay = scripted(Script::new().nth(2, step, ending)).await;
            let service = service(&relay, "").await;
            let sessions = send(&service, 2).await;
            assert!(!sessions[1].reused, "{step:?}, {number}");
            assert!(sessions[1].timings.as_ref().unwrap().connect.is_some());
            assert_eq!(relay.counters().connections, 2, "{step:?}, {number}");
            assert_eq!(relay.mails().len(), 2);
            // The one that was lost is not used again.
            send(&service, 1).await;
            assert_eq!(relay.counters().connections, 2, "{step:?}, {number}");
        }
    }
}

#[tokio::test]
async fn a_warm_connection_that_makes_no_sense_before_the_message_is_replaced_too() {
    let nonsense = [
        Answer::stall(),
        Answer::raw(&b"what\r\n"[..]),
        Answer::reply("334 what"),
    ];
    for step in [Step::AnyMail, Step::AnyRcpt, Step::Data] {
        for (number, answer) in nonsense.iter().enumerate() {
            let relay = scripted(Script::new().nth(2, step, answer.clone())).await;
            let service = service_with(&relay, LIMITS).await;
            let sessions = send(&service, 2).await;
            assert!(!sessions[1].reused, "{step:?}, {number}");
            assert_eq!(relay.counters().connections, 2, "{step:?}, {number}");
            assert_eq!(relay.mails().len(), 2);
        }
    }
}

#[tokio::test]
async fn silence_on_a_fresh_connection_is_a_failure() {
    let relay = scripted(Script::new().once(Step::AnyMail, Answer::stall())).await;
    let service = service_with(&relay, LIMITS).await;
    assert_eq!(failure(&service).await.reason(), Reason::ReplyTimeout);
    assert_eq!(relay.counters().connections, 1);
}

#[tokio::test]
async fn a_lost_connection_is_replaced_once() {
    let [ending, ..] = endings();
    let script = Script::new()
        .nth(2, Step::AnyMail, ending.clone())
        .nth(3, Step::AnyMail, ending);
    let relay = scripted(script).await;
    let service = service(&relay, "").await;
    send(&service, 1).await;
    let failure = failure(&service).await;
    assert_eq!(failure.reason(), Reason::RelayClosing);
    assert_eq!(failure.stage(), pb::SmtpStage::MailFrom);
    assert_eq!(relay.counters().connections, 2);
}

#[tokio::test]
async fn a_fresh_connection_that_is_lost_is_a_failure() {
    for ending in endings() {
        let relay = scripted(Script::new().once(Step::AnyMail, ending)).await;
        let service = service(&relay, "").await;
        failure(&service).await;
        assert_eq!(relay.counters().connections, 1);
    }
}

#[tokio::test]
async fn a_refusal_is_the_mails_own_and_the_connection_stays() {
    let refusals = [
        (Step::AnyMail, "450 4.2.0 later"),
        (Step::AnyRcpt, "550 5.1.1 no such user"),
        (Step::Data, "451 4.3.0 later"),
        (Step::EndOfData, "550 5.7.1 not this"),
    ];
    for (step, reply) in refusals {
        let relay = scripted(Script::new().nth(2, step, Answer::reply(reply))).await;
        let service = service(&relay, "").await;
        send(&service, 1).await;
        failure(&service).await;
        let sessions = send(&service, 1).await;
        assert!(sessions[0].reused, "{reply}");
        assert_eq!(relay.counters().connections, 1, "{reply}");
        assert_eq!(relay.mails().len(), 2, "{reply}");
    }
}

#[tokio::test]
async fn after_the_message_began_nothing_is_sent_twice() {
    let go_on = Answer::reply("354 go on");
    for (step, ending, reason, taken) in [
        (
            Step::EndOfData,
            Answer::cut().as_if(250),
            Reason::OutcomeUnknown,
            2,
        ),
        (
            Step::EndOfData,
            Answer::reset().as_if(250),
            Reason::OutcomeUnknown,
            2,
        ),
        (
            Step::EndOfData,
            Answer::reply("421 4.3.2 no").then(Answer::close()),
            Reason::RelayClosing,
            1,
        ),
    ] {
        let relay = scripted(Script::new().nth(2, step, ending)).await;
        let service = service(&relay, "").await;
        send(&service, 1).await;
        assert_eq!(failure(&service).await.reason(), reason);
        assert_eq!(relay.counters().connections, 1, "{reason:?}");
        assert_eq!(relay.mails().len(), taken, "{reason:?}");
    }

    // Whether octets of the message went out before the loss was noticed is a
    // matter of luck. That they might is enough.
    let relay = scripted(Script::new().nth(2, Step::Data, go_on.then(Answer::cut()))).await;
    let service = service(&relay, "").await;
    send(&service, 1).await;
    failure(&service).await;
    assert_eq!(relay.counters().connections, 1);
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn what_was_given_up_in_the_middle_is_not_used_again() {
    for step in [Step::AnyMail, Step::AnyRcpt, Step::Data] {
        let relay = scripted(Script::new().nth(2, step, Answer::stall())).await;
        let service = service(&relay, "").await;
        send(&service, 1).await;
        let error = service
            .client()
            .await
            .send(request(mail(&TO)), Some(Duration::from_millis(600)))
            .await
            .unwrap_err();
        assert_eq!(error.reason, "DEADLINE_EXCEEDED");
        send(&service, 1).await;
        assert_eq!(relay.counters().connections, 2, "{step:?}");
        let by_session: Vec<_> = relay.mails().iter().map(|mail| mail.session).collect();
        assert_eq!(by_session, [1, 2], "{step:?}");
    }
}

#[tokio::test]
async fn each_account_has_connections_of_its_own() {
    let relay = TestRelay::builder()
        .auth("ada", "p")
        .auth("bob", "q")
        .start()
        .await
        .unwrap();
    let service = Service::for_custom_relays("").await;
    for user in ["ada", "bob", "", "ada", "bob", ""] {
        let mut mail = mail_through(relay.port(), TlsMode::Plaintext, &TO);
        let password = pb::PasswordCredentials {
            username: user.into(),
            password: if user == "ada" { "p" } else { "q" }.into(),
        };
        if let Some(target) = &mut mail.relay
            && let Some(pb::relay_target::Target::Custom(custom)) = &mut target.target
            && !user.is_empty()
        {
            custom.credentials = Some(pb::Credentials {
                secret: Some(pb::credentials::Secret::Password(password)),
            });
        }
        service.send(request(mail)).await.unwrap();
        let identity = relay.mails().pop().unwrap().identity;
        assert_eq!(identity.unwrap_or_default(), user);
    }
    assert_eq!(relay.counters().connections, 3);
}

#[tokio::test]
async fn each_tls_policy_has_connections_of_its_own() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .start()
        .await
        .unwrap();
    let service = Service::for_custom_relays(&ca.pem()).await;
    let options = [
        (TlsMode::Plaintext, pb::TlsVersion::Unspecified),
        (TlsMode::Starttls, pb::TlsVersion::Unspecified),
        (TlsMode::StarttlsIfOffered, pb::TlsVersion::Unspecified),
        (TlsMode::Starttls, pb::TlsVersion::TlsVersion13),
    ];
    for round in 0..3 {
        for (mode, version) in options {
            let mut mail = mail_through(relay.port(), mode, &TO);
            mail.tls.as_mut().unwrap().min_version = version.into();
            let sent = service.send(request(mail)).await.unwrap();
            assert_eq!(sent.session.unwrap().reused, round > 0);
            let in_tls = relay.mails().pop().unwrap().tls.is_some();
            assert_eq!(in_tls, mode != TlsMode::Plaintext);
        }
    }
    assert_eq!(relay.counters().connections, 4);
}

#[tokio::test]
async fn the_bound_is_over_all_tls_policies_and_the_same_in_other_words_is_the_same() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .start()
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).unwrap();
    let service = Service::start(&format!(
        "[relays.primary]\nhost = \"localhost\"\nport = {}\ntls.ca_file = {ca_file:?}\n\
         pool.max_connections = 2\n",
        relay.port()
    ))
    .await;
    let as_by_default = pb::TlsOptions {
        mode: TlsMode::Starttls.into(),
        ..pb::TlsOptions::default()
    };
    // The third policy makes the connection of the second close.
    for (options, reused, connections) in [
        (pb::TlsOptions::default(), false, 1),
        (as_by_default, true, 1),
        (
            pb::TlsOptions {
                min_version: pb::TlsVersion::TlsVersion13.into(),
                ..pb::TlsOptions::default()
            },
            false,
            2,
        ),
        (pb::TlsOptions::default(), true, 2),
        (
            pb::TlsOptions {
                min_version: pb::TlsVersion::TlsVersion13.into(),
                max_version: pb::TlsVersion::TlsVersion13.into(),
                ..pb::TlsOptions::default()
            },
            false,
            3,
        ),
    ] {
        let mut mail = mail(&TO);
        mail.tls = Some(options);
        let sent = service.send(request(mail)).await.unwrap();
        assert_eq!(sent.session.unwrap().reused, reused, "{connections}");
        assert_eq!(relay.counters().connections, connections);
        let open = status(&service).await.open_connections;
        assert_eq!(u64::from(open), connections.min(2));
    }
    relay.wait_for_commands("QUIT", 1).await.unwrap();
}

#[tokio::test]
async fn a_new_connection_resumes_the_tls_session_of_the_last() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .start()
        .await
        .unwrap();
    let service = Service::start(&{
        let folder = tempfile::tempdir().unwrap().keep();
        let ca_file = folder.join("ca.pem");
        std::fs::write(&ca_file, ca.pem()).unwrap();
        format!(
            "tls.ca_file = {ca_file:?}\n\
             custom_relays = {{ allow = [{{ host = \"localhost\" }}], pool.max_mails = 1 }}\n\
             [relays.primary]\nhost = \"localhost\"\nport = {}\npool.max_mails = 1\n",
            relay.port()
        )
    })
    .await;
    let strict = || {
        let mut mail = mail(&TO);
        mail.relay = Some(pb::RelayTarget {
            target: Some(pb::relay_target::Target::Name("primary".into())),
        });
        mail.tls = Some(pb::TlsOptions {
            min_version: pb::TlsVersion::TlsVersion13.into(),
            ..pb::TlsOptions::default()
        });
        mail
    };
    let custom = || mail_through(relay.port(), TlsMode::Starttls, &TO);
    let mut number = 0;
    for mails in [
        [mail(&TO), mail(&TO)],
        [strict(), strict()],
        [custom(), custom()],
    ] {
        for (mail, resumed) in mails.into_iter().zip([false, true]) {
            let sent = service.send(request(mail)).await.unwrap();
            let session = sent.session.unwrap();
            assert!(!session.reused);
            assert_eq!(session.tls.unwrap().resumed, resumed, "mail {number}");
            let seen = relay.mails().pop().unwrap().tls.unwrap();
            assert_eq!(seen.resumed, resumed, "mail {number}");
            number += 1;
        }
    }
}

#[tokio::test]
async fn at_the_end_the_service_takes_leave_of_every_relay() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::start(&format!(
        "custom_relays = {{ allow = [{{ host = \"localhost\" }}], allow_tls_options = [\"mode\"] }}\n\
         [relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n",
        relay.port()
    ))
    .await;
    let mut named = mail(&TO);
    named.relay = Some(pb::RelayTarget {
        target: Some(pb::relay_target::Target::Name("primary".into())),
    });
    service.send(request(named)).await.unwrap();
    let custom = mail_through(relay.port(), TlsMode::Plaintext, &TO);
    service.send(request(custom)).await.unwrap();
    assert_eq!(relay.counters().connections, 2);
    service.stop().await;
    // Said, and answered, before the service has stopped.
    let quits: Vec<_> = relay
        .commands()
        .into_iter()
        .filter(|command| command.line == "QUIT")
        .collect();
    assert_eq!(quits.len(), 2);
}
