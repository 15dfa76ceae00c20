//! Fields whose values are limited by more than their length.

use super::*;
use crate::{
    mail::{Content, MediaType, RecipientPolicy},
    relay::Choice,
    report::TlsMode,
    tls::Version,
};

fn one(request: pb::SendMailRequest) -> (String, String) {
    let mut told = broken(request);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

fn is(told: &(String, String), path: &str, rule: &str) {
    assert_eq!((told.0.as_str(), told.1.as_str()), (path, rule));
}

#[test]
fn what_is_required_is_missed() {
    is(&one(pb::SendMailRequest::default()), "mail", "REQUIRED");
    let mut request = small();
    mail(&mut request).content = None;
    is(&one(request), "mail", "REQUIRED");
    let mut request = small();
    message(&mut request).from_address = None;
    is(&one(request), "mail.message.from_address", "REQUIRED");
    let mut request = small();
    mail(&mut request).relay = Some(pb::RelayTarget { target: None });
    is(&one(request), "mail.relay", "REQUIRED");
    let mut request = small();
    mail(&mut request).relay = Some(relay(pb::relay_target::Target::Custom(pb::CustomRelay {
        host: "a".into(),
        credentials: Some(pb::Credentials { secret: None }),
        ..pb::CustomRelay::default()
    })));
    is(&one(request), "mail.relay.custom.credentials", "REQUIRED");
    let mut request = small();
    message(&mut request).list_unsubscribe = Some(pb::ListUnsubscribe {
        mailto: "mailto:a@b".into(),
        one_click: true,
        ..pb::ListUnsubscribe::default()
    });
    is(&one(request), "mail.message.list_unsubscribe", "REQUIRED");
}

#[test]
fn a_bad_uri_is_not_missed_as_well() {
    let mut request = small();
    message(&mut request).list_unsubscribe = Some(pb::ListUnsubscribe {
        https: "http://a".into(),
        one_click: true,
        ..pb::ListUnsubscribe::default()
    });
    is(
        &one(request),
        "mail.message.list_unsubscribe.https",
        "SYNTAX",
    );
}

#[test]
fn values_of_no_enumeration_are_refused() {
    let mut request = small();
    mail(&mut request).recipient_policy = 3;
    is(&one(request), "mail.recipient_policy", "UNKNOWN_VALUE");
    for mode in [-1, 5] {
        let mut request = small();
        tls(&mut request).mode = mode;
        is(&one(request), "mail.tls.mode", "UNKNOWN_VALUE");
    }
    for version in [-1, 1, 2, 3, 6] {
        let mut request = small();
        tls(&mut request).min_version = version;
        is(&one(request), "mail.tls.min_version", "UNKNOWN_VALUE");
        let mut request = small();
        tls(&mut request).max_version = version;
        is(&one(request), "mail.tls.max_version", "UNKNOWN_VALUE");
    }
}

#[test]
fn known_values_are_taken() {
    for (given, expected) in [
        (pb::RecipientPolicy::Unspecified, RecipientPolicy::Any),
        (pb::RecipientPolicy::Any, RecipientPolicy::Any),
        (pb::RecipientPolicy::All, RecipientPolicy::All),
    ] {
        let mut request = small();
        mail(&mut request).set_recipient_policy(given);
        assert_eq!(parse(request).unwrap().order.policy, expected);
    }
    for (given, expected) in [
        (pb::TlsMode::Unspecified, None),
        (pb::TlsMode::Implicit, Some(TlsMode::Implicit)),
        (pb::TlsMode::Starttls, Some(TlsMode::Starttls)),
        (
            pb::TlsMode::StarttlsIfOffered,
            Some(TlsMode::StarttlsIfOffered),
        ),
        (pb::TlsMode::Plaintext, Some(TlsMode::Plaintext)),
    ] {
        let mut request = small();
        tls(&mut request).set_mode(given);
        assert_eq!(parse(request).unwrap().order.tls.mode, expected);
    }
}

#[test]
fn fields_that_are_not_set_leave_tls_as_it_is() {
    let mut request = small();
    tls(&mut request).set_min_version(pb::TlsVersion::TlsVersion13);
    let settings = parse(request).unwrap().order.tls;
    assert_eq!(settings.min_version, Some(Version::Tls13));
    assert!(settings.mode.is_none() && settings.max_version.is_none());
    assert!(settings.server_name.is_none() && settings.trust_anchors.is_none());
    assert!(settings.key_pins.is_none() && settings.system_roots.is_none());
}

#[test]
fn versions_that_exclude_each_other_are_refused() {
    let mut request = small();
    tls(&mut request).set_min_version(pb::TlsVersion::TlsVersion13);
    tls(&mut request).set_max_version(pb::TlsVersion::TlsVersion12);
    is(&one(request), "mail.tls.min_version", "CONFLICT");
}

#[test]
fn trust_anchors_are_certificates() {
    let mut request = small();
    tls(&mut request).trust_anchors_pem = format!("{PEM}{PEM}");
    let settings = parse(request).unwrap().order.tls;
    assert_eq!(settings.trust_anchors.unwrap().len(), 2);
    let key = PEM.replace("CERTIFICATE", "PRIVATE KEY");
    let cut = PEM.replace("MII", "MIA");
    for bad in ["no PEM", " ", key.as_str(), cut.as_str(), &PEM[..99]] {
        let mut request = small();
        tls(&mut request).trust_anchors_pem = bad.into();
        is(&one(request), "mail.tls.trust_anchors_pem", "SYNTAX");
    }
}

#[test]
fn key_pins_have_one_form() {
    for bad in [&PIN[..50], &format!("{PIN}="), "", &PIN["sha256/".len()..]] {
        let mut request = small();
        tls(&mut request).key_pins = vec![PIN.into(), bad.into()];
        assert_eq!(one(request).0, "mail.tls.key_pins[1]", "{bad}");
    }
}

#[test]
fn a_custom_relay_without_a_port_is_at_587() {
    for (given, expected) in [(0, 587), (1, 1), (465, 465), (65_535, 65_535)] {
        let mut request = small();
        mail(&mut request).relay = Some(relay(pb::relay_target::Target::Custom(pb::CustomRelay {
            host: "mail.example.com".into(),
            port: given,
            credentials: None,
        })));
        let Choice::Custom(relay) = parse(request).unwrap().order.relay else {
            panic!("the relay is custom");
        };
        assert_eq!(relay.port, expected);
        assert!(relay.credentials.is_none());
    }
}

#[test]
fn a_date_fits_into_a_header() {
    let second = |seconds, nanos| {
        let mut request = small();
        message(&mut request).date = Some(prost_types::Timestamp { seconds, nanos });
        broken(request)
    };
    let out_of_range = [("mail.message.date".to_owned(), "OUT_OF_RANGE".to_owned())];
    let (first, last) = (crate::mail::Date::MIN_SECOND, crate::mail::Date::MAX_SECOND);
    for good in [first, first + 1, 0, last - 1, last] {
        assert_eq!(second(good, 0), [], "{good}");
    }
    for bad in [i64::MIN, first - 1, last + 1, i64::MAX] {
        assert_eq!(second(bad, 0), out_of_range, "{bad}");
    }
    assert_eq!(second(0, 999_999_999), []);
    for bad in [i32::MIN, -1, 1_000_000_000, i32::MAX] {
        assert_eq!(second(0, bad), out_of_range, "{bad}");
    }
}

#[test]
fn tags_have_plain_keys() {
    for (key, rule) in [
        ("Key", "FORBIDDEN_CHARACTER"),
        ("1key", "FORBIDDEN_CHARACTER"),
        ("_key", "FORBIDDEN_CHARACTER"),
        ("k y", "FORBIDDEN_CHARACTER"),
        ("k\u{fc}", "FORBIDDEN_CHARACTER"),
    ] {
        let mut request = small();
        mail(&mut request).tags = [(key.into(), "v".into())].into();
        is(&one(request), &format!("mail.tags[{key:?}]"), rule);
    }
    let mut request = small();
    mail(&mut request).tags = [("a1_.-".into(), String::new())].into();
    let tags = parse(request).unwrap().order.tags;
    assert_eq!(tags, [("a1_.-".to_owned(), String::new())]);
}

#[test]
fn a_file_without_a_type_is_an_octet_stream() {
    let mut request = small();
    message(&mut request).attachments = vec![pb::Attachment::default()];
    let Content::Message(message) = parse(request).unwrap().order.mail.content else {
        panic!("the mail is composed");
    };
    assert_eq!(message.attachments[0].content_type, MediaType::OCTET_STREAM);
    assert!(message.attachments[0].content_id.is_none());
}

#[test]
fn a_long_key_makes_no_long_answer() {
    let mut request = small();
    mail(&mut request).tags = [("\u{1}".repeat(100_000), "v".into())].into();
    let (path, _) = one(request);
    assert!(path.len() <= 160, "{}", path.len());
}
