//! Puts an error into the words of a report.

use std::{fmt::Write as _, time::Duration};

use super::{
    Error, Host,
    auth::Fault,
    error::{Foreign, Kind, Local},
    probe::Hello,
    reply::BadReply,
};
use crate::{
    report::{
        Confidence, ConnectAttempt, Reason, RelayEndpoint, RelayFailure, Reply, Retry, Stage,
    },
    tls::{self, alert_name},
};

/// How much of a reply's text a summary quotes. The whole reply is beside it.
const QUOTED_CHARACTERS: usize = 240;
/// How much is told of a library's message.
const LIBRARY_CHARACTERS: usize = 400;
/// How much is quoted of what is no reply, in octets.
const EXCERPT: usize = 60;

impl Error {
    /// What went wrong.
    pub fn reason(&self) -> Reason {
        self.kind.reason(self.stage)
    }

    /// The failure to report, still without remedies (`relay::remedy` adds
    /// them).
    pub fn into_failure(self: Box<Self>) -> RelayFailure {
        let reason = self.reason();
        let summary = self.summary();
        let confidence = self.kind.confidence(self.stage);
        let library_message = self.kind.library_message();
        let mut failure = RelayFailure {
            reason,
            stage: self.stage,
            origin: self.origin,
            retry_after: retry_after(reason),
            confidence,
            alternatives: Vec::new(),
            summary,
            remedies: Vec::new(),
            endpoint: self.endpoint,
            reply: None,
            connect_attempts: self.connect_attempts,
            tls: None,
            recipients: self.recipients,
            library_message,
            missing_extension: None,
            first_bytes: self.said.into(),
        };
        match self.kind {
            Kind::Refused { reply, .. } | Kind::Unexpected(reply) => failure.reply = Some(reply),
            Kind::Connect(attempts) => failure.connect_attempts = attempts,
            Kind::Silent { asked: false, .. } => {
                failure.alternatives = vec![Reason::TlsOnPlaintextPort];
            }
            Kind::TlsFirst(hello) => failure.tls = Some(hello.evidence.clone()),
            Kind::ExtensionMissing(keyword) => failure.missing_extension = Some(keyword),
            Kind::Tls(handshake) => {
                failure.alternatives = handshake.alternatives;
                failure.tls = Some(handshake.evidence);
            }
            _ => {}
        }
        failure
    }

