use ledger::drain::{Batch, Sink as _};
use ledger::{GatewayId, Position};
use serde_json::json;

use super::*;
use crate::testing::{Backend, contract, event};
use crate::{
    AuditEntry, By, Cause, Dump, KeyChange, Load, Location, LogsFilter, PostgresUrl, Store, UsageBy, UsageFilter,
};

contract!(
    what_is_taken_out_and_put_in_is_the_same,
    what_changes_meanwhile_is_not_in_it,
    an_older_copy_gets_its_own_tables_first,
    what_does_not_fit_is_refused,
);

/// Fills a store: something in most tables.
async fn filled(backend: &Backend) -> Store {
    let store = backend.open().await;
    let mut key = crate::keys::tests::key("k", Some("it's \"quoted\" é"));
    (key.team, key.blocked, key.expires_at) = (Some("t".into()), true, Some(ambient::Timestamp::from_micros(-5)));
    store.keys().change(&[KeyChange::Add(&key)], &[]).await.unwrap();
    store.settings().set("odd\nname", Some("")).await.unwrap();
    note(&store, 3).await;
    let events: Vec<_> = (1..=40).map(|n| event(n, if n % 2 == 0 { "k" } else { "l" }, "m", 9, 3)).collect();
    let batch = Batch { gateway: GatewayId(u64::MAX - 7), events, position: Position { segment: 2, offset: 5 } };
    store.events().commit(&batch).await.unwrap();
    store
}

/// Adds rows to the audit, which the database numbers.
async fn note(store: &Store, rows: i64) {
    for at in 0..rows {
        let at = ambient::Timestamp::from_micros(at);
        let by = By { actor: "ann", via: "session", remote: None };
        let entry = AuditEntry { at, by, action: "open.off", subject: "x", detail: json!({"a": "\u{0}"}) };
        store.audit().add(&entry).await.unwrap();
    }
}

/// Spoils a copy.
type Change<'c> = &'c dyn Fn(&mut Everything);

type Everything = Vec<(CopyPart, TableShape, Vec<CopyRow>)>;

async fn everything(location: &Location, page: u32) -> Everything {
    let mut dump = Dump::begin(location).await.unwrap();
    let mut all = Vec::new();
    for part in CopyPart::ALL {
        for table in dump.tables(part).await.unwrap() {
            let mut rows: Vec<CopyRow> = Vec::new();
            loop {
                let more = dump.rows(part, &table, rows.last(), page).await.unwrap();
                if more.is_empty() {
                    break;
                }
                rows.extend(more);
            }
            all.push((part, table, rows));
        }
    }
    all
}

async fn begin(location: &Location, versions: [Vec<i64>; 2], aside: Option<&str>) -> Result<Load, LoadError> {
    let [ledger, main] = versions;
    let of = |part| match part {
        CopyPart::Ledger => ledger.clone(),
        CopyPart::Main => main.clone(),
    };
    Load::begin(location, of, aside).await
}

async fn put(location: &Location, versions: [Vec<i64>; 2], all: &Everything) -> Result<(), LoadError> {
    let mut load = begin(location, versions, None).await?;
    for (part, table, rows) in all {
        for rows in rows.chunks(13) {
            load.insert(*part, table, rows).await?;
        }
    }
    load.finish("the mark").await
}

async fn versions(location: &Location) -> [Vec<i64>; 2] {
    let mut dump = Dump::begin(location).await.unwrap();
    [dump.migrations(CopyPart::Ledger).await.unwrap(), dump.migrations(CopyPart::Main).await.unwrap()]
}

fn url(location: &Location) -> Option<&PostgresUrl> {
    match location {
        Location::Postgres(url) => Some(url),
        Location::Home(_) => None,
    }
}

/// Shapes say the same of both databases, but for what SQLite calls a column that counts by itself.
fn without_shapes(all: &Everything) -> Vec<(CopyPart, &str, &[CopyRow])> {
    all.iter().map(|(part, table, rows)| (*part, table.name.as_str(), rows.as_slice())).collect()
}

async fn what_is_taken_out_and_put_in_is_the_same(backend: Backend) {
    let store = filled(&backend).await;
    let from = backend.location();
    let (all, versions) = (everything(&from, 7).await, versions(&from).await);
    assert_eq!(all, everything(&from, 1_000).await, "whatever the pages");
    for other in [Backend::sqlite(), Backend::postgres()] {
        let to = other.location();
        put(&to, versions.clone(), &all).await.unwrap();
        if let Some(url) = url(&to) {
            assert!(url.has_mark("the mark").await.unwrap() && !url.has_mark("another").await.unwrap());
            url.clear_mark().await.unwrap();
            assert!(!url.has_mark("the mark").await.unwrap());
        }
        let there = everything(&to, 1_000).await;
        assert_eq!(without_shapes(&there), without_shapes(&all));
        let copy = Store::open_at(&to).await.unwrap();
        assert_eq!(copy.keys().list().await.unwrap(), store.keys().list().await.unwrap());
        let usage = |store: &Store| {
            let books = store.events();
            async move { books.usage(UsageBy::default(), &UsageFilter::default()).await.unwrap() }
        };
        assert_eq!(usage(&copy).await, usage(&store).await);
        let filter = LogsFilter { limit: 100, ..LogsFilter::default() };
        assert_eq!(copy.events().logs(&filter).await.unwrap(), store.events().logs(&filter).await.unwrap());
        // Numbers are given out behind those that came along.
        note(&copy, 2).await;
        let numbers: Vec<_> = copy.audit().list(9).await.unwrap().iter().map(|row| row.id).collect();
        assert_eq!(numbers, [5, 4, 3, 2, 1]);
        copy.close().await;
    }
}

