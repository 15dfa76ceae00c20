//! How long a caller waits, from the `grpc-timeout` header (gRPC over HTTP/2).

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use super::parse::{Path, Violations};
use crate::{
    mail::{Broken, Rule},
    sender::Deadline,
};

const HEADER: &str = "grpc-timeout";

/// Nobody waits longer, whatever the header says.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);

/// The answer has to reach the caller before its own clock runs out: this long
/// before, or 5 % of the time that it gives, whichever is more.
const MIN_MARGIN: Duration = Duration::from_millis(50);

/// When the answer must be there to a call with these header fields, which
/// arrived at `arrival`. A caller that says nothing has `default`.
pub(super) fn of(
    headers: &HeaderMap,
    arrival: Instant,
    default: Duration,
) -> Result<Deadline, Violations> {
    let given = given(headers, arrival)?;
    Ok(given.unwrap_or(Deadline {
        answer_by: arrival + default,
    }))
}

/// The same, where a caller that says nothing has no deadline.
pub(super) fn given(headers: &HeaderMap, arrival: Instant) -> Result<Option<Deadline>, Violations> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let timeout = value
        .to_str()
        .ok()
        .and_then(parse)
        .ok_or_else(|| Violations::one(Path::root(HEADER), &malformed()))?
        .min(MAX_TIMEOUT);
    let time = timeout.saturating_sub(MIN_MARGIN.max(timeout / 20));
    Ok(Some(Deadline {
        answer_by: arrival + time,
    }))
}

/// One to eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let all_digits = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = all_digits.then(|| digits.parse().ok())??;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn malformed() -> Broken {
    Broken::new(
        Rule::Syntax,
        "must be a number of at most 8 digits and a unit, such as `500m`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Duration = Duration::from_mins(2);

    fn time_left(header: Option<&str>) -> Option<Duration> {
        let arrival = Instant::now();
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(HEADER, header.parse().unwrap());
        }
        of(&headers, arrival, DEFAULT)
            .ok()
            .map(|deadline| deadline.answer_by - arrival)
    }

    #[test]
    fn the_answer_comes_before_the_callers_clock_runs_out() {
        for (header, millis) in [
            ("10S", 9500),
            ("2S", 1900),
            ("1S", 950),
            ("500m", 450),
            ("100000u", 50),
            ("50m", 0),
            ("1n", 0),
            ("0S", 0),
            ("1M", 57_000),
            ("99999999H", 24 * 3600 * 950),
        ] {
            assert_eq!(
                time_left(Some(header)),
                Some(Duration::from_millis(millis)),
                "{header}"
            );
        }
    }

    #[test]
    fn without_a_deadline_the_default_holds() {
        assert_eq!(time_left(None), Some(DEFAULT));
    }

    #[test]
    fn what_is_not_a_timeout_is_refused() {
        for header in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "1.5S",
            "123456789S",
            "1 S",
            "1SS",
        ] {
            assert_eq!(time_left(Some(header)), None, "{header:?}");
        }
    }
}
