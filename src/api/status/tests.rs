//! What a caller gets to see of an error.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*, sample::select};
use strum::IntoEnumIterator as _;

use super::*;
use crate::{
    mail::Broken,
    report::{
        Action, AlertDirection, Certificate, Confidence, ConnectAttempt, EnhancedStatusCode, Flaw,
        Party, Reason, RecipientResult, RecipientState, RelayEndpoint, RelayFailure, RelayOrigin,
        Remedy, Reply, ReplyCode, Stage, TlsAlert, TlsEvidence, TlsMode, TlsOffer, TlsSession,
        TlsVersion,
    },
    sender::SendError,
};

fn failure(reason: Reason) -> RelayFailure {
    RelayFailure {
        reason,
        stage: Stage::TlsHandshake,
        origin: RelayOrigin::Configured,
        retry_after: None,
        confidence: Confidence::Observed,
        alternatives: Vec::new(),
        summary: "The certificate of mail.example.com expired 3 days ago.".into(),
        remedies: Vec::new(),
        endpoint: RelayEndpoint {
            relay: Some("primary".into()),
            host: "mail.example.com".into(),
            port: 587,
            ip: None,
        },
        reply: None,
        connect_attempts: Vec::new(),
        tls: None,
        recipients: Vec::new(),
        library_message: None,
        missing_extension: None,
        first_bytes: Bytes::new(),
    }
}

fn reply(lines: Vec<String>) -> Reply {
    Reply {
        code: ReplyCode::new(550).unwrap(),
        enhanced: Some(EnhancedStatusCode {
            class: 5,
            subject: 1,
            detail: 1,
        }),
        lines,
    }
}

fn recipient(index: usize, lines: Vec<String>) -> RecipientResult {
    RecipientResult {
        address: format!("r{index}@example.com").parse().unwrap(),
        state: RecipientState::Rejected,
        reply: Some(reply(lines)),
    }
}

fn certificate(names: Vec<String>) -> Certificate {
    Certificate {
        subject: "CN=mail.example.com".into(),
        issuer: "CN=Test CA".into(),
        serial_number: "0a".repeat(20),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        subject_alt_names: names,
        sha256_fingerprint: "ab".repeat(32),
        signature_algorithm: "ecdsa-with-SHA256".into(),
        public_key: "EC P-256".into(),
        self_signed: false,
        key_pin: "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
        key_usage: Vec::new(),
    }
}

fn evidence(certificates: Vec<Certificate>) -> TlsEvidence {
    TlsEvidence {
        mode: TlsMode::Starttls,
        server_name: "mail.example.com".into(),
        alert: None,
        offered: TlsOffer {
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            cipher_suites: vec!["TLS13_AES_256_GCM_SHA384".into()],
            key_exchange_groups: vec!["X25519MLKEM768".into()],
            signature_schemes: vec!["ED25519".into()],
            hello_bytes: 1500,
        },
        negotiated: None,
        certificates,
        first_bytes: Bytes::new(),
        probes: Vec::new(),
        flaws: Vec::new(),
        trust_source: "system",
        starttls_reply: None,
    }
}

fn status(failure: RelayFailure) -> Status {
    pb::SendError::from(SendError::Relay(Box::new(failure))).into()
}

fn shown(failure: RelayFailure) -> pb::RelayFailure {
    read(&status(failure)).failure.unwrap()
}

