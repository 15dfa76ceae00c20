//! Facts about certificates, for people to read. Decides nothing about trust:
//! `verify` does. Takes any bytes: a certificate that cannot be read gives
//! what can be had of it.

use std::{
    fmt::Write as _,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
    time::ASN1Time,
};

use super::{
    algorithm, dn,
    pin::KeyPin,
    signature::{self, Signature},
};
use crate::report::Certificate;

/// The certificate, when it is one and nothing comes behind it.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der)
        .ok()
        .filter(|(rest, _)| rest.is_empty())
        .map(|(_, certificate)| certificate)
}

/// The facts of a certificate in DER.
pub(super) fn describe(der: &[u8]) -> Certificate {
    let sha256_fingerprint = hex(digest(&SHA256, der).as_ref());
    let Some(certificate) = parse(der) else {
        return Certificate {
            subject: String::new(),
            issuer: String::new(),
            serial_number: String::new(),
            not_before: UNIX_EPOCH,
            not_after: UNIX_EPOCH,
            subject_alt_names: Vec::new(),
            sha256_fingerprint,
            signature_algorithm: String::new(),
            public_key: String::new(),
            self_signed: false,
            key_pin: String::new(),
        };
    };
    let serial = certificate.raw_serial();
    Certificate {
        subject: dn::rfc4514(certificate.subject()),
        issuer: dn::rfc4514(certificate.issuer()),
        // A leading zero only keeps the number from being negative.
        serial_number: hex(match serial {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        }),
        not_before: system_time(certificate.validity().not_before),
        not_after: system_time(certificate.validity().not_after),
        subject_alt_names: names(&certificate),
        sha256_fingerprint,
        signature_algorithm: algorithm::signature_name(&certificate.signature_algorithm.algorithm),
        public_key: algorithm::key_name(certificate.public_key()),
        self_signed: is_self_signed(&certificate),
        key_pin: key_pin(&certificate).to_string(),
    }
}

/// The pin of a certificate's key.
pub(super) fn key_pin(certificate: &X509Certificate<'_>) -> KeyPin {
    KeyPin::of(certificate.public_key().raw)
}

/// Whether a certificate is signed with its own key. The same name on both
/// sides does not make it so: a private CA may have signed a certificate that
/// has the CA's own name.
pub(super) fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
        && signature::check(certificate, certificate.public_key()) == Signature::Right
}

/// A time in a certificate.
pub(super) fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}

/// The subject alternative names that can name a host: DNS names, then IP
/// addresses.
pub(super) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut dns = Vec::new();
    let mut ip = Vec::new();
    for extension in certificate.iter_extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
            continue;
        };
        for name in &names.general_names {
            match name {
                GeneralName::DNSName(name) => dns.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => ip.extend(address(bytes)),
                _ => {}
            }
        }
    }
    dns.append(&mut ip);
    dns
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).ok().map(|ip| ip.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
