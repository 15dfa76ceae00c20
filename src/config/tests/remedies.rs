//! The settings that remedies name, held against those that there are.

use std::time::SystemTime;

use bytes::Bytes;
use strum::IntoEnumIterator as _;

use crate::{
    config::fixture::Fixture,
    relay::{Choice, Directory, remedies},
    report::{
        Certificate, Confidence, Reason, RelayEndpoint, RelayFailure, Stage, TlsEvidence, TlsMode,
        TlsOffer,
    },
    tls,
};

const RELAY: &str = "[relays.primary]\nhost = \"smtp.example.com\"\nport = 2525\n";

fn leaf() -> Certificate {
    Certificate {
        subject: String::new(),
        issuer: String::new(),
        serial_number: String::new(),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::UNIX_EPOCH,
        subject_alt_names: ["*.example.com", "a b", "mail.example.com"]
            .map(Into::into)
            .into(),
        sha256_fingerprint: String::new(),
        signature_algorithm: String::new(),
        public_key: String::new(),
        self_signed: true,
        key_pin: format!("sha256/{}=", "A".repeat(43)),
        key_usage: Vec::new(),
    }
}

#[test]
fn a_remedy_names_a_setting_that_exists_and_a_value_that_it_takes() {
    let fixture = Fixture::new();
    let settings = fixture.load(RELAY).unwrap().relay;
    let name = Choice::Named("primary".parse().unwrap());
    let target = Directory::new(settings)
        .unwrap()
        .find(&name, "", &tls::Settings::default())
        .unwrap();
    let mut values = 0;
    for (reason, stage) in Reason::iter().flat_map(|r| Stage::iter().map(move |s| (r, s))) {
        let failure = RelayFailure {
            reason,
            stage,
            origin: target.origin,
            retry_after: None,
            confidence: Confidence::Observed,
            alternatives: vec![Reason::TlsOnPlaintextPort],
            summary: String::new(),
            remedies: Vec::new(),
            endpoint: RelayEndpoint {
                relay: target.relay.clone(),
                host: target.host.to_string(),
                port: target.port,
                ip: None,
            },
            reply: None,
            connect_attempts: Vec::new(),
            tls: Some(Box::new(TlsEvidence {
                mode: TlsMode::Starttls,
                server_name: "smtp.example.com".into(),
                alert: None,
                offered: TlsOffer::default(),
                negotiated: None,
                certificates: vec![leaf()],
                first_bytes: Bytes::new(),
                probes: Vec::new(),
                flaws: Vec::new(),
                trust_source: "system",
                starttls_reply: None,
            })),
            recipients: Vec::new(),
            library_message: None,
            missing_extension: None,
            first_bytes: Bytes::new(),
        };
        let remedies = remedies(&failure, &target);
        assert!(!remedies.is_empty(), "{reason:?}");
        assert!(!remedies[0].summary.starts_with("Or "), "{reason:?}");
        for (key, value) in remedies.into_iter().filter_map(|it| it.setting) {
            let loaded = fixture.load_with(RELAY, &[], &[(&key, &value)]);
            if value.is_empty() {
                let told = loaded.err().map(|error| error.to_string());
                let told = told.unwrap_or_default();
                assert!(!told.contains("not a known key"), "{reason:?}: {told}");
            } else {
                values += 1;
                loaded.unwrap_or_else(|error| panic!("{reason:?}: {error}"));
            }
        }
    }
    assert!(values > 100, "only {values}");
}
