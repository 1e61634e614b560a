//! What the simulator answers: the same for the same, as long as asked, in every type; and what its books say of it.

use std::time::Duration;

use crate::common::{Sim, read, request};
use engine_sim::{Args, EngineType, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";

async fn of_type(engine_type: EngineType) -> Sim {
    Sim::start(Args { engine_type, ..Args::default() }).await
}

fn ask(prompt: &str, more: &Value) -> String {
    let mut body = json!({"model": "sim", "messages": [{"role": "user", "content": prompt}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn the_same_prompt_gives_the_same_words_whole_and_streamed() {
    let sim = of_type(EngineType::Chat).await;
    let whole = |answer: &Value| answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let first = whole(&sim.post(CHAT, &ask("a", &json!({}))).await.json());
    assert_eq!(first, whole(&sim.post(CHAT, &ask("a", &json!({}))).await.json()));
    assert_ne!(first, whole(&sim.post(CHAT, &ask("b", &json!({}))).await.json()));
    let events = sim.post(CHAT, &ask("a", &json!({"stream": true}))).await.events();
    let deltas = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    assert_eq!(deltas.collect::<String>(), first);
    assert_eq!(first.split(' ').count(), 16);
}

#[tokio::test]
async fn lengths_and_usage_agree() {
    let sim = Sim::start(Args { tokens: 10, ..Args::default() }).await;
    for (more, length, reason) in [
        (json!({}), 10, "stop"),
        (json!({"max_tokens": 4}), 4, "length"),
        (json!({"max_completion_tokens": 4, "max_tokens": 7}), 4, "length"),
        (json!({"max_tokens": 40}), 10, "stop"),
        (json!({"max_tokens": 40, "ignore_eos": true}), 40, "length"),
        (json!({"n": 3, "max_tokens": 2}), 6, "length"),
    ] {
        let answer = sim.post(CHAT, &ask("two words", &more)).await.json();
        let prompt = answer["usage"]["prompt_tokens"].as_u64().unwrap();
        assert_eq!(prompt, 5, "two words and three marks");
        assert_eq!(answer["usage"]["completion_tokens"], length, "{more}");
        assert_eq!(answer["usage"]["total_tokens"], prompt + length, "{more}");
        assert_eq!(answer["choices"][0]["finish_reason"], reason, "{more}");
    }
}

#[tokio::test]
async fn several_answers_differ_and_are_streamed_under_their_index() {
    let sim = of_type(EngineType::Chat).await;
    let more = json!({"n": 2, "stream": true, "max_tokens": 3, "stream_options": {"include_usage": true}});
    let events = sim.post(CHAT, &ask("x", &more)).await.events();
    let content = |index: u64| -> String {
        let choices = events.iter().filter_map(|event| event["choices"].get(0));
        choices.filter(|choice| choice["index"] == index).filter_map(|c| c["delta"]["content"].as_str()).collect()
    };
    assert_ne!(content(0), content(1));
    assert_eq!(events.last().unwrap()["usage"]["completion_tokens"], 6);
    assert_eq!(events.iter().filter(|event| event["choices"][0]["finish_reason"] == "length").count(), 2);
}

#[tokio::test]
async fn json_fits_its_schema() {
    let sim = of_type(EngineType::Chat).await;
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}, "c": {"enum": ["red", "blue"]}}});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
    let answer = sim.post(CHAT, &ask("x", &format)).await.json();
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(content).unwrap(), json!({"ok": true, "c": "red"}));
    let object = sim.post(CHAT, &ask("x", &json!({"response_format": {"type": "json_object"}}))).await.json();
    let content = object["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(content).unwrap().is_object());
}

#[tokio::test]
async fn images_are_read_by_vision_models_only() {
    let image = json!([{"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": "data:x"}}]);
    let body = json!({"messages": [{"role": "user", "content": image}]}).to_string();
    let answer = of_type(EngineType::Vision).await.post(CHAT, &body).await.json();
    assert_eq!(answer["usage"]["prompt_tokens"], 3 + 1 + 64);
    assert_eq!(of_type(EngineType::Chat).await.post(CHAT, &body).await.status, 400);
}

