//! What no caller should send: a clear status each time, and the service
//! stays up.

use std::time::Duration;

use posthaste::{
    api::client::{Client, pb},
    testrelay::TestRelay,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::service::{Service, address, mail, mail_through, request};

const MIB: usize = 1024 * 1024;

/// A mail whose request has exactly `size` bytes.
fn request_of(size: usize, port: u16) -> pb::SendMailRequest {
    use prost::Message as _;

    let mut mail = mail_through(port, pb::TlsMode::Plaintext, &["b@example.net"]);
    let attachments = |sizes: [usize; 2]| {
        sizes.map(|size| pb::Attachment {
            filename: "a.bin".into(),
            content: vec![0; size].into(),
            ..pb::Attachment::default()
        })
    };
    let mut with = |second: usize| {
        if let Some(pb::mail::Content::Message(message)) = &mut mail.content {
            message.attachments = attachments([24 * MIB, second]).into();
        }
        request(mail.clone())
    };
    let second = size - 24 * MIB - 1024;
    let missing = size - with(second).encoded_len();
    with(second + missing)
}

#[tokio::test]
async fn a_request_of_48_mib_is_taken_and_one_byte_more_is_not() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;

    let sent = service
        .send(request_of(48 * MIB, relay.port()))
        .await
        .unwrap();
    assert!(sent.size_bytes > 64_000_000, "{}", sent.size_bytes);

    let error = service
        .send(request_of(48 * MIB + 1, relay.port()))
        .await
        .unwrap_err();
    assert_eq!(
        error.code,
        tonic::Code::ResourceExhausted as i32,
        "{error:?}"
    );
    assert_eq!(error.reason, "REQUEST_TOO_LARGE");
    assert_eq!(relay.mails().len(), 1);
}

#[tokio::test]
async fn every_violation_is_counted_and_the_first_twenty_are_told() {
    let service = Service::for_custom_relays("").await;
    let mut bad = mail(&[]);
    if let Some(pb::mail::Content::Message(message)) = &mut bad.content {
        message.to = (0..30)
            .map(|n| address(&format!("no-at-sign-{n}")))
            .collect();
        message.subject = "a\r\nBcc: everybody@example.com".into();
    }
    let error = service.send(request(bad)).await.unwrap_err();
    assert_eq!(error.code, tonic::Code::InvalidArgument as i32);
    assert_eq!(error.reason, "INVALID_REQUEST");
    assert_eq!(error.violations.len(), 20);
    assert_eq!(error.metadata["violations_total"], "31");
    let first = &error.violations[0];
    assert!(first.field.starts_with("mail.message."), "{first:?}");
    assert!(!first.reason.is_empty() && !first.description.is_empty());
}

#[tokio::test]
async fn thousands_of_recipients_are_refused_and_a_thousand_are_taken() {
    let relay = TestRelay::start().await.unwrap();
    let service = Service::for_custom_relays("").await;
    let through = |n: usize| {
        let to: Vec<_> = (0..n).map(|n| format!("r{n}@example.net")).collect();
        let to: Vec<_> = to.iter().map(String::as_str).collect();
        request(mail_through(relay.port(), pb::TlsMode::Plaintext, &to))
    };
    let sent = service.send(through(1000)).await.unwrap();
    assert_eq!(sent.accepted_count, 1000);
    for n in [1001, 5000] {
        let error = service.send(through(n)).await.unwrap_err();
        assert_eq!(error.code, tonic::Code::InvalidArgument as i32);
        assert_eq!(error.violations[0].reason, "TOO_MANY");
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_get_a_status() {
    let service = Service::for_custom_relays("").await;
    let channel = tonic::transport::Endpoint::from_shared(service.endpoint.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let garbage = tonic::Request::new(Garbage(vec![0xff; 100]));
    let path = "/posthaste.v1.MailService/SendMail".parse().unwrap();
    let status = client
        .unary(
            garbage,
            path,
            tonic_prost::ProstCodec::<Garbage, Garbage>::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
    still_serves(&service).await;
}

/// Bytes that pretend to be a message.
#[derive(Clone, Debug, Default)]
struct Garbage(Vec<u8>);

impl prost::Message for Garbage {
    fn encode_raw(&self, buf: &mut impl bytes::BufMut) {
        buf.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: prost::encoding::WireType,
        buf: &mut impl bytes::Buf,
        context: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buf, context)
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[tokio::test]
async fn a_call_whose_request_never_ends_is_answered_at_its_deadline() {
    let service = Service::start("server.default_deadline = \"1s\"").await;
    let channel = tonic::transport::Endpoint::from_shared(service.endpoint.clone())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    // A stream in place of the one message: nothing comes.
    let stalled = tonic::Request::new(tokio_stream::pending());
    let path = "/posthaste.v1.MailService/SendMail".parse().unwrap();
    let answer = client.client_streaming(
        stalled,
        path,
        tonic_prost::ProstCodec::<pb::SendMailRequest, pb::SendMailResponse>::default(),
    );
    let answer = tokio::time::timeout(Duration::from_secs(10), answer)
        .await
        .unwrap();
    assert_eq!(answer.unwrap_err().code(), tonic::Code::DeadlineExceeded);
    still_serves(&service).await;
}

#[tokio::test]
async fn peers_that_do_not_speak_http2_are_let_go() {
    let service = Service::for_custom_relays("").await;
    let host = service.endpoint.trim_start_matches("http://");
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"EHLO example.org\r\n",
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01][..],
        &[0xff; 4096],
    ] {
        let mut peer = TcpStream::connect(host).await.unwrap();
        peer.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let read = peer.read_to_end(&mut rest);
        // A reset is as good an end as a close.
        let _ended = tokio::time::timeout(Duration::from_secs(5), read)
            .await
            .unwrap();
        assert_eq!(rest, b"", "{}", bytes.escape_ascii());
    }
    still_serves(&service).await;
}

async fn still_serves(service: &Service) {
    let mut request = request(mail(&["b@example.net"]));
    request.validate_only = true;
    let error = Client::connect(&service.endpoint)
        .await
        .unwrap()
        .send(request, None)
        .await
        .unwrap_err();
    assert_eq!(error.reason, "NO_ROUTE");
}
