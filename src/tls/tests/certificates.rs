//! Every way in which a certificate is refused.

use rcgen::{
    CertificateParams, CertifiedIssuer, CustomExtension, GeneralSubtree, KeyPair, NameConstraints,
    date_time_ymd,
};

use super::*;
use crate::{
    report::{Confidence, Flaw},
    tls::roots::TrustSource,
};

/// A root, an intermediate, and what is told of a leaf that the intermediate
/// issued with `params`, in a real handshake.
async fn told(params: &CertificateParams) -> Box<HandshakeError> {
    let root = Authority::new("Test Root");
    let middle = root.intermediate(ca_params("Test Intermediate"));
    let identity = middle.issue(params, &[&middle]);
    let (io, served) = serve(server(&identity, rustls::ALL_VERSIONS));
    let error = refused(&trusting(&[root.der()]), io).await;

    // The relay's log shows the alert that our report names.
    let alert = error.evidence.alert.as_ref().unwrap();
    let seen = served.await.unwrap().unwrap_err();
    let seen = seen.get_ref().unwrap().downcast_ref::<rustls::Error>();
    assert_eq!(
        seen,
        Some(&rustls::Error::AlertReceived(alert.code.into())),
        "{alert:?}"
    );
    assert_eq!(error.evidence.certificates.len(), 2);
    error
}

fn reasons(flaws: &[Flaw]) -> Vec<Reason> {
    flaws.iter().map(|it| it.reason).collect()
}

#[tokio::test]
async fn expired() {
    let mut params = leaf_params(&[HOST]);
    params.not_after = date_time_ymd(2020, 2, 3);
    let error = told(&params).await;
    assert_eq!(error.reason, Reason::CertExpired);
    assert_says(
        &error,
        &[
            "The certificate of relay.test expired on 2020-02-03",
            "days ago",
            "certificate_expired",
        ],
    );
}

#[tokio::test]
async fn expired_and_for_another_name() {
    let mut params = leaf_params(&["mx.example"]);
    params.not_after = date_time_ymd(2020, 2, 3);
    let error = told(&params).await;
    assert_eq!(error.reason, Reason::CertExpired);
    assert_says(
        &error,
        &[
            "The certificate of relay.test expired on 2020-02-03, ",
            " days ago, and is for mx.example, not for relay.test (alert",
        ],
    );
    let flaws = error.evidence.flaws;
    assert_eq!(reasons(&flaws), [Reason::CertNameMismatch]);
    assert_eq!(
        flaws[0].summary,
        "The certificate of relay.test is for mx.example, not for relay.test."
    );
}

#[tokio::test]
async fn an_expired_intermediate_is_named() {
    let root = Authority::new("Test Root");
    let mut params = ca_params("Old Intermediate");
    params.not_after = date_time_ymd(2021, 5, 6);
    let middle = root.intermediate(params);
    let identity = middle.issue(&leaf_params(&[HOST]), &[&middle]);
    let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
    let error = refused(&trusting(&[root.der()]), io).await;
    assert_eq!(error.reason, Reason::CertExpired);
    assert_says(
        &error,
        &[
            "The intermediate certificate \"Old Intermediate\"",
            "expired on 2021-05-06",
        ],
    );
}

/// A relay that sends many certificates of one name makes webpki try every
/// order of them. Nothing is tried again to tell what is wrong.
#[test]
fn a_chain_of_too_many_ways_is_given_up() {
    let issuers: Vec<_> = (0..60).map(|_| Authority::new("Maze")).collect();
    let others: Vec<_> = issuers.iter().collect();
    let identity = Authority::new("Maze").issue(&leaf_params(&[HOST]), &others);
    let settings = trusting(&[Authority::new("Test Root").der()]);
    let error = judge(&settings, &identity.chain, NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertUnknownIssuer);
    assert_says(
        &error,
        &["was sent with others that lead so many ways that none"],
    );
    assert!(error.evidence.flaws.is_empty());
}

