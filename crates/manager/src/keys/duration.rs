use ambient::Timestamp;
use jiff::{Span, tz::TimeZone};

/// A length of time cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no length of time; write a number and s, m, h, d, w or mo, as `30d`")]
pub(crate) struct UnfitDuration;

/// The moment that is `length` after `now`: `30s`, `5m`, `12h`, `30d`, `2w`, `1mo` (calendar months, in UTC).
pub(crate) fn after(now: Timestamp, length: &str) -> Result<Timestamp, UnfitDuration> {
    let digits = length.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = length.split_at(digits);
    let number: i64 = number.parse().map_err(|_| UnfitDuration)?;
    let span = match unit {
        "s" => Span::new().try_seconds(number),
        "m" => Span::new().try_minutes(number),
        "h" => Span::new().try_hours(number),
        "d" => Span::new().try_days(number),
        "w" => Span::new().try_weeks(number),
        "mo" => Span::new().try_months(number),
        _ => return Err(UnfitDuration),
    };
    let now = jiff::Timestamp::from_microsecond(now.as_micros()).map_err(|_| UnfitDuration)?.to_zoned(TimeZone::UTC);
    let then = span.and_then(|span| now.checked_add(span)).map_err(|_| UnfitDuration)?;
    Ok(Timestamp::from_micros(then.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_added_to_now() {
        let now = Timestamp::from_micros(1_795_188_362_000_000);
        let later = |length: &str| after(now, length).map(|then| then.to_string());
        assert_eq!(later("30d").unwrap(), "2026-12-20T15:26:02Z");
        assert_eq!(later("1mo").unwrap(), "2026-12-20T15:26:02Z");
        assert_eq!(later("2w").unwrap(), "2026-12-04T15:26:02Z");
        assert_eq!(later("90s").unwrap(), "2026-11-20T15:27:32Z");
        assert_eq!(later("0s").unwrap(), "2026-11-20T15:26:02Z");
        for unfit in ["", "30", "d", "-1d", "1y", "1 d", "99999999999999999999d", "999999999d", "1.5h"] {
            assert_eq!(later(unfit), Err(UnfitDuration), "{unfit}");
        }
    }
}
