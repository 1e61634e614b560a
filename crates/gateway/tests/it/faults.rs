//! Engines that fail: another takes over while nothing was sent, else the client gets an error that SDKs raise.

use std::time::Duration;

use ledger::{Outcome, UsageSource};
use snapshot::Snapshot;

use crate::support::{Engine, TestGateway, deployment};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

fn quick(snapshot: &mut Snapshot) {
    for deployment in &mut snapshot.models[0].deployments {
        deployment.timeouts.first_byte = Duration::from_millis(300);
        deployment.timeouts.between_bytes = Duration::from_millis(300);
        deployment.timeouts.total = Duration::from_millis(600);
    }
}

#[tokio::test]
async fn another_replica_takes_over_as_long_as_nothing_was_sent() {
    for fault in ["refuse", "status:500", "status:503", "status:429", "cut:0", "bad-json", "error-event:0"] {
        let (bad, good) = (Engine::failing(fault).await, Engine::chat(2, 0).await);
        let gateway = TestGateway::with(&[&bad, &good], |snapshot| {
            snapshot.models[0].strategy = snapshot::Strategy::LeastBusy;
        })
        .await;
        for body in [CHAT, STREAM] {
            if fault == "bad-json" && body == STREAM {
                continue;
            }
            // Ties go by chance: often enough the bad one is asked first.
            for _ in 0..20 {
                assert_eq!(gateway.post(PATH, body).await.status, 200, "{fault} {body}");
            }
        }
        gateway.settled().await;
        let events = gateway.events().await;
        assert!(events.iter().all(|event| event.outcome == Outcome::Completed), "{fault}");
        let retried: Vec<_> = events.iter().filter(|event| event.attempts.len() > 1).collect();
        assert!(!retried.is_empty(), "{fault} was never met");
        for event in retried {
            assert_eq!((&*event.attempts[0].deployment, event.attempts[0].fault.is_empty()), ("d0", false));
            assert_eq!((&*event.attempts[1].deployment, &*event.attempts[1].fault), ("d1", ""));
            assert_eq!(event.usage_source, UsageSource::Engine);
        }
    }
}

#[tokio::test]
async fn what_failed_is_named_when_nothing_takes_over() {
    for (fault, status, code) in [
        ("refuse", 502, "upstream_error"),
        ("status:500", 502, "upstream_error"),
        ("status:503", 503, "upstream_unavailable"),
        ("status:429", 429, "rate_limit_exceeded"),
        ("status:401", 502, "upstream_misconfigured"),
        ("status:404", 502, "upstream_misconfigured"),
        ("bad-json", 502, "upstream_error"),
        ("lying-length", 502, "upstream_error"),
        ("stall", 504, "upstream_timeout"),
    ] {
        let engine = Engine::failing(fault).await;
        let gateway = TestGateway::with(&[&engine], quick).await;
        let answer = gateway.post(PATH, CHAT).await;
        let error = answer.error();
        assert_eq!((error.0, error.3.as_str()), (status, code), "{fault}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(code == "rate_limit_exceeded" || message.contains("'d0'"), "{message}");
        let event = gateway.only_event().await;
        assert_eq!((event.outcome, event.status, event.cost.0), (Outcome::Failed, status, 0), "{fault}");
        assert!(!event.attempts.is_empty());
    }
}

#[tokio::test]
async fn nobody_listens() {
    // Bound, so that nobody else gets the port meanwhile, but not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let gateway = TestGateway::with(&[], |snapshot| {
        snapshot.models[0].deployments.push(deployment("d0", address));
    })
    .await;
    assert_eq!(gateway.post(PATH, CHAT).await.error().3, "upstream_unavailable");
    gateway.publish(|snapshot| snapshot.models[0].deployments.clear()).await;
    let answer = gateway.post(PATH, CHAT).await;
    assert_eq!((answer.error().0, answer.error().3.as_str()), (503, "no_healthy_deployment"));
}

