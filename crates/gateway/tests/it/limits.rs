//! Limits under load: never over, and nothing leaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledger::Event;
use tokio::sync::Semaphore;

use crate::support::{Engine, TestGateway};

const CHAT: &str = r#"{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

/// Sends `total` requests, 500 at once; how many were answered with 200, 429 and anything else.
pub(crate) async fn storm(gateway: &Arc<TestGateway>, total: usize) -> (usize, usize, usize) {
    let room = Arc::new(Semaphore::new(500));
    let counts = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..total {
        let place = room.clone().acquire_owned().await.unwrap();
        let (gateway, counts) = (gateway.clone(), counts.clone());
        tasks.spawn(async move {
            let slot = match gateway.post(PATH, CHAT).await.status.as_u16() {
                200 => 0,
                429 => 1,
                _ => 2,
            };
            counts[slot].fetch_add(1, Ordering::Relaxed);
            drop(place);
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let count = |slot: usize| counts[slot].load(Ordering::Relaxed);
    (count(0), count(1), count(2))
}

/// Requests that ran at once by the books, whose times lie within the time that a place was held.
fn most_at_once(events: &[Event]) -> i32 {
    let starts = events.iter().map(|event| (event.open.opened_at, 1));
    let ends = events.iter().map(|event| (event.closed_at, -1));
    let mut steps: Vec<_> = starts.chain(ends).collect();
    steps.sort_unstable();
    let running = steps.iter().scan(0, |running, (_, step)| {
        *running += step;
        Some(*running)
    });
    running.max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_against_a_rate() {
    let engine = Engine::chat(4, 0).await;
    let gateway = Arc::new(TestGateway::with(&[&engine], |snapshot| snapshot.keys[0].limits.rpm = Some(777)).await);
    let began = tokio::time::Instant::now();
    let (served, rejected, other) = storm(&gateway, 10_000).await;
    let windows = usize::try_from(began.elapsed().as_secs() / 60 + 1).unwrap();
    assert!(served <= 777 * windows && served >= 777, "{served} served in {windows} windows");
    assert_eq!((served + rejected, other), (10_000, 0));
    gateway.settled().await;
    assert_eq!(gateway.events().await.len(), served, "every admitted request is in the books once, no other is");
    assert_eq!(engine.state().await["total"], served);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_against_a_number_at_once() {
    let engine = Engine::chat(2, 1).await;
    let gateway =
        Arc::new(TestGateway::with(&[&engine], |snapshot| snapshot.keys[0].limits.max_parallel = Some(7)).await);
    let (served, rejected, other) = storm(&gateway, 10_000).await;
    assert_eq!((served + rejected, other), (10_000, 0));
    assert!(served > 7);
    gateway.settled().await;
    let events = gateway.events().await;
    assert_eq!(events.len(), served);
    let peak = most_at_once(&events);
    assert!(peak <= 7, "{peak} at once");
    assert_eq!(gateway.post(PATH, CHAT).await.status, 200, "nothing leaked");
}

#[tokio::test]
async fn a_rejection_names_limit_and_scope_and_when_to_come_back() {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::with(&[&engine], |snapshot| snapshot.keys[0].limits.rpm = Some(1)).await;
    gateway.post(PATH, CHAT).await;
    let rejected = gateway.post(PATH, CHAT).await;
    assert_eq!(rejected.error(), (429, "requests".into(), "-".into(), "rate_limit_exceeded".into()));
    let message = rejected.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "Reached the limit of 1 requests per minute of key 'k1-alias'.");
    let wait: u64 = rejected.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    gateway.publish(|snapshot| snapshot.keys[0].limits.rpm = Some(3)).await;
    assert_eq!(gateway.post(PATH, CHAT).await.status, 200, "a new limit counts from what was used");
    gateway.publish(|snapshot| snapshot.keys[0].limits.rpm = Some(2)).await;
    assert_eq!(gateway.post(PATH, CHAT).await.status, 429);
}
