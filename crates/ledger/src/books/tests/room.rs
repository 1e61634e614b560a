//! Room in the spool: what is promised is there, and what is drained is used again.

use super::*;
use crate::Entry;

/// Admits until the books refuse, with names of this length.
fn fill(books: &Books, length: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        match books.admit(request(&"x".repeat(length))) {
            Ok(entry) => entries.push(entry),
            Err(refusal) => {
                assert_eq!(refusal, Unavailable::Exhausted);
                return entries;
            }
        }
    }
}

/// Settles with the longest closes that there can be; says how many.
fn settle_all(entries: Vec<Entry>) -> u64 {
    let settled = entries.len() as u64;
    for mut entry in entries {
        for _ in 0..MAX_ATTEMPTS {
            let deployment = "d".repeat(128).into();
            entry.attempt(Attempt { deployment, status: 500, fault: "f".repeat(32).into(), micros: u64::MAX });
        }
        entry.settle(completed(1));
    }
    settled
}

fn drain_all(books: &Books) {
    books.release(books.tail());
    books.sync().unwrap();
}

#[test]
fn an_exhausted_spool_refuses_but_every_close_is_written() {
    // Records of every size, so that segments end with every kind of waste.
    for length in (0..256).step_by(8) {
        let home = tempdir().unwrap();
        let (books, _) = open(home.path());
        let entries = fill(&books, length);
        assert!(entries.len() > 5);
        assert_eq!(books.health().condition, Condition::Exhausted);
        for _ in 0..20 {
            books.sync().unwrap(); // Checkpoints must not eat what is promised to closes.
        }
        let settled = settle_all(entries);
        assert_eq!(books.health().waiting, 0, "with names of {length}");
        drop(books);
        let (_, recovered) = open(home.path());
        assert_eq!(recovered.interrupted, 0);
        assert_eq!(spent_after(&recovered, Position::default()), Nanos(i64::try_from(settled * 2).unwrap()));
    }
}

#[test]
fn a_full_spool_that_crashes_still_has_room_for_the_interrupted() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, _) = open(home.path());
    let entries = fill(&books, 200);
    for _ in 0..50 {
        books.sync().unwrap();
    }
    crash_image(home.path(), copy.path());
    let (books, recovered) = open(copy.path());
    assert_eq!(recovered.interrupted, entries.len());
    assert_eq!(books.health().waiting, 0);
    drop(books);
    assert_eq!(open(copy.path()).1.interrupted, 0);
}

#[test]
fn draining_makes_room_again() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let room = books.health().room;
    while books.admit(request("x")).map(|mut entry| entry.settle(completed(1))).is_ok() {}
    books.sync().unwrap();
    assert_eq!(books.admit(request("x")).unwrap_err(), Unavailable::Exhausted);
    drain_all(&books);
    assert_eq!(books.health().condition, Condition::Sound);
    assert!(books.health().room > room / 2);
    settle_all(fill(&books, 200));
}

#[test]
fn segments_are_used_again_under_a_request_that_runs_on_and_on() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, recovered) = open(home.path());
    let long = books.admit(request("long")).unwrap();
    long.progress().relayed(1000, 7);
    let mut settled = 0;
    while books.tail().segment < recovered.end.segment + 40 {
        settled += settle_all(fill(&books, 200));
        drain_all(&books);
    }
    assert!(settled > 100);
    crash_image(home.path(), copy.path());
    let (_, again) = open(copy.path());
    assert_eq!(again.interrupted, 1, "the long one, whose open was overwritten long ago");
    assert!(again.oldest.segment > recovered.end.segment);
    assert!(again.damage.is_empty());
}

#[test]
fn a_segment_is_kept_while_a_running_request_needs_it() {
    let home = tempdir().unwrap();
    let options = Options { checkpoint_after: std::time::Duration::from_secs(3600), ..small() };
    let (books, recovered) = open_with(home.path(), options);
    let long = books.admit(request("never restated")).unwrap();
    while books.admit(request("x")).is_ok() {}
    drain_all(&books);
    let oldest = books.0.state().spool.used().next().unwrap().segment();
    assert_eq!(oldest, recovered.end.segment);
    assert_eq!(books.admit(request("x")).unwrap_err(), Unavailable::Exhausted);
    drop(long);
    books.sync().unwrap();
    books.admit(request("x")).unwrap();
}

#[test]
fn a_drained_segment_is_let_go_although_the_spool_is_full() {
    let home = tempdir().unwrap();
    let options = Options { checkpoint_after: std::time::Duration::from_secs(3600), ..small() };
    let (books, recovered) = open_with(home.path(), options);
    let restate = |sequence| books.0.state().checkpoint(sequence, Instant::now());
    let long = books.admit(request("in the first segment")).unwrap();
    while books.tail().segment == recovered.end.segment {
        drop(books.admit(request("x")).unwrap());
    }
    let other = books.admit(request("in another segment")).unwrap();
    while books.admit(request("x")).is_ok() {}
    for _ in 0..100 {
        restate(other.open().sequence); // Until no room is left that is not promised.
    }
    drain_all(&books);
    assert_eq!(books.health().condition, Condition::Exhausted);
    restate(long.open().sequence); // In room that was promised for this.
    books.sync().unwrap();
    assert_eq!(books.health().condition, Condition::Sound);
}

#[test]
fn restating_is_put_off_while_half_of_the_spool_waits_to_be_drained() {
    let home = tempdir().unwrap();
    let second = std::time::Duration::from_secs(1);
    let (books, _) = open_with(home.path(), Options { checkpoint_after: second, ..small() });
    let _long = books.admit(request("long")).unwrap();
    let later = |seconds: u32| books.0.state().stale(Instant::now() + second * seconds, second).len();
    assert_eq!((later(0), later(1)), (0, 1));
    while !books.0.state().spool.is_half_full() {
        drop(books.admit(request("x")).unwrap());
    }
    assert_eq!((later(1), later(10)), (0, 1));
    books.release(books.tail());
    assert_eq!(later(1), 1, "it keeps a drained segment");
}

#[test]
fn a_position_past_the_end_frees_nothing() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    while books.admit(request("x")).is_ok() {}
    books.release(Position { segment: 1 << 40, offset: 0 });
    books.sync().unwrap();
    assert_eq!(books.admit(request("x")).unwrap_err(), Unavailable::Exhausted);
}

#[test]
fn what_was_free_is_free_after_a_crash() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, _) = open(home.path());
    settle_all(fill(&books, 200));
    drain_all(&books);
    let room = books.health().room;
    crash_image(home.path(), copy.path());
    let (books, recovered) = open(copy.path());
    assert_eq!(books.health().room, room);
    assert_eq!(recovered.oldest.segment, recovered.end.segment);
}
