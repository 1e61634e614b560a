//! Power cuts: of what was not forced to the disk, any sector may be there or not. What was, is in the books; what the
//! sink has seen, the spool has too; nothing is counted twice.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::segment::{self, faults};
use crate::testing::{crash_image, fast_dir, histories, open_with, small, spent_after};
use crate::{DamageKind, Entry, Event, Options, Position, Recovered};

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Settle,
    Sync,
    Drain,
    PowerCut(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Admit),
        9 => Just(Step::Settle),
        3 => Just(Step::Sync),
        2 => Just(Step::Drain),
        2 => any::<u64>().prop_map(Step::PowerCut),
    ]
}

/// How far a request has come, surely on disk or not.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    opened: bool,
    closed: Option<Nanos>,
    open_is_safe: bool,
    close_is_safe: bool,
}

struct World {
    home: TempDir,
    books: Books,
    drain: Drain<TestSink>,
    sink: TestSink,
    running: Vec<Entry>,
    known: BTreeMap<u64, Known>,
}

fn options() -> Options {
    Options { segments: 3, ..small() }
}

/// After a power cut: sector by sector what was safe or what was written.
fn image(from: &Path, to: &Path, seed: u64) {
    let dice = ambient::Rng::seeded(seed);
    for slot in 0..3 {
        let path = segment::path(from, slot);
        let (mut bytes, written) = (fs::read(faults::durable(&path)).unwrap_or_default(), fs::read(&path).unwrap());
        bytes.resize(written.len(), 0);
        for (safe, written) in bytes.chunks_mut(SECTOR).zip(written.chunks(SECTOR)) {
            if dice.below(2) == 0 {
                safe.copy_from_slice(written);
            }
        }
        fs::write(segment::path(to, slot), &bytes).unwrap();
        fs::write(faults::durable(&segment::path(to, slot)), &bytes).unwrap();
    }
}

impl World {
    fn new() -> Self {
        let home = fast_dir();
        let (books, _) = open_with(home.path(), options());
        let sink = TestSink::default();
        let drain = releasing(home.path(), &sink, &books);
        Self { home, books, drain, sink, running: Vec::new(), known: BTreeMap::new() }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Admit => self.admit(),
            Step::Settle => {
                if let Some(mut entry) = self.running.pop() {
                    let cost = entry.settle(completed(entry.open().sequence));
                    self.known.get_mut(&entry.open().sequence).unwrap().closed = Some(cost);
                }
            }
            Step::Sync => {
                self.books.sync().unwrap();
                for known in self.known.values_mut() {
                    (known.open_is_safe, known.close_is_safe) = (known.opened, known.closed.is_some());
                }
            }
            Step::Drain => self.drain.catch_up().await.unwrap(),
            Step::PowerCut(seed) => self.cut(seed),
        }
    }

    fn admit(&mut self) {
        if let Ok(entry) = self.books.admit(request(&"i".repeat(250))) {
            let sequence = entry.open().sequence;
            assert!(!self.sink.events().contains_key(&sequence), "{sequence} came twice");
            let before = self.known.insert(sequence, Known { opened: true, ..Known::default() });
            assert!(before.is_none(), "{sequence} came twice");
            self.running.push(entry);
        }
    }

    fn cut(&mut self, seed: u64) {
        let home = fast_dir();
        let still = self.books.hold_keeper();
        image(self.home.path(), home.path(), seed);
        drop(still);
        // The old world ends in its own directory, seen by nobody.
        self.running.clear();
        let (books, recovered) = open_with(home.path(), options());
        self.drain = releasing(home.path(), &self.sink, &books);
        (self.home, self.books) = (home, books);
        assert!(recovered.damage.iter().all(|damage| damage.kind != DamageKind::Tail), "{:?}", recovered.damage);
        self.judge(&recovered);
    }

    fn judge(&mut self, recovered: &Recovered) {
        let mut events: BTreeMap<u64, Event> = BTreeMap::new();
        recovered.visit(Position::default(), |event| drop(events.insert(event.open.sequence, event))).unwrap();
        events.append(&mut self.sink.events());
        for (sequence, known) in &self.known {
            let event = events.get(sequence);
            assert!(event.is_some() || !known.open_is_safe, "{sequence} is gone: {known:?}");
            let Some(event) = event else { continue };
            let as_closed = event.outcome == Outcome::Completed && Some(event.cost) == known.closed;
            assert!(as_closed || event.outcome == Outcome::Interrupted, "{event:?}");
            assert!(as_closed || !known.close_is_safe, "{sequence} was closed: {known:?}");
        }
        let made_up: Vec<&Event> =
            events.values().filter(|event| !self.known.contains_key(&event.open.sequence)).collect();
        assert!(made_up.is_empty(), "{made_up:?}");
        let all_safe = |event: &Event| Known {
            opened: true,
            closed: Some(event.cost).filter(|_| event.outcome == Outcome::Completed),
            open_is_safe: true,
            close_is_safe: event.outcome == Outcome::Completed,
        };
        self.known = events.iter().map(|(sequence, event)| (*sequence, all_safe(event))).collect();
        let position = self.sink.get(|stored| stored.positions.get(&self.books.gateway()).copied());
        let spent = self.sink.spent() + spent_after(recovered, position.unwrap_or_default());
        assert_eq!(spent, events.values().map(|event| event.cost).sum(), "nothing is counted twice or forgotten");
    }

    async fn finish(mut self) {
        self.cut(1);
        self.drain.catch_up().await.unwrap();
        assert!(self.sink.events().keys().eq(self.known.keys()));
        assert_eq!(self.sink.get(|stored| stored.repeated), 0, "the position stayed exact");
    }
}

