//! What dies while requests run: engines, the store, the server itself. Requests go on, or say what failed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::time::Duration;

use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use support::{Engine, Http, Planes, Server, ServerOptions, Signal, document, eventually};
use tokio::time::{Instant, sleep};

const PATH: &str = "/v1/chat/completions";

support::in_both_forms!(
    a_locked_store_stops_no_request_and_loses_none,
    a_locked_store_does_not_keep_open_routes_open,
    a_deleted_store_stops_no_request,
    an_engine_killed_in_a_stream_ends_it_with_an_error_and_another_takes_over,
    a_frozen_engine_is_noticed_and_its_client_can_leave,
    engines_of_ours_are_restarted_adopted_and_stopped,
    what_runs_elsewhere_is_not_touched_while_nobody_asks,
);

/// More than three rounds of the health checks that engines of ours get.
const IDLE: Duration = Duration::from_secs(7);

fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]})
}

/// A server with one model `m` on an engine outside, and a key.
async fn served(planes: Planes) -> (Engine, Server, Http) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = ServerOptions::new(&program).planes(planes).start().await;
    server.apply(&document::chat("m", &engine));
    let client = server.client_with(&server.create_key(&[]));
    (engine, server, client)
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

async fn a_locked_store_stops_no_request_and_loses_none(planes: Planes) {
    let (_engine, server, client) = served(planes).await;
    let mut sent = 0;
    for file in ["ledger.db", "enginehouse.db"] {
        let url = format!("sqlite://{}", server.home().join(file).display());
        let mut lock = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut lock).await.unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            client.post(PATH, &chat("m", sent % 2 == 0)).await.expect(200);
            sent += 1;
        }
        until_readiness(&server, "degraded").await;
        client.post(PATH, &chat("m", false)).await.expect(200);
        sent += 1;
        lock.close().await.unwrap();
        until_readiness(&server, "healthy").await;
    }
    until_requests(&server, sent).await;
}

async fn a_locked_store_does_not_keep_open_routes_open(planes: Planes) {
    let (engine, server, client) = served(planes).await;
    let mut model = document::endpoint("m", "chat", &engine, "m");
    model["open_access"] = json!(true);
    server.apply(&document::of(&[model]));
    let path = "/open/m/v1/chat/completions";
    client.post(path, &chat("m", false)).await.expect(200);
    let url = format!("sqlite://{}", server.home().join("enginehouse.db").display());
    let mut lock = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut lock).await.unwrap();
    let told = server.cli(&["open", "off"]);
    let told = told.fails_with(1);
    assert!(told.contains("open routes are shut now"), "{told}");
    client.post(path, &chat("m", false)).await.expect(403);
    lock.close().await.unwrap();
}

async fn a_deleted_store_stops_no_request(planes: Planes) {
    let (_engine, server, client) = served(planes).await;
    let files = std::fs::read_dir(server.home()).unwrap().map(|entry| entry.unwrap().path());
    let databases: Vec<_> = files.filter(|path| path.to_string_lossy().contains(".db")).collect();
    assert!(databases.len() >= 2, "{databases:?}");
    for path in databases {
        std::fs::remove_file(path).unwrap();
    }
    until_readiness(&server, "degraded").await;
    for n in 0..20 {
        client.post(PATH, &chat("m", n % 2 == 0)).await.expect(200);
    }
    let unknown = server.client_with("sk-unknown").post(PATH, &chat("m", false)).await;
    assert_eq!(unknown.expect(401).json()["error"]["code"], "invalid_api_key");
    let refused = server.cli(&["key", "create"]);
    assert!(!refused.status.success(), "a key that cannot be kept must not be handed out");
}

