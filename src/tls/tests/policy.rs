//! Settings that can and cannot be followed.

use super::*;
use crate::{mail::Rule, report::Confidence};

fn refusal(settings: &Settings) -> PolicyError {
    let host = ServerName::try_from(HOST).unwrap();
    Connector::new(settings, &host, &SystemRoots::bundled())
        .map(drop)
        .unwrap_err()
}

#[test]
fn an_empty_range_of_versions() {
    let settings = Settings {
        min_version: Some(Version::Tls13),
        max_version: Some(Version::Tls12),
        ..Settings::default()
    };
    let error = refusal(&settings);
    assert!(matches!(error, PolicyError::MinAboveMax { .. }));
    assert_eq!(
        error.to_string(),
        "the oldest TLS version, 1.3, is above the newest, 1.2"
    );
}

#[test]
fn where_nothing_is_trusted_no_certificate_is() {
    let root = Authority::new("Test Root");
    let issued = root.issue(&leaf_params(&[HOST]), &[&root]);
    let alone = self_signed(&leaf_params(&[HOST]));
    for (identity, reason) in [
        (issued, Reason::CertUntrustedRoot),
        (alone, Reason::CertSelfSigned),
    ] {
        let error = judge(&trusting(&[]), &identity.chain, NOON).unwrap_err();
        assert_eq!(error.reason, reason);
        assert_eq!(error.evidence.trust_source, "none");
    }
}

#[test]
fn anchors_that_are_none() {
    let good = Authority::new("Good").der();
    let error = refusal(&trusting(&[good, CertificateDer::from(vec![1, 2, 3])]));
    assert!(matches!(
        error,
        PolicyError::BadTrustAnchor { number: 2, .. }
    ));
}

#[test]
fn a_key_of_another_certificate() {
    let ca = Authority::new("Client CA");
    let (ours, other) = (
        ca.issue(&leaf_params(&["a.test"]), &[]),
        ca.issue(&leaf_params(&["b.test"]), &[]),
    );
    let with = |key: PrivateKeyDer<'static>| Settings {
        client_certificate: Some(ClientCertificate {
            chain: ours.chain.clone(),
            key: Arc::new(key),
        }),
        ..Settings::default()
    };
    assert!(matches!(
        refusal(&with(other.key)),
        PolicyError::ClientCertificate(_)
    ));
    connector(&with(ours.key.clone_key()));
}

#[test]
fn a_revocation_list_that_is_none() {
    let settings = Settings {
        crls: Some(vec![vec![1, 2, 3].into()]),
        ..Settings::default()
    };
    assert!(matches!(refusal(&settings), PolicyError::Crl(_)));
}

#[test]
fn where_the_anchors_come_from_is_told() {
    let anchor = vec![Authority::new("Ours").der()];
    let mut system = SystemRoots::bundled();
    for (origin, system_roots, anchors, source) in [
        (super::roots::Origin::System, None, vec![], "system"),
        (
            super::roots::Origin::System,
            Some(true),
            anchor.clone(),
            "system and file",
        ),
        (super::roots::Origin::Bundled, None, vec![], "bundled"),
        (
            super::roots::Origin::Bundled,
            None,
            anchor.clone(),
            "bundled and file",
        ),
        (super::roots::Origin::System, Some(false), anchor, "file"),
    ] {
        system.origin = origin;
        let settings = Settings {
            system_roots,
            trust_anchors: Some(anchors),
            ..Settings::default()
        };
        let policy = Policy::new(&settings, &system).unwrap();
        assert_eq!(policy.trust_source.name, source);
    }
}

#[test]
fn there_are_always_roots() {
    let roots = SystemRoots::load();
    assert!(!roots.store.is_empty());
    assert!(["system", "bundled"].contains(&roots.source()));
}

#[tokio::test]
async fn our_anchors_add_to_those_of_the_system() {
    let (public, private) = (Authority::new("Public"), Authority::new("Private"));
    let mut store = rustls::RootCertStore::empty();
    store.add(public.der()).unwrap();
    let system = SystemRoots {
        store: Arc::new(store),
        origin: super::roots::Origin::System,
    };
    let host = ServerName::try_from(HOST).unwrap();
    for (system_roots, anchors, trusts_public, trusts_private) in [
        (None, None, true, false),
        (None, Some(vec![private.der()]), true, true),
        (Some(true), Some(vec![private.der()]), true, true),
        (Some(false), Some(vec![private.der()]), false, true),
    ] {
        let settings = Settings {
            system_roots,
            trust_anchors: anchors,
            ..Settings::default()
        };
        let connector = Connector::new(&settings, &host, &system).unwrap();
        for (issuer, trusted) in [(&public, trusts_public), (&private, trusts_private)] {
            let identity = issuer.issue(&leaf_params(&[HOST]), &[]);
            let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
            let outcome = connector.connect(io, TlsMode::Implicit, LIMIT).await;
            assert_eq!(outcome.is_ok(), trusted, "{settings:?}");
        }
    }
}