async fn what_changes_meanwhile_is_not_in_it(backend: Backend) {
    let store = filled(&backend).await;
    let mut dump = Dump::begin(&backend.location()).await.unwrap();
    store.settings().set("later", Some("1")).await.unwrap();
    let batch = Batch { gateway: GatewayId(1), events: vec![event(1, "k", "m", 9, 3)], position: Position::default() };
    store.events().commit(&batch).await.unwrap();
    let count = async |dump: &mut Dump, part, name: &str| {
        let tables = dump.tables(part).await.unwrap();
        let table = tables.iter().find(|table| table.name == name).unwrap();
        dump.rows(part, table, None, 1_000).await.unwrap().len()
    };
    assert_eq!(count(&mut dump, CopyPart::Main, "settings").await, 1);
    assert_eq!(count(&mut dump, CopyPart::Ledger, "events").await, 40);
}

async fn an_older_copy_gets_its_own_tables_first(backend: Backend) {
    let store = backend.open().await;
    store.settings().set("a", Some("1")).await.unwrap();
    let from = backend.location();
    let mut all = everything(&from, 1_000).await;
    all.retain(|(part, table, _)| *part == CopyPart::Main && table.name == "settings");
    for other in [Backend::sqlite(), Backend::postgres()] {
        let to = other.location();
        put(&to, [vec![1], vec![1]], &all).await.unwrap();
        assert_eq!(versions(&to).await, [vec![1], vec![1]]);
        let copy = Store::open_at(&to).await.unwrap();
        assert_eq!(copy.settings().get("a").await.unwrap().as_deref(), Some("1"));
        assert_eq!(versions(&to).await, versions(&from).await);
        copy.close().await;
    }
}

async fn what_does_not_fit_is_refused(backend: Backend) {
    drop(filled(&backend).await);
    let (all, versions) = (everything(&backend.location(), 1_000).await, versions(&backend.location()).await);
    for mut other in [Backend::sqlite(), Backend::postgres()] {
        let mut fails = async |versions: [Vec<i64>; 2], change: Change<'_>| {
            let mut all = all.clone();
            change(&mut all);
            let error = put(&other.location(), versions, &all).await.unwrap_err().to_string();
            if let Some(url) = url(&other.location()) {
                assert!(Dump::begin(&Location::Postgres(url.clone())).await.is_err(), "nothing is left");
            }
            other.clear();
            error
        };
        let newer = fails([vec![1, 9_999], vec![1]], &|_| {}).await;
        assert!(newer.contains("ledger, 9999") && newer.contains("newer version"), "{newer}");
        let cases: [(Change<'_>, &str); 5] = [
            (&|all| all[0].1.name = "sqlite_master".into(), "there is no such table"),
            (&|all| all[0].1.columns[0].name = "x\" --".into(), "other columns"),
            (&|all| drop(all[0].2[0].pop()), "more or fewer values"),
            (&|all| all[0].2[0][0] = "text".into(), "another kind"),
            (&|all| all[0].2[1] = all[0].2[0].clone(), "conflicts with what is stored"),
        ];
        for (change, why) in cases {
            let error = fails(versions.clone(), change).await;
            assert!(error.contains(why), "{error}");
        }
    }
}

#[tokio::test]
async fn a_database_that_is_in_use_or_not_empty_is_not_filled() {
    let backend = Backend::postgres();
    let store = filled(&backend).await;
    let location = backend.location();
    let (all, versions) = (everything(&location, 1_000).await, versions(&location).await);
    let used = begin(&location, versions.clone(), Some("aside")).await.unwrap_err();
    assert!(matches!(&used, LoadError::Store(error) if error.cause == Cause::Taken), "{used}");
    store.close().await;
    let full = begin(&location, versions.clone(), None).await.unwrap_err();
    assert!(matches!(&full, LoadError::NotEmpty { schema: "enginehouse_ledger", .. }), "{full}");
    // Given up in the middle, it leaves what was there.
    let load = begin(&location, versions.clone(), Some("aside")).await.unwrap();
    drop(load);
    assert_eq!(everything(&location, 1_000).await, all);
    // Set aside, it is there under another name.
    let load = begin(&location, versions, Some("aside")).await.unwrap();
    load.finish("mark").await.unwrap();
    let rows: usize = everything(&location, 1_000).await.iter().map(|(_, _, rows)| rows.len()).sum();
    assert_eq!(rows, 1, "the mark");
    let Backend::Postgres(server) = &backend else { panic!() };
    assert_eq!(server.sql("SELECT COUNT(*) FROM enginehouse_ledger_aside.events"), "40");
    assert_eq!(server.sql("SELECT COUNT(*) FROM enginehouse_aside.keys"), "1");
}

#[tokio::test]
async fn a_database_without_a_store_is_not_copied() {
    let backend = Backend::postgres();
    let error = Dump::begin(&backend.location()).await.unwrap_err().to_string();
    assert!(error.contains("has no store in it"), "{error}");
}