#[tokio::test]
async fn completions_echo_and_take_several_prompts() {
    let sim = of_type(EngineType::Chat).await;
    let body = json!({"prompt": ["one", "two"], "max_tokens": 2, "echo": true, "n": 2}).to_string();
    let answer = sim.post("/v1/completions", &body).await.json();
    let texts: Vec<_> = answer["choices"].as_array().unwrap().iter().map(|c| c["text"].as_str().unwrap()).collect();
    assert_eq!(texts.len(), 4);
    assert!(texts[0].starts_with("one") && texts[2].starts_with("two"));
    assert_eq!(
        answer["usage"],
        json!({"prompt_tokens": 2, "total_tokens": 10, "completion_tokens": 8,
        "prompt_tokens_details": null, "completion_tokens_details": null})
    );
    assert_eq!(sim.post("/v1/completions", r#"{"prompt":[1,2,3]}"#).await.json()["usage"]["prompt_tokens"], 3);
}

#[tokio::test]
async fn reranking_puts_the_likeliest_first() {
    let sim = of_type(EngineType::Rerank).await;
    let body = json!({"query": "red fox", "documents": ["blue sea", {"text": "a red fox"}, "red"], "top_n": 2});
    let results = sim.post("/rerank", &body.to_string()).await.json()["results"].clone();
    let order: Vec<_> = results.as_array().unwrap().iter().map(|r| r["index"].as_u64().unwrap()).collect();
    assert_eq!(order, [1, 2]);
    assert_eq!(sim.post("/v1/embeddings", "{}").await.status, 404);
}

#[tokio::test]
async fn audio_is_heard_whole_and_streamed() {
    let sim = of_type(EngineType::SpeechToText).await;
    let form = |fields: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{}\r\n{fields}--b--\r\n",
            "x".repeat(20_000)
        )
    };
    let field =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let path = "/v1/audio/transcriptions";
    let whole = sim.ask("POST", path, &headers, form(&field("model", "sim")).as_bytes()).await.json();
    assert_eq!(whole["usage"], json!({"type": "duration", "seconds": 2}));
    let streamed = sim.ask("POST", path, &headers, form(&field("stream", "true")).as_bytes()).await;
    let deltas = streamed.events();
    let text: String = deltas.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(whole["text"], text);
    let verbose = form(&field("response_format", "verbose_json"));
    assert_eq!(sim.ask("POST", path, &headers, verbose.as_bytes()).await.json()["duration"], 2.0);
    let plain = form(&field("response_format", "text"));
    let plain = sim.ask("POST", "/v1/audio/translations", &headers, plain.as_bytes()).await;
    assert!(plain.header("content-type").unwrap().starts_with("text/plain"));
    let wrong = sim.ask("POST", path, &headers, form(&field("model", "other")).as_bytes()).await;
    assert_eq!(wrong.status, 404);
}

