use std::time::Duration;

use ambient::{Clock, Timestamp};
use ledger::drain::{Batch, Sink as _};
use ledger::{Event, GatewayId, Nanos, NewRequest, Open, Outcome, Position, Price, Settlement, Usage, UsageSource};
use serde_json::json;
use snapshot::KeyHash;

use crate::testing::{TestApp, open_books};

pub(crate) fn event(key: &str, sequence: u64, cost: i64) -> Event {
    let open = Open {
        sequence,
        request_id: format!("r{sequence}").into(),
        opened_at: Timestamp::from_micros(0),
        key: key.into(),
        model: "m".into(),
        surface: "chat/completions".into(),
        stream: false,
        price: Price::default(),
        prompt_tokens_estimate: 0,
        reserved: Nanos::ZERO,
        requested: None,
    };
    Event {
        open,
        closed_at: Timestamp::from_micros(0),
        outcome: Outcome::Completed,
        status: 200,
        usage: Usage { prompt_tokens: 3, completion_tokens: 2, ..Usage::default() },
        usage_source: UsageSource::Engine,
        cost: Nanos(cost),
        first_byte_micros: None,
        attempts: Vec::new(),
    }
}

#[tokio::test]
async fn a_key_lives_from_creation_to_deletion_and_the_gateway_knows() {
    let app = TestApp::on_new_home().run().await;
    let fields = json!({
        "alias": "notebook", "models": ["a"], "rpm": 60, "max_parallel": 4, "max_budget": 5.0, "duration": "30d",
        "metadata": {"owner": "x"},
    });
    let made = app.owner().post("/api/v1/keys", &fields).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    let (id, secret) = (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned());
    assert!(secret.starts_with("sk-") && secret.len() == 46, "{secret}");
    assert_eq!(made["hash"], KeyHash::of(&secret).to_string());
    let key = app.snapshot().keys[0].clone();
    assert_eq!((key.hash, key.limits.rpm, key.limits.max_parallel), (KeyHash::of(&secret), Some(60), Some(4)));
    assert_eq!((key.limits.max_budget, key.models), (Some(Nanos(5_000_000_000)), vec!["a".to_owned()]));

    for name in ["notebook", &id, made["hash"].as_str().unwrap()] {
        let shown = app.owner().get(&format!("/api/v1/keys/{name}")).await.ok();
        assert_eq!((&shown["id"], &shown["metadata"]), (&made["id"], &json!({"owner": "x"})));
        assert!(!shown.to_string().contains(&secret), "shown once");
    }

    app.owner().post("/api/v1/keys/notebook/block", &json!({})).await.ok();
    assert!(app.snapshot().keys[0].blocked, "answered after the gateway knew");
    app.owner().post("/api/v1/keys/notebook/unblock", &json!({})).await.ok();
    assert!(!app.snapshot().keys[0].blocked);

    let patch = json!({ "alias": "desk", "rpm": null, "max_budget": 7.5 });
    let patched = app.owner().patch("/api/v1/keys/notebook", &patch).await.ok();
    assert_eq!((&patched["rpm"], &patched["max_budget"]), (&json!(null), &json!(7.5)));
    assert_eq!(
        (&patched["max_parallel"], &patched["expires_at"]),
        (&json!(4), &made["expires_at"]),
        "left as they were"
    );

    let rotated = app.owner().post("/api/v1/keys/desk/rotate", &json!({})).await.ok();
    assert_eq!(rotated["id"], made["id"]);
    let other = rotated["key"].as_str().unwrap();
    assert_ne!(other, secret);
    assert_eq!(app.snapshot().keys[0].hash, KeyHash::of(other));

    app.owner().delete("/api/v1/keys/desk").await.ok();
    assert_eq!(app.snapshot().keys, []);
    app.owner().get("/api/v1/keys/desk").await.problem(404);
    assert_eq!(app.owner().get("/api/v1/keys").await.ok(), json!([]));
    app.end(false).await;
}

