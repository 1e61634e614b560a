//! The simulator's JSON has vLLM's members, in vLLM's order, of vLLM's kinds: compared with captures of the real server.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::common::Sim;
use engine_sim::{Args, EngineType};
use serde_json::Value;

fn capture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/captures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn chat() -> Sim {
    Sim::start(Args { model: "tiny".to_owned(), max_model_len: 512, ..Args::default() }).await
}

async fn embed() -> Sim {
    let engine_type = EngineType::Embedding;
    Sim::start(Args { model: "tiny-embed".to_owned(), max_model_len: 512, engine_type, ..Args::default() }).await
}

/// Member names in order and kinds of values; of an array, each kind of element once.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(items) => {
            let mut shapes: Vec<String> = items.iter().map(shape).collect();
            shapes.dedup();
            format!("[{}]", shapes.join(","))
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| match name.as_str() {
                // The members of these objects are the tokens themselves.
                "top_logprobs" if value.pointer("/0/token").is_none() => format!("{name}:[tokens]"),
                _ => format!("{name}:{}", shape(value)),
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

/// The shapes of a stream's lines, each where it comes first.
fn stream_shape(text: &str) -> Vec<String> {
    let mut shapes: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let line = match line.strip_prefix("data: ") {
            Some("[DONE]") | None => line.to_owned(),
            Some(json) => shape(&serde_json::from_str(json).unwrap()),
        };
        if !shapes.contains(&line) {
            shapes.push(line);
        }
    }
    shapes
}

