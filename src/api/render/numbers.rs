//! The enumerations of the domain and of the protos are the same: `render`
//! casts one into the other.

use std::{collections::BTreeMap, fmt::Debug};

use strum::IntoEnumIterator;

use crate::{
    api::pb,
    report::{
        Acceptance, Action, AlertDirection, Confidence, Fault, Party, Reason, RecipientState,
        Retry, Stage, TlsMode, TlsVersion, WarningCode,
    },
};

/// Values that are still only in the protos.
const TO_COME: [&str; 1] = ["STATE_FENCED"];

fn same<T: IntoEnumIterator + Debug + Copy>(proto: &str, prefix: &str, number: fn(T) -> i32) {
    let theirs: BTreeMap<String, i32> = pb::DESCRIPTORS
        .get_enum_by_name(&format!("posthaste.v1.{proto}"))
        .unwrap()
        .values()
        .map(|value| (value.name().to_owned(), value.number()))
        .filter(|(name, number)| *number != 0 && !TO_COME.contains(&name.as_str()))
        .collect();
    let ours = T::iter()
        .map(|value| {
            (
                format!("{prefix}_{}", name(&format!("{value:?}"))),
                number(value),
            )
        })
        .collect();
    assert_eq!(theirs, ours, "{proto}");
}

/// `StarttlsIfOffered` as `STARTTLS_IF_OFFERED`, and `Tls12` as `1_2`.
fn name(variant: &str) -> String {
    match variant {
        "Tls12Only" => return "TLS12_ONLY".into(),
        "Ssl30" => return "SSL_3_0".into(),
        "Tls10" => return "1_0".into(),
        "Tls11" => return "1_1".into(),
        "Tls12" => return "1_2".into(),
        "Tls13" => return "1_3".into(),
        _ => {}
    }
    let mut name = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[test]
fn the_values_have_the_same_names_and_numbers() {
    same("RelayFailure.Reason", "REASON", |v: Reason| v as i32);
    same("RelayFailure.Fault", "FAULT", |v: Fault| v as i32);
    same("RelayFailure.Retry", "RETRY", |v: Retry| v as i32);
    same("RelayFailure.Confidence", "CONFIDENCE", |v: Confidence| {
        v as i32
    });
    same("RelayFailure.Acceptance", "ACCEPTANCE", |v: Acceptance| {
        v as i32
    });
    same("Remedy.Party", "PARTY", |v: Party| v as i32);
    same("Remedy.Action", "ACTION", |v: Action| v as i32);
    same("RecipientResult.State", "STATE", |v: RecipientState| {
        v as i32
    });
    same("TlsAlert.Direction", "DIRECTION", |v: AlertDirection| {
        v as i32
    });
    same(
        "CheckRelayResponse.Warning.Code",
        "CODE",
        |v: WarningCode| v as i32,
    );
    same("SmtpStage", "SMTP_STAGE", |v: Stage| v as i32);
    same("TlsMode", "TLS_MODE", |v: TlsMode| v as i32);
    same("TlsVersion", "TLS_VERSION", |v: TlsVersion| v as i32);
}

#[test]
fn a_reason_has_the_same_name_in_error_info() {
    for reason in Reason::iter() {
        let theirs = pb::relay_failure::Reason::try_from(reason as i32).unwrap();
        assert_eq!(theirs.as_str_name(), format!("REASON_{}", reason.name()));
    }
}
