//! What to set where a certificate was refused, the relay's or ours.

use std::time::{Duration, SystemTime};

use posthaste::{
    api::client::pb::relay_failure::Reason,
    testrelay::{
        TestRelay, Tls,
        ca::{Ca, Leaf, pem},
    },
};

use super::Case;

#[tokio::test]
async fn a_name_that_the_certificate_has() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("mail.example.com"));
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .is_mended(Reason::CertNameMismatch, "tls.server_name")
        .await;
}

#[tokio::test]
async fn a_name_that_a_wildcard_covers_and_none_where_it_covers_none() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("*.example.com"));
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .is_mended(Reason::CertNameMismatch, "tls.server_name")
        .await;

    let relay = TestRelay::builder().tls(ca.server("*.example"));
    let case = Case::new(relay.start().await.unwrap()).trusting(&ca);
    let failure = case.send(&[]).await.unwrap_err().failure.unwrap();
    assert_eq!(failure.reason(), Reason::CertNameMismatch);
    let settings: Vec<_> = failure.remedies.iter().map(|it| &it.setting).collect();
    assert_eq!(settings, [""], "{:?}", failure.remedies);
}

#[tokio::test]
async fn the_pin_of_a_self_signed_certificate() {
    let identity = Leaf::new(["localhost"]).self_signed();
    let relay = TestRelay::builder().tls(identity);
    Case::new(relay.start().await.unwrap())
        .is_mended(Reason::CertSelfSigned, "tls.key_pins")
        .await;
}

#[tokio::test]
async fn the_pin_of_a_key_that_was_replaced() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let old = ca.server("localhost").key_pin();
    Case::new(relay.start().await.unwrap())
        .trusting(&ca)
        .with("tls.key_pins", &format!("[\"{old}\"]"))
        .is_mended(Reason::CertPinMismatch, "tls.key_pins")
        .await;
}

#[tokio::test]
async fn the_authority_of_a_private_certificate() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let case = Case::new(relay.start().await.unwrap());
    let file = case.file("ca.pem", &ca.pem());
    case.is_mended_with(Reason::CertUnknownIssuer, &[("tls.ca_file", &file)])
        .await;

    let root = ca.server("localhost").followed_by(ca.der());
    let relay = TestRelay::builder().tls(root).start().await.unwrap();
    let case = Case::new(relay);
    let file = case.file("ca.pem", &ca.pem());
    case.is_mended_with(Reason::CertUntrustedRoot, &[("tls.ca_file", &file)])
        .await;
}

/// A list of a day ago does not tell whether the relay's certificate still
/// holds.
#[tokio::test]
async fn a_fresh_revocation_list() {
    let ca = Ca::new("Test CA");
    let relay = TestRelay::builder().tls(ca.server("localhost"));
    let case = Case::new(relay.start().await.unwrap()).trusting(&ca);
    let yesterday = SystemTime::now() - Duration::from_hours(24);
    let old = case.file("old.pem", &pem("X509 CRL", &ca.revoke_until([], yesterday)));
    let fresh = case.file("fresh.pem", &pem("X509 CRL", &ca.revoke([])));
    case.with("tls.crl_file", &format!("{old:?}"))
        .is_mended_with(Reason::CertRevocationUnknown, &[("tls.crl_file", &fresh)])
        .await;
}

#[tokio::test]
async fn a_client_certificate() {
    let ca = Ca::new("Test CA");
    let tls = Tls::new(ca.server("localhost")).require_client_certificate(&ca);
    let relay = TestRelay::builder().tls(tls).start().await.unwrap();
    let case = Case::new(relay).trusting(&ca);
    let client = ca.client("posthaste");
    let both = format!("{}{}", client.chain_pem(), client.key_pem());
    let file = case.file("client.pem", &both);
    let settings = [
        ("tls.client_certificate_file", file.as_str()),
        ("tls.client_key_file", file.as_str()),
    ];
    case.is_mended_with(Reason::ClientCertRequired, &settings)
        .await;
}

#[tokio::test]
async fn another_client_certificate() {
    let ca = Ca::new("Test CA");
    let tls = Tls::new(ca.server("localhost")).require_client_certificate(&ca);
    let relay = TestRelay::builder().tls(tls).start().await.unwrap();
    let case = Case::new(relay).trusting(&ca);
    let both = |ca: &Ca, name: &str| {
        let client = ca.client("posthaste");
        let both = format!("{}{}", client.chain_pem(), client.key_pem());
        case.file(name, &both)
    };
    let wrong = format!("{:?}", both(&Ca::new("Another CA"), "wrong.pem"));
    let right = both(&ca, "right.pem");
    let settings = [
        ("tls.client_certificate_file", right.as_str()),
        ("tls.client_key_file", right.as_str()),
    ];
    case.with("tls.client_certificate_file", &wrong)
        .with("tls.client_key_file", &wrong)
        .is_mended_with(Reason::ClientCertRejected, &settings)
        .await;
}
