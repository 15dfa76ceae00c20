//! Handshakes that ended without a word: closed, reset, or never complete.

use std::io;

use rustls::AlertDescription;

use super::{
    Facts, Finding, TimeLimit,
    received::{self, intolerant},
    say,
};
use crate::{
    report::{Reason, TlsMode},
    tls::{opening::Opening, record::is_gone, witness::ClientAuth},
};

/// Why the connection ended with `error`.
pub(super) fn of(error: &io::Error, facts: &Facts<'_>) -> Finding {
    let limit = error.get_ref().and_then(|it| it.downcast_ref());
    if let Some(TimeLimit(limit)) = limit {
        if let Some(alert) = parting_alert(facts) {
            return received::of(alert, facts);
        }
        let progress = progress(facts);
        return silent(
            Reason::HandshakeTimeout,
            format!("The handshake was not complete after {limit:?}: {progress}"),
            facts,
        );
    }
    match error.kind() {
        io::ErrorKind::TimedOut => silent(
            Reason::HandshakeTimeout,
            format!("The network gave the connection up: {}", progress(facts)),
            facts,
        ),
        kind if kind == io::ErrorKind::UnexpectedEof || is_gone(kind) => gone(kind, facts),
        _ => Finding::observed(
            Reason::HandshakeReset,
            format!("The connection failed in the handshake: {error}"),
        ),
    }
}

fn gone(kind: io::ErrorKind, facts: &Facts<'_>) -> Finding {
    let reset = facts.seen.reset || kind == io::ErrorKind::ConnectionReset;
    let verb = if reset { "reset" } else { "closed" };
    // The relay may have said why, in an alert that went down with the
    // connection.
    if facts.seen.client_certificate == ClientAuth::Withheld {
        let closing = match (facts.settled, reset) {
            (true, true) => Reason::ConnectionReset,
            (true, false) => Reason::ConnectionClosed,
            (false, true) => Reason::HandshakeReset,
            (false, false) => Reason::HandshakeClosed,
        };
        return Finding::ambiguous(
            Reason::ClientCertRequired,
            vec![closing],
            format!(
                "The relay asked for a client certificate, got none, and {verb} the connection"
            ),
        );
    }
    if let Some(alert) = parting_alert(facts) {
        return received::of(alert, facts);
    }
    if facts.seen.farewell.last().is_some() {
        return taken_leave(facts);
    }
    // Before its first byte a relay on a port for implicit TLS has not said
    // anything at all, and a load balancer without a relay behind it looks the
    // same.
    let said_nothing =
        *facts.opening == Opening::Silence && facts.mode == TlsMode::Implicit && !facts.settled;
    let reason = match (said_nothing, reset) {
        (true, true) => Reason::ConnectionReset,
        (true, false) => Reason::ConnectionClosed,
        (false, true) => Reason::HandshakeReset,
        (false, false) => Reason::HandshakeClosed,
    };
    let progress = progress(facts);
    silent(
        reason,
        format!("The connection was {verb} in the handshake: {progress}"),
        facts,
    )
}

/// The relay ended TLS, and perhaps not the connection.
pub(super) fn taken_leave(facts: &Facts<'_>) -> Finding {
    let when = match facts.opening {
        Opening::ServerHello(_) if facts.seen.chain.is_empty() => " behind its ServerHello",
        Opening::ServerHello(_) => " behind its certificate",
        _ => ", in answer to our ClientHello",
    };
    Finding::observed(
        Reason::HandshakeClosed,
        format!(
            "The relay broke off the handshake with {}{when}",
            say::alert(facts.alert)
        ),
    )
}

/// What the relay said before it left, where it called that a warning: what an
/// alert means goes by its description (RFC 8446 section 6).
fn parting_alert(facts: &Facts<'_>) -> Option<AlertDescription> {
    match facts.opening {
        Opening::Alert(_, code) if facts.seen.chain.is_empty() && !facts.settled => {
            let alert = AlertDescription::from(*code);
            (!received::is_farewell(alert)).then_some(alert)
        }
        _ => None,
    }
}

/// A relay that answers our `ClientHello` with nothing may not bear it.
fn silent(reason: Reason, summary: String, facts: &Facts<'_>) -> Finding {
    let hello_is_out = facts.seen.hello_bytes() > 0;
    if *facts.opening == Opening::Silence && hello_is_out {
        Finding::ambiguous(reason, intolerant(facts), summary)
    } else {
        Finding::observed(reason, summary)
    }
}

/// How far the relay got.
fn progress(facts: &Facts<'_>) -> String {
    match facts.opening {
        Opening::Silence => match facts.seen.hello_bytes() {
            0 => "our ClientHello did not go out".to_owned(),
            size => format!("the relay did not answer our ClientHello of {size} bytes"),
        },
        Opening::ServerHello(hello) if hello.is_retry => {
            "the relay asked for another ClientHello and then said no more".to_owned()
        }
        Opening::ServerHello(_) if facts.seen.chain.is_empty() => {
            "the relay sent its ServerHello and then no more".to_owned()
        }
        Opening::ServerHello(_) => {
            "the relay sent its certificate and then did not go on".to_owned()
        }
        Opening::Alert(..) => format!("the relay sent {}", say::alert(facts.alert)),
        _ => "the relay's answer broke off".to_owned(),
    }
}
