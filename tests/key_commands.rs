//! The life of a key, by the command line, as a client feels it: every change is effective when the command returns.

use serde_json::{Value, json};
use support::{Engine, Server, document};

struct Stage {
    server: Server,
    _engines: [Engine; 2],
}

impl Stage {
    /// Two models, `one` and `two`.
    async fn set() -> Self {
        let program = support::enginehouse!();
        let engines =
            [Engine::start(&program, &["--model", "one"]).await, Engine::start(&program, &["--model", "two"]).await];
        let server = Server::start(&program).await;
        let models = [("one", &engines[0]), ("two", &engines[1])];
        server.apply(&document::of(&models.map(|(name, engine)| document::endpoint(name, "chat", engine, name))));
        Self { server, _engines: engines }
    }

    async fn status(&self, key: &str, model: &str) -> u16 {
        self.chat(key, model).await.0
    }

    async fn chat(&self, key: &str, model: &str) -> (u16, Value) {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4});
        let answer = self.server.client_with(key).post("/v1/chat/completions", &body).await;
        (answer.status.as_u16(), answer.json())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_changed_blocked_rotated_and_deleted_at_once() {
    let stage = Stage::set().await;
    let server = &stage.server;
    let key = server.create_key(&["--alias", "life", "--models", "one"]);
    assert_eq!((stage.status(&key, "one").await, stage.status(&key, "two").await), (200, 403));

    server.cli(&["key", "update", "life", "--models", "one,two"]).ok();
    assert_eq!(stage.status(&key, "two").await, 200);

    server.cli(&["key", "block", "life"]).ok();
    assert_eq!(stage.status(&key, "one").await, 401);
    server.cli(&["key", "unblock", "life"]).ok();
    assert_eq!(stage.status(&key, "one").await, 200);

    let rotated = server.cli(&["key", "rotate", "life", "--quiet"]).ok().trim().to_owned();
    assert_ne!(rotated, key);
    assert_eq!((stage.status(&key, "one").await, stage.status(&rotated, "one").await), (401, 200));

    server.cli(&["key", "delete", "life"]).ok();
    assert_eq!(stage.status(&rotated, "one").await, 401);
    assert!(server.cli(&["key", "show", "life"]).fails_with(1).contains("life"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_key_hold_and_can_be_lifted() {
    let stage = Stage::set().await;
    let server = &stage.server;
    let key = server.create_key(&["--alias", "slow", "--rpm", "2"]);
    assert_eq!([stage.status(&key, "one").await, stage.status(&key, "one").await], [200, 200]);
    let (status, body) = stage.chat(&key, "one").await;
    assert_eq!((status, &body["error"]["code"]), (429, &json!("rate_limit_exceeded")));
    server.cli(&["key", "update", "slow", "--rpm", "none"]).ok();
    assert_eq!(stage.status(&key, "one").await, 200);

    let poor = server.create_key(&["--alias", "poor", "--budget", "0"]);
    let (status, body) = stage.chat(&poor, "one").await;
    assert_eq!((status, &body["error"]["code"]), (429, &json!("insufficient_quota")));
    server.cli(&["key", "update", "poor", "--budget", "1.50"]).ok();
    assert_eq!(stage.status(&poor, "one").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_known_by_id_alias_and_hash() {
    let stage = Stage::set().await;
    let server = &stage.server;
    let made = server.cli(&["key", "create", "--alias", "team a/b", "--expires", "30d"]);
    let key = made.ok().trim().to_owned();
    assert_eq!(made.stdout.lines().count(), 1, "the key alone: {made:?}");
    assert!(made.stderr.contains("shown this once"), "{made:?}");

    let shown = server.cli(&["key", "show", "team a/b", "--json"]).json();
    let (id, hash) = (shown["id"].as_str().unwrap(), shown["hash"].as_str().unwrap());
    for name in [id, hash] {
        assert_eq!(server.cli(&["key", "show", name, "--json"]).json()["alias"], "team a/b");
    }
    let listed = server.cli(&["key", "list"]);
    assert!(listed.ok().contains("team a/b") && !listed.stdout.contains(&key), "{listed:?}");
    let clash = server.cli(&["key", "create", "--alias", "team a/b"]);
    assert!(clash.fails_with(1).contains("team a/b"), "{clash:?}");
    assert!(!server.log().contains(&key), "keys are not logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_adds_up_by_key_model_and_day() {
    let stage = Stage::set().await;
    let server = &stage.server;
    let key = server.create_key(&["--alias", "spender"]);
    for model in ["one", "one", "two"] {
        assert_eq!(stage.status(&key, model).await, 200);
    }
    let by_model = ["usage", "--by", "key,model", "--key", "spender", "--json"];
    let report = support::eventually("three requests to be in the books", || async {
        let report = server.cli(&by_model).json();
        (report["total"]["requests"] == 3).then_some(report)
    })
    .await;
    let rows: Vec<_> = report["rows"].as_array().unwrap().iter().map(|row| (&row["model"], &row["requests"])).collect();
    assert_eq!(rows, [(&json!("one"), &json!(2)), (&json!("two"), &json!(1))]);
    assert!(report["total"]["cost"].as_f64().unwrap() > 0.0, "{report}");

    let table = server.cli(&["usage", "--key", "spender"]);
    let total = table.ok().lines().last().unwrap().to_owned();
    assert_eq!(total.split_whitespace().take(2).collect::<Vec<_>>(), ["TOTAL", "3"]);
    let csv = server.cli(&["usage", "--by", "day,model", "--key", "spender", "--csv"]);
    assert_eq!(csv.ok().lines().count(), 3, "{csv:?}");
    assert!(csv.stdout.starts_with("day,model,requests,"), "{csv:?}");
    let none = server.cli(&["usage", "--from", "2001-01-01", "--to", "2001-01-02", "--json"]).json();
    assert_eq!(none["rows"], json!([]));
}
