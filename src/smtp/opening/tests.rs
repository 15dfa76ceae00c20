//! Sessions that begin with a relay that answers anything at any point.

use hickory_resolver::{Hosts, net::NetError};
use tokio::net::TcpListener;

use super::*;
use crate::{
    report::{Confidence, Reason},
    smtp::{
        Resolver, Session,
        fixture::{but, lines, open, plain, refusal, seconds, serve, target, usual},
    },
    testrelay::{Answer, Builder, Script, Step as At, TestRelay},
};

mod encrypted;

fn raw(octets: &'static [u8]) -> Answer {
    Answer::raw(octets)
}

#[tokio::test(start_paused = true)]
async fn what_a_greeting_can_be_instead() {
    let close = |octets| raw(octets).then(Answer::close());
    let long = [b"220 ".to_vec(), vec![b'a'; 5000]].concat();
    for (answer, reason) in [
        (close(b"421 4.3.2 busy\r\n"), Reason::RelayClosing),
        (close(b"450 4.7.1 later\r\n"), Reason::Deferred),
        (close(b"554 5.7.1 no\r\n"), Reason::BannerRejected),
        (close(b""), Reason::ConnectionClosed),
        (close(b"220-mail\r\n"), Reason::ConnectionClosed),
        (close(b"SSH"), Reason::NotSmtp),
        (raw(b"* OK ready\r\n"), Reason::NotSmtp),
        (raw(b"+OK ready\r\n"), Reason::NotSmtp),
        (raw(b"SSH-2.0-OpenSSH\r\n"), Reason::NotSmtp),
        (raw(b"HTTP/1.1 400 Bad\r\n"), Reason::NotSmtp),
        (raw(b"\x80\x81\x82\x83\x84"), Reason::NotSmtp),
        (raw(b"200 news\r\n"), Reason::NotSmtp),
        (Answer::alert(40), Reason::TlsOnPlaintextPort),
        (raw(b"220_x\r\n"), Reason::ReplyMalformed),
        (raw(b"002bERR denied\n"), Reason::NotSmtp),
        (raw(b"120 soon\r\n"), Reason::NotSmtp),
        (raw(b"-ERR unknown command\r\n"), Reason::NotSmtp),
        (raw(b"220-a\r\n250 b\r\n"), Reason::ReplyMalformed),
        (Answer::raw(long), Reason::ReplyTooLarge),
        (Answer::stall(), Reason::BannerTimeout),
        (raw(b"220-still"), Reason::BannerTimeout),
        (raw(b"ab"), Reason::NotSmtp),
    ] {
        let shown = format!("{answer:?}");
        let (found, error) = refusal(TlsMode::Starttls, but(At::Greeting, answer)).await;
        assert_eq!(found, reason, "{shown}");
        assert_eq!(error.stage, Stage::Greeting);
    }
}

