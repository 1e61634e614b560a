//! Damaged spools: what can be read is drained, numbers that the sink has seen never come again.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::DamageKind;
use crate::testing::{open_with, small};

/// A spool of four segments of which at least three hold events, drained in part, and then closed.
async fn written() -> (TempDir, TestSink, u64) {
    let (home, books, sink) = start();
    for _ in 0..10 {
        settle(&books, 10);
        books.sync().unwrap(); // So that old segments do not know of new requests.
    }
    drain(home.path(), &sink).catch_up().await.unwrap();
    settle(&books, 60);
    let next = books.admit(request("last")).unwrap().open().sequence;
    drop(books);
    (home, sink, next)
}

fn segment(home: &TempDir, slot: usize) -> PathBuf {
    home.path().join(format!("segment-{slot:04}"))
}

fn damage(home: &TempDir, slot: usize, offset: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(segment(home, slot)).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Opens again, settles some more, drains; all that is settled now must arrive, under new numbers.
async fn goes_on(home: &TempDir, sink: &TestSink, next: u64) -> Vec<DamageKind> {
    let (books, recovered) = open(home.path());
    let before = count(sink);
    if let Some(position) = sink.get(|stored| stored.positions.get(&books.gateway()).copied()) {
        let in_doubt = !recovered.damage.is_empty();
        assert!(!in_doubt || recovered.end.segment > position.segment, "new records take places that are new");
    }
    let mut expected = 0;
    for number in 0..10 {
        let mut entry = books.admit(request("new")).unwrap();
        assert!(entry.open().sequence >= next, "{} of {number} is new", entry.open().sequence);
        entry.settle(completed(1));
        expected += 1;
    }
    drain(home.path(), sink).catch_up().await.unwrap();
    let arrived = sink.get(|stored| stored.events.values().filter(|event| &*event.open.request_id == "new").count());
    assert_eq!(arrived, expected, "after {before} events");
    assert_eq!(sink.spent(), sink.get(|stored| stored.events.values().map(|event| event.cost).sum()));
    recovered.damage.iter().map(|damage| damage.kind).collect()
}

#[tokio::test]
async fn an_undamaged_spool_reports_nothing() {
    let (home, sink, next) = written().await;
    assert_eq!(goes_on(&home, &sink, next).await, []);
    assert_eq!(count(&sink), 171);
}

#[tokio::test]
async fn garbage_between_records_costs_only_those_it_hit() {
    let (home, sink, next) = written().await;
    damage(&home, 0, 5000, &[0xa5; 700]);
    assert_eq!(goes_on(&home, &sink, next).await, [DamageKind::Gap]);
    assert_eq!(count(&sink), 171, "all in the first segment had been drained");
}

#[tokio::test]
async fn what_lies_behind_the_last_record_is_wiped() {
    let (home, books, _) = start();
    settle(&books, 3);
    let tail = books.tail().offset;
    drop(books);
    damage(&home, 0, tail + 200, &[0xa5; 700]);
    let (books, recovered) = open(home.path());
    assert!(recovered.damage.is_empty(), "nothing was lost");
    assert_eq!(books.tail().offset, tail);
    let bytes = fs::read(segment(&home, 0)).unwrap();
    assert!(bytes[usize::try_from(tail).unwrap()..].iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn a_zeroed_stretch_is_stepped_over() {
    let (home, _, next) = written().await;
    damage(&home, 1, 3000, &[0; 5000]);
    let sink = TestSink::default();
    assert_eq!(goes_on(&home, &sink, next).await, [DamageKind::Gap]);
    assert!((100..171).contains(&count(&sink)), "{}", count(&sink));
}

#[tokio::test]
async fn a_damaged_header_costs_its_segment() {
    for bytes in [[0; 100], [0xff; 100]] {
        let (home, sink, next) = written().await;
        damage(&home, 0, 0, &bytes);
        assert_eq!(goes_on(&home, &sink, next).await, [DamageKind::Header]);
    }
}

#[tokio::test]
async fn a_missing_file_costs_its_segment() {
    for slot in 0..4 {
        let (home, sink, next) = written().await;
        fs::remove_file(segment(&home, slot)).unwrap();
        let found = goes_on(&home, &sink, next).await;
        assert!(found.contains(&DamageKind::Missing), "{slot}: {found:?}");
    }
}

#[tokio::test]
async fn a_truncated_file_costs_what_was_cut() {
    for (slot, length) in [(0, 0), (0, 300), (1, 5000), (2, 5000), (2, 1024)] {
        let (home, sink, next) = written().await;
        File::options().write(true).open(segment(&home, slot)).unwrap().set_len(length).unwrap();
        let found = goes_on(&home, &sink, next).await;
        assert!(found.contains(&DamageKind::Short), "{slot} cut to {length}: {found:?}");
    }
}

#[tokio::test]
async fn a_tail_that_was_safe_on_disk_is_missed() {
    let (home, sink, next) = written().await;
    drain(home.path(), &sink).catch_up().await.unwrap();
    let newest = sink.get(|stored| stored.positions.values().next().copied()).unwrap();
    let slot = usize::try_from((newest.segment - 1) % 4).unwrap();
    damage(&home, slot, newest.offset - 600, &vec![0; 600]);
    let found = goes_on(&home, &sink, next).await;
    assert_eq!(found, [DamageKind::Tail]);
    assert_eq!(count(&sink), 171, "what was lost had been drained, and what is new took other places and numbers");
}

#[tokio::test]
async fn a_spool_that_lost_everything_starts_anew() {
    let (home, sink, _) = written().await;
    for slot in 0..4 {
        fs::remove_file(segment(&home, slot)).unwrap();
    }
    goes_on(&home, &sink, 1).await;
    assert_eq!(sink.get(|stored| stored.positions.len()), 2, "as another gateway");
}

#[tokio::test]
async fn files_of_two_gateways_are_refused() {
    let ((home, ..), (other, ..)) = (written().await, written().await);
    fs::copy(segment(&other, 1), segment(&home, 1)).unwrap();
    let error = Books::open(home.path(), small(), clock(), &ambient::Rng::system()).unwrap_err();
    assert!(matches!(error, crate::OpenError::Mixed(_)), "{error}");
}

#[tokio::test]
async fn a_live_reader_steps_over_damage_once_the_segment_is_done() {
    let (home, books, sink) = start();
    let mut drain = releasing(home.path(), &sink, &books);
    settle(&books, 10);
    drain.catch_up().await.unwrap();
    let at = drain.committed.unwrap();
    settle(&books, 10);
    damage(&home, 0, at.offset + 16, &[0xee; 16]);
    drain.catch_up().await.unwrap();
    assert_eq!(count(&sink), 10, "what does not read yet may still be written");
    settle(&books, 100);
    drain.catch_up().await.unwrap();
    assert_eq!(count(&sink), 120, "only an open was hit");
}

#[tokio::test]
async fn more_and_larger_segments_can_be_had_later() {
    let (home, sink, next) = written().await;
    let (books, recovered) =
        open_with(home.path(), crate::Options { segments: 6, segment_bytes: 32 * 1024, ..small() });
    assert_eq!(recovered.interrupted, 0);
    drop(books);
    goes_on(&home, &sink, next).await;
    assert_eq!(count(&sink), 171);
}
