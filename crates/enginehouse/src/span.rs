//! Lengths of time and moments as people type them: `15m`, `30d`, `2027-01-31`, RFC 3339.

use std::time::Duration;

use ambient::Timestamp;

/// A length of time: `90s`, `15m`, `1h 30m`. For flags.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is no length of time: write it as 90s, 15m or 1h"))?;
    Duration::try_from(parsed).map_err(|_| format!("`{text}` is negative"))
}

/// A moment in the future of `now`: a length of time from now (`30d`, `12h`), a day in UTC or RFC 3339.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let moment = absolute(text).or_else(|| relative(text, now));
    let moment = moment
        .ok_or_else(|| format!("`{text}` is no moment: write it as 30d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z"))?;
    if moment > now { Ok(moment) } else { Err(format!("`{text}` lies in the past")) }
}

/// A moment in the past of `now`: a length of time ago (`7d`, `12h`), a day in UTC or RFC 3339.
pub(crate) fn past(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let moment = absolute(text).or_else(|| relative(&format!("-{text}"), now));
    moment.ok_or_else(|| format!("`{text}` is no moment: write it as 7d, 12h, 2026-11-20 or 2026-11-20T12:00:00Z"))
}

/// A day, as `2026-11-20`.
pub(crate) fn day(text: &str) -> Result<String, String> {
    let parsed: Result<jiff::civil::Date, _> = text.parse();
    parsed.map(|date| date.to_string()).map_err(|_| format!("`{text}` is no day: write it as 2026-11-20"))
}

fn absolute(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_micros(moment.as_microsecond()));
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_micros(midnight.timestamp().as_microsecond()))
}

fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let span: jiff::Span = text.parse().ok()?;
    let start = jiff::Timestamp::from_microsecond(now.as_micros()).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    let moment = start.checked_add(span).ok()?;
    Some(Timestamp::from_micros(moment.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_188_362_000_000);

    #[test]
    fn durations_as_people_type_them() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("soon").is_err());
        assert!(duration("-5s").is_err());
    }

    #[test]
    fn moments_from_now_by_day_and_exact() {
        let show = |text| moment(text, NOW).map(|t| t.to_string());
        assert_eq!(show("30d").as_deref(), Ok("2026-12-20T15:26:02Z"));
        assert_eq!(show("12h").as_deref(), Ok("2026-11-21T03:26:02Z"));
        assert_eq!(show("2027-01-31").as_deref(), Ok("2027-01-31T00:00:00Z"));
        assert_eq!(show("2027-01-31T01:00:00+01:00").as_deref(), Ok("2027-01-31T00:00:00Z"));
        assert!(show("2020-01-01").unwrap_err().contains("past"));
        assert!(show("-3d").unwrap_err().contains("past"));
        assert!(show("never").unwrap_err().contains("never"));
    }

    #[test]
    fn moments_that_were() {
        let show = |text| past(text, NOW).map(|t| t.to_string());
        assert_eq!(show("7d").as_deref(), Ok("2026-11-13T15:26:02Z"));
        assert_eq!(show("2026-01-31").as_deref(), Ok("2026-01-31T00:00:00Z"));
        assert!(show("soon").is_err());
    }

    #[test]
    fn days() {
        assert_eq!(day("2026-11-20").as_deref(), Ok("2026-11-20"));
        assert!(day("20.11.2026").is_err());
    }
}
