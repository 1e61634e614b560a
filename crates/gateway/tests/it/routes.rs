//! Direct and open routes: the path names the model.

use serde_json::Value;
use snapshot::{KeyKind, Snapshot};

use crate::support::{Engine, KEY, MASTER, TestGateway, key, model};

const DIRECT: &str = "sk-direct-0123456789";
const BODY: &str = r#"{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"x"}]}"#;

/// Models `m` (open) and `org/n` (not open) behind the same engine, and a direct-route key.
async fn gateway(engine: &Engine, change: impl FnOnce(&mut Snapshot)) -> TestGateway {
    TestGateway::with(&[engine], |snapshot| {
        let deployments = snapshot.models[0].deployments.clone();
        snapshot.models.push(model("org/n", deployments));
        snapshot.models[0].open_access = true;
        snapshot.open_routes = true;
        snapshot.keys.push(snapshot::Key { kind: KeyKind::Direct, ..key("k2", DIRECT) });
        change(snapshot);
    })
    .await
}

fn listed(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn direct_routes_take_the_master_key_and_direct_route_keys_alone() {
    let engine = Engine::chat(4, 0).await;
    let gateway = gateway(&engine, |_| ()).await;
    let path = "/models/m/v1/chat/completions";
    for secret in [MASTER, DIRECT] {
        assert_eq!(gateway.post_as(secret, path, BODY).await.status, 200);
    }
    assert_eq!(gateway.post_as(KEY, path, BODY).await.status, 403);
    assert_eq!(gateway.post_as("sk-wrong", path, BODY).await.status, 401);
    assert_eq!(gateway.post_with(&[], path, BODY).await.status, 401);
    assert_eq!(gateway.post_as(DIRECT, "/v1/chat/completions", BODY).await.status, 403);
    gateway.settled().await;
    let payers: Vec<_> = gateway.events().await.iter().map(|event| event.open.key.to_string()).collect();
    assert_eq!(payers, ["master", "k2"]);
}

#[tokio::test]
async fn the_path_names_the_model_whatever_the_body_says() {
    let engine = Engine::chat(4, 0).await;
    let gateway = gateway(&engine, |_| ()).await;
    for body in [BODY.to_owned(), BODY.replace(r#""m""#, r#""gpt-4""#), BODY.replace(r#""model":"m","#, "")] {
        for path in ["/models/org%2Fn/v1/chat/completions", "/models/org/n/v1/chat/completions"] {
            let answer = gateway.post_as(DIRECT, path, &body).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["model"]), (200, &"org/n".into()), "{body}");
        }
    }
    let stream = BODY.replace(r#""model":"m","#, r#""stream":true,"#);
    let answer = gateway.post_as(DIRECT, "/models/org%2Fn/v1/chat/completions", &stream).await;
    assert!(answer.text().contains(r#""model":"org/n""#) && answer.text().ends_with("data: [DONE]\n\n"));
    assert!(!answer.text().contains(r#""usage":{"#), "usage was asked for on our account only: {}", answer.text());
    gateway.settled().await;
    let events = gateway.events().await;
    assert!(events.iter().all(|event| &*event.open.model == "org/n" && event.usage.completion_tokens == 4));

    let twice = BODY.replace(r#""model":"m""#, r#""model":"m","model":"n""#);
    assert_eq!(gateway.post_as(DIRECT, "/models/m/v1/chat/completions", &twice).await.error().3, "duplicate_parameter");
    assert_eq!(gateway.post_as(DIRECT, "/models/x/v1/chat/completions", BODY).await.error().3, "model_not_found");
}

#[tokio::test]
async fn a_direct_route_key_reaches_its_models_only() {
    let engine = Engine::chat(4, 0).await;
    let gateway = gateway(&engine, |snapshot| snapshot.keys[1].models = vec!["m".to_owned()]).await;
    assert_eq!(gateway.post_as(DIRECT, "/models/m/v1/chat/completions", BODY).await.status, 200);
    let refused = gateway.post_as(DIRECT, "/models/org%2Fn/v1/chat/completions", BODY).await;
    assert_eq!(refused.error().3, "model_not_allowed");
    assert_eq!(listed(&gateway.get(DIRECT, "/models/m/v1/models").await.json()), ["m"]);
    assert!(listed(&gateway.get(DIRECT, "/models/org%2Fn/v1/models").await.json()).is_empty());
}

#[tokio::test]
async fn models_below_a_path_are_the_one_that_it_names() {
    let engine = Engine::chat(4, 0).await;
    let gateway = gateway(&engine, |_| ()).await;
    assert_eq!(listed(&gateway.get(MASTER, "/v1/models").await.json()), ["m", "org/n"]);
    assert_eq!(listed(&gateway.get(MASTER, "/models/org%2Fn/v1/models").await.json()), ["org/n"]);
    assert_eq!(listed(&gateway.get("anything", "/open/m/v1/models").await.json()), ["m"]);
    assert_eq!(gateway.get(MASTER, "/models/m/v1/models/m").await.json()["id"], "m");
    assert_eq!(gateway.get(MASTER, "/models/m/v1/models/org%2Fn").await.status, 404);
    assert_eq!(gateway.get(MASTER, "/models/x/v1/models").await.status, 404);
}

#[tokio::test]
async fn open_routes_ask_for_no_key_and_lead_to_open_models_only() {
    let engine = Engine::chat(4, 0).await;
    let gateway = gateway(&engine, |snapshot| snapshot.keys[0].blocked = true).await;
    let path = "/open/m/v1/chat/completions";
    for secret in ["anything", "", KEY, MASTER] {
        assert_eq!(gateway.post_as(secret, path, BODY).await.status, 200, "{secret:?}");
    }
    assert_eq!(gateway.post_with(&[], path, BODY).await.status, 200);
    for name in ["org%2Fn", "org/n", "nothing"] {
        let refused = gateway.post_as(MASTER, &format!("/open/{name}/v1/chat/completions"), BODY).await;
        assert_eq!(refused.error().3, "model_not_found", "{name}");
    }
    // The body leads nowhere else.
    let other = BODY.replace(r#""m""#, r#""org/n""#);
    assert_eq!(gateway.post_with(&[], path, &other).await.json()["model"], "m");
    gateway.settled().await;
    assert!(gateway.events().await.iter().all(|event| &*event.open.key == "open" && &*event.open.model == "m"));
}

#[tokio::test]
async fn the_kill_switch_shuts_all_open_routes_at_once() {
    let engine = Engine::chat(4, 0).await;
    let gateway = gateway(&engine, |_| ()).await;
    assert_eq!(gateway.post_with(&[], "/open/m/v1/chat/completions", BODY).await.status, 200);
    gateway.publish(|snapshot| snapshot.open_routes = false).await;
    for path in ["/open/m/v1/chat/completions", "/open/org%2Fn/v1/chat/completions"] {
        assert_eq!(gateway.post_as(MASTER, path, BODY).await.error().3, "open_access_off");
    }
    assert_eq!(gateway.get(MASTER, "/open/m/v1/models").await.status, 403);
    assert_eq!(gateway.post_as(DIRECT, "/models/m/v1/chat/completions", BODY).await.status, 200);
}
