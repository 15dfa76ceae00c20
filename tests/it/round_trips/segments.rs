//! What a small eager mail is on the wire. TCP's segments are told by the kernel,
//! through `ss` of iproute2: safe Rust has no way to ask it.

use std::process::Command;

use posthaste::testrelay::{Tls, ca::Ca};

use super::*;

/// How many segments with data the client's end of the connection to `port` has
/// sent.
fn data_segments(port: u16) -> u64 {
    let filter = format!("dport = :{port}");
    let output = Command::new("ss").args(["-tinH", &filter]).output();
    let told = String::from_utf8(output.expect("ss is installed").stdout).unwrap();
    let (_, rest) = told.split_once("data_segs_out:").expect(&told);
    let end = rest.find(' ').unwrap_or(rest.len());
    rest[..end].trim().parse().unwrap()
}

#[tokio::test]
async fn a_small_eager_mail_is_one_record_and_one_segment() {
    let ca = Ca::new("Segments CA");
    let relay = TestRelay::builder()
        .tls(Tls::new(ca.server("127.0.0.1")))
        .require_tls()
        .start()
        .await
        .unwrap();
    let base = target(relay.port());
    let settings = tls::Settings {
        system_roots: Some(false),
        trust_anchors: Some(vec![ca.der()]),
        ..tls::Settings::default()
    };
    let roots = tls::SystemRoots::bundled();
    let target = Target {
        mode: TlsMode::Starttls,
        transactions: EAGER,
        tls: tls::Connector::new(&settings, &base.host.to_server_name(), &roots).unwrap(),
        ..base
    };
    let mut session = Session::open(&target, &Progress::default()).await.unwrap();
    let (envelope, body) = (envelope(1), body());
    assert_eq!(body.len() / 1024, 1);
    let transaction = Transaction {
        envelope: &envelope,
        body: &body,
        policy: RecipientPolicy::Any,
    };
    for _ in 0..3 {
        let before = (relay.counters(), data_segments(relay.port()));
        session
            .send(transaction, &Progress::default())
            .await
            .unwrap();
        let after = (relay.counters(), data_segments(relay.port()));
        assert_eq!((after.0 - before.0).records_in, 1);
        assert_eq!(after.1 - before.1, 1);
    }
}
