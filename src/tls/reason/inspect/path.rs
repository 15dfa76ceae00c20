//! The path from a relay's certificate towards a trust anchor, as far as the
//! presented chain leads, whatever its certificates are like. webpki, which
//! decides, stops at the first thing that is wrong and tells no path then.

use std::{ptr, time::SystemTime};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, prelude::FromDer as _, x509::SubjectPublicKeyInfo,
};

use crate::tls::{
    certificate, dn,
    signature::{Signature, check},
};

/// A certificate of the presented chain.
pub(super) struct Presented<'a> {
    pub(super) facts: X509Certificate<'a>,
    pub(super) der: &'a CertificateDer<'a>,
}

impl<'a> Presented<'a> {
    /// Those of `chain` that can be read, in its order.
    pub(super) fn read(chain: &'a [CertificateDer<'a>]) -> Vec<Self> {
        chain
            .iter()
            .filter_map(|der| {
                let facts = certificate::parse(der)?;
                Some(Self { facts, der })
            })
            .collect()
    }

    pub(super) fn is_valid_at(&self, time: SystemTime) -> bool {
        let validity = self.facts.validity();
        (certificate::system_time(validity.not_before)
            ..=certificate::system_time(validity.not_after))
            .contains(&time)
    }
}

/// The certificates that lead from the relay's own towards a trust anchor.
pub(super) struct Path<'a> {
    /// The relay's own first. A self-signed one above it is not among them:
    /// whoever trusts it trusts it as it is.
    pub(super) links: Vec<Link<'a>>,
    pub(super) end: End<'a>,
}

/// One certificate of the path.
pub(super) struct Link<'a> {
    pub(super) certificate: &'a Presented<'a>,
    /// Whether its issuer signed it. `None` when there is none to ask.
    pub(super) signature: Option<Signature>,
}

/// Where the path ends.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// At a trust anchor.
    Anchor,
    /// At a self-signed certificate that is not trusted.
    Root(&'a Presented<'a>),
    /// At a certificate whose issuer is neither sent nor trusted.
    Open,
}

impl<'a> Path<'a> {
    /// The path from `leaf`, the first of `chain`, in whatever order the
    /// others are.
    pub(super) fn new(
        leaf: &'a Presented<'a>,
        chain: &'a [Presented<'a>],
        roots: &RootCertStore,
        now: SystemTime,
    ) -> Self {
        let mut links: Vec<Link<'a>> = Vec::new();
        let mut certificate = leaf;
        // Each step uses another certificate, or the chain is a circle.
        let end = loop {
            let anchor = by_anchor(&certificate.facts, roots);
            if anchor != Some(Signature::Right) && certificate::is_self_signed(&certificate.facts) {
                if links.is_empty() {
                    links.push(Link {
                        certificate,
                        signature: None,
                    });
                }
                break End::Root(certificate);
            }
            let is_used = |it: &Presented<'_>| {
                ptr::eq(it, certificate) || links.iter().any(|link| ptr::eq(it, link.certificate))
            };
            let issuer = chain
                .iter()
                .filter(|it| it.facts.subject().as_raw() == certificate.facts.issuer().as_raw())
                .filter(|it| !is_used(it))
                .map(|it| (check(&certificate.facts, it.facts.public_key()), it))
                .min_by_key(|(signature, it)| {
                    let is_trusted = by_anchor(&it.facts, roots) == Some(Signature::Right);
                    (*signature, !is_trusted, !it.is_valid_at(now))
                });
            // An anchor before one that was sent, and one that signed before
            // one that did not.
            let (signature, issuer) = match (anchor, issuer) {
                (Some(anchor), Some((signature, issuer))) if signature < anchor => {
                    (Some(signature), Some(issuer))
                }
                (Some(anchor), _) => (Some(anchor), None),
                (None, Some((signature, issuer))) => (Some(signature), Some(issuer)),
                (None, None) => (None, None),
            };
            links.push(Link {
                certificate,
                signature,
            });
            match (issuer, anchor) {
                (Some(issuer), _) => certificate = issuer,
                (None, Some(_)) => break End::Anchor,
                (None, None) => break End::Open,
            }
        };
        Self { links, end }
    }
}

/// Whether the trust anchor that has the name of a certificate's issuer signed
/// it. `None` when there is none of that name.
fn by_anchor(certificate: &X509Certificate<'_>, roots: &RootCertStore) -> Option<Signature> {
    let issuer = dn::content(certificate.issuer());
    let anchors = roots
        .roots
        .iter()
        .filter(|it| it.subject.as_ref() == issuer);
    let signatures = anchors.map(|anchor| {
        let key = webpki::spki_for_anchor(anchor);
        SubjectPublicKeyInfo::from_der(&key)
            .map_or(Signature::Unchecked, |(_, key)| check(certificate, &key))
    });
    signatures.min()
}