#[tokio::test]
async fn what_was_said_instead_of_a_greeting_is_told() {
    for (octets, said) in [
        (&b"SSH-2.0-OpenSSH\r\n"[..], "it said \"SSH-2.0-OpenSSH\""),
        (
            b"200 news server ready\r\n",
            "it said \"200 news server ready\"",
        ),
        (b"\x80\x81\x82\x83\x84\r\n", "it said 0x80818283840d0a"),
        (b"-ERR unknown command\r\n", "speaks Redis, not SMTP"),
        (b"220_x\r\n", "a reply code; it said \"220_x\""),
        (
            b"\x15\x03\x01\0\x02\x02\x46",
            "it sent the alert protocol_version (70)",
        ),
    ] {
        let answer = Answer::raw(octets).then(Answer::stall());
        let (_, error) = refusal(TlsMode::Starttls, but(At::Greeting, answer)).await;
        let failure = error.into_failure();
        assert!(failure.summary.contains(said), "{}", failure.summary);
        // A reply that could be read is written anew.
        let came = octets.strip_suffix(b"\r\n").unwrap_or(octets);
        let told = failure.first_bytes;
        assert!(told.starts_with(came), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_reply_is_told() {
    let long = [b"220 ".to_vec(), vec![b'a'; 100]].concat();
    let cut = format!("unfinished reply: \"220 {}...\"", "a".repeat(56));
    let close = |octets| raw(octets).then(Answer::close());
    for (step, answer, reason, said) in [
        (
            At::Greeting,
            raw(b"220 half"),
            Reason::BannerTimeout,
            "unfinished reply: \"220 half\"",
        ),
        (
            At::Greeting,
            raw(b"220-mail\r\n"),
            Reason::BannerTimeout,
            "unfinished reply: \"220-mail\"",
        ),
        (
            At::Greeting,
            Answer::raw(long),
            Reason::BannerTimeout,
            cut.as_str(),
        ),
        (
            At::Greeting,
            close(b"220 hal"),
            Reason::ConnectionClosed,
            "unfinished reply: \"220 hal\"",
        ),
        (
            At::Ehlo,
            raw(b"250-mail\r\n250-PIPELINING\r\n"),
            Reason::ReplyTimeout,
            "unfinished reply: \"250-mail 250-PIPELINING\"",
        ),
        (
            At::Ehlo,
            raw(b"250-mail\r\n220 b\r\n"),
            Reason::ReplyMalformed,
            "different reply codes; it said \"250-mail 220 b\"",
        ),
    ] {
        let answer = answer.then(Answer::stall());
        let shown = format!("{answer:?}");
        let (found, error) = refusal(TlsMode::Starttls, but(step, answer)).await;
        assert_eq!(found, reason, "{shown}");
        let failure = error.into_failure();
        assert!(failure.summary.contains(said), "{}", failure.summary);
        assert!(failure.first_bytes.starts_with(b"2"));
        assert!(failure.first_bytes.len() <= 64);
    }
}

#[tokio::test]
async fn ftp_is_told_when_it_refuses_ehlo() {
    for (greeting, answer, reason) in [
        ("220 (vsFTPd 3.0.5)", "530 Please login", Reason::NotSmtp),
        ("220 ProFTPD Server (Debian)", "500 what?", Reason::NotSmtp),
        (
            "220-FileZilla Server\n220 hello",
            "500 what?",
            Reason::NotSmtp,
        ),
        ("220 mail FTP server ready.", "530 who?", Reason::NotSmtp),
        // In the name of a host it says nothing.
        ("220 ftp.example.com", "550 go away", Reason::EhloRejected),
        ("220 ftp ESMTP", "550 go away", Reason::EhloRejected),
        ("220 (vsFTPd 3.0.5)", "450 later", Reason::Deferred),
    ] {
        let script = Script::new()
            .at(At::Greeting, Answer::reply(greeting))
            .at(At::Ehlo, Answer::reply(answer))
            .at(At::Helo, Answer::reply(answer));
        let (found, error) = refusal(TlsMode::Starttls, usual().script(script)).await;
        assert_eq!(found, reason, "{greeting} {answer}");
        let summary = error.into_failure().summary;
        assert_eq!(summary.contains("speaks FTP"), reason == Reason::NotSmtp);
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_greet_is_given_its_time_and_no_more() {
    let started = Instant::now();
    let silent = but(At::Greeting, Answer::stall());
    let (reason, error) = refusal(TlsMode::Plaintext, silent).await;
    assert_eq!(reason, Reason::BannerTimeout);
    assert_eq!(started.elapsed(), seconds(30));
    let summary = error.into_failure().summary;
    assert!(summary.contains("30 s"), "{summary}");
}

#[tokio::test(start_paused = true)]
async fn a_long_silence_before_the_end_may_have_been_a_wait_for_tls() {
    for (silence, reason) in [(4, Reason::ConnectionClosed), (6, Reason::BannerTimeout)] {
        let answer = Answer::cut().after(seconds(silence));
        let (_, error) = refusal(TlsMode::Starttls, but(At::Greeting, answer)).await;
        let failure = error.into_failure();
        assert_eq!(failure.reason, reason, "{silence} s");
        let ambiguous = reason == Reason::BannerTimeout;
        assert_eq!(failure.confidence == Confidence::Ambiguous, ambiguous);
        assert_eq!(
            failure.alternatives.contains(&Reason::TlsOnPlaintextPort),
            ambiguous
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_relay_can_say_to_ehlo() {
    for (answer, reason, confidence) in [
        (
            Answer::reply("550 5.7.1 bad name"),
            Reason::EhloRejected,
            Confidence::Observed,
        ),
        (
            Answer::reply("530 5.7.0 Must issue a STARTTLS command first"),
            Reason::StarttlsRequired,
            Confidence::Observed,
        ),
        (
            Answer::reply("450 4.7.1 later"),
            Reason::Deferred,
            Confidence::Observed,
        ),
        (
            Answer::reply("421 4.7.0 bye"),
            Reason::RelayClosing,
            Confidence::Observed,
        ),
        (
            Answer::reply("354 what"),
            Reason::ReplyMalformed,
            Confidence::Observed,
        ),
        (
            Answer::reply("what"),
            Reason::ReplyMalformed,
            Confidence::Observed,
        ),
        (Answer::close(), Reason::EhloRejected, Confidence::Inferred),
        (Answer::stall(), Reason::ReplyTimeout, Confidence::Observed),
    ] {
        let shown = format!("{answer:?}");
        let (found, error) = refusal(TlsMode::Plaintext, but(At::Ehlo, answer)).await;
        assert_eq!(found, reason, "{shown}");
        assert_eq!(error.stage, Stage::Ehlo);
        assert_eq!(error.into_failure().confidence, confidence);
    }
}

#[tokio::test]
async fn a_relay_older_than_ehlo_is_greeted_with_helo() {
    let (io, peer) = serve(but(At::Ehlo, Answer::reply("502 5.5.2 what"))).await;
    let session = open(io, &target(TlsMode::Plaintext)).await.unwrap();
    assert!(!session.extensions.pipelining);
    session.quit().await;
    assert_eq!(
        peer.lines().await,
        ["EHLO client.example.com", "HELO client.example.com", "QUIT"]
    );

    let older = but(At::Ehlo, Answer::reply("500 what"));
    let (reason, _) = refusal(TlsMode::Starttls, older).await;
    assert_eq!(reason, Reason::StarttlsNotOffered);
    let neither = Script::new()
        .at(At::Ehlo, Answer::reply("502 5.5.2 what"))
        .at(At::Helo, Answer::reply("502 5.5.2 what"));
    let (reason, _) = refusal(TlsMode::Plaintext, usual().script(neither)).await;
    assert_eq!(reason, Reason::EhloRejected);
}

/// Offers STARTTLS and answers it so.
fn starttls(answer: &'static [u8]) -> Builder {
    but(At::StartTls, raw(answer)).extensions(["STARTTLS"])
}

#[tokio::test]
async fn what_a_relay_can_say_to_starttls() {
    for (answer, reason) in [
        (
            &b"454 4.7.0 not now\r\n"[..],
            Reason::StarttlsRefusedTemporary,
        ),
        (b"502 5.5.1 not at all\r\n", Reason::StarttlsRefused),
        (b"421 4.3.2 bye\r\n", Reason::RelayClosing),
        (b"250 fine\r\n", Reason::StarttlsRefused),
        (b"220 go\r\n250 injected\r\n", Reason::StarttlsInjection),
        (b"220 go\r\n2", Reason::StarttlsInjection),
        (b"220 go\r\n\n", Reason::StarttlsInjection),
    ] {
        for mode in [TlsMode::Starttls, TlsMode::StarttlsIfOffered] {
            let (found, error) = refusal(mode, starttls(answer)).await;
            let shown = String::from_utf8_lossy(answer);
            assert_eq!(found, reason, "{shown:?}");
            assert_eq!(error.stage, Stage::Starttls);
        }
    }
}

#[tokio::test]
async fn without_the_offer_only_a_mode_that_allows_it_goes_on() {
    let (reason, _) = refusal(TlsMode::Starttls, usual()).await;
    assert_eq!(reason, Reason::StarttlsNotOffered);

    let (io, peer) = serve(usual()).await;
    let session = open(io, &target(TlsMode::StarttlsIfOffered)).await.unwrap();
    session.quit().await;
    assert_eq!(peer.lines().await, ["EHLO client.example.com", "QUIT"]);
}

#[tokio::test]
async fn plaintext_never_says_starttls() {
    let (io, peer) = serve(starttls(b"220 go\r\n")).await;
    let session = open(io, &target(TlsMode::Plaintext)).await.unwrap();
    assert_eq!(session.facts().extensions, ["STARTTLS"]);
    session.quit().await;
    assert_eq!(peer.lines().await, ["EHLO client.example.com", "QUIT"]);
}

#[tokio::test]
async fn an_offer_that_was_overwritten_is_told_from_one_that_is_not_there() {
    let greeting = Answer::reply("220 ***********************");
    for relay in [
        plain().extensions(["XXXXXXXA"]),
        but(At::Greeting, greeting),
    ] {
        let (reason, error) = refusal(TlsMode::Starttls, relay).await;
        assert_eq!(reason, Reason::StarttlsStripped);
        assert_eq!(error.into_failure().confidence, Confidence::Inferred);
    }
}

#[tokio::test]
async fn a_session_that_stops_in_good_order_says_quit() {
    let (io, peer) = serve(usual()).await;
    open(io, &target(TlsMode::Starttls)).await.unwrap_err();
    assert_eq!(peer.lines().await, ["EHLO client.example.com", "QUIT"]);
}

#[tokio::test]
async fn an_ehlo_name_that_is_none_is_our_fault() {
    let (io, peer) = serve(usual()).await;
    let target = Target {
        ehlo_name: "a\r\nQUIT".into(),
        ..target(TlsMode::Plaintext)
    };
    let error = open(io, &target).await.unwrap_err();
    assert_eq!(error.reason(), Reason::LocalConfig);
    assert_eq!(peer.lines().await, [""; 0]);
}

#[tokio::test]
async fn addresses_that_failed_are_told_also_when_another_let_us_in() {
    let relay = TestRelay::start().await.unwrap();
    // Nothing but loopback has a route to it.
    let file = "255.255.255.255 mail.example.com\n127.0.0.1 mail.example.com\n";
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf(file.as_bytes()).unwrap();
    let target = Target {
        port: relay.port(),
        resolver: Resolver::configured(Err(NetError::Message("no name server")), hosts),
        ..target(TlsMode::Plaintext)
    };
    let progress = Progress::default();
    relay.play(Script::new().at(At::Greeting, Answer::reply("554 5.7.1 no")));
    let error = Session::open(&target, &progress).await.unwrap_err();
    let failure = error.into_failure();
    assert_eq!(failure.reason, Reason::BannerRejected);
    let [attempt] = failure.connect_attempts[..] else {
        panic!("{failure:?}");
    };
    assert_eq!(attempt.ip.to_string(), "255.255.255.255");
    assert_eq!(attempt.reason, Some(Reason::ConnectUnreachable));
}

#[tokio::test]
async fn over_tcp_a_reset_is_told_from_a_close_and_a_refusal() {
    let relay = TestRelay::start().await.unwrap();
    let mut target = Target {
        host: "localhost".parse().unwrap(),
        port: relay.port(),
        ..target(TlsMode::Plaintext)
    };
    let progress = Progress::default();
    for (answer, reason) in [
        (Answer::reset(), Reason::ConnectionReset),
        (Answer::close(), Reason::ConnectionClosed),
    ] {
        relay.play(Script::new().at(At::Connect, answer));
        let error = Session::open(&target, &progress).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        let failure = error.into_failure();
        // A reset may come so early that connecting fails with it.
        if reason == Reason::ConnectionClosed {
            assert_eq!(failure.endpoint.ip, Some([127, 0, 0, 1].into()));
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    target.port = listener.local_addr().unwrap().port();
    drop(listener);
    target.host = "127.0.0.1".parse().unwrap();
    let error = Session::open(&target, &progress).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ConnectRefused);
    assert_eq!(error.into_failure().connect_attempts.len(), 1);
    assert_eq!(progress.stage(), Stage::Connect);
}
