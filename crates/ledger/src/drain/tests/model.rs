//! Random histories against a model: every admitted request ends in exactly one event, and all sums agree.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::testing::{crash_image, fast_dir, histories, open_with, small, spent_after};
use crate::{Entry, Event, Options, Position, Recovered, UsageSource};

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Relay(Index, u64),
    Settle(Index, u64),
    Abandon(Index),
    Keep,
    Drain(Option<Fault>),
    /// Drain, forgetting where it was.
    DrainAnew(Option<Fault>),
    /// The process is killed, perhaps in the middle of a write.
    Kill(Option<u8>),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![4 => Just(None), 1 => Just(Some(Fault::Refuse)), 1 => Just(Some(Fault::LoseAnswer))];
    prop_oneof![
        12 => Just(Step::Admit),
        6 => (any::<Index>(), 0..50_u64).prop_map(|(which, tokens)| Step::Relay(which, tokens)),
        8 => (any::<Index>(), 0..50_u64).prop_map(|(which, tokens)| Step::Settle(which, tokens)),
        2 => any::<Index>().prop_map(Step::Abandon),
        3 => Just(Step::Keep),
        4 => fault.clone().prop_map(Step::Drain),
        1 => fault.prop_map(Step::DrainAnew),
        1 => prop::option::of(any::<u8>()).prop_map(Step::Kill),
        1 => Just(Step::Restart),
    ]
}

/// What must be true of one request.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// Running; a checkpoint saw so many tokens relayed.
    Running {
        seen: u64,
    },
    Ended {
        outcome: Outcome,
        cost: Nanos,
    },
}

struct World {
    homes: Vec<TempDir>,
    books: Books,
    drain: Drain<TestSink>,
    sink: TestSink,
    running: Vec<Entry>,
    model: BTreeMap<u64, Expected>,
}

fn options() -> Options {
    Options { segments: 3, ..small() }
}

impl World {
    fn new() -> Self {
        let home = fast_dir();
        let (books, _) = open_with(home.path(), options());
        let sink = TestSink::default();
        let drain = releasing(home.path(), &sink, &books);
        Self { homes: vec![home], books, drain, sink, running: Vec::new(), model: BTreeMap::new() }
    }

    fn dir(&self) -> &Path {
        self.homes.last().unwrap().path()
    }

    fn take(&mut self, which: Index) -> Option<Entry> {
        (!self.running.is_empty()).then(|| self.running.swap_remove(which.index(self.running.len())))
    }

