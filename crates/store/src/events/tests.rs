use std::cell::RefCell;
use std::collections::BTreeMap;

use ambient::Timestamp;
use ledger::{Event, GatewayId, Nanos, Outcome, Position};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::Store;
use crate::testing::{Backend, contract, event};

contract!(
    a_batch_that_is_committed_twice_counts_once,
    a_batch_of_any_length_goes_in_once_however_much_of_it_is_known,
    usage_is_grouped_and_filtered,
    logs_come_newest_first_in_pages,
    absurd_numbers_neither_fail_nor_run_over,
    what_was_spent_since_a_moment_is_exact_whatever_the_moment,
    events_carry_the_team_and_the_tags_of_their_key
);

const GATEWAY: GatewayId = GatewayId(u64::MAX - 1);
const ALL: UsageBy = UsageBy { key: true, model: true, day: true };

fn at(offset: u64) -> Position {
    Position { segment: 1, offset }
}

async fn commit(books: &Events, gateway: GatewayId, events: &[Event], position: Position) {
    books.commit(&Batch { gateway, events: events.to_vec(), position }).await.unwrap();
}

async fn a_batch_that_is_committed_twice_counts_once(backend: Backend) {
    let store = backend.open().await;
    let books = store.events();
    let batch = [event(1, "k", "m", 10, 5), event(2, "k", "m", 11, 7)];
    assert_eq!(books.position(GATEWAY).await.unwrap(), None);
    commit(&books, GATEWAY, &batch, at(100)).await;
    let overlapping = [event(2, "k", "m", 11, 7), event(3, "k", "m", 12, 1)];
    commit(&books, GATEWAY, &overlapping, at(150)).await;
    // Another gateway has numbers of its own.
    commit(&books, GatewayId(4), &batch[..1], at(9)).await;
    assert_eq!(books.position(GATEWAY).await.unwrap(), Some(at(150)));
    commit(&books, GATEWAY, &[], at(120)).await;
    assert_eq!(books.position(GATEWAY).await.unwrap(), Some(at(120)), "also a step back");
    assert_eq!(books.spend_of("k").await.unwrap(), Spend { requests: 4, tokens: 52, cost: Nanos(18) });
    assert_eq!(books.spend_of("nobody").await.unwrap(), Spend::default());
}

async fn a_batch_of_any_length_goes_in_once_however_much_of_it_is_known(backend: Backend) {
    let store = backend.open().await;
    let books = store.events();
    let events: Vec<_> = (1..=200).map(|sequence| event(sequence, "k", "m", 1, 1)).collect();
    commit(&books, GATEWAY, &events[..1], at(1)).await;
    commit(&books, GATEWAY, &events[100..103], at(2)).await;
    // Known ones in the first and second statement, one that comes twice in the third, and a short last one.
    let mut batch = events.clone();
    batch[130] = events[129].clone();
    commit(&books, GATEWAY, &batch, at(3)).await;
    assert_eq!(books.spend_of("k").await.unwrap().requests, 199);
    commit(&books, GATEWAY, &events, at(3)).await;
    assert_eq!(books.spend_of("k").await.unwrap().requests, 200);
    assert_eq!(books.logs(&LogsFilter { limit: 1_000, ..LogsFilter::default() }).await.unwrap().len(), 200);
}

