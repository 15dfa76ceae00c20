//! Whether a failure tells what every failure owes its reader: how the reason
//! is known, what was seen, whose turn it is, and a sentence with facts.

use posthaste::api::client::pb::{
    RelayFailure, SmtpStage,
    relay_failure::{Confidence, Reason},
};

/// What it owes and does not tell.
pub(super) fn missing(failure: &RelayFailure) -> Vec<String> {
    let mut missing = Vec::new();
    let mut want = |what: &str, is_there: bool| {
        if !is_there {
            missing.push(what.to_owned());
        }
    };
    let reason = failure.reason().as_str_name().trim_start_matches("REASON_");
    let tls = failure.tls.as_ref();
    let probes = tls.map_or(0, |tls| tls.probes.len());

    want("a fault", failure.fault != 0);
    want("advice on trying again", failure.retry != 0);
    want("an acceptance", failure.acceptance != 0);
    want("every recipient", !failure.recipients.is_empty());
    want("an endpoint", failure.endpoint.is_some());
    want("a remedy", !failure.remedies.is_empty());
    want(
        "each remedy's action and party",
        failure
            .remedies
            .iter()
            .all(|remedy| remedy.action != 0 && remedy.party != 0),
    );

    want("a confidence", failure.confidence != 0);
    let is_ambiguous = failure.confidence() == Confidence::Ambiguous;
    want(
        "alternatives where nothing told them apart, and nowhere else",
        is_ambiguous != failure.alternatives.is_empty(),
    );
    let is_of_tls = failure.stage() == SmtpStage::TlsHandshake;
    if is_of_tls && failure.confidence() == Confidence::Probed {
        want("the probes that told", probes > 0);
    }

    if is_of_tls {
        want("evidence of TLS", tls.is_some());
        let offered = tls.and_then(|tls| tls.offered.as_ref());
        // Whoever resets the connection at once may do so before our hello.
        let is_out = offered.is_some_and(|it| it.hello_bytes > 0);
        want(
            "a hello, or that there was none",
            is_out || failure.summary.contains("did not go out"),
        );
        want(
            "what was offered",
            offered.is_some_and(|it| !it.versions.is_empty()),
        );
    }
    if reason.starts_with("CERT_") && failure.reason() != Reason::CertMissing {
        want(
            "certificates",
            tls.is_some_and(|tls| !tls.certificates.is_empty()),
        );
    }
    let is_refusal = failure.reply.is_some();
    if is_refusal {
        let code = failure.reply.as_ref().map_or(0, |reply| reply.code);
        want(
            "the reply code in the summary",
            failure.summary.contains(&code.to_string()),
        );
    }
    // What can be read is a reply, and what came in TLS's place is in its room.
    let reasons_of_octets = [Reason::NotSmtp, Reason::NotTls, Reason::ReplyMalformed];
    if reasons_of_octets.contains(&failure.reason()) {
        let in_tls = tls.is_some_and(|tls| !tls.first_bytes.is_empty());
        want(
            "the first bytes",
            in_tls || is_refusal || !failure.first_bytes.is_empty(),
        );
    }

    let summary = &failure.summary;
    want("a sentence", summary.len() > 20 && summary.len() < 800);
    want(
        "nothing but printable ASCII",
        summary.chars().all(|c| c == ' ' || c.is_ascii_graphic()),
    );
    want(
        "more than that a handshake failed",
        !summary.eq_ignore_ascii_case("handshake failed"),
    );
    missing
}
