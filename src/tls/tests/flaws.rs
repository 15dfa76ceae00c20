//! All that is wrong with a chain, at once.

use rcgen::{
    CertificateParams, CertificateRevocationListParams, CustomExtension, GeneralSubtree,
    NameConstraints, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateRevocationListDer;

use super::*;
use crate::report::Flaw;

/// All that is wrong with `chain`. The error names none of it.
fn flaws(settings: &Settings, chain: &[CertificateDer<'static>]) -> Vec<Flaw> {
    let seen = super::witness::Seen {
        chain: chain.to_vec(),
        presented: chain.len(),
        ..Default::default()
    };
    let error = rustls::CertificateError::ApplicationVerificationFailure;
    let error = io::Error::other(rustls::Error::InvalidCertificate(error));
    let failure = connector(settings).failure(error, &seen, TlsMode::Implicit, None);
    assert_eq!(failure.reason, Reason::CertMalformed);
    failure.evidence.flaws
}

#[track_caller]
fn assert_flaws(settings: &Settings, chain: &[CertificateDer<'static>], expected: &[Reason]) {
    let found = flaws(settings, chain);
    let reasons: Vec<_> = found.iter().map(|flaw| flaw.reason).collect();
    assert_eq!(reasons, expected, "{found:#?}");
    for Flaw { summary, .. } in found {
        assert!(summary.ends_with('.') && summary.is_ascii(), "{summary}");
    }
}

fn revoking(issuer: &Authority, serial: u64) -> CertificateRevocationListDer<'static> {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2021, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: date_time_ymd(2021, 1, 1),
        next_update: date_time_ymd(2090, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    }
    .signed_by(&issuer.0)
    .unwrap()
    .into()
}

fn critical_extension() -> CustomExtension {
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 1], vec![5, 0]);
    extension.set_criticality(true);
    extension
}

fn expired(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2020, 2, 3);
}

