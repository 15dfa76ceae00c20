//! Alerts (RFC 8446 section 6): which one was received, or sent.

use rustls::{AlertDescription, Error, PeerIncompatible, PeerMisbehaved};

use super::opening::Opening;
use crate::report::{AlertDirection, TlsAlert};

/// The alert that goes with an error, as far as that can be said.
pub(super) fn of(
    error: Option<&Error>,
    farewell: Option<u8>,
    opening: &Opening,
) -> Option<TlsAlert> {
    let (direction, alert) = match (error, opening) {
        (Some(Error::AlertReceived(alert)), _) => (AlertDirection::Received, *alert),
        (Some(error), _) => (AlertDirection::Sent, sent(error)?),
        // A warning before the relay closed.
        (None, Opening::Alert(_, code)) => (AlertDirection::Received, (*code).into()),
        (None, _) => (AlertDirection::Received, farewell?.into()),
    };
    let code = alert.into();
    Some(TlsAlert {
        direction,
        code,
        name: name(code),
    })
}

/// The alert that rustls sends when it ends a handshake with an error. `None`
/// where one error has several.
fn sent(error: &Error) -> Option<AlertDescription> {
    Some(match error {
        Error::InvalidCertificate(error) => error.clone().into(),
        Error::InvalidMessage(error) => (*error).into(),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            AlertDescription::UnexpectedMessage
        }
        Error::DecryptError => AlertDescription::BadRecordMac,
        Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
        Error::InvalidCertRevocationList(_)
        | Error::PeerIncompatible(
            PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
            | PeerIncompatible::ExtendedMasterSecretExtensionRequired,
        )
        | Error::PeerMisbehaved(
            PeerMisbehaved::SelectedUnofferedCipherSuite
            | PeerMisbehaved::ServerHelloMustOfferUncompressedEcPoints,
        ) => AlertDescription::HandshakeFailure,
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => AlertDescription::ProtocolVersion,
        Error::PeerMisbehaved(PeerMisbehaved::AttemptedDowngradeToTls12WhenTls13IsSupported) => {
            AlertDescription::IllegalParameter
        }
        _ => return None,
    })
}

/// The IANA name of an alert, such as `handshake_failure`.
pub fn name(code: u8) -> String {
    let name = match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return format!("unassigned_{code}"),
    };
    name.to_owned()
}
