use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment of wall-clock time: microseconds since 1970-01-01T00:00:00Z.
///
/// Plain integers, because that is what the spool and the store keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

// === impl Timestamp ===

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Time from `earlier` to `self`; zero if the clock was set back in between.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment `after` later than this one.
    #[must_use]
    pub fn plus(self, after: Duration) -> Self {
        let micros = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// The day in UTC, as `2026-11-20`.
    pub fn day(self) -> String {
        self.to_civil().map_or_else(|| "0000-00-00".to_owned(), |t| t.strftime("%Y-%m-%d").to_string())
    }

    fn to_civil(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_microsecond(self.0).ok()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, as `2026-11-20T15:26:02Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_civil() {
            Some(t) => t.fmt(f),
            None => write!(f, "{}us", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339_and_day() {
        let t = Timestamp::from_micros(1_795_188_362_000_000);
        assert_eq!(t.to_string(), "2026-11-20T15:26:02Z");
        assert_eq!(t.day(), "2026-11-20");
    }

    #[test]
    fn a_clock_set_back_gives_zero() {
        let (a, b) = (Timestamp::from_micros(10), Timestamp::from_micros(4));
        assert_eq!(b.since(a), Duration::ZERO);
        assert_eq!(a.since(b), Duration::from_micros(6));
    }
}
