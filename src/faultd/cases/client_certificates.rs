//! Relays that want a certificate of the client.

use rustls::version::{TLS12, TLS13};

use super::{negotiation::refused, secure};
use crate::{
    faultd::{
        case::{Case, Need, in_both},
        pki::Pki,
    },
    report::Reason,
};

pub(super) fn cases() -> Vec<Case> {
    let required = |pki: &Pki| pki.good().require_client_certificate(&pki.client_ca);
    let mut cases = Vec::new();
    cases.extend(in_both(
        refused(
            "client-cert-tls12",
            "wants a client certificate, and refuses by the alert handshake_failure",
            Reason::ClientCertRequired,
            move |pki| {
                let tls = required(pki).versions(&[&TLS12]).tampered(as_openssl);
                secure(pki).tls(tls)
            },
        )
        .or(&[Reason::HandshakeRefused]),
    ));
    cases.extend(in_both(refused(
        "client-cert-tls13",
        "wants a client certificate, and refuses when the client is done",
        Reason::ClientCertRequired,
        move |pki| secure(pki).tls(required(pki).versions(&[&TLS13])),
    )));
    for (name, version) in [
        ("client-cert-refused-tls12", &TLS12),
        ("client-cert-refused-tls13", &TLS13),
    ] {
        cases.push(
            refused(
                name,
                "wants a client certificate of another CA than the client's",
                Reason::ClientCertRejected,
                move |pki| secure(pki).tls(required(pki).versions(&[version])),
            )
            .with(Need::ClientCertificate),
        );
    }
    cases
}

/// In TLS 1.2, which has no certificate_required, OpenSSL and most others
/// refuse by handshake_failure (RFC 5246 section 7.4.6).
fn as_openssl(record: &mut [u8]) {
    if let [21, 3, 3, 0, 2, 2, description @ 116] = record {
        *description = 40;
    }
}
