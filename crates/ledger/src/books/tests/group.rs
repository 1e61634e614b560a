//! Records that are written in one go.

use super::*;
use crate::{Entry, Prepared};

fn prepare(books: &Books, count: usize) -> Vec<Prepared> {
    (0..count).map(|_| books.prepare(request("x")).unwrap()).collect()
}

fn written(prepared: Vec<Prepared>) -> Vec<Result<Entry, Unavailable>> {
    prepared.into_iter().map(Prepared::written).collect()
}

/// Sequences of the events that a restart finds, and how many of them were interrupted by it.
fn reopened(dir: &Path) -> (Vec<u64>, usize) {
    let (_, recovered) = open(dir);
    assert!(recovered.damage.is_empty(), "{:?}", recovered.damage);
    let mut sequences = Vec::new();
    recovered.visit(Position::default(), |event| sequences.push(event.open.sequence)).unwrap();
    sequences.sort_unstable();
    (sequences, recovered.interrupted)
}

fn image(home: &Path) -> (Vec<u64>, usize) {
    let copy = tempdir().unwrap();
    crash_image(home, copy.path());
    reopened(copy.path())
}

#[test]
fn who_is_written_first_writes_all_that_came_together() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut prepared = prepare(&books, 3);
    assert_eq!(image(home.path()), (vec![], 0), "nothing was sent to an engine yet");
    let _first = prepared.remove(0).written().unwrap();
    assert_eq!(image(home.path()), (vec![1, 2, 3], 3));
    books.0.state().spool.set_broken(true);
    assert!(written(prepared).iter().all(Result::is_ok), "they had no need to write");
}

#[test]
fn a_close_counts_from_when_it_is_written() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut entries: Vec<_> = written(prepare(&books, 2)).into_iter().map(Result::unwrap).collect();
    for entry in &mut entries {
        assert_eq!(entry.settle_with_others(completed(4)), Nanos(8));
    }
    assert_eq!(books.health().outstanding, 2);
    assert_eq!(image(home.path()), (vec![1, 2], 2));
    books.flush();
    assert_eq!((books.health().outstanding, books.health().waiting), (0, 0));
    assert_eq!(image(home.path()), (vec![1, 2], 0));
}

#[test]
fn the_keeper_and_the_last_handle_write_what_nobody_else_has_written() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut entries: Vec<_> = written(prepare(&books, 2)).into_iter().map(Result::unwrap).collect();
    entries[0].settle_with_others(completed(4));
    books.sync().unwrap();
    assert_eq!(image(home.path()), (vec![1, 2], 1));
    entries[1].settle_with_others(completed(4));
    drop((entries, books));
    assert_eq!(reopened(home.path()), (vec![1, 2], 0));
}

#[test]
fn a_client_that_leaves_before_its_request_is_written_is_a_disconnect() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut prepared = prepare(&books, 2);
    drop(prepared.pop());
    assert_eq!(books.health().outstanding, 1);
    assert_eq!(image(home.path()), (vec![1, 2], 1));
}

#[test]
fn a_failing_write_refuses_all_that_came_together_and_nobody_else() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut before = books.admit(request("before")).unwrap();
    let room = books.health().room;
    let prepared = prepare(&books, 3);
    books.0.state().spool.set_broken(true);
    assert!(written(prepared).iter().all(|entry| matches!(entry, Err(Unavailable::Failing(_)))));
    assert_eq!((books.health().outstanding, books.health().room), (1, room));
    books.0.state().spool.set_broken(false);
    books.sync().unwrap();
    books.admit(request("after")).unwrap().settle(completed(1));
    before.settle(completed(1));
    drop((before, books));
    assert_eq!(reopened(home.path()), (vec![1, 5], 0));
}

#[test]
fn what_a_torn_write_has_brought_to_the_file_is_admitted() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut prepared = prepare(&books, 4);
    let end = books.tail().offset;
    prepared.extend(prepare(&books, 1));
    let size = usize::try_from(books.tail().offset - end).unwrap();
    books.0.state().spool.tear_next(2 * size + size / 2);
    let results = written(prepared);
    let admitted: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(admitted, [true, true, false, false, false]);
    assert!(matches!(books.admit(request("x")), Err(Unavailable::Failing(_))), "until the keeper has seen it work");
    assert_eq!(image(home.path()), (vec![1, 2], 2));
    books.sync().unwrap();
    drop(books.admit(request("x")).unwrap());
    drop((results, books));
    assert_eq!(reopened(home.path()), (vec![1, 2, 7], 0));
}

#[test]
fn a_failing_write_keeps_the_closes_of_all_that_came_together() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut entries: Vec<_> = written(prepare(&books, 3)).into_iter().map(Result::unwrap).collect();
    for entry in &mut entries {
        entry.settle_with_others(completed(4));
    }
    books.0.state().spool.set_broken(true);
    books.flush();
    assert_eq!((books.health().waiting, books.health().outstanding), (3, 3));
    books.0.state().spool.set_broken(false);
    books.sync().unwrap();
    assert_eq!((books.health().waiting, books.health().outstanding), (0, 0));
    assert_eq!(image(home.path()), (vec![1, 2, 3], 0));
}

#[test]
fn serving_on_admits_those_whose_write_failed() {
    let home = tempdir().unwrap();
    let (books, _) = open_with(home.path(), Options { on_full: OnFull::Serve, ..small() });
    let prepared = prepare(&books, 2);
    books.0.state().spool.set_broken(true);
    let mut entries: Vec<_> = written(prepared).into_iter().map(Result::unwrap).collect();
    entries[0].settle(completed(4));
    assert_eq!((books.health().waiting, books.health().outstanding), (1, 1));
    books.0.state().spool.set_broken(false);
    books.sync().unwrap();
    assert_eq!(image(home.path()), (vec![1, 2], 1), "the second was restated as soon as that was possible");
    drop(entries);
    assert_eq!(books.health().lost, 0);
}

#[test]
fn a_group_goes_on_in_the_next_segment() {
    let home = tempdir().unwrap();
    let (books, recovered) = open(home.path());
    for round in 1..=20 {
        for entry in written(prepare(&books, 5)) {
            entry.unwrap().settle_with_others(completed(1));
        }
        assert_eq!(books.health().outstanding, 5);
        if round % 2 == 0 {
            books.flush();
            assert_eq!(books.health().outstanding, 0);
        } else {
            assert_eq!(image(home.path()).1, 5);
        }
    }
    assert!(books.tail().segment > recovered.end.segment, "it took more than one segment");
    assert_eq!((books.health().outstanding, books.health().waiting), (0, 0));
    assert_eq!(image(home.path()), ((1..=100).collect(), 0));
}

#[test]
fn many_threads_write_for_each_other() {
    const THREADS: u64 = 8;
    const EACH: u64 = 200;
    let home = tempdir().unwrap();
    let (books, _) = open_with(home.path(), Options { segment_bytes: 1 << 20, ..small() });
    let work = |books: Books| {
        for _ in 0..EACH {
            let prepared = books.prepare(request("x")).unwrap();
            std::thread::yield_now();
            let mut entry = prepared.written().unwrap();
            entry.settle_with_others(completed(1));
            std::thread::yield_now();
            books.flush();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| work(books.clone()));
        }
    });
    assert_eq!((books.health().outstanding, books.health().waiting), (0, 0));
    assert_eq!(image(home.path()), ((1..=THREADS * EACH).collect(), 0));
}
