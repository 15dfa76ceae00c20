//! Relays that break the rules of TLS: which rule, in words. The library tells
//! it in the names of its own code.

use rustls::{Error, InvalidMessage};

use super::{Finding, words::spaced};
use crate::report::Reason;

/// The relay's TLS is broken.
pub(super) fn of(error: &Error) -> Finding {
    Finding::observed(
        Reason::ProtocolViolation,
        format!("The relay breaks the rules of TLS: {}", rule(error)),
    )
}

pub(super) fn rule(error: &Error) -> String {
    match error {
        Error::InvalidMessage(message) => unreadable(*message),
        Error::InappropriateMessage {
            expect_types,
            got_type,
        } => out_of_place(&spaced(got_type), expect_types.iter().map(spaced)),
        Error::InappropriateHandshakeMessage {
            expect_types,
            got_type,
        } => out_of_place(&named(got_type), expect_types.iter().map(named)),
        Error::PeerSentOversizedRecord => "it sent a record that is larger than TLS allows".into(),
        Error::PeerMisbehaved(how) => spaced(how),
        Error::PeerIncompatible(how) => spaced(how),
        other => other.to_string(),
    }
}

/// A message that is none.
fn unreadable(message: InvalidMessage) -> String {
    use InvalidMessage as Invalid;

    match message {
        Invalid::HandshakePayloadTooLarge => "it sent a message of the handshake that is larger \
             than 64 KiB; only a chain of very many certificates would be"
            .into(),
        Invalid::CertificatePayloadTooLarge => {
            "it sent a chain of certificates that is larger than 64 KiB".into()
        }
        Invalid::InvalidContentType => "it sent a record of a type that there is not".into(),
        Invalid::UnknownProtocolVersion => "it sent a record of a version that there is not".into(),
        Invalid::MessageTooLarge => "it sent a record that is larger than TLS allows".into(),
        Invalid::MessageTooShort => "it sent a message that is shorter than it says".into(),
        Invalid::InvalidEmptyPayload => "it sent an empty record".into(),
        Invalid::MissingData(of) => format!("it sent a message that breaks off in {of}"),
        Invalid::TrailingData(of) => format!("it sent a message with more behind its {of}"),
        Invalid::UnexpectedMessage(which) => format!("it sent {which}, which was not due"),
        Invalid::IllegalEmptyList(of) => format!("it sent an empty list of {of}"),
        Invalid::DuplicateExtension(number) => format!("it sent the extension {number} twice"),
        other => format!("it sent a message that cannot be read ({})", spaced(other)),
    }
}

fn out_of_place(got: &str, expected: impl Iterator<Item = String>) -> String {
    let expected: Vec<_> = expected.collect();
    format!("it sent {got} where {} was due", expected.join(" or "))
}

/// The name of a handshake message, as RFC 8446 section 4 has it.
fn named(message: impl std::fmt::Debug) -> String {
    format!("{message:?}")
}

#[cfg(test)]
mod tests {
    use rustls::{ContentType, HandshakeType, PeerMisbehaved};

    use super::*;

    #[test]
    fn the_rule_is_told_in_words() {
        for (error, told) in [
            (
                Error::InvalidMessage(InvalidMessage::MissingData("Random")),
                "it sent a message that breaks off in Random",
            ),
            (
                Error::InvalidMessage(InvalidMessage::UnsupportedCompression),
                "it sent a message that cannot be read (unsupported compression)",
            ),
            (
                Error::InappropriateHandshakeMessage {
                    expect_types: vec![
                        HandshakeType::Certificate,
                        HandshakeType::ServerKeyExchange,
                    ],
                    got_type: HandshakeType::ServerHelloDone,
                },
                "it sent ServerHelloDone where Certificate or ServerKeyExchange was due",
            ),
            (
                Error::InappropriateMessage {
                    expect_types: vec![ContentType::Handshake],
                    got_type: ContentType::ApplicationData,
                },
                "it sent application data where handshake was due",
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::SelectedTls12UsingTls13VersionExtension),
                "selected tls12 using tls13 version extension",
            ),
            (
                Error::PeerMisbehaved(PeerMisbehaved::MissingKeyShare),
                "missing key share",
            ),
        ] {
            assert_eq!(rule(&error), told);
        }
    }
}
