use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Command;
use std::time::Duration;

use test_postgres::Postgres as Server;
use tokio::time::{Instant, timeout};

use crate::database::{Database, Part, args};
use crate::{Cause, Location, PostgresUrl, Problem, Store};

fn location(url: &str) -> Location {
    Location::Postgres(url.parse().unwrap())
}

async fn open(server: &Server) -> Store {
    Store::open_at(&location(&server.url())).await.unwrap()
}

#[tokio::test]
async fn a_database_belongs_to_one_store_until_it_is_closed() {
    let server = Server::start();
    let first: PostgresUrl = server.url().parse().unwrap();
    let first = Store::open_at(&Location::Postgres(first.named("host:/the/first"))).await.unwrap();
    let error = Store::open_at(&location(&server.url())).await.unwrap_err();
    assert_eq!(error.cause, Cause::Taken);
    assert!(error.detail.contains("host:/the/first"), "{error}");
    first.close().await;
    open(&server).await.settings().set("a", Some("1")).await.unwrap();
}

#[tokio::test]
async fn whoever_was_cut_off_cannot_write_once_another_has_the_database() {
    let server = Server::start();
    let first = open(&server).await;
    first.settings().set("a", Some("first")).await.unwrap();
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
    let second = open(&server).await;
    second.settings().set("a", Some("second")).await.unwrap();
    assert_eq!(first.settings().set("a", Some("late")).await.unwrap_err().cause, Cause::Taken);
    assert!(!first.health().await.is_well(), "it says so");
    assert_eq!(first.settings().get("a").await.unwrap().as_deref(), Some("second"));
    second.close().await;
    first.settings().set("a", Some("again")).await.unwrap();
    assert!(first.health().await.is_well());
}

