use std::time::Duration;

use ambient::{Clock, Timestamp};
use ledger::drain::{Batch, Sink as _};
use ledger::{Event, GatewayId, Nanos, Open, Outcome, Position, Price, Usage, UsageSource};
use serde_json::{Value, json};

use super::Turn;
use crate::Actor;
use crate::testing::TestApp;

const DAY: i64 = 86_400_000_000;
/// 2026-11-21.
const NOW: Timestamp = Timestamp::from_micros(20_778 * DAY + DAY / 2);

fn event(sequence: u64, closed_at: Timestamp) -> Event {
    Event {
        open: Open {
            sequence,
            request_id: format!("r{sequence}").into(),
            opened_at: closed_at,
            key: "k".into(),
            model: "m".into(),
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
        usage: Usage { prompt_tokens: 3, ..Usage::default() },
        usage_source: UsageSource::Engine,
        cost: Nanos(7),
        first_byte_micros: None,
        attempts: Vec::new(),
    }
}

/// Requests that ended so many days ago.
async fn used(app: &TestApp, days_ago: &[i64]) {
    let at = |days: i64| Timestamp::from_micros(NOW.as_micros() - days * DAY);
    let events = days_ago.iter().zip(1..).map(|(days, sequence)| event(sequence, at(*days))).collect();
    let batch = Batch { gateway: GatewayId(5), events, position: Position::default() };
    app.manager.store().events().commit(&batch).await.unwrap();
}

async fn status(app: &TestApp) -> Value {
    app.owner().get("/api/v1/housekeeping").await.ok()
}

async fn ended(app: &TestApp) -> Value {
    app.until(async || Some(status(app).await).filter(|status| status["running"].is_null())).await
}

#[tokio::test]
async fn a_run_takes_what_is_old_and_leaves_every_sum() {
    let (clock, _) = Clock::manual(NOW);
    let app = TestApp::on_new_home().clock(clock).open().await;
    used(&app, &[200, 91, 89, 0]).await;
    let usage = app.owner().get("/api/v1/usage?by=key,model,day").await.ok();
    let plan = app.owner().post("/api/v1/housekeeping/run", &json!({"dry_run": true})).await.ok();
    assert_eq!((&plan["requests"], &plan["actor"]), (&json!(2), &json!("owner")));
    assert_eq!(status(&app).await["last_run"], Value::Null, "a dry run is no run");
    let begun = app.owner().post("/api/v1/housekeeping/run", &json!({})).await;
    assert_eq!(begun.status, 202);
    let after = ended(&app).await;
    assert_eq!(after["last_run"]["requests"], 2);
    assert_eq!(after["oldest_request_at"], "2026-08-24T12:00:00Z");
    assert_eq!(app.owner().get("/api/v1/usage?by=key,model,day").await.ok(), usage);
    let audited = app.manager.store().audit().list(1).await.unwrap().remove(0);
    assert_eq!((audited.action.as_str(), &audited.detail["events"]), ("housekeeping.run", &json!(2)));
    // What was done is known after a restart.
    let last = after["last_run"].clone();
    let app = app.end(false).await.open().await;
    assert_eq!(status(&app).await["last_run"], last);
}

#[tokio::test]
async fn keys_go_when_they_expired_long_enough_ago() {
    let (clock, hand) = Clock::manual(NOW);
    let app = TestApp::on_new_home().clock(clock).open().await;
    for (alias, duration) in [("short", "1d"), ("long", "20d"), ("unbounded", "")] {
        let mut key = json!({"alias": alias});
        if !duration.is_empty() {
            key["duration"] = duration.into();
        }
        app.owner().post("/api/v1/keys", &key).await.ok();
    }
    hand.advance(Duration::from_hours(24 * 40));
    let plan = app.owner().post("/api/v1/housekeeping/run", &json!({"dry_run": true})).await.ok();
    assert_eq!(plan["keys"].as_array().unwrap().len(), 1);
    app.owner().post("/api/v1/housekeeping/run", &json!({})).await.ok();
    let run = ended(&app).await["last_run"].clone();
    assert_eq!(run["keys"], plan["keys"]);
    let keys = app.owner().get("/api/v1/keys").await.ok();
    let left: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["alias"].as_str().unwrap()).collect();
    assert_eq!(left, ["long", "unbounded"]);
    // Never, where it is so decided.
    app.apply("version: 1\nhousekeeping: {expired_keys_days: null}").await;
    hand.advance(Duration::from_hours(24 * 400));
    let plan = app.owner().post("/api/v1/housekeeping/run", &json!({"dry_run": true})).await.ok();
    assert_eq!(plan["keys"], json!([]));
}

#[tokio::test]
async fn it_is_due_when_it_is_switched_on_and_an_interval_after_the_last_run() {
    let (clock, hand) = Clock::manual(NOW);
    let app = TestApp::on_new_home().clock(clock).open().await;
    let due = || app.manager.housekeeping_due().map(|due| due.to_string());
    assert_eq!(due(), None, "off unless switched on");
    app.apply("version: 1\nhousekeeping: {enabled: true, interval_hours: 2, usage_retention_days: 7}").await;
    used(&app, &[8, 6]).await;
    assert_eq!(due().as_deref(), Some("2026-11-21T12:00:00Z"));
    let run = app.manager.keep_house_once(&Actor::schedule()).await.unwrap();
    assert_eq!((run.events, run.actor.as_str()), (1, "schedule"));
    hand.advance(Duration::from_secs(60));
    assert_eq!(due().as_deref(), Some("2026-11-21T14:00:00Z"));
    assert_eq!(status(&app).await["next_run_at"], "2026-11-21T14:00:00Z");
}

#[tokio::test]
async fn two_runs_at_once_are_one_too_many() {
    let app = TestApp::on_new_home().open().await;
    let turn = Turn::take(&app.manager, NOW).unwrap();
    let refused = app.owner().post("/api/v1/housekeeping/run", &json!({})).await.problem(409);
    assert!(refused["detail"].as_str().unwrap().contains("runs already, since 2026-11-21T12:00:00Z"), "{refused}");
    drop(turn);
    app.owner().post("/api/v1/housekeeping/run", &json!({})).await.ok();
    ended(&app).await;
}