fn for_clients(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

fn a_ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn odd(params: &mut CertificateParams) {
    params.custom_extensions = vec![critical_extension()];
}

#[test]
fn nothing_is_wrong_with_what_is_good() {
    let root = Authority::new("Test Root");
    let middle = root.intermediate(ca_params("Test Intermediate"));
    let stranger = Authority::new("Stranger");
    let mut params = ca_params("Old");
    expired(&mut params);
    let old = root.intermediate(params);
    let mut settings = trusting(&[stranger.der(), root.der()]);

    let leaf = leaf_params(&[HOST]);
    for others in [
        &[&middle][..],
        &[&middle, &root],
        &[&root, &middle],
        // webpki does not look at what it does not need.
        &[&stranger, &old, &middle],
    ] {
        assert_flaws(&settings, &middle.issue(&leaf, others).chain, &[]);
    }
    assert_flaws(&settings, &root.issue(&leaf, &[]).chain, &[]);

    // Key usage is not webpki's business.
    let mut params = leaf_params(&[HOST]);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![];
    assert_flaws(&settings, &root.issue(&params, &[]).chain, &[]);

    let identity = middle.issue(&leaf, &[&middle]);
    settings.crls = Some(vec![revoking(&middle, 1), revoking(&root, 2)]);
    settings.key_pins = Some(vec![pin(&identity)]);
    assert_flaws(&settings, &identity.chain, &[]);

    let identity = self_signed(&leaf_params(&["another.test"]));
    settings.key_pins = Some(vec![pin(&identity)]);
    assert_flaws(&settings, &identity.chain, &[]);
}

/// The same key, certified twice: by an anchor, and by one that has expired.
#[test]
fn a_cross_certificate_that_has_expired_is_not_needed() {
    let root = Authority::new("Test Root");
    let middle = root.intermediate(ca_params("Test Intermediate"));
    let mut params = ca_params("Test Intermediate");
    expired(&mut params);
    let gone = Authority::new("Gone Root");
    let cross = params.signed_by(middle.0.key(), &gone.0).unwrap();

    let mut identity = middle.issue(&leaf_params(&["mx.example"]), &[]);
    identity.chain.extend([cross.der().clone(), middle.der()]);
    let settings = trusting(&[root.der()]);
    assert_flaws(&settings, &identity.chain, &[Reason::CertNameMismatch]);
    // Even when the chain does not verify for some other reason, and whether or
    // not it has expired.
    let mut params = leaf_params(&[HOST]);
    for_clients(&mut params);
    let mut identity = middle.issue(&params, &[]);
    let params = ca_params("Test Intermediate");
    let valid = params.signed_by(middle.0.key(), &gone.0).unwrap();
    for cross in [cross, valid] {
        identity.chain.truncate(1);
        identity.chain.extend([cross.der().clone(), middle.der()]);
        assert_flaws(&settings, &identity.chain, &[Reason::CertWrongPurpose]);
    }
}

fn pin(identity: &Identity) -> KeyPin {
    let leaf = super::certificate::parse(&identity.chain[0]).unwrap();
    super::certificate::key_pin(&leaf)
}

#[test]
fn each_thing_is_told_by_itself_and_beside_a_wrong_name() {
    type Change = fn(&mut CertificateParams);
    let root = Authority::new("Test Root");
    let middle = root.intermediate(ca_params("Test Intermediate"));
    let settings = trusting(&[root.der()]);
    let cases: [(Change, Reason); 6] = [
        (expired, Reason::CertExpired),
        (
            |params| params.not_before = date_time_ymd(2090, 1, 2),
            Reason::CertNotYetValid,
        ),
        (for_clients, Reason::CertWrongPurpose),
        (a_ca, Reason::CertCaAsLeaf),
        (odd, Reason::CertUnknownCriticalExtension),
        (
            |params| {
                params.custom_extensions = vec![CustomExtension::from_oid_content(
                    &[2, 5, 29, 37],
                    vec![48, 0],
                )];
                params.extended_key_usages = vec![];
            },
            Reason::CertWrongPurpose,
        ),
    ];
    for (change, reason) in cases {
        let mut params = leaf_params(&[HOST]);
        change(&mut params);
        let chain = middle.issue(&params, &[&middle]).chain;
        assert_flaws(&settings, &chain, &[reason]);

        let mut params = leaf_params(&["mx.example"]);
        change(&mut params);
        let chain = middle.issue(&params, &[&middle]).chain;
        assert_flaws(&settings, &chain, &[Reason::CertNameMismatch, reason]);

        let mut params = leaf_params(&[]);
        change(&mut params);
        let chain = middle.issue(&params, &[&middle]).chain;
        assert_flaws(&settings, &chain, &[Reason::CertNoSan, reason]);

        // And beside an issuer that is not trusted.
        let chain = Authority::new("Private").issue(&params, &[]).chain;
        assert_flaws(
            &settings,
            &chain,
            &[Reason::CertNoSan, Reason::CertUnknownIssuer, reason],
        );
    }
}

#[test]
fn everything_at_once() {
    let root = Authority::new("Test Root");
    let mut params = ca_params("Narrow Intermediate");
    params.not_after = date_time_ymd(2021, 5, 6);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example".to_owned())],
        excluded_subtrees: vec![],
    });
    let middle = root.intermediate(params);
    let mut params = leaf_params(&["mx.test"]);
    params.serial_number = Some(SerialNumber::from(0x2a));
    expired(&mut params);
    for_clients(&mut params);
    let identity = middle.issue(&params, &[&middle]);
    let mut settings = trusting(&[root.der()]);
    settings.crls = Some(vec![revoking(&middle, 0x2a)]);
    settings.key_pins = Some(vec![KeyPin::of(b"another key")]);
    assert_flaws(
        &settings,
        &identity.chain,
        &[
            Reason::CertRevoked,
            Reason::CertPinMismatch,
            Reason::CertNameMismatch,
            Reason::CertConstraintViolated,
            Reason::CertWrongPurpose,
            Reason::CertExpired,
            Reason::CertExpired,
        ],
    );

    // What the verification stopped at comes first, then the worst.
    let error = judge(&settings, &identity.chain, NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertExpired);
    assert_says(
        &error,
        &[
            "The certificate of relay.test expired on 2020-02-03",
            "and is revoked: its serial number 2a is on the revocation list of \"Narrow",
            "; 4 more things are wrong",
        ],
    );
    let flaws = error.evidence.flaws;
    assert_eq!(flaws.len(), 6);
    let told = &flaws[5].summary;
    assert!(
        told.contains("The intermediate certificate \"Narrow Intermediate\" expired on 2021-05-06"),
        "{told}"
    );
}

