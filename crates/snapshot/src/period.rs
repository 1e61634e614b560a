use ambient::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use spec::{Period, PeriodUnit};

/// Microseconds of a second, and of a day.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// When a budget begins anew, on the calendar (UTC), as LiteLLM does it.
///
/// | period | begins |
/// |---|---|
/// | seconds, minutes, hours | at each multiple: `12h` at midnight and noon |
/// | `1d` | at midnight |
/// | `7d`, `1w` | on Monday |
/// | `30d`, `1mo` | on the first of the month |
/// | other days, weeks and months | each so many days or months from the anchor's day, or its month's first, on |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetPeriod {
    /// How often.
    pub every: Period,
    /// Where counting begins, for periods that the calendar does not know.
    pub anchor: Timestamp,
}

/// One run of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its first moment.
    pub begins: Timestamp,
    /// The first moment after it.
    pub ends: Timestamp,
}

// === impl BudgetPeriod ===

impl BudgetPeriod {
    /// The run that `at` lies in.
    pub fn run(&self, at: Timestamp) -> Run {
        let count = i64::from(self.every.count());
        match (self.every.unit(), count) {
            (PeriodUnit::Second, n) => multiples(at, n * SECOND, 0),
            (PeriodUnit::Minute, n) => multiples(at, n * 60 * SECOND, 0),
            (PeriodUnit::Hour, n) => multiples(at, n * 3_600 * SECOND, 0),
            (PeriodUnit::Day, 1) => multiples(at, DAY, 0),
            // 1970-01-05 was a Monday.
            (PeriodUnit::Day, 7) | (PeriodUnit::Week, 1) => multiples(at, 7 * DAY, 4 * DAY),
            (PeriodUnit::Day, 30) => self.months(at, 1),
            (PeriodUnit::Day, n) => multiples(at, n * DAY, midnight(self.anchor)),
            (PeriodUnit::Week, n) => multiples(at, n * 7 * DAY, midnight(self.anchor)),
            (PeriodUnit::Month, n) => self.months(at, n),
        }
    }

    fn months(&self, at: Timestamp, count: i64) -> Run {
        let since = month(at) - month(self.anchor);
        let first = month(self.anchor) + since.div_euclid(count) * count;
        Run { begins: first_of(first), ends: first_of(first + count) }
    }
}

/// The run of so many microseconds that `at` lies in, where one begins at `from`.
fn multiples(at: Timestamp, length: i64, from: i64) -> Run {
    let behind = at.as_micros().saturating_sub(from).rem_euclid(length);
    let begins = at.as_micros().saturating_sub(behind);
    Run { begins: Timestamp::from_micros(begins), ends: Timestamp::from_micros(begins.saturating_add(length)) }
}

fn midnight(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(DAY) * DAY
}

/// Months since January of the year 0.
fn month(at: Timestamp) -> i64 {
    let civil = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default().to_zoned(TimeZone::UTC).date();
    i64::from(civil.year()) * 12 + i64::from(civil.month()) - 1
}

/// The first moment of a month; what is beyond the calendar is its end.
fn first_of(month: i64) -> Timestamp {
    let first = || {
        let (year, month) = (i16::try_from(month.div_euclid(12)).ok()?, i8::try_from(month.rem_euclid(12) + 1).ok()?);
        let zoned = Date::new(year, month, 1).ok()?.to_zoned(TimeZone::UTC).ok()?;
        Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
    };
    first().unwrap_or(Timestamp::from_micros(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn run(every: &str, now: &str) -> (String, String) {
        let period = BudgetPeriod { every: every.parse().unwrap(), anchor: at("2026-11-03T08:30:00Z") };
        let Run { begins, ends } = period.run(at(now));
        (begins.to_string(), ends.to_string())
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let friday = "2026-11-20T10:14:20.5Z";
        for (every, begins, ends) in [
            ("30s", "2026-11-20T10:14:00Z", "2026-11-20T10:14:30Z"),
            ("12h", "2026-11-20T00:00:00Z", "2026-11-20T12:00:00Z"),
            ("1d", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
            ("7d", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("1w", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("30d", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("1mo", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("10d", "2026-11-13T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("2w", "2026-11-17T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("3mo", "2026-11-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ] {
            assert_eq!(run(every, friday), (begins.into(), ends.into()), "{every}");
        }
        assert_eq!(run("3mo", "2026-10-31T00:00:00Z").0, "2026-08-01T00:00:00Z", "before the anchor too");
    }

    #[test]
    fn every_moment_lies_in_its_run_and_the_next_run_begins_where_it_ends() {
        for every in ["1s", "90s", "7m", "5h", "1d", "3d", "7d", "30d", "2w", "1mo", "5mo", "10000mo"] {
            let period = BudgetPeriod { every: every.parse().unwrap(), anchor: at("2026-11-03T08:30:00Z") };
            for now in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59.999999Z", "2026-12-31T23:59:59Z"] {
                let run = period.run(at(now));
                assert!(run.begins <= at(now) && at(now) < run.ends, "{every} at {now}: {run:?}");
                if run.ends < Timestamp::from_micros(i64::MAX) {
                    assert_eq!(period.run(run.ends).begins, run.ends, "{every} after {now}");
                }
            }
        }
    }
}
