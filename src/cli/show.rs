//! Answers in a form that people enjoy reading.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use crate::api::client::pb;

/// EX_TEMPFAIL of sysexits: try again later.
const TEMPORARY: u8 = 75;

/// Prints to standard output. A closed pipe is the reader's right.
pub(super) fn out(text: &str) {
    drop(writeln!(io::stdout().lock(), "{}", text.trim_end()));
}

/// Prints an error of our own to standard error, with its causes.
pub(super) fn complain(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        // Some errors repeat their source's text.
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// What became of a mail that the relay took.
pub(super) fn sent(response: &pb::SendMailResponse) -> String {
    let style = Style::of_stdout();
    let mut text = String::new();
    let headline = match (&response.reply, response.refused_count) {
        (None, _) => style.good("valid, not sent"),
        (Some(_), 0) => style.good("sent"),
        (Some(_), refused) => style.bad(&format!("sent, but {refused} refused")),
    };
    let again = if response.replayed {
        " (the answer to an earlier call)"
    } else {
        ""
    };
    let _ = writeln!(text, "{headline}{again}  {} bytes", response.size_bytes);
    if !response.message_id.is_empty() {
        field(&mut text, "message", &response.message_id);
    }
    if let Some(reply) = &response.reply {
        field(&mut text, "reply", &reply_line(reply));
    }
    if let Some(failure) = &response.partial_failure {
        field(&mut text, "partly", &failure.summary);
    }
    if let Some(session) = &response.session {
        session_lines(&mut text, session);
    }
    recipients(&mut text, &response.recipients);
    text
}

/// What kept a mail from being sent.
pub(super) fn failed(error: &pb::SendError) -> String {
    let style = Style::of_stdout();
    let mut text = String::new();
    let headline = match &error.failure {
        Some(failure) if failure.acceptance() == pb::relay_failure::Acceptance::Unknown => {
            "perhaps sent"
        }
        // Not from posthaste: the connection to it broke, for one.
        None if error.reason.is_empty() => "no answer, perhaps sent",
        _ => "not sent",
    };
    let _ = writeln!(text, "{}  {}", style.bad(headline), error.reason);
    let Some(failure) = &error.failure else {
        field(&mut text, "error", &error.message);
        for violation in &error.violations {
            field(&mut text, &violation.field, &violation.description);
        }
        if error.violations_omitted > 0 {
            field(
                &mut text,
                "and",
                &format!("{} more", error.violations_omitted),
            );
        }
        return text;
    };
    field(&mut text, "why", &failure.summary);
    field(
        &mut text,
        "stage",
        &words(failure.stage().as_str_name(), "SMTP_STAGE_"),
    );
    field(
        &mut text,
        "fault",
        &words(failure.fault().as_str_name(), "FAULT_"),
    );
    field(
        &mut text,
        "retry",
        &words(failure.retry().as_str_name(), "RETRY_"),
    );
    if let Some(endpoint) = &failure.endpoint {
        field(&mut text, "relay", &endpoint_line(endpoint));
    }
    if let Some(reply) = &failure.reply {
        field(&mut text, "reply", &reply_line(reply));
    }
    if let Some(alert) = failure.tls.as_ref().and_then(|tls| tls.alert.as_ref()) {
        let direction = words(alert.direction().as_str_name(), "DIRECTION_");
        field(
            &mut text,
            "alert",
            &format!("{} ({}), {direction}", alert.name, alert.code),
        );
    }
    recipients(&mut text, &failure.recipients);
    for remedy in &failure.remedies {
        let _ = write!(text, "  {} {}", style.hint("hint:"), remedy.summary);
        if !remedy.setting.is_empty() {
            let _ = write!(text, " [{}", remedy.setting);
            if !remedy.value.is_empty() {
                let _ = write!(text, " = {}", remedy.value);
            }
            text.push(']');
        }
        text.push('\n');
    }
    text
}

/// The exit status for a failure: 2 for a request that is not valid, 75 when
/// trying again later may help, 1 otherwise.
pub(super) fn exit_status(error: &pb::SendError) -> u8 {
    if !error.violations.is_empty() {
        return 2;
    }
    match &error.failure {
        Some(failure) if failure.retry() == pb::relay_failure::Retry::Later => TEMPORARY,
        None if error.retry_after.is_some() => TEMPORARY,
        _ => 1,
    }
}

fn session_lines(text: &mut String, session: &pb::Session) {
    if let Some(endpoint) = &session.endpoint {
        field(text, "relay", &endpoint_line(endpoint));
    }
    let tls = match &session.tls {
        Some(tls) => format!(
            "{}, {}, {}, verified as {}",
            words(tls.mode().as_str_name(), "TLS_MODE_"),
            words(tls.version().as_str_name(), "TLS_VERSION_").replace(' ', "."),
            tls.cipher_suite,
            tls.server_name
        ),
        None => "none: the session was in plaintext".into(),
    };
    field(text, "tls", &tls);
}

fn recipients(text: &mut String, recipients: &[pb::RecipientResult]) {
    for recipient in recipients {
        let state = words(recipient.state().as_str_name(), "STATE_");
        let reply = recipient.reply.as_ref().map(reply_line).unwrap_or_default();
        let line = format!("{state}  {}  {reply}", recipient.address);
        field(text, "to", line.trim_end());
    }
}

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<8} {value}");
}

fn endpoint_line(endpoint: &pb::RelayEndpoint) -> String {
    let mut line = format!("{}:{}", endpoint.host, endpoint.port);
    if !endpoint.ip_address.is_empty() && endpoint.ip_address != endpoint.host {
        let _ = write!(line, " ({})", endpoint.ip_address);
    }
    if !endpoint.relay.is_empty() {
        let _ = write!(line, ", configured as `{}`", endpoint.relay);
    }
    line
}

fn reply_line(reply: &pb::SmtpReply) -> String {
    let mut line = reply.code.to_string();
    if let Some(code) = &reply.enhanced_status_code {
        let _ = write!(line, " {}.{}.{}", code.class, code.subject, code.detail);
    }
    for part in &reply.lines {
        let _ = write!(line, " {part}");
    }
    line
}

/// `SMTP_STAGE_TLS_HANDSHAKE` as `tls handshake`.
fn words(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_lowercase()
        .replace('_', " ")
}

/// Colours, where a person looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colours: bool,
}

impl Style {
    fn of_stdout() -> Self {
        Self::new(true)
    }

    /// Colours on a terminal, where they are `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            colours: wanted && io::stdout().is_terminal(),
        }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn hint(self, text: &str) -> String {
        self.paint("1;36", text)
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn caution(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_sent_is_not_said_not_to_be() {
        let failure = |acceptance: pb::relay_failure::Acceptance| pb::SendError {
            reason: "OUTCOME_UNKNOWN".into(),
            failure: Some(pb::RelayFailure {
                acceptance: acceptance.into(),
                ..pb::RelayFailure::default()
            }),
            ..pb::SendError::default()
        };
        let none = failed(&failure(pb::relay_failure::Acceptance::None));
        assert!(none.starts_with("not sent"), "{none}");
        let unknown = failed(&failure(pb::relay_failure::Acceptance::Unknown));
        assert!(unknown.starts_with("perhaps sent"), "{unknown}");
        let lost = failed(&pb::SendError {
            message: "transport error".into(),
            ..pb::SendError::default()
        });
        assert!(lost.starts_with("no answer, perhaps sent"), "{lost}");
    }
}
