//! What the books do when nothing can be written.

use super::*;

fn set_broken(books: &Books, broken: bool) {
    books.0.state().spool.set_broken(broken);
}

fn settle_one(books: &Books) {
    books.admit(request("x")).unwrap().settle(completed(1));
}

#[test]
fn a_failing_disk_refuses_admission_and_keeps_what_is_owed() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut entry = books.admit(request("a")).unwrap();
    set_broken(&books, true);
    assert!(matches!(books.admit(request("b")), Err(Unavailable::Failing(_))));
    entry.settle(completed(4));
    assert!(matches!(books.health().condition, Condition::Failing(_)));
    assert_eq!((books.health().waiting, books.health().outstanding), (1, 1));
    assert!(books.sync().is_err());

    set_broken(&books, false);
    assert!(matches!(books.admit(request("c")), Err(Unavailable::Failing(_))), "until the keeper has seen it work");
    books.sync().unwrap();
    assert_eq!(books.health().condition, Condition::Sound);
    assert_eq!((books.health().waiting, books.health().lost), (0, 0));
    books.admit(request("d")).unwrap();
    drop((entry, books));
    let (_, recovered) = open(home.path());
    assert_eq!((recovered.interrupted, spent_after(&recovered, Position::default())), (0, Nanos(8)));
}

#[test]
fn a_close_that_is_owed_is_interrupted_by_a_crash_not_lost() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, _) = open(home.path());
    let mut entry = books.admit(request("a")).unwrap();
    set_broken(&books, true);
    entry.settle(completed(4));
    crash_image(home.path(), copy.path());
    assert_eq!(open(copy.path()).1.interrupted, 1);
}

#[test]
fn a_disk_that_does_not_sync_refuses_admission() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    drop(books.admit(request("a")).unwrap());
    set_broken(&books, true);
    assert!(matches!(books.sync(), Err(Unavailable::Failing(_))));
    set_broken(&books, false);
    assert!(matches!(books.admit(request("b")), Err(Unavailable::Failing(_))));
    books.sync().unwrap();
    books.admit(request("c")).unwrap();
}

#[test]
fn serving_on_counts_in_memory_and_writes_when_it_can() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, _) = open(home.path());
    set_broken(&books, true);
    assert!(books.admit(request("refused")).is_err());
    books.set_on_full(OnFull::Serve);
    let mut ended = books.admit(request("ended")).unwrap();
    let mut running = books.admit(request("running")).unwrap();
    ended.settle(completed(4));
    assert_eq!((books.health().waiting, books.health().outstanding), (1, 1));
    assert_eq!(books.health().on_full, OnFull::Serve);

    set_broken(&books, false);
    books.sync().unwrap();
    assert_eq!(books.health().waiting, 0);
    crash_image(home.path(), copy.path());
    let (_, recovered) = open(copy.path());
    assert_eq!(recovered.interrupted, 1, "the running one was entered as soon as that was possible");
    assert_eq!(spent_after(&recovered, Position::default()), Nanos(8));

    running.settle(completed(1));
    drop((ended, running, books));
    let (_, recovered) = open(home.path());
    assert_eq!((recovered.interrupted, spent_after(&recovered, Position::default())), (0, Nanos(10)));
}

#[test]
fn serving_on_with_a_full_spool_takes_no_promised_room() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut recorded = Vec::new();
    while let Ok(entry) = books.admit(request("recorded")) {
        recorded.push(entry);
    }
    books.set_on_full(OnFull::Serve);
    (0..1000).for_each(|_| settle_one(&books));
    // What little room the last refusal left went to the first of them; every other waits.
    assert!(books.health().waiting > 900);
    let waiting = books.health().waiting;
    for entry in &mut recorded {
        entry.settle(completed(1));
    }
    assert_eq!((books.health().outstanding, books.health().waiting), (0, waiting), "each close found its room");
    for _ in 0..100 {
        books.release(books.tail());
        books.sync().unwrap();
    }
    assert_eq!((books.health().waiting, books.health().lost), (0, 0));
}

#[test]
fn what_finds_no_place_in_memory_is_counted() {
    let home = tempdir().unwrap();
    let options = Options { max_unrecorded: 3, on_full: OnFull::Serve, ..small() };
    let (books, _) = open_with(home.path(), options);
    set_broken(&books, true);
    (0..5).for_each(|_| settle_one(&books));
    assert_eq!((books.health().waiting, books.health().lost), (3, 2));
}

#[test]
fn a_deleted_home_does_not_stop_the_writer() {
    let home = tempdir().unwrap();
    let dir = home.path().join("spool");
    let (books, _) = open(&dir);
    let mut before = books.admit(request("before")).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    before.settle(completed(1));
    settle_one(&books);
    books.sync().unwrap();
    assert_eq!(books.health().condition, Condition::Sound);
}

#[test]
fn a_spool_that_cannot_be_made_is_an_error_that_names_it() {
    let home = tempdir().unwrap();
    let dir = home.path().join("file");
    std::fs::write(&dir, "not a directory").unwrap();
    let error = Books::open(&dir, small(), Clock::system(), &Rng::system()).unwrap_err();
    assert!(matches!(&error, OpenError::Io { path, .. } if path.starts_with(&dir)), "{error}");
    let options = Options { segments: 1, ..small() };
    let error = Books::open(home.path(), options, Clock::system(), &Rng::system()).unwrap_err();
    assert!(matches!(error, OpenError::Options(_)), "{error}");
}