#[test]
fn every_detail_arrives_and_comes_back() {
    let mut failure = failure(Reason::Deferred);
    failure.retry_after = Some(Duration::from_millis(2500));
    failure.reply = Some(reply(vec!["try later".into()]));
    let status = status(failure.clone());
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), failure.summary);
    assert_eq!(status.metadata().get(PUSHBACK).unwrap(), "2500");

    let details = rpc::Status::decode(status.details()).unwrap();
    assert_eq!(details.code, i32::from(Code::Unavailable));
    assert_eq!(details.message, failure.summary);
    let types: Vec<_> = details
        .details
        .iter()
        .map(|any| any.type_url.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "type.googleapis.com/google.rpc.ErrorInfo",
            "type.googleapis.com/posthaste.v1.RelayFailure",
            "type.googleapis.com/google.rpc.Help",
            "type.googleapis.com/google.rpc.RetryInfo",
        ]
    );
    let help = rpc::Help::decode(details.details[2].value.as_slice()).unwrap();
    assert_eq!(help.links[0].url, "docs/failures/DEFERRED.md");
    let info = rpc::ErrorInfo::decode(details.details[0].value.as_slice()).unwrap();
    assert_eq!(
        (info.domain.as_str(), info.reason.as_str()),
        ("posthaste", "DEFERRED")
    );

    let sent = pb::SendError::from(SendError::Relay(Box::new(failure)));
    assert_eq!(read(&status), sent);
}

#[test]
fn a_client_is_not_held_back_for_long() {
    for (millis, expected) in [
        (0, "0"),
        (9_999, "9999"),
        (10_000, "10000"),
        (10_001, "-1"),
        (u64::MAX, "-1"),
    ] {
        let mut failure = failure(Reason::Deferred);
        failure.retry_after = Some(Duration::from_millis(millis));
        let status = status(failure);
        assert_eq!(status.metadata().get(PUSHBACK).unwrap(), expected);
    }
    assert!(
        status(failure(Reason::Deferred))
            .metadata()
            .get(PUSHBACK)
            .is_none()
    );
}

#[test]
fn an_unknown_relay_is_named_as_a_resource() {
    let refusal = crate::relay::Refusal::NotFound("nowhere".parse().unwrap());
    let status = Status::from(pb::SendError::from(SendError::from(refusal)));
    assert_eq!(status.code(), Code::NotFound);
    let details = rpc::Status::decode(status.details()).unwrap();
    let resource =
        unpack::<rpc::ResourceInfo>(&details.details[1], "google.rpc.ResourceInfo").unwrap();
    assert_eq!(resource.resource_name, "nowhere");
    assert_eq!(resource.resource_type, "posthaste.v1.Relay");
}

#[test]
fn violations_are_bounded_in_size_and_counted() {
    let long = "é".repeat(5000);
    let mut violations = pb::SendError::from(crate::api::parse::Violations::one(
        crate::api::parse::Path::root("mail"),
        &Broken::new(crate::mail::Rule::Syntax, long),
    ));
    let one = violations.violations[0].clone();
    assert!(one.description.len() <= 160);
    violations.violations = vec![one; 20];
    violations.violations_omitted = 5;
    violations
        .metadata
        .insert(VIOLATIONS_TOTAL.into(), "25".into());
    let status = Status::from(violations);
    assert!(status.details().len() <= MAX_STATUS_BYTES);
    let told = read(&status);
    assert!(told.violations.len() > 10, "{}", told.violations.len());
    assert_eq!(told.violations.len() + told.violations_omitted as usize, 25);
}

#[test]
fn the_message_is_short_printable_ascii() {
    for (given, expected) in [
        ("plain".to_owned(), "plain".to_owned()),
        ("caf\u{e9}\r\n".to_owned(), "caf???".to_owned()),
        ("x".repeat(600), "x".repeat(512)),
        ("é".repeat(600), "?".repeat(512)),
    ] {
        assert_eq!(ascii(&given), expected);
    }
}

/// Texts that together are far over the budget.
fn crowd(failure: &mut RelayFailure) {
    failure.recipients = (0..30)
        .map(|n| recipient(n, vec!["x".repeat(400)]))
        .collect();
}

#[test]
fn the_librarys_words_go_first() {
    let mut failure = failure(Reason::CertExpired);
    failure.library_message = Some("x".repeat(3000));
    failure.tls = Some(Box::new(evidence(vec![
        certificate(vec![
            "n".repeat(60);
            12
        ]);
        3
    ])));
    let shown = shown(failure);
    assert!(shown.library_message.is_empty());
    assert_eq!(shown.tls.unwrap().certificates.len(), 3);
}