async fn usage_is_grouped_and_filtered(backend: Backend) {
    let store = backend.open().await;
    let books = store.events();
    let day = 86_400;
    let mut failed = event(4, "k2", "m1", day, 0);
    failed.outcome = Outcome::Failed;
    let batch = [event(1, "k1", "m1", 0, 1), event(2, "k1", "m2", 5, 2), event(3, "k1", "m1", day, 4), failed];
    commit(&books, GATEWAY, &batch, at(1)).await;

    let total = books.usage(UsageBy::default(), &UsageFilter::default()).await.unwrap();
    assert_eq!(total.len(), 1);
    let sum = &total[0];
    assert_eq!((sum.requests, sum.failed, sum.prompt_tokens, sum.cached_tokens), (4, 1, 40, 16));
    assert_eq!((sum.completion_tokens, sum.cost, sum.key.as_deref()), (12, Nanos(7), None));

    let by_model = books.usage(UsageBy { model: true, ..UsageBy::default() }, &UsageFilter::default()).await.unwrap();
    let costs: Vec<_> = by_model.iter().map(|row| (row.model.as_deref().unwrap(), row.cost.0)).collect();
    assert_eq!(costs, [("m1", 5), ("m2", 2)]);

    let one = |value: &str| Some(value.to_owned());
    let filters = [
        (UsageFilter { from: one("1970-01-02"), ..UsageFilter::default() }, 2),
        (UsageFilter { to: one("1970-01-01"), ..UsageFilter::default() }, 2),
        (UsageFilter { key: one("k2"), ..UsageFilter::default() }, 1),
        (UsageFilter { model: one("m1"), from: one("1970-01-02"), ..UsageFilter::default() }, 2),
    ];
    for (filter, requests) in filters {
        let rows = books.usage(ALL, &filter).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.requests).sum::<u64>(), requests, "{filter:?}");
    }
    let none = UsageFilter { key: one("nobody"), ..UsageFilter::default() };
    assert_eq!(books.usage(ALL, &none).await.unwrap(), []);

    // Group by group, each behind the one before.
    for by in [ALL, UsageBy { model: true, ..UsageBy::default() }, UsageBy::default()] {
        let (mut after, mut rows) = (None, Vec::new());
        while let [row] = &books
            .usage(by, &UsageFilter { after: after.take(), limit: Some(1), ..UsageFilter::default() })
            .await
            .unwrap()[..]
        {
            after = Some([&row.day, &row.key, &row.model].map(|part| part.clone().unwrap_or_default()));
            rows.push(row.clone());
        }
        assert_eq!(rows, books.usage(by, &UsageFilter::default()).await.unwrap());
    }
}

async fn logs_come_newest_first_in_pages(backend: Backend) {
    let store = backend.open().await;
    let books = store.events();
    let batch: Vec<_> = (1..=5).map(|n| event(n, if n == 3 { "other" } else { "k" }, "m", 100, 1)).collect();
    commit(&books, GATEWAY, &batch, at(1)).await;
    let ids = |events: Vec<LoggedEvent>| events.into_iter().map(|e| e.request_id).collect::<Vec<_>>();
    let page = LogsFilter { key: Some("k".into()), offset: 1, limit: 2, ..LogsFilter::default() };
    assert_eq!(ids(books.logs(&page).await.unwrap()), ["request-4", "request-2"]);
    let by_id = LogsFilter { request_id: Some("request-3".into()), limit: 9, ..LogsFilter::default() };
    let found = books.logs(&by_id).await.unwrap();
    assert_eq!((found.len(), found[0].key.as_str(), found[0].usage), (1, "other", batch[2].usage));
    let early = LogsFilter { before: Some(Timestamp::from_micros(100)), limit: 9, ..LogsFilter::default() };
    assert_eq!(books.logs(&early).await.unwrap(), []);
}

async fn absurd_numbers_neither_fail_nor_run_over(backend: Backend) {
    let store = backend.open().await;
    let books = store.events();
    let absurd: Vec<_> = (1..=3)
        .map(|n| {
            let mut event = event(n, "k", "m", 1, i64::MAX);
            event.usage.prompt_tokens = u64::MAX;
            event
        })
        .collect();
    commit(&books, GATEWAY, &absurd, at(1)).await;
    let rows = books.usage(ALL, &UsageFilter::default()).await.unwrap();
    assert_eq!((rows[0].cost, rows[0].prompt_tokens), (Nanos(3_000_000_000_000_000), 3_000_000_000_000_000));
}

async fn sums_of(store: &Store) -> (BTreeMap<String, i64>, i64) {
    let spend = store.events().spend().await.unwrap();
    let by_key = spend.into_iter().map(|(key, spend)| (key, spend.cost.0)).collect();
    let daily = store.events().usage(ALL, &UsageFilter::default()).await.unwrap();
    (by_key, daily.iter().map(|row| row.cost.0).sum())
}

fn any_event() -> impl Strategy<Value = Event> {
    (1..12_u64, 0..3_u8, 0..2_u8, 0..200_000_i64, 0..1_000_i64)
        .prop_map(|(n, key, model, at, cost)| event(n, &format!("k{key}"), &format!("m{model}"), at, cost))
}

