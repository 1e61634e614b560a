use tempfile::tempdir;

use super::*;
use crate::testing::{completed, crash_image, open, open_with, request, small, spent_after};
use crate::{Attempt, MAX_ATTEMPTS, Nanos, Outcome, Price, Settlement, Usage, UsageSource};

mod concurrency;
mod failing;
mod group;
mod room;

#[test]
fn a_settled_request_is_in_the_books_after_a_restart() {
    let home = tempdir().unwrap();
    let (books, recovered) = open(home.path());
    assert_eq!((recovered.interrupted, recovered.damage.len()), (0, 0));
    let gateway = books.gateway();
    let mut entry = books.admit(request("a")).unwrap();
    assert_eq!(entry.settle(completed(8)), Nanos(16));
    assert_eq!(entry.settle(completed(9)), Nanos(16), "the second settlement changes nothing");
    drop((entry, books));

    let (books, recovered) = open(home.path());
    assert_eq!(books.gateway(), gateway);
    assert_eq!((recovered.interrupted, recovered.damage.len()), (0, 0));
    assert_eq!(spent_after(&recovered, Position::default()), Nanos(16));
    assert_eq!(spent_after(&recovered, recovered.end), Nanos::ZERO);
    assert_eq!(books.admit(request("b")).unwrap().open().sequence, 2);
}

#[test]
fn a_crash_leaves_an_interrupted_event_with_what_the_checkpoint_saw() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, _) = open(home.path());
    let entry = books.admit(request("a")).unwrap();
    entry.progress().relayed(100, 5);
    books.sync().unwrap();
    entry.progress().relayed(100, 5);
    crash_image(home.path(), copy.path());

    let (books, recovered) = open(copy.path());
    assert_eq!(recovered.interrupted, 1);
    assert_eq!(spent_after(&recovered, Position::default()), Nanos(10 + 5 * 2));
    assert_eq!(books.health().outstanding, 0);
    drop(books);
    let (_, recovered) = open(copy.path());
    assert_eq!(recovered.interrupted, 0, "it is closed once and for all");
    assert_eq!(spent_after(&recovered, Position::default()), Nanos(10 + 5 * 2));
}

#[test]
fn who_serves_in_place_of_another_is_billed_also_after_a_crash() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let (books, _) = open(home.path());
    let price = Price { output: 9_000_000, ..Price::default() };
    let mut settled = books.admit(request("a")).unwrap();
    settled.move_to("backup".into(), price, Nanos(7));
    assert_eq!(settled.settle(completed(8)), Nanos(72));
    let mut back = books.admit(request("b")).unwrap();
    back.move_to("backup".into(), price, Nanos(7));
    back.move_to("tiny".into(), request("b").price, Nanos(7));
    assert_eq!((&*back.open().model, &back.open().requested), ("tiny", &None));
    drop(back);
    let mut running = books.admit(request("c")).unwrap();
    running.move_to("backup".into(), price, Nanos(7));
    running.progress().relayed(100, 5);
    books.sync().unwrap();
    crash_image(home.path(), copy.path());
    let (_, recovered) = open(copy.path());
    let mut events = Vec::new();
    recovered.visit(Position::default(), |event| events.push(event)).unwrap();
    let told: Vec<_> = events.iter().map(|event| (&*event.open.model, event.open.requested.as_deref())).collect();
    assert_eq!(told, [("backup", Some("tiny")), ("tiny", None), ("backup", Some("tiny"))]);
    assert_eq!(events.iter().map(|event| event.cost.0).collect::<Vec<_>>(), [72, 0, 45]);
}

#[test]
fn a_dropped_request_is_a_disconnect_billed_by_what_was_relayed() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    drop(books.admit(request("nothing relayed")).unwrap());
    let entry = books.admit(request("five tokens")).unwrap();
    entry.progress().relayed(100, 5);
    entry.progress().first_byte(1234);
    entry.progress().first_byte(9999);
    assert_eq!(entry.progress().first_byte_micros(), Some(1234));
    drop(entry);
    drop(books);
    let (_, recovered) = open(home.path());
    assert_eq!((recovered.interrupted, spent_after(&recovered, Position::default())), (0, Nanos(10 + 10)));
}

#[test]
fn what_no_engine_answered_costs_nothing() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut request = request("a");
    request.price.request = 1_000;
    let failed =
        Settlement { outcome: Outcome::Failed, status: 502, usage: Usage::default(), usage_source: UsageSource::None };
    assert_eq!(books.admit(request.clone()).unwrap().settle(failed), Nanos::ZERO);
    let answered = Settlement { usage_source: UsageSource::Engine, ..failed };
    assert_eq!(books.admit(request).unwrap().settle(answered), Nanos(1_000));
}

#[test]
fn the_first_attempts_and_the_last_are_listed() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut entry = books.admit(request("a")).unwrap();
    for number in 0..20_u64 {
        let deployment = format!("{number}-{}", "é".repeat(200)).into();
        entry.attempt(Attempt { deployment, status: 0, fault: "connect".into(), micros: number });
    }
    let listed: Vec<u64> = entry.attempts().iter().map(|attempt| attempt.micros).collect();
    assert_eq!(listed, [0, 1, 2, 3, 4, 5, 6, 19]);
    assert_eq!(listed.len(), MAX_ATTEMPTS);
    assert!(entry.attempts().iter().all(|attempt| attempt.deployment.len() <= 128));
}

#[test]
fn endless_names_are_cut() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut request = request(&"ü".repeat(5_000));
    request.model = "m".repeat(5_000).into();
    let entry = books.admit(request).unwrap();
    assert_eq!(entry.open().request_id.len(), 256);
    assert_eq!(entry.open().model.len(), 256);
}

#[test]
fn one_spool_has_one_writer() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let second = Books::open(home.path(), small(), Clock::system(), &Rng::system());
    assert!(matches!(second, Err(OpenError::Locked(_))));
    drop(books);
    open(home.path());
}

#[test]
fn the_books_outlive_their_handles_until_the_last_request_ends() {
    let home = tempdir().unwrap();
    let (books, _) = open(home.path());
    let mut entry = books.admit(request("a")).unwrap();
    drop(books);
    entry.settle(completed(3));
    drop(entry);
    let (_, recovered) = open(home.path());
    assert_eq!((recovered.interrupted, spent_after(&recovered, Position::default())), (0, Nanos(6)));
}

#[test]
fn more_requests_than_the_books_hold_are_refused() {
    let home = tempdir().unwrap();
    let (books, _) = open_with(home.path(), Options { max_outstanding: 2, ..small() });
    let entries = [books.admit(request("a")).unwrap(), books.admit(request("b")).unwrap()];
    assert_eq!(books.admit(request("c")).unwrap_err(), Unavailable::TooMany(2));
    drop(entries);
    books.admit(request("d")).unwrap();
}

#[test]
fn the_keeper_syncs_and_restates_by_itself() {
    let (home, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let options = Options { sync_every: std::time::Duration::from_millis(5), ..small() };
    let (books, _) = open_with(home.path(), options);
    let entry = books.admit(request("a")).unwrap();
    entry.progress().relayed(100, 5);
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    loop {
        std::fs::remove_dir_all(copy.path()).unwrap();
        crash_image(home.path(), copy.path());
        let (_, recovered) = open(copy.path());
        assert_eq!(recovered.interrupted, 1);
        if spent_after(&recovered, Position::default()) == Nanos(20) {
            return;
        }
        assert!(Instant::now() < deadline, "no checkpoint came");
    }
}
