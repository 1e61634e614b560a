//! Clients that go away: the engine's connection closes at once, and the books say so.

use std::time::Duration;

use engine_sim::Args;
use ledger::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Engine, KEY, TestGateway, within};

/// Invariant: 100 ms. The engine is asked over HTTP, which itself takes some of them on a loaded machine.
const BOUND: Duration = Duration::from_millis(100);

async fn send(gateway: &TestGateway, body: &str) -> TcpStream {
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(body.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    within(BOUND, leave_in_the_middle_of_a_stream).await;
}

async fn leave_in_the_middle_of_a_stream() -> Duration {
    let engine = Engine::chat(10_000, 5).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let mut client =
        send(&gateway, r#"{"model":"m","stream":true,"max_tokens":8000,"messages":[{"role":"user","content":"x"}]}"#)
            .await;
    let mut seen = vec![0; 2_000];
    client.read_exact(&mut seen).await.unwrap();
    drop(client);
    let took = engine.until_running(0).await;
    let event = gateway.only_event().await;
    assert_eq!((event.outcome, event.status), (Outcome::Disconnected, 200));
    assert!(event.usage.completion_tokens > 0 && event.cost.0 > 0, "what was relayed is billed: {event:?}");
    took
}

#[tokio::test]
async fn before_the_answer_began() {
    for stream in [true, false] {
        within(BOUND, || leave_before_the_answer(stream)).await;
    }
}

async fn leave_before_the_answer(stream: bool) -> Duration {
    let engine = Engine::start(Args { model: "up".into(), ttft_ms: 60_000, ..Args::default() }).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let body = format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"x"}}]}}"#);
    let client = send(&gateway, &body).await;
    engine.until_running(1).await;
    drop(client);
    let took = engine.until_running(0).await;
    let event = gateway.only_event().await;
    assert_eq!((event.outcome, event.status, event.cost.0), (Outcome::Disconnected, 0, 0));
    took
}

#[tokio::test]
async fn in_the_middle_of_its_own_request() {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 500\r\n\r\n{{"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    drop(client);
    gateway.settled().await;
    assert!(gateway.events().await.is_empty(), "it was never admitted");
    assert_eq!(engine.state().await["total"], 0);
}
