use std::time::Duration;

use http::{HeaderMap, HeaderName};
use snapshot::Limits;
use tokio::time::Instant;

use super::scope::Counters;
use crate::number::Figures;

const REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// What is left of this minute in the tightest of the scopes that apply: `x-ratelimit-*`, in OpenAI's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) requests: Option<Quota>,
    pub(crate) tokens: Option<Quota>,
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until all of it is there again.
    pub(crate) resets: Duration,
}

// === impl Allowance ===

impl Allowance {
    /// Takes another scope into account.
    pub(super) fn narrow(&mut self, limits: &Limits, counters: &Counters, now: Instant) {
        if limits.rpm.is_none() && limits.tpm.is_none() {
            return;
        }
        let (requests, tokens, resets) = counters.window(now);
        let quota = |limit: u64, used: u64| Quota { limit, remaining: limit.saturating_sub(used), resets };
        tighten(&mut self.requests, limits.rpm.map(|limit| quota(limit, requests)));
        tighten(&mut self.tokens, limits.tpm.map(|limit| quota(limit, tokens)));
    }

    /// Writes the headers; an engine's own give way.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (names, quota) in [(REQUESTS, self.requests), (TOKENS, self.tokens)] {
            let Some(Quota { limit, remaining, resets }) = quota else { continue };
            let [limit_name, remaining_name, reset_name] = names;
            headers.insert(limit_name, Figures::of(limit).value());
            headers.insert(remaining_name, Figures::of(remaining).value());
            headers.insert(reset_name, shown(resets).value());
        }
    }
}

/// The one of which less is left.
fn tighten(tightest: &mut Option<Quota>, other: Option<Quota>) {
    let is_tighter = |other: &Quota| tightest.is_none_or(|tightest| other.remaining < tightest.remaining);
    if let Some(other) = other.filter(is_tighter) {
        *tightest = Some(other);
    }
}

/// A length of time as OpenAI writes it: `1s`, `6m0s`. Whole seconds, rounded up.
fn shown(duration: Duration) -> Figures {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match seconds / 60 {
        0 => Figures::of(seconds).text("s"),
        minutes => Figures::of(minutes).text("m").number(seconds % 60).text("s"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn lengths_of_time_are_written_as_openai_writes_them() {
        let shown = |millis| shown(Duration::from_millis(millis)).value();
        assert_eq!([0, 1, 59_000, 59_001, 90_000].map(shown), ["0s", "1s", "59s", "1m0s", "1m30s"]);
    }

    #[test]
    fn the_tightest_scope_is_told_and_an_engine_s_own_words_give_way() {
        let quota = |limit, remaining| Quota { limit, remaining, resets: Duration::from_secs(7) };
        let mut allowance = Allowance::default();
        tighten(&mut allowance.requests, Some(quota(100, 9)));
        tighten(&mut allowance.requests, Some(quota(10, 8)));
        tighten(&mut allowance.requests, Some(quota(50, 8)));
        tighten(&mut allowance.requests, None);
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-remaining-requests", HeaderValue::from_static("9999"));
        allowance.write(&mut headers);
        let told = ["limit", "remaining", "reset"].map(|word| headers[format!("x-ratelimit-{word}-requests")].clone());
        assert_eq!(told, ["10", "8", "7s"]);
        assert_eq!(headers.len(), 3, "nothing of tokens, which are not limited");
    }
}
