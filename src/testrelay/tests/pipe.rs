use std::{io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::client::{Client, trusting};
use crate::testrelay::{Answer, Script, Step, TestRelay, ca::Ca};

const HOUR: Duration = Duration::from_hours(1);

fn piped(relay: &TestRelay) -> (DuplexStream, JoinHandle<()>) {
    let (client, io) = duplex(1000);
    (client, tokio::spawn(relay.serve(io)))
}

#[tokio::test]
async fn a_pipe_is_as_good_as_a_socket() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder()
        .tls(ca.server("localhost"))
        .start()
        .await
        .unwrap();
    for number in 1..=2 {
        let (io, serving) = piped(&relay);
        let mut client = Client::over(io);
        assert!(client.reply().await.starts_with("220"));
        client
            .expect([("EHLO a.example", "250"), ("STARTTLS", "220")])
            .await;
        let mut client = client.handshake(trusting(&ca)).await.unwrap();
        client
            .expect([
                ("EHLO b.example", "250"),
                ("MAIL FROM:<>", "250"),
                ("RCPT TO:<a@b.c>", "250"),
                ("DATA", "354"),
                (".", "250"),
                ("QUIT", "221"),
            ])
            .await;
        // close_notify came, or this would be an error.
        assert_eq!(client.rest().await.unwrap(), b"");
        drop(client);
        serving.await.unwrap();
        assert_eq!(relay.sessions().len(), number);
        let mail = relay.mails().pop().unwrap();
        assert_eq!(mail.session, number as u64);
        assert!(mail.tls.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn time_is_that_of_the_test() {
    let relay = TestRelay::builder()
        .idle_limit(2 * HOUR)
        .script(Script::new().at(Step::Greeting, Answer::usual().after(HOUR)))
        .start()
        .await
        .unwrap();
    let (mut io, serving) = piped(&relay);
    let begun = Instant::now();
    let mut heard = String::new();
    io.read_to_string(&mut heard).await.unwrap();
    assert!(
        heard.starts_with("220 ") && heard.contains("\r\n421 "),
        "{heard}"
    );
    assert_eq!(begun.elapsed(), 3 * HOUR);
    drop(io);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_pipe_that_would_be_reset_just_ends() {
    let relay = TestRelay::builder()
        .script(Script::new().at(Step::Noop, Answer::reset()))
        .start()
        .await
        .unwrap();
    let (io, serving) = piped(&relay);
    let mut client = Client::over(io);
    client.reply().await;
    client.write("NOOP\r\n").await;
    assert_eq!(client.rest().await.unwrap(), b"");
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_relay_can_stop_reading() {
    for (answer, read) in [(Answer::stall(), true), (Answer::freeze(), false)] {
        let relay = TestRelay::builder()
            .script(Script::new().at(Step::Connect, answer))
            .start()
            .await
            .unwrap();
        let (mut io, serving) = piped(&relay);
        let write = timeout(HOUR / 2, io.write_all(&[b'a'; 5000]));
        assert_eq!(write.await.is_ok(), read);
        if !read {
            // The hour is over, and so is the session.
            let error = timeout(HOUR, io.write_all(&[b'a'; 5000])).await.unwrap();
            assert_eq!(error.unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
        drop(io);
        serving.await.unwrap();
    }
}
