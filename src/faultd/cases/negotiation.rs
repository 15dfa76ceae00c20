//! Relays that have too little in common with a client of today.

use rustls::{
    CipherSuite, NamedGroup,
    ProtocolVersion::{self, SSLv3, TLSv1_0, TLSv1_1, TLSv1_2, TLSv1_3},
    SignatureScheme,
};

use super::secure;
use crate::{
    faultd::{
        case::{Case, in_both},
        pki::Pki,
    },
    report::{Reason, Stage::TlsHandshake, TlsMode::Implicit},
    testrelay::{Answer, Builder, Oddity, Script, Stack},
};

/// What was usual before forward secrecy was.
const RSA_KEY_EXCHANGE: &[CipherSuite] = &[
    CipherSuite::TLS_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA,
];
const CBC: &[CipherSuite] = &[
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
];
const FINITE_FIELDS: &[CipherSuite] = &[
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_DHE_RSA_WITH_AES_256_CBC_SHA,
];
const ECDSA: &[CipherSuite] = &[
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
];
const ECDHE: &[CipherSuite] = &[
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];
const ECDHE_RSA: &[CipherSuite] = &[CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
const PRE_SHARED: &[CipherSuite] = &[
    CipherSuite::TLS_PSK_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_PSK_WITH_AES_128_CBC_SHA,
];
const OF_13: &[CipherSuite] = &[
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_AES_128_GCM_SHA256,
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = versions();
    cases.extend(suites());
    cases.extend(groups_and_signatures());
    cases
}

/// A relay whose TLS is that of `stack`.
fn played(stack: Stack) -> impl Fn(&Pki) -> Builder + Send + Sync + 'static {
    move |pki| {
        let ecdsa = pki.intermediate.server(&pki.host);
        let identity = if stack.wants_rsa() { &pki.rsa } else { &ecdsa };
        let stack = stack.clone().certificate(identity.chain());
        let script = Script::new().to_hellos(move |hello| stack.answer(hello));
        secure(pki).script(script)
    }
}

pub(super) fn refused(
    name: &str,
    about: &'static str,
    reason: Reason,
    relay: impl Fn(&Pki) -> Builder + Send + Sync + 'static,
) -> Case {
    Case::fails(Implicit, name, about, (TlsHandshake, reason), relay)
}

/// A cause that an alert without a reason hides.
fn hidden(
    name: &str,
    about: &'static str,
    reason: Reason,
    relay: impl Fn(&Pki) -> Builder + Send + Sync + 'static,
) -> Case {
    refused(name, about, reason, relay).passively(Reason::HandshakeRefused)
}

fn versions() -> Vec<Case> {
    // A stack that knows the extension `supported_versions` finds nothing in
    // it, and one that does not answers with its newest.
    let aware = |newest: &[ProtocolVersion]| {
        Stack::new(newest, RSA_KEY_EXCHANGE).reading_supported_versions()
    };
    let unaware = |newest: &[ProtocolVersion]| Stack::new(newest, RSA_KEY_EXCHANGE).heedless();
    let mut cases = Vec::new();
    cases.extend(in_both(refused(
        "tls10",
        "TLS 1.0 only, and the alert protocol_version for others",
        Reason::NoCommonVersion,
        played(aware(&[SSLv3, TLSv1_0])),
    )));
    cases.extend(in_both(refused(
        "tls10-server-hello",
        "TLS 1.0 only, from a stack that answers with the version it has",
        Reason::NoCommonVersion,
        played(unaware(&[SSLv3, TLSv1_0])),
    )));
    cases.extend([
        refused(
            "tls11",
            "TLS 1.1 at the most, and the alert protocol_version for others",
            Reason::NoCommonVersion,
            played(aware(&[TLSv1_0, TLSv1_1])),
        ),
        refused(
            "tls11-server-hello",
            "TLS 1.1 at the most, from a stack that answers with the version it has",
            Reason::NoCommonVersion,
            played(unaware(&[TLSv1_0, TLSv1_1])),
        ),
        refused(
            "ssl3-server-hello",
            "SSL 3.0 only",
            Reason::NoCommonVersion,
            played(unaware(&[SSLv3])),
        ),
        hidden(
            "tls10-refused",
            "TLS 1.0 only, and the alert handshake_failure for others",
            Reason::NoCommonVersion,
            played(
                aware(&[SSLv3, TLSv1_0]).unknown_version(Answer::alert(40).then(Answer::close())),
            ),
        ),
    ]);
    cases
}

