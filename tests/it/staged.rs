//! Every reason has a test that brings it about.

use std::{fs, path::Path};

use posthaste::{
    faultd::{catalogue, exception},
    report::Reason,
};
use strum::IntoEnumIterator as _;

/// The test that stages a reason that no port of the fault relay can: its
/// file and its name. `Err`: why there is none.
fn stage(reason: Reason) -> Result<(&'static str, &'static str), &'static str> {
    Ok(match reason {
        Reason::DnsNotFound => (
            "src/sender/unresolved.rs",
            "a_name_that_does_not_exist_is_for_who_configured_it",
        ),
        Reason::DnsTemporary => (
            "src/sender/unresolved.rs",
            "a_name_server_that_fails_or_is_silent_leaves_it_open",
        ),
        Reason::ConnectTimeout | Reason::ConnectUnreachable => (
            "tests/it/connecting.rs",
            "an_address_without_a_route_and_a_silent_one_are_told_apart",
        ),
        Reason::AuthToken => (
            "tests/it/logins.rs",
            "a_token_that_cannot_be_renewed_is_told_from_one_that_is_refused",
        ),
        Reason::DeadlineExceeded => (
            "tests/it/deadlines.rs",
            "before_the_end_of_data_the_answer_names_the_stage_and_the_id_is_free",
        ),
        Reason::LocalTrustStore => (
            "tests/it/check.rs",
            "trust_anchors_that_cannot_be_read_are_a_cause",
        ),
        Reason::LocalClock => (
            "tests/it/here.rs",
            "a_clock_before_this_program_was_made_is_blamed_and_not_the_certificate",
        ),
        Reason::LocalConfig => (
            "tests/it/here.rs",
            "credentials_that_would_go_in_plaintext_beyond_loopback_stay_here",
        ),
        Reason::LocalInternal => (
            "tests/it/here.rs",
            "a_fault_in_posthaste_ends_one_mail_and_not_the_service",
        ),
        Reason::LocalStore => return Err("nothing stores mails yet"),
        _ => return Err("it has no entry here"),
    })
}

/// The text of a test, from its name to its end.
fn body<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let from = source.find(&format!("async fn {name}() {{"))?;
    let rest = &source[from..];
    rest.find("\n}\n").map(|end| &rest[..end])
}

/// The catalogue's own test runs every case of it.
#[test]
fn every_reason_is_brought_about_by_a_test() {
    let cases = catalogue();
    let mut missing = Vec::new();
    for reason in Reason::iter() {
        let is_served = cases.iter().any(|case| case.reason == Some(reason));
        assert_eq!(is_served, exception(reason).is_none(), "{reason:?}");
        if is_served {
            continue;
        }
        let (file, test) = match stage(reason) {
            Ok(stage) => stage,
            Err(why) => {
                missing.push((reason, why));
                continue;
            }
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let source = fs::read_to_string(path).unwrap();
        let body =
            body(&source, test).unwrap_or_else(|| panic!("{reason:?}: {file} has no {test}"));
        let names = [format!("Reason::{reason:?}"), reason.name().to_owned()];
        assert!(
            names.iter().any(|it| body.contains(it)),
            "{test} is not about {reason:?}"
        );
    }
    assert_eq!(missing, [(Reason::LocalStore, "nothing stores mails yet")]);
}
