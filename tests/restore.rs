//! What ran before a reboot runs again after it, shown step by step; also where nothing is left but `config.json` and
//! `secret.key`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use support::{Finished, Scene, Server, ServerOptions, document, eventually, until};

const SECRET: &str = "sk-sealed-of-the-provider-4711";

/// Models that the service runs itself, in this order, the last of which was stopped.
const MODELS: [&str; 4] = ["zeta", "alpha", "midway", "resting"];

async fn running() -> Server {
    let program = support::enginehouse!();
    let server = ServerOptions::new(&program).start().await;
    server.apply(&document::of(&MODELS.map(|name| document::process(name, "chat", &program, &[]))));
    server.cli(&["model", "stop", "resting"]).ok();
    until("the stopped one to end", || server.engine_pids().len() == MODELS.len() - 1).await;
    server
}

/// What a power cut leaves: files.
fn cut_power(server: &mut Server) {
    server.kill();
    for pid in server.engine_pids() {
        let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, support::Signal::KILL);
    }
}

/// Steps with their states, as `restore --json` gives them.
fn steps(finished: &Finished) -> Vec<(String, String)> {
    let answer: Value = serde_json::from_str(finished.ok()).unwrap();
    let steps = answer["steps"].as_array().unwrap().clone();
    let name = |step: &Value| step["name"].as_str().or(step["step"].as_str()).unwrap().to_owned();
    steps.iter().map(|step| (name(step), step["state"].as_str().unwrap().to_owned())).collect()
}

