//! A server that dies at any step of a change has made it, or not, when it is back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Engine, Finished, Program, Server, ServerOptions, document, eventually};
use test_postgres::Postgres;

/// Names the point; only builds for tests know such points.
const POINT: &str = "ENGINEHOUSE_TEST_FAULT_POINT";
const URL: &str = "ENGINEHOUSE_DATABASE_URL";

/// The steps of an apply, in their order: those at which a crash leaves the old state, and those at which it leaves the
/// new one.
const OLD: [&str; 5] =
    ["apply-validated", "apply-proposed", "apply-half-written", "apply-written", "apply-in-transaction"];
const NEW: [&str; 5] = ["apply-committed", "apply-half-placed", "apply-placed", "apply-published", "apply-followed"];
/// Those between which a database elsewhere may make a difference.
const AROUND_THE_COMMIT: [&str; 4] = ["apply-written", "apply-in-transaction", "apply-committed", "apply-published"];
/// The steps of a roll-back after an atomic apply that does not work: whatever dies, the next start has rolled back, once.
const ROLL_BACK: [&str; 8] = [
    "roll-back-decided",
    "roll-back-half-written",
    "roll-back-written",
    "roll-back-in-transaction",
    "roll-back-committed",
    "roll-back-half-placed",
    "roll-back-placed",
    "roll-back-published",
];
/// What is to be staged, and what has been.
const UNSTAGED: &str = "stage-checked";
const STAGED: &str = "stage-kept";

/// A home on which model `one` applies and `two` is staged, whose server will die at `point`.
fn doomed(program: &Program, engine: &Engine, point: &str, database: Option<&Postgres>) -> ServerOptions {
    let mut options = ServerOptions::new(program).environment(POINT, point);
    let url = database.map(Postgres::url);
    if let Some(url) = &url {
        options = options.environment(URL, url);
    }
    let home = options.home();
    let command = |arguments: &[&str], input: &Value| {
        let mut command = program.command();
        command.envs(url.as_ref().map(|url| (URL, url))).arg("--home").arg(&home).args(arguments);
        Finished::of(&mut command, Some(&input.to_string())).ok().to_owned()
    };
    command(&["apply", "-f", "-"], &document::chat("one", engine));
    let two = document::endpoint("two", "chat", engine, "one");
    command(&["config", "stage", "model/two", "-f", "-"], &two);
    options
}

/// Runs a command that kills the server, and starts it again.
async fn die(server: &mut Server, arguments: &[&str]) {
    let cut_off = server.cli(arguments);
    assert!(!cut_off.status.success(), "the server lived on: {cut_off:?}");
    server.ended().await;
    server.restart().await;
}

/// Revision, models and staged items, which have to agree everywhere.
async fn found(server: &Server) -> (u64, Vec<String>, Vec<String>) {
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let document = server.admin().get("/api/v1/document").await.expect(200).json();
    let revision = document["revision"].as_u64().unwrap();
    let models = names(&document["document"]["models"]);
    let projected: Value = serde_json::from_slice(&std::fs::read(server.home().join("config.json")).unwrap()).unwrap();
    assert_eq!((&projected["revision"], &projected["document"]), (&document["revision"], &document["document"]));
    let served = server.client().get("/v1/models").await.expect(200).json();
    let mut served: Vec<_> =
        served["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect();
    served.sort();
    let mut sorted = models.clone();
    sorted.sort();
    assert_eq!(served, sorted);
    let latest = server.admin().get("/api/v1/revisions?limit=1").await.expect(200).json();
    assert_eq!(latest.as_array().and_then(|list| list[0]["number"].as_u64()), Some(revision));
    server.cli(&["config", "drift"]).ok();
    for folder in [server.home(), server.home().join("rendered")] {
        assert_eq!(left_over(&folder), Vec::<PathBuf>::new());
    }
    (revision, models, names(&server.admin().get("/api/v1/staged").await.expect(200).json()))
}

/// Files that were to be put in place.
fn left_over(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "new")).collect()
}

