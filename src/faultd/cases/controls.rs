//! Relays that are in order, if unusual: a client must get its mail through.

use std::time::Duration;

use rcgen::PKCS_ED25519;
use rustls::version::{TLS12, TLS13};

use super::{faulty, secure};
use crate::{
    faultd::case::{Case, Need, in_both},
    report::TlsMode::{Implicit, Starttls},
    testrelay::{Answer, Step, Tls, ca::Leaf},
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(in_both(Case::sends(
        Implicit,
        "ok",
        "a relay in order, with TLS 1.2 and 1.3",
        secure,
    )));
    cases.push(Case::sends(Implicit, "ok-tls12", "TLS 1.2 only", |pki| {
        secure(pki).tls(pki.good().versions(&[&TLS12]))
    }));
    cases.push(Case::sends(Implicit, "ok-tls13", "TLS 1.3 only", |pki| {
        secure(pki).tls(pki.good().versions(&[&TLS13]))
    }));
    cases.push(Case::sends(
        Implicit,
        "ok-rsa",
        "a certificate with an RSA key",
        |pki| secure(pki).tls(pki.rsa.clone()),
    ));
    cases.push(Case::sends(
        Implicit,
        "ok-ed25519",
        "a certificate with an Ed25519 key",
        |pki| secure(pki).tls(pki.issue(pki.leaf().key_of(&PKCS_ED25519))),
    ));
    cases.push(Case::sends(
        Implicit,
        "ok-asks-for-certificate",
        "asks for a client certificate, and does without",
        |pki| secure(pki).tls(pki.good().ask_client_certificate(&pki.client_ca)),
    ));
    cases.push(Case::sends(
        Implicit,
        "ok-root-sent",
        "sends the root as well, which is of no use and does no harm",
        |pki| {
            let identity = pki.intermediate.server(&pki.host);
            secure(pki).tls(Tls::new(identity.followed_by(pki.root.der())))
        },
    ));
    cases.push(
        Case::sends(
            Implicit,
            "ok-ip-address",
            "a certificate for the IP address, which the client connects to",
            |pki| secure(pki).tls(pki.issue(Leaf::new([pki.ip.to_string().as_str()]))),
        )
        .with(Need::IpAddress),
    );
    cases.push(
        Case::sends(
            Implicit,
            "ok-login",
            "takes mail from who has logged in",
            |pki| super::logins::with_account(pki).require_auth(),
        )
        .with(Need::Login),
    );
    cases.push(Case::sends(
        Starttls,
        "ok-greeting-of-lines",
        "a greeting of three lines",
        faulty(
            Step::Greeting,
            Answer::reply("220-relay.faultd.example ESMTP\n220-No advertisements,\n220 please."),
        ),
    ));
    cases.push(
        Case::sends(
            Starttls,
            "ok-greeting-late",
            "a greeting after 3 seconds, as a defence against senders of spam",
            faulty(
                Step::Greeting,
                Answer::usual().after(Duration::from_secs(3)),
            ),
        )
        .within(10),
    );
    cases.push(Case::sends(
        Starttls,
        "ok-in-pieces",
        "replies to EHLO that come octet by octet",
        faulty(Step::Ehlo, Answer::usual().in_pieces()),
    ));
    cases
}
