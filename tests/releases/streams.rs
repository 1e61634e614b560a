//! Streams that run while the state changes under them.

use serde_json::{Value, json};
use support::{Engine, Server, document, eventually};
use tokio::task::JoinSet;

const STREAMS: usize = 500;
const TOKENS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_streams_notice_no_apply() {
    let program = support::enginehouse!();
    let arguments = ["--model", "tiny", "--tokens", "60", "--inter-token-ms", "500"];
    let engine = Engine::start(&program, &arguments).await;
    let server = Server::start(&program).await;
    server.apply(&document::chat("tiny", &engine));
    let client = server.client_with(&server.create_key(&[]));
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let client = client.clone();
        streams.spawn(async move {
            let body = json!({"model": "tiny", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
            let mut stream = client.stream("/v1/chat/completions", &body).await;
            assert_eq!(stream.status, 200);
            stream.events().await
        });
    }
    eventually("all streams to run", || async {
        (engine.state().await["running"].as_u64() == Some(STREAMS as u64)).then_some(())
    })
    .await;
    let mut applied = 0;
    for price in ["0.5", "0.6", "0.7"] {
        server.cli(&["config", "stage", "model/tiny", "--set", &format!("price.input={price}")]).ok();
        server.cli(&["config", "apply", "--all"]).ok();
        applied += 1;
    }
    // The model goes altogether, and with it what they are served from.
    server.apply(&document::of(&[]));
    let running = engine.state().await["running"].as_u64().unwrap();
    assert!(running > 0, "the streams ended before the applies did: this test shows nothing");
    let mut whole = 0;
    for events in streams.join_all().await {
        let events = events.unwrap();
        let texts = events.iter().filter(|event| {
            let chunk: Value = serde_json::from_str(event).unwrap_or_default();
            chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty())
        });
        assert!(texts.count() >= TOKENS - 1, "{events:?}");
        assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
        whole += 1;
    }
    assert_eq!((whole, applied), (STREAMS, 3));
    let revision = server.admin().get("/api/v1/status").await.expect(200).json()["revision"].clone();
    assert_eq!(revision, 5);
}
