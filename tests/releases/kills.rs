//! A server that dies at any step of a change has made it, or not, when it is back.

use serde_json::Value;
use support::{Engine, Finished, Program, Server, ServerOptions, document};

/// Steps of an apply at which a crash leaves the old state, and those at which it leaves the new one.
const OLD: [&str; 2] = ["apply-proposed", "apply-written"];
const NEW: [&str; 3] = ["apply-committed", "apply-placed", "apply-published"];
/// What is to be staged, and what has been.
const UNSTAGED: &str = "stage-checked";
const STAGED: &str = "stage-kept";

/// A server with one model, a second one staged, that dies at `point`; only builds for tests know such points.
async fn doomed(program: &Program, engine: &Engine, point: &str) -> Server {
    let options = ServerOptions::new(program).environment("ENGINEHOUSE_TEST_FAULT_POINT", point);
    let home = options.home();
    let command = |arguments: &[&str], input: &Value| {
        let mut command = program.command();
        Finished::of(command.arg("--home").arg(&home).args(arguments), Some(&input.to_string())).ok().to_owned()
    };
    command(&["apply", "-f", "-"], &document::chat("one", engine));
    let two = document::endpoint("two", "chat", engine, "one");
    command(&["config", "stage", "model/two", "-f", "-"], &two);
    options.start().await
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
    assert_eq!(served, models);
    let latest = server.admin().get("/api/v1/revisions?limit=1").await.expect(200).json();
    assert_eq!(latest.as_array().and_then(|list| list[0]["number"].as_u64()), Some(revision));
    (revision, models, names(&server.admin().get("/api/v1/staged").await.expect(200).json()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_is_cut_off_leaves_the_old_state_or_the_new_one() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    let (one, two) = ("one".to_owned(), "two".to_owned());
    for point in OLD.into_iter().chain(NEW) {
        let mut server = doomed(&program, &engine, point).await;
        die(&mut server, &["config", "apply", "--all"]).await;
        let expected = if OLD.contains(&point) {
            (1, vec![one.clone()], vec![two.clone()])
        } else {
            (2, vec![one.clone(), two.clone()], Vec::new())
        };
        assert_eq!(found(&server).await, expected, "{point}");
        server.cli(&["config", "drift"]).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_cut_off_is_kept_or_not() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "one"]).await;
    for (point, kept) in [(UNSTAGED, false), (STAGED, true)] {
        let mut server = doomed(&program, &engine, point).await;
        die(&mut server, &["config", "stage", "model/one", "--set", "price.input=3"]).await;
        let (revision, models, staged) = found(&server).await;
        assert_eq!((revision, models), (1, vec!["one".to_owned()]));
        assert_eq!(staged.contains(&"one".to_owned()), kept, "{point}: {staged:?}");
    }
    let mut server = doomed(&program, &engine, "discarded").await;
    die(&mut server, &["config", "discard", "--all"]).await;
    assert_eq!(found(&server).await.2, Vec::<String>::new());
}