#[tokio::test]
async fn connections_that_broke_are_made_anew_unnoticed() {
    let mut server = Server::start();
    let store = open(&server).await;
    for value in ["1", "2", "3"] {
        store.settings().set("a", Some(value)).await.unwrap();
        assert_eq!(store.settings().get("a").await.unwrap().as_deref(), Some(value));
        store.events().booked(&[]).await.unwrap();
        assert!(store.health().await.is_well());
        if value == "1" {
            server.kill();
        }
        server.restart();
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_at_once_and_a_hanging_one_soon() {
    let mut server = Server::start();
    let store = open(&server).await;
    server.stop();
    let began = Instant::now();
    assert_eq!(store.settings().set("a", Some("1")).await.unwrap_err().cause, Cause::Away);
    assert_eq!(store.settings().get("a").await.unwrap_err().cause, Cause::Away);
    assert!(began.elapsed() < Duration::from_secs(30), "no time-out was waited for");
    let away = [Part::Main, Part::Ledger].map(|part| Problem { database: part.postgres_name(), cause: Cause::Away });
    assert_eq!(store.health().await.problems, away);
    assert_eq!(Store::open_at(&location(&server.url())).await.unwrap_err().cause, Cause::Away);
    server.restart();
    assert!(store.health().await.is_well());
    server.freeze();
    assert_eq!(timeout(Duration::from_secs(60), store.health()).await.unwrap().problems, away);
    server.thaw();
    assert!(store.health().await.is_well());
    store.settings().set("a", Some("1")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_became_read_only_is_told_and_can_still_be_opened() {
    let server = Server::start();
    let store = open(&server).await;
    server.set_read_only(true);
    assert_eq!(store.settings().set("a", Some("1")).await.unwrap_err().cause, Cause::ReadOnly);
    assert!(store.health().await.problems.iter().all(|problem| problem.cause == Cause::ReadOnly));
    store.close().await;
    let store = open(&server).await;
    assert_eq!(store.settings().get("a").await.unwrap(), None);
    assert!(!store.health().await.is_well());
    server.set_read_only(false);
    store.settings().set("a", Some("1")).await.unwrap();
    assert!(store.health().await.is_well());
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_leaves_no_trace_and_frees_its_connection() {
    let server = Server::start();
    let store = open(&server).await;
    let put = "INSERT INTO settings (name, value) VALUES ($1, '1')";
    let mut write = store.main.write().await.unwrap();
    write.execute(put, args!["a"]).await.unwrap();
    drop(write);
    // Given up in the middle of a statement.
    let mut write = store.main.write().await.unwrap();
    let slow = timeout(Duration::from_millis(100), write.fetch_all("SELECT pg_sleep(5)::TEXT", &[])).await;
    assert!(slow.is_err());
    drop(write);
    let mut write = store.main.write().await.unwrap();
    write.execute(put, args!["b"]).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(server.sql("SELECT string_agg(name, '') FROM enginehouse.settings"), "b");
}

#[tokio::test]
async fn a_lock_and_a_slow_statement_have_an_end() {
    let server = Server::start();
    let store = open(&server).await;
    let other = Database::open(&location(&server.url()), Part::Ledger).await.unwrap();
    let mut held = other.write().await.unwrap();
    held.execute("LOCK TABLE positions IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
    let mut write = store.ledger.write().await.unwrap();
    let blocked = write.execute("DELETE FROM positions", &[]).await.unwrap_err();
    assert_eq!(blocked.cause, Cause::Locked, "{blocked}");
    drop((held, write));
    let mut write = store.ledger.write().await.unwrap();
    let slow = write.fetch_all("SELECT pg_sleep(60)::TEXT", &[]).await.unwrap_err();
    assert_eq!(slow.cause, Cause::Away, "{slow}");
}

/// The server is gone when the answer to the commit should come, but it was made, or it was not: what is said is true.
#[tokio::test]
async fn the_outcome_of_a_commit_whose_answer_was_lost_is_found_out() {
    let server = Server::start();
    let store = open(&server).await;
    // The server waits in the middle of the commit, long enough to break the connection off.
    server.sql("CREATE FUNCTION enginehouse.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$");
    server.sql(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON enginehouse.settings
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION enginehouse.late()",
    );
    let setting = tokio::spawn({
        let store = store.clone();
        async move { store.settings().set("a", Some("1")).await }
    });
    let busy = "SELECT COUNT(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'";
    while server.sql(busy) == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'");
    assert_eq!(setting.await.unwrap().unwrap_err().cause, Cause::Away);
    assert_eq!(server.sql("SELECT COUNT(*) FROM enginehouse.settings"), "0", "it was not made");
    let id = server.sql("SELECT pg_current_xact_id()::TEXT");
    let Database::Postgres(database) = &*store.main else { panic!("not PostgreSQL") };
    let lost = crate::Error::new("it", Cause::Away, "the answer was lost");
    super::transaction::outcome(database, &id, lost).await.unwrap();
}

#[tokio::test]
async fn what_the_url_says_of_encryption_is_done() {
    let mut server = Server::start();
    let plain = format!("{}?sslmode=", server.tcp_url());
    let causes = async |mode: &str| location(&format!("{plain}{mode}")).open_and_look().await;
    assert_eq!(causes("disable").await, Ok(false));
    assert_eq!(causes("prefer").await, Ok(false));
    assert_eq!(causes("require").await, Err(Cause::Refused), "the server cannot");
    give_certificate(&server);
    server.set("ssl=on");
    server.restart();
    assert_eq!(causes("prefer").await, Ok(true));
    assert_eq!(causes("require").await, Ok(true));
    assert_eq!(causes("verify-full").await, Err(Cause::Refused), "nobody vouches for the certificate");
    let trusted = format!("verify-full&sslrootcert={}", server.data().join("server.crt").display());
    assert_eq!(causes(&trusted).await, Ok(true));
}

impl Location {
    async fn open_and_look(&self) -> Result<bool, Cause> {
        Store::open_at(self).await.map_err(|error| error.cause)?.close().await;
        let Self::Postgres(url) = self else { panic!("not PostgreSQL") };
        url.look().await.map(|look| look.is_encrypted).map_err(|error| error.cause)
    }
}

fn give_certificate(server: &Server) {
    let (key, certificate) = (server.data().join("server.key"), server.data().join("server.crt"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"])
        .args([
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let owner = fs::metadata(server.data()).unwrap();
    for file in [&key, &certificate] {
        chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