#[test]
fn issuers_go_before_names() {
    let mut failure = failure(Reason::CertExpired);
    failure.tls = Some(Box::new(evidence(vec![
        certificate(vec![
            "n".repeat(100);
            16
        ]);
        3
    ])));
    let tls = shown(failure).tls.unwrap();
    assert_eq!(tls.certificates.len(), 1);
    assert_eq!(tls.certificates[0].subject_alt_names.len(), 16);
    assert!(tls.offered.is_some());
}

#[test]
fn names_go_before_the_offer_and_are_counted() {
    let mut failure = failure(Reason::CertExpired);
    failure.tls = Some(Box::new(evidence(vec![certificate(vec![
        "n".repeat(250);
        20
    ])])));
    let tls = shown(failure).tls.unwrap();
    let certificate = &tls.certificates[0];
    assert!((1..16).contains(&certificate.subject_alt_names.len()));
    let all = certificate.subject_alt_names.len() + certificate.subject_alt_names_omitted as usize;
    assert_eq!(all, 20);
    assert!(tls.offered.is_some());
}

#[test]
fn the_offer_goes_last() {
    let mut failure = failure(Reason::NoCommonCipher);
    let mut evidence = evidence(Vec::new());
    evidence.offered.cipher_suites = vec!["x".repeat(50); 100];
    failure.tls = Some(Box::new(evidence));
    assert!(shown(failure).tls.unwrap().offered.is_none());
}

#[test]
fn long_replies_are_cut_before_recipients_go() {
    let mut failure = failure(Reason::RecipientsRejected);
    failure.reply = Some(reply(vec!["first".into()]));
    crowd(&mut failure);
    let shown = shown(failure);
    assert_eq!(shown.reply.unwrap().lines, ["first"]);
    assert_eq!(shown.recipients.len(), 20);
    assert_eq!(shown.recipients_omitted, 10);
    let text: usize = shown
        .recipients
        .iter()
        .flat_map(|recipient| &recipient.reply.as_ref().unwrap().lines)
        .map(String::len)
        .sum();
    assert_eq!(text, 1024 - "first".len());
}

#[test]
fn recipients_that_do_not_fit_are_counted() {
    let mut failure = failure(Reason::RecipientsRejected);
    failure.recipients = (0..100)
        .map(|n| RecipientResult {
            address: format!(
                "{}{n}@{}.example",
                "l".repeat(50),
                ["d".repeat(60), "e".repeat(60), "f".repeat(60)].join(".")
            )
            .parse()
            .unwrap(),
            ..recipient(n, Vec::new())
        })
        .collect();
    let shown = shown(failure);
    assert!((10..20).contains(&shown.recipients.len()));
    assert_eq!(
        shown.recipients.len() + shown.recipients_omitted as usize,
        100
    );
}

fn huge() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z ]{1,40}",
        (0..6000_usize).prop_map(|len| "x".repeat(len)),
        (0..3000_usize).prop_map(|len| "é\u{1}".repeat(len)),
    ]
}

fn reasons() -> impl Strategy<Value = Reason> {
    select(Reason::iter().collect::<Vec<_>>())
}

fn replies() -> impl Strategy<Value = Reply> {
    vec(huge(), 0..40).prop_map(reply)
}

prop_compose! {
    fn certificates()(
        subject in huge(),
        issuer in huge(),
        names in vec(huge(), 0..40),
        serial_number in huge(),
    ) -> Certificate {
        Certificate { subject, issuer, serial_number, ..certificate(names) }
    }
}

prop_compose! {
    fn sessions()(
        cipher_suite in option::of(huge()),
        server_name in huge(),
        certificate in option::of(certificates()),
    ) -> TlsSession {
        TlsSession {
            mode: TlsMode::Implicit,
            version: Some(TlsVersion::Tls13),
            cipher_suite,
            key_exchange_group: None,
            resumed: false,
            server_name,
            certificate,
        }
    }
}

