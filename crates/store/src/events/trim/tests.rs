use std::cell::RefCell;
use std::collections::HashMap;

use ledger::drain::{Batch, Sink as _};
use ledger::{Event, GatewayId, Position};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::testing::{Backend, contract, event};
use crate::{KeyChange, Location, LogsFilter, Store, Sums, UsageBy, UsageFilter, UsageRow};

const GATEWAYS: [GatewayId; 2] = [GatewayId(u64::MAX - 1), GatewayId(4)];
/// Seconds of the days that events lie in.
const SPAN: i64 = 4 * 86_400;

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

contract!(
    only_what_is_older_goes_the_oldest_first_and_no_more_than_asked_for,
    runs_of_what_is_gone_grow_together,
    sums_of_hours_that_nothing_asks_for_any_more_are_forgotten
);

/// A store whose key `k0` belongs to a team.
async fn teamed(location: &Location) -> Store {
    let store = Store::open_at(location).await.unwrap();
    let mut key = crate::keys::tests::key("k0", None);
    key.team = Some("t0".into());
    store.keys().change(&[KeyChange::Add(&key)], &[]).await.unwrap();
    store
}

async fn take_in(store: &Store, gateway: GatewayId, events: &[Event]) {
    let position = Position { segment: 1, offset: 1 };
    store.events().commit(&Batch { gateway, events: events.to_vec(), position }).await.unwrap();
}

async fn trim_all(store: &Store, before: Timestamp, most: u32) {
    while store.events().trim(before, most).await.unwrap() > 0 {}
}

/// Everything that sums answer: since ever, since every whole hour, by day.
async fn answers(store: &Store) -> (Sums, Vec<UsageRow>, HashMap<String, u64>) {
    let hours: Vec<_> = (0..=SPAN / 3_600).map(|hour| second(hour * 3_600)).collect();
    let by = UsageBy { key: true, model: true, day: true };
    let books = store.events();
    let requests = books.spend().await.unwrap().into_iter().map(|(key, spend)| (key, spend.requests)).collect();
    (books.booked(&hours).await.unwrap(), books.usage(by, &UsageFilter::default()).await.unwrap(), requests)
}

async fn kept(store: &Store) -> Vec<Timestamp> {
    let filter = LogsFilter { limit: 10_000, ..LogsFilter::default() };
    store.events().logs(&filter).await.unwrap().iter().map(|event| event.closed_at).collect()
}

async fn only_what_is_older_goes_the_oldest_first_and_no_more_than_asked_for(backend: Backend) {
    let store = backend.open().await;
    let events: Vec<_> = (1..=9).map(|n| event(n, "k", "m", 100 - i64::try_from(n).unwrap(), 1)).collect();
    take_in(&store, GATEWAYS[0], &events).await;
    assert_eq!(store.events().count_before(second(97)).await.unwrap(), 6);
    assert_eq!(store.events().trim(second(97), 2).await.unwrap(), 2);
    assert_eq!(store.events().oldest().await.unwrap(), Some(second(93)));
    assert_eq!(store.events().trim(second(97), 100).await.unwrap(), 4);
    assert_eq!(store.events().trim(second(97), 100).await.unwrap(), 0);
    assert_eq!(kept(&store).await, [99, 98, 97].map(second));
}

async fn runs_of_what_is_gone_grow_together(backend: Backend) {
    let store = backend.open().await;
    // Every third first, then the rest: the ends meet.
    let events: Vec<_> = (1..=30).map(|n| event(n, "k", "m", if n % 3 == 0 { 1 } else { 5 }, 1)).collect();
    take_in(&store, GATEWAYS[0], &events).await;
    let runs = async || {
        let sql = "SELECT first_sequence, last_sequence FROM trimmed ORDER BY first_sequence";
        let rows = store.ledger.fetch_all(sql, &[]).await.unwrap();
        let run = |row: &Row| (row.get::<i64>("first_sequence").unwrap(), row.get::<i64>("last_sequence").unwrap());
        rows.iter().map(run).collect::<Vec<_>>()
    };
    trim_all(&store, second(2), 4).await;
    assert_eq!(runs().await.len(), 10);
    trim_all(&store, second(9), 7).await;
    assert_eq!(runs().await, [(1, 30)]);
}

async fn sums_of_hours_that_nothing_asks_for_any_more_are_forgotten(backend: Backend) {
    let store = backend.open().await;
    take_in(&store, GATEWAYS[0], &[event(1, "k", "m", 10, 5), event(2, "k", "m", 7_300, 7)]).await;
    trim_all(&store, second(SPAN), 9).await;
    assert_eq!(store.events().forget_hours(second(7_200)).await.unwrap(), 1);
    let sums = store.events().booked(&[second(7_200)]).await.unwrap();
    assert_eq!((sums.spent.all.0, sums.since[0].all.0), (12, 7));
}

fn any_event() -> impl Strategy<Value = (usize, u64, u8, u8, i64, i64)> {
    (0..2_usize, 1..40_u64, 0..3_u8, 0..2_u8, 0..SPAN, 0..1_000_i64)
}

/// Whatever the events, wherever they are cut, however small the steps, and whatever comes again afterwards: every sum
/// says what it said before.
fn trimming_changes_no_sum(backend: Backend) {
    let backend = RefCell::new(backend);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, source_file: Some(file!()), ..ProptestConfig::default() };
    let any = (prop::collection::vec(any_event(), 1..40), 0..SPAN, 1..9_u32);
    let outcome = TestRunner::new(config).run(&any, |(events, before, most)| {
        backend.borrow_mut().clear();
        let location = backend.borrow().location();
        let (was, is, again, left) = runtime.block_on(async {
            let store = teamed(&location).await;
            let of = |wanted: usize| {
                let ours = events.iter().filter(move |event| event.0 == wanted);
                ours.map(|(_, n, key, model, at, cost)| event(*n, &format!("k{key}"), &format!("m{model}"), *at, *cost))
                    .collect::<Vec<_>>()
            };
            for (number, gateway) in GATEWAYS.iter().enumerate() {
                take_in(&store, *gateway, &of(number)).await;
            }
            let was = answers(&store).await;
            trim_all(&store, second(before), most).await;
            let (is, left) = (answers(&store).await, kept(&store).await);
            for (number, gateway) in GATEWAYS.iter().enumerate() {
                take_in(&store, *gateway, &of(number)).await;
            }
            let again = answers(&store).await;
            store.close().await;
            (was, is, again, left)
        });
        prop_assert!(left.iter().all(|at| *at >= second(before)));
        prop_assert_eq!(&is, &was);
        prop_assert_eq!(&again, &was);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn trimming_changes_no_sum_in_sqlite() {
    trimming_changes_no_sum(Backend::sqlite());
}

#[test]
fn trimming_changes_no_sum_in_postgres() {
    trimming_changes_no_sum(Backend::postgres());
}