async fn an_engine_killed_in_a_stream_ends_it_with_an_error_and_another_takes_over(planes: Planes) {
    let program = support::enginehouse!();
    let slow = ["--model", "m", "--tokens", "4000", "--inter-token-ms", "5"];
    let (mut first, second) = (Engine::start(&program, &slow).await, Engine::start(&program, &["--model", "m"]).await);
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let mut model = document::endpoint("m", "chat", &first, "m");
    server.apply(&document::of(&[model.clone()]));
    let mut stream = server.client().stream(PATH, &chat("m", true)).await;
    for _ in 0..10 {
        stream.next_event().await.unwrap().unwrap();
    }
    let other = document::endpoint("m", "chat", &second, "m")["deployments"][0].clone();
    model["deployments"].as_array_mut().unwrap().push(other);
    server.apply(&document::of(&[model]));
    stream.next_event().await.unwrap().expect("an apply does not break a stream");

    first.kill();
    let events = stream.events().await.unwrap();
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "upstream_error", "{last}");
    assert!(last["error"]["message"].as_str().unwrap().contains("broke off"), "{last}");
    for n in 0..10 {
        server.client().post(PATH, &chat("m", n % 2 == 0)).await.expect(200);
    }
}

async fn a_frozen_engine_is_noticed_and_its_client_can_leave(planes: Planes) {
    let (mut engine, server, client) = served(planes).await;
    engine.freeze();
    let waiting = client.clone();
    let request = tokio::spawn(async move { waiting.stream(PATH, &chat("m", true)).await });
    sleep(Duration::from_millis(200)).await;
    request.abort();
    engine.thaw();
    eventually("the engine to be idle", || async { (engine.state().await["running"] == 0).then_some(()) }).await;
    client.post(PATH, &chat("m", true)).await.expect(200);
    until_requests(&server, 2).await;
}

async fn engines_of_ours_are_restarted_adopted_and_stopped(planes: Planes) {
    let program = support::enginehouse!();
    let mut server = ServerOptions::new(&program).planes(planes).start().await;
    server.apply(&document::of(&[document::process("own", "chat", &program, &[])]));
    let pid = replica(&server)["pid"].as_u64().unwrap();
    server.client().post(PATH, &chat("own", false)).await.expect(200);

    kill(pid);
    let restarted = eventually("the engine to be started again", || async {
        let replica = replica(&server);
        (replica["state"] == "ready" && replica["pid"] != pid).then_some(replica)
    })
    .await;
    assert_eq!(restarted["restarts"], 1);
    server.client().post(PATH, &chat("own", true)).await.expect(200);

    let pid = restarted["pid"].as_u64().unwrap();
    server.kill();
    server.restart().await;
    until_serves(&server).await;
    assert_eq!(replica(&server)["pid"], pid, "adopted after a crash");
    server.stop(Signal::TERM).await;
    server.restart().await;
    until_serves(&server).await;
    assert_eq!(replica(&server)["pid"], pid, "adopted after a restart of the service");
    server.stop(Signal::INT).await;
    assert!(!is_running(pid), "Ctrl-C stops engines too");
}

/// A probe could be billed: not even a connection is made.
async fn what_runs_elsewhere_is_not_touched_while_nobody_asks(planes: Planes) {
    let program = support::enginehouse!();
    let elsewhere = std::net::TcpListener::bind((support::fresh_address(), 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let url = format!("http://{}/v1", elsewhere.local_addr().unwrap());
    let deployments = json!([{"endpoint": {"url": url, "model": "m"}}]);
    server.apply(&document::of(&[json!({"name": "m", "type": "chat", "deployments": deployments})]));
    server.cli(&["model", "list", "--json"]).json();
    sleep(IDLE).await;
    server.client().get("/health").await.expect(200);
    assert!(elsewhere.accept().is_err(), "somebody has connected");
    // And it is the right place: who asks gets there.
    let client = server.client();
    let asked =
        tokio::spawn(
            async move { client.try_send(http::Method::POST, PATH, chat("m", false).to_string().into()).await },
        );
    eventually("a request to arrive", || async { elsewhere.accept().ok() }).await;
    asked.abort();
}

async fn until_serves(server: &Server) {
    eventually("the model to be served", || async {
        server.client().post(PATH, &chat("own", false)).await.status.is_success().then_some(())
    })
    .await;
}

fn replica(server: &Server) -> Value {
    let models = server.cli(&["model", "list", "--json"]).json();
    let models = models.get("models").unwrap_or(&models);
    models[0]["deployments"][0]["replicas"][0].clone()
}

fn kill(pid: u64) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Whether a process is there and not just waiting for its parent to read how it ended.
fn is_running(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
