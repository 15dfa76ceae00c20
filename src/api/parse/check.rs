//! A request to check a relay.

use super::{Path, Violations, relay, tls};
use crate::{api::pb, relay::Scope, sender::Inspection};

/// Parses a request to check a relay.
pub(in crate::api) fn check_relay(
    request: pb::CheckRelayRequest,
) -> Result<Inspection, Violations> {
    let mut violations = Violations::default();
    let path = Path::root("relay");
    let relay = violations
        .require(path, request.relay)
        .and_then(|target| relay::choice(&mut violations, path, Some(target)));
    let tls = tls::settings(&mut violations, Path::root("tls"), request.tls);
    let ehlo_name = violations.parse_optional(Path::root("ehlo_name"), &request.ehlo_name);
    match relay {
        Some(relay) if violations.is_empty() => Ok(Inspection {
            relay,
            tls,
            scope: Scope {
                authenticate: request.authenticate,
                probe: request.probe,
                deep: request.deep,
                ehlo_name,
            },
        }),
        _ => Err(violations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::CheckRelayRequest {
        pb::CheckRelayRequest {
            relay: Some(pb::RelayTarget {
                target: Some(pb::relay_target::Target::Name("primary".into())),
            }),
            ..pb::CheckRelayRequest::default()
        }
    }

    fn broken(request: pb::CheckRelayRequest) -> Vec<(String, String)> {
        let violations = check_relay(request).unwrap_err().first;
        violations
            .into_iter()
            .map(|it| (it.field, it.reason))
            .collect()
    }

    #[test]
    fn what_is_asked_for_is_looked_at() {
        let inspection = check_relay(pb::CheckRelayRequest {
            deep: true,
            ehlo_name: "[192.0.2.1]".into(),
            ..request()
        })
        .unwrap();
        let scope = inspection.scope;
        assert!(scope.deep && !scope.probe && !scope.authenticate);
        assert_eq!(scope.ehlo_name.unwrap().to_string(), "[192.0.2.1]");
    }

    #[test]
    fn all_that_is_wrong_is_told_by_field() {
        let told = broken(pb::CheckRelayRequest {
            relay: None,
            ehlo_name: "a b".into(),
            tls: Some(pb::TlsOptions {
                mode: 99,
                ..pb::TlsOptions::default()
            }),
            ..request()
        });
        let told: Vec<_> = told.iter().map(|(f, r)| (f.as_str(), r.as_str())).collect();
        assert_eq!(
            told,
            [
                ("relay", "REQUIRED"),
                ("tls.mode", "UNKNOWN_VALUE"),
                ("ehlo_name", "SYNTAX"),
            ]
        );
        let told = broken(pb::CheckRelayRequest {
            relay: Some(pb::RelayTarget::default()),
            ..request()
        });
        assert_eq!(told, [("relay".to_owned(), "REQUIRED".to_owned())]);
    }

    #[test]
    fn an_ehlo_name_has_at_most_253_characters() {
        let name = |length: usize| {
            let label = "a".repeat(49) + ".";
            let name = label.repeat(6);
            pb::CheckRelayRequest {
                ehlo_name: name[..length].into(),
                ..request()
            }
        };
        assert!(check_relay(name(252)).is_ok());
        assert!(check_relay(name(253)).is_ok());
        assert!(check_relay(name(254)).is_err());
    }
}
