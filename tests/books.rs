//! Invariant 2: every admitted request ends in exactly one event, also after `kill -9` at any moment, and what the
//! books hold agrees with what the engine and the clients saw.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ambient::Rng;
use http::Method;
use serde_json::{Value, json};
use store::{LoggedEvent, LogsFilter, Store};
use support::{Engine, Http, Planes, Server, ServerOptions, Signal, document};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How often the server is killed; `ENGINEHOUSE_TEST_KILLS` asks for more.
const ROUNDS: usize = 50;

/// Every so many rounds the server lives long enough for checkpoints.
const LONG_ROUND: usize = 8;

/// Checkpoints are written every second for requests whose last record is a second old; the rest is for slow machines.
const CHECKPOINT: Duration = Duration::from_millis(2_500);

/// What one client saw of one request.
#[derive(Debug)]
struct Seen {
    id: String,
    /// Whether the answer came whole.
    is_complete: bool,
    /// When each token came.
    tokens: Vec<Instant>,
    /// When the connection broke, or the answer ended.
    ended: Instant,
}

/// Which kind of request a client sends.
#[derive(Clone, Copy)]
enum Kind {
    Short { stream: bool },
    Long,
}

support::in_both_forms!(kill_9_at_random_moments_under_load);

/// Where the planes run apart, now one is killed, now the other, now both.
async fn kill_9_at_random_moments_under_load(planes: Planes) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m", "--tokens", "4000", "--inter-token-ms", "3"]).await;
    let mut server = ServerOptions::new(&program).planes(planes).start().await;
    server.apply(&document::chat("m", &engine));
    let key = server.create_key(&["--alias", "load"]);
    let rng = Rng::system();
    let next_id = Arc::new(AtomicU64::new(0));

    let mut seen = Vec::new();
    let rounds = std::env::var("ENGINEHOUSE_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    for round in 1..=rounds {
        let mut clients = JoinSet::new();
        let kinds = [Kind::Long, Kind::Short { stream: true }, Kind::Short { stream: false }];
        for kind in kinds.into_iter().cycle().take(12) {
            clients.spawn(client(server.client_with(&key), kind, next_id.clone()));
        }
        let alive = if round % LONG_ROUND == 0 { 3_500 + rng.below(1_000) } else { 20 + rng.below(500) };
        sleep(Duration::from_millis(alive)).await;
        kill(&mut server, planes, round, &rng).await;
        while let Some(requests) = clients.join_next().await {
            seen.extend(requests.unwrap());
        }
        server.restart().await;
    }

    server.stop(Signal::TERM).await;
    let engine_saw = by_id(&engine.requests().await);
    let events = events(&server).await;
    check(&seen, &engine_saw, &events);
    check_sums(&server, &events).await;
}

/// Ends the gateway at least, so that the clients notice.
async fn kill(server: &mut Server, planes: Planes, round: usize, rng: &Rng) {
    match (planes, round % 3) {
        (Planes::Apart, 0) => server.kill_gateway(),
        (Planes::Apart, 1) => {
            // Requests go on while the manager dies and another takes its place.
            server.kill_manager();
            sleep(Duration::from_millis(rng.below(200))).await;
            server.start_manager();
            sleep(Duration::from_millis(rng.below(500))).await;
            server.kill_gateway();
            if rng.below(2) == 0 {
                // A gateway that starts alone closes what the last one left open.
                server.kill_manager();
                server.start_gateway();
                sleep(Duration::from_millis(rng.below(200))).await;
            }
        }
        _ => server.kill(),
    }
}

/// Sends one request after another until the server is gone.
async fn client(http: Http, kind: Kind, next_id: Arc<AtomicU64>) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        let id = format!("load-{}", next_id.fetch_add(1, Ordering::Relaxed));
        let request = request(&http.clone().with_header("x-request-id", &id), kind, id).await;
        let is_over = !request.is_complete;
        seen.push(request);
        if is_over {
            return seen;
        }
    }
}

async fn request(http: &Http, kind: Kind, id: String) -> Seen {
    let (stream, max_tokens) = match kind {
        Kind::Short { stream } => (stream, 8),
        Kind::Long => (true, 4_000),
    };
    let messages = json!([{"role": "user", "content": id}]);
    let body = json!({"model": "m", "messages": messages, "max_tokens": max_tokens, "stream": stream});
    let mut seen = Seen { id, is_complete: false, tokens: Vec::new(), ended: Instant::now() };
    seen.is_complete =
        if stream { streamed(http, &body, &mut seen).await } else { whole(http, &body, &mut seen).await };
    seen.ended = Instant::now();
    seen
}