#[tokio::test]
async fn a_refusal_of_the_request_itself_passes_in_the_engine_s_words() {
    let engine = Engine::failing("status:400").await;
    let spare = Engine::failing("status:400").await;
    let gateway = TestGateway::start(&[&engine, &spare]).await;
    let direct = engine.post(PATH, &CHAT.replace("\"m\"", "\"up\"")).await;
    let through = gateway.post(PATH, CHAT).await;
    assert_eq!((through.status, &through.body), (direct.status, &direct.body));
    assert_eq!(gateway.only_event().await.attempts.len(), 1, "not repeated");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_event() {
    for (fault, code) in [("cut:2", "upstream_error"), ("stall:2", "upstream_timeout")] {
        let engine = Engine::failing(fault).await;
        let gateway = TestGateway::with(&[&engine], quick).await;
        let answer = gateway.post(PATH, STREAM).await;
        assert_eq!(answer.status, 200);
        let last = answer.text().trim_end().rsplit("\n\n").next().unwrap();
        let error: serde_json::Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(error["error"]["code"], code, "{fault}: {}", answer.text());
        assert!(!answer.text().contains("[DONE]"), "a broken stream must not look complete");
        let event = gateway.only_event().await;
        assert_eq!((event.outcome, event.usage_source), (Outcome::Failed, UsageSource::Estimate), "{fault}");
        assert!(event.usage.completion_tokens >= 1, "{event:?}");
    }
}

#[tokio::test]
async fn an_error_in_band_passes_and_is_not_a_success() {
    let engine = Engine::failing("error-event:3").await;
    let gateway = TestGateway::start(&[&engine]).await;
    let answer = gateway.post(PATH, STREAM).await;
    assert!(answer.text().contains("\"error\""));
    assert_eq!(gateway.only_event().await.outcome, Outcome::Failed);
}

#[tokio::test]
async fn usage_that_cannot_be_believed_is_estimated() {
    for fault in ["wrong-usage:negative", "wrong-usage:missing", "wrong-usage:strings", "wrong-usage:huge"] {
        for body in [CHAT, STREAM] {
            let engine = Engine::failing(fault).await;
            let gateway = TestGateway::start(&[&engine]).await;
            assert_eq!(gateway.post(PATH, body).await.status, 200);
            let event = gateway.only_event().await;
            assert_eq!((event.outcome, event.usage_source), (Outcome::Completed, UsageSource::Estimate), "{fault}");
            assert!(event.usage.prompt_tokens > 0 && event.usage.completion_tokens > 0, "{fault} {event:?}");
        }
    }
}

#[tokio::test]
async fn odd_streams_still_pass() {
    for fault in ["drip:0", "no-done", "huge-event:6000000", "bad-json"] {
        let engine = Engine::failing(fault).await;
        let gateway = TestGateway::start(&[&engine]).await;
        let direct = engine.post(PATH, &STREAM.replace("\"m\"", "\"up\"")).await;
        let through = gateway.post(PATH, STREAM).await;
        assert_eq!(through.status, 200, "{fault}");
        let names = |text: &str| text.matches("data: ").count();
        assert_eq!(names(through.text()), names(direct.text()), "{fault}");
        assert_eq!(gateway.only_event().await.outcome, Outcome::Completed, "{fault}");
    }
}

#[tokio::test]
async fn a_replica_that_fails_again_and_again_is_left_alone_for_a_while() {
    let (bad, good) = (Engine::failing("status:500").await, Engine::chat(1, 0).await);
    let gateway =
        TestGateway::with(&[&bad, &good], |snapshot| snapshot.settings.cooldown = Duration::from_secs(600)).await;
    for _ in 0..60 {
        assert_eq!(gateway.post(PATH, CHAT).await.status, 200);
    }
    assert_eq!(bad.state().await["total"], 3, "three failures in a row, then none");
}

#[tokio::test]
async fn a_deployment_s_own_limit_sends_requests_elsewhere() {
    let (narrow, wide) = (Engine::chat(1, 0).await, Engine::chat(1, 0).await);
    let gateway = TestGateway::with(&[&narrow, &wide], |snapshot| {
        snapshot.models[0].deployments[0].rpm = Some(2);
    })
    .await;
    for _ in 0..20 {
        assert_eq!(gateway.post(PATH, CHAT).await.status, 200);
    }
    assert_eq!(narrow.state().await["total"], 2);
    gateway.publish(|snapshot| drop(snapshot.models[0].deployments.pop())).await;
    assert_eq!(gateway.post(PATH, CHAT).await.error().3, "rate_limit_exceeded");
}
