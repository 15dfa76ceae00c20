//! Alerts in answer to whatever ClientHello comes.

use super::{faulty, negotiation::refused};
use crate::{
    faultd::{
        case::{Case, in_both},
        pki::Pki,
    },
    report::Reason,
    testrelay::{Answer, Builder, Step},
};

fn alert(number: u8) -> impl Fn(&Pki) -> Builder + Send + Sync + 'static {
    let answer = Answer::alert(number).then(Answer::close());
    faulty(Step::Handshake, answer)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, about, number, reason) in [
        (
            "alert-40",
            "the alert handshake_failure, whatever is offered",
            40,
            Reason::HandshakeRefused,
        ),
        (
            "alert-80",
            "the alert internal_error",
            80,
            Reason::ServerInternalError,
        ),
    ] {
        cases.extend(in_both(refused(name, about, reason, alert(number))));
    }
    for (name, about, number, reason) in [
        (
            "alert-10",
            "the alert unexpected_message",
            10,
            Reason::HandshakeRefused,
        ),
        (
            "alert-42",
            "the alert bad_certificate, although it saw none",
            42,
            Reason::HandshakeRefused,
        ),
        (
            "alert-47",
            "the alert illegal_parameter",
            47,
            Reason::HandshakeRefused,
        ),
        (
            "alert-49",
            "the alert access_denied",
            49,
            Reason::AccessDenied,
        ),
        (
            "alert-50",
            "the alert decode_error",
            50,
            Reason::HandshakeRefused,
        ),
        (
            "alert-70",
            "the alert protocol_version",
            70,
            Reason::NoCommonVersion,
        ),
        (
            "alert-71",
            "the alert insufficient_security",
            71,
            Reason::NoCommonCipher,
        ),
        (
            "alert-86",
            "the alert inappropriate_fallback",
            86,
            Reason::HandshakeRefused,
        ),
        (
            "alert-112",
            "the alert unrecognized_name: the name in SNI is not known",
            112,
            Reason::SniRejected,
        ),
        (
            "alert-115",
            "the alert unknown_psk_identity",
            115,
            Reason::PskRequired,
        ),
        (
            "alert-116",
            "the alert certificate_required in answer to the ClientHello",
            116,
            Reason::ClientCertRequired,
        ),
        (
            "alert-120",
            "the alert no_application_protocol",
            120,
            Reason::AlpnRejected,
        ),
    ] {
        cases.push(refused(name, about, reason, alert(number)));
    }
    cases
}
