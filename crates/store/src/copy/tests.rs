use std::path::Path;

use ledger::drain::{Batch, Sink as _};
use ledger::{GatewayId, Position};

use super::*;
use crate::testing::{event, store};
use crate::{KeyChange, LogsFilter, Store, UsageFilter};

/// A store with something in most tables.
async fn filled() -> (tempfile::TempDir, Store) {
    let (home, store) = store().await;
    let mut key = crate::keys::tests::key("k", Some("it's \"quoted\" é"));
    (key.team, key.blocked, key.expires_at) = (Some("t".into()), true, Some(ambient::Timestamp::from_micros(-5)));
    store.keys().change(&[KeyChange::Add(&key)], &[]).await.unwrap();
    store.settings().set("odd\nname", Some("")).await.unwrap();
    let events: Vec<_> = (1..=40).map(|n| event(n, if n % 2 == 0 { "k" } else { "l" }, "m", 9, 3)).collect();
    let batch = Batch { gateway: GatewayId(u64::MAX - 7), events, position: Position { segment: 2, offset: 5 } };
    store.events().commit(&batch).await.unwrap();
    (home, store)
}

/// Spoils a copy.
type Change<'c> = &'c dyn Fn(&mut Everything);

type Everything = Vec<(CopyPart, TableShape, Vec<CopyRow>)>;

async fn everything(home: &Path, page: u32) -> Everything {
    let mut dump = Dump::begin(home).await.unwrap();
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

async fn put(home: &Path, versions: [Vec<i64>; 2], all: &Everything) -> Result<(), LoadError> {
    let [ledger, main] = versions;
    let mut load = Load::begin(home, |part| match part {
        CopyPart::Ledger => ledger.clone(),
        CopyPart::Main => main.clone(),
    })
    .await?;
    for (part, table, rows) in all {
        load.insert(*part, table, rows).await?;
    }
    load.finish().await
}

async fn versions(home: &Path) -> [Vec<i64>; 2] {
    let mut dump = Dump::begin(home).await.unwrap();
    [dump.migrations(CopyPart::Ledger).await.unwrap(), dump.migrations(CopyPart::Main).await.unwrap()]
}

#[tokio::test]
async fn what_is_taken_out_and_put_in_is_the_same() {
    let (home, store) = filled().await;
    let (all, versions) = (everything(home.path(), 7).await, versions(home.path()).await);
    assert_eq!(all, everything(home.path(), 1_000).await, "whatever the pages");
    let other = tempfile::tempdir().unwrap();
    put(other.path(), versions, &all).await.unwrap();
    assert_eq!(everything(other.path(), 1_000).await, all);
    let copy = Store::open(other.path()).await.unwrap();
    assert_eq!(copy.keys().list().await.unwrap(), store.keys().list().await.unwrap());
    let usage = |store: &Store| {
        let books = store.events();
        async move { books.usage(crate::UsageBy::default(), &UsageFilter::default()).await.unwrap() }
    };
    assert_eq!(usage(&copy).await, usage(&store).await);
    let filter = LogsFilter { limit: 100, ..LogsFilter::default() };
    assert_eq!(copy.events().logs(&filter).await.unwrap(), store.events().logs(&filter).await.unwrap());
}

#[tokio::test]
async fn what_changes_meanwhile_is_not_in_it() {
    let (home, store) = filled().await;
    let mut dump = Dump::begin(home.path()).await.unwrap();
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

#[tokio::test]
async fn an_older_copy_gets_its_own_tables_first() {
    let (home, store) = store().await;
    store.settings().set("a", Some("1")).await.unwrap();
    let mut all = everything(home.path(), 1_000).await;
    all.retain(|(part, table, _)| *part == CopyPart::Main && table.name == "settings");
    let other = tempfile::tempdir().unwrap();
    put(other.path(), [vec![1], vec![1]], &all).await.unwrap();
    assert_eq!(versions(other.path()).await, [vec![1], vec![1]]);
    let copy = Store::open(other.path()).await.unwrap();
    assert_eq!(copy.settings().get("a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(versions(other.path()).await, versions(home.path()).await);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let (home, _store) = filled().await;
    let (all, versions) = (everything(home.path(), 1_000).await, versions(home.path()).await);
    let fails = async |versions: [Vec<i64>; 2], change: &dyn Fn(&mut Everything)| {
        let (mut all, other) = (all.clone(), tempfile::tempdir().unwrap());
        change(&mut all);
        put(other.path(), versions, &all).await.unwrap_err().to_string()
    };
    let newer = fails([vec![1, 9_999], vec![1]], &|_| {}).await;
    assert!(newer.contains("ledger, 9999") && newer.contains("newer version"), "{newer}");
    let cases: [(Change<'_>, &str); 4] = [
        (&|all| all[0].1.name = "sqlite_master".into(), "there is no such table"),
        (&|all| all[0].1.columns[0].name = "x\" --".into(), "other columns"),
        (&|all| drop(all[0].2[0].pop()), "more or fewer values"),
        (&|all| all[0].2[0][0] = "text".into(), "another kind"),
    ];
    for (change, why) in cases {
        let error = fails(versions.clone(), change).await;
        assert!(error.contains(why), "{error}");
    }
}
