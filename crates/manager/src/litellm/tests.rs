use serde_json::{Value, json};
use snapshot::KeyHash;

use crate::testing::TestApp;

async fn generate(app: &TestApp, body: Value) -> Value {
    app.owner().post("/key/generate", &body).await.ok()
}

#[tokio::test]
async fn a_generated_key_has_litellms_shape() {
    let app = TestApp::on_new_home().run().await;
    let body = json!({
        "key_alias": "k-alias-1", "models": ["mock"], "duration": "30d", "max_budget": 1.5, "rpm_limit": 3,
        "max_parallel_requests": 7, "metadata": {"owner": "x"}, "tpm_limit": null, "tags": [],
    });
    let made = generate(&app, body).await;
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["token"], KeyHash::of(key).to_string());
    assert_eq!(made["token_id"], made["token"]);
    assert_eq!(made["key_name"], format!("sk-...{}", &key[key.len() - 4..]));
    assert!(made["expires"].as_str().unwrap().ends_with('Z'));
    for null in ["duration", "user_id", "team_id", "tpm_limit", "budget_id", "litellm_budget_table", "tags"] {
        assert_eq!(made.get(null), Some(&Value::Null), "{null}");
    }
    assert_eq!((&made["rpm_limit"], &made["max_parallel_requests"]), (&json!(3), &json!(7)));
    assert_eq!((&made["max_budget"], &made["models"]), (&json!(1.5), &json!(["mock"])));
    assert_eq!(app.snapshot().keys[0].hash, KeyHash::of(key), "it works at once");
    app.end(false).await;
}

#[tokio::test]
async fn models_that_do_not_exist_are_named_and_words_for_all_allow_all() {
    let app = TestApp::on_new_home().open().await;
    app.apply("{version: 1, models: [{name: m, type: chat}]}").await;
    let key = "sk-custom-key-000000001";
    let made = generate(&app, json!({ "key": key, "models": ["m", "typo"] })).await;
    let warning = made["warnings"][0].as_str().unwrap();
    assert!(warning.contains("`typo`") && !warning.contains("`m`"), "{warning}");
    let all = app.owner().post("/key/update", &json!({ "key": key, "models": ["all-proxy-models"] })).await.ok();
    assert_eq!((&all["models"], all.get("warnings")), (&json!([]), None));
    let none = json!({ "key": key, "models": ["no-default-models"] });
    app.owner().post("/key/update", &none).await.refused(400);
}

#[tokio::test]
async fn keys_are_found_by_themselves_and_by_their_hash() {
    let app = TestApp::on_new_home().open().await;
    let key = "sk-custom-key-000000001";
    generate(&app, json!({ "key": key, "key_alias": "a" })).await;
    let hash = KeyHash::of(key).to_string();
    for name in [key, &hash] {
        let info = app.owner().get(&format!("/key/info?key={name}")).await.ok();
        assert_eq!(info["key"], name);
        assert_eq!((&info["info"]["status"], &info["info"]["key_name"]), (&json!("active"), &json!("sk-...0001")));
        assert!(info["info"].get("token").is_none());
        assert!(info["info"]["created_at"].as_str().unwrap().ends_with("+00:00"));
    }
    let missing = app.owner().get("/key/info?key=sk-doesnotexist").await.refused(404);
    let expected = json!({"error": {"message": "Key not found in database", "type": "not_found_error", "param": "key", "code": "404"}});
    assert_eq!(missing, expected);
}

#[tokio::test]
async fn keys_are_listed_in_pages_newest_first() {
    let app = TestApp::on_new_home().open().await;
    let mut hashes = Vec::new();
    for alias in ["a", "b", "c"] {
        hashes.insert(0, generate(&app, json!({ "key_alias": alias })).await["token"].clone());
    }
    let first = app.owner().get("/key/list?size=2").await.ok();
    assert_eq!(first, json!({"keys": hashes[..2], "total_count": 3, "current_page": 1, "total_pages": 2}));
    let full = app.owner().get("/key/list?size=2&page=2&return_full_object=true").await.ok();
    assert_eq!((&full["keys"][0]["token"], &full["keys"][0]["key_alias"]), (&hashes[2], &json!("a")));
    assert_eq!(full["keys"].as_array().unwrap().len(), 1);
    assert_eq!(app.owner().get("/key/list?key_alias=b").await.ok()["keys"], json!([hashes[1]]));
    assert_eq!(app.owner().get("/key/list?team_id=t").await.ok()["total_count"], 0);
}

