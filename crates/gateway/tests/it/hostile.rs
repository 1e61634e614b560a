//! Clients and engines that keep to the letter of the protocol and to nothing else.

use std::time::Duration;

use engine_sim::Args;
use ledger::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::support::{Engine, KEY, TestGateway, deployment, within};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"max_tokens":8000,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

fn raw(body: &str, length: usize) -> Vec<u8> {
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    head.into_bytes()
}

/// An engine that reads a request and answers it with these bytes, then closes the connection.
async fn canned(answer: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 << 10];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn before(address: std::net::SocketAddr) -> TestGateway {
    TestGateway::with(&[], |snapshot| {
        let mut deployment = deployment("d0", address);
        deployment.credential = Some(snapshot::Secret::new("sk-upstream-secret"));
        snapshot.models[0].deployments.push(deployment);
    })
    .await
}

#[tokio::test]
async fn an_endpoint_that_repeats_our_credential_does_not_reach_the_client() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "500 Oops", "400 Bad Request"] {
        let body = r#"{"error":{"message":"no: Bearer sk-upstream-secret","type":"t","param":null,"code":"c"}}"#;
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let gateway = before(canned(answer.leak()).await).await;
        let refused = gateway.post(PATH, CHAT).await;
        assert!(
            !refused.status.is_success() && !refused.text().contains("sk-upstream"),
            "{status}: {}",
            refused.text()
        );
        let repeats_words = refused.text().contains("no: Bearer ***");
        assert_eq!(repeats_words, ["500 Oops", "400 Bad Request"].contains(&status), "{status}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_stream_that_just_ends_is_not_complete() {
    let head = "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let chunk = r#"data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}"#;
    let gateway = before(canned(format!("{head}{chunk}\n\n").leak()).await).await;
    let answer = gateway.post(PATH, STREAM).await;
    assert!(answer.text().contains("upstream_error"), "{}", answer.text());
    assert_eq!(gateway.only_event().await.outcome, Outcome::Failed);

    let gateway = before(canned(format!("{head}{chunk}\n\ndata: [DONE]\n").leak()).await).await;
    let answer = gateway.post(PATH, STREAM).await;
    assert!(answer.text().ends_with("data: [DONE]\n"), "{}", answer.text());
    assert_eq!(gateway.only_event().await.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_when_its_time_is_over() {
    let engine =
        Engine::start(Args { model: "up".into(), max_model_len: 4_000_000, tokens: 3_000_000, ..Args::default() });
    let engine = engine.await;
    let gateway = TestGateway::with(&[&engine], |snapshot| {
        snapshot.models[0].deployments[0].timeouts.total = Duration::from_millis(800);
    })
    .await;
    let body = STREAM.replace("8000", "3000000");
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(&raw(&body, body.len())).await.unwrap();
    engine.until_running(1).await;
    let took = engine.until_running(0).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    gateway.settled().await;
    assert_eq!(gateway.post(PATH, &STREAM.replace("8000", "1")).await.status, 200, "its place is free");
    drop(client);
}

#[tokio::test]
async fn a_client_that_sent_too_much_and_left_is_noticed() {
    for (more, body) in [("\r\n", STREAM), ("POST /next HTTP/1.1\r\n", STREAM), ("\r\n", CHAT)] {
        within(Duration::from_millis(150), || leave_after(body, more)).await;
    }
}

async fn leave_after(body: &str, more: &str) -> Duration {
    let engine = Engine::start(Args { model: "up".into(), ttft_ms: 60_000, ..Args::default() }).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(&raw(&format!("{body}{more}"), body.len())).await.unwrap();
    engine.until_running(1).await;
    drop(client);
    let took = engine.until_running(0).await;
    assert_eq!(gateway.only_event().await.outcome, Outcome::Disconnected);
    took
}

#[tokio::test]
async fn a_key_that_is_blocked_while_its_body_comes_is_blocked() {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let (first, rest) = CHAT.split_at(10);
    client.write_all(&raw(first, CHAT.len())).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    gateway.publish(|snapshot| snapshot.keys[0].blocked = true).await;
    client.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert_eq!(engine.state().await["total"], 0);
}

#[tokio::test]
async fn a_replica_whose_streams_break_is_left_alone() {
    let (bad, good) = (Engine::failing("cut:2").await, Engine::chat(3, 0).await);
    let gateway = TestGateway::with(&[&bad, &good], |snapshot| {
        snapshot.settings.cooldown = Duration::from_secs(600);
    })
    .await;
    for _ in 0..40 {
        gateway.post(PATH, &STREAM.replace("8000", "8")).await;
    }
    assert_eq!(bad.state().await["total"], 3, "three broken streams in a row, then none");
}

#[tokio::test]
async fn the_sum_of_answers_is_bounded() {
    let engine = Engine::start(Args { model: "up".into(), fixed_bytes: Some(40_000), ..Args::default() }).await;
    let gateway = TestGateway::with(&[&engine], |snapshot| snapshot.settings.max_buffered_bytes = 50_000).await;
    for _ in 0..5 {
        assert_eq!(gateway.post(PATH, CHAT).await.status, 200, "what was sent is given back");
    }
    gateway.publish(|snapshot| snapshot.settings.max_buffered_bytes = 30_000).await;
    let refused = gateway.post(PATH, CHAT).await;
    assert_eq!((refused.status.as_u16(), refused.body.len() < 1_000), (503, true));
}