#[tokio::test]
async fn expired_before_it_began() {
    let mut params = leaf_params(&[HOST]);
    params.not_before = date_time_ymd(2090, 1, 2);
    params.not_after = date_time_ymd(2020, 2, 3);
    let error = told(&params).await;
    assert_eq!(error.reason, Reason::CertExpired);
    assert_says(
        &error,
        &["is never valid: it expired on 2020-02-03, and is valid only from 2090-01-02"],
    );
    assert!(error.evidence.flaws.is_empty());
}

#[tokio::test]
async fn not_yet_valid() {
    let mut params = leaf_params(&[HOST]);
    params.not_before = date_time_ymd(2090, 1, 2);
    let error = told(&params).await;
    assert_eq!(error.reason, Reason::CertNotYetValid);
    assert_eq!(error.alternatives, [Reason::LocalClock]);
    assert_says(&error, &["valid only from 2090-01-02", "clock"]);
}

#[tokio::test]
async fn for_another_name() {
    let names = [
        "mx.example",
        "*.mx.example",
        "a.example",
        "b.example",
        "192.0.2.1",
    ];
    let error = told(&leaf_params(&names)).await;
    assert_eq!(error.reason, Reason::CertNameMismatch);
    assert_says(
        &error,
        &[
            "mx.example, *.mx.example, a.example and 2 more",
            "not for relay.test",
        ],
    );
    let leaf = &error.evidence.certificates[0];
    assert_eq!(leaf.subject_alt_names, names);
}

#[tokio::test]
async fn with_a_common_name_only() {
    let error = told(&leaf_params(&[])).await;
    assert_eq!(error.reason, Reason::CertNoSan);
    assert_says(&error, &["no subject alternative name", "CN=relay.test"]);
}

#[tokio::test]
async fn for_clients() {
    let mut params = leaf_params(&[HOST]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let error = told(&params).await;
    assert_eq!(error.reason, Reason::CertWrongPurpose);
    assert_says(&error, &["serverAuth"]);
}

#[tokio::test]
async fn of_a_ca() {
    let mut params = leaf_params(&[HOST]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(told(&params).await.reason, Reason::CertCaAsLeaf);
}

#[tokio::test]
async fn with_an_unknown_critical_extension() {
    let mut params = leaf_params(&[HOST]);
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 1], vec![5, 0]);
    extension.set_criticality(true);
    params.custom_extensions = vec![extension];
    let error = told(&params).await;
    assert_eq!(error.reason, Reason::CertUnknownCriticalExtension);
    assert_says(&error, &["1.3.6.1.4.1.55555.1"]);
}

#[tokio::test]
async fn outside_of_the_names_that_its_issuer_may_certify() {
    let root = Authority::new("Test Root");
    let mut params = ca_params("Narrow Intermediate");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example".to_owned())],
        excluded_subtrees: vec![],
    });
    let middle = root.intermediate(params);
    let identity = middle.issue(&leaf_params(&[HOST]), &[&middle]);
    let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
    let error = refused(&trusting(&[root.der()]), io).await;
    assert_eq!(error.reason, Reason::CertConstraintViolated);
}

