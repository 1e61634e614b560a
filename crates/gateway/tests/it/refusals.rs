//! What is refused, in OpenAI's words, before anything reaches an engine.

use ambient::Timestamp;
use snapshot::{KeyKind, Snapshot};

use crate::support::{Engine, KEY, MASTER, TestGateway, key};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

async fn engine_and(change: impl FnOnce(&mut Snapshot)) -> (Engine, TestGateway) {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::with(&[&engine], change).await;
    (engine, gateway)
}

fn error(status: u16, kind: &str, param: &str, code: &str) -> (u16, String, String, String) {
    (status, kind.into(), param.into(), code.into())
}

#[tokio::test]
async fn keys_that_do_not_fit() {
    let (engine, gateway) = engine_and(|snapshot| {
        let mut blocked = key("k2", "sk-blocked");
        blocked.blocked = true;
        let mut expired = key("k3", "sk-expired");
        expired.expires_at = Some(Timestamp::from_micros(1));
        let mut direct = key("k4", "sk-direct");
        direct.kind = KeyKind::Direct;
        snapshot.keys.extend([blocked, expired, direct]);
    })
    .await;
    let direct = gateway.post_as("sk-direct", PATH, CHAT).await;
    assert_eq!(direct.error(), error(403, "invalid_request_error", "-", "direct_route_key"));
    assert_eq!(gateway.get("sk-direct", "/v1/models").await.status, 403);
    let unauthorized = error(401, "invalid_request_error", "-", "invalid_api_key");
    assert_eq!(gateway.post_with(&[], PATH, CHAT).await.error(), unauthorized);
    assert_eq!(gateway.post_with(&[("authorization", "Basic eDp5")], PATH, CHAT).await.error(), unauthorized);
    for wrong in ["sk-wrong", "sk-blocked", "sk-expired"] {
        assert_eq!(gateway.post_as(wrong, PATH, CHAT).await.error(), unauthorized, "{wrong}");
    }
    assert_eq!(gateway.post_as(MASTER, PATH, CHAT).await.status, 200);
    assert_eq!(engine.state().await["total"], 1, "only the master's request reached the engine");
}

#[tokio::test]
async fn a_key_is_blocked_at_once() {
    let (_engine, gateway) = engine_and(|_| ()).await;
    assert_eq!(gateway.post(PATH, CHAT).await.status, 200);
    gateway.publish(|snapshot| snapshot.keys[0].blocked = true).await;
    assert_eq!(gateway.post(PATH, CHAT).await.status, 401);
}

#[tokio::test]
async fn models_that_do_not_fit() {
    let (engine, gateway) = engine_and(|snapshot| {
        let mut narrow = key("k2", "sk-narrow");
        narrow.models = vec!["other".into()];
        snapshot.keys.push(narrow);
    })
    .await;
    let unknown = gateway.post(PATH, &CHAT.replace("\"m\"", "\"nope\"")).await;
    assert_eq!(unknown.error(), error(404, "invalid_request_error", "model", "model_not_found"));
    let denied = gateway.post_as("sk-narrow", PATH, CHAT).await;
    assert_eq!(denied.error(), error(403, "invalid_request_error", "model", "model_not_allowed"));
    assert_eq!(gateway.get("sk-narrow", "/v1/models").await.json()["data"].as_array().unwrap().len(), 0);
    assert_eq!(gateway.get(KEY, "/v1/models").await.json()["data"][0]["id"], "m");
    assert_eq!(gateway.get(KEY, "/v1/models/m").await.json()["object"], "model");
    assert_eq!(gateway.get("sk-narrow", "/v1/models/m").await.error().3, "model_not_found");
    assert_eq!(engine.state().await["total"], 0);
}