#[tokio::test]
async fn keys_are_updated_blocked_regenerated_and_deleted() {
    let app = TestApp::on_new_home().run().await;
    let key = "sk-custom-key-000000001";
    generate(&app, json!({ "key": key, "rpm_limit": 3, "max_budget": 1.0 })).await;
    let updated =
        app.owner().post("/key/update", &json!({ "key": key, "max_budget": 2.5, "metadata": {"o": "y"} })).await.ok();
    assert_eq!((&updated["key"], &updated["max_budget"], &updated["rpm_limit"]), (&json!(key), &json!(2.5), &json!(3)));
    assert_eq!(updated["token"], KeyHash::of(key).to_string());

    assert_eq!(app.owner().post("/key/block", &json!({ "key": key })).await.ok()["blocked"], true);
    assert!(app.snapshot().keys[0].blocked);
    assert_eq!(app.owner().post("/key/unblock", &json!({ "key": key })).await.ok()["blocked"], false);

    let other = app.owner().post("/key/regenerate", &json!({ "key": key, "rpm_limit": 9 })).await.ok();
    assert_eq!(other["rpm_limit"], 9);
    let other = other["key"].as_str().unwrap().to_owned();
    app.owner().get(&format!("/key/info?key={key}")).await.refused(404);
    let chosen = "sk-custom-key-000000002";
    let named = app.owner().post(&format!("/key/{other}/regenerate"), &json!({ "new_key": chosen })).await.ok();
    assert_eq!(named["key"], chosen);

    generate(&app, json!({ "key_alias": "alias" })).await;
    let body = json!({ "keys": [chosen], "key_aliases": ["alias"] });
    let deleted = app.owner().post("/key/delete", &body).await.ok();
    assert_eq!(deleted, json!({ "deleted_keys": [chosen, "alias"] }));
    assert_eq!(app.snapshot().keys, []);
    app.end(false).await;
}

#[tokio::test]
async fn failures_have_litellms_envelope() {
    let app = TestApp::on_new_home().open().await;
    generate(&app, json!({ "key_alias": "taken" })).await;
    let error = |status: u16, kind: &str, param: Value, answer: Value| {
        let error = &answer["error"];
        assert_eq!((&error["type"], &error["param"]), (&json!(kind), &param), "{answer}");
        assert_eq!(error["code"], status.to_string());
    };
    let cases = [
        ("/key/generate", json!({ "key_alias": "taken" }), 400, "bad_request_error", json!("key_alias")),
        ("/key/generate", json!({ "key": "nosk" }), 400, "invalid_request_error", json!(null)),
        ("/key/generate", json!({ "key": "sk-custom-1" }), 400, "invalid_request_error", json!(null)),
        ("/key/generate", json!({ "duration": "abc" }), 400, "bad_request_error", json!("duration")),
        ("/key/generate", json!({ "tpd_limit": 5 }), 400, "bad_request_error", json!("tpd_limit")),
        ("/key/update", json!({ "key": "sk-doesnotexist" }), 404, "not_found_error", json!("key")),
        ("/key/block", json!({ "key": "sk-doesnotexist" }), 404, "not_found_error", json!("key")),
        ("/key/delete", json!({ "keys": ["sk-nope"] }), 404, "invalid_request_error", json!(null)),
    ];
    for (path, body, status, kind, param) in cases {
        error(status, kind, param, app.owner().post(path, &body).await.refused(status));
    }
    let wrong = app.owner().post("/key/generate", &json!({ "rpm_limit": "abc" })).await.refused(422);
    assert_eq!(wrong["detail"][0]["loc"], json!(["body", "rpm_limit"]));
    assert_eq!(app.owner().get("/key/list").await.ok()["total_count"], 1, "none of them made a key");
}

#[tokio::test]
async fn models_are_described_with_their_prices() {
    let app = TestApp::on_new_home().open().await;
    app.apply(
        "{version: 1, models: [{name: m, type: embedding, price: {input: 0.15, output: 0.6},
          deployments: [{endpoint: {url: 'http://x/v1', model: up, credential: os.environ/TOKEN}}]}]}",
    )
    .await;
    let info = app.owner().get("/model/info").await.ok();
    let entry = &info["data"][0];
    assert_eq!((&entry["model_name"], &entry["litellm_params"]["model"]), (&json!("m"), &json!("openai/up")));
    assert_eq!(
        (&entry["model_info"]["mode"], &entry["model_info"]["input_cost_per_token"]),
        (&json!("embedding"), &json!(1.5e-7))
    );
    assert!(!info.to_string().contains("TOKEN"), "credentials are not shown");
}

