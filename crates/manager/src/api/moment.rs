use ambient::Timestamp;

use super::Problem;

/// The moment that the parameter `field` of a query names.
pub(super) fn read(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => Ok(Timestamp::from_micros(moment.as_microsecond())),
        Err(_) => Err(Problem::unfit(field, "is no moment; write it as 2026-12-31T23:59:59Z")),
    }
}