async fn whole(http: &Http, body: &Value, seen: &mut Seen) -> bool {
    let sent = http.try_send(Method::POST, "/v1/chat/completions", body.to_string().into()).await;
    let Ok(answer) = sent else { return false };
    let tokens = answer.expect(200).json()["usage"]["completion_tokens"].as_u64().unwrap();
    seen.tokens.extend((0..tokens).map(|_| Instant::now()));
    true
}

async fn streamed(http: &Http, body: &Value, seen: &mut Seen) -> bool {
    let begun = http.try_stream(Method::POST, "/v1/chat/completions", body.to_string().into()).await;
    let Ok(mut stream) = begun else { return false };
    assert_eq!(stream.status, 200);
    while let Ok(Some(event)) = stream.next_event().await {
        if event == "[DONE]" {
            return true;
        }
        let chunk: Value = serde_json::from_str(&event).unwrap();
        assert!(chunk.get("error").is_none(), "{event}");
        if chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|content| !content.is_empty()) {
            seen.tokens.push(Instant::now());
        }
    }
    false
}

fn by_id(requests: &[Value]) -> HashMap<String, Value> {
    requests.iter().filter_map(|line| Some((line["request_id"].as_str()?.to_owned(), line.clone()))).collect()
}

/// All events of a stopped server.
async fn events(server: &Server) -> Vec<LoggedEvent> {
    let store = Store::open(&server.home()).await.unwrap();
    let events = store.events().logs(&LogsFilter { limit: 1_000_000, ..LogsFilter::default() }).await.unwrap();
    store.close().await;
    events
}

fn check(seen: &[Seen], engine_saw: &HashMap<String, Value>, events: &[LoggedEvent]) {
    let booked: HashMap<_, _> = events.iter().map(|event| (event.request_id.as_str(), event)).collect();
    assert_eq!(booked.len(), events.len(), "a request has two events");
    for id in engine_saw.keys() {
        assert!(booked.contains_key(id.as_str()), "the engine served {id}, and the books do not know it");
    }
    let (mut complete, mut interrupted, mut checkpointed) = (0, 0, 0);
    for request in seen {
        let Some(event) = booked.get(request.id.as_str()) else {
            assert!(!request.is_complete && request.tokens.is_empty(), "{request:?} is not in the books");
            continue;
        };
        let sent = engine_saw.get(&request.id).map_or(0, |line| line["completion_tokens_sent"].as_u64().unwrap());
        let booked = event.usage.completion_tokens;
        if request.is_complete {
            complete += 1;
            assert_eq!((event.outcome.as_str(), event.usage_source.as_str()), ("completed", "engine"), "{event:?}");
            assert_eq!((booked, request.tokens.len() as u64), (sent, sent), "{event:?}");
            continue;
        }
        // Cut off by the kill, or settled in the instant before it.
        assert!(["interrupted", "completed", "disconnected"].contains(&event.outcome.as_str()), "{event:?}");
        assert!(booked <= sent, "more was billed than the engine made: {event:?}, {sent}");
        interrupted += 1;
        let due = request.tokens.iter().filter(|at| request.ended - **at > CHECKPOINT).count() as u64;
        checkpointed += u64::from(due > 0);
        assert!(booked >= due, "{due} tokens were relayed long before the end, but the books have {event:?}");
    }
    assert!(complete > 100 && interrupted > 100, "not enough happened: {complete} complete, {interrupted} cut off");
    assert!(checkpointed > 0, "no request lived long enough for a checkpoint");
}

/// What budgets and reports are made of is the sum of the events.
async fn check_sums(server: &Server, events: &[LoggedEvent]) {
    let store = Store::open(&server.home()).await.unwrap();
    for (key, spend) in store.events().spend().await.unwrap() {
        let mine = || events.iter().filter(|event| event.key == key);
        assert_eq!(spend.requests, mine().count() as u64);
        assert_eq!(spend.cost, mine().map(|event| event.cost).sum());
        assert_eq!(spend.tokens, mine().map(|event| event.usage.total_tokens()).sum::<u64>());
    }
    store.close().await;
}
