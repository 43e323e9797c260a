//! Timestamps and clocks.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use utoipa::ToSchema;

/// A point in time in UTC with millisecond precision. Formatted as RFC 3339 with three decimals, so that strings sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T12:00:00.000Z")]
#[schema(description = "A time in UTC, RFC 3339, to the millisecond.")]
pub struct Timestamp(OffsetDateTime);

/// The value is not a time between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time, such as 2026-01-31T12:00:00Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// Converts Unix seconds, as in a JWT's `NumericDate` (RFC 7519).
    ///
    /// # Errors
    /// [`InvalidTimestamp`] outside the years 0 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Result<Self, InvalidTimestamp> {
        Self::in_range(OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| InvalidTimestamp)?)
    }

    /// Converts Unix milliseconds, as in the deadline of a Lambda invocation.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] outside the years 0 to 9999.
    pub fn from_unix_millis(millis: i64) -> Result<Self, InvalidTimestamp> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
        Self::in_range(time.map_err(|_| InvalidTimestamp)?)
    }

    /// Parses RFC 3339 with any offset and truncates to milliseconds.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let utc = parsed.checked_to_offset(time::UtcOffset::UTC).ok_or(InvalidTimestamp)?;
        Self::in_range(utc.replace_millisecond(utc.millisecond()).map_err(|_| InvalidTimestamp)?)
    }

    fn in_range(utc: OffsetDateTime) -> Result<Self, InvalidTimestamp> {
        if (0..=9999).contains(&utc.year()) { Ok(Self(utc)) } else { Err(InvalidTimestamp) }
    }

    pub const fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    pub fn unix_millis(self) -> i64 {
        self.unix_seconds().saturating_mul(1000).saturating_add(i64::from(self.0.millisecond()))
    }

    /// The duration until a later time; zero if that is in the past.
    pub fn until(self, later: Self) -> Duration {
        Duration::try_from(later.0 - self.0).unwrap_or_default()
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(time::Duration::try_from(duration).unwrap_or(time::Duration::MAX)))
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(time::Duration::try_from(duration).unwrap_or(time::Duration::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&self.0.format(&format).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A source of the current time, injected so that tests can control it.
pub trait Clock {
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = OffsetDateTime::now_utc();
        Timestamp(now.replace_millisecond(now.millisecond()).unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_round_trips_in_utc_with_milliseconds() {
        let time = Timestamp::parse("2026-01-31T13:00:00.1239+01:00").unwrap();
        assert_eq!(time.to_string(), "2026-01-31T12:00:00.123Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
    }

    #[test]
    fn text_that_is_not_rfc_3339_is_rejected() {
        for text in ["", "yesterday", "2026-01-31", "2026-02-30T00:00:00Z", "1767225600", "0000-01-01T00:00:00+23:59"] {
            assert_eq!(Timestamp::parse(text), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn unix_time_outside_the_years_0_to_9999_is_rejected() {
        let (first, last) = (-62_167_219_200, 253_402_300_799);
        for seconds in [first, last] {
            assert_eq!(Timestamp::from_unix_seconds(seconds).unwrap().unix_seconds(), seconds);
            assert_eq!(Timestamp::from_unix_millis(seconds * 1000).unwrap().unix_seconds(), seconds);
        }
        for seconds in [first - 1, last + 1, i64::MIN, i64::MAX] {
            assert_eq!(Timestamp::from_unix_seconds(seconds), Err(InvalidTimestamp));
            assert_eq!(Timestamp::from_unix_millis(seconds.saturating_mul(1000)), Err(InvalidTimestamp));
        }
    }

    #[test]
    fn formatted_timestamps_sort_by_time() {
        let earlier = Timestamp::from_unix_seconds(999_999_999).unwrap();
        let later = earlier.plus(Duration::from_millis(1));
        assert!(earlier < later && earlier.to_string() < later.to_string());
    }
}