/// What is to be found after an apply of `two` that was cut off at `point`.
fn either(point: &str) -> (u64, Vec<String>, Vec<String>) {
    let (one, two) = ("one".to_owned(), "two".to_owned());
    if NEW.contains(&point) { (2, vec![one, two], Vec::new()) } else { (1, vec![one], vec![two]) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_is_cut_off_leaves_the_old_state_or_the_new_one() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    for point in OLD.into_iter().chain(NEW) {
        let mut server = doomed(&program, &engine, point, None).start().await;
        die(&mut server, &["config", "apply", "--all"]).await;
        assert_eq!(found(&server).await, either(point), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_is_cut_off_leaves_one_of_both_in_postgres_too() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    for point in AROUND_THE_COMMIT {
        let postgres = Postgres::start();
        let mut server = doomed(&program, &engine, point, Some(&postgres)).start().await;
        die(&mut server, &["config", "apply", "--all"]).await;
        assert_eq!(found(&server).await, either(point), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_cut_off_where_nothing_runs_leaves_one_of_both() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    for point in OLD.into_iter().chain(NEW).filter(|point| !["apply-published", "apply-followed"].contains(point)) {
        let options = doomed(&program, &engine, point, None);
        let mut command = program.command();
        command.env(POINT, point).arg("--home").arg(options.home()).args(["config", "apply", "--all"]);
        let cut_off = Finished::of(&mut command, None);
        assert!(cut_off.status.code().is_none(), "{point}: it was not killed: {cut_off:?}");
        assert_eq!(found(&options.start().await).await, either(point), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_back_that_is_cut_off_happens_once() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    let hangs = json!({"source": "m", "runtime": "process", "command": ["sleep", "1000", "{port}"]});
    let hangs = json!({"name": "hangs", "type": "chat", "deployments": [{"engine": hangs}]});
    let broken = document::of(&[document::endpoint("one", "chat", &engine, "one"), hangs]);
    for point in ROLL_BACK {
        let mut server = doomed(&program, &engine, point, None).start().await;
        apply_atomically(&server, &broken, "1s");
        server.ended().await;
        server.forget_environment(POINT);
        server.restart().await;
        eventually("the roll-back", || async {
            let status = server.admin().get("/api/v1/status").await.expect(200).json();
            (status["revision"] == 3 && server.engine_pids().is_empty()).then_some(())
        })
        .await;
        assert_eq!(found(&server).await, (3, vec!["one".to_owned()], vec!["two".to_owned()]), "{point}");
        let by_itself = server.admin().get("/api/v1/revisions?author=rollback").await.expect(200).json();
        assert_eq!(by_itself.as_array().map(Vec::len), Some(1), "{point}");
        // Nothing is left to be verified: the next change is taken.
        server.cli(&["config", "apply", "--all"]).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_apply_that_works_stands_whenever_it_is_cut_off() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    let works = document::process("works", "chat", &program, &[]);
    let works = document::of(&[document::endpoint("one", "chat", &engine, "one"), works]);
    for point in ["verified", "verified-noted"] {
        let mut server = doomed(&program, &engine, point, None).start().await;
        apply_atomically(&server, &works, "60s");
        server.ended().await;
        server.forget_environment(POINT);
        server.restart().await;
        eventually("the next apply to be taken", || async {
            server.cli(&["config", "apply", "--all"]).status.success().then_some(())
        })
        .await;
        let models = ["one", "works", "two"].map(str::to_owned).into();
        assert_eq!(found(&server).await, (3, models, Vec::new()), "{point}");
    }
}

fn apply_atomically(server: &Server, document: &Value, timeout: &str) {
    let path = server.folder().join("next.json");
    std::fs::write(&path, document.to_string()).unwrap();
    server.cli(&["apply", "-f", path.to_str().unwrap(), "--atomic", "--timeout", timeout]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_cut_off_is_kept_or_not() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    for (point, kept) in [(UNSTAGED, false), (STAGED, true)] {
        let mut server = doomed(&program, &engine, point, None).start().await;
        die(&mut server, &["config", "stage", "model/one", "--set", "price.input=3"]).await;
        let (revision, models, staged) = found(&server).await;
        assert_eq!((revision, models), (1, vec!["one".to_owned()]));
        assert_eq!(staged.contains(&"one".to_owned()), kept, "{point}: {staged:?}");
    }
    let mut server = doomed(&program, &engine, "discarded", None).start().await;
    die(&mut server, &["config", "discard", "--all"]).await;
    assert_eq!(found(&server).await.2, Vec::<String>::new());
}