#[tokio::test]
async fn keys_outlive_the_manager_and_count_on_from_what_was_spent() {
    let app = TestApp::on_new_home().run().await;
    let id = app.owner().post("/api/v1/keys", &json!({ "alias": "a" })).await.ok()["id"].as_str().unwrap().to_owned();
    let batch = Batch {
        gateway: GatewayId(7),
        events: vec![event(&id, 1, 40), event(&id, 2, 2)],
        position: Position::default(),
    };
    app.manager.store().events().commit(&batch).await.unwrap();
    let shown = app.owner().get("/api/v1/keys/a").await.ok();
    assert_eq!((&shown["spend_nanos"], &shown["requests"], &shown["tokens"]), (&json!(42), &json!(2), &json!(10)));
    assert_eq!(app.snapshot().keys[0].spent.total, Nanos::ZERO, "the gateway counts by itself");

    let app = app.end(false).await.run().await;
    let spent = app.until(async || app.snapshot().keys.first().map(|key| key.spent.total)).await;
    assert_eq!(spent, Nanos(42));

    app.owner().delete("/api/v1/keys/a").await.ok();
    let usage = app.owner().get("/api/v1/usage?by=key,model").await.ok();
    let row = &usage["rows"][0];
    assert_eq!((&row["key"], &row["alias"], &row["model"]), (&json!(id), &json!("a"), &json!("m")));
    assert_eq!((&usage["total"]["cost_nanos"], &usage["total"]["requests"]), (&json!(42), &json!(2)));
    assert_eq!(
        app.owner().get("/api/v1/usage?by=day&key=a&from=1970-01-01&to=1970-01-01").await.ok()["rows"][0]["day"],
        "1970-01-01"
    );
    assert_eq!(app.owner().get("/api/v1/usage?from=1970-01-02").await.ok()["rows"], json!([]));
    app.owner().get("/api/v1/usage?key=nobody").await.problem(404);
    app.owner().get("/api/v1/usage?from=yesterday").await.problem(422);
    let reversed = app.owner().get("/api/v1/usage?from=2026-11-21&to=2026-11-20").await.problem(422);
    let paths: Vec<_> = reversed["errors"].as_array().unwrap().iter().map(|fault| fault["path"].clone()).collect();
    assert_eq!(paths, ["from", "to"], "{reversed}");
    assert!(reversed["detail"].as_str().unwrap().contains("2026-11-21"), "{reversed}");
    app.end(false).await;
}

#[tokio::test]
async fn what_no_key_can_be_is_refused_and_nothing_changes() {
    let app = TestApp::on_new_home().open().await;
    app.owner().post("/api/v1/keys", &json!({ "alias": "taken", "key": "sk-0123456789abcdef" })).await.ok();
    let cases = [
        (json!({ "alias": "taken" }), 409),
        (json!({ "key": "sk-0123456789abcdef" }), 409),
        (json!({ "key": "short" }), 422),
        (json!({ "alias": "" }), 422),
        (json!({ "alias": "  " }), 422),
        (json!({ "max_budget": 1e-10 }), 422),
        (json!({ "max_budget": -1.0 }), 422),
        (json!({ "rpm": -1 }), 422),
        (json!({ "duration": "soon" }), 422),
        (json!({ "expires_at": "tomorrow" }), 422),
        (json!({ "expires_at": "2030-01-01T00:00:00Z", "duration": "1d" }), 422),
    ];
    for (body, status) in cases {
        app.owner().post("/api/v1/keys", &body).await.problem(status);
    }
    assert_eq!(app.owner().get("/api/v1/keys").await.ok().as_array().unwrap().len(), 1);
    for path in ["block", "unblock", "rotate"] {
        app.owner().post(&format!("/api/v1/keys/nobody/{path}"), &json!({})).await.problem(404);
    }
}

#[tokio::test]
async fn models_that_do_not_exist_are_warned_of_and_never_refused() {
    let app = TestApp::on_new_home().open().await;
    app.apply("{version: 1, models: [{name: m, type: chat}]}").await;
    let warnings = |answer: &serde_json::Value| answer["warnings"].to_string();
    let made = app.owner().post("/api/v1/keys", &json!({ "alias": "a", "models": ["m", "typo"] })).await.ok();
    assert!(warnings(&made).contains("`typo`") && !warnings(&made).contains("`m`"), "{made}");
    let patched = app.owner().patch("/api/v1/keys/a", &json!({ "models": ["x", "y"] })).await.ok();
    assert!(warnings(&patched).contains("`x`, `y`"), "{patched}");
    let patched = app.owner().patch("/api/v1/keys/a", &json!({ "models": ["m"] })).await.ok();
    assert_eq!(patched["warnings"], json!([]));
}

