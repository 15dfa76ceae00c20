//! Inquiries into relays that take one thing and not another.

use std::io::Cursor;

use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite, join, split};

use super::*;
use crate::{
    report::{Confidence, TlsProbe, TlsVersion},
    testrelay::ClientHello,
};

/// How long one trial may take.
const TRIAL: Duration = Duration::from_secs(1);
const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];
const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];
const REFUSAL: Act = Act::Alert(40);
/// RFC 8446 section 4.1.3.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a relay does upon a `ClientHello`.
#[derive(Clone, Debug)]
enum Act {
    Serve(&'static [&'static SupportedProtocolVersion]),
    /// Chooses version, suite and perhaps a group, and says no more.
    Choose(u16, u16, Option<u16>),
    /// Chooses TLS 1.2 and a suite, and says what it signs with.
    Sign {
        suite: u16,
        group: u16,
        scheme: u16,
    },
    Alert(u8),
    /// Asks for a key share of P-384, and refuses what comes with 40.
    Retry,
    Close,
    Stall,
}

/// What came of it all.
struct Inquired {
    error: Box<HandshakeError>,
    probes: Vec<TlsProbe>,
    verdict: Option<Verdict>,
}

impl Inquired {
    #[track_caller]
    fn assert(&self, reason: Reason, confidence: Confidence, parts: &[&str]) {
        let names: Vec<_> = self.probes.iter().map(|it| &*it.name).collect();
        let verdict = self.verdict.as_ref();
        let verdict = verdict.unwrap_or_else(|| panic!("no verdict after {names:?}"));
        assert_eq!(verdict.reason, reason, "{names:?}: {}", verdict.summary);
        assert_eq!(verdict.confidence, confidence, "{names:?}");
        let is_open = confidence == Confidence::Ambiguous;
        assert_eq!(!verdict.alternatives.is_empty(), is_open, "{names:?}");
        for part in parts {
            assert!(verdict.summary.contains(part), "{}", verdict.summary);
        }
        let summary = &verdict.summary;
        assert!(summary.len() <= 400 && summary.is_ascii() && summary.ends_with('.'));
        assert!(self.probes.len() <= 5, "{names:?}");
    }

    #[track_caller]
    fn assert_probed(&self, reason: Reason, parts: &[&str]) {
        self.assert(reason, Confidence::Probed, parts);
    }
}

/// A relay, and the authority that its certificate is from.
struct Relay<F> {
    act: F,
    authority: Authority,
    identity: Identity,
}

impl<F: FnMut(&ClientHello) -> Act> Relay<F> {
    fn new(act: F) -> Self {
        let authority = Authority::new("CA");
        let identity = authority.issue(&leaf_params(&[HOST]), &[]);
        Self {
            act,
            authority,
            identity,
        }
    }

    fn settings(&self) -> Settings {
        trusting(&[self.authority.der()])
    }

