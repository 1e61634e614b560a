use std::time::Duration;

use ambient::{Clock, Timestamp};
use ledger::drain::{Batch, Sink as _};
use ledger::{GatewayId, Nanos, Position};
use serde_json::json;
use snapshot::KeyKind;

use crate::keys::tests::event;
use crate::testing::TestApp;

/// 2026-11-20, a Friday, 10:14:20.
const FRIDAY: Timestamp = Timestamp::from_micros(1_795_169_660_000_000);

#[tokio::test]
async fn a_team_lives_from_creation_to_deletion_with_its_keys_and_the_gateway_knows() {
    let app = TestApp::on_new_home().run().await;
    let fields = json!({
        "id": "t1", "alias": "blue", "models": ["m"], "rpm": 60, "tpm": 9_000, "max_parallel": 4, "max_budget": 5.0,
        "budget_period": "1mo",
    });
    let made = app.owner().post("/api/v1/teams", &fields).await.ok();
    assert_eq!((&made["id"], &made["tpm"], &made["budget_period"]), (&json!("t1"), &json!(9_000), &json!("1mo")));
    app.owner().post("/api/v1/teams", &fields).await.problem(409);
    app.owner().post("/api/v1/teams", &json!({ "rpn": 3 })).await.problem(422);
    app.owner().post("/api/v1/keys", &json!({ "tpn": 3 })).await.problem(422);
    app.owner().post("/api/v1/teams", &json!({ "budget_period": "1y" })).await.problem(422);
    let key = json!({
        "alias": "k", "team": "blue", "kind": "direct", "aliases": {"gpt": "m"}, "tags": ["ci"], "owner": "ann",
        "tpm": 7, "max_budget": 1.0, "budget_period": "1d", "retries": 0,
    });
    let key = app.owner().post("/api/v1/keys", &key).await.ok();
    assert_eq!((&key["team"], &key["kind"], &key["tags"]), (&json!("t1"), &json!("direct"), &json!(["ci"])));
    assert_eq!((&key["owner"], &key["retries"], &key["period_spend"]), (&json!("ann"), &json!(0), &json!(0.0)));
    assert!(key["budget_reset_at"].is_string(), "{key}");
    app.owner().post("/api/v1/keys", &json!({ "team": "red" })).await.problem(422);

    let snapshot = app.snapshot();
    let (compiled, team) = (&snapshot.keys[0], &snapshot.teams[0]);
    assert_eq!((compiled.kind, compiled.team.as_deref(), compiled.retries), (KeyKind::Direct, Some("t1"), Some(0)));
    assert_eq!((compiled.limits.tpm, compiled.aliases.get("gpt").map(String::as_str)), (Some(7), Some("m")));
    assert_eq!((team.limits.tpm, team.limits.max_parallel, team.models.len()), (Some(9_000), Some(4), 1));

    let patched = app.owner().patch("/api/v1/teams/blue", &json!({ "tpm": null, "budget_period": null })).await.ok();
    assert_eq!((&patched["tpm"], &patched["rpm"], &patched["keys"]), (&json!(null), &json!(60), &json!(1)));
    assert_eq!(app.snapshot().teams[0].limits.tpm, None);
    app.owner().post("/api/v1/teams/blue/block", &json!({})).await.ok();
    assert!(app.snapshot().teams[0].blocked);
    app.owner().post("/api/v1/teams/blue/unblock", &json!({})).await.ok();
    assert!(!app.snapshot().teams[0].blocked);

    let app = app.end(false).await.run().await;
    assert_eq!(app.owner().get("/api/v1/teams").await.ok()[0]["alias"], "blue", "it outlives the manager");
    app.owner().delete("/api/v1/teams/blue").await.ok();
    let snapshot = app.snapshot();
    assert!(snapshot.teams.is_empty() && snapshot.keys.is_empty(), "its keys go with it");
    app.owner().get("/api/v1/teams/t1").await.problem(404);
    app.owner().get("/api/v1/keys/k").await.problem(404);
    app.end(false).await;
}

#[tokio::test]
async fn a_budget_s_period_counts_what_was_spent_in_it_after_a_restart_too() {
    let (clock, hand) = Clock::manual(FRIDAY);
    let app = TestApp::on_new_home().clock(clock.clone()).run().await;
    let team = json!({ "id": "t1", "max_budget": 5.0, "budget_period": "7d" });
    app.owner().post("/api/v1/teams", &team).await.ok();
    let key = json!({ "alias": "k", "team": "t1", "max_budget": 1.0, "budget_period": "1d" });
    let id = app.owner().post("/api/v1/keys", &key).await.ok()["id"].as_str().unwrap().to_owned();
    let closed = |sequence, days_ago: u64, cost| {
        let micros = FRIDAY.as_micros() - i64::try_from(days_ago * 86_400_000_000).unwrap();
        ledger::Event { closed_at: Timestamp::from_micros(micros), ..event(&id, sequence, cost) }
    };
    // Last week, this week, today.
    let events = vec![closed(1, 7, 100), closed(2, 1, 20), closed(3, 0, 3)];
    app.manager
        .store()
        .events()
        .commit(&Batch { gateway: GatewayId(7), events, position: Position::default() })
        .await
        .unwrap();
    let shown = app.owner().get("/api/v1/keys/k").await.ok();
    assert_eq!((&shown["spend_nanos"], &shown["period_spend"]), (&json!(123), &json!(3e-9)));
    assert_eq!(shown["budget_reset_at"], "2026-11-21T00:00:00Z");
    let team = app.owner().get("/api/v1/teams/t1").await.ok();
    assert_eq!((&team["spend_nanos"], &team["period_spend"]), (&json!(123), &json!(23e-9)));
    assert_eq!(team["budget_reset_at"], "2026-11-23T00:00:00Z");

    let app = app.end(false).await.clock(clock).run().await;
    let (key, team) = app
        .until(async || {
            let snapshot = app.snapshot();
            Some((snapshot.keys.first()?.spent, snapshot.teams.first()?.spent))
        })
        .await;
    assert_eq!((key.total, key.before.unwrap().nanos), (Nanos(123), Nanos(120)));
    assert_eq!((team.total, team.before.unwrap().nanos), (Nanos(123), Nanos(100)));
    assert_eq!(app.snapshot().spent.total, Nanos(123), "everything together");
    // A period that is set now counts from where the calendar says, not from now.
    app.owner().patch("/api/v1/keys/k", &json!({ "budget_period": "1w" })).await.ok();
    assert_eq!(app.snapshot().keys[0].spent.before.unwrap().nanos, Nanos(100));
    hand.advance(Duration::from_secs(4 * 86_400));
    let shown = app.owner().get("/api/v1/keys/k").await.ok();
    assert_eq!((&shown["period_spend"], &shown["spend_nanos"]), (&json!(0.0), &json!(123)), "a new week");
    app.end(false).await;
}
