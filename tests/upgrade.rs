//! The home of every schema that there was loads with the present program, with all that was in it.
//!
//! Each folder of `tests/upgrade` is such a home, as SQL. A migration that is added makes a new schema, which has to be added:
//! `UPDATE=1 cargo test -p enginehouse --test upgrade` makes its home out of the newest one. A migration that was edited
//! does not go with the homes that were made with it: they fail to load.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use support::{Finished, Program, ServerOptions};
use tempfile::TempDir;

/// Databases of a home.
const DATABASES: [&str; 2] = ["enginehouse", "ledger"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn corpus() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/upgrade")).unwrap();
    let mut homes: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    homes.sort();
    homes
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

/// Makes a home out of its SQL.
async fn load(entry: &Path, home: &Path) {
    fs::create_dir_all(home).unwrap();
    for name in DATABASES {
        let sql = fs::read_to_string(entry.join(format!("{name}.sql"))).unwrap();
        let mut connection = connect(&home.join(format!("{name}.db"))).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

async fn text(connection: &mut SqliteConnection, sql: String) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A database as SQL.
async fn dump(path: &Path) -> String {
    let mut connection = connect(path).await;
    let mut lines = vec!["BEGIN TRANSACTION;".to_owned()];
    for table in text(
        &mut connection,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid".into(),
    )
    .await
    {
        lines.extend(
            text(&mut connection, format!("SELECT sql || ';' FROM sqlite_master WHERE name = '{table}'")).await,
        );
        let columns =
            text(&mut connection, format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')"))
                .await;
        let values = columns.join(" || ',' || ");
        lines.extend(
            text(
                &mut connection,
                format!("SELECT 'INSERT INTO \"{table}\" VALUES(' || {values} || ');' FROM \"{table}\""),
            )
            .await,
        );
    }
    let rest = "SELECT sql || ';' FROM sqlite_master WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL ORDER BY rowid";
    lines.extend(text(&mut connection, rest.into()).await);
    lines.push("COMMIT;\n".to_owned());
    connection.close().await.unwrap();
    lines.join("\n")
}

/// Numbers of the migrations that made a database.
async fn made_by(entry: &Path, name: &str) -> BTreeSet<i64> {
    let folder = TempDir::new().unwrap();
    load(entry, folder.path()).await;
    let mut connection = connect(&folder.path().join(format!("{name}.db"))).await;
    let rows = sqlx::query("SELECT version FROM _sqlx_migrations").fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get::<i64, _>(0)).collect()
}

/// Numbers of the migrations that there are.
fn migrations(part: &str) -> BTreeSet<i64> {
    let files = fs::read_dir(root().join("crates/store/migrations").join(part)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".sql")?.split_once('_')?.0.parse().ok()).collect()
}

/// Makes the home of the present schema out of the newest one.
async fn add(program: &Program, newest: &Path) {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    load(newest, &home).await;
    run(program, &home, &["usage", "--json"]);
    let number: u32 = newest.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let entry = newest.with_file_name(format!("{:02}", number + 1));
    fs::create_dir(&entry).unwrap();
    for name in DATABASES {
        fs::write(entry.join(format!("{name}.sql")), dump(&home.join(format!("{name}.db"))).await).unwrap();
    }
}

fn run(program: &Program, home: &Path, arguments: &[&str]) -> Value {
    Finished::of(program.command().arg("--home").arg(home).args(arguments), None).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_schema_has_a_home_in_the_corpus() {
    let newest = corpus().pop().unwrap();
    let (main, ledger) = (made_by(&newest, "enginehouse").await, made_by(&newest, "ledger").await);
    if (&main, &ledger) == (&migrations("main"), &migrations("ledger")) {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        return add(&support::enginehouse!(), &newest).await;
    }
    panic!(
        "a migration was added: run `UPDATE=1 cargo test -p enginehouse --test upgrade`, and commit the home it makes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_home_loads_with_all_that_was_in_it() {
    let program = support::enginehouse!();
    for entry in corpus() {
        let folder = TempDir::new().unwrap();
        let home = folder.path().join("home");
        load(&entry, &home).await;
        let shown = |arguments: &[&str]| run(&program, &home, arguments);
        let keys = shown(&["key", "list", "--json"]);
        let aliases: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["alias"].as_str().unwrap()).collect();
        assert_eq!(aliases, ["ann", "bob"], "{}", entry.display());
        assert_eq!(
            (&keys[0]["rpm"], &keys[0]["max_budget"], &keys[1]["blocked"]),
            (&json!(60), &json!(5.0), &json!(true))
        );
        let usage = shown(&["usage", "--by", "key,model,day", "--json"]);
        assert_eq!((&usage["total"]["requests"], &usage["total"]["cost_nanos"]), (&json!(5), &json!(1_500)));
        assert_eq!((&usage["rows"][0]["day"], &usage["total"]["failed"]), (&json!("2026-09-04"), &json!(1)));
        assert_eq!(shown(&["model", "list", "--json"])[0]["name"], "tiny");
        let knows_teams = fs::read_to_string(entry.join("enginehouse.sql")).unwrap().contains("'research'");
        let teams = shown(&["team", "list", "--json"]);
        assert_eq!(teams.as_array().unwrap().len(), usize::from(knows_teams));
        if knows_teams {
            assert_eq!((&teams[0]["alias"], &keys[0]["team"]), (&json!("research"), &json!("team-1")));
        }
        assert_eq!(shown(&["open", "status", "--json"])["open"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_home_is_served_and_backed_up() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program);
    load(&corpus()[0], &options.home()).await;
    let server = options.start().await;
    let ann = server.client_with("sk-upgrade-corpus-ann-0001");
    assert_eq!(ann.get("/v1/models").await.expect(200).json()["data"][0]["id"], "tiny");
    server.client_with("sk-upgrade-corpus-old-0003").get("/v1/models").await.expect(401);
    let revisions = server.admin().get("/api/v1/revisions").await.expect(200).text().to_owned();
    assert!(revisions.contains("\"number\":2") && revisions.contains("\"number\":1"), "{revisions}");
    let (file, copy) = (server.folder().join("b"), server.folder().join("copy"));
    server.cli(&["backup", "create", "-o", file.to_str().unwrap()]).ok();
    run(&program, &copy, &["restore", file.to_str().unwrap(), "--json"]);
    assert_eq!(run(&program, &copy, &["usage", "--json"]), server.cli(&["usage", "--json"]).json());
}
