//! Everything in one file and back: on an empty machine, out of a service that runs and dies.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use store::{CopyPart, CopyRow, Dump, Location, LoggedEvent, LogsFilter, Store};
use support::{Engine, Finished, Http, Planes, Program, Server, ServerOptions, Signal, document, eventually, until};
use tempfile::TempDir;

#[path = "backup/postgres.rs"]
mod postgres;

const PASSPHRASE: &str = "correct horse battery staple";

fn body() -> Value {
    json!({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]})
}

fn command(program: &Program, home: &Path, arguments: &[&str]) -> Finished {
    Finished::of(program.command().arg("--home").arg(home).args(arguments), None)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All events of a home on which nothing runs, by request.
async fn events(home: &Path) -> HashMap<String, LoggedEvent> {
    let store = Store::open(home).await.unwrap();
    let events = store.events().logs(&LogsFilter { limit: 1_000_000, ..LogsFilter::default() }).await.unwrap();
    store.close().await;
    let count = events.len();
    let by_request: HashMap<_, _> = events.into_iter().map(|event| (event.request_id.clone(), event)).collect();
    assert_eq!(by_request.len(), count, "a request has two events");
    by_request
}

fn usage(program: &Program, home: &Path) -> Value {
    command(program, home, &["usage", "--by", "key,model", "--json"]).json()
}

/// Clients that ask for streams and plain answers until told to stop; ids of the requests that were answered whole.
async fn crowd(client: Http, stop: Arc<AtomicBool>, done: Arc<Mutex<Vec<String>>>) {
    while !stop.load(Ordering::Relaxed) {
        let answer = client.try_send(http::Method::POST, "/v1/chat/completions", body().to_string().into()).await;
        let Ok(answer) = answer else { return };
        if answer.status == 200 {
            done.lock().push(answer.header("x-request-id").unwrap().to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_under_load_and_restored_after_a_crash_it_has_everything_up_to_its_moment() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny", "--tokens", "5", "--inter-token-ms", "4"]).await;
    // Small books: segments are used again while the backup is made.
    let options = ServerOptions::new(&program).arguments(&["--books-segment-bytes", "65536"]);
    let mut server = options.start().await;
    server.apply(&document::chat("tiny", &engine));
    let key = server.create_key(&["--alias", "ann", "--budget", "5"]);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let crowd: Vec<_> =
        (0..8).map(|_| tokio::spawn(crowd(server.client_with(&key), stop.clone(), done.clone()))).collect();
    until("some requests", || done.lock().len() > 300).await;

    let file = server.folder().join("load.backup");
    let before = done.lock().clone();
    let made = server.cli(&["backup", "create", "-o", text(&file)]);
    assert!(made.ok().contains("usage_by_day") && made.stderr.contains("NOT encrypted"), "{made:?}");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let after = done.lock().len();
    until("more requests", || done.lock().len() > after + 100).await;
    server.kill();
    stop.store(true, Ordering::Relaxed);
    for client in crowd {
        client.await.unwrap();
    }

    // Another machine.
    let elsewhere = ServerOptions::new(&program);
    let restored = command(&program, &elsewhere.home(), &["restore", text(&file)]);
    assert!(restored.ok().contains("secret.key") || restored.stdout.contains("keys"), "{restored:?}");
    assert!(!restored.stderr.contains("damaged"), "{restored:?}");
    for name in ["enginehouse.db", "ledger.db"] {
        let mode = fs::metadata(elsewhere.home().join(name)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let copied = events(&elsewhere.home()).await;
    // The first home comes to rest: what really happened.
    server.restart().await;
    server.stop(Signal::TERM).await;
    let real = events(&server.home()).await;
    for id in &before {
        assert!(copied.contains_key(id), "{id} was answered before the backup, and is not in it");
    }
    assert!(copied.len() < real.len(), "{} of {}", copied.len(), real.len());
    for (id, event) in &copied {
        let real = &real[id];
        if event.outcome == "interrupted" {
            assert!(event.cost <= real.cost && event.usage.completion_tokens <= real.usage.completion_tokens);
        } else {
            assert_eq!(event, real);
        }
    }
    let total: i64 = copied.values().map(|event| event.cost.0).sum();
    assert_eq!(usage(&program, &elsewhere.home())["total"]["cost_nanos"], total);

    // It serves as before: model, key, what it spent; and new requests are counted on.
    let mut elsewhere = elsewhere.start().await;
    let keys = elsewhere.cli(&["key", "list", "--json"]).json();
    let spent = copied.values().filter(|event| event.key == keys[0]["id"].as_str().unwrap()).map(|event| event.cost.0);
    assert_eq!((&keys[0]["alias"], &keys[0]["max_budget"]), (&json!("ann"), &json!(5.0)));
    let spent: i64 = spent.sum();
    let answer = elsewhere.client_with(&key).post("/v1/chat/completions", &body()).await;
    let fresh = answer.expect(200).header("x-request-id").unwrap().to_owned();
    elsewhere.stop(Signal::TERM).await;
    let now = events(&elsewhere.home()).await;
    assert_eq!(now.len(), copied.len() + 1);
    let key_spend = usage(&program, &elsewhere.home());
    let row = key_spend["rows"].as_array().unwrap().iter().find(|row| row["alias"] == "ann").unwrap().clone();
    assert_eq!(row["cost_nanos"], spent + now[&fresh].cost.0);
}

/// A stopped home with a model, a key and some books.
async fn small_home(program: &Program) -> (Server, String) {
    let engine = Engine::start(program, &["--model", "tiny"]).await;
    let mut server = Server::start(program).await;
    server.apply(&document::chat("tiny", &engine));
    let key = server.create_key(&["--alias", "ann"]);
    server.client_with(&key).post("/v1/chat/completions", &body()).await.expect(200);
    server.stop(Signal::TERM).await;
    (server, key)
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_it_shows_nothing_and_opens_only_with_its_passphrase_and_whole() {
    let program = support::enginehouse!();
    let (server, key) = small_home(&program).await;
    let folder = TempDir::new().unwrap();
    let (file, pass, wrong) = (folder.path().join("b"), folder.path().join("pass"), folder.path().join("wrong"));
    fs::write(&pass, format!("{PASSPHRASE}\n")).unwrap();
    fs::write(&wrong, "another passphrase").unwrap();
    fs::write(server.home().join("secret.key"), "0123456789abcdef-a-secret-of-the-home").unwrap();
    let made = server.cli(&["backup", "create", "-o", text(&file), "--passphrase-file", text(&pass)]);
    assert!(made.stderr.contains("encrypted, every checksum") && !made.stderr.contains("warning"), "{made:?}");
    let bytes = fs::read(&file).unwrap();
    for secret in [PASSPHRASE, key.as_str(), "a-secret-of-the-home", "ann", "CREATE TABLE"] {
        assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none(), "{secret}");
    }
    let again = server.cli(&["backup", "create", "-o", text(&file), "--passphrase-file", text(&pass)]);
    assert!(again.fails_with(1).contains("is there already"));

    let target = folder.path().join("home");
    let damaged = folder.path().join("damaged");
    let restore = |file: &Path, pass: Option<&Path>| {
        let mut arguments = vec!["restore", text(file)];
        arguments.extend(pass.iter().flat_map(|pass| ["--passphrase-file", text(pass)]));
        command(&program, &target, &arguments)
    };
    let before = listing(folder.path());
    for (refused, words) in [
        (restore(&file, None), "is encrypted: give its passphrase"),
        (restore(&file, Some(&wrong)), "the passphrase is wrong"),
        (restore(&folder.path().join("nowhere"), None), "cannot open"),
        (restore(&pass, None), "no backup of Enginehouse"),
    ] {
        assert!(refused.fails_with(1).contains(words), "{words}: {refused:?}");
    }
    for (change, words) in [
        (bytes[..bytes.len() - 1].to_vec(), "damaged"),
        (bytes[..bytes.len() / 2].to_vec(), "damaged"),
        ([&bytes[..], b"x"].concat(), "damaged"),
        (
            {
                let mut b = bytes.clone();
                let middle = b.len() / 2;
                b[middle] ^= 1;
                b
            },
            "damaged",
        ),
    ] {
        fs::write(&damaged, change).unwrap();
        let refused = restore(&damaged, Some(&pass));
        let said = refused.fails_with(1);
        assert!(said.contains(words) || said.contains("passphrase is wrong"), "{said}");
        fs::remove_file(&damaged).unwrap();
    }
    assert_eq!(listing(folder.path()), before, "nothing was touched");

    let verified =
        command(&program, &target, &["backup", "verify", text(&file), "--passphrase-file", text(&pass), "--json"]);
    let about = verified.json();
    assert_eq!((&about["encrypted"], &about["revision"]), (&json!(true), &json!(1)));
    assert_eq!(about["databases"]["main"]["tables"]["keys"], 1);
    restore(&file, Some(&pass)).ok();
    assert_eq!(fs::read(target.join("secret.key")).unwrap(), b"0123456789abcdef-a-secret-of-the-home");
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o700);
    assert_eq!(events(&target).await, events(&server.home()).await);
}

/// All rows of every table of a store that nothing changes.
async fn rows(store: &Location) -> Vec<(String, Vec<CopyRow>)> {
    let mut dump = Dump::begin(store).await.unwrap();
    let mut all = Vec::new();
    for part in CopyPart::ALL {
        for table in dump.tables(part).await.unwrap() {
            let rows = dump.rows(part, &table, None, 10_000).await.unwrap();
            all.push((table.name, rows));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_every_table_comes_back() {
    let program = support::enginehouse!();
    let (server, _) = small_home(&program).await;
    server.cli(&["config", "stage", "model/tiny", "--set", "price.input=3"]).ok();
    server.cli(&["team", "create", "blue"]).ok();
    server.cli(&["token", "create", "ci", "--role", "viewer"]).ok();
    let before = rows(&Location::Home(server.home())).await;
    for table in ["revisions", "staged", "keys", "teams", "accounts", "tokens", "settings", "audit", "events"] {
        let rows = before.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| rows.len());
        assert!(rows > 0, "{table} is empty: this test shows nothing of it");
    }
    let (file, target) = (server.folder().join("b"), server.folder().join("again"));
    server.cli(&["backup", "create", "-o", text(&file)]).ok();
    command(&program, &target, &["restore", text(&file)]).ok();
    // Where the gateway's books are drained to is another matter: the spool is, and left behind.
    let kept = before.iter().zip(rows(&Location::Home(target)).await).filter(|((table, _), _)| table != "positions");
    for ((table, before), (_, after)) in kept {
        assert_eq!(*before, after, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_is_there_is_not_touched_unless_it_is_set_aside() {
    let program = support::enginehouse!();
    let (mut server, _) = small_home(&program).await;
    let file = server.folder().join("b");
    server.cli(&["backup", "create", "-o", text(&file)]).ok();
    let home = server.home();
    let state = || fs::read(home.join("config.json")).unwrap();
    let instance = |home: &Path| fs::read_to_string(home.join("instance")).unwrap();
    let (was, own) = (state(), instance(&home));
    let refused = server.cli(&["restore", text(&file)]);
    assert!(refused.fails_with(1).contains("is not empty"), "{refused:?}");
    server.restart().await;
    let refused = server.cli(&["restore", text(&file), "--force"]);
    assert!(refused.fails_with(1).contains("another manager"), "{refused:?}");
    assert!(server.cli(&["--server", "http://127.0.0.1:1", "backup", "create"]).fails_with(1).contains("network"));
    server.apply(&json!({"version": 1}));
    server.stop(Signal::TERM).await;
    assert_ne!(state(), was);
    server.cli(&["restore", text(&file), "--force"]).ok();
    assert_eq!(state(), was);
    assert_eq!(instance(&home), own, "its containers stay its own");
    let aside: Vec<_> =
        listing(server.folder()).into_iter().filter(|path| text(path).contains("before-restore")).collect();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].join("enginehouse.db").exists());
    // An empty folder is as good as none.
    let empty = server.folder().join("empty");
    fs::create_dir(&empty).unwrap();
    command(&program, &empty, &["backup", "restore", text(&file)]).ok();
    assert!(empty.join("ledger.db").exists());
    assert_ne!(instance(&empty), own, "another home has no part in them");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_restores_it_has_made_no_home() {
    let program = support::enginehouse!();
    let (server, _) = small_home(&program).await;
    let folder = TempDir::new().unwrap();
    let (file, target) = (folder.path().join("b"), folder.path().join("home"));
    server.cli(&["backup", "create", "-o", text(&file)]).ok();
    let mut restoring = program.command();
    restoring.arg("--home").arg(&target).args(["restore", text(&file)]);
    let mut restoring = restoring.spawn().unwrap();
    until("something is unpacked", || listing(folder.path()).len() > 1).await;
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    if !target.exists() {
        command(&program, &target, &["restore", text(&file)]).ok();
    }
    assert_eq!(events(&target).await, events(&server.home()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tar_of_a_stopped_home_works_elsewhere_with_what_was_not_drained() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let mut server = ServerOptions::new(&program).planes(Planes::Apart).start().await;
    server.apply(&document::chat("tiny", &engine));
    let key = server.create_key(&["--alias", "ann"]);
    server.client_with(&key).post("/v1/chat/completions", &body()).await.expect(200);
    eventually("the first request to be drained", || async {
        (server.cli(&["usage", "--json"]).json()["total"]["requests"] == 1).then_some(())
    })
    .await;
    // Without its manager nobody drains.
    server.signal_manager(Signal::TERM);
    until("the manager to be gone", || !Path::new(&format!("/proc/{}/exe", server.pid())).exists()).await;
    for _ in 0..3 {
        server.client_with(&key).post("/v1/chat/completions", &body()).await.expect(200);
    }
    server.stop(Signal::TERM).await;

    let tarred = server.folder().join("home.tar");
    let tar = |arguments: &[&str]| {
        let finished = Finished::of(std::process::Command::new("tar").args(arguments), None);
        finished.ok();
    };
    tar(&["-C", text(server.folder()), "--exclude=*.sock", "-cf", text(&tarred), "home"]);
    let elsewhere = ServerOptions::new(&program);
    let parent = elsewhere.home().parent().unwrap().to_owned();
    tar(&["-C", text(&parent), "-xf", text(&tarred)]);
    let mut elsewhere = elsewhere.start().await;
    elsewhere.client_with(&key).post("/v1/chat/completions", &body()).await.expect(200);
    elsewhere.stop(Signal::TERM).await;
    let rows = usage(&program, &elsewhere.home());
    assert_eq!((&rows["total"]["requests"], &rows["rows"][0]["alias"]), (&json!(5), &json!("ann")));
    assert_eq!(events(&elsewhere.home()).await.len(), 5);
}
