//! Certificates that must be refused.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    NameConstraints,
};

use super::secure;
use crate::{
    faultd::{
        case::{Case, Need, in_both},
        pki::Pki,
    },
    report::{
        Reason,
        Stage::TlsHandshake,
        TlsMode::{Implicit, Starttls},
    },
    testrelay::{
        Answer, Oddity, Script, Step, Tls,
        ca::{Identity, Leaf},
    },
};

const DAY: Duration = Duration::from_hours(24);
const OTHER_NAME: &str = "mx.other.example";
const INTERCEPTOR: &str = "vs114211.hoster.example";
/// An extension under a number that nobody assigned.
const UNKNOWN_EXTENSION: &[u64] = &[1, 3, 6, 1, 4, 1, 55555, 1];
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = dates();
    cases.extend(names());
    cases.extend(chains());
    cases.extend(contents());
    cases.extend(odd());
    cases.extend(policies());
    cases
}

fn refused(
    name: &str,
    about: &'static str,
    reason: Reason,
    tls: impl Fn(&Pki) -> Tls + Send + Sync + 'static,
) -> Case {
    let told = (TlsHandshake, reason);
    Case::fails(Implicit, name, about, told, move |pki| {
        secure(pki).tls(tls(pki))
    })
}

fn dates() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(in_both(refused(
        "cert-expired",
        "a certificate that expired two days ago",
        Reason::CertExpired,
        |pki| pki.issue(pki.leaf().expired()),
    )));
    cases.extend([
        refused(
            "cert-expired-intermediate",
            "an intermediate certificate that expired ten days ago",
            Reason::CertExpired,
            |pki| {
                let issuer = pki
                    .root
                    .intermediate_with("Expired Intermediate", |params| {
                        let now = SystemTime::now();
                        params.not_before = (now - 400 * DAY).into();
                        params.not_after = (now - 10 * DAY).into();
                    });
                Tls::new(issuer.server(&pki.host))
            },
        ),
        refused(
            "cert-expired-other-name",
            "a certificate that expired, and is for another name as well",
            Reason::CertExpired,
            |pki| pki.issue(Leaf::new([OTHER_NAME]).expired()),
        )
        .or(&[Reason::CertNameMismatch]),
        refused(
            "cert-not-yet-valid",
            "a certificate that is valid from the day after tomorrow",
            Reason::CertNotYetValid,
            |pki| pki.issue(pki.leaf().not_yet_valid()),
        )
        .or(&[Reason::LocalClock]),
    ]);
    cases
}

fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(in_both(refused(
        "cert-other-name",
        "a certificate for other names",
        Reason::CertNameMismatch,
        |pki| pki.issue(Leaf::new([OTHER_NAME, "*.other.example"])),
    )));
    cases.extend([
        refused(
            "cert-ip-address",
            "a certificate for a host name, where the client connects to the IP address",
            Reason::CertNameMismatch,
            |pki| {
                pki.issue(Leaf::new([
                    if pki.host.parse::<std::net::IpAddr>().is_ok() {
                        OTHER_NAME
                    } else {
                        pki.host.as_str()
                    },
                ]))
            },
        )
        .with(Need::IpAddress),
        refused(
            "cert-no-san",
            "a certificate that has the name as common name only",
            Reason::CertNoSan,
            |pki| pki.issue(Leaf::without_san(&pki.host)),
        )
        .or(&[Reason::CertNameMismatch]),
        Case::fails(
            Starttls,
            "intercepted",
            "the relay of a hoster, which redirects mail: greeting and certificate are its own",
            (TlsHandshake, Reason::SmtpIntercepted),
            |pki| {
                let greeting = format!("220 {INTERCEPTOR} ESMTP");
                secure(pki)
                    .tls(pki.issue(Leaf::new([INTERCEPTOR])))
                    .name(INTERCEPTOR)
                    .script(Script::new().at(Step::Greeting, Answer::reply(&greeting)))
            },
        )
        .or(&[Reason::CertNameMismatch]),
    ]);
    cases
}