#[tokio::test]
async fn speech_is_a_wav_and_images_are_pngs() {
    let speech = of_type(EngineType::TextToSpeech).await;
    let sound = speech.post("/v1/audio/speech", r#"{"input":"hello"}"#).await;
    assert_eq!((sound.header("content-type"), &sound.body[..4]), (Some("audio/wav"), b"RIFF".as_slice()));
    assert_eq!(speech.post("/v1/audio/speech", r#"{"input":"a","response_format":"mp3"}"#).await.status, 400);
    let images = of_type(EngineType::ImageGeneration).await;
    let body = r#"{"prompt":"a cat","n":2,"size":"40x30"}"#;
    let answer = images.post("/v1/images/generations", body).await.json();
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    assert!(data[0]["b64_json"].as_str().unwrap().starts_with("iVBORw0KGgo"));
    assert_ne!(data[0], data[1]);
}

#[tokio::test]
async fn the_request_id_is_in_the_answer_and_in_the_books() {
    let sim = of_type(EngineType::Chat).await;
    let answer = sim.post_with(CHAT, &ask("x", &json!({"max_tokens": 5})), ("x-request-id", "req-7")).await.json();
    assert_eq!(answer["id"], "chatcmpl-req-7");
    sim.post(CHAT, &ask("x", &json!({"stream": true}))).await;
    sim.post(CHAT, "{").await;
    let lines = sim.get("/sim/requests").await.json();
    let expected = json!({"request_id": "req-7", "path": CHAT, "stream": false, "prompt_tokens": 4,
        "completion_tokens_sent": 5, "finished": true, "cancelled": false, "order": 0});
    assert_eq!(lines[0], expected);
    assert_eq!((&lines[1]["stream"], &lines[1]["completion_tokens_sent"]), (&json!(true), &json!(16)));
    assert_eq!((&lines[2]["finished"], &lines[2]["cancelled"]), (&json!(false), &json!(false)));
    assert_eq!(sim.state().await, json!({"running": 0, "total": 3, "cancelled": 0}));
    sim.ask("DELETE", "/sim/requests", &[], b"").await;
    assert_eq!(sim.get("/sim/requests").await.json(), json!([]));
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let sim = Sim::start(Args { inter_token_ms: 20, tokens: 100_000, max_model_len: 200_000, ..Args::default() }).await;
    for (count, stream) in [(1, true), (2, false)] {
        let mut connection = sim.connect().await;
        let body = ask("x", &json!({"stream": stream}));
        connection
            .write_all(&request("POST", CHAT, &[("content-type", "application/json")], body.as_bytes()))
            .await
            .unwrap();
        while sim.state().await["running"] != 1 {}
        if stream {
            connection.read_exact(&mut [0; 600]).await.unwrap();
        }
        assert!(sim.metric("vllm:num_requests_running{").await > 0.5);
        drop(connection);
        let noticed = sim.until_cancelled(count).await;
        assert!(noticed < Duration::from_secs(2), "{noticed:?}");
    }
    assert!(sim.metric("vllm:num_requests_running{").await < 0.5);
}

#[tokio::test]
async fn tokens_come_at_their_pace() {
    let sim = Sim::start(Args { ttft_ms: 150, inter_token_ms: 30, tokens: 5, ..Args::default() }).await;
    let mut connection = sim.connect().await;
    let body = ask("x", &json!({"stream": true}));
    let start = Instant::now();
    connection
        .write_all(&request("POST", CHAT, &[("content-type", "application/json")], body.as_bytes()))
        .await
        .unwrap();
    let mut first = vec![0; 1 << 16];
    let n = connection.read(&mut first).await.unwrap();
    // Headers come at once, content after the time to the first token.
    assert!(!String::from_utf8_lossy(&first[..n]).contains("\"content\""));
    let rest = read(&mut connection).await;
    assert!(start.elapsed() >= Duration::from_millis(150 + 4 * 30), "{:?}", start.elapsed());
    assert!(rest.text().contains("[DONE]"));
    assert!(sim.metric("vllm:time_to_first_token_seconds_sum{").await >= 0.15);
    assert!(sim.metric("vllm:inter_token_latency_seconds_count{").await > 3.5);
}

#[tokio::test]
async fn who_finds_no_seat_waits() {
    let sim = Sim::start(Args { max_num_seqs: 1, ttft_ms: 60_000, ..Args::default() }).await;
    let body = ask("x", &json!({}));
    let message = request("POST", CHAT, &[("content-type", "application/json")], body.as_bytes());
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut connection = sim.connect().await;
        connection.write_all(&message).await.unwrap();
        connections.push(connection);
    }
    while sim.metric("vllm:num_requests_waiting{").await < 1.5 {}
    assert!((sim.metric("vllm:num_requests_running{").await - 1.0).abs() < 0.1);
    drop(connections);
    sim.until_cancelled(3).await;
}

#[tokio::test]
async fn counters_equal_the_usage_that_was_told() {
    let sim = of_type(EngineType::Chat).await;
    let (mut prompt, mut generated) = (0.0, 0.0);
    for text in ["a", "b c", "d e f"] {
        let usage = sim.post(CHAT, &ask(text, &json!({"max_tokens": 7}))).await.json()["usage"].clone();
        prompt += usage["prompt_tokens"].as_f64().unwrap();
        generated += usage["completion_tokens"].as_f64().unwrap();
    }
    assert!((sim.metric("vllm:prompt_tokens_total{").await - prompt).abs() < 0.1);
    assert!((sim.metric("vllm:generation_tokens_total{").await - generated).abs() < 0.1);
    let label = r#"vllm:request_success_total{engine="0",model_name="sim",finished_reason="length"}"#;
    assert!((sim.metric(label).await - 3.0).abs() < 0.1);
}

#[tokio::test]
async fn streams_end_with_abort_when_the_server_is_told_to_stop() {
    let mut sim =
        Sim::start(Args { inter_token_ms: 50, tokens: 10_000, max_model_len: 20_000, ..Args::default() }).await;
    let mut connection = sim.connect().await;
    let body = ask("x", &json!({"stream": true}));
    connection
        .write_all(&request("POST", CHAT, &[("content-type", "application/json")], body.as_bytes()))
        .await
        .unwrap();
    while sim.state().await["running"] != 1 {}
    sim.stop();
    let answer = read(&mut connection).await;
    assert!(answer.complete);
    assert_eq!(answer.events().last().unwrap()["choices"][0]["finish_reason"], "abort");
    assert_eq!(answer.data().last().unwrap(), "[DONE]");
    sim.stopped().await;
}

#[tokio::test]
async fn the_server_is_not_ready_before_its_delay_is_over() {
    let sim = Sim::start(Args { start_delay_ms: 400, ..Args::default() }).await;
    assert_eq!(sim.get("/health").await.status, 503);
    assert_eq!(sim.post(CHAT, &ask("x", &json!({}))).await.status, 503);
    let start = Instant::now();
    while sim.get("/health").await.status != 200 {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sim.post(CHAT, &ask("x", &json!({}))).await.status, 200);
}

#[tokio::test]
async fn it_serves_on_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(serve(Args::default(), listener, std::future::pending()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(&request("GET", "/version", &[], b"")).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with(r#"{"version":"0.32.0"}"#), "{text}");
    server.abort();
}

#[tokio::test]
async fn fixed_answers_are_as_long_as_asked_for() {
    let sim = Sim::start(Args { fixed_bytes: Some(1024), ..Args::default() }).await;
    let answer = sim.post(CHAT, &ask("x", &json!({}))).await;
    assert_eq!((answer.status, answer.body.len()), (200, 1024));
    assert_eq!(answer.json()["usage"]["completion_tokens"], 100);
    assert_eq!(sim.get("/v1/models").await.status, 200);
}