#[test]
fn flaws_above_the_relays_own_certificate_are_told() {
    type Change = fn(&mut CertificateParams);
    let root = Authority::new("Test Root");
    let settings = trusting(&[root.der()]);
    let cases: [(Change, &[Reason]); 5] = [
        (expired, &[Reason::CertExpired]),
        (for_clients, &[Reason::CertWrongPurpose]),
        (odd, &[Reason::CertUnknownCriticalExtension]),
        (
            |params| params.is_ca = IsCa::ExplicitNoCa,
            &[Reason::CertConstraintViolated],
        ),
        (
            |params| {
                expired(params);
                params.is_ca = IsCa::ExplicitNoCa;
            },
            &[Reason::CertConstraintViolated, Reason::CertExpired],
        ),
    ];
    for (change, reasons) in cases {
        let mut params = ca_params("Test Intermediate");
        change(&mut params);
        let middle = root.intermediate(params);
        let chain = middle.issue(&leaf_params(&[HOST]), &[&middle]).chain;
        assert_flaws(&settings, &chain, reasons);
    }
}

/// A chain that is not trusted is looked at all the same.
#[test]
fn constraints_and_dates_are_told_of_an_untrusted_chain() {
    let settings = trusting(&[Authority::new("Trusted").der()]);
    let root = Authority::new("Private Root");
    let mut params = ca_params("Last Intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let last = root.intermediate(params);
    let extra = last.intermediate(ca_params("Extra"));
    let mut params = leaf_params(&[HOST]);
    expired(&mut params);
    let with_root = extra.issue(&params, &[&extra, &last, &root]).chain;
    assert_flaws(
        &settings,
        &with_root,
        &[
            Reason::CertUntrustedRoot,
            Reason::CertConstraintViolated,
            Reason::CertExpired,
        ],
    );
    let mut params = leaf_params(&["mx.example"]);
    expired(&mut params);
    assert_flaws(
        &settings,
        &self_signed(&params).chain,
        &[
            Reason::CertNameMismatch,
            Reason::CertSelfSigned,
            Reason::CertExpired,
        ],
    );
}

#[test]
fn signatures_and_keys_are_told() {
    let settings = trusting(&chain!("ca"));
    for (chain, reason) in [
        (chain!("sha1"), Reason::CertWeakSignature),
        (chain!("md5"), Reason::CertWeakSignature),
        (chain!("rsa1024-issuer"), Reason::CertWeakKey),
    ] {
        assert_flaws(&settings, &chain, &[reason]);
    }
    assert_flaws(
        &settings,
        &chain!("v1"),
        &[Reason::CertNoSan, Reason::CertUnsupportedVersion],
    );
    assert_flaws(
        &settings,
        &chain!("self-signed-sha1"),
        &[Reason::CertSelfSigned],
    );
}

#[test]
fn a_damaged_signature_is_told_of_the_certificate_that_carries_it() {
    let root = Authority::new("Test Root");
    let middle = root.intermediate(ca_params("Test Intermediate"));
    let settings = trusting(&[root.der()]);
    let damaged = |place: usize| {
        let mut chain = middle.issue(&leaf_params(&[HOST]), &[&middle]).chain;
        let mut der = chain[place].to_vec();
        *der.last_mut().unwrap() ^= 1;
        chain[place] = der.into();
        flaws(&settings, &chain)
    };
    for (place, subject) in [
        (0, "The certificate of relay.test carries"),
        (
            1,
            "The intermediate certificate \"Test Intermediate\" carries",
        ),
    ] {
        let found = damaged(place);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].reason, Reason::CertBadSignature);
        assert!(found[0].summary.starts_with(subject), "{found:#?}");
    }
}

