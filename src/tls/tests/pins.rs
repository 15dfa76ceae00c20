//! Pins of keys.

use rcgen::date_time_ymd;

use super::*;

fn pin_of(identity: &Identity) -> KeyPin {
    let leaf = super::certificate::parse(&identity.chain[0]).unwrap();
    super::certificate::key_pin(&leaf)
}

fn other_pin() -> KeyPin {
    KeyPin::of(b"another key")
}

#[tokio::test]
async fn a_pin_is_checked_beside_the_chain() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    let config = server(&identity, rustls::ALL_VERSIONS);
    let mut settings = trusting(&[root.der()]);

    settings.key_pins = Some(vec![other_pin(), pin_of(&identity)]);
    implicit(&settings, serve(Arc::clone(&config)).0)
        .await
        .unwrap();

    settings.key_pins = Some(vec![other_pin()]);
    let error = refused(&settings, serve(Arc::clone(&config)).0).await;
    assert_eq!(error.reason, Reason::CertPinMismatch);
    assert_says(&error, &[&pin_of(&identity).to_string(), "not pinned"]);

    // The right key in a chain that leads nowhere.
    let mut settings = trusting(&[Authority::new("Other").der()]);
    settings.key_pins = Some(vec![pin_of(&identity)]);
    let error = refused(&settings, serve(config).0).await;
    assert_eq!(error.reason, Reason::CertUnknownIssuer);
}

#[tokio::test]
async fn a_pinned_certificate_that_is_self_signed_needs_no_anchor() {
    for is_ca in [
        IsCa::ExplicitNoCa,
        IsCa::Ca(BasicConstraints::Unconstrained),
    ] {
        let mut params = leaf_params(&["another.name"]);
        params.is_ca = is_ca;
        let identity = self_signed(&params);
        for version in rustls::ALL_VERSIONS {
            let mut settings = trusting(&[]);
            settings.key_pins = Some(vec![pin_of(&identity)]);
            let config = server(&identity, &[version]);
            implicit(&settings, serve(Arc::clone(&config)).0)
                .await
                .unwrap();

            settings.key_pins = Some(vec![other_pin()]);
            let error = refused(&settings, serve(config).0).await;
            assert_eq!(error.reason, Reason::CertPinMismatch);
        }
    }
}

#[tokio::test]
async fn without_anchors_only_self_signed_certificates_pass() {
    let identity = Authority::new("Root").issue(&leaf_params(&[HOST]), &[]);
    let mut settings = trusting(&[]);
    settings.key_pins = Some(vec![pin_of(&identity)]);
    let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
    let error = refused(&settings, io).await;
    assert_eq!(error.reason, Reason::CertUnknownIssuer);
    assert_eq!(error.evidence.trust_source, "none");
}

#[tokio::test]
async fn the_dates_of_a_pinned_certificate_hold() {
    let mut params = leaf_params(&[HOST]);
    params.not_after = date_time_ymd(2020, 1, 1);
    let expired = self_signed(&params);
    params.not_after = date_time_ymd(2095, 1, 1);
    params.not_before = date_time_ymd(2090, 1, 1);
    let future = self_signed(&params);
    for (identity, reason) in [
        (expired, Reason::CertExpired),
        (future, Reason::CertNotYetValid),
    ] {
        let mut settings = trusting(&[]);
        settings.key_pins = Some(vec![pin_of(&identity)]);
        let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
        assert_eq!(refused(&settings, io).await.reason, reason);
    }
}

/// Somebody shows the pinned certificate without having its key.
#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    let pinned = self_signed(&leaf_params(&[HOST]));
    let thief = self_signed(&leaf_params(&[HOST]));
    let stolen = Identity {
        chain: pinned.chain.clone(),
        key: thief.key,
    };
    for version in rustls::ALL_VERSIONS {
        let mut settings = trusting(&[]);
        settings.key_pins = Some(vec![pin_of(&pinned)]);
        let (io, _) = serve(server(&stolen, &[version]));
        let error = refused(&settings, io).await;
        assert_eq!(error.reason, Reason::CertBadSignature);
    }
}