#[test]
fn shapes_differ_by_order_kind_and_name() {
    let of = |text: &str| shape(&serde_json::from_str(text).unwrap());
    assert_eq!(of(r#"{"a":1,"b":[null,null]}"#), of(r#"{"a":2,"b":[null]}"#));
    assert_ne!(of(r#"{"a":1,"b":2}"#), of(r#"{"b":1,"a":2}"#));
    assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":null}"#));
}

#[tokio::test]
async fn whole_answers_of_a_chat_server() {
    let sim = chat().await;
    for (name, path) in [
        ("chat", "/v1/chat/completions"),
        ("chat_n2", "/v1/chat/completions"),
        ("chat_logprobs", "/v1/chat/completions"),
        ("completions", "/v1/completions"),
        ("completions_logprobs", "/v1/completions"),
        ("responses", "/v1/responses"),
        ("tokenize", "/tokenize"),
        ("detokenize", "/detokenize"),
    ] {
        let answer = sim.post(path, &capture(&format!("{name}.req.json"))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{name}");
        let expected: Value = serde_json::from_str(&capture(&format!("{name}.body"))).unwrap();
        assert_eq!(shape(&answer.json()), shape(&expected), "{name}");
    }
}

#[tokio::test]
async fn tool_calls() {
    let sim = chat().await;
    for name in ["tools_required", "tools_named"] {
        let answer = sim.post("/v1/chat/completions", &capture(&format!("{name}.req.json"))).await.json();
        let expected: Value = serde_json::from_str(&capture(&format!("{name}.body"))).unwrap();
        let without_details = |mut value: Value| {
            value["usage"]["completion_tokens_details"].take();
            shape(&value)
        };
        assert_eq!(without_details(answer.clone()), without_details(expected.clone()), "{name}");
        let finish = |value: &Value| value["choices"][0]["finish_reason"].clone();
        assert_eq!(finish(&answer), finish(&expected), "{name}");
        let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert_eq!((call["name"].as_str(), arguments["city"].is_string()), (Some("get_weather"), true));
    }
}

#[tokio::test]
async fn streams_of_a_chat_server() {
    let sim = chat().await;
    for (name, path) in [
        ("chat_stream", "/v1/chat/completions"),
        ("chat_stop_stream", "/v1/chat/completions"),
        ("chat_stream_usage", "/v1/chat/completions"),
        ("chat_stream_usage_cont", "/v1/chat/completions"),
        ("chat_logprobs_stream", "/v1/chat/completions"),
        ("tools_required_stream", "/v1/chat/completions"),
        ("tools_named_stream", "/v1/chat/completions"),
        ("completions_stream", "/v1/completions"),
        ("completions_stream_cont", "/v1/completions"),
        ("responses_stream", "/v1/responses"),
    ] {
        let answer = sim.post(path, &capture(&format!("{name}.req.json"))).await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"), "{name}");
        assert!(answer.complete, "{name}");
        let mut expected = stream_shape(&capture(&format!("{name}.body")));
        for line in &mut expected {
            // Some captures are of a server with a reasoning parser; the simulated one has none.
            *line = line.replace(",completion_tokens_details:{reasoning_tokens:number}", "");
        }
        assert_eq!(stream_shape(&answer.text()), expected, "{name}");
    }
}

#[tokio::test]
async fn answers_of_a_pooling_server() {
    let sim = embed().await;
    for (name, path) in [
        ("embed", "/v1/embeddings"),
        ("embed_base64", "/v1/embeddings"),
        ("embed_batch", "/v1/embeddings"),
        ("embed_pooling", "/pooling"),
        ("embed_rerank", "/v1/rerank"),
        ("embed_rerank", "/rerank"),
        ("embed_score", "/score"),
        ("embed_score", "/v1/score"),
    ] {
        let answer = sim.post(path, &capture(&format!("{name}.req.json"))).await;
        let expected: Value = serde_json::from_str(&capture(&format!("{name}.body"))).unwrap();
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(shape(&answer.json()), shape(&expected), "{name}");
    }
}

#[tokio::test]
async fn errors_are_the_same_to_the_byte() {
    let (chat, embed) = (chat().await, embed().await);
    for (sim, name, path, status) in [
        (&chat, "err_unknown_model", "/v1/chat/completions", 404),
        (&chat, "err_too_long_prompt", "/v1/chat/completions", 400),
        (&chat, "err_max_tokens_zero", "/v1/chat/completions", 400),
        (&chat, "err_max_tokens_too_big", "/v1/chat/completions", 400),
        (&chat, "err_n_zero", "/v1/chat/completions", 400),
        (&chat, "err_malformed_json", "/v1/chat/completions", 400),
        (&chat, "err_empty_messages", "/v1/chat/completions", 400),
        (&chat, "err_stream_options_no_stream", "/v1/chat/completions", 400),
        (&chat, "err_image", "/v1/chat/completions", 400),
        (&embed, "embed_err_too_long", "/v1/embeddings", 400),
        (&embed, "embed_empty_list", "/v1/embeddings", 400),
        (&embed, "embed_dimensions", "/v1/embeddings", 400),
    ] {
        let answer = sim.post(path, &capture(&format!("{name}.req.json"))).await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.text(), capture(&format!("{name}.body")), "{name}");
    }
    let body = capture("err_wrong_content_type.req.json");
    let answer = chat.ask("POST", "/v1/chat/completions", &[("content-type", "text/plain")], body.as_bytes()).await;
    assert_eq!(answer.text(), capture("err_wrong_content_type.body"));
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let (chat, embed) = (chat().await, embed().await);
    for (sim, name, path) in
        [(&chat, "err_missing_messages", "/v1/chat/completions"), (&embed, "embed_err_missing_input", "/v1/embeddings")]
    {
        let answer = sim.post(path, &capture(&format!("{name}.req.json"))).await.json();
        let expected: Value = serde_json::from_str(&capture(&format!("{name}.body"))).unwrap();
        assert_eq!(shape(&answer), shape(&expected));
        assert_eq!(answer["error"]["param"], expected["error"]["param"]);
        assert_eq!(answer["error"]["type"], expected["error"]["type"]);
    }
}

#[tokio::test]
async fn the_server_tells_about_itself() {
    let sim = chat().await;
    for (path, name) in [("/version", "version"), ("/load", "load"), ("/v1/models", "models")] {
        let expected: Value = serde_json::from_str(&capture(&format!("{name}.body"))).unwrap();
        assert_eq!(shape(&sim.get(path).await.json()), shape(&expected), "{path}");
    }
    let health = sim.get("/health").await;
    assert_eq!((health.status, health.body.len()), (200, 0));
    assert_eq!(sim.get("/ping").await.status, 200);
    assert_eq!(sim.post("/ping", "").await.status, 200);
}

#[tokio::test]
async fn routes_of_another_type_and_other_methods_do_not_exist() {
    let (chat, embed) = (chat().await, embed().await);
    for (sim, path) in [(&chat, "/v1/embeddings"), (&embed, "/v1/chat/completions"), (&chat, "/v1/models/tiny")] {
        let answer = sim.post(path, "{}").await;
        assert_eq!((answer.status, answer.text()), (404, capture("not_found.body")), "{path}");
    }
    let answer = chat.get("/v1/chat/completions").await;
    assert_eq!((answer.status, answer.text()), (405, capture("method_not_allowed.body")));
    assert_eq!(answer.header("allow"), Some("POST"));
}

#[tokio::test]
async fn a_key_is_wanted_under_v1_only() {
    let sim = Sim::start(Args { api_key: Some("secret".to_owned()), ..Args::default() }).await;
    let body = r#"{"messages":[{"role":"user","content":"x"}]}"#;
    for header in [("x-none", "x"), ("authorization", "Bearer wrong"), ("authorization", "secret")] {
        let answer = sim.post_with("/v1/chat/completions", body, header).await;
        assert_eq!((answer.status, answer.text()), (401, capture("auth_bad.body")), "{header:?}");
    }
    let answer = sim.post_with("/v1/chat/completions", body, ("authorization", "Bearer secret")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(sim.get("/v1/models").await.status, 401);
    for path in ["/health", "/metrics", "/version"] {
        assert_eq!(sim.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn metrics_have_vllms_names_and_types() {
    let sim = chat().await;
    let page = sim.get("/metrics").await.text();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let ours: BTreeSet<&str> = types.filter(|line| line.starts_with("vllm:")).collect();
    let names = capture("metric_names.txt");
    let vllms: BTreeSet<&str> = names.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(ours, vllms);
}
