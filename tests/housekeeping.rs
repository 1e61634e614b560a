//! What piles up is taken away, and nothing that anybody counts on changes by it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ambient::{Clock, Timestamp};
use ledger::drain::{Batch, Sink as _};
use ledger::{Event, GatewayId, Nanos, Open, Outcome, Position, Price, Usage, UsageSource};
use serde_json::{Value, json};
use store::Store;
use support::{Engine, Server, ServerOptions, document, eventually};

const DAY: i64 = 86_400_000_000;
/// Requests that ended long ago: many steps of a run.
const OLD: u64 = 12_000;

/// A request of long ago, as a gateway that is gone wrote it down.
fn old(sequence: u64, now: Timestamp) -> Event {
    let age = 100 * DAY + i64::try_from(sequence).unwrap() * 60_000_000;
    let closed_at = Timestamp::from_micros(now.as_micros() - age);
    Event {
        open: Open {
            sequence,
            request_id: format!("old-{sequence}").into(),
            opened_at: closed_at,
            key: Arc::from(format!("key-{}", sequence % 3)),
            model: Arc::from(format!("model-{}", sequence % 2)),
            surface: "chat/completions".into(),
            stream: false,
            price: Price::default(),
            prompt_tokens_estimate: 0,
            reserved: Nanos::ZERO,
            requested: None,
        },
        closed_at,
        outcome: Outcome::Completed,
        status: 200,
        usage: Usage { prompt_tokens: 5, completion_tokens: sequence % 7, ..Usage::default() },
        usage_source: UsageSource::Engine,
        cost: Nanos(i64::try_from(sequence).unwrap()),
        first_byte_micros: None,
        attempts: Vec::new(),
    }
}

async fn fill(home: &Path) {
    fs::create_dir_all(home).unwrap();
    let (store, now) = (Store::open(home).await.unwrap(), Clock::system().now());
    let events: Vec<_> = (1..=OLD).map(|sequence| old(sequence, now)).collect();
    for (step, events) in events.chunks(1_000).enumerate() {
        let position = Position { segment: 1, offset: step as u64 };
        let batch = Batch { gateway: GatewayId(77), events: events.to_vec(), position };
        store.events().commit(&batch).await.unwrap();
    }
    store.close().await;
}

fn usage(server: &Server) -> Value {
    server.cli(&["usage", "--by", "key,model,day", "--json"]).json()
}

fn status(server: &Server) -> Value {
    server.cli(&["housekeeping", "status", "--json"]).json()
}

fn rows(status: &Value, table: &str) -> u64 {
    let tables =
        status["databases"].as_array().unwrap().iter().flat_map(|database| database["tables"].as_array().unwrap());
    let found = tables.into_iter().find(|found| found["table"] == table).unwrap();
    found["rows"].as_u64().unwrap()
}

async fn ask(server: &Server) -> String {
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]});
    let answer = server.client().post("/v1/chat/completions", &body).await;
    answer.expect(200).header("x-request-id").unwrap().to_owned()
}

/// The requests that the log names, once `wanted` is among them.
async fn logged(server: &Server, wanted: &str) -> Vec<String> {
    eventually("the request to be in the log", || async {
        let rows = server.client().get("/spend/logs?page_size=10000").await.expect(200).json();
        let ids = rows.as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap().to_owned());
        let ids: Vec<_> = ids.collect();
        ids.iter().any(|id| id == wanted).then_some(ids)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_goes_and_what_it_sums_up_to_stays() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let options = ServerOptions::new(&program);
    fill(&options.home()).await;
    let server = options.start().await;
    server.apply(&document::chat("tiny", &engine));
    let fresh = ask(&server).await;
    logged(&server, &fresh).await;
    let before = usage(&server);

    let plan = server.cli(&["housekeeping", "run", "--dry-run"]);
    assert!(plan.ok().contains(&format!("{OLD} requests")), "{plan:?}");
    assert_eq!(rows(&status(&server), "events"), OLD + 1, "a dry run changes nothing");
    let run = server.cli(&["housekeeping", "run"]);
    assert!(run.ok().contains(&format!("Took away {OLD} requests")), "{run:?}");

    let after = status(&server);
    assert_eq!((rows(&after, "events"), &after["last_run"]["actor"]), (1, &json!("owner")));
    assert!(after["last_run"]["freed_bytes"].as_u64().unwrap() > 1 << 20, "{after}");
    assert_eq!(usage(&server), before);
    assert_eq!(logged(&server, &fresh).await, [fresh]);
    let shown = server.cli(&["housekeeping", "status"]);
    assert!(shown.ok().contains("spend_by_hour") && shown.stderr.contains("Last run (owner)"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_by_itself_once_it_is_switched_on() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program);
    fill(&options.home()).await;
    let server = options.start().await;
    let before = usage(&server);
    server.apply(&json!({"version": 1, "housekeeping": {"enabled": true, "usage_retention_days": 365}}));
    let run = eventually("the first run", || async {
        Some(status(&server)["last_run"].clone()).filter(|run| !run.is_null())
    });
    let run = run.await;
    assert_eq!((&run["actor"], &run["requests"]), (&json!("schedule"), &json!(0)), "all of it is younger than that");
    server.apply(&json!({"version": 1, "housekeeping": {"enabled": true, "usage_retention_days": 90}}));
    assert!(server.cli(&["housekeeping", "run"]).ok().contains(&OLD.to_string()));
    assert_eq!(usage(&server), before);
    let refused = server.command(&["apply", "-f", "-"]);
    let mut refused = refused;
    let wrong = json!({"version": 1, "housekeeping": {"usage_retention_days": 1}}).to_string();
    let refused = support::Finished::of(&mut refused, Some(&wrong));
    assert!(refused.fails_with(1).contains("housekeeping.usage_retention_days: usage_retention_days is 1; give 7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_goes_on_where_it_was_and_no_sum_is_off() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program);
    fill(&options.home()).await;
    let mut server = options.start().await;
    let before = usage(&server);
    server.admin().post("/api/v1/housekeeping/run", &json!({})).await.expect(202);
    eventually("a few steps", || async {
        let now = server.admin().get("/api/v1/housekeeping").await.json();
        (rows(&now, "events") < OLD).then_some(())
    })
    .await;
    server.kill();
    server.restart().await;
    let left = rows(&status(&server), "events");
    assert_eq!(usage(&server), before, "{left} of {OLD} were left");
    let run = server.cli(&["housekeeping", "run", "--json"]).json();
    assert_eq!(run["requests"], left);
    assert_eq!((rows(&status(&server), "events"), usage(&server)), (0, before));
}
