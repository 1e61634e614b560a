//! Helpers for the tests of this crate.

use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, Rng, Timestamp};
use parking_lot::Mutex;
use proptest::test_runner::Config as ProptestConfig;
use tempfile::TempDir;

use crate::drain::{Batch, Sink};
use crate::{
    Books, Event, GatewayId, Nanos, NewRequest, Options, Outcome, Position, Price, Recovered, Settlement, Usage,
    UsageSource,
};

/// A store in memory that keeps to the letter of [`Sink::commit`], and fails as told.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestSink(Arc<Mutex<Stored>>);

#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) positions: HashMap<GatewayId, Position>,
    pub(crate) events: BTreeMap<(GatewayId, u64), Event>,
    pub(crate) spent: HashMap<Arc<str>, Nanos>,
    pub(crate) commits: usize,
    /// Events that came although they were there already.
    pub(crate) repeated: usize,
    pub(crate) fault: Option<Fault>,
}

/// How the sink fails until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is committed.
    Refuse,
    /// The batch is committed, but the answer is lost.
    LoseAnswer,
}

#[derive(Debug, thiserror::Error)]
#[error("the sink was told to fail")]
pub(crate) struct TestFault;

// === impl TestSink ===

impl TestSink {
    pub(crate) fn get<T>(&self, look: impl FnOnce(&Stored) -> T) -> T {
        look(&self.0.lock())
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.0.lock().fault = fault;
    }

    pub(crate) fn set_position(&self, gateway: GatewayId, position: Position) {
        self.0.lock().positions.insert(gateway, position);
    }

    /// The events by sequence, where there is only one gateway.
    pub(crate) fn events(&self) -> BTreeMap<u64, Event> {
        self.get(|stored| stored.events.iter().map(|(name, event)| (name.1, event.clone())).collect())
    }

    /// What all keys together have spent.
    pub(crate) fn spent(&self) -> Nanos {
        self.get(|stored| stored.spent.values().copied().sum())
    }
}

impl Sink for TestSink {
    type Error = TestFault;

    async fn position(&self, gateway: GatewayId) -> Result<Option<Position>, TestFault> {
        let stored = self.0.lock();
        if stored.fault.is_some() { Err(TestFault) } else { Ok(stored.positions.get(&gateway).copied()) }
    }

    async fn commit(&self, batch: &Batch) -> Result<(), TestFault> {
        let mut stored = self.0.lock();
        if stored.fault == Some(Fault::Refuse) {
            return Err(TestFault);
        }
        stored.commits += 1;
        for event in &batch.events {
            let name = (batch.gateway, event.open.sequence);
            if let Entry::Vacant(vacant) = stored.events.entry(name) {
                vacant.insert(event.clone());
                *stored.spent.entry(event.open.key.clone()).or_default() += event.cost;
            } else {
                stored.repeated += 1;
            }
        }
        stored.positions.insert(batch.gateway, batch.position);
        if stored.fault == Some(Fault::LoseAnswer) { Err(TestFault) } else { Ok(()) }
    }
}

/// A small spool that the keeper leaves alone, so that a test decides when rounds happen.
pub(crate) fn small() -> Options {
    Options {
        segments: 4,
        segment_bytes: 16 * 1024,
        sync_every: Duration::from_secs(3600),
        checkpoint_after: Duration::ZERO,
        ..Options::default()
    }
}

pub(crate) fn open(dir: &Path) -> (Books, Recovered) {
    open_with(dir, small())
}

pub(crate) fn open_with(dir: &Path, options: Options) -> (Books, Recovered) {
    Books::open(dir, options, clock(), &Rng::system()).unwrap()
}

/// Stands at a million seconds after the epoch.
pub(crate) fn clock() -> Clock {
    Clock::manual(Timestamp::from_micros(1_000_000_000_000)).0
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

/// A settlement that costs twice `tokens` in nano-units at the price of [`request`].
pub(crate) fn completed(tokens: u64) -> Settlement {
    Settlement {
        outcome: Outcome::Completed,
        status: 200,
        usage: Usage { completion_tokens: tokens, ..Usage::default() },
        usage_source: UsageSource::Engine,
    }
}

/// A quarter of the usual number of cases (`PROPTEST_CASES`), for tests that do much in each.
pub(crate) fn histories() -> ProptestConfig {
    ProptestConfig::with_cases(ProptestConfig::default().cases / 4)
}

/// A throw-away directory in memory where the machine has that: property tests force much to the disk.
pub(crate) fn fast_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Copies the spool as a crash would leave it.
pub(crate) fn crash_image(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// What all keys together have spent according to the spool, behind `position`.
pub(crate) fn spent_after(recovered: &Recovered, position: Position) -> Nanos {
    let mut spent = Nanos::ZERO;
    recovered.visit(position, |event| spent += event.cost).unwrap();
    spent
}