#[tokio::test]
async fn below_a_ca_that_may_have_none_below_it() {
    let root = Authority::new("Test Root");
    let mut params = ca_params("Last Intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let last = root.intermediate(params);
    let extra = last.intermediate(ca_params("Extra"));
    let identity = extra.issue(&leaf_params(&[HOST]), &[&extra, &last]);
    let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
    let error = refused(&trusting(&[root.der()]), io).await;
    assert_eq!(error.reason, Reason::CertConstraintViolated);
}

#[tokio::test]
async fn self_signed_by_a_server_and_by_a_ca() {
    let anchor = Authority::new("Test Root").der();
    let mut params = leaf_params(&[HOST]);
    for (is_ca, remark) in [
        (IsCa::ExplicitNoCa, "is self-signed; the pin"),
        (IsCa::Ca(BasicConstraints::Unconstrained), "marked as a CA"),
    ] {
        params.is_ca = is_ca;
        let identity = self_signed(&params);
        let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
        let error = refused(&trusting(std::slice::from_ref(&anchor)), io).await;
        assert_eq!(error.reason, Reason::CertSelfSigned);
        let leaf = &error.evidence.certificates[0];
        assert!(leaf.self_signed);
        assert_says(&error, &[remark, &leaf.key_pin]);
    }
}

#[test]
fn self_signed_with_a_hash_that_is_no_longer_trusted() {
    let error = judge(&trusting(&chain!("ca")), &chain!("self-signed-sha1"), NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertSelfSigned);
    assert!(error.evidence.certificates[0].self_signed);
}

#[test]
fn the_same_name_does_not_make_it_self_signed() {
    let ca = Authority::new(HOST);
    let identity = ca.issue(&leaf_params(&[HOST]), &[]);
    let anchor = Authority::new("Another").der();
    let error = judge(&trusting(&[anchor]), &identity.chain, NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertUnknownIssuer);
    assert!(!error.evidence.certificates[0].self_signed);
}

#[test]
fn chains_that_lead_nowhere_are_told_apart() {
    let trusted = trusting(&[Authority::new("Trusted").der()]);
    let root = Authority::new("Private Root");
    let middle = root.intermediate(ca_params("Private Intermediate"));
    let params = leaf_params(&[HOST]);
    let judged = |identity: &Identity| judge(&trusted, &identity.chain, NOON).unwrap_err();

    let with_root = judged(&middle.issue(&params, &[&middle, &root]));
    assert_eq!(with_root.reason, Reason::CertUntrustedRoot);
    assert_says(&with_root, &["the root \"Private Root\"", "(file)"]);
    let wrong_order = judged(&middle.issue(&params, &[&root, &middle]));
    assert_eq!(wrong_order.reason, Reason::CertUntrustedRoot);

    let without_root = judged(&middle.issue(&params, &[&middle]));
    assert_eq!(without_root.reason, Reason::CertUnknownIssuer);
    assert_eq!(
        without_root.alternatives,
        [Reason::CertUntrustedRoot, Reason::CertIncompleteChain]
    );
    assert_says(&without_root, &["issued by \"Private Root\""]);

    let alone = judged(&middle.issue(&params, &[]));
    assert_eq!(alone.reason, Reason::CertUnknownIssuer);
    assert_eq!(alone.confidence, Confidence::Ambiguous);
    assert_eq!(alone.alternatives, [Reason::CertIncompleteChain]);

    let other = judged(&middle.issue(&params, &[&Authority::new("Other")]));
    assert_eq!(other.reason, Reason::CertIncompleteChain);
    assert_eq!(other.confidence, Confidence::Inferred);
    assert_says(
        &other,
        &["none of them is its issuer \"Private Intermediate\""],
    );
}

#[test]
fn a_leaf_alone_that_names_its_issuers_address_lacks_its_chain() {
    // caIssuers, as public CAs have it: SEQUENCE of one AccessDescription.
    let access = [
        &[
            0x30, 0x1c, 0x30, 0x1a, 6, 8, 43, 6, 1, 5, 5, 7, 48, 2, 0x86, 14,
        ][..],
        b"http://ca.test",
    ]
    .concat();
    let mut params = leaf_params(&[HOST]);
    params.custom_extensions = vec![CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 5, 5, 7, 1, 1],
        access,
    )];
    let identity = Authority::new("Public Intermediate").issue(&params, &[]);
    let trusted = trusting(&[Authority::new("Trusted").der()]);
    let error = judge(&trusted, &identity.chain, NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertIncompleteChain);
    assert_eq!(error.alternatives, [Reason::CertUnknownIssuer]);
}

#[test]
fn weak_signatures_are_named() {
    for (chain, name) in [
        (chain!("sha1"), "sha1WithRSAEncryption"),
        (chain!("md5"), "md5WithRSAEncryption"),
    ] {
        let error = judge(&trusting(&chain!("ca")), &chain, NOON).unwrap_err();
        assert_eq!(error.reason, Reason::CertWeakSignature);
        assert_says(
            &error,
            &["The certificate of relay.test is signed with", name],
        );
    }
}

#[test]
fn weak_keys_are_named() {
    let chain = chain!("rsa1024-issuer");
    let error = judge(&trusting(&chain!("ca")), &chain, NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertWeakKey);
    assert_says(&error, &["\"Small CA\"", "1024 bits"]);
    assert_eq!(error.evidence.certificates[1].public_key, "RSA 1024");
}