    /// A connection to it, and what goes on at the other end, which is to be
    /// run along with ours.
    async fn serve(&mut self, mut io: DuplexStream) {
        let record = read_hello(&mut io).await;
        let hello = ClientHello::read(&record).expect("a hello that is in order");
        match (self.act)(&hello) {
            Act::Serve(versions) => {
                let (reader, writer) = split(io);
                let io = join(Cursor::new(record).chain(reader), writer);
                if let Ok(mut stream) = TlsAcceptor::from(server(&self.identity, versions))
                    .accept(io)
                    .await
                {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            }
            Act::Choose(version, suite, group) => {
                say(&mut io, &server_hello(version, suite, group)).await;
                std::future::pending::<()>().await;
            }
            Act::Sign {
                suite,
                group,
                scheme,
            } => {
                say(&mut io, &server_hello(0x0303, suite, None)).await;
                say(&mut io, &key_exchange(group, scheme)).await;
                std::future::pending::<()>().await;
            }
            Act::Retry => {
                say(&mut io, &retry(&hello.session_id)).await;
                let _ = io.read(&mut vec![0; 4096]).await;
                say(&mut io, &[21, 3, 3, 0, 2, 2, 40]).await;
            }
            Act::Alert(code) => say(&mut io, &[21, 3, 3, 0, 2, 2, code]).await,
            Act::Close => {}
            Act::Stall => std::future::pending().await,
        }
    }

    /// What it does when it is connected to, and inquired into if that fails.
    async fn inquire(&mut self, settings: &Settings) -> Inquired {
        self.inquire_in(settings, TlsMode::Implicit).await
    }

    async fn inquire_in(&mut self, settings: &Settings, mode: TlsMode) -> Inquired {
        let connector = connector(settings);
        let (client, io) = duplex(1 << 16);
        let first = connector.connect(client, mode, TRIAL);
        let error = together(first, self.serve(io)).await.map(drop).unwrap_err();
        let mut inquiry = connector
            .inquire(&error)
            .expect("something to inquire into");
        while let Some(trial) = inquiry.next() {
            let (client, io) = duplex(1 << 16);
            let attempt = inquiry.attempt(&trial, client, mode, 465);
            let _ = tokio::time::timeout(TRIAL, together(attempt, self.serve(io))).await;
        }
        let (probes, verdict) = inquiry.conclude();
        Inquired {
            error,
            probes,
            verdict,
        }
    }
}

async fn inquire(act: impl FnMut(&ClientHello) -> Act) -> Inquired {
    let mut relay = Relay::new(act);
    let settings = relay.settings();
    relay.inquire(&settings).await
}

/// What comes of `ours`, while the other side does what it does.
async fn together<T>(ours: impl Future<Output = T>, theirs: impl Future<Output = ()>) -> T {
    let mut theirs = std::pin::pin!(theirs);
    let mut ours = std::pin::pin!(ours);
    tokio::select! {
        output = &mut ours => return output,
        () = &mut theirs => {}
    }
    ours.await
}

async fn say(io: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) {
    io.write_all(bytes).await.unwrap();
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![22, 3, 3, 0, length + 4, kind, 0, 0, length];
    record.extend(body);
    record
}

fn server_hello(version: u16, suite: u16, group: Option<u16>) -> Vec<u8> {
    let is_tls13 = version == 0x0304;
    let mut body = version.min(0x0303).to_be_bytes().to_vec();
    body.extend([5; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    let mut extensions = Vec::new();
    if is_tls13 {
        extensions.extend([0, 43, 0, 2, 3, 4]);
    }
    if let Some(group) = group {
        extensions.extend([0, 51, 0, 2]);
        extensions.extend(group.to_be_bytes());
    }
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    message(2, &body)
}

fn retry(session_id: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(RETRY);
    body.push(u8::try_from(session_id.len()).unwrap());
    body.extend(session_id);
    body.extend([0x13, 1, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 0x18]);
    message(2, &body)
}

fn key_exchange(group: u16, scheme: u16) -> Vec<u8> {
    let mut body = vec![3];
    body.extend(group.to_be_bytes());
    body.extend([1, 4]);
    body.extend(scheme.to_be_bytes());
    body.extend([0, 0]);
    let mut records = message(12, &body);
    records.extend(message(14, &[]));
    records
}

fn is_tls13(hello: &ClientHello) -> bool {
    hello.versions.iter().any(|it| u16::from(*it) == 0x0304)
}

fn has_suite(hello: &ClientHello, suite: u16) -> bool {
    hello.cipher_suites.iter().any(|it| u16::from(*it) == suite)
}

fn has_group(hello: &ClientHello, group: u16) -> bool {
    hello.groups.iter().any(|it| u16::from(*it) == group)
}

fn has_scheme(hello: &ClientHello, scheme: u16) -> bool {
    let mut schemes = hello.signature_schemes.iter();
    schemes.any(|it| u16::from(*it) == scheme)
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_bear_tls13() {
    for (refusal, told) in [
        (REFUSAL, "handshake_failure (40)"),
        (Act::Alert(47), "illegal_parameter (47)"),
        (Act::Alert(70), "protocol_version (70)"),
        (Act::Close, "closes the connection"),
        (Act::Stall, "does not answer"),
    ] {
        for post_quantum in [true, false] {
            let mut relay = Relay::new(|hello: &ClientHello| {
                if is_tls13(hello) {
                    refusal.clone()
                } else {
                    Act::Serve(ONLY_12)
                }
            });
            let settings = Settings {
                post_quantum: Some(post_quantum),
                ..relay.settings()
            };
            let inquired = relay.inquire(&settings).await;
            inquired.assert_probed(Reason::VersionIntolerant, &[told, "TLS 1.2 alone"]);
            assert!(inquired.probes[0].succeeded);
            assert_eq!(inquired.probes[0].name, "tls12-only");
        }
    }
}

fn has_share(hello: &ClientHello, group: u16) -> bool {
    hello.key_shares.iter().any(|it| u16::from(*it) == group)
}

#[tokio::test]
async fn a_refusal_behind_the_question_for_another_key_share() {
    let ask = |hello: &ClientHello, answer: Act| {
        if has_share(hello, 0x0018) {
            answer
        } else {
            Act::Retry
        }
    };

    // Of all schemes it takes only Ed448.
    let inquired = inquire(|hello| match (is_tls13(hello), has_scheme(hello, 0x0808)) {
        (false, _) => Act::Alert(70),
        (true, false) => ask(hello, REFUSAL),
        (true, true) => ask(hello, Act::Choose(0x0304, 0x1301, Some(0x0018))),
    })
    .await;
    let error = &inquired.error;
    assert_eq!(error.reason, Reason::HandshakeRefused);
    assert_eq!(error.confidence, Confidence::Ambiguous);
    assert_eq!(
        error.alternatives,
        [Reason::NoCommonSignature, Reason::PskRequired]
    );
    assert_says(
        error,
        &["handshake_failure (40)", "a key share of secp384r1"],
    );
    inquired.assert_probed(Reason::NoCommonSignature, &["Ed448"]);

    // It minds whatever it is offered but TLS 1.2.
    let inquired = inquire(|hello| {
        if is_tls13(hello) {
            ask(hello, Act::Choose(0x0304, 0x1301, Some(0x0018)))
        } else {
            Act::Serve(ONLY_12)
        }
    })
    .await;
    inquired.assert_probed(Reason::VersionIntolerant, &["TLS 1.2 alone"]);

    // It minds everything.
    let inquired = inquire(|hello| {
        if is_tls13(hello) {
            ask(hello, REFUSAL)
        } else {
            Act::Alert(70)
        }
    })
    .await;
    inquired.assert(Reason::HandshakeRefused, Confidence::Ambiguous, &[]);
}

#[tokio::test]
async fn what_is_wrong_with_the_certificate_is_told_too() {
    let mut relay = Relay::new(|hello: &ClientHello| {
        if is_tls13(hello) {
            REFUSAL
        } else {
            Act::Serve(ONLY_12)
        }
    });
    let elsewhere = trusting(&[Authority::new("another").der()]);
    let inquired = relay.inquire(&elsewhere).await;
    inquired.assert_probed(
        Reason::VersionIntolerant,
        &["its certificate then fails with CERT_UNKNOWN_ISSUER"],
    );
    assert!(!inquired.probes[0].succeeded);
    assert_eq!(inquired.probes[0].reason, Some(Reason::CertUnknownIssuer));
}

#[tokio::test(start_paused = true)]
async fn a_middlebox_that_drops_large_hellos() {
    for refusal in [REFUSAL, Act::Alert(22), Act::Close, Act::Stall] {
        for versions in [BOTH, ONLY_13, ONLY_12] {
            let inquired = inquire(|hello| {
                if hello.size > 512 {
                    refusal.clone()
                } else {
                    Act::Serve(versions)
                }
            })
            .await;
            inquired.assert_probed(
                Reason::HelloTooLarge,
                &[
                    &format!("{} bytes", inquired.error.evidence.offered.hello_bytes),
                    "without post-quantum key shares",
                ],
            );
        }
    }
}

#[tokio::test]
async fn a_relay_without_a_cipher_suite_of_ours() {
    for (suite, kind) in [
        (0x009c, "RSA key exchange (TLS_RSA_WITH_AES_128_GCM_SHA256"),
        (
            0xc028,
            "ECDHE with CBC (TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        ),
        (0x0039, "DHE (TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
        (0x00a6, "anonymous key exchange (TLS_DH_anon"),
    ] {
        let inquired = inquire(|hello| {
            if has_suite(hello, suite) {
                Act::Choose(0x0303, suite, None)
            } else {
                REFUSAL
            }
        })
        .await;
        let ours = "posthaste offers only ECDHE with AES-GCM or ChaCha20";
        inquired.assert_probed(Reason::NoCommonCipher, &[kind, "TLS 1.2", ours]);
    }
    let inquired = inquire(|hello| {
        if is_tls13(hello) && has_suite(hello, 0x1304) {
            Act::Choose(0x0304, 0x1304, Some(0x001d))
        } else {
            Act::Alert(if is_tls13(hello) { 40 } else { 70 })
        }
    })
    .await;
    let ours = "TLS_AES_256_GCM_SHA384";
    inquired.assert_probed(Reason::NoCommonCipher, &["TLS_AES_128_CCM_SHA256", ours]);
}

#[tokio::test]
async fn a_relay_that_prefers_what_it_does_not_need() {
    // Its preference for DHE is not what keeps us out: its curve is.
    let inquired = inquire(
        |hello| match (has_suite(hello, 0x009f), has_group(hello, 0x001a)) {
            (true, _) => Act::Choose(0x0303, 0x009f, None),
            (false, true) => Act::Sign {
                suite: 0xc030,
                group: 0x001a,
                scheme: 0x0804,
            },
            (false, false) => REFUSAL,
        },
    )
    .await;
    inquired.assert_probed(
        Reason::NoCommonGroup,
        &["brainpoolP256r1", "x25519, secp256r1 and secp384r1"],
    );
}

#[tokio::test]
async fn a_relay_without_a_group_of_ours() {
    let inquired = inquire(|hello| match (is_tls13(hello), has_group(hello, 0x0019)) {
        (true, true) => Act::Choose(0x0304, 0x1302, Some(0x0019)),
        (true, false) => REFUSAL,
        (false, _) => Act::Alert(70),
    })
    .await;
    inquired.assert_probed(
        Reason::NoCommonGroup,
        &["wants secp521r1", "posthaste offers X25519MLKEM768, x25519"],
    );
}

#[tokio::test]
async fn a_relay_without_a_signature_of_ours() {
    for (scheme, kind) in [(0x0808, "Ed448"), (0x0809, "RSA-PSS")] {
        let inquired = inquire(|hello| match (is_tls13(hello), has_scheme(hello, scheme)) {
            (true, true) => Act::Choose(0x0304, 0x1302, Some(0x001d)),
            (true, false) => REFUSAL,
            (false, _) => Act::Alert(70),
        })
        .await;
        inquired.assert_probed(Reason::NoCommonSignature, &[kind, "posthaste takes ECDSA"]);
    }
    let inquired = inquire(|hello| {
        if has_scheme(hello, 0x0201) {
            Act::Sign {
                suite: 0xc030,
                group: 0x001d,
                scheme: 0x0201,
            }
        } else {
            REFUSAL
        }
    })
    .await;
    inquired.assert_probed(Reason::NoCommonSignature, &["signs with rsa_pkcs1_sha1"]);
}

#[tokio::test]
async fn a_relay_that_only_speaks_old_versions() {
    for (refusal, version, name) in [
        (Act::Alert(70), 0x0302, "at most TLS 1.1"),
        (REFUSAL, 0x0301, "at most TLS 1.0"),
        (Act::Close, 0x0300, "at most SSL 3.0"),
    ] {
        // It bears newer hellos, or none with extensions at all.
        for is_strict in [false, true] {
            let inquired = inquire(|hello| {
                let is_old = hello.extensions.is_empty();
                let bears = if is_strict { is_old } else { !is_tls13(hello) };
                if bears && has_suite(hello, 0x002f) {
                    Act::Choose(version, 0x002f, None)
                } else {
                    refusal.clone()
                }
            })
            .await;
            let ours = "posthaste offers TLS 1.2 and TLS 1.3";
            inquired.assert_probed(Reason::NoCommonVersion, &[name, ours]);
        }
    }
}

#[tokio::test]
async fn a_relay_that_does_not_speak_what_we_are_set_to() {
    let mut relay = Relay::new(|hello: &ClientHello| {
        if is_tls13(hello) {
            Act::Alert(70)
        } else {
            Act::Serve(ONLY_12)
        }
    });
    let settings = Settings {
        min_version: Some(Version::Tls13),
        ..relay.settings()
    };
    relay.inquire(&settings).await.assert_probed(
        Reason::NoCommonVersion,
        &["at most TLS 1.2", "posthaste offers TLS 1.3."],
    );

    let mut relay = Relay::new(|hello: &ClientHello| {
        if is_tls13(hello) {
            Act::Serve(ONLY_13)
        } else {
            Act::Alert(70)
        }
    });
    let settings = Settings {
        max_version: Some(Version::Tls12),
        ..relay.settings()
    };
    relay.inquire(&settings).await.assert_probed(
        Reason::NoCommonVersion,
        &["speaks only TLS 1.3", "posthaste offers TLS 1.2."],
    );
}

#[tokio::test]
async fn a_relay_that_wants_a_pre_shared_key() {
    let inquired = inquire(|hello| {
        if has_suite(hello, 0x00a8) {
            Act::Choose(0x0303, 0x00a8, None)
        } else {
            REFUSAL
        }
    })
    .await;
    inquired.assert_probed(Reason::PskRequired, &["TLS_PSK_WITH_AES_128_GCM_SHA256"]);

    for (unknown, reason, confidence) in [
        (115, Reason::PskRequired, Confidence::Probed),
        (40, Reason::HandshakeRefused, Confidence::Ambiguous),
    ] {
        let inquired = inquire(|hello| match (is_tls13(hello), hello.offers_psk) {
            (true, true) => Act::Alert(unknown),
            (true, false) => REFUSAL,
            (false, _) => Act::Alert(70),
        })
        .await;
        inquired.assert(reason, confidence, &["handshake_failure (40)"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_bear_its_name() {
    for refusal in [REFUSAL, Act::Close, Act::Stall] {
        let inquired = inquire(|hello| match hello.server_name {
            Some(_) => refusal.clone(),
            None => Act::Serve(BOTH),
        })
        .await;
        inquired.assert_probed(Reason::SniRejected, &["relay.test", "without a name"]);
    }
}

#[tokio::test]
async fn a_relay_that_wants_our_certificate_behind_something_else() {
    let inquired = inquire(|hello| {
        if is_tls13(hello) {
            Act::Close
        } else {
            Act::Alert(116)
        }
    })
    .await;
    inquired.assert_probed(Reason::ClientCertRequired, &["certificate_required (116)"]);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_refuses_everything_stays_what_it_was() {
    let inquired = inquire(|_| REFUSAL).await;
    inquired.assert(
        Reason::HandshakeRefused,
        Confidence::Ambiguous,
        &["5 other offers fared no better"],
    );
    let alternatives = inquired.verdict.unwrap().alternatives;
    assert_eq!(alternatives, [Reason::PskRequired]);

    for (act, mode, reason) in [
        (Act::Close, TlsMode::Implicit, Reason::ConnectionClosed),
        (Act::Close, TlsMode::Starttls, Reason::HandshakeClosed),
        (Act::Stall, TlsMode::Implicit, Reason::HandshakeTimeout),
    ] {
        let mut relay = Relay::new(|_: &ClientHello| act.clone());
        let settings = relay.settings();
        let inquired = relay.inquire_in(&settings, mode).await;
        inquired.assert(reason, Confidence::Observed, &["fared no better"]);
    }
}

#[tokio::test]
async fn what_failed_once_and_works_now_is_no_fault_of_an_offer() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut is_first = true;
        let mut relay = Relay::new(|_: &ClientHello| {
            if std::mem::take(&mut is_first) {
                REFUSAL
            } else {
                Act::Serve(BOTH)
            }
        });
        let settings = Settings {
            max_version: Some(version),
            ..relay.settings()
        };
        let inquired = relay.inquire(&settings).await;
        inquired.assert(
            Reason::HandshakeRefused,
            Confidence::Observed,
            &["the same offer worked when it was tried again"],
        );
    }
}

#[tokio::test]
async fn a_relay_that_lets_nobody_in_any_more_is_left_alone() {
    let mut relay = Relay::new(|_: &ClientHello| REFUSAL);
    let connector = connector(&relay.settings());
    let (client, io) = duplex(1 << 16);
    let first = connector.connect(client, TlsMode::Starttls, TRIAL);
    let error = together(first, relay.serve(io))
        .await
        .map(drop)
        .unwrap_err();
    let mut inquiry = connector.inquire(&error).unwrap();
    let trial = inquiry.next().unwrap();
    inquiry.missed(&trial, TlsMode::Starttls, 587);
    assert!(inquiry.next().is_none());
    let (probes, verdict) = inquiry.conclude();
    assert_eq!((probes[0].succeeded, probes[0].port), (false, 587));
    assert!(verdict.is_none());
}

#[tokio::test]
async fn a_relay_that_has_had_enough_proves_nothing() {
    let mut connections = 0;
    let inquired = inquire(|hello| {
        connections += 1;
        if connections > 3 {
            Act::Close
        } else if has_suite(hello, 0x009c) {
            Act::Choose(0x0303, 0x009c, None)
        } else {
            REFUSAL
        }
    })
    .await;
    inquired.assert(Reason::NoCommonCipher, Confidence::Ambiguous, &[]);
}

#[tokio::test]
async fn what_is_plain_is_not_inquired_into() {
    let mut relay = Relay::new(|_: &ClientHello| Act::Serve(BOTH));
    let elsewhere = connector(&trusting(&[Authority::new("another").der()]));
    let (client, io) = duplex(1 << 16);
    let first = elsewhere.connect(client, TlsMode::Implicit, TRIAL);
    let untrusted = together(first, relay.serve(io))
        .await
        .map(drop)
        .unwrap_err();
    assert!(elsewhere.inquire(&untrusted).is_none());

    for bytes in [
        &b"220 relay.test ESMTP\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n",
        &[21, 3, 3, 0, 2, 2, 49],
        &[21, 3, 3, 0, 2, 2, 80],
        &[21, 3, 3, 0, 2, 2, 112],
    ] {
        let connector = connector(&Settings::default());
        let error = refused(&Settings::default(), answer(bytes)).await;
        assert!(connector.inquire(&error).is_none(), "{bytes:?}");
    }
}

#[tokio::test]
async fn probes_are_small_themselves() {
    let mut sizes = Vec::new();
    inquire(|hello| {
        sizes.push(hello.size);
        REFUSAL
    })
    .await;
    assert!(sizes[0] > 1_200);
    // without-sni is our own offer.
    let small = sizes.iter().filter(|it| **it <= 512).count();
    assert_eq!(small, 4, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn all_that_a_relay_accepts() {
    const SUITES: [u16; 4] = [0xc030, 0xc028, 0x009c, 0x0005];
    const GROUPS: [u16; 3] = [0x0019, 0x001d, 0x0101];

    let mut relay = Relay::new(|hello: &ClientHello| {
        let newest = hello
            .versions
            .iter()
            .map(|it| u16::from(*it))
            .max()
            .unwrap();
        let group = GROUPS.into_iter().find(|it| has_group(hello, *it));
        let suite = SUITES.into_iter().find(|it| has_suite(hello, *it));
        match (newest, group, suite) {
            (0x0304, Some(group), _) if has_suite(hello, 0x1301) => {
                Act::Choose(0x0304, 0x1301, Some(group))
            }
            (0x0303, Some(group), Some(suite)) if suite >= 0xc000 => Act::Sign {
                suite,
                group,
                scheme: 0x0804,
            },
            (0x0301 | 0x0303, _, Some(suite)) => Act::Choose(newest, suite, None),
            _ => REFUSAL,
        }
    });
    let mut enumerator = connector(&relay.settings()).enumerate();
    let mut asked = 0;
    while let Some(question) = enumerator.next_question() {
        asked += 1;
        let (client, io) = duplex(1 << 16);
        let attempt = enumerator.attempt(&question, client);
        let _ = tokio::time::timeout(TRIAL, together(attempt, relay.serve(io))).await;
    }
    assert!(asked <= 48, "{asked}");
    let accepted = enumerator.conclude();
    assert_eq!(
        accepted.versions,
        [TlsVersion::Tls10, TlsVersion::Tls12, TlsVersion::Tls13]
    );
    assert_eq!(
        accepted.shared_versions,
        [TlsVersion::Tls12, TlsVersion::Tls13]
    );
    assert_eq!(
        accepted.cipher_suites,
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
            "TLS_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_RSA_WITH_RC4_128_SHA",
        ]
    );
    assert_eq!(
        accepted.shared_cipher_suites,
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
        ]
    );
    assert_eq!(
        accepted.key_exchange_groups,
        ["secp521r1", "x25519", "ffdhe3072"]
    );
    assert_eq!(accepted.shared_key_exchange_groups, ["x25519"]);
}

#[tokio::test]
async fn an_enumeration_ends() {
    // It takes everything, always, and has no end of suites.
    let mut relay = Relay::new(|hello: &ClientHello| {
        let suite = hello.cipher_suites.first().map_or(0, |it| u16::from(*it));
        Act::Choose(0x0303, suite, None)
    });
    let mut enumerator = connector(&relay.settings()).enumerate();
    let mut asked = 0;
    while let Some(question) = enumerator.next_question() {
        asked += 1;
        let (client, io) = duplex(1 << 16);
        let attempt = enumerator.attempt(&question, client);
        let serving = relay.serve(io);
        let _ = tokio::time::timeout(Duration::from_millis(5), together(attempt, serving)).await;
    }
    assert_eq!(asked, 48);
    assert_eq!(enumerator.conclude().shared_cipher_suites.len(), 9);
}
