//! Many mails over one call.

mod answers;
mod endings;
mod pressure;

use std::collections::BTreeMap;

use posthaste::{
    api::client::{
        Answers,
        pb::{self, SendMailStreamRequest as Request, SendMailStreamResponse as Answer},
    },
    testrelay::TestRelay,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::service::{Service, mail};

/// What became of one request.
type Outcome = Result<pb::SendMailResponse, Box<pb::SendError>>;

/// A service with one relay, reached in plaintext, and `settings` of the relay.
async fn service(relay: &TestRelay, server: &str, settings: &str) -> Service {
    Service::start(&format!(
        "{server}\n[relays.primary]\nhost = \"127.0.0.1\"\nport = {}\ntls.mode = \"plaintext\"\n\
         {settings}\n",
        relay.port()
    ))
    .await
}

/// The `n`th mail, which no other has the recipient of.
fn nth(n: usize) -> Request {
    named(&format!("id-{n}"), &[&format!("r{n}@example.net")])
}

fn named(id: &str, to: &[&str]) -> Request {
    Request {
        request_id: id.into(),
        mail: Some(mail(to)),
    }
}

/// The first `count` mails.
fn mails(count: usize) -> impl tokio_stream::Stream<Item = Request> + Send + 'static {
    tokio_stream::iter((0..count).map(nth))
}

/// A stream that the test writes to as it goes. It ends when the first is
/// dropped.
fn by_hand() -> (mpsc::Sender<Request>, ReceiverStream<Request>) {
    let (send, requests) = mpsc::channel(16);
    (send, ReceiverStream::new(requests))
}

/// All that is still to come, and how the call ended.
async fn rest(answers: &mut Answers) -> (Vec<Answer>, Result<(), pb::SendError>) {
    let mut all = Vec::new();
    loop {
        match answers.next().await {
            Ok(Some(answer)) => all.push(answer),
            Ok(None) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// What became of each request, by its place in the stream. Nothing is
/// answered twice.
fn by_index(answers: Vec<Answer>) -> BTreeMap<usize, Outcome> {
    let mut all = BTreeMap::new();
    for answer in answers {
        let index = usize::try_from(answer.request_index).unwrap();
        let earlier = all.insert(index, outcome(answer));
        assert!(earlier.is_none(), "{index} was answered twice");
    }
    all
}

fn outcome(answer: Answer) -> Outcome {
    match answer.result.unwrap() {
        pb::send_mail_stream_response::Result::Sent(sent) => Ok(sent),
        pb::send_mail_stream_response::Result::Error(error) => Err(error.into()),
    }
}

/// The numbers of the mails that the relay took, in order.
fn taken(relay: &TestRelay) -> Vec<usize> {
    let mut taken: Vec<_> = relay
        .mails()
        .iter()
        .map(|mail| {
            let address = mail.recipients()[0].to_owned();
            let number = address.trim_start_matches('r').split('@').next();
            number.unwrap().parse().unwrap()
        })
        .collect();
    taken.sort_unstable();
    taken
}