    fn summary(&self) -> String {
        let relay = authority(&self.endpoint);
        let activity = self.stage.activity();
        let unfinished = told(", after an unfinished reply: ", &on_one_line(&self.said));
        let sentence = match &self.kind {
            Kind::Tls(handshake) => handshake.summary.clone(),
            Kind::NoSuchHost(_) => {
                format!(
                    "The name {} does not exist or has no address.",
                    self.endpoint.host
                )
            }
            Kind::Dns(_) => format!("The name server did not answer for {}.", self.endpoint.host),
            Kind::Connect(attempts) => connect_summary(&relay, attempts),
            Kind::Closed { .. } => {
                format!("{relay} closed the connection while {activity}{unfinished}.")
            }
            Kind::Broken { source, .. } => {
                let how = tls::described(source);
                format!("The connection to {relay} broke while {activity} ({how}){unfinished}.")
            }
            Kind::Timeout { limit } => {
                format!(
                    "The time limit of {limit:?} ran out while {activity} ({relay}){unfinished}."
                )
            }
            Kind::Silent {
                waited,
                closed,
                asked,
            } => silent_summary(&relay, *waited, *closed, *asked),
            Kind::TlsFirst(hello) => tls_first_summary(&relay, hello),
            Kind::Abandoned => {
                format!("The transaction with {relay} was given up while {activity}{unfinished}.")
            }
            Kind::BadReply(bad) => format!(
                "{relay} sent no valid reply while {activity}: {bad}{}.",
                told("; it said ", &on_one_line(&self.said))
            ),
            Kind::Unexpected(reply) => format!(
                "{relay} sent a reply that has no place there while {activity}: {}",
                quote(reply)
            ),
            Kind::Foreign(foreign) => foreign_summary(&relay, *foreign, &self.said),
            Kind::Refused {
                reply,
                mechanism: Some(mechanism),
                ..
            } => {
                let what = match self.reason() {
                    Reason::AuthToken => " with a token that could not be read again",
                    _ => "",
                };
                format!("{relay} refused AUTH {mechanism}{what}: {}", quote(reply))
            }
            Kind::Refused { reply, .. } if self.stage == Stage::RcptTo => {
                let refused = self.recipients.iter().filter(|r| r.reply.is_some());
                format!(
                    "{relay} refused {} of {} recipients: {}",
                    refused.count(),
                    self.recipients.len(),
                    quote(reply)
                )
            }
            Kind::Refused { reply, .. } => {
                format!("{relay} refused {}: {}", subject(self.stage), quote(reply))
            }
            Kind::StarttlsMissing { stripped: false } => {
                format!("{relay} does not offer STARTTLS, and TLS is required.")
            }
            Kind::StarttlsMissing { stripped: true } => format!(
                "Something between posthaste and {relay} overwrites STARTTLS, and TLS is required."
            ),
            Kind::Injected => format!(
                "Octets came behind the reply of {relay} to STARTTLS, before encryption began{}.",
                told(": ", &self.said)
            ),
            Kind::NoMechanism { offered } if offered.is_empty() => {
                format!("{relay} offers no AUTH, and there are credentials for it.")
            }
            Kind::NoMechanism { offered } => format!(
                "{relay} offers no AUTH mechanism that may be used with the credentials, only {}.",
                offered.join(", ")
            ),
            Kind::Scram { mechanism, fault } => {
                format!("{relay} fails in AUTH {mechanism}: {fault}.")
            }
            Kind::ExtensionMissing(keyword) => {
                format!("{relay} does not offer {keyword}, which this mail needs.")
            }
            Kind::TooLarge { size, limit } => {
                format!("The message has {size} octets, and {relay} takes at most {limit}.")
            }
            Kind::Local(local) => local_summary(&relay, *local, self),
        };
        let sentence = match self.reason() {
            Reason::OutcomeUnknown => format!("{sentence} The relay may have the mail."),
            _ => sentence,
        };
        ascii(&sentence)
    }
}

