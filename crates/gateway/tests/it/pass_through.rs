//! What goes through untouched, and the two things that do not.

use engine_sim::{Args, EngineType};
use ledger::{Outcome, UsageSource};
use serde_json::Value;

use crate::support::{Engine, PRICE, TestGateway};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"Grüße 😀 \"q\""}],"max_tokens":9,"logprobs":true,"x_unknown":[1.50,null]}"#;

/// Everything but ids and times, which differ between two calls of the same engine too.
fn comparable(mut json: Value) -> Value {
    for field in ["id", "created", "system_fingerprint"] {
        json.as_object_mut().unwrap().remove(field);
    }
    json
}

fn events(stream: &str) -> Vec<Value> {
    let data = stream.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| comparable(serde_json::from_str(data).unwrap())).collect()
}

#[tokio::test]
async fn an_answer_is_the_engine_s_but_for_the_public_name() {
    let engine = Engine::chat(9, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let direct = engine.post("/v1/chat/completions", &CHAT.replace("\"m\"", "\"up\"")).await;
    let through = gateway.post("/v1/chat/completions", CHAT).await;

    let mut expected = comparable(direct.json());
    expected["model"] = "m".into();
    assert_eq!(comparable(through.json()), expected);
    let order = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(order(&through.json()), order(&direct.json()), "the bytes are spliced, not rewritten");
    assert_eq!(through.headers["content-type"], direct.headers["content-type"]);

    let event = gateway.only_event().await;
    assert_eq!((event.outcome, event.status, event.usage_source), (Outcome::Completed, 200, UsageSource::Engine));
    assert_eq!(event.usage.completion_tokens, through.json()["usage"]["completion_tokens"]);
    assert_eq!(event.cost, PRICE.cost(&event.usage));
}

#[tokio::test]
async fn a_stream_is_the_engine_s_and_usage_is_ours_alone() {
    let engine = Engine::chat(9, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let stream = CHAT.replace("\"max_tokens\":9", "\"max_tokens\":9,\"stream\":true");
    let direct = engine.post("/v1/chat/completions", &stream.replace("\"m\"", "\"up\"")).await;
    let through = gateway.post("/v1/chat/completions", &stream).await;

    assert!(through.text().ends_with("data: [DONE]\n\n"));
    assert!(!through.text().contains("\"usage\":{"));
    let expected = direct.text().replace("\"model\":\"up\"", "\"model\":\"m\"");
    assert_eq!(events(through.text()), events(&expected));

    let event = gateway.only_event().await;
    assert_eq!((event.usage.completion_tokens, event.usage_source), (9, UsageSource::Engine));
    assert!(event.open.stream && event.first_byte_micros.is_some());
}

#[tokio::test]
async fn usage_that_the_client_asked_for_is_passed_on() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}"#;
    let through = gateway.post("/v1/chat/completions", body).await;
    let last = events(through.text()).pop().unwrap();
    assert_eq!((last["choices"].as_array().unwrap().len(), &last["usage"]["completion_tokens"]), (0, &4.into()));
}

#[tokio::test]
async fn completions_and_unprefixed_paths_work() {
    let engine = Engine::chat(3, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let answer = gateway.post("/completions", r#"{"model":"m","prompt":"once"}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["object"]), (200, &"text_completion".into()));
    let event = gateway.only_event().await;
    assert_eq!(event.open.surface, "completions");
}

#[tokio::test]
async fn embeddings_are_billed_by_their_prompt() {
    let args = Args { model: "up".into(), engine_type: EngineType::Embedding, ..Args::default() };
    let engine = Engine::start(args).await;
    let embedding = |snapshot: &mut snapshot::Snapshot| {
        snapshot.models[0].model_type = snapshot::ModelType::Embedding;
    };
    let gateway = TestGateway::with(&[&engine], embedding).await;
    let answer = gateway.post("/v1/embeddings", r#"{"model":"m","input":["a b c","d"]}"#).await;
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);
    let event = gateway.only_event().await;
    assert_eq!(event.usage.prompt_tokens, answer.json()["usage"]["prompt_tokens"]);
    assert_eq!((event.usage.completion_tokens, event.usage_source), (0, UsageSource::Engine));

    let wrong = gateway.post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#).await;
    assert_eq!(wrong.error().3, "model_not_supported");
}

#[tokio::test]
async fn a_new_snapshot_does_not_break_a_stream() {
    let engine = Engine::chat(30, 10).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let stream = gateway.post("/v1/chat/completions", body);
    let change = async {
        engine.until_running(1).await;
        gateway.publish(|snapshot| snapshot.models.clear()).await;
        gateway.post("/v1/chat/completions", body).await
    };
    let (stream, after) = tokio::join!(stream, change);
    assert!(stream.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(after.error().3, "model_not_found");
}

#[tokio::test]
async fn shutdown_waits_for_streams() {
    let engine = Engine::chat(30, 10).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let cancel = async {
        engine.until_running(1).await;
        gateway.cancel.cancel();
    };
    let (stream, ()) = tokio::join!(gateway.post("/v1/chat/completions", body), cancel);
    assert!(stream.text().ends_with("data: [DONE]\n\n"));
    gateway.served.await.unwrap();
}

#[tokio::test]
async fn request_ids_are_kept_or_made_and_reach_the_books() {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let headers = [("authorization", "Bearer sk-virtual-0123456789"), ("x-request-id", "mine-1")];
    let answer = gateway.post_with(&headers, "/v1/chat/completions", CHAT).await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    assert_eq!(&*gateway.only_event().await.open.request_id, "mine-1");
}
