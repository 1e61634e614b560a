use std::time::Duration;

use tempfile::{TempDir, tempdir};
use tokio::time::{Instant, timeout};

use super::*;
use crate::testing::{Fault, TestSink, clock, completed, open, request};
use crate::{Books, Nanos, Outcome};

mod damage;
mod model;
mod power_cut;

fn settle(books: &Books, count: u64) {
    for _ in 0..count {
        books.admit(request("x")).unwrap().settle(completed(1));
    }
}

fn drain(dir: &Path, sink: &TestSink) -> Drain<TestSink> {
    Drain::new(dir, sink.clone(), clock())
}

/// A drain that lets go of segments, as the wiring does.
fn releasing(dir: &Path, sink: &TestSink, books: &Books) -> Drain<TestSink> {
    let books = books.clone();
    drain(dir, sink).on_commit(move |_, position| books.release(position))
}

fn start() -> (TempDir, Books, TestSink) {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    (home, books, TestSink::default())
}

fn count(sink: &TestSink) -> usize {
    sink.get(|stored| stored.events.len())
}

#[tokio::test]
async fn events_reach_the_sink_once_and_open_requests_do_not() {
    let (home, books, sink) = start();
    settle(&books, 3);
    let mut running = books.admit(request("running")).unwrap();
    let mut drain = drain(home.path(), &sink);
    drain.catch_up().await.unwrap();
    assert_eq!((count(&sink), sink.spent()), (3, Nanos(6)));
    let commits = sink.get(|stored| stored.commits);
    drain.catch_up().await.unwrap();
    assert_eq!(sink.get(|stored| stored.commits), commits, "nothing new, nothing committed");

    running.settle(completed(5));
    drain.catch_up().await.unwrap();
    assert_eq!((count(&sink), sink.spent()), (4, Nanos(16)));
    assert_eq!(sink.get(|stored| stored.repeated), 0);
    assert_eq!(sink.events()[&4].outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_new_drain_goes_on_where_the_sink_is() {
    let (home, books, sink) = start();
    settle(&books, 3);
    drain(home.path(), &sink).catch_up().await.unwrap();
    settle(&books, 2);
    drain(home.path(), &sink).catch_up().await.unwrap();
    assert_eq!(count(&sink), 5);
    assert_eq!(sink.get(|stored| stored.repeated), 0, "the position is exact");
}

#[tokio::test]
async fn batches_are_bounded() {
    let (home, books, sink) = start();
    settle(&books, 25);
    let options = DrainOptions { max_events: 10, ..DrainOptions::default() };
    drain(home.path(), &sink).with_options(options).catch_up().await.unwrap();
    assert_eq!((count(&sink), sink.get(|stored| stored.commits)), (25, 3));
    assert_eq!(sink.get(|stored| stored.repeated), 0);
}

#[tokio::test]
async fn a_sink_that_fails_gets_everything_later() {
    let (home, books, sink) = start();
    settle(&books, 3);
    let mut drain = releasing(home.path(), &sink, &books);
    let status = drain.status();
    sink.set_fault(Some(Fault::Refuse));
    assert!(drain.catch_up().await.is_err());
    assert!(status.borrow().last_error.is_some());
    assert_eq!(status.borrow().committed, None);

    sink.set_fault(None);
    drain.catch_up().await.unwrap();
    assert_eq!(count(&sink), 3);
    assert_eq!(status.borrow().last_error, None);
    assert!(status.borrow().last_success.is_some());

    settle(&books, 2);
    sink.set_fault(Some(Fault::LoseAnswer));
    assert!(drain.catch_up().await.is_err());
    assert_eq!(status.borrow().waiting_events, 2);
    sink.set_fault(None);
    drain.catch_up().await.unwrap();
    assert_eq!((count(&sink), sink.spent(), sink.get(|stored| stored.repeated)), (5, Nanos(10), 2));
    assert_eq!(status.borrow().waiting_events, 0);
}

#[tokio::test]
async fn nothing_is_released_before_it_is_committed() {
    let (home, books, sink) = start();
    while books.admit(request("x")).map(|mut entry| entry.settle(completed(1))).is_ok() {}
    let mut drain = releasing(home.path(), &sink, &books);
    sink.set_fault(Some(Fault::LoseAnswer));
    assert!(drain.catch_up().await.is_err());
    books.sync().unwrap();
    assert!(books.admit(request("x")).is_err());
    sink.set_fault(None);
    drain.catch_up().await.unwrap();
    books.sync().unwrap();
    settle(&books, 10);
    drain.catch_up().await.unwrap();
    let admitted = books.admit(request("x")).unwrap().open().sequence - 1;
    let refused = admitted - count(&sink) as u64;
    assert_eq!(refused, 2, "refusals leave gaps, nothing else does");
}

#[tokio::test]
async fn a_crash_between_commit_and_release_releases_at_the_next_start() {
    let (home, books, sink) = start();
    while books.admit(request("x")).map(|mut entry| entry.settle(completed(1))).is_ok() {}
    drain(home.path(), &sink).catch_up().await.unwrap();
    drop(books);
    let (books, recovered) = open(home.path());
    assert!(books.admit(request("x")).is_err());
    let position = sink.get(|stored| stored.positions[&books.gateway()]);
    recovered.visit(position, |event| panic!("drained already: {event:?}")).unwrap();
    releasing(home.path(), &sink, &books).catch_up().await.unwrap();
    books.sync().unwrap();
    books.admit(request("x")).unwrap();
}

#[tokio::test]
async fn lag_is_shown_while_the_sink_is_away() {
    let (home, books, sink) = start();
    let mut drain = drain(home.path(), &sink);
    let status = drain.status();
    settle(&books, 5);
    books.sync().unwrap();
    sink.set_fault(Some(Fault::Refuse));
    assert!(drain.catch_up().await.is_err());
    let lag = status.borrow().lagging_bytes;
    assert!(lag > 500, "{lag}");
    sink.set_fault(None);
    drain.catch_up().await.unwrap();
    assert_eq!(status.borrow().lagging_bytes, 0);
    assert_eq!(status.borrow().gateway, Some(books.gateway()));
}

#[tokio::test]
async fn a_spool_that_is_not_there_yet_is_waited_for() {
    let home = tempdir().unwrap();
    let dir = home.path().join("spool");
    let sink = TestSink::default();
    let mut drain = drain(&dir, &sink);
    drain.catch_up().await.unwrap();
    let (books, _) = open(&dir);
    settle(&books, 2);
    drain.catch_up().await.unwrap();
    assert_eq!(count(&sink), 2);
}

#[tokio::test]
async fn a_deleted_spool_is_drained_to_its_end() {
    let home = tempdir().unwrap();
    let dir = home.path().join("spool");
    let (books, _) = open(&dir);
    let sink = TestSink::default();
    let mut drain = releasing(&dir, &sink, &books);
    settle(&books, 2);
    drain.catch_up().await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    for _ in 0..20 {
        settle(&books, 20);
        drain.catch_up().await.unwrap();
        books.sync().unwrap();
    }
    assert_eq!(count(&sink), 402);
}

#[tokio::test]
async fn another_gateways_spool_in_the_same_place_is_drained_too() {
    let home = tempdir().unwrap();
    let dir = home.path().join("spool");
    let sink = TestSink::default();
    let mut drain = drain(&dir, &sink);
    let (books, _) = open(&dir);
    settle(&books, 2);
    drain.catch_up().await.unwrap();
    drop(books);
    std::fs::remove_dir_all(&dir).unwrap();
    let (books, _) = open(&dir);
    settle(&books, 3);
    drain.catch_up().await.unwrap();
    assert_eq!(sink.get(|stored| stored.positions.len()), 2);
    assert_eq!(drain.status().borrow().gateway, Some(books.gateway()));
}

#[tokio::test]
async fn running_it_follows_the_writer_until_stopped() {
    let (home, books, sink) = start();
    let mut drain = releasing(home.path(), &sink, &books)
        .with_options(DrainOptions { poll: Duration::from_millis(5), ..DrainOptions::default() });
    let mut status = drain.status();
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { drain.run(&stop).await }
    });
    sink.set_fault(Some(Fault::Refuse));
    settle(&books, 3);
    let failing = status.wait_for(|status| status.last_error.is_some());
    timeout(Duration::from_secs(20), failing).await.unwrap().unwrap();
    sink.set_fault(None);
    let deadline = Instant::now() + Duration::from_secs(20);
    while count(&sink) < 3 {
        assert!(Instant::now() < deadline);
        status.changed().await.unwrap();
    }
    stop.cancel();
    timeout(Duration::from_secs(20), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_loses_nothing() {
    let (home, books, sink) = start();
    let mut drain = drain(home.path(), &sink);
    for _ in 0..30 {
        settle(&books, 1);
        let _ = timeout(Duration::ZERO, drain.catch_up()).await;
    }
    drain.catch_up().await.unwrap();
    assert_eq!((count(&sink), sink.spent()), (30, Nanos(60)));
}

#[tokio::test]
async fn a_position_where_no_record_begins_is_not_believed() {
    let (home, books, sink) = start();
    settle(&books, 100);
    for offset in [1025, 5000, 1 << 40] {
        let wrong = Position { segment: books.tail().segment, offset };
        let sink = TestSink::default();
        sink.set_position(books.gateway(), wrong);
        let released = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let told = released.clone();
        let mut drain = drain(home.path(), &sink).on_commit(move |_, position| told.lock().push(position));
        drain.catch_up().await.unwrap();
        assert_eq!(count(&sink), 100, "all is read anew");
        assert!(!released.lock().contains(&wrong), "{wrong}");
    }
    assert_eq!(count(&sink), 0);
}

#[tokio::test]
async fn what_cannot_be_forced_to_the_disk_is_not_committed_but_read_again() {
    let home = tempdir().unwrap();
    let dir = home.path().join("spool");
    let (books, _) = open(&dir);
    let sink = TestSink::default();
    let mut drain = drain(&dir, &sink);
    settle(&books, 2);
    drain.catch_up().await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap(); // So that the drain keeps the files that are broken.
    settle(&books, 3);
    drain.reader.as_ref().unwrap().set_broken(true);
    assert!(matches!(drain.catch_up().await, Err(DrainError::Read(_))));
    assert_eq!(count(&sink), 2);
    drain.reader.as_ref().unwrap().set_broken(false);
    drain.catch_up().await.unwrap();
    assert_eq!(count(&sink), 5);
}