    fn end(&mut self, entry: &Entry, outcome: Outcome, cost: Nanos) {
        self.model.insert(entry.open().sequence, Expected::Ended { outcome, cost });
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Admit => {
                if let Ok(entry) = self.books.admit(request(&"i".repeat(250))) {
                    let fresh = self.model.insert(entry.open().sequence, Expected::Running { seen: 0 });
                    assert!(fresh.is_none(), "a sequence came twice");
                    self.running.push(entry);
                }
            }
            Step::Relay(which, tokens) => {
                if let Some(entry) = self.take(which) {
                    entry.progress().relayed(tokens, tokens);
                    self.running.push(entry);
                }
            }
            Step::Settle(which, tokens) => {
                if let Some(mut entry) = self.take(which) {
                    let cost = entry.settle(completed(tokens));
                    self.end(&entry, Outcome::Completed, cost);
                }
            }
            Step::Abandon(which) => {
                if let Some(entry) = self.take(which) {
                    self.end(&entry, Outcome::Disconnected, estimate(entry.progress().relayed_tokens()));
                }
            }
            Step::Keep => self.keep(),
            Step::Drain(fault) => self.drain(fault).await,
            Step::DrainAnew(fault) => {
                self.drain = releasing(self.dir(), &self.sink, &self.books);
                self.drain(fault).await;
            }
            Step::Kill(torn) => self.kill(torn),
            Step::Restart => self.restart(),
        }
        assert_eq!(self.books.health().waiting, 0, "every close finds its room");
    }

    fn keep(&mut self) {
        let room = self.books.health().room;
        self.books.sync().unwrap();
        // With this much room no checkpoint is put off.
        if room > 20_000 {
            for entry in &self.running {
                let seen = entry.progress().relayed_tokens();
                self.model.insert(entry.open().sequence, Expected::Running { seen });
            }
        }
    }

    async fn drain(&mut self, fault: Option<Fault>) {
        self.sink.set_fault(fault);
        let _ = self.drain.catch_up().await;
        self.sink.set_fault(None);
    }

    fn kill(&mut self, torn: Option<u8>) {
        let home = fast_dir();
        let still = self.books.hold_keeper();
        crash_image(self.dir(), home.path());
        drop(still);
        if let Some(garbage) = torn {
            tear(home.path(), self.books.tail(), garbage);
        }
        self.running.clear();
        self.homes.push(home);
        self.reopen();
    }

    fn restart(&mut self) {
        while let Some(entry) = self.running.pop() {
            self.end(&entry, Outcome::Disconnected, estimate(entry.progress().relayed_tokens()));
        }
        // The drain's hook holds the books.
        self.drain = drain(self.dir(), &self.sink);
        let home = fast_dir();
        self.books = open_with(home.path(), options()).0;
        drop(home);
        self.reopen();
    }

    fn reopen(&mut self) {
        let (books, recovered) = open_with(self.dir(), options());
        let interrupted = self.model.values().filter(|state| matches!(state, Expected::Running { .. })).count();
        assert_eq!(recovered.interrupted, interrupted);
        assert!(recovered.damage.is_empty(), "{:?}", recovered.damage);
        self.drain = releasing(self.dir(), &self.sink, &books);
        self.books = books;
        self.judge_interrupted(&recovered);
    }

    /// Asks the recovered books what the interrupted cost, as far as the model leaves that open; then what was spent
    /// must agree: aggregates and what lies behind their position.
    fn judge_interrupted(&mut self, recovered: &Recovered) {
        let mut events = BTreeMap::<u64, Event>::new();
        recovered.visit(Position::default(), |event| drop(events.insert(event.open.sequence, event))).unwrap();
        for (sequence, state) in &mut self.model {
            if let Expected::Running { seen } = *state {
                let event = &events[sequence];
                assert_eq!(event.outcome, Outcome::Interrupted);
                assert!(event.usage.completion_tokens >= seen);
                assert_eq!(event.usage_source == UsageSource::None, event.cost == Nanos::ZERO);
                *state = Expected::Ended { outcome: Outcome::Interrupted, cost: event.cost };
            }
        }
        let position = self.sink.get(|stored| stored.positions.get(&self.books.gateway()).copied());
        let spent = self.sink.spent() + spent_after(recovered, position.unwrap_or_default());
        assert_eq!(spent, self.model.values().map(Expected::cost).sum(), "budgets never forget");
    }

    async fn finish(mut self) {
        self.kill(None);
        self.drain(None).await;
        let stored = self.sink.events();
        assert!(stored.keys().eq(self.model.keys()), "each admitted request has its event, and nothing else has");
        for (sequence, state) in &self.model {
            let Expected::Ended { outcome, cost } = *state else { panic!("{sequence} still runs") };
            assert_eq!((stored[sequence].outcome, stored[sequence].cost), (outcome, cost));
        }
        assert_eq!(self.sink.spent(), self.model.values().map(Expected::cost).sum());
    }
}

impl Expected {
    fn cost(&self) -> Nanos {
        match self {
            Self::Running { .. } => Nanos::ZERO,
            Self::Ended { cost, .. } => *cost,
        }
    }
}

/// What [`request`] costs when so many tokens were relayed and the engine said nothing.
fn estimate(relayed: u64) -> Nanos {
    Nanos(if relayed == 0 { 0 } else { 10 + 2 * i64::try_from(relayed).unwrap() })
}

/// The kernel was killed in the middle of the write at `tail`.
fn tear(dir: &Path, tail: Position, garbage: u8) {
    use std::os::unix::fs::FileExt;
    for slot in 0..3 {
        let file = std::fs::OpenOptions::new().read(true).write(true).open(crate::segment::path(dir, slot)).unwrap();
        let mut header = [0; 128];
        file.read_exact_at(&mut header, 0).unwrap();
        if let crate::header::Block::Valid(crate::header::Header { seal, .. }) = crate::header::decode(&header)
            && seal.segment == tail.segment
            && tail.offset + 64 <= 16 * 1024
        {
            file.write_all_at(&[garbage; 50], tail.offset).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn every_admitted_request_ends_in_exactly_one_event(steps in prop::collection::vec(step(), 1..150)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.step(step).await;
            }
            world.finish().await;
        });
    }
}
