use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// How long an engine has to be healthy before its earlier failures are forgotten.
pub const STABLE: Duration = Duration::from_secs(60);

/// How long to wait before starting an engine again that was started again `restarts` times already: 1 s, then twice
/// as long each time, up to 60 s.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(runtime::backoff(0), Duration::from_secs(1));
/// assert_eq!(runtime::backoff(3), Duration::from_secs(8));
/// assert_eq!(runtime::backoff(100), Duration::from_secs(60));
/// ```
pub fn backoff(restarts: u32) -> Duration {
    let factor = 2_u32.checked_pow(restarts).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(LONGEST)
}

/// The restarts to count once an engine has failed that was healthy for `healthy_for`: one more, or none if it was
/// healthy for [`STABLE`], since that is no crash loop.
pub fn restarts_after(restarts: u32, healthy_for: Duration) -> u32 {
    if healthy_for >= STABLE { 0 } else { restarts.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute() {
        let seconds: Vec<_> = (0..8).map(|restarts| backoff(restarts).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(u32::MAX), LONGEST);
    }

    #[test]
    fn a_minute_of_health_forgets_failures() {
        assert_eq!(restarts_after(5, Duration::from_secs(59)), 6);
        assert_eq!(restarts_after(5, STABLE), 0);
        assert_eq!(restarts_after(u32::MAX, Duration::ZERO), u32::MAX);
    }
}
