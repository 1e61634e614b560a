//! Many threads at once.

use std::collections::HashSet;
use std::time::Duration;

use super::*;

const THREADS: u64 = 8;
const EACH: u64 = 200;

/// Every third request is dropped, the others are settled; returns the sequences.
fn work(books: &Books, thread: u64) -> Vec<u64> {
    let one = |number: u64| {
        let mut entry = books.admit(request("x")).unwrap();
        entry.progress().relayed(1, 1);
        if !(thread + number).is_multiple_of(3) {
            entry.settle(completed(1));
        }
        entry.open().sequence
    };
    (0..EACH).map(one).collect()
}

#[test]
fn threads_get_different_sequences_and_nothing_is_lost() {
    let home = tempdir().unwrap();
    let options = Options { segment_bytes: 1 << 20, sync_every: Duration::from_millis(1), ..small() };
    let (books, _) = open_with(home.path(), options);
    let start = |thread| {
        let books = books.clone();
        std::thread::spawn(move || work(&books, thread))
    };
    let threads: Vec<_> = (0..THREADS).map(start).collect();
    let sequences: HashSet<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(sequences.len() as u64, THREADS * EACH);
    assert_eq!((books.health().outstanding, books.health().waiting), (0, 0));
    drop(books);

    let (books, recovered) = open(home.path());
    assert_eq!((recovered.interrupted, recovered.damage.len()), (0, 0));
    assert_eq!(books.admit(request("next")).unwrap().open().sequence, THREADS * EACH + 1);
    let numbers = (0..THREADS).flat_map(|thread| (0..EACH).map(move |number| thread + number));
    let cost: u64 = numbers.map(|number| if number.is_multiple_of(3) { 10 + 2 } else { 2 }).sum();
    assert_eq!(spent_after(&recovered, Position::default()), Nanos(i64::try_from(cost).unwrap()));
}