#[tokio::test]
async fn an_expiry_passes() {
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_795_188_362_000_000));
    let app = TestApp::on_new_home().clock(clock).open().await;
    let made = app.owner().post("/api/v1/keys", &json!({ "alias": "a", "duration": "1h" })).await.ok();
    assert_eq!((&made["expires_at"], &made["expired"]), (&json!("2026-11-20T16:26:02Z"), &json!(false)));
    hand.advance(Duration::from_secs(3_600));
    assert_eq!(app.owner().get("/api/v1/keys/a").await.ok()["expired"], true);
    let patched = app.owner().patch("/api/v1/keys/a", &json!({ "expires_at": null })).await.ok();
    assert_eq!((&patched["expires_at"], &patched["expired"]), (&json!(null), &json!(false)));
}

/// A request of `key` that cost 7, entered and settled in the books.
fn spend(books: &ledger::Books, key: &str) {
    let request = NewRequest {
        request_id: "r".into(),
        key: key.into(),
        model: "m".into(),
        surface: "chat/completions".into(),
        stream: false,
        price: Price { request: 7, ..Price::default() },
        prompt_tokens_estimate: 0,
        reserved: Nanos(7),
    };
    let settlement = Settlement {
        outcome: Outcome::Completed,
        status: 200,
        usage: Usage::default(),
        usage_source: UsageSource::Engine,
    };
    assert_eq!(books.admit(request).unwrap().settle(settlement), Nanos(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_is_told_how_far_its_books_are_in_the_sums_when_a_segment_is_done_with() {
    let app = TestApp::on_new_home().open().await;
    let id = app.owner().post("/api/v1/keys", &json!({ "alias": "a" })).await.ok()["id"].as_str().unwrap().to_owned();
    let builder = app.end(false).await;
    let books = open_books(builder.path());
    let app = builder.run().await;
    spend(&books, &id);
    let at = async || {
        let snapshot = app.snapshot();
        let at = snapshot.booked(books.gateway());
        (at > Position::default()).then(|| (at, snapshot.keys[0].spent.total))
    };
    let (first, spent) = app.until(at).await;
    assert_eq!((first.segment, spent), (1, Nanos(7)), "what was drained, and up to where");
    // More than the two segments hold: room comes only from what the manager says.
    let mut requests: i64 = 1;
    while app.until(at).await.0.segment < 4 {
        for _ in 0..500 {
            spend(&books, &id);
        }
        requests += 500;
        let drained = async || app.owner().get("/api/v1/keys/a").await.ok()["requests"] == requests;
        app.until(async || drained().await.then_some(())).await;
        books.release(app.snapshot().booked(books.gateway()));
    }
    let (_, spent) = app.until(at).await;
    assert!(spent > Nanos(7) && spent <= Nanos(7 * requests), "{spent} of {requests} requests");
    app.end(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_shot_command_shows_all_that_was_used() {
    let builder = TestApp::on_new_home();
    let books = open_books(builder.path());
    spend(&books, "master");
    drop(books);
    let app = builder.open().await;
    let usage = app.owner().get("/api/v1/usage?by=key").await.ok();
    assert_eq!((&usage["rows"][0]["key"], &usage["total"]["cost_nanos"]), (&json!("master"), &json!(7)));
}

#[tokio::test]
async fn a_gateway_that_does_not_take_over_is_named_and_the_change_stands() {
    let app = TestApp::on_new_home().stuck_gateway().run().await;
    let made = app.owner().post("/api/v1/keys", &json!({ "alias": "a" })).await.ok();
    assert!(made["warnings"][0].as_str().unwrap().contains("has not taken over"), "{made}");
    let applied = app.apply("{version: 1, models: [{name: m, type: chat}]}").await;
    assert!(applied["warnings"].to_string().contains("has not taken over"), "{applied}");
    assert_eq!(app.manager.current().revision, 1);
    app.end(false).await;
}
