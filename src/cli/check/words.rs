//! Values of the API in words.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::api::client::pb;

const DAY: i64 = 24 * 60 * 60;

/// A step of a session.
pub(super) fn stage(stage: pb::SmtpStage) -> &'static str {
    use pb::SmtpStage as Stage;
    match stage {
        Stage::Unspecified => "unknown",
        Stage::Resolve => "resolve",
        Stage::Connect => "connect",
        Stage::Greeting => "greeting",
        Stage::Ehlo => "EHLO",
        Stage::Starttls => "STARTTLS",
        Stage::TlsHandshake => "TLS handshake",
        Stage::Auth => "AUTH",
        Stage::MailFrom => "MAIL FROM",
        Stage::RcptTo => "RCPT TO",
        Stage::Data => "DATA",
        Stage::EndOfData => "end of data",
        Stage::Quit => "QUIT",
        Stage::PoolWait => "pool",
    }
}

/// When TLS starts.
pub(super) fn mode(mode: pb::TlsMode) -> &'static str {
    match mode {
        pb::TlsMode::Unspecified => "-",
        pb::TlsMode::Implicit => "implicit TLS",
        pb::TlsMode::Starttls | pb::TlsMode::StarttlsIfOffered => "STARTTLS",
        pb::TlsMode::Plaintext => "plaintext",
    }
}

/// A protocol version.
pub(super) fn version(version: pb::TlsVersion) -> &'static str {
    match version {
        pb::TlsVersion::Unspecified => "TLS",
        pb::TlsVersion::Ssl30 => "SSL 3.0",
        pb::TlsVersion::TlsVersion10 => "TLS 1.0",
        pb::TlsVersion::TlsVersion11 => "TLS 1.1",
        pb::TlsVersion::TlsVersion12 => "TLS 1.2",
        pb::TlsVersion::TlsVersion13 => "TLS 1.3",
    }
}

/// How a reason is known.
pub(super) fn confidence(confidence: pb::relay_failure::Confidence) -> &'static str {
    use pb::relay_failure::Confidence;
    match confidence {
        Confidence::Unspecified => "unknown",
        Confidence::Observed => "observed",
        Confidence::Inferred => "inferred",
        Confidence::Probed => "found out by probing",
        Confidence::Ambiguous => "not told apart",
    }
}

/// Who has to act.
pub(super) fn party(party: pb::remedy::Party) -> &'static str {
    use pb::remedy::Party;
    match party {
        Party::Unspecified => "anybody",
        Party::Caller => "who sends",
        Party::Operator => "who runs posthaste",
        Party::Relay => "who runs the relay",
    }
}

/// A reason by its name in `RelayFailure.Reason`, such as `CERT_EXPIRED`.
pub(super) fn reason(reason: pb::relay_failure::Reason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("REASON_").unwrap_or(name)
}

/// A warning by its name, such as `TLS12_ONLY`.
pub(super) fn warning(code: pb::check_relay_response::warning::Code) -> &'static str {
    let name = code.as_str_name();
    name.strip_prefix("CODE_").unwrap_or(name)
}

/// A reply on one line.
pub(super) fn reply(reply: &pb::SmtpReply) -> String {
    let mut code = reply.code.to_string();
    if let Some(enhanced) = &reply.enhanced_status_code {
        let pb::EnhancedStatusCode {
            class,
            subject,
            detail,
        } = enhanced;
        code = format!("{code} {class}.{subject}.{detail}");
    }
    match reply.lines.split_first() {
        None => code,
        Some((first, [])) => format!("{code} {first}"),
        Some((first, rest)) => format!("{code} {first} {}", rest.join(", ")),
    }
}

/// Milliseconds, with one digit behind the point below a hundred.
pub(super) fn milliseconds(seconds: i64, nanos: i32) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "shown to a tenth of a millisecond"
    )]
    let milliseconds = seconds as f64 * 1e3 + f64::from(nanos) / 1e6;
    if milliseconds < 100.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

/// A day in UTC, from seconds since 1970.
pub(super) fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "a day beyond all calendars".into(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

/// How far away a time is: `in 12 days`, `2 days ago`, `today`.
pub(super) fn distance(seconds: i64, now: i64) -> String {
    let days = (seconds.saturating_sub(now)) / DAY;
    let plural = if days.abs() == 1 { "" } else { "s" };
    match days {
        0 => "today".into(),
        1.. => format!("in {days} day{plural}"),
        _ => format!("{} day{plural} ago", -days),
    }
}

/// Now, in seconds since 1970.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs().try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_in_whole_days() {
        for (seconds, told) in [
            (0, "today"),
            (DAY - 1, "today"),
            (1 - DAY, "today"),
            (DAY, "in 1 day"),
            (2 * DAY, "in 2 days"),
            (-DAY, "1 day ago"),
            (-12 * DAY - 5, "12 days ago"),
        ] {
            assert_eq!(distance(1_000_000_000 + seconds, 1_000_000_000), told);
        }
    }

    #[test]
    fn times_are_short() {
        assert_eq!(milliseconds(0, 400_000), "0.4 ms");
        assert_eq!(milliseconds(0, 99_940_000), "99.9 ms");
        assert_eq!(milliseconds(2, 500_000_000), "2500 ms");
    }
}
