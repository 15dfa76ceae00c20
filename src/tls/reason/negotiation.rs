//! Relays whose answer to our `ClientHello` does not fit it.

use rustls::{Error, PeerIncompatible, PeerMisbehaved};

use super::{Facts, Finding, say, violation};
use crate::{
    report::Reason,
    tls::{offer::suite_name, version},
};

/// Why we cannot go on with what the relay chose.
pub(super) fn incompatible(error: &PeerIncompatible, facts: &Facts<'_>) -> Finding {
    use PeerIncompatible as Peer;

    match error {
        Peer::ServerDoesNotSupportTls12Or13 | Peer::ServerTlsVersionIsDisabledByOurConfig => {
            Finding::observed(
                Reason::NoCommonVersion,
                format!(
                    "The relay {}, and was offered {}",
                    chosen_version(facts),
                    say::versions(facts.offer)
                ),
            )
        }
        Peer::NoKxGroupsInCommon => Finding::observed(
            Reason::NoCommonGroup,
            "The relay and posthaste have no key exchange group in common",
        ),
        Peer::NoSignatureSchemesInCommon | Peer::NoCertificateRequestSignatureSchemesInCommon => {
            Finding::observed(
                Reason::NoCommonSignature,
                "The relay and posthaste have no signature scheme in common",
            )
        }
        Peer::NoCipherSuitesInCommon => Finding::observed(
            Reason::NoCommonCipher,
            "The relay and posthaste have no cipher suite in common",
        ),
        other => violation::of(&Error::PeerIncompatible(other.clone())),
    }
}

fn chosen_version(facts: &Facts<'_>) -> String {
    let chosen = facts.opening.server_hello().and_then(|it| it.version);
    chosen.map_or_else(
        || "chose another TLS version".to_owned(),
        |chosen| format!("chose {}", version::name(chosen)),
    )
}

/// What the relay did against the rules.
pub(super) fn misbehaved(error: &PeerMisbehaved, facts: &Facts<'_>) -> Finding {
    use PeerMisbehaved as Peer;

    match error {
        Peer::SelectedUnofferedCipherSuite
        | Peer::SelectedUnusableCipherSuiteForVersion
        | Peer::IllegalHelloRetryRequestWithUnofferedCipherSuite => Finding::observed(
            Reason::NoCommonCipher,
            format!(
                "The relay chose the cipher suite {}, which it was not offered",
                facts.opening.server_hello().map_or_else(
                    || "of another version".to_owned(),
                    |hello| suite_name(hello.suite)
                )
            ),
        ),
        Peer::SelectedUnofferedKxGroup
        | Peer::IllegalHelloRetryRequestWithUnofferedNamedGroup
        | Peer::WrongGroupForKeyShare => Finding::observed(
            Reason::NoCommonGroup,
            format!(
                "The relay chose a key exchange group that it was not offered: the offer was {}",
                say::names(&facts.offer.key_exchange_groups)
            ),
        ),
        Peer::SignedHandshakeWithUnadvertisedSigScheme | Peer::SignedKxWithWrongAlgorithm => {
            Finding::observed(
                Reason::NoCommonSignature,
                "The relay signed the handshake with a scheme that it was not offered",
            )
        }
        Peer::AttemptedDowngradeToTls12WhenTls13IsSupported => Finding::observed(
            Reason::DowngradeDetected,
            "The relay knows TLS 1.3 and TLS 1.2 was chosen: \
             somebody on the way lowered the version",
        ),
        Peer::SelectedUnofferedPsk | Peer::SelectedInvalidPsk => Finding::observed(
            Reason::PskRequired,
            "The relay chose a pre-shared key that it was not offered",
        ),
        other => violation::of(&Error::PeerMisbehaved(other.clone())),
    }
}