fn suites() -> Vec<Case> {
    let old = |suites| Stack::new(&[TLSv1_0, TLSv1_1, TLSv1_2], suites);
    let mut cases = Vec::new();
    cases.extend(in_both(hidden(
        "rsa-key-exchange",
        "TLS 1.2 with RSA key exchange only, without forward secrecy",
        Reason::NoCommonCipher,
        played(old(RSA_KEY_EXCHANGE)),
    )));
    cases.extend([
        hidden(
            "cbc",
            "TLS 1.2 with suites in CBC mode only",
            Reason::NoCommonCipher,
            played(old(CBC)),
        ),
        hidden(
            "dhe",
            "TLS 1.2 with Diffie-Hellman in finite fields only",
            Reason::NoCommonCipher,
            played(old(FINITE_FIELDS)),
        ),
        hidden(
            "3des",
            "TLS 1.0 to 1.2 with 3DES and RC4 only",
            Reason::NoCommonCipher,
            played(old(&[
                CipherSuite::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
                CipherSuite::TLS_RSA_WITH_RC4_128_SHA,
            ])),
        ),
        hidden(
            "ccm",
            "TLS 1.3 with the suites in CCM mode only",
            Reason::NoCommonCipher,
            played(Stack::new(
                &[TLSv1_3],
                &[
                    CipherSuite::TLS13_AES_128_CCM_SHA256,
                    CipherSuite::TLS13_AES_128_CCM_8_SHA256,
                ],
            )),
        ),
        refused(
            "unoffered-suite",
            "chooses a suite with RSA key exchange, offered or not",
            Reason::NoCommonCipher,
            played(old(RSA_KEY_EXCHANGE).heedless()),
        )
        .or(&[Reason::ProtocolViolation]),
    ]);
    cases
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn groups_and_signatures() -> Vec<Case> {
    let p521 = &[NamedGroup::secp521r1];
    let of_13 = || Stack::new(&[TLSv1_3], OF_13);
    let of_12 = |suites| Stack::new(&[TLSv1_0, TLSv1_1, TLSv1_2], suites);
    vec![
        hidden(
            "p521",
            "TLS 1.3 with the group secp521r1 only",
            Reason::NoCommonGroup,
            played(of_13().groups(p521)),
        )
        .or(&[Reason::NoCommonCipher]),
        hidden(
            "p521-tls12",
            "TLS 1.2 with the group secp521r1 only",
            Reason::NoCommonGroup,
            played(of_12(ECDHE_RSA).groups(p521)),
        )
        .or(&[Reason::NoCommonCipher]),
        hidden(
            "ffdhe2048",
            "TLS 1.3 with the group ffdhe2048 only",
            Reason::NoCommonGroup,
            played(of_13().groups(&[NamedGroup::FFDHE2048])),
        )
        .or(&[Reason::NoCommonCipher]),
        refused(
            "unoffered-group",
            "asks for the group secp521r1 in a HelloRetryRequest, offered or not",
            Reason::NoCommonGroup,
            played(of_13().groups(p521).heedless()),
        )
        .or(&[Reason::ProtocolViolation]),
        hidden(
            "ed448",
            "a key that signs with Ed448 only",
            Reason::NoCommonSignature,
            played(of_12(ECDSA).schemes(&[SignatureScheme::ED448])),
        )
        .or(&[Reason::NoCommonCipher, Reason::CertUnsupportedSignature]),
        hidden(
            "ed448-after-retry",
            "TLS 1.3 with a key for Ed448 only: it asks for a key share of its group, and then \
             refuses with the alert handshake_failure",
            Reason::NoCommonSignature,
            played(
                of_13()
                    .groups(&[NamedGroup::secp384r1])
                    .schemes(&[SignatureScheme::ED448])
                    .signing_late(),
            ),
        )
        .or(&[Reason::NoCommonCipher, Reason::CertUnsupportedSignature]),
        refused(
            "alert-40-after-retry",
            "TLS 1.3, the question for a key share of another group, and then the alert \
             handshake_failure",
            Reason::HandshakeRefused,
            played(
                of_13()
                    .groups(&[NamedGroup::secp384r1])
                    .schemes(&[])
                    .signing_late(),
            ),
        ),
        refused(
            "unoffered-signature",
            "signs the handshake with SHA-1, offered or not",
            Reason::NoCommonSignature,
            played(
                of_12(ECDSA)
                    .schemes(&[SignatureScheme::ECDSA_SHA1_Legacy])
                    .heedless(),
            ),
        )
        .or(&[Reason::ProtocolViolation]),
        refused(
            "downgraded",
            "TLS 1.2 from a relay that says that it knows 1.3: somebody lowered the version",
            Reason::DowngradeDetected,
            played(of_12(ECDHE).downgraded()),
        ),
        refused(
            "no-certificate",
            "shows no certificate",
            Reason::CertMissing,
            |pki| {
                let stack = Stack::new(&[TLSv1_0, TLSv1_1, TLSv1_2], ECDHE);
                secure(pki).script(Script::new().to_hellos(move |hello| stack.answer(hello)))
            },
        ),
        refused(
            "cert-rsa1024",
            "a certificate with an RSA key of 1,024 bits",
            Reason::CertWeakKey,
            |pki| {
                let identity = pki.intermediate.issue(pki.leaf());
                let weak = pki.intermediate.spoil(&identity, Oddity::Rsa1024);
                let suites = &[CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
                let stack = Stack::new(&[TLSv1_2], suites)
                    .schemes(&[SignatureScheme::RSA_PKCS1_SHA256])
                    .certificate(weak.chain());
                secure(pki).script(Script::new().to_hellos(move |hello| stack.answer(hello)))
            },
        )
        .or(&[Reason::CertBadSignature]),
        hidden(
            "psk",
            "TLS 1.3 without a certificate, by pre-shared keys only",
            Reason::PskRequired,
            |pki| {
                let script = Script::new().to_hellos(|hello| {
                    let description = if hello.offers_psk { 115 } else { 40 };
                    Answer::alert(description).then(Answer::close())
                });
                secure(pki).script(script)
            },
        )
        .or(&[
            Reason::HandshakeRefused,
            Reason::NoCommonCipher,
            Reason::CertMissing,
        ]),
        hidden(
            "psk-tls12",
            "TLS 1.2 by pre-shared keys only",
            Reason::PskRequired,
            played(of_12(PRE_SHARED)),
        )
        .or(&[Reason::NoCommonCipher]),
    ]
}