fn chains() -> Vec<Case> {
    let self_signed = |pki: &Pki| {
        let leaf = pki.leaf().with(|params| params.is_ca = IsCa::ExplicitNoCa);
        Tls::new(leaf.self_signed())
    };
    // caIssuers, as public CAs have it: SEQUENCE of one AccessDescription.
    let access = [
        &b"\x30\x1c\x30\x1a\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x0e"[..],
        b"http://ca.test",
    ]
    .concat();
    let mut cases = Vec::new();
    cases.extend(in_both(
        refused(
            "cert-self-signed",
            "a self-signed certificate",
            Reason::CertSelfSigned,
            self_signed,
        )
        .or(&[Reason::CertUnknownIssuer]),
    ));
    cases.extend(in_both(
        refused(
            "cert-incomplete-chain",
            "a certificate as public CAs issue it, without that of the intermediate",
            Reason::CertIncompleteChain,
            move |pki| {
                let access = access.clone();
                let leaf = pki.leaf().with(|params| {
                    let oid = AUTHORITY_INFO_ACCESS;
                    let extension = CustomExtension::from_oid_content(oid, access);
                    params.custom_extensions = vec![extension];
                });
                Tls::new(pki.intermediate.issue(leaf).without_intermediates())
            },
        )
        .or(&[Reason::CertUnknownIssuer]),
    ));
    cases.extend([
        refused(
            "cert-self-signed-ca",
            "a self-signed certificate that is marked as a CA, as `openssl req -x509` makes it",
            Reason::CertSelfSigned,
            |pki| {
                let leaf = pki.leaf().with(|params| {
                    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                });
                Tls::new(leaf.self_signed())
            },
        )
        .or(&[Reason::CertCaAsLeaf, Reason::CertUnknownIssuer]),
        refused(
            "cert-wrong-intermediate",
            "a certificate with an intermediate that is not its issuer's",
            Reason::CertIncompleteChain,
            |pki| {
                let identity = pki.intermediate.server(&pki.host).without_intermediates();
                Tls::new(identity.followed_by(pki.root.intermediate("Old Intermediate").der()))
            },
        )
        .or(&[Reason::CertUnknownIssuer]),
        refused(
            "cert-unknown-issuer",
            "a certificate of a private CA, alone",
            Reason::CertUnknownIssuer,
            |pki| Tls::new(pki.stranger.server(&pki.host)),
        )
        .or(&[Reason::CertIncompleteChain]),
        refused(
            "cert-unknown-issuer-chain",
            "a certificate of a private CA with its intermediate, without the root",
            Reason::CertUnknownIssuer,
            |pki| {
                let issuer = pki.stranger.intermediate("Stranger's Intermediate");
                Tls::new(issuer.server(&pki.host))
            },
        )
        .or(&[Reason::CertUntrustedRoot, Reason::CertIncompleteChain]),
        refused(
            "cert-untrusted-root",
            "a certificate of a private CA, with its root",
            Reason::CertUntrustedRoot,
            |pki| {
                let identity = pki.stranger.server(&pki.host);
                Tls::new(identity.followed_by(pki.stranger.der()))
            },
        )
        .or(&[Reason::CertUnknownIssuer]),
    ]);
    cases
}

fn contents() -> Vec<Case> {
    vec![
        refused(
            "cert-for-clients",
            "a certificate for clients",
            Reason::CertWrongPurpose,
            |pki| {
                pki.issue(pki.leaf().with(|params| {
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                }))
            },
        ),
        refused(
            "cert-ca-as-leaf",
            "a certificate that is marked as a CA",
            Reason::CertCaAsLeaf,
            |pki| {
                pki.issue(pki.leaf().with(|params| {
                    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                }))
            },
        ),
        refused(
            "cert-critical-extension",
            "a certificate with a critical extension that nobody knows",
            Reason::CertUnknownCriticalExtension,
            |pki| {
                pki.issue(pki.leaf().with(|params| {
                    let null = vec![5, 0];
                    let mut extension = CustomExtension::from_oid_content(UNKNOWN_EXTENSION, null);
                    extension.set_criticality(true);
                    params.custom_extensions = vec![extension];
                }))
            },
        ),
        refused(
            "cert-name-constraint",
            "an intermediate that may certify other names only",
            Reason::CertConstraintViolated,
            |pki| {
                let issuer = pki.root.intermediate_with("Narrow Intermediate", |params| {
                    params.name_constraints = Some(NameConstraints {
                        permitted_subtrees: vec![GeneralSubtree::DnsName(
                            "other.example".to_owned(),
                        )],
                        excluded_subtrees: Vec::new(),
                    });
                });
                Tls::new(issuer.server(&pki.host))
            },
        ),
        refused(
            "cert-path-length",
            "an intermediate below one that may have none below it",
            Reason::CertConstraintViolated,
            |pki| {
                let last = pki.root.intermediate_with("Last Intermediate", |params| {
                    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
                });
                Tls::new(last.intermediate("Extra Intermediate").server(&pki.host))
            },
        ),
    ]
}

fn odd() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, about, oddity, reason, others) in [
        (
            "cert-x509-v1",
            "a certificate of X.509 version 1",
            Oddity::Version1,
            Reason::CertUnsupportedVersion,
            &[Reason::CertNoSan, Reason::CertNameMismatch][..],
        ),
        (
            "cert-sha1",
            "a certificate whose signature is said to be ecdsa-with-SHA1",
            Oddity::Sha1,
            Reason::CertWeakSignature,
            &[Reason::CertUnsupportedSignature],
        ),
        (
            "cert-sha224",
            "a certificate whose signature is said to be ecdsa-with-SHA224",
            Oddity::Sha224,
            Reason::CertUnsupportedSignature,
            &[Reason::CertWeakSignature],
        ),
        (
            "cert-damaged-signature",
            "a certificate whose signature was damaged",
            Oddity::Signature,
            Reason::CertBadSignature,
            &[],
        ),
        (
            "cert-truncated",
            "half a certificate",
            Oddity::Truncated,
            Reason::CertMalformed,
            &[],
        ),
    ] {
        let case = refused(name, about, reason, move |pki| {
            let identity: Identity = pki.intermediate.server(&pki.host);
            Tls::new(pki.intermediate.spoil(&identity, oddity))
        });
        cases.push(case.or(others));
    }
    cases
}

fn policies() -> Vec<Case> {
    vec![
        refused(
            "cert-revoked",
            "a certificate that is on the revocation list",
            Reason::CertRevoked,
            |pki| Tls::new(pki.revoked.clone()),
        )
        .with(Need::Crl),
        refused(
            "cert-revocation-unknown",
            "a certificate whose issuer's revocation list is past its time",
            Reason::CertRevocationUnknown,
            |pki| Tls::new(pki.unlisted.clone()),
        )
        .with(Need::Crl),
        refused(
            "cert-other-key",
            "a certificate with another key than the one that is pinned",
            Reason::CertPinMismatch,
            Pki::good,
        )
        .with(Need::Pin),
    ]
}
