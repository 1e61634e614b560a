use std::os::unix::fs::PermissionsExt as _;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use crate::database::args;
use crate::testing::store;
use crate::{Cause, Problem, Store};

async fn intruder(path: &std::path::Path) -> SqliteConnection {
    SqliteConnection::connect(path.to_str().unwrap()).await.unwrap()
}

#[tokio::test]
async fn files_are_for_the_owner_only() {
    let (home, store) = store().await;
    store.settings().set("a", Some("1")).await.unwrap();
    for name in ["enginehouse.db", "enginehouse.db-wal", "ledger.db"] {
        let mode = std::fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_leaves_no_trace() {
    let (home, store) = store().await;
    let mut write = store.main.write().await.unwrap();
    write.execute("INSERT INTO settings (name, value) VALUES ('a', '1')", &[]).await.unwrap();
    drop(write);
    assert_eq!(store.settings().get("a").await.unwrap(), None);
    store.settings().set("b", Some("2")).await.unwrap();
    drop(store);
    let store = Store::open(home.path()).await.unwrap();
    assert_eq!(store.settings().get("a").await.unwrap(), None);
    assert_eq!(store.settings().get("b").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn writing_goes_on_after_a_full_disk() {
    let (_home, store) = store().await;
    for _ in 0..2 {
        let mut write = store.main.write().await.unwrap();
        // Full as far as this connection knows.
        write.execute("PRAGMA max_page_count = 1", &[]).await.unwrap();
        let insert = "INSERT INTO settings (name, value) VALUES ('a', $1)";
        let error = write.execute(insert, args!["x".repeat(1 << 20)]).await.unwrap_err();
        assert_eq!(error.cause, Cause::Full);
        drop(write);
        store.settings().set("b", Some("2")).await.unwrap();
        assert_eq!(store.settings().get("a").await.unwrap(), None, "it left no trace");
    }
    assert!(store.health().await.is_well());
}

#[tokio::test]
async fn a_lock_is_noticed_and_heals_by_itself() {
    let (home, store) = store().await;
    assert!(store.health().await.is_well());
    let mut intruder = intruder(&home.path().join("ledger.db")).await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut intruder).await.unwrap();
    assert_eq!(store.health().await.problems, [Problem { database: "ledger.db", cause: Cause::Locked }]);
    sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
    assert!(store.health().await.is_well());
}

#[tokio::test]
async fn a_write_waits_for_a_lock_and_then_says_that_it_is_locked() {
    let (home, store) = store().await;
    let mut intruder = intruder(&home.path().join("enginehouse.db")).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut intruder).await.unwrap();
    let error = store.settings().set("a", Some("1")).await.unwrap_err();
    assert_eq!((error.database, error.cause), ("enginehouse.db", Cause::Locked));
    assert_eq!(store.settings().get("a").await.unwrap(), None, "reading goes on");
    sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
    store.settings().set("a", Some("1")).await.unwrap();
}

#[tokio::test]
async fn a_deleted_file_refuses_writes_until_it_is_back() {
    let (home, store) = store().await;
    let (path, aside) = (home.path().join("enginehouse.db"), home.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    assert_eq!(store.settings().set("a", Some("1")).await.unwrap_err().cause, Cause::Gone);
    assert_eq!(store.health().await.problems, [Problem { database: "enginehouse.db", cause: Cause::Gone }]);
    std::fs::write(&path, "").unwrap();
    assert_eq!(store.settings().set("a", Some("1")).await.unwrap_err().cause, Cause::Gone, "replaced");
    std::fs::rename(&aside, &path).unwrap();
    store.settings().set("a", Some("1")).await.unwrap();
    assert!(store.health().await.is_well());
}

#[tokio::test]
async fn a_lock_is_noticed_while_a_write_of_ours_waits_for_it() {
    let (home, store) = store().await;
    let mut intruder = intruder(&home.path().join("ledger.db")).await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut intruder).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { drop(store.ledger.write().await) }
    });
    while store.ledger.sqlite().writer.num_idle() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.health().await.problems, [Problem { database: "ledger.db", cause: Cause::Locked }]);
    assert!(!waiting.is_finished(), "noticed at once");
    sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
    waiting.await.unwrap();
    assert!(store.health().await.is_well());
}

#[tokio::test]
async fn opening_needs_no_write_lock() {
    let (home, store) = store().await;
    store.close().await;
    let mut intruder = intruder(&home.path().join("ledger.db")).await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut intruder).await.unwrap();
    let store = Store::open(home.path()).await.unwrap();
    assert_eq!(store.events().spend().await.unwrap().len(), 0);
}

#[tokio::test]
async fn our_own_writes_do_not_look_like_trouble() {
    let (_home, store) = store().await;
    let write = store.main.write().await.unwrap();
    assert!(store.health().await.is_well());
    drop(write);
}