/// Whatever is committed in whatever batches, again and again: the sums are those of the distinct events.
fn sums_equal_the_events(backend: Backend) {
    let backend = RefCell::new(backend);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, source_file: Some(file!()), ..ProptestConfig::default() };
    let batches = prop::collection::vec(prop::collection::vec(any_event(), 0..6), 0..6);
    let outcome = TestRunner::new(config).run(&batches, |batches| {
        let mut distinct: BTreeMap<u64, Event> = BTreeMap::new();
        for event in batches.iter().flatten() {
            distinct.entry(event.open.sequence).or_insert_with(|| event.clone());
        }
        let mut by_key: BTreeMap<String, i64> = BTreeMap::new();
        for event in distinct.values() {
            *by_key.entry(event.open.key.to_string()).or_default() += event.cost.0;
        }
        let total = by_key.values().sum::<i64>();
        backend.borrow_mut().clear();
        let location = backend.borrow().location();
        let found = runtime.block_on(async {
            let store = Store::open_at(&location).await.unwrap();
            for (n, batch) in batches.iter().enumerate() {
                commit(&store.events(), GATEWAY, batch, at(n as u64)).await;
            }
            let sums = sums_of(&store).await;
            store.close().await;
            sums
        });
        prop_assert_eq!(found, (by_key, total));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn sums_equal_the_events_in_sqlite() {
    sums_equal_the_events(Backend::sqlite());
}

#[test]
fn sums_equal_the_events_in_postgres() {
    sums_equal_the_events(Backend::postgres());
}

/// What each model, team and key spent, by the slow way: every event anew.
fn spent_since(events: &[Event], since: i64) -> (BTreeMap<String, i64>, BTreeMap<String, i64>, i64) {
    let (mut keys, mut models, mut all) = (BTreeMap::new(), BTreeMap::new(), 0);
    for event in events.iter().filter(|event| event.closed_at.as_micros() >= since * 1_000_000) {
        *keys.entry(event.open.key.to_string()).or_default() += event.cost.0;
        *models.entry(event.open.model.to_string()).or_default() += event.cost.0;
        all += event.cost.0;
    }
    (keys, models, all)
}

async fn what_was_spent_since_a_moment_is_exact_whatever_the_moment(backend: Backend) {
    let store = backend.open().await;
    let books = store.events();
    let events: Vec<_> = (1..=60)
        .map(|n| {
            let (key, model) = (format!("k{}", n % 3), format!("m{}", n % 2));
            event(n, &key, &model, i64::try_from(n).unwrap() * 5_000, i64::try_from(n).unwrap())
        })
        .collect();
    commit(&books, GATEWAY, &events, at(1)).await;
    let moments = [0_i64, 86_400, 100_000, 100_001, 172_799, 172_800, 299_999, 300_001, 400_000];
    let asked: Vec<_> = moments.iter().map(|second| Timestamp::from_micros(second * 1_000_000)).collect();
    let sums = books.booked(&asked).await.unwrap();
    let plain = |named: &std::collections::HashMap<String, Nanos>| -> BTreeMap<String, i64> {
        named.iter().map(|(name, cost)| (name.clone(), cost.0)).collect()
    };
    for (second, spending) in moments.iter().zip(&sums.since) {
        let (keys, models, all) = spent_since(&events, *second);
        assert_eq!((plain(&spending.keys), plain(&spending.models), spending.all.0), (keys, models, all), "{second}");
    }
    let (keys, models, all) = spent_since(&events, 0);
    assert_eq!((plain(&sums.spent.keys), plain(&sums.spent.models), sums.spent.all.0), (keys, models, all));
}

async fn events_carry_the_team_and_the_tags_of_their_key(backend: Backend) {
    let store = backend.open().await;
    let mut key = crate::keys::tests::key("k", None);
    (key.team, key.tags) = (Some("t1".into()), vec!["ci".into(), "nightly".into()]);
    store.keys().change(&[crate::KeyChange::Add(&key)], &[]).await.unwrap();
    commit(&store.events(), GATEWAY, &[event(1, "k", "m", 1, 3), event(2, "other", "m", 1, 5)], at(1)).await;
    // Also after a restart.
    store.close().await;
    let store = backend.open().await;
    commit(&store.events(), GATEWAY, &[event(3, "k", "m", 90_000, 4)], at(2)).await;
    let logs = store.events().logs(&LogsFilter { limit: 9, ..LogsFilter::default() }).await.unwrap();
    let labels: Vec<_> = logs.iter().map(|event| (event.team.as_deref(), event.tags.len())).collect();
    assert_eq!(labels, [(Some("t1"), 2), (None, 0), (Some("t1"), 2)]);
    let sums = store.events().booked(&[Timestamp::from_micros(90_000_000_000)]).await.unwrap();
    assert_eq!((sums.spent.teams["t1"], sums.since[0].teams["t1"]), (Nanos(7), Nanos(4)));
    let spend = store.events().spend_of_teams().await.unwrap();
    assert_eq!((spend["t1"].requests, spend["t1"].cost), (2, Nanos(7)));
}