#[test]
fn a_self_signed_certificate_is_told_beside_an_anchor_of_its_name() {
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let namesake = CertifiedIssuer::self_signed(ca_params(HOST), key).unwrap();
        let settings = trusting(&[namesake.as_ref().der().clone()]);
        let chain = self_signed(&leaf_params(&[HOST])).chain;
        let error = judge(&settings, &chain, NOON).unwrap_err();
        assert_eq!(error.reason, Reason::CertSelfSigned, "{}", error.summary);
    }
}

#[test]
fn version_1_is_told() {
    let error = judge(&trusting(&chain!("ca")), &chain!("v1"), NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertUnsupportedVersion);
}

#[test]
fn damaged_signatures_and_damaged_certificates_are_told_apart() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    let settings = trusting(&[root.der()]);
    let mut der = identity.chain[0].to_vec();
    // An integer within the signature, so that it stays well-formed.
    let last = der.len() - 1;
    der[last] ^= 1;
    let error = judge(&settings, &[der.clone().into()], NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertBadSignature);

    der.truncate(100);
    let error = judge(&settings, &[der.into()], NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertMalformed);
}

#[test]
fn what_the_library_minds_is_told_in_words() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    let mut der = identity.chain[0].to_vec();
    // ecdsa-with-SHA256 is named twice (RFC 5280 section 4.1.1.2): once it
    // becomes ecdsa-with-SHA384.
    let ecdsa = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let last = der.windows(8).rposition(|it| it == ecdsa).unwrap();
    der[last + 7] = 3;
    let error = judge(&trusting(&[root.der()]), &[der.into()], NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertMalformed);
    assert_says(&error, &["is malformed: it names one algorithm as that of"]);
    assert!(!error.summary.contains("Mismatch"), "{}", error.summary);
}

#[test]
fn however_many_certificates_come_their_number_is_told() {
    let issuer = Authority::new("Issuer");
    let identity = issuer.issue(&leaf_params(&[HOST]), &[]);
    let settings = trusting(&[Authority::new("Test Root").der()]);
    for (others, told) in [
        (3, "with 3 more, and none of them is its issuer"),
        (9, "with 9 more, and none of them is its issuer"),
        (14, "with 14 more, and none of the first 9 is its issuer"),
    ] {
        let mut chain = identity.chain.clone();
        chain.extend((0..others).map(|_| Authority::new("another").der()));
        let error = judge(&settings, &chain, NOON).unwrap_err();
        assert_eq!(error.reason, Reason::CertIncompleteChain);
        assert_says(&error, &[told]);
    }
}

#[test]
fn a_clock_before_posthaste_is_blamed() {
    let time = |hours| Duration::from_hours(hours);
    let unix = |hours| UnixTime::since_unix_epoch(time(hours));
    let (epoch, in_june_2026) = (24, 494_520);
    let error = rustls::CertificateError::NotValidYetContext {
        time: unix(epoch),
        not_before: unix(in_june_2026),
    };
    let error = io::Error::new(
        io::ErrorKind::InvalidData,
        rustls::Error::InvalidCertificate(error),
    );
    let policy = Policy::new(&trusting(&[]), &SystemRoots::bundled()).unwrap();
    let told = |now| {
        super::reason::classify(
            &error,
            &super::reason::Facts {
                mode: TlsMode::Implicit,
                server_name: &ServerName::try_from(HOST).unwrap(),
                offer: &crate::report::TlsOffer::default(),
                seen: &super::witness::Seen::default(),
                opening: &super::opening::Opening::Tls,
                alert: None,
                settled: false,
                verifier: &policy.verifier,
                trust_source: TrustSource {
                    name: "file",
                    lacks_system: false,
                },
                now: UNIX_EPOCH + time(now),
            },
        )
    };
    let finding = told(epoch);
    assert_eq!(finding.reason, Reason::LocalClock);
    assert!(finding.summary.contains("1970-01-02 00:00 UTC"));
    assert!(finding.summary.contains("2026-06-01"));
    assert_eq!(told(in_june_2026 - 24).reason, Reason::CertNotYetValid);
}
