//! Origination dates.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{Broken, Rule};

/// An origination date that a Date field can hold: its year has four digits
/// and is 1900 or later (RFC 5322 section 3.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Date(Timestamp);

impl Date {
    /// The first one, in seconds from the epoch: 1900-01-01T00:00:00Z.
    pub const MIN_SECOND: i64 = -2_208_988_800;

    /// The last one, in seconds from the epoch: 9999-12-30T22:00:00Z.
    pub const MAX_SECOND: i64 = 253_402_207_200;

    /// This moment.
    pub fn now() -> Self {
        Self(Timestamp::now())
    }

    /// The moment that it tells.
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl TryFrom<SystemTime> for Date {
    type Error = Broken;

    fn try_from(time: SystemTime) -> Result<Self, Self::Error> {
        Timestamp::try_from(time)
            .ok()
            .filter(|time| (Self::MIN_SECOND..=Self::MAX_SECOND).contains(&time.as_second()))
            .map(Self)
            .ok_or_else(|| Broken::new(Rule::OutOfRange, "must be in the years 1900 to 9999"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn rule(second: i64) -> Option<Rule> {
        let distance = Duration::from_secs(second.unsigned_abs());
        let time = if second < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        };
        Date::try_from(time).err().map(|broken| broken.rule)
    }

    #[test]
    fn the_limits_hold_at_under_and_over() {
        for (second, expected) in [
            (Date::MIN_SECOND - 1, Some(Rule::OutOfRange)),
            (Date::MIN_SECOND, None),
            (Date::MIN_SECOND + 1, None),
            (0, None),
            (Date::MAX_SECOND - 1, None),
            (Date::MAX_SECOND, None),
            (Date::MAX_SECOND + 1, Some(Rule::OutOfRange)),
        ] {
            assert_eq!(rule(second), expected, "{second}");
        }
    }
}
