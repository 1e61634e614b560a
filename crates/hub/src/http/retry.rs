use std::time::Duration;

use ambient::Rng;
use http::{HeaderMap, StatusCode, header};
use tokio::time::sleep;

use crate::{HubError, Patience};

/// A request that came to nothing.
#[derive(Debug)]
pub(crate) struct Failure {
    error: HubError,
    passes: bool,
    /// What the server asked for.
    after: Option<Duration>,
}

/// Tries that brought nothing new.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    patience: Patience,
    rng: &'a Rng,
    failed: u32,
}

// === impl Failure ===

impl Failure {
    /// It may be better next time.
    pub(crate) const fn passing(error: HubError) -> Self {
        Self { error, passes: true, after: None }
    }

    /// It will not get better by itself.
    pub(crate) const fn is_final(error: HubError) -> Self {
        Self { error, passes: false, after: None }
    }

    pub(crate) fn into_final(self) -> Self {
        Self { passes: false, ..self }
    }

    /// For a status that may pass, with what the server says about when.
    pub(crate) fn refused(host: &str, status: StatusCode, headers: &HeaderMap) -> Self {
        let is_too_often = status == StatusCode::TOO_MANY_REQUESTS;
        let asked = if is_too_often { " (too many requests; a token in HF_TOKEN gets more)" } else { "" };
        let error = HubError::Refused { host: host.to_owned(), status: status.as_u16(), asked: asked.to_owned() };
        let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Self { error, passes: passes(status), after: after.map(Duration::from_secs) }
    }
}

// === impl Tries ===

impl<'a> Tries<'a> {
    pub(crate) const fn new(patience: Patience, rng: &'a Rng) -> Self {
        Self { patience, rng, failed: 0 }
    }

    /// Something new came: all tries are there again.
    pub(crate) const fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next try; an error if there is none.
    pub(crate) async fn wait(&mut self, failure: Failure) -> Result<(), HubError> {
        self.failed += 1;
        if !failure.passes || self.failed >= self.patience.attempts {
            return Err(failure.error);
        }
        let wait = self.patience.first_wait.saturating_mul(1 << (self.failed - 1).min(10));
        let wait = failure.after.unwrap_or(wait).min(self.patience.longest_wait);
        // Up to a quarter more, so that files that failed together are not tried together.
        let spread = u64::try_from(wait.as_millis() / 4).unwrap_or(0);
        tracing::debug!(failed = self.failed, wait_ms = wait.as_millis(), error = %failure.error, "trying again");
        sleep(wait + Duration::from_millis(self.rng.below(spread))).await;
        Ok(())
    }
}

fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn refused(status: u16, after: Option<&str>) -> Failure {
        let headers = after.map(|after| (header::RETRY_AFTER, after.parse().unwrap()));
        Failure::refused("hub", StatusCode::from_u16(status).unwrap(), &headers.into_iter().collect())
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_longer_and_longer_or_as_long_as_it_is_asked_to() {
        let rng = Rng::seeded(1);
        let mut tries = Tries::new(Patience::default(), &rng);
        let mut waits = Vec::new();
        for after in [None, None, Some("7"), Some("99999999")] {
            let begun = Instant::now();
            tries.wait(refused(503, after)).await.unwrap();
            waits.push(begun.elapsed().as_secs_f64());
        }
        let at_least = [0.5, 1.0, 7.0, 120.0];
        let fits = |(wait, least): (&f64, &f64)| (*least..=least * 1.26).contains(wait);
        assert!(waits.iter().zip(&at_least).all(fits), "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_and_progress_gives_all_tries_back() {
        let rng = Rng::seeded(1);
        let mut tries = Tries::new(Patience { attempts: 2, ..Patience::default() }, &rng);
        for _ in 0..5 {
            tries.wait(refused(429, None)).await.unwrap();
            tries.progressed();
        }
        tries.wait(refused(429, None)).await.unwrap();
        let error = tries.wait(refused(429, None)).await.unwrap_err().to_string();
        assert!(error.contains("429") && error.contains("HF_TOKEN"), "{error}");
        let mut tries = Tries::new(Patience::default(), &rng);
        assert!(tries.wait(refused(410, None)).await.is_err(), "nothing that stays is tried again");
    }
}
