//! Throw-away stores for tests.

use std::sync::Arc;

use ambient::Timestamp;
use ledger::{Event, Nanos, Open, Outcome, Price, Usage, UsageSource};

use crate::Store;

/// A store in a folder that goes when the test ends.
pub(crate) async fn store() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).await.unwrap();
    (home, store)
}

/// An event of `key` on `model`, closed `second`s after the epoch.
pub(crate) fn event(sequence: u64, key: &str, model: &str, second: i64, cost: i64) -> Event {
    let at = Timestamp::from_micros(second * 1_000_000);
    Event {
        open: Open {
            sequence,
            request_id: format!("request-{sequence}").into(),
            opened_at: at,
            key: Arc::from(key),
            model: Arc::from(model),
            surface: "chat/completions".into(),
            stream: false,
            price: Price::default(),
            prompt_tokens_estimate: 5,
            reserved: Nanos::ZERO,
        },
        closed_at: at,
        outcome: Outcome::Completed,
        status: 200,
        usage: Usage { prompt_tokens: 10, cached_tokens: 4, completion_tokens: 3, ..Usage::default() },
        usage_source: UsageSource::Engine,
        cost: Nanos(cost),
        first_byte_micros: Some(1500),
        attempts: Vec::new(),
    }
}