#[tokio::test]
async fn bodies_that_do_not_fit() {
    let (engine, gateway) = engine_and(|snapshot| snapshot.settings.max_body_bytes = 1_000).await;
    for (body, param, code) in [
        ("", "-", "invalid_json"),
        ("[1]", "-", "invalid_json"),
        (r#"{"model":"m","#, "-", "invalid_json"),
        (r#"{"messages":[]}"#, "model", "missing_required_parameter"),
        (r#"{"model":null}"#, "model", "missing_required_parameter"),
        (r#"{"model":["m"]}"#, "model", "invalid_type"),
        (r#"{"model":"m","model":"m"}"#, "model", "duplicate_parameter"),
        (r#"{"model":"m","\u006dodel":"x"}"#, "model", "duplicate_parameter"),
        (r#"{"model":"m","stream":"true"}"#, "stream", "invalid_type"),
        (r#"{"model":"m","max_tokens":1,"max_tokens":9}"#, "max_tokens", "duplicate_parameter"),
    ] {
        let refused = gateway.post(PATH, body).await.error();
        assert_eq!(refused, error(400, "invalid_request_error", param, code), "{body}");
    }
    let large = format!(r#"{{"model":"m","x":"{}"}}"#, "y".repeat(1_000));
    assert_eq!(gateway.post(PATH, &large).await.error().3, "request_too_large");
    assert_eq!(engine.state().await["total"], 0);
    assert!(gateway.events().await.is_empty(), "nothing that is refused is in the books");
}

#[tokio::test]
async fn the_sum_of_bodies_is_bounded() {
    let (_engine, gateway) = engine_and(|snapshot| snapshot.settings.max_buffered_bytes = 20).await;
    let refused = gateway.post(PATH, CHAT).await;
    assert_eq!(refused.error(), error(503, "server_error", "-", "overloaded"));
    assert_eq!(refused.headers["retry-after"], "1");
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let (_engine, gateway) = engine_and(|_| ()).await;
    assert_eq!(gateway.get(KEY, "/v1/nope").await.error(), error(404, "invalid_request_error", "-", "unknown_url"));
    let wrong = gateway.get(KEY, PATH).await;
    assert_eq!((wrong.error().0, &wrong.headers["allow"]), (405, &"POST".parse().unwrap()));
    assert_eq!(gateway.post("/v1/models", "{}").await.error().3, "method_not_allowed");
}

#[tokio::test]
async fn management_needs_the_master_key_and_a_manager() {
    let (_engine, gateway) = engine_and(|_| ()).await;
    assert_eq!(gateway.post("/key/generate", "{}").await.error().3, "master_key_required");
    assert_eq!(gateway.post_as("sk-x", "/key/generate", "{}").await.error().3, "invalid_api_key");
    let away = gateway.post_as(MASTER, "/key/generate", "{}").await;
    assert_eq!(away.error(), error(503, "server_error", "-", "manager_unavailable"));
}

#[tokio::test]
async fn health_is_open_and_metrics_are_not() {
    let (_engine, gateway) = engine_and(|_| ()).await;
    assert_eq!(gateway.get("sk-x", "/health").await.text(), r#"{"status":"healthy"}"#);
    assert_eq!(gateway.get(MASTER, "/health").await.json()["details"]["models"][0]["healthy"], 1);
    assert_eq!(gateway.get("sk-x", "/health/readiness").await.text(), r#"{"status":"healthy"}"#);
    assert_eq!(gateway.get("sk-x", "/health/liveliness").await.text(), r#""I'm alive!""#);
    assert_eq!(gateway.get(KEY, "/metrics").await.error().3, "master_key_required");

    gateway.post(PATH, CHAT).await;
    gateway.post(PATH, "{").await;
    let page = gateway.get(MASTER, "/metrics").await;
    for line in [
        r#"enginehouse_requests_total{model_name="m",model_type="chat",endpoint="chat/completions",status="200",outcome="completed"} 1"#,
        r#"enginehouse_tokens_total{model_name="m",model_type="chat",kind="completion"} 1"#,
        r#"enginehouse_rejections_total{code="invalid_json"} 1"#,
        r#"enginehouse_requests_in_flight{model_name="m",model_type="chat"} 0"#,
    ] {
        assert!(page.text().contains(line), "{line}\nnot in\n{}", page.text());
    }
}
