//! Memory stays flat under mixed load with faults. `benches/soak` does the same for longer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use serde_json::{Value, json};
use support::{Engine, Http, Server, document};
use tokio::task::JoinSet;

const PATH: &str = "/v1/chat/completions";

/// Clients at once, and what each asks in one lap.
const CLIENTS: usize = 12;
const ROUNDS: usize = 20;

/// Laps until the allocator's and the database's caches are full, and laps that count.
const WARM_UP: usize = 6;
const LAPS: usize = 10;

/// What memory may grow by while the laps that count send some 9,600 requests: 450 bytes for each.
const ALLOWED_KIB: u64 = 4 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat_under_mixed_load_with_faults() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    server.apply(&document::chat("m", &engine));
    let client = server.client_with(&server.create_key(&[]));
    let mut seen = Vec::new();
    for lap in 0..WARM_UP + LAPS {
        let fault = ["cut:2", "status:500", "wrong-usage:missing", "error-event:1"][lap % 4];
        engine.fail(fault, Some(20)).await;
        run_lap(&client).await;
        seen.push(resident_kib(server.pid()));
    }
    let settled = &seen[WARM_UP..];
    let (first, last) = settled.split_at(LAPS / 2);
    let grown = least(last).saturating_sub(least(first)) * 2;
    assert!(grown <= ALLOWED_KIB, "memory grew by {grown} KiB: {seen:?}");
}

async fn run_lap(client: &Http) {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = client.clone();
        clients.spawn(async move {
            for _ in 0..ROUNDS {
                client.post(PATH, &chat("m", false)).await;
                client.post(PATH, &chat("nobody", false)).await.expect(404);
                // A stream that the engine breaks off ends in an event, which is read like any other.
                let _ = client.stream(PATH, &chat("m", true)).await.rest().await;
                // And one whose client leaves after the first bytes.
                let _ = client.stream(PATH, &chat("m", true)).await.next_chunk().await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "x".repeat(2_000)}]})
}

/// What the process has in memory, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn least(laps: &[u64]) -> u64 {
    *laps.iter().min().unwrap()
}
