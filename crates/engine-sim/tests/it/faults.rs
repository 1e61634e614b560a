//! Every way to fail does what it says, below and above HTTP.

use std::time::Duration;

use crate::common::{Answer, Sim, read, request};
use engine_sim::Args;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const CHAT: &str = "/v1/chat/completions";
const WHOLE: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str =
    r#"{"messages":[{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true}}"#;

async fn sim() -> Sim {
    Sim::start(Args::default()).await
}

async fn with(fault: &str, body: &str) -> Answer {
    sim().await.post_with(CHAT, body, ("x-sim-fault", fault)).await
}

#[tokio::test]
async fn refuse_closes_without_a_byte() {
    let answer = with("refuse", WHOLE).await;
    assert!(answer.body.is_empty());
    assert_eq!(answer.status, 0);
}

#[tokio::test]
async fn a_shut_port_refuses_and_opens_again() {
    let sim = sim().await;
    sim.post("/sim/faults", r#"{"refuse_for_ms":300}"#).await;
    let start = Instant::now();
    let mut refused = false;
    while start.elapsed() < Duration::from_secs(10) {
        match TcpStream::connect(sim.address).await {
            Err(_) => refused = true,
            Ok(_) if refused => break,
            Ok(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(refused);
    assert_eq!(sim.get("/health").await.status, 200);
}

#[tokio::test]
async fn stall_sends_nothing_or_so_many_chunks() {
    for (fault, body, expected) in [("stall", WHOLE, 0), ("stall", STREAM, 0), ("stall:3", STREAM, 3)] {
        let sim = sim().await;
        let mut stream = sim.connect().await;
        let headers = [("content-type", "application/json"), ("x-sim-fault", fault)];
        stream.write_all(&request("POST", CHAT, &headers, body.as_bytes())).await.unwrap();
        let mut bytes = Vec::new();
        let _never_ends = timeout(Duration::from_millis(300), stream.read_to_end(&mut bytes)).await.unwrap_err();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches("data: ").count(), expected, "{fault}");
        assert_eq!(text.is_empty(), expected == 0, "{fault}");
        assert_eq!(sim.state().await["running"], 1);
        drop(stream);
        sim.until_cancelled(1).await;
    }
}

#[tokio::test]
async fn a_whole_answer_stalls_in_the_middle() {
    let sim = sim().await;
    let mut stream = sim.connect().await;
    let headers = [("content-type", "application/json"), ("x-sim-fault", "stall:1")];
    stream.write_all(&request("POST", CHAT, &headers, WHOLE.as_bytes())).await.unwrap();
    let mut bytes = Vec::new();
    let _never_ends = timeout(Duration::from_millis(300), stream.read_to_end(&mut bytes)).await.unwrap_err();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("chatcmpl-") && !text.contains("usage"), "{text}");
}

#[tokio::test]
async fn cut_ends_in_the_middle_of_a_chunk() {
    for after in [0, 1, 5] {
        let answer = with(&format!("cut:{after}"), STREAM).await;
        assert_eq!((answer.status, answer.complete), (200, false));
        let text = answer.text();
        assert_eq!(text.matches("\n\n").count(), after, "{text}");
        assert!(!text.ends_with("\n\n") && text.len() > after * 20, "{text}");
    }
    let answer = with("cut", WHOLE).await;
    assert_eq!((answer.status, answer.complete), (200, false));
    assert!(!answer.body.is_empty());
}

#[tokio::test]
async fn drip_sends_every_byte_by_itself() {
    let sim = sim().await;
    let mut stream = sim.connect().await;
    let body = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":1}"#;
    let headers = [("content-type", "application/json"), ("x-sim-fault", "drip:1")];
    stream.write_all(&request("POST", CHAT, &headers, body.as_bytes())).await.unwrap();
    let mut first = [0; 64];
    let read_at_once = stream.read(&mut first).await.unwrap();
    assert!(read_at_once <= 8, "{read_at_once}");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let all = [&first[..read_at_once], &rest].concat();
    assert!(String::from_utf8(all).unwrap().ends_with("\"metrics\":null}"));
}

#[tokio::test]
async fn slow_headers_come_after_the_status_line() {
    let sim = sim().await;
    let mut stream = sim.connect().await;
    let headers = [("content-type", "application/json"), ("x-sim-fault", "slow-headers:300")];
    stream.write_all(&request("POST", CHAT, &headers, WHOLE.as_bytes())).await.unwrap();
    let mut line = [0; 15];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 200 OK");
    let start = Instant::now();
    let rest = read(&mut stream).await;
    assert!(start.elapsed() > Duration::from_millis(200));
    assert!(rest.text().ends_with("\"metrics\":null}"));
}

#[tokio::test]
async fn statuses_have_vllms_body_and_say_when_to_come_back() {
    for (code, kind, retry) in [
        (500, "InternalServerError", None),
        (429, "RateLimitError", Some("1")),
        (503, "ServiceUnavailableError", Some("1")),
        (400, "BadRequestError", None),
    ] {
        let answer = with(&format!("status:{code}"), STREAM).await;
        assert_eq!((answer.status, answer.header("retry-after")), (code, retry));
        assert_eq!((&answer.json()["error"]["type"], &answer.json()["error"]["code"]), (&json!(kind), &json!(code)));
    }
}

#[tokio::test]
async fn usage_is_wrong_on_demand() {
    let usage = |answer: Answer| answer.json()["usage"]["completion_tokens"].clone();
    assert_eq!(usage(with("wrong-usage:off", WHOLE).await), 1_000_016);
    assert_eq!(usage(with("wrong-usage:negative", WHOLE).await), -17);
    assert_eq!(usage(with("wrong-usage:strings", WHOLE).await), "16");
    assert_eq!(with("wrong-usage:missing", WHOLE).await.json().get("usage"), None);
    let last = with("wrong-usage:negative", STREAM).await.events().pop().unwrap();
    assert_eq!(last["usage"]["completion_tokens"], -17);
}

#[tokio::test]
async fn an_error_comes_in_band_and_is_followed_by_done() {
    let answer = with("error-event:3", STREAM).await;
    assert_eq!((answer.status, answer.complete), (200, true));
    let data = answer.data();
    assert_eq!(data.len(), 5);
    assert!(data[3].contains(r#""error":{"message":"EngineCore"#));
    assert_eq!(data[4], "[DONE]");
    assert_eq!(with("error-event", WHOLE).await.status, 500);
}

#[tokio::test]
async fn done_can_be_missing() {
    let (with_done, without) = (with("wrong-usage", STREAM).await, with("no-done", STREAM).await);
    assert_eq!(with_done.data().last().unwrap(), "[DONE]");
    assert_eq!(with_done.data().len(), without.data().len() + 1);
    assert!(without.complete);
}

#[tokio::test]
async fn events_can_be_huge_or_broken() {
    let huge = with("huge-event:3000000", STREAM).await;
    assert!(huge.complete && huge.events()[1].to_string().len() > 3_000_000);
    assert!(with("huge-event:3000000", WHOLE).await.json().to_string().len() > 3_000_000);
    let broken = with("bad-json", STREAM).await.data();
    assert!(serde_json::from_str::<serde_json::Value>(&broken[0]).is_ok());
    assert!(serde_json::from_str::<serde_json::Value>(&broken[1]).is_err());
    let whole = with("bad-json", WHOLE).await;
    assert!(whole.complete && serde_json::from_slice::<serde_json::Value>(&whole.body).is_err());
}

#[tokio::test]
async fn the_length_can_lie() {
    let answer = with("lying-length:25", WHOLE).await;
    let announced: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(announced, answer.body.len() + 25);
    assert!(!answer.complete);
}

#[tokio::test]
async fn a_standing_fault_hits_so_many_requests() {
    let sim = sim().await;
    let set = sim.post("/sim/faults", r#"{"fault":"status:503","times":2}"#).await.json();
    assert_eq!((&set["fault"], &set["times"]), (&json!("status:503"), &json!(2)));
    let statuses = [503, 503, 200];
    for status in statuses {
        assert_eq!(sim.post(CHAT, WHOLE).await.status, status);
    }
    sim.post("/sim/faults", r#"{"fault":"status:500"}"#).await;
    assert_eq!(sim.post(CHAT, WHOLE).await.status, 500);
    assert_eq!(sim.get("/health").await.status, 200, "only requests for work fail");
    sim.post("/sim/faults", r#"{"fault":null}"#).await;
    assert_eq!(sim.post(CHAT, WHOLE).await.status, 200);
}

#[tokio::test]
async fn pace_length_and_health_can_be_changed() {
    let sim = sim().await;
    sim.post("/sim/faults", r#"{"tokens":3,"ttft_ms":50,"inter_token_ms":40,"health":503}"#).await;
    let start = Instant::now();
    assert_eq!(sim.post(CHAT, WHOLE).await.json()["usage"]["completion_tokens"], 3);
    assert!(start.elapsed() >= Duration::from_millis(130));
    assert_eq!(sim.get("/health").await.status, 503);
    let untouched = sim.get("/sim/faults").await.json();
    assert_eq!((&untouched["tokens"], &untouched["fault"]), (&json!(3), &json!(null)));
}

#[tokio::test]
async fn nonsense_is_refused_and_named() {
    let sim = sim().await;
    for body in [r#"{"fault":"explode"}"#, r#"{"falt":"cut"}"#, r#"{"health":7}"#, "[]"] {
        assert_eq!(sim.post("/sim/faults", body).await.status, 400, "{body}");
    }
    let answer = sim.post_with(CHAT, WHOLE, ("x-sim-fault", "explode")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("`explode` is no fault"));
}
