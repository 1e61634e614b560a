//! The store in PostgreSQL: what dies there stops no request, and the books catch up to the last one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Engine, Finished, Http, Mount, Planes, Program, Server, ServerOptions, Signal, document, eventually};
use tempfile::TempDir;
use test_postgres::{PASSWORD, Postgres};
use tokio::task::JoinSet;

const PATH: &str = "/v1/chat/completions";
const URL: &str = "ENGINEHOUSE_DATABASE_URL";
/// Clients that send one request after the other.
const CLIENTS: usize = 4;
/// Room for the tables of a database, a template's worth of system tables included.
const DISK_BYTES: u64 = 64 << 20;

support::in_both_forms!(
    whatever_happens_to_the_database_no_request_fails_and_the_books_are_exact,
    a_start_waits_for_a_database_that_is_away,
    a_standby_takes_over_and_the_books_are_exact,
    a_database_whose_disk_is_full_stops_no_request,
);

fn chat() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
}

fn priced(engine: &Engine) -> Value {
    let mut model = document::endpoint("m", "chat", engine, "m");
    model["price"] = json!({"input": 1.5, "output": 6.0});
    document::of(&[model])
}

/// A server on a database, with the model `m`, which costs something.
async fn served(postgres: &Postgres, planes: Planes) -> (Engine, Server) {
    served_at(&postgres.url(), planes).await
}

async fn served_at(url: &str, planes: Planes) -> (Engine, Server) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = ServerOptions::new(&program).planes(planes).environment(URL, url).start().await;
    server.apply(&priced(&engine));
    (engine, server)
}

async fn until_readiness(server: &Server, status: &str) {
    let http = Http::to(server.client_address());
    eventually(&format!("readiness to say {status}"), || async {
        let answer = http.get("/health/readiness").await;
        (answer.expect(200).json()["status"] == status).then_some(())
    })
    .await;
}

async fn until_requests(server: &Server, requests: u64) {
    eventually("the books to be drained", || async {
        let usage = server.cli(&["usage", "--json"]).json();
        (usage["total"]["requests"] == requests).then_some(())
    })
    .await;
}

/// Clients that never stop, and how many of their requests were answered; each answer must be one.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(server: &Server) -> Self {
        let load = Self { stop: Arc::default(), answered: Arc::default(), clients: JoinSet::new() };
        (0..CLIENTS).fold(load, |mut load, number| {
            let client = server.client_with(&server.create_key(&["--alias", &format!("client-{number}")]));
            let (stop, answered) = (load.stop.clone(), load.answered.clone());
            load.clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    client.post(PATH, &chat()).await.expect(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            load
        })
    }

    /// Waits until more were answered: also now they are.
    async fn goes_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("requests to be answered", || async {
            (self.answered.load(Ordering::Relaxed) > before + 20).then_some(())
        })
        .await;
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        self.answered.load(Ordering::Relaxed)
    }
}