#[tokio::test]
async fn an_unknown_authority_may_be_one_of_those_that_cannot_be_read() {
    let private = Authority::new("Private");
    let host = ServerName::try_from(HOST).unwrap();
    let system = SystemRoots {
        origin: super::roots::Origin::StandIn,
        ..SystemRoots::bundled()
    };
    let told = async |settings: &Settings, identity: &Identity| {
        let connector = Connector::new(settings, &host, &system).unwrap();
        let (io, _) = serve(server(identity, rustls::ALL_VERSIONS));
        let outcome = connector.connect(io, TlsMode::Implicit, LIMIT).await;
        outcome.map(drop).unwrap_err()
    };
    let issued = private.issue(&leaf_params(&[HOST]), &[&private]);
    let error = told(&Settings::default(), &issued).await;
    assert_eq!(error.reason, Reason::LocalTrustStore);
    assert_eq!(error.confidence, Confidence::Ambiguous);
    assert_eq!(error.alternatives, [Reason::CertUntrustedRoot]);
    assert!(
        error.summary.contains("cannot be read"),
        "{}",
        error.summary
    );

    // The system's are not asked for, or would not help.
    let other = Authority::new("Other");
    let error = told(&trusting(&[other.der()]), &issued).await;
    assert_eq!(error.reason, Reason::CertUntrustedRoot);
    let lonely = self_signed(&leaf_params(&[HOST]));
    let error = told(&Settings::default(), &lonely).await;
    assert_eq!(error.reason, Reason::CertSelfSigned);
}

#[test]
fn pem_is_read_whole_or_not_at_all() {
    let rule = |text: &str| parse_certificates(text).unwrap_err().rule;
    let ca = include_str!("chains/ca.pem");
    assert_eq!(parse_certificates(&ca.repeat(3)).unwrap().len(), 3);
    assert_eq!(rule(""), Rule::Required);
    assert_eq!(rule("hello"), Rule::Required);
    let key = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(rule(&key), Rule::Required);
    assert_eq!(rule(&ca[..ca.len() / 2]), Rule::Syntax);
    let wrong = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
    assert_eq!(rule(wrong), Rule::Syntax);
    let error = parse_certificates(&format!("{ca}{wrong}")).unwrap_err();
    assert!(error.description.contains("number 2"));
    let no_base64 = "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n";
    assert_eq!(rule(no_base64), Rule::Syntax);
}

#[test]
fn a_client_certificate_is_read_and_its_key_is_not_shown() {
    let key = KeyPair::generate().unwrap();
    let chain = leaf_params(&["client.test"]).self_signed(&key).unwrap();
    let ours = ClientCertificate::from_pem(&chain.pem(), &key.serialize_pem()).unwrap();
    assert_eq!(ours.chain, [chain.der().clone()]);
    let shown = format!("{ours:?}");
    let secret = format!("{:?}", key.serialize_der());
    assert!(!shown.contains(&secret[1..secret.len() - 1]));

    let rule = |chain: &str, key: &str| ClientCertificate::from_pem(chain, key).unwrap_err().rule;
    assert_eq!(rule("", &key.serialize_pem()), Rule::Required);
    assert_eq!(rule(&chain.pem(), &chain.pem()), Rule::Required);
    let broken = "-----BEGIN PRIVATE KEY-----\n???\n-----END PRIVATE KEY-----\n";
    assert_eq!(rule(&chain.pem(), broken), Rule::Syntax);
}

#[test]
fn revocation_lists_are_read() {
    assert_eq!(parse_crls("").unwrap_err().rule, Rule::Required);
    let wrong = "-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\n";
    assert_eq!(parse_crls(wrong).unwrap_err().rule, Rule::Syntax);
    let ca = Authority::new("CA");
    let crl = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2021, 1, 1),
        next_update: rcgen::date_time_ymd(2090, 1, 1),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let pem = crl.signed_by(&ca.0).unwrap().pem().unwrap();
    assert_eq!(parse_crls(&pem.repeat(2)).unwrap().len(), 2);
}