prop_compose! {
    fn evidences()(
        server_name in huge(),
        alert in option::of(huge()),
        offered in vec(huge(), 0..60),
        negotiated in option::of(sessions()),
        certificates in vec(certificates(), 0..6),
        first_bytes in vec(any::<u8>(), 0..300),
        starttls_reply in option::of(replies()),
        flaws in vec((reasons(), huge()), 0..30),
    ) -> TlsEvidence {
        let flaws = flaws.into_iter().map(|(reason, summary)| Flaw {
            reason,
            confidence: Confidence::Observed,
            summary,
        });
        TlsEvidence {
            server_name,
            alert: alert.map(|name| TlsAlert { direction: AlertDirection::Sent, code: 40, name }),
            offered: TlsOffer {
                cipher_suites: offered.clone(),
                key_exchange_groups: offered.clone(),
                signature_schemes: offered,
                ..TlsOffer::default()
            },
            negotiated,
            first_bytes: first_bytes.into(),
            starttls_reply,
            flaws: flaws.collect(),
            ..evidence(certificates)
        }
    }
}

prop_compose! {
    fn remedies()(summary in huge(), setting in option::of((huge(), huge()))) -> Remedy {
        Remedy { action: Action::Investigate, party: Party::Operator, summary, setting }
    }
}

prop_compose! {
    fn failures()(
        reason in reasons(),
        stage in select(Stage::iter().collect::<Vec<_>>()),
        retry_after in option::of(any::<Duration>()),
        alternatives in vec(reasons(), 0..100),
        summary in huge(),
        remedies in vec(remedies(), 0..12),
        host in huge(),
        relay in option::of(huge()),
        reply in option::of(replies()),
        attempts in vec(any::<u128>(), 0..100),
        tls in option::of(evidences()),
        recipients in vec(vec(huge(), 0..4), 0..60),
        library_message in option::of(huge()),
    ) -> RelayFailure {
        let connect_attempts = attempts.into_iter().map(|ip| ConnectAttempt {
            ip: IpAddr::V6(Ipv6Addr::from_bits(ip)),
            reason: Some(Reason::ConnectTimeout),
            elapsed: Duration::MAX,
        });
        RelayFailure {
            stage,
            retry_after,
            alternatives,
            summary,
            remedies,
            endpoint: RelayEndpoint { relay, host, port: 65_535, ip: Some(Ipv6Addr::LOCALHOST.into()) },
            reply,
            connect_attempts: connect_attempts.collect(),
            tls: tls.map(Box::new),
            recipients: recipients
                .into_iter()
                .enumerate()
                .map(|(index, lines)| recipient(index, lines))
                .collect(),
            library_message,
            missing_extension: Some("SMTPUTF8"),
            first_bytes: vec![0xff; 300].into(),
            ..failure(reason)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_failure_fits_and_keeps_what_matters(failure in failures()) {
        let status = status(failure.clone());
        prop_assert!(status.details().len() <= MAX_STATUS_BYTES, "{}", status.details().len());
        prop_assert!(status.message().len() <= MAX_MESSAGE_BYTES);
        prop_assert!(status.message().is_ascii());

        let told = read(&status);
        prop_assert_eq!(told.reason, failure.reason.name());
        prop_assert_eq!(told.retry_after.is_some(), failure.retry_after.is_some());
        let shown = told.failure.unwrap();
        prop_assert_eq!(shown.reason, failure.reason as i32);
        prop_assert_eq!(shown.stage, failure.stage as i32);
        prop_assert_eq!(shown.acceptance, failure.acceptance() as i32);
        prop_assert_eq!(shown.summary, clip(&failure.summary, 512));
        prop_assert!(shown.remedies.len() >= failure.remedies.len().min(3));
        let recipients = shown.recipients.len() + shown.recipients_omitted as usize;
        prop_assert_eq!(recipients, failure.recipients.len());
    }
}
