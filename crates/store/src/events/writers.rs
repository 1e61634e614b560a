//! Many writers of the same books.

use std::collections::{BTreeMap, BTreeSet};

use ambient::Rng;
use ledger::drain::{Batch, Sink as _};
use ledger::{Event, GatewayId, Position};

use crate::database::{Database, Part};
use crate::labels::Labels;
use crate::testing::{Backend, contract, event};
use crate::{Cause, Events, Location, LogsFilter, UsageBy, UsageFilter};

contract!(writers_that_overlap_keep_events_and_sums_exact);

const WRITERS: u64 = 4;
const GATEWAYS: u64 = 3;
const EVENTS: u64 = 400;

/// An event whose contents follow from its gateway and sequence, as of a spool that is read twice.
fn of(gateway: u64, sequence: u64) -> Event {
    let (key, model) = (format!("k{}", (gateway + sequence) % 5), format!("m{}", sequence % 3));
    let second = i64::try_from(sequence * 700).unwrap();
    event(sequence, &key, &model, second, i64::try_from(sequence + 1000 * gateway).unwrap())
}

/// Batches of all lengths over all events of all gateways, some of them again and again, in any order.
fn batches(rng: &Rng) -> Vec<Batch> {
    let number = |below: u64| rng.below(below);
    let mut batches = Vec::new();
    for gateway in 0..GATEWAYS {
        let mut next = 1;
        while next <= EVENTS {
            let (first, last) = (next.saturating_sub(number(40)).max(1), (next + number(150)).min(EVENTS));
            let mut events: Vec<_> = (first..=last).map(|sequence| of(gateway, sequence)).collect();
            if number(2) == 0 {
                events.reverse();
            }
            let position = Position { segment: 1, offset: last };
            batches.push((number(1 << 32), Batch { gateway: GatewayId(gateway), events, position }));
            next = last + 1;
        }
    }
    batches.sort_by_key(|(place, _)| *place);
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// As the drain does it: again and again until it is in.
async fn take_in(books: &Events, batch: &Batch) {
    while let Err(error) = books.commit(batch).await {
        assert!(matches!(error.cause, Cause::Locked | Cause::Away | Cause::ReadOnly), "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The books hold each event once, and every sum is theirs.
async fn assert_exact(books: &Events) {
    let logs = books.logs(&LogsFilter { limit: 100_000, ..LogsFilter::default() }).await.unwrap();
    let expected: Vec<Event> =
        (0..GATEWAYS).flat_map(|gateway| (1..=EVENTS).map(move |sequence| of(gateway, sequence))).collect();
    assert_eq!(logs.len(), expected.len());
    let distinct: BTreeSet<_> = logs.iter().map(|event| (event.cost.0, event.key.clone())).collect();
    assert_eq!(distinct, expected.iter().map(|event| (event.cost.0, event.open.key.to_string())).collect());
    let (mut keys, mut models) = (BTreeMap::new(), BTreeMap::new());
    for event in &expected {
        *keys.entry(event.open.key.to_string()).or_insert(0) += event.cost.0;
        *models.entry(event.open.model.to_string()).or_insert(0) += event.cost.0;
    }
    let sums = books.booked(&[]).await.unwrap().spent;
    assert_eq!(sums.keys.iter().map(|(key, cost)| (key.clone(), cost.0)).collect::<BTreeMap<_, _>>(), keys);
    assert_eq!(sums.models.iter().map(|(model, cost)| (model.clone(), cost.0)).collect::<BTreeMap<_, _>>(), models);
    let days = books.usage(UsageBy { day: true, ..UsageBy::default() }, &UsageFilter::default()).await.unwrap();
    assert_eq!(days.iter().map(|row| row.requests).sum::<u64>(), GATEWAYS * EVENTS);
    assert_eq!(days.iter().map(|row| row.cost.0).sum::<i64>(), keys.values().sum::<i64>());
}

async fn writers_that_overlap_keep_events_and_sums_exact(backend: Backend) {
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..WRITERS {
        let books = backend.events().await;
        writers.spawn(async move {
            for batch in batches(&Rng::seeded(seed)) {
                take_in(&books, &batch).await;
            }
        });
    }
    writers.join_all().await;
    assert_exact(&backend.events().await).await;
}

/// The server is killed and started again, and connections of single writers are broken off, while all write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_are_exact_however_often_the_server_dies() {
    const KILLS: usize = 3;
    let Backend::Postgres(mut server) = Backend::postgres() else { panic!("not PostgreSQL") };
    let location = Location::Postgres(server.url().parse().unwrap());
    let open = async || {
        let ledger = Database::open(&location, Part::Ledger).await.unwrap();
        Events::new(ledger.into(), Labels::default())
    };
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..WRITERS {
        let books = open().await;
        writers.spawn(async move {
            for round in 0..3 {
                for batch in batches(&Rng::seeded(seed + 100 * round)) {
                    take_in(&books, &batch).await;
                }
            }
        });
    }
    for _ in 0..KILLS {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname = 'house' LIMIT 2");
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        server.kill();
        server.restart();
    }
    writers.join_all().await;
    assert_exact(&open().await).await;
}