impl Kind {
    pub(super) fn reason(&self, stage: Stage) -> Reason {
        match self {
            Self::Tls(handshake) => handshake.reason,
            Self::NoSuchHost(_) => Reason::DnsNotFound,
            Self::Dns(_) => Reason::DnsTemporary,
            Self::Connect(attempts) => telling(attempts),
            Self::Silent { .. } => Reason::BannerTimeout,
            Self::Abandoned => Reason::DeadlineExceeded,
            Self::Refused { reason, .. } => *reason,
            // Only a reply that decides says what became of a mail whose end
            // is on the way.
            Self::Closed { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::BadReply(_)
            | Self::Unexpected(_)
                if stage == Stage::EndOfData =>
            {
                Reason::OutcomeUnknown
            }
            Self::Closed { heard: false } => Reason::ConnectionClosed,
            Self::Broken { heard: false, .. } => Reason::ConnectionReset,
            Self::Closed { heard: true } if stage == Stage::Ehlo => Reason::EhloRejected,
            Self::Closed { .. } | Self::Broken { .. } => Reason::ConnectionLost,
            Self::Timeout { .. } => match stage {
                Stage::Resolve => Reason::DnsTemporary,
                Stage::Greeting => Reason::BannerTimeout,
                Stage::TlsHandshake => Reason::HandshakeTimeout,
                _ => Reason::ReplyTimeout,
            },
            Self::BadReply(BadReply::LineTooLong | BadReply::TooLong) => Reason::ReplyTooLarge,
            Self::BadReply(BadReply::NoCode | BadReply::MixedCodes) | Self::Unexpected(_) => {
                Reason::ReplyMalformed
            }
            Self::Foreign(Foreign::Tls) | Self::TlsFirst(_) => Reason::TlsOnPlaintextPort,
            Self::Foreign(Foreign::Protocol(_) | Foreign::Unknown) => Reason::NotSmtp,
            Self::StarttlsMissing { stripped: false } => Reason::StarttlsNotOffered,
            Self::StarttlsMissing { stripped: true } => Reason::StarttlsStripped,
            Self::Injected => Reason::StarttlsInjection,
            Self::NoMechanism { .. } => Reason::AuthMechanism,
            Self::Scram { fault, .. } => match fault {
                Fault::Malformed => Reason::ReplyMalformed,
                Fault::Iterations(_) => Reason::AuthMechanism,
                Fault::Nonce | Fault::Signature | Fault::NoSignature => Reason::AuthUnproven,
            },
            Self::ExtensionMissing(_) => Reason::ExtensionMissing,
            Self::TooLarge { .. } => Reason::MessageTooLarge,
            Self::Local(_) => Reason::LocalConfig,
        }
    }

    fn confidence(&self, stage: Stage) -> Confidence {
        match self {
            Self::Tls(handshake) => handshake.confidence,
            Self::Silent { asked: false, .. } => Confidence::Ambiguous,
            Self::Silent { asked: true, .. } | Self::TlsFirst(_) => Confidence::Probed,
            Self::Closed { heard: true } if stage == Stage::Ehlo => Confidence::Inferred,
            Self::StarttlsMissing { stripped: true } | Self::Foreign(Foreign::Unknown) => {
                Confidence::Inferred
            }
            _ => Confidence::Observed,
        }
    }

    fn library_message(&self) -> Option<String> {
        let message = match self {
            Self::Tls(handshake) => handshake.source.to_string(),
            Self::NoSuchHost(source) | Self::Dns(source) => source.to_string(),
            Self::Broken { source, .. } => source.to_string(),
            _ => return None,
        };
        Some(harmless(&message))
    }
}

/// Why a reply that refuses does so.
pub(super) fn refusal(stage: Stage, reply: &Reply) -> Reason {
    let code = reply.code.value();
    match stage {
        _ if code == 421 => Reason::RelayClosing,
        Stage::Starttls if reply.code.is_transient() => Reason::StarttlsRefusedTemporary,
        Stage::Starttls => Reason::StarttlsRefused,
        Stage::Auth if reply.code.is_transient() => Reason::AuthTemporary,
        Stage::Ehlo | Stage::Auth | Stage::MailFrom | Stage::RcptTo
            if is_starttls_required(reply) =>
        {
            Reason::StarttlsRequired
        }
        // The mechanism is offered and yet unknown (RFC 4954 section 4).
        Stage::Auth if code == 504 => Reason::AuthMechanism,
        Stage::Auth => Reason::AuthRejected,
        _ if reply.code.is_transient() => Reason::Deferred,
        Stage::Greeting => Reason::BannerRejected,
        Stage::Ehlo => Reason::EhloRejected,
        // RFC 4954 section 6.
        _ if code == 530 => Reason::AuthRequired,
        Stage::RcptTo => Reason::RecipientsRejected,
        _ if is_too_large(reply) => Reason::MessageTooLarge,
        Stage::MailFrom => Reason::SenderRejected,
        _ => Reason::MessageRejected,
    }
}

/// RFC 3207 section 4 has 530 for it, with these words; RFC 4954 section 6 has
/// 538 and 5.7.11 at AUTH, and RFC 5248 has 5.7.10.
fn is_starttls_required(reply: &Reply) -> bool {
    let detail = reply.enhanced.map(|it| (it.subject, it.detail));
    match reply.code.value() {
        538 => true,
        530 => reply
            .lines
            .iter()
            .any(|line| line.to_ascii_uppercase().contains("STARTTLS")),
        _ => matches!(detail, Some((7, 10 | 11))),
    }
}

/// 552 stands for other refusals too, which the enhanced status code tells
/// apart: a full mailbox is 5.2.2, a forbidden attachment 5.7.0.
fn is_too_large(reply: &Reply) -> bool {
    let enhanced = reply.enhanced.map(|e| (e.subject, e.detail));
    match enhanced {
        Some((2, 3) | (3, 4)) => true,
        None | Some((0 | 3, _)) => reply.code.value() == 552,
        Some(_) => false,
    }
}

/// What several attempts say together: an answer tells more than silence, and
/// silence more than that an address family has no route from here.
fn telling(attempts: &[ConnectAttempt]) -> Reason {
    [
        Reason::ConnectRefused,
        Reason::ConnectionReset,
        Reason::ConnectTimeout,
    ]
    .into_iter()
    .find(|reason| {
        attempts
            .iter()
            .any(|attempt| attempt.reason == Some(*reason))
    })
    .unwrap_or(Reason::ConnectUnreachable)
}

/// When trying again may help, if time alone may. A relay that puts off unknown senders
/// (greylisting) wants to see them again after a minute at the earliest.
pub(super) fn retry_after(reason: Reason) -> Option<Duration> {
    let seconds = match reason {
        Reason::Deferred => 60,
        Reason::RelayClosing | Reason::AuthTemporary | Reason::StarttlsRefusedTemporary => 30,
        _ => 5,
    };
    (reason.retry() == Retry::Later).then(|| Duration::from_secs(seconds))
}

/// `host:port`, with IPv6 addresses in brackets.
fn authority(endpoint: &RelayEndpoint) -> String {
    match endpoint.host.parse() {
        Ok(Host::Ip(ip)) if ip.is_ipv6() => format!("[{ip}]:{}", endpoint.port),
        _ => format!("{}:{}", endpoint.host, endpoint.port),
    }
}

fn connect_summary(relay: &str, attempts: &[ConnectAttempt]) -> String {
    let mut tried = String::new();
    for (index, attempt) in attempts.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let what = match attempt.reason {
            Some(Reason::ConnectRefused) => "refused",
            Some(Reason::ConnectTimeout) | None => "no answer",
            Some(Reason::ConnectionReset) => "reset",
            _ => "unreachable",
        };
        // Writing to a string cannot fail.
        let _ = write!(
            tried,
            "{separator}{} {what} after {} ms",
            attempt.ip,
            attempt.elapsed.as_millis()
        );
    }
    format!("Could not connect to {relay}: {tried}.")
}

