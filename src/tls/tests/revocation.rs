//! Revocation lists.

use rcgen::{CertificateRevocationListParams, RevokedCertParams, SerialNumber, date_time_ymd};
use rustls_pki_types::CertificateRevocationListDer;

use super::*;

fn crl(
    issuer: &Authority,
    revoked: &[u64],
    next_update: i32,
) -> CertificateRevocationListDer<'static> {
    let revoked = revoked.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2021, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    CertificateRevocationListParams {
        this_update: date_time_ymd(2021, 1, 1),
        next_update: date_time_ymd(next_update, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    }
    .signed_by(&issuer.0)
    .unwrap()
    .into()
}

#[test]
fn lists_are_checked_as_far_as_they_reach() {
    let root = Authority::new("Test Root");
    let mut params = ca_params("Test Intermediate");
    params.serial_number = Some(SerialNumber::from(7));
    let middle = root.intermediate(params);
    let mut params = leaf_params(&[HOST]);
    params.serial_number = Some(SerialNumber::from(0x2a));
    let identity = middle.issue(&params, &[&middle]);
    let told = |crls: Vec<_>| {
        let settings = Settings {
            crls: Some(crls),
            ..trusting(&[root.der()])
        };
        judge(&settings, &identity.chain, NOON)
    };

    assert!(told(vec![]).is_ok());
    assert!(told(vec![crl(&middle, &[1, 2], 2090)]).is_ok());

    let error = told(vec![crl(&middle, &[0x2a], 2090)]).unwrap_err();
    assert_eq!(error.reason, Reason::CertRevoked);
    assert_says(&error, &["serial number 2a", "is revoked"]);

    let error = told(vec![crl(&root, &[7], 2090)]).unwrap_err();
    assert_eq!(error.reason, Reason::CertRevoked);

    // A list of somebody else says nothing about this chain.
    let other = Authority::new("Other");
    assert!(told(vec![crl(&other, &[7, 0x2a], 2090)]).is_ok());

    let error = told(vec![crl(&middle, &[1], 2022)]).unwrap_err();
    assert_eq!(error.reason, Reason::CertRevocationUnknown);
    assert_says(&error, &["2022-01-01"]);
}

#[test]
fn a_list_with_a_wrong_signature_is_told() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    let mut der = crl(&root, &[1], 2090).to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    let settings = Settings {
        crls: Some(vec![der.into()]),
        ..trusting(&[root.der()])
    };
    let error = judge(&settings, &identity.chain, NOON).unwrap_err();
    assert_eq!(error.reason, Reason::CertRevocationUnknown);
}
