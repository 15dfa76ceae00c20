//! Alerts that the relay sent.

use rustls::AlertDescription;

use super::{Facts, Finding, ending, say};
use crate::{
    report::{Reason, TlsVersion},
    tls::{opening::Opening, witness::ClientAuth},
};

/// A `ClientHello` above this does not fit into one packet of most networks,
/// nor past some middleboxes.
const LARGE: u32 = 1_200;
const UNRECOGNIZED_NAME: u8 = 112;

/// Why the relay sent `alert`.
pub(super) fn of(alert: AlertDescription, facts: &Facts<'_>) -> Finding {
    use AlertDescription as Alert;

    let said = say::alert(facts.alert);
    match alert {
        alert if is_farewell(alert) => ending::taken_leave(facts),
        Alert::CertificateRequired => client_certificate_required(facts),
        Alert::HandshakeFailure
        | Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::DecryptError
        // GnuTLS before 3.8 takes our empty Certificate for a broken one.
        | Alert::DecodeError
            if facts.seen.client_certificate != ClientAuth::NotAsked =>
        {
            client_certificate(facts)
        }
        Alert::HandshakeFailure if !facts.opening.is_settled() => Finding::ambiguous(
            Reason::HandshakeRefused,
            without_a_word(facts),
            format!(
                "The relay refused the handshake with {said}, which does not say why; \
                     it was offered {}{}",
                say::offered(facts.offer),
                say::retry(facts.opening)
            ),
        ),
        Alert::ProtocolVersion => Finding::observed(
            Reason::NoCommonVersion,
            format!(
                "The relay speaks none of the TLS versions that it was offered, {}: it sent {said}",
                say::versions(facts.offer)
            ),
        ),
        Alert::InsufficientSecurity => Finding::observed(
            Reason::NoCommonCipher,
            format!("The relay wants stronger cipher suites than it was offered: it sent {said}"),
        ),
        Alert::AccessDenied => Finding::observed(
            Reason::AccessDenied,
            format!("The relay's TLS policy refuses this client: it sent {said}"),
        ),
        Alert::InternalError => Finding::observed(
            Reason::ServerInternalError,
            format!("The relay failed in the handshake by its own account: it sent {said}"),
        ),
        Alert::UnrecognisedName => Finding::observed(
            Reason::SniRejected,
            format!(
                "The relay does not know the name {}: it sent {said}",
                say::host(facts.server_name)
            ),
        ),
        Alert::UnknownPSKIdentity => Finding::observed(
            Reason::PskRequired,
            format!("The relay wants a pre-shared key: it sent {said}"),
        ),
        Alert::NoApplicationProtocol => Finding::observed(
            Reason::AlpnRejected,
            format!("The port expects another application protocol: it sent {said}"),
        ),
        Alert::BadRecordMac | Alert::DecryptionFailed => Finding::inferred(
            Reason::Corrupted,
            format!("What posthaste sent was damaged on the way: the relay sent {said}"),
        ),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA => Finding::ambiguous(
            Reason::HandshakeRefused,
            vec![Reason::ClientCertRequired, Reason::ClientCertRejected],
            format!(
                "The relay refused the handshake over a client certificate that it had not \
                 asked for: it sent {said}"
            ),
        ),
        Alert::UnexpectedMessage | Alert::IllegalParameter | Alert::DecodeError
            if facts.opening.server_hello().is_none() =>
        {
            Finding::ambiguous(
                Reason::HandshakeRefused,
                intolerant(facts),
                format!("The relay does not understand our ClientHello: it sent {said}"),
            )
        }
        _ => Finding::observed(
            Reason::HandshakeRefused,
            format!("The relay refused the handshake: it sent {said}"),
        ),
    }
}

/// Whether an alert only says that the relay leaves (RFC 8446 section 6.1).
pub(super) fn is_farewell(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CloseNotify | AlertDescription::UserCanceled
    )
}

/// What can lie behind a refusal of our `ClientHello` without a reason.
fn without_a_word(facts: &Facts<'_>) -> Vec<Reason> {
    // A HelloRetryRequest has agreed to version, suite and group (RFC 8446
    // section 4.1.4).
    if facts.opening.server_hello().is_some() {
        return vec![Reason::NoCommonSignature, Reason::PskRequired];
    }
    let mut causes = vec![
        Reason::NoCommonCipher,
        Reason::NoCommonVersion,
        Reason::NoCommonGroup,
        Reason::NoCommonSignature,
        Reason::PskRequired,
    ];
    causes.extend(intolerant(facts));
    // A warning that it does not know our name came before.
    if let Opening::Alert(_, UNRECOGNIZED_NAME) = facts.opening {
        causes.insert(0, Reason::SniRejected);
    }
    causes
}

/// What a relay may not bear in our `ClientHello`.
pub(super) fn intolerant(facts: &Facts<'_>) -> Vec<Reason> {
    let mut causes = Vec::new();
    if facts.seen.hello_bytes() > LARGE {
        causes.push(Reason::HelloTooLarge);
    }
    if facts.offer.versions.contains(&TlsVersion::Tls13) {
        causes.push(Reason::VersionIntolerant);
    }
    causes
}

/// The relay asked for a certificate and then refused.
fn client_certificate(facts: &Facts<'_>) -> Finding {
    let said = say::alert(facts.alert);
    match facts.seen.client_certificate {
        ClientAuth::Shown => Finding::inferred(
            Reason::ClientCertRejected,
            format!("The relay refuses our client certificate: it sent {said}"),
        ),
        ClientAuth::Withheld | ClientAuth::NotAsked => Finding::inferred(
            Reason::ClientCertRequired,
            format!(
                "The relay asked for a client certificate, got none, and refused: it sent {said}"
            ),
        ),
    }
}

fn client_certificate_required(facts: &Facts<'_>) -> Finding {
    Finding::observed(
        Reason::ClientCertRequired,
        format!(
            "The relay wants a client certificate: it sent {}",
            say::alert(facts.alert)
        ),
    )
}
