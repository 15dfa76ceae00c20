//! Alerts of the relay in reply to our `ClientHello`, and answers that are no TLS.

use super::*;
use crate::report::{AlertDirection, Confidence, TlsVersion};

macro_rules! alert {
    ($code:literal) => {
        &[21, 3, 3, 0, 2, 2, $code]
    };
}

#[tokio::test]
async fn alerts_are_told_by_name() {
    let cases: [(&'static [u8], Reason, &str); 16] = [
        (
            alert!(40),
            Reason::HandshakeRefused,
            "handshake_failure (40)",
        ),
        (alert!(42), Reason::HandshakeRefused, "bad_certificate (42)"),
        (
            alert!(47),
            Reason::HandshakeRefused,
            "illegal_parameter (47)",
        ),
        (alert!(48), Reason::HandshakeRefused, "unknown_ca (48)"),
        (alert!(49), Reason::AccessDenied, "access_denied (49)"),
        (alert!(70), Reason::NoCommonVersion, "protocol_version (70)"),
        (
            alert!(71),
            Reason::NoCommonCipher,
            "insufficient_security (71)",
        ),
        (
            alert!(80),
            Reason::ServerInternalError,
            "internal_error (80)",
        ),
        (
            alert!(86),
            Reason::HandshakeRefused,
            "inappropriate_fallback (86)",
        ),
        (alert!(112), Reason::SniRejected, "unrecognized_name (112)"),
        (
            alert!(115),
            Reason::PskRequired,
            "unknown_psk_identity (115)",
        ),
        (
            alert!(116),
            Reason::ClientCertRequired,
            "certificate_required (116)",
        ),
        (
            alert!(120),
            Reason::AlpnRejected,
            "no_application_protocol (120)",
        ),
        (
            alert!(200),
            Reason::HandshakeRefused,
            "unassigned_200 (200)",
        ),
        (alert!(20), Reason::Corrupted, "bad_record_mac (20)"),
        (alert!(50), Reason::HandshakeRefused, "decode_error (50)"),
    ];
    for (bytes, reason, name) in cases {
        for _ in 0..5 {
            let error = refused(&Settings::default(), answer(bytes)).await;
            assert_eq!(error.reason, reason, "{name}");
            assert_says(&error, &[name]);
            let alert = error.evidence.alert.unwrap();
            assert_eq!(alert.direction, AlertDirection::Received);
            assert_eq!(alert.code, bytes[6]);
        }
    }
}

#[tokio::test]
async fn a_refusal_without_a_reason_is_ambiguous() {
    let error = refused(&Settings::default(), answer(alert!(40))).await;
    assert_eq!(error.confidence, Confidence::Ambiguous);
    assert!(error.alternatives.contains(&Reason::NoCommonCipher));
    assert!(error.alternatives.contains(&Reason::VersionIntolerant));

    let only_12 = Settings {
        max_version: Some(Version::Tls12),
        ..Settings::default()
    };
    let error = refused(&only_12, answer(alert!(40))).await;
    assert!(!error.alternatives.contains(&Reason::VersionIntolerant));
}

#[tokio::test]
async fn a_warning_before_the_refusal_is_told() {
    let bytes = &[21, 3, 3, 0, 2, 1, 112, 21, 3, 3, 0, 2, 2, 40];
    let error = refused(&Settings::default(), answer(bytes)).await;
    assert_eq!(error.reason, Reason::HandshakeRefused);
    assert_eq!(error.alternatives[0], Reason::SniRejected);
}

#[tokio::test]
async fn plaintext_is_told_by_what_it_says() {
    let cases: [(&'static [u8], Reason, Reason, &str); 7] = [
        (
            b"220 relay.test ESMTP\r\n",
            Reason::PlaintextOnTlsPort,
            Reason::StarttlsNoTls,
            "\"220 relay.test ESMTP\"",
        ),
        (
            b"554 5.7.1 no service\r\n",
            Reason::PlaintextOnTlsPort,
            Reason::StarttlsNoTls,
            "\"554 5.7.1 no service\"",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            Reason::NotSmtp,
            Reason::NotSmtp,
            "HTTP",
        ),
        (
            b"* OK IMAP4rev1\r\n",
            Reason::NotSmtp,
            Reason::NotSmtp,
            "IMAP",
        ),
        (b"+OK POP3\r\n", Reason::NotSmtp, Reason::NotSmtp, "POP3"),
        (
            b"SSH-2.0-OpenSSH_9.9\r\n",
            Reason::NotSmtp,
            Reason::NotSmtp,
            "SSH",
        ),
        (
            b"\0\x01\x02\x03\xde\xad",
            Reason::NotTls,
            Reason::NotTls,
            "0x00010203dead",
        ),
    ];
    for (bytes, implicit, starttls, text) in cases {
        for (mode, reason) in [
            (TlsMode::Implicit, implicit),
            (TlsMode::Starttls, starttls),
            (TlsMode::StarttlsIfOffered, starttls),
        ] {
            let connector = connector(&Settings::default());
            let outcome = connector.connect(answer(bytes), mode, LIMIT).await;
            let error = outcome.map(drop).unwrap_err();
            assert_eq!(error.reason, reason, "{text}");
            assert_eq!(error.confidence, Confidence::Observed);
            assert_eq!(error.evidence.first_bytes, bytes);
            assert_eq!(error.evidence.mode, mode);
            assert_says(&error, &[text]);
        }
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_the_offer_are_told() {
    // ServerHello: version, random, an empty session id, suite, compression.
    macro_rules! server_hello {
        ($minor:literal, $suite:expr) => {
            &[
                22, 3, 3, 0, 42, 2, 0, 0, 38, 3, $minor, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
                9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, $suite[0], $suite[1], 0,
            ]
        };
    }
    let error = refused(&Settings::default(), answer(server_hello!(1, [0x00, 0x2f]))).await;
    assert_eq!(error.reason, Reason::NoCommonVersion);
    assert_says(&error, &["The relay chose TLS 1.0", "protocol_version"]);
    let negotiated = error.evidence.negotiated.unwrap();
    assert_eq!(negotiated.version, Some(TlsVersion::Tls10));

    let error = refused(&Settings::default(), answer(server_hello!(3, [0x00, 0x2f]))).await;
    assert_eq!(error.reason, Reason::NoCommonCipher);
    assert_says(
        &error,
        &["TLS_RSA_WITH_AES_128_CBC_SHA", "handshake_failure"],
    );

    let only_13 = Settings {
        min_version: Some(Version::Tls13),
        ..Settings::default()
    };
    let error = refused(&only_13, answer(server_hello!(3, [0xc0, 0x2f]))).await;
    assert_eq!(error.reason, Reason::NoCommonVersion);
    assert_says(
        &error,
        &["The relay chose TLS 1.2, and was offered TLS 1.3"],
    );
}

#[tokio::test]
async fn nonsense_in_tls_is_shown() {
    let bytes = b"\x16\x03\x03\x00\x08\x02\x00\x00\x04\xff\xff\xff\xff";
    let error = refused(&Settings::default(), answer(bytes)).await;
    assert_eq!(error.reason, Reason::ProtocolViolation);
    assert_eq!(&error.evidence.first_bytes[..], bytes);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_told_in_words() {
    // It announces a mebibyte.
    let bytes = b"\x16\x03\x03\x00\x04\x02\x10\x00\x00";
    let error = refused(&Settings::default(), answer(bytes)).await;
    assert_eq!(error.reason, Reason::ProtocolViolation);
    assert_says(&error, &["larger than 64 KiB", "decode_error"]);
}

#[tokio::test]
async fn a_common_version_is_named_from_the_other_side_too() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    let only_13 = Settings {
        min_version: Some(Version::Tls13),
        ..trusting(&[root.der()])
    };
    let (io, _) = serve(server(&identity, &[&rustls::version::TLS12]));
    let error = refused(&only_13, io).await;
    assert_eq!(error.reason, Reason::NoCommonVersion);
    assert_says(&error, &["TLS 1.3"]);
}

#[tokio::test]
async fn facts_of_a_session_are_told() {
    let root = Authority::new("Test Root");
    let identity = root.issue(&leaf_params(&[HOST]), &[]);
    let (io, _) = serve(server(&identity, rustls::ALL_VERSIONS));
    let (_, session) = implicit(&trusting(&[root.der()]), io).await.unwrap();
    assert_eq!(session.version, Some(TlsVersion::Tls13));
    assert_eq!(
        session.cipher_suite.as_deref(),
        Some("TLS_AES_256_GCM_SHA384")
    );
    assert_eq!(
        session.key_exchange_group.as_deref(),
        Some("X25519MLKEM768")
    );
    assert_eq!(session.server_name, HOST);
    assert_eq!(
        session.certificate,
        Some(super::certificate::describe(&identity.chain[0]))
    );
}