#[test]
fn a_pinned_certificate_that_is_self_signed_is_asked_for_its_dates_only() {
    let mut params = leaf_params(&["mx.example"]);
    expired(&mut params);
    let identity = self_signed(&params);
    let mut settings = trusting(&[]);
    settings.key_pins = Some(vec![pin(&identity)]);
    assert_flaws(&settings, &identity.chain, &[Reason::CertExpired]);
    settings.key_pins = Some(vec![KeyPin::of(b"another key")]);
    assert_flaws(
        &settings,
        &identity.chain,
        &[Reason::CertPinMismatch, Reason::CertExpired],
    );
}

/// Whoever presents a chain must not make looking at it expensive.
#[test]
fn circles_end() {
    let one = Authority::new("One");
    let two = Authority::new("Two");
    let cross = |subject: &Authority, name, issuer: &Authority| {
        let params = ca_params(name);
        let signed = params.signed_by(subject.0.key(), &issuer.0).unwrap();
        signed.der().clone()
    };
    let mut chain = one.issue(&leaf_params(&[HOST]), &[]).chain;
    chain.extend([cross(&one, "One", &two), cross(&two, "Two", &one)]);
    let settings = trusting(&[Authority::new("Trusted").der()]);
    assert_flaws(&settings, &chain, &[Reason::CertUnknownIssuer]);
}

#[test]
fn a_broken_constraint_names_what_it_permits() {
    let root = Authority::new("Test Root");
    let mut params = ca_params("Narrow Intermediate");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example".to_owned())],
        excluded_subtrees: vec![GeneralSubtree::DnsName("mx.example".to_owned())],
    });
    let narrow = root.intermediate(params);
    let mut params = ca_params("No CA");
    params.is_ca = IsCa::ExplicitNoCa;
    let no_ca = root.intermediate(params);
    let settings = trusting(&[root.der()]);
    for (issuer, told) in [
        (
            narrow,
            "The certificate of relay.test breaks a name constraint of its issuer, it permits \
             example, it excludes mx.example.",
        ),
        (
            no_ca,
            "The certificate of relay.test was issued with one that is not that of a CA.",
        ),
    ] {
        let chain = issuer.issue(&leaf_params(&[HOST]), &[&issuer]).chain;
        let found = flaws(&settings, &chain);
        assert_eq!(found[0].reason, Reason::CertConstraintViolated);
        assert_eq!(found[0].summary, told);
    }
}

/// An RSA key of 16,384 bits, which nobody need have.
struct Huge(Vec<u8>);

impl Huge {
    fn new() -> Self {
        // RSAPublicKey of RFC 8017 appendix A.1.1.
        let mut key = vec![0x30, 0x82, 0x08, 0x0a, 0x02, 0x82, 0x08, 0x01, 0x00];
        key.extend([0xc3; 2_048]);
        key.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
        Self(key)
    }
}

impl rcgen::PublicKeyData for Huge {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// aws-lc takes its signatures for wrong ones.
#[test]
fn a_key_that_is_too_large_is_not_supported() {
    let root = Authority::new("Test Root");
    let leaf = leaf_params(&[HOST])
        .signed_by(&Huge::new(), &root.0)
        .unwrap();
    let settings = trusting(&[root.der()]);
    let seen = super::witness::Seen {
        chain: vec![leaf.der().clone()],
        presented: 1,
        ..Default::default()
    };
    let error = rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature);
    let error =
        connector(&settings).failure(io::Error::other(error), &seen, TlsMode::Implicit, None);
    assert_eq!(error.reason, Reason::CertUnsupportedSignature);
    assert_says(
        &error,
        &["has a key of a kind that is not supported: RSA 16384"],
    );
}

#[test]
fn a_certificate_for_nothing_but_a_mailbox_is_no_certificate_without_names() {
    let root = Authority::new("Test Root");
    let settings = trusting(&[root.der()]);
    let mailbox = rcgen::SanType::Rfc822Name("postmaster@relay.test".try_into().unwrap());
    for (names, told) in [
        (vec![], "has no subject alternative name, only"),
        (
            vec![mailbox],
            "has no host among its subject alternative names, only",
        ),
    ] {
        let mut params = leaf_params(&[]);
        params.subject_alt_names = names;
        let found = flaws(&settings, &root.issue(&params, &[]).chain);
        assert_eq!(found[0].reason, Reason::CertNoSan);
        assert!(found[0].summary.contains(told), "{}", found[0].summary);
    }
}