mod spend {
    use ambient::Timestamp;
    use ledger::drain::{Batch, Sink as _};
    use ledger::{Attempt, Event, GatewayId, Nanos, Open, Outcome, Position, Price, Usage, UsageSource};

    use super::*;

    fn event(sequence: u64, key: &str, outcome: Outcome) -> Event {
        // 2026-11-20T15:26:02Z and on
        let at = Timestamp::from_micros(1_795_188_362_000_000 + i64::try_from(sequence).unwrap() * 1_000_000);
        let attempt = Attempt { deployment: "dep".into(), status: 200, fault: "".into(), micros: 5 };
        let open = Open {
            sequence,
            request_id: format!("r{sequence}").into(),
            opened_at: at,
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
            closed_at: at,
            outcome,
            status: 200,
            usage: Usage { prompt_tokens: 9, completion_tokens: 9, ..Usage::default() },
            usage_source: UsageSource::Engine,
            cost: Nanos(6_750),
            first_byte_micros: None,
            attempts: vec![attempt],
        }
    }

    #[tokio::test]
    async fn spend_is_listed_summed_and_totalled() {
        let app = TestApp::on_new_home().open().await;
        let key = "sk-custom-key-000000001";
        generate(&app, json!({ "key": key, "key_alias": "a" })).await;
        let id = app.manager.inner().keys.rows()[0].id.clone();
        let events = vec![event(1, &id, Outcome::Completed), event(2, "master", Outcome::Failed)];
        let batch = Batch { gateway: GatewayId(1), events, position: Position::default() };
        app.manager.store().events().commit(&batch).await.unwrap();

        let logs = app.owner().get("/spend/logs").await.ok();
        let (newest, oldest) = (&logs[0], &logs[1]);
        assert_eq!((&newest["api_key"], &newest["status"]), (&json!("litellm_proxy_master_key"), &json!("failure")));
        assert_eq!(oldest["api_key"], KeyHash::of(key).to_string());
        assert_eq!((&oldest["spend"], &oldest["total_tokens"]), (&json!(6.75e-6), &json!(18)));
        assert_eq!((&oldest["call_type"], &oldest["model_id"]), (&json!("acompletion"), &json!("dep")));
        assert_eq!(oldest["startTime"], "2026-11-20T15:26:03.000000Z");
        assert_eq!((&oldest["messages"], &oldest["response"]), (&json!({}), &json!({})));

        let of_key = app.owner().get(&format!("/spend/logs?api_key={key}")).await.ok();
        assert_eq!((of_key.as_array().unwrap().len(), &of_key[0]["request_id"]), (1, &json!("r1")));
        let days = app.owner().get("/spend/logs?start_date=2026-11-20&end_date=2026-11-21").await.ok();
        assert_eq!(days.as_array().unwrap().len(), 2, "days without requests at the end are there");
        assert_eq!((&days[0]["startTime"], &days[0]["spend"]), (&json!("2026-11-20"), &json!(1.35e-5)));
        assert_eq!((&days[0]["models"], &days[1]["spend"]), (&json!({"m": 1.35e-5}), &json!(0.0)));
        let rows = app.owner().get("/spend/logs?start_date=2026-11-21&end_date=2026-11-21&summarize=false").await.ok();
        assert_eq!(rows, json!([]));
        app.owner().get("/spend/logs?start_date=2026-11-20").await.refused(400);

        let total = app.owner().get("/global/spend").await.ok();
        assert_eq!(total, json!({ "spend": 1.35e-5, "max_budget": 0.0 }));
        let info = app.owner().get(&format!("/key/info?key={key}")).await.ok();
        assert_eq!(info["info"]["spend"], 6.75e-6);

        // The admin API's report comes in pages, each with the sum of all.
        let mut path = "/api/v1/usage?by=key&limit=1".to_owned();
        for (key, more) in [(id.as_str(), true), ("master", false)] {
            let page = app.owner().get(&path).await;
            let link = page.header("link").to_owned();
            let usage = page.ok();
            assert_eq!((usage["rows"].as_array().unwrap().len(), &usage["rows"][0]["key"]), (1, &json!(key)));
            assert_eq!(usage["total"]["cost_nanos"], 13_500);
            assert_eq!(!link.is_empty(), more);
            path = link.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        }
    }
}