/// While the database is away: requests go on, readiness says so, and changes are refused with the reason.
async fn goes_on_degraded(server: &Server, load: &Load, reason: &str) {
    until_readiness(server, "degraded").await;
    load.goes_on().await;
    let refused = server.admin().post("/api/v1/keys", &json!({})).await;
    let problem = refused.expect(503).json();
    assert_eq!(problem["title"], "Store unavailable", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
}

async fn whatever_happens_to_the_database_no_request_fails_and_the_books_are_exact(planes: Planes) {
    let mut postgres = Postgres::start();
    let (_engine, server) = served(&postgres, planes).await;
    let load = Load::start(&server);
    load.goes_on().await;

    postgres.kill();
    goes_on_degraded(&server, &load, "cannot be reached").await;
    postgres.restart();
    until_readiness(&server, "healthy").await;
    load.goes_on().await;

    // As after a failover: the server that is known has become a standby.
    postgres.set_read_only(true);
    goes_on_degraded(&server, &load, "read-only").await;
    postgres.set_read_only(false);
    until_readiness(&server, "healthy").await;

    // In good order, and at once again.
    postgres.restart();
    load.goes_on().await;
    until_readiness(&server, "healthy").await;

    // It hangs without a word.
    postgres.freeze();
    until_readiness(&server, "degraded").await;
    load.goes_on().await;
    postgres.thaw();
    until_readiness(&server, "healthy").await;

    let answered = load.end().await;
    until_requests(&server, answered).await;
    assert_exact(&postgres, answered);
}

/// The first server dies, a standby listens where it did, and becomes the first one a while later.
async fn a_standby_takes_over_and_the_books_are_exact(planes: Planes) {
    let (primary, mut standby) = Postgres::with_standby();
    let (_engine, server) = served_at(&primary.tcp_url(), planes).await;
    let load = Load::start(&server);
    load.goes_on().await;

    standby.take_place_of(primary);
    goes_on_degraded(&server, &load, "read-only").await;
    standby.promote();
    until_readiness(&server, "healthy").await;
    load.goes_on().await;
    server.create_key(&["--alias", "after"]);

    let answered = load.end().await;
    until_requests(&server, answered).await;
    assert_exact(&standby, answered);
    assert_eq!(standby.sql("SELECT COUNT(*) FROM enginehouse.keys"), (CLIENTS + 1).to_string());
}

/// Its tables cannot grow, though it is there and answers.
async fn a_database_whose_disk_is_full_stops_no_request(planes: Planes) {
    let folder = TempDir::with_prefix("enginehouse-small-").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let at = folder.path().join("disk");
    let Some(disk) = Mount::in_memory(&at, DISK_BYTES) else { return };
    fs::set_permissions(&at, Permissions::from_mode(0o755)).unwrap();
    let postgres = Postgres::start();
    postgres.move_to(&at);
    let (_engine, server) = served(&postgres, planes).await;
    let load = Load::start(&server);
    load.goes_on().await;

    let ballast = disk.fill();
    until_readiness(&server, "degraded").await;
    let shown = Http::to(server.client_address()).get("/health/readiness").await;
    assert!(shown.text().contains("full"), "{}", shown.text());
    load.goes_on().await;
    fs::remove_file(ballast).unwrap();
    until_readiness(&server, "healthy").await;
    load.goes_on().await;

    let answered = load.end().await;
    until_requests(&server, answered).await;
    assert_exact(&postgres, answered);
    drop(postgres);
}

/// As many events as requests that were answered, and all sums those of the events.
fn assert_exact(postgres: &Postgres, answered: u64) {
    let one = |sql: &str| postgres.sql(&format!("SET search_path TO enginehouse_ledger; {sql}"));
    assert_eq!(one("SELECT COUNT(*) FROM events"), answered.to_string());
    assert_eq!(one("SELECT COUNT(DISTINCT request_id) FROM events"), answered.to_string());
    let cost = one("SELECT SUM(cost) FROM events");
    assert!(cost.parse::<i64>().unwrap() > 0, "{cost}");
    for table in ["spend_by_key", "usage_by_day", "spend_by_model"] {
        assert_eq!(one(&format!("SELECT SUM(cost) FROM {table}")), cost, "{table}");
    }
    let by_key = |from: &str| one(&format!("SELECT key_id, SUM(cost) {from} GROUP BY 1 ORDER BY 1"));
    assert_eq!(by_key("FROM spend_by_key"), by_key("FROM events"));
}

/// All were off: the database comes last. A gateway of its own serves from what it kept meanwhile.
async fn a_start_waits_for_a_database_that_is_away(planes: Planes) {
    let mut postgres = Postgres::start();
    let (_engine, mut server) = served(&postgres, planes).await;
    let key = server.create_key(&[]);
    server.client_with(&key).post(PATH, &chat()).await.expect(200);
    until_requests(&server, 1).await;
    server.kill();
    postgres.stop();

    server.start_manager();
    server.start_gateway();
    eventually("the manager to say that it waits", || async {
        server.log().contains("the store cannot be opened yet").then_some(())
    })
    .await;
    if planes == Planes::Apart {
        let client = server.client_with(&key);
        eventually("the gateway to serve", || async {
            let answer = client.try_send(http::Method::POST, PATH, chat().to_string().into()).await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await;
        until_readiness(&server, "degraded").await;
    }
    postgres.restart();
    server.wait_ready().await;
    server.client_with(&key).post(PATH, &chat()).await.expect(200);
    until_readiness(&server, "healthy").await;
    let requests = if planes == Planes::Apart { 3 } else { 2 };
    until_requests(&server, requests).await;
    assert_exact(&postgres, requests);
}

/// A command on a home where nothing runs.
fn offline(program: &Program, home: &std::path::Path, url: &str, arguments: &[&str]) -> Finished {
    let mut command: Command = program.command();
    command.env(URL, url).arg("--home").arg(home).args(arguments);
    Finished::of(&mut command, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_manager_of_the_same_database_is_told_whose_it_is() {
    let postgres = Postgres::start();
    let (_engine, mut server) = served(&postgres, Planes::Together).await;
    let program = support::enginehouse!();
    let mut second = ServerOptions::new(&program).environment(URL, &postgres.url()).spawn();
    assert_eq!(second.ended().await.code(), Some(1));
    let (told, home) = (second.log(), server.home());
    assert!(told.contains("another Enginehouse manager uses this database"), "{told}");
    // The server cuts names after 63 bytes.
    let shown: String = format!("{}", home.display()).chars().take(12).collect();
    assert!(told.contains(&shown), "whose it is: {told}");
    let elsewhere = tempfile::tempdir().unwrap();
    let refused = offline(&program, elsewhere.path(), &postgres.url(), &["key", "list"]);
    assert!(refused.fails_with(1).contains("another Enginehouse manager"), "{}", refused.stderr);
    // Once the first has gone, the database is free at once.
    server.stop(Signal::TERM).await;
    offline(&program, elsewhere.path(), &postgres.url(), &["key", "list", "--json"]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_on_a_home_where_nothing_runs_use_the_database_too() {
    let mut postgres = Postgres::start();
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let folder = tempfile::tempdir().unwrap();
    let (home, file) = (folder.path().join("home"), folder.path().join("state.json"));
    fs::write(&file, priced(&engine).to_string()).unwrap();
    let url = postgres.tcp_url();
    offline(&program, &home, &url, &["apply", "-f", file.to_str().unwrap()]).ok();
    offline(&program, &home, &url, &["key", "create", "--alias", "ann"]).ok();
    assert_eq!(postgres.sql("SELECT COUNT(*) FROM enginehouse.revisions"), "1");
    assert_eq!(postgres.sql("SELECT alias FROM enginehouse.keys"), "ann");
    assert!(!home.join("enginehouse.db").exists() && !home.join("ledger.db").exists());

    // The variable or its file.
    let secret = folder.path().join("url");
    fs::write(&secret, format!("{url}\n")).unwrap();
    let mut command = program.command();
    command.env(format!("{URL}_FILE"), &secret).arg("--home").arg(&home).args(["key", "list", "--json"]);
    assert!(Finished::of(&mut command, None).ok().contains("ann"));

    let doctor = offline(&program, &home, &url, &["doctor"]);
    assert!(doctor.stdout.contains("PostgreSQL") && doctor.stdout.contains("it can be written"), "{}", doctor.stdout);
    postgres.stop();
    let refused = offline(&program, &home, &url, &["key", "list"]);
    assert!(refused.fails_with(1).contains("the database server cannot be reached"), "{}", refused.stderr);
    let sick = offline(&program, &home, &url, &["doctor"]);
    assert!(sick.stdout.contains("FAIL  database"), "{}", sick.stdout);
    let wrong = offline(&program, &home, "mysql://ann:s3cret@h/db", &["key", "list"]);
    assert!(wrong.fails_with(2).contains("postgres://"), "{}", wrong.stderr);
    for said in [&refused, &wrong, &doctor, &sick] {
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(!all.contains(PASSWORD) && !all.contains("s3cret"), "{all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_in_no_log_and_no_answer() {
    let mut postgres = Postgres::start();
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).environment(URL, &postgres.tcp_url()).environment("RUST_LOG", "trace");
    let mut server = options.start().await;
    server.create_key(&[]);
    postgres.kill();
    until_readiness(&server, "degraded").await;
    let mut said = vec![server.log()];
    for path in ["/api/v1/status", "/metrics"] {
        said.push(server.admin().get(path).await.text().to_owned());
    }
    said.push(server.admin().post("/api/v1/keys", &json!({})).await.text().to_owned());
    server.stop(Signal::TERM).await;
    said.push(server.log());
    assert!(said.iter().all(|text| !text.contains(PASSWORD)));
    assert!(said[0].contains("the store cannot be written"));
}

/// As after a commit whose answer was lost, or a failover: the store comes back with something else in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_the_database_was_away_is_taken_over() {
    let postgres = Postgres::start();
    let (_engine, server) = served(&postgres, Planes::Together).await;
    let client = server.client_with(&server.create_key(&["--alias", "ann"]));
    client.post(PATH, &chat()).await.expect(200);
    postgres.set_read_only(true);
    until_readiness(&server, "degraded").await;
    postgres.sql("BEGIN READ WRITE; UPDATE enginehouse.keys SET blocked = TRUE; COMMIT");
    client.post(PATH, &chat()).await.expect(200);
    postgres.set_read_only(false);
    eventually("the key to be blocked", || async {
        (!client.post(PATH, &chat()).await.status.is_success()).then_some(())
    })
    .await;
    assert!(server.log().contains("the store holds something else than before its outage"));
}

/// Whoever could not be told any more gets in no longer, and who was let in meanwhile does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_in_is_read_anew_after_an_outage() {
    const PASSWORD: &str = "of an account that goes";
    const ROTATED: &str = "sk-rotated-while-it-was-away-0123456789";
    let postgres = Postgres::start();
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).environment(URL, &postgres.url()).without_master_key();
    let server = options.start().await;
    let (client, admin) = (Http::to(server.client_address()), Http::to(server.admin_address()));
    let made = fs::read_to_string(server.home().join("master.key")).unwrap();
    let models = async |key: &str| client.clone().with_key(key).get("/v1/models").await.status.as_u16();
    let create = ["account", "create", "bob", "--role", "viewer", "--password-stdin"];
    Finished::of(&mut server.command(&create), Some(&format!("{PASSWORD}\n"))).ok();
    let token = server.cli(&["token", "create", "ci", "--role", "viewer", "--quiet"]).ok().trim().to_owned();
    let log_in = async || admin.post("/api/v1/session", &json!({ "account": "bob", "password": PASSWORD })).await;
    let session = log_in().await.expect(200).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let reads = async |who: Http| who.get("/api/v1/keys").await.status.as_u16();
    let browser = || admin.clone().with_header("cookie", &session);
    assert_eq!((models(made.trim()).await, models(ROTATED).await), (200, 401));
    assert_eq!((reads(browser()).await, reads(admin.clone().with_key(&token)).await), (200, 200));

    postgres.set_read_only(true);
    until_readiness(&server, "degraded").await;
    let hash = snapshot::KeyHash::of(ROTATED);
    postgres.sql(&format!(
        "BEGIN READ WRITE; DELETE FROM enginehouse.accounts WHERE name = 'bob'; DELETE FROM enginehouse.tokens;
        DELETE FROM enginehouse.sessions;
        UPDATE enginehouse.settings SET value = '{hash}' WHERE name = 'master_key_sha256'; COMMIT"
    ));
    assert_eq!((models(made.trim()).await, models(ROTATED).await), (200, 401));
    postgres.set_read_only(false);
    eventually("the rotated master key to work", || async { (models(ROTATED).await == 200).then_some(()) }).await;
    assert_eq!(models(made.trim()).await, 401);
    assert_eq!((reads(browser()).await, reads(admin.clone().with_key(&token)).await), (401, 401));
    assert_eq!(log_in().await.status, 401);
    assert_eq!(reads(admin.clone().with_key(ROTATED)).await, 200);
}
