//! Helpers for the tests of this crate.

use std::path::Path;

use ambient::{Clock, Rng, Timestamp};

use crate::{Books, Nanos, NewRequest, Options, Outcome, Price, Recovered, Settlement, Usage, UsageSource};

/// A small spool that the keeper leaves alone, so that a test decides when rounds happen.
pub(crate) fn small() -> Options {
    Options {
        segments: 4,
        segment_bytes: 16 * 1024,
        sync_every: std::time::Duration::from_secs(3600),
        checkpoint_after: std::time::Duration::ZERO,
        ..Options::default()
    }
}

pub(crate) fn clock() -> Clock {
    Clock::manual(Timestamp::from_micros(1_000_000)).0
}

pub(crate) fn open(dir: &Path) -> (Books, Recovered) {
    open_with(dir, small())
}

pub(crate) fn open_with(dir: &Path, options: Options) -> (Books, Recovered) {
    Books::open(dir, options, clock(), &Rng::system()).unwrap()
}

pub(crate) fn request(id: &str) -> NewRequest {
    NewRequest {
        request_id: id.into(),
        key: "key-1".into(),
        model: "tiny".into(),
        surface: "chat/completions".into(),
        stream: true,
        price: Price { version: 1, input: 1_000_000, cached_input: 1_000_000, output: 2_000_000, ..Price::default() },
        prompt_tokens_estimate: 10,
        reserved: Nanos(100),
    }
}

/// A settlement that costs `tokens` × 2 nano-units at the price of [`request`].
pub(crate) fn completed(tokens: u64) -> Settlement {
    Settlement {
        outcome: Outcome::Completed,
        status: 200,
        usage: Usage { completion_tokens: tokens, ..Usage::default() },
        usage_source: UsageSource::Engine,
    }
}

/// Copies the spool as a crash would leave it.
pub(crate) fn crash_image(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