fn silent_summary(relay: &str, waited: Duration, closed: bool, asked: bool) -> String {
    let end = if closed {
        " and closed the connection"
    } else {
        ""
    };
    let why = if asked {
        "a TLS hello was not answered either, so that it is slow"
    } else {
        "it is slow, or waits for TLS to begin"
    };
    format!(
        "{relay} said nothing for {} s{end}; {why}.",
        waited.as_secs()
    )
}

fn tls_first_summary(relay: &str, hello: &Hello) -> String {
    let answer = format!(
        "{relay} does not greet in plaintext, and answers a TLS hello: it expects implicit TLS"
    );
    match (&hello.trouble, hello.settled()) {
        (Some(trouble), _) => format!("{answer}. That would fail in turn: {trouble}"),
        (None, Some(settled)) => format!("{answer} ({settled})."),
        (None, None) => format!("{answer}."),
    }
}

fn foreign_summary(relay: &str, foreign: Foreign, said: &[u8]) -> String {
    match foreign {
        Foreign::Tls => {
            // An alert is its level and its number (RFC 8446 section 6).
            let alert = match said {
                [21, _, _, 0, 2, _, code, ..] => {
                    format!(": it sent the alert {} ({code})", alert_name(*code))
                }
                _ => String::new(),
            };
            format!("{relay} speaks TLS where a greeting in plaintext should come{alert}.")
        }
        Foreign::Protocol(name) => {
            format!(
                "{relay} speaks {name}, not SMTP: it said {}.",
                excerpt(said)
            )
        }
        Foreign::Unknown => {
            format!(
                "{relay} does not greet as SMTP does: it said {}.",
                excerpt(said)
            )
        }
    }
}

/// `words` and what somebody said, if anything was.
fn told(words: &str, said: &[u8]) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!("{words}{}", excerpt(said))
    }
}

/// The lines of a reply, as if they were one.
fn on_one_line(said: &[u8]) -> Vec<u8> {
    let lines = said.split(|it| matches!(it, b'\r' | b'\n'));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(&b' ')
}

/// The first line of what somebody said, in double quotes where it is text, and
/// the first octets in hexadecimal otherwise.
fn excerpt(said: &[u8]) -> String {
    const OCTETS: usize = 8;

    let line = said.split(|it| matches!(it, b'\r' | b'\n')).next();
    let line = line.unwrap_or_default();
    if !line.is_empty() && line.iter().all(|it| matches!(it, b' '..=b'~')) {
        let short = &line[..line.len().min(EXCERPT)];
        let end = if short.len() < line.len() { "..." } else { "" };
        return format!("\"{}{end}\"", String::from_utf8_lossy(short));
    }
    said.iter()
        .take(OCTETS)
        .fold("0x".to_owned(), |mut text, octet| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{octet:02x}");
            text
        })
}

