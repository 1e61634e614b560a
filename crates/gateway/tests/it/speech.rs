//! Speech: sound that passes as it comes, and breaks where it breaks.

use std::time::Duration;

use engine_sim::{Args, EngineType};
use http_body_util::BodyExt as _;
use ledger::{Outcome, UsageSource};
use snapshot::ModelType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Engine, KEY, TestGateway, within};

/// Invariant: 100 ms. The engine is asked over HTTP, which itself takes some of them on a loaded machine.
const BOUND: Duration = Duration::from_millis(100);

const PATH: &str = "/v1/audio/speech";
const RAW: &str = r#"{"model":"m","input":"Hello there, Grüße","response_format":"pcm","stream":true}"#;
const EVENTS: &str = r#"{"model":"m","input":"Hello there, Grüße","stream_format":"sse"}"#;

async fn voice(inter_token_ms: u64, fault: Option<&str>) -> Engine {
    let fault = fault.map(|fault| fault.parse().unwrap());
    let engine_type = EngineType::TextToSpeech;
    Engine::start(Args { model: "up".into(), engine_type, inter_token_ms, fault, ..Args::default() }).await
}

async fn gateway(engines: &[&Engine]) -> TestGateway {
    TestGateway::with(engines, |snapshot| {
        snapshot.models[0].model_type = ModelType::TextToSpeech;
        for deployment in &mut snapshot.models[0].deployments {
            deployment.timeouts.between_bytes = Duration::from_millis(300);
        }
    })
    .await
}

fn upstream(body: &str) -> String {
    body.replace("\"m\"", "\"up\"")
}

#[tokio::test]
async fn streamed_sound_arrives_byte_for_byte_and_event_for_event() {
    let dripped = RAW.replace("Hello there, Grüße", "ü");
    let cases = [
        (RAW, None, 18, UsageSource::Estimate),
        (EVENTS, None, 18, UsageSource::Engine),
        (dripped.as_str(), Some("drip:0"), 1, UsageSource::Estimate),
    ];
    for (body, fault, characters, source) in cases {
        let engine = voice(1, fault).await;
        let gateway = gateway(&[&engine]).await;
        let direct = engine.post(PATH, &upstream(body)).await;
        let through = gateway.post(PATH, body).await;
        assert_eq!(through.body, direct.body);
        assert_eq!(through.headers["content-type"], direct.headers["content-type"]);
        assert!(!through.headers.contains_key("content-length"), "it is not held until it is whole");
        let event = gateway.only_event().await;
        assert_eq!((event.outcome, event.usage.characters), (Outcome::Completed, characters));
        assert_eq!((event.usage_source, event.open.stream), (source, true));
    }
}

#[tokio::test]
async fn sound_that_breaks_off_is_not_taken_for_whole() {
    for fault in ["cut:3", "stall:3"] {
        let engine = voice(0, Some(fault)).await;
        let gateway = gateway(&[&engine]).await;
        let (status, body) = gateway.broken(PATH, RAW).await;
        assert_eq!(status, 200);
        assert!(!body.is_empty(), "what came was passed on");
        let event = gateway.only_event().await;
        assert_eq!((event.outcome, event.usage.characters), (Outcome::Failed, 18), "{fault}");
    }
}

#[tokio::test]
async fn events_that_break_off_end_in_an_error() {
    let engine = voice(0, Some("cut:3")).await;
    let gateway = gateway(&[&engine]).await;
    let through = gateway.post(PATH, EVENTS).await;
    assert!(through.text().ends_with("\"code\":\"upstream_error\"}}\n\n"), "{:.300}", through.text());
    assert_eq!(gateway.only_event().await.outcome, Outcome::Failed);
}

#[tokio::test]
async fn another_replica_speaks_as_long_as_nothing_was_heard() {
    for fault in ["refuse", "status:500"] {
        let (bad, good) = (voice(0, Some(fault)).await, voice(0, None).await);
        let gateway = gateway(&[&bad, &good]).await;
        for body in [RAW, EVENTS].into_iter().cycle().take(12) {
            let direct = good.post(PATH, &upstream(body)).await;
            assert_eq!(gateway.post(PATH, body).await.body, direct.body, "{fault}");
        }
    }
}

#[tokio::test]
async fn a_listener_that_leaves_closes_the_engine_s_connection() {
    for body in [RAW, EVENTS] {
        within(BOUND, || leave(body)).await;
    }
}

async fn leave(body: &str) -> Duration {
    let engine = voice(100, None).await;
    let gateway = gateway(&[&engine]).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut seen = vec![0; 2_000];
    client.read_exact(&mut seen).await.unwrap();
    drop(client);
    let took = engine.until_running(0).await;
    let event = gateway.only_event().await;
    assert_eq!((event.outcome, event.usage.characters), (Outcome::Disconnected, 18), "what was spoken is billed");
    took
}

impl TestGateway {
    /// Posts to where the answer breaks off: its status, and what came of it.
    async fn broken(&self, path: &str, body: &str) -> (u16, Vec<u8>) {
        let response = self.begin(path, body).await;
        let (status, mut rest, mut seen) = (response.status().as_u16(), response.into_body(), Vec::new());
        loop {
            match rest.frame().await {
                Some(Ok(frame)) => seen.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(_)) => return (status, seen),
                None => panic!("it ended as if it were whole"),
            }
        }
    }
}