/// What surely is on disk, and nothing else.
fn safe_image(from: &Path, to: &Path) {
    for slot in 0..3 {
        fs::copy(faults::durable(&segment::path(from, slot)), segment::path(to, slot)).unwrap();
    }
}

#[test]
fn a_segment_is_let_go_only_when_what_replaces_it_is_safe() {
    let (home, after) = (fast_dir(), fast_dir());
    let (books, recovered) = open_with(home.path(), options());
    let running: Vec<Entry> = (0..3).map(|_| books.admit(request(&"i".repeat(250))).unwrap()).collect();
    // Restating all of them goes over the end of a segment.
    while books.tail().segment == recovered.end.segment || books.tail().offset < 15 * 1024 + 256 {
        settle(&books, 1);
    }
    let before = books.tail().segment;
    books.release(books.tail());
    books.sync().unwrap();
    assert!(books.tail().segment > before);
    let still = books.hold_keeper();
    safe_image(home.path(), after.path());
    drop(still);
    let (_, again) = open_with(after.path(), options());
    assert!(again.oldest.segment > recovered.oldest.segment, "it was let go");
    assert_eq!(again.interrupted, running.len());
}

#[test]
fn what_recovery_closed_is_safe_when_the_books_are_open() {
    let (home, crash, after) = (fast_dir(), fast_dir(), fast_dir());
    let (books, _) = open_with(home.path(), options());
    let _running = books.admit(request("x")).unwrap();
    crash_image(home.path(), crash.path());
    let (books, recovered) = open_with(crash.path(), options());
    assert_eq!(recovered.interrupted, 1);
    let still = books.hold_keeper();
    safe_image(crash.path(), after.path());
    drop(still);
    assert_eq!(open_with(after.path(), options()).1.interrupted, 0);
}

#[test]
fn records_whose_header_was_lost_stay_lost() {
    let (home, cut, after) = (fast_dir(), fast_dir(), fast_dir());
    let (books, _) = open_with(home.path(), options());
    // Until every segment is in its second life and the next one has just begun.
    while books.tail().segment < 6 {
        settle(&books, 1);
        books.release(books.tail());
        books.sync().unwrap();
    }
    let still = books.hold_keeper();
    while books.tail().segment == 6 {
        settle(&books, 1);
    }
    settle(&books, 5);
    crash_image(home.path(), cut.path());
    let lost = (0..3).find(|slot| header_of(home.path(), *slot) == 7).unwrap();
    let safe = fs::read(faults::durable(&segment::path(home.path(), lost))).unwrap();
    let mut bytes = fs::read(segment::path(home.path(), lost)).unwrap();
    bytes[..SECTOR].copy_from_slice(&safe[..SECTOR]);
    fs::write(segment::path(cut.path(), lost), bytes).unwrap();

    drop(still);
    assert_eq!(header_of(cut.path(), lost), 4);

    let (books, recovered) = open_with(cut.path(), options());
    assert!(recovered.damage.is_empty());
    let first = books.admit(request("x")).unwrap().open().sequence;
    let mut last = first;
    while header_of(cut.path(), lost) != 7 {
        settle(&books, 1);
        last += 1;
    }
    assert_eq!(books.tail().segment, 7);
    let still = books.hold_keeper();
    crash_image(cut.path(), after.path());
    drop(still);
    let (_, recovered) = open_with(after.path(), options());
    let mut sequences = Vec::new();
    recovered.visit(Position::default(), |event| sequences.push(event.open.sequence)).unwrap();
    sequences.retain(|sequence| *sequence >= first);
    assert!(sequences.into_iter().eq(first..=last), "no record of the life that was lost came back");
}

/// Ordinal in the header of a segment.
fn header_of(dir: &Path, slot: usize) -> u64 {
    match segment::SegmentFile::open(dir, slot).unwrap().header().unwrap() {
        crate::header::Block::Valid(header) => header.seal.segment,
        _ => 0,
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn what_was_safe_survives_and_nothing_counts_twice(steps in prop::collection::vec(step(), 1..120)) {
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