fn local_summary(relay: &str, local: Local, error: &Error) -> String {
    match local {
        Local::PlaintextCredentials => format!(
            "There are credentials for {relay}, and the session is in plaintext; they are sent \
             in plaintext to loopback addresses only, and {} is none.",
            error
                .endpoint
                .ip
                .map_or_else(|| "this".to_owned(), |ip| ip.to_string())
        ),
        Local::Credentials => format!(
            "The credentials for {relay} have a character that AUTH cannot carry, or are too long."
        ),
        Local::EhloName => format!(
            "The EHLO name for {relay} is neither a domain name nor an address literal in brackets."
        ),
    }
}

/// What a reply refused.
fn subject(stage: Stage) -> &'static str {
    match stage {
        Stage::Greeting => "this client in its greeting",
        Stage::Ehlo => "EHLO",
        Stage::Starttls => "STARTTLS",
        Stage::Auth => "AUTH",
        Stage::MailFrom => "the sender",
        Stage::Data => "DATA",
        _ => "the message",
    }
}

/// The reply in double quotes, with a full stop.
fn quote(reply: &Reply) -> String {
    let text = reply.to_string();
    let mut quoted: String = text.chars().take(QUOTED_CHARACTERS).collect();
    if quoted.len() < text.len() {
        quoted.push_str("...");
    }
    format!("\"{quoted}\".")
}

/// The library's words without control characters, and not too many of them:
/// they may quote names from certificates, of which there may be thousands.
fn harmless(message: &str) -> String {
    let plain = message
        .chars()
        .map(|it| if it.is_control() { '?' } else { it });
    let mut short: String = plain.take(LIBRARY_CHARACTERS + 1).collect();
    if short.chars().count() > LIBRARY_CHARACTERS {
        short.pop();
        short.push_str("...");
    }
    short
}

fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_reply_is_quoted_where_it_is_text() {
        assert_eq!(excerpt(b"RFB 003.008\nx"), "\"RFB 003.008\"");
        assert_eq!(excerpt(b"\x4a\0\0\0\x0a8.0.36"), "0x4a0000000a382e30");
        assert_eq!(excerpt(b"\x1b[31mred\r\n"), "0x1b5b33316d726564");
        assert_eq!(excerpt(b"\r\nbehind"), "0x0d0a626568696e64");
        assert_eq!(
            excerpt(&[b'x'; 300]),
            format!("\"{}...\"", "x".repeat(EXCERPT))
        );
    }

    #[test]
    fn what_a_library_quotes_does_no_harm() {
        assert_eq!(
            harmless("valid for \"a\r\n\x1b[31m\0\""),
            "valid for \"a???[31m?\""
        );
        let long = harmless(&"\u{e9}".repeat(60_000));
        assert_eq!(long, "\u{e9}".repeat(LIBRARY_CHARACTERS) + "...");
        assert_eq!(harmless(&"x".repeat(400)), "x".repeat(400));
    }

    #[test]
    fn of_several_attempts_the_most_telling_gives_the_reason() {
        use Reason::{ConnectRefused, ConnectTimeout, ConnectUnreachable, ConnectionReset};
        for (reasons, told) in [
            (&[ConnectTimeout, ConnectRefused][..], ConnectRefused),
            (&[ConnectRefused, ConnectUnreachable], ConnectRefused),
            (&[ConnectTimeout, ConnectionReset], ConnectionReset),
            (&[ConnectUnreachable, ConnectTimeout], ConnectTimeout),
            (&[ConnectUnreachable; 2], ConnectUnreachable),
        ] {
            let attempts: Vec<_> = reasons
                .iter()
                .map(|reason| ConnectAttempt {
                    ip: [192, 0, 2, 1].into(),
                    reason: Some(*reason),
                    elapsed: Duration::ZERO,
                })
                .collect();
            assert_eq!(telling(&attempts), told, "{reasons:?}");
        }
    }
}
