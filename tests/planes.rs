//! The planes apart: what each does while the other is stopped, dead or behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Engine, Finished, Http, MASTER_KEY, Planes, Server, ServerOptions, Signal, document, eventually};
use tokio::time::{Instant, sleep};

const PATH: &str = "/v1/chat/completions";
/// What one request costs: 20 tokens at 1,000,000 per 1,000,000, whatever the prompt.
const COST: f64 = 20.0;
/// Room in the books that a test can fill: 16 segments.
const SMALL_BOOKS: &[&str] = &["--books-segment-bytes", "16384"];

fn chat() -> Value {
    json!({"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]})
}

/// A server with planes apart and one model `m`, 20 tokens an answer.
async fn served(arguments: &[&str]) -> (Engine, Server) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m", "--tokens", "20"]).await;
    let server = ServerOptions::new(&program).planes(Planes::Apart).arguments(arguments).start().await;
    let mut document = document::chat("m", &engine);
    document["models"][0]["price"] = json!({"output": 1_000_000.0});
    server.apply(&document);
    (engine, server)
}

async fn until_readiness(server: &Server, what: &str, is: impl Fn(u16, &Value) -> bool) {
    let http = Http::to(server.client_address());
    eventually(&format!("readiness to say {what}"), || async {
        let answer = http.try_send(http::Method::GET, "/health/readiness", bytes::Bytes::new()).await.ok()?;
        is(answer.status.as_u16(), &answer.json()).then_some(())
    })
    .await;
}

/// Serves, and says that the manager is away.
async fn until_alone(server: &Server) {
    until_readiness(server, "that the manager is away", |status, body| {
        status == 200 && body["status"] == "degraded" && body["reasons"].to_string().contains("manager:")
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

/// How often `key` is answered before its budget ends.
async fn spend_all(server: &Server, key: &str) -> u32 {
    for answered in 0..100 {
        let answer = server.client_with(key).post(PATH, &chat()).await;
        if answer.status != 200 {
            assert_eq!(answer.expect(429).json()["error"]["code"], "insufficient_quota");
            return answered;
        }
    }
    panic!("the budget never ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_manager_stops_no_request_and_loses_none() {
    let seconds = std::env::var("ENGINEHOUSE_TEST_STOP_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let (_engine, mut server) = served(&[]).await;
    let client = server.client_with(&server.create_key(&[]));
    server.signal_manager(Signal::STOP);
    let (began, mut sent, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < Duration::from_secs(seconds) {
        let asked = Instant::now();
        client.post(PATH, &chat()).await.expect(200);
        (sent, slowest) = (sent + 1, slowest.max(asked.elapsed()));
        sleep(Duration::from_millis(5)).await;
    }
    assert!(slowest < Duration::from_secs(5), "a request waited {slowest:?}");
    until_alone(&server).await;
    server.signal_manager(Signal::CONT);
    until_readiness(&server, "that all is well", |_, body| body["status"] == "healthy").await;
    until_requests(&server, sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_starts_without_its_manager_and_each_request_is_in_the_books_once() {
    let (engine, mut server) = served(&[]).await;
    let client = server.client_with(&server.create_key(&[]));
    client.post(PATH, &chat()).await.expect(200);
    server.kill_manager();
    client.post(PATH, &chat()).await.expect(200);
    until_alone(&server).await;
    let away = server.client().get("/key/list").await;
    assert_eq!(away.expect(503).json()["error"]["code"], "manager_unavailable");

    let listed = server.cli(&["key", "list"]);
    assert!(listed.status.success() && listed.stderr.contains("without its manager"), "{listed:?}");

    // A request that runs when the gateway is killed.
    engine.http().post("/sim/faults", &json!({"tokens": 4_000, "inter_token_ms": 5})).await.expect(200);
    let mut body = chat();
    (body["stream"], body["max_tokens"]) = (json!(true), json!(4_000));
    let mut stream = client.stream(PATH, &body).await;
    stream.next_event().await.unwrap().unwrap();
    server.kill_gateway();
    engine.http().post("/sim/faults", &json!({"tokens": 20, "inter_token_ms": 0})).await.expect(200);
    server.start_gateway();
    until_alone(&server).await;
    client.post(PATH, &chat()).await.expect(200);
    server.client_with("sk-unknown").post(PATH, &chat()).await.expect(401);
    let health = server.client().get("/health").await;
    assert!(health.expect(200).json()["details"]["degraded"].to_string().contains("manager"), "{health:?}");

    server.start_manager();
    server.wait_ready().await;
    client.post(PATH, &chat()).await.expect(200);
    until_requests(&server, 5).await;
    let usage = server.cli(&["usage", "--json"]).json();
    assert_eq!(usage["total"]["failed"], 1, "the one that was interrupted: {usage}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_outlive_either_plane_and_both() {
    let (_engine, mut server) = served(&[]).await;
    let budget = (COST * 10.0).to_string();
    let key = server.create_key(&["--alias", "b", "--budget", &budget]);
    let client = server.client_with(&key);
    let spend = async |times: u32| {
        for _ in 0..times {
            client.post(PATH, &chat()).await.expect(200);
        }
    };
    spend(2).await;
    until_requests(&server, 2).await;
    spend(2).await;
    server.kill_gateway();
    server.start_gateway();
    server.wait_ready().await;
    spend(2).await;
    server.kill();
    server.start_gateway();
    until_alone(&server).await;
    spend(2).await;
    server.start_manager();
    server.wait_ready().await;
    assert_eq!(spend_all(&server, &key).await, 2, "eight of ten were spent, and no more");
    server.cli(&["key", "update", "b", "--budget", &(COST * 12.0).to_string()]).ok();
    assert_eq!(spend_all(&server, &key).await, 2, "the gateway that runs counted each once");
    server.kill();
    server.restart().await;
    assert_eq!(spend_all(&server, &key).await, 0);
    until_requests(&server, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_key_is_blocked_when_that_is_answered_and_a_gateway_that_is_behind_is_named() {
    let (_engine, mut server) = served(&[]).await;
    let key = server.create_key(&["--alias", "b"]);
    let client = server.client_with(&key);
    let refused = async || !client.post(PATH, &chat()).await.status.is_success();
    for _ in 0..10 {
        server.cli(&["key", "block", "b"]).ok();
        assert!(refused().await, "blocked at once");
        server.cli(&["key", "unblock", "b"]).ok();
        assert!(!refused().await);
    }
    let blocked = server.admin().post("/api/v1/keys/b/block", &json!({})).await;
    assert_eq!(blocked.expect(200).json()["warnings"], json!([]));
    server.admin().post("/api/v1/keys/b/unblock", &json!({})).await.expect(200);

    server.signal_gateway(Signal::STOP);
    let began = Instant::now();
    let blocked = server.admin().post("/api/v1/keys/b/block", &json!({})).await;
    let warning = blocked.expect(200).json()["warnings"].to_string();
    assert!(warning.contains("gateway ") && warning.contains("has not taken over"), "{warning}");
    let took = began.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(10), "{took:?}");
    server.signal_gateway(Signal::CONT);
    eventually("the gateway to take it over", || async { refused().await.then_some(()) }).await;

    server.kill_gateway();
    eventually("the manager to notice", || async {
        let unblocked = server.admin().post("/api/v1/keys/b/unblock", &json!({})).await;
        unblocked.expect(200).json()["warnings"].to_string().contains("no gateway is connected").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_sealed_and_refused_when_it_was_changed() {
    const CREDENTIAL: &str = "sk-credential-of-the-endpoint-4711";
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m", "--api-key", CREDENTIAL]).await;
    let options = ServerOptions::new(&program).planes(Planes::Apart).environment("CREDENTIAL", CREDENTIAL);
    let mut server = options.start().await;
    let mut document = document::chat("m", &engine);
    document["models"][0]["deployments"][0]["endpoint"]["credential"] = json!("os.environ/CREDENTIAL");
    server.apply(&document);
    let key = server.create_key(&[]);
    let hash = server.cli(&["key", "list", "--json"]).json().to_string();
    let hash = hash.split("\"hash\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    server.client_with(&key).post(PATH, &chat()).await.expect(200);
    server.kill();

    let path = server.home().join("snapshot");
    let whole = fs::read(&path).unwrap();
    for secret in [CREDENTIAL, MASTER_KEY, &key, &hash] {
        assert!(memchr::memmem::find(&whole, secret.as_bytes()).is_none(), "{secret}");
    }
    for name in ["snapshot", "secret.key"] {
        let mode = fs::metadata(server.home().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for broken in [&changed[..], &whole[..whole.len() / 2], b""] {
        fs::write(&path, broken).unwrap();
        server.start_gateway();
        until_readiness(&server, "that there is nothing to serve", |status, _| status == 503).await;
        server.client_with(&key).post(PATH, &chat()).await.expect(503);
        server.kill_gateway();
    }
    let log = server.log();
    assert_eq!(log.matches("what was served last cannot be used").count(), 3, "{log}");
    server.start_gateway();
    server.start_manager();
    server.wait_ready().await;
    server.client_with(&key).post(PATH, &chat()).await.expect(200);
    server.kill();
    server.start_gateway();
    until_alone(&server).await;
    server.client_with(&key).post(PATH, &chat()).await.expect(200);
}

support::in_both_forms!(books_are_used_again_when_they_are_drained);

async fn books_are_used_again_when_they_are_drained(planes: Planes) {
    /// Two records each, and 256 KiB of books.
    const REQUESTS: u32 = 2_000;
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m", "--tokens", "20"]).await;
    let mut server = ServerOptions::new(&program).planes(planes).arguments(SMALL_BOOKS).start().await;
    let mut document = document::chat("m", &engine);
    document["models"][0]["price"] = json!({"output": 1_000_000.0});
    server.apply(&document);
    let budget = COST * f64::from(REQUESTS + 5);
    let key = server.create_key(&["--budget", &budget.to_string()]);
    let client = server.client_with(&key);
    for _ in 0..REQUESTS {
        eventually("room in the books", || async {
            let answer = client.post(PATH, &chat()).await;
            (answer.status == 200).then_some(()).or_else(|| {
                assert_eq!(answer.expect(503).json()["error"]["code"], "books_unavailable");
                None
            })
        })
        .await;
    }
    let spool: u64 =
        fs::read_dir(server.home().join("spool/gateway")).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(spool < 300 << 10, "{spool} bytes");
    server.kill();
    if planes == Planes::Apart {
        server.start_gateway();
        until_alone(&server).await;
        assert_eq!(spend_all(&server, &key).await, 5, "told from what was kept and the books after it");
    }
    server.restart().await;
    assert_eq!(spend_all(&server, &key).await, if planes == Planes::Apart { 0 } else { 5 });
    until_requests(&server, u64::from(REQUESTS) + 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_has_one_gateway_and_one_manager() {
    let (_engine, mut server) = served(&[]).await;
    let other = support::fresh_address();
    let second = |server: &Server, role: &str| {
        let (client, admin) = (format!("{other}:4000"), format!("{other}:7860"));
        Finished::of(
            &mut server.command(&["serve", "--role", role, "--listen", &client, "--admin-listen", &admin]),
            None,
        )
    };
    assert!(second(&server, "gateway").fails_with(1).contains("in use by another gateway"));
    assert!(second(&server, "manager").fails_with(1).contains("another manager"));
    assert!(second(&server, "all").fails_with(1).contains("another manager"));
    server.client().post(PATH, &chat()).await.expect(200);

    server.kill_manager();
    assert!(second(&server, "all").fails_with(1).contains("in use by another gateway"));
    assert!(server.home().join("snapshot").exists(), "what the gateway keeps is left to it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_cannot_be_kept_has_not_arrived() {
    let (_engine, server) = served(&[]).await;
    server.create_key(&["--alias", "b"]);
    let block = async || {
        let answer = server.admin().post("/api/v1/keys/b/block", &json!({})).await;
        answer.expect(200).json()["warnings"].to_string()
    };
    // Root is not stopped by modes, but by a folder in the place of the file.
    let in_the_way = server.home().join("snapshot.new");
    fs::create_dir(&in_the_way).unwrap();
    assert!(block().await.contains("has not taken over"), "after a crash the key would work again");
    fs::remove_dir(&in_the_way).unwrap();
    eventually("the gateway to keep it", || async { (block().await == "[]").then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_plane_ends_by_itself_and_a_gateway_lets_its_requests_end() {
    let program = support::enginehouse!();
    let slow = ["--model", "m", "--tokens", "100", "--inter-token-ms", "20"];
    let engine = Engine::start(&program, &slow).await;
    let mut server = ServerOptions::new(&program).planes(Planes::Apart).start().await;
    let own = document::process("own", "chat", &program, &[]);
    server.apply(&document::of(&[document::endpoint("m", "chat", &engine, "m"), own]));
    let engines = server.engine_pids();
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let mut stream = server.client().stream(PATH, &body).await;
    stream.next_event().await.unwrap().unwrap();
    server.signal_manager(Signal::TERM);
    until_alone(&server).await;
    assert_eq!(server.engine_pids(), engines, "engines run on");
    let own = json!({"model": "own", "messages": [{"role": "user", "content": "hi"}]});
    server.client().post(PATH, &own).await.expect(200);
    server.signal_gateway(Signal::TERM);
    let events = stream.events().await.unwrap();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "the stream ended whole");
    assert!(server.ended().await.success());
}