fn expected(models: &[(&str, &str)]) -> Vec<(String, String)> {
    let machine =
        [("state", "done"), ("gpus", "skipped"), ("docker", "skipped"), ("network", "skipped"), ("images", "skipped")];
    let all = [&machine[..], models, &[("gateway", "done")]].concat();
    all.into_iter().map(|(step, state)| (step.to_owned(), state.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_before_a_reboot_runs_again() {
    let mut server = running().await;
    cut_power(&mut server);
    until("the engines to be gone", || server.engine_pids().is_empty()).await;
    let before = server.log().len();
    server.start_manager();
    // It is typed while the service comes up.
    let restored = server.cli(&["restore"]);
    restored.ok();
    for line in [
        "[x] state done: revision 1, 4 models",
        "[-] docker skipped",
        "[x] model    zeta done",
        "[-] model    resting skipped: it was stopped",
        "[x] gateway done",
        "Everything is back as it was.",
    ] {
        assert!(restored.stderr.contains(line), "{line}: {}", restored.stderr);
    }
    assert!(!restored.stderr.contains('\x1b'), "{}", restored.stderr);
    let models = [("zeta", "done"), ("alpha", "done"), ("midway", "done"), ("resting", "skipped")];
    assert_eq!(steps(&server.cli(&["restore", "--json"])), expected(&models));
    // Once each, in the order of the document, and without the pause that follows a failure.
    let log = server.log()[before..].to_owned();
    let started: Vec<_> = log.lines().filter(|line| line.contains("engine started")).collect();
    let ids: Vec<_> = MODELS[..3].iter().map(|name| deployment(&server, name)).collect();
    assert_eq!(started.len(), 3, "{log}");
    assert!(started.iter().zip(&ids).all(|(line, id)| line.contains(id.as_str())), "{ids:?}: {log}");
    assert!(!log.contains("engine failed"), "{log}");
    until("it to be noted", || server.log()[before..].contains("everything is back as it was")).await;
    let told = server.admin().get("/api/v1/restore").await.expect(200).json();
    assert!(told["done_at"].is_string() && told["failed"] == false, "{told}");
}

fn deployment(server: &Server, model: &str) -> String {
    let models = server.cli(&["model", "list", "--json"]).json();
    let found = models.as_array().unwrap().iter().find(|known| known["name"] == model).unwrap().clone();
    found["deployments"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gpus_of_the_machine_are_a_step() {
    let program = support::enginehouse!();
    let mut server = ServerOptions::new(&program).gpus(&Scene::h100x8()).start().await;
    let mut model = document::process("m", "chat", &program, &[]);
    model["deployments"][0]["engine"]["gpus"] = json!([7]);
    server.apply(&document::of(&[model]));
    let restored = server.cli(&["restore"]);
    restored.ok();
    let line = "[x] gpus done: 8 NVIDIA H100 80GB HBM3, driver 570.86.15";
    assert!(restored.stderr.contains(line), "{}", restored.stderr);

    // One is lost with the reboot.
    cut_power(&mut server);
    let mut scene = Scene::h100x8();
    scene.devices.truncate(4);
    server.play(&scene);
    server.restart().await;
    let failed = eventually("the step to fail", || {
        let answer = server.cli(&["restore", "--timeout", "1s", "--json"]);
        let steps: Value = serde_json::from_str(&answer.stdout).unwrap();
        std::future::ready((steps["steps"][1]["state"] == "failed").then(|| steps["steps"][1].clone()))
    })
    .await;
    let message = failed["message"].as_str().unwrap();
    assert!(message.starts_with("model m: gpus names `7`, which this machine does not have"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_back_is_named() {
    let mut server = running().await;
    let engine = json!({ "source": "/m", "runtime": "process", "command": ["sh", "-c", "exit 7", "{port}"] });
    let bad = json!({ "name": "bad", "type": "chat", "deployments": [{ "engine": engine }] });
    let item = server.folder().join("bad.json");
    fs::write(&item, bad.to_string()).unwrap();
    server.cli(&["config", "stage", "model/bad", "-f", item.to_str().unwrap()]).ok();
    server.cli(&["config", "apply", "--all"]).ok();
    server.restart().await;
    // The others first, and that one in a pause that is longer than a look.
    until("the others to be back", || {
        let models = server.cli(&["model", "list", "--json"]).json();
        let find = |name: &str| models.as_array().unwrap().iter().find(|model| model["name"] == name).unwrap().clone();
        let bad = find("bad")["deployments"][0]["replicas"][0].clone();
        let rests = bad["state"] == "backing_off" && bad["restarts"].as_u64() >= Some(4);
        rests && MODELS[..3].iter().all(|name| find(name)["state"] == "ready")
    })
    .await;
    let restored = server.cli(&["restore", "--timeout", "1s"]);
    let said = restored.fails_with(1);
    assert!(said.contains("not back after 1 s: model bad") && said.contains("ended (exit code 7)"), "{said}");
}

/// Somebody else's service, and what it was presented.
async fn provider() -> (String, Arc<Mutex<Vec<String>>>) {
    let presented = Arc::new(Mutex::new(Vec::new()));
    let note = presented.clone();
    let answer = async move |headers: HeaderMap| {
        let key = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        note.lock().push(key.to_owned());
        let message =
            json!({ "index": 0, "message": { "role": "assistant", "content": "hi" }, "finish_reason": "stop" });
        json!({ "id": "1", "object": "chat.completion", "choices": [message] }).to_string()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, presented)
}

/// Leaves these files of a home and nothing else.
fn keep_only(home: &Path, kept: &[&str]) {
    for entry in fs::read_dir(home).unwrap().flatten() {
        let path = entry.path();
        if kept.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_are_enough_to_rebuild_the_service() {
    let (url, presented) = provider().await;
    let program = support::enginehouse!();
    let mut server = ServerOptions::new(&program).start().await;
    let remote = json!({ "name": "remote", "type": "chat",
        "deployments": [{ "endpoint": { "url": url, "credential": "provider" } }] });
    let mut state = document::of(&[document::process("own", "chat", &program, &[]), remote]);
    state["credentials"] = json!([{ "name": "provider", "secret": SECRET }]);
    server.apply(&state);
    let key = server.create_key(&["--alias", "client"]);
    server.cli(&["model", "stop", "own"]).ok();
    until("it to be stopped", || server.engine_pids().is_empty()).await;
    let (before, id) = (server.log().len(), deployment(&server, "own"));
    cut_power(&mut server);
    keep_only(&server.home(), &["config.json", "secret.key"]);
    let kept = fs::read_to_string(server.home().join("config.json")).unwrap();
    assert!(!kept.contains(SECRET), "{kept}");

    server.restart().await;
    let restored = server.cli(&["restore"]);
    restored.ok();
    assert!(restored.stderr.contains("rebuilt from config.json, in which there are no keys"), "{}", restored.stderr);
    assert!(server.log()[before..].contains("config.json was imported"));
    assert_eq!(steps(&server.cli(&["restore", "--json"])), expected(&[("own", "skipped"), ("remote", "done")]));
    // Under the same name, and still stopped.
    assert_eq!(deployment(&server, "own"), id);
    server.cli(&["model", "start", "own"]).ok();
    assert_eq!(steps(&server.cli(&["restore", "--json"])), expected(&[("own", "done"), ("remote", "done")]));
    // What was sealed is opened, and keys are not known any more.
    let ask = json!({ "model": "remote", "messages": [{ "role": "user", "content": "Hello" }] });
    server.client().post("/v1/chat/completions", &ask).await.expect(200);
    assert_eq!(*presented.lock(), [format!("Bearer {SECRET}")]);
    server.client_with(&key).post("/v1/chat/completions", &ask).await.expect(401);
    assert!(!server.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_said() {
    let program = support::enginehouse!();
    let run = |arguments: &[&str]| {
        let mut command = program.command();
        command.args(["--home", "/nonexistent/home"]).args(arguments);
        Finished::of(&mut command, None)
    };
    assert!(run(&["backup", "restore"]).fails_with(2).contains("backup restore FILE"));
    assert!(run(&["restore", "--force"]).fails_with(2).contains("FILE"));
    assert!(run(&["restore", "--timeout", "soon"]).fails_with(2).contains("soon"));
    assert!(run(&["restore", "/nonexistent.backup"]).fails_with(1).contains("/nonexistent.backup"));
}
