//! The response cache: what it gives again, to whom, and what that costs.

use std::sync::Arc;
use std::time::Duration;

use engine_sim::Args;
use ledger::{Nanos, Outcome, UsageSource};
use snapshot::{CacheSettings, Snapshot};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Answer, Engine, KEY, TestGateway, key};

const CHAT: &str = r#"{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"x"}]}"#;
const STREAM: &str = r#"{"model":"m","max_tokens":4,"stream":true,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";
const OTHER: &str = "sk-other-0123456789";

fn settings() -> CacheSettings {
    CacheSettings {
        ttl: Duration::from_secs(600),
        max_bytes: 1 << 20,
        max_entry_bytes: 64 << 10,
        namespace: None,
        coalesce: false,
    }
}

fn switched_on(snapshot: &mut Snapshot) {
    snapshot.settings.cache = Some(settings());
    snapshot.keys.push(key("k2", OTHER));
}

fn result(answer: &Answer) -> &str {
    answer.headers.get("x-enginehouse-cache").map_or("off", |value| value.to_str().unwrap())
}

/// Requests that the engine has had.
async fn asked(engine: &Engine) -> u64 {
    engine.state().await["total"].as_u64().unwrap()
}

#[tokio::test]
async fn nothing_is_kept_unless_it_is_switched_on() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    for _ in 0..2 {
        assert_eq!(result(&gateway.post(PATH, CHAT).await), "off");
    }
    assert_eq!(asked(&engine).await, 2);
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes_at_no_cost() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::with(&[&engine], switched_on).await;
    for body in [CHAT, STREAM] {
        let (first, second) = (gateway.post(PATH, body).await, gateway.post(PATH, body).await);
        assert_eq!((result(&first), result(&second)), ("miss", "hit"));
        assert_eq!((&first.body, &first.headers["content-type"]), (&second.body, &second.headers["content-type"]));
        assert_ne!(first.headers["x-request-id"], second.headers["x-request-id"]);
    }
    assert_eq!(asked(&engine).await, 2);
    gateway.settled().await;
    let events = gateway.events().await;
    assert_eq!(events.len(), 4, "a hit is an event too");
    let free: Vec<_> = events.iter().filter(|event| event.usage_source == UsageSource::Cache).collect();
    assert_eq!(free.len(), 2);
    for event in free {
        assert_eq!((event.outcome, event.status, event.cost), (Outcome::Completed, 200, Nanos::ZERO));
        assert_eq!((event.usage.total_tokens(), event.attempts.len()), (0, 0));
    }
    let metrics = gateway.get(crate::support::MASTER, "/metrics").await;
    assert!(
        metrics.text().contains(r#"cache_requests_total{model_name="m",model_type="chat",result="hit"} 2"#),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn a_hit_counts_for_the_rate() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::with(&[&engine], |snapshot| {
        switched_on(snapshot);
        snapshot.keys[0].limits.rpm = Some(2);
    })
    .await;
    let statuses = [gateway.post(PATH, CHAT).await, gateway.post(PATH, CHAT).await, gateway.post(PATH, CHAT).await];
    assert_eq!(statuses.map(|answer| answer.status.as_u16()), [200, 200, 429]);
}

#[tokio::test]
async fn every_key_has_its_own_answers_unless_they_share_a_namespace() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::with(&[&engine], switched_on).await;
    assert_eq!(result(&gateway.post(PATH, CHAT).await), "miss");
    assert_eq!(result(&gateway.post_as(OTHER, PATH, CHAT).await), "miss");

    let share = |snapshot: &mut Snapshot| {
        let namespace = Some("all".into());
        snapshot.settings.cache = Some(CacheSettings { namespace, ..settings() });
    };
    gateway.publish(share).await;
    assert_eq!(result(&gateway.post(PATH, CHAT).await), "miss");
    assert_eq!(result(&gateway.post_as(OTHER, PATH, CHAT).await), "hit");

    // What a key may not use it does not get out of a shared cache either.
    gateway
        .publish(|snapshot| {
            share(snapshot);
            snapshot.keys[1].models = vec!["another".to_owned()];
        })
        .await;
    assert_eq!(result(&gateway.post(PATH, CHAT).await), "hit");
    assert_eq!(gateway.post_as(OTHER, PATH, CHAT).await.error().3, "model_not_allowed");
}

#[tokio::test]
async fn only_whole_successes_are_kept() {
    let engine =
        Engine::start(Args { model: "up".into(), tokens: 9, fault: Some("cut:2".parse().unwrap()), ..Args::default() })
            .await;
    let gateway = TestGateway::with(&[&engine], |snapshot| {
        switched_on(snapshot);
        snapshot.settings.allowed_fails = 1_000;
    })
    .await;
    let cut = gateway.post(PATH, STREAM).await;
    assert!(cut.text().contains("\"error\""), "{}", cut.text());
    assert_eq!(result(&gateway.post(PATH, STREAM).await), "miss");

    let erring = Engine::failing("error-event:2").await;
    let gateway = TestGateway::with(&[&erring], switched_on).await;
    for _ in 0..2 {
        let broken = gateway.post(PATH, STREAM).await;
        assert!(broken.text().contains("\"error\"") && result(&broken) == "miss", "{}", broken.text());
    }

    let refusing = Engine::failing("status:400").await;
    let gateway = TestGateway::with(&[&refusing], switched_on).await;
    for _ in 0..2 {
        assert_eq!(gateway.post(PATH, CHAT).await.status, 400);
    }
    assert_eq!(asked(&refusing).await, 2);
}

#[tokio::test]
async fn the_client_can_ask_anew_or_leave_nothing() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::with(&[&engine], switched_on).await;
    let authorization = format!("Bearer {KEY}");
    let with = async |directive| {
        let headers = [("authorization", authorization.as_str()), ("cache-control", directive)];
        result(&gateway.post_with(&headers, PATH, CHAT).await).to_owned()
    };
    assert_eq!(with("no-store").await, "miss");
    assert_eq!(with("max-age=0").await, "miss");
    assert_eq!(with("max-age=0").await, "hit");
    assert_eq!(with("private, No-Cache").await, "miss");
    assert_eq!(asked(&engine).await, 3);
}

#[tokio::test]
async fn answers_age_are_bounded_and_belong_to_what_serves_the_model() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::with(&[&engine], |snapshot| {
        let ttl = Duration::from_millis(300);
        snapshot.settings.cache = Some(CacheSettings { ttl, ..settings() });
    })
    .await;
    gateway.post(PATH, CHAT).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(result(&gateway.post(PATH, CHAT).await), "miss");

    gateway
        .publish(|snapshot| snapshot.settings.cache = Some(CacheSettings { max_entry_bytes: 16, ..settings() }))
        .await;
    gateway.post(PATH, CHAT).await;
    gateway.post(PATH, STREAM).await;
    assert_eq!(result(&gateway.post(PATH, CHAT).await), "miss", "too large to be kept");
    assert_eq!(result(&gateway.post(PATH, STREAM).await), "miss", "too large to be kept");

    gateway.publish(switched_on).await;
    gateway.post(PATH, CHAT).await;
    gateway
        .publish(|snapshot| {
            switched_on(snapshot);
            snapshot.models[0].deployments[0].id = "another".into();
        })
        .await;
    assert_eq!(result(&gateway.post(PATH, CHAT).await), "miss");
    gateway.publish(switched_on).await;
    assert_eq!(result(&gateway.post(PATH, CHAT).await), "hit", "other changes lose nothing");
}

fn coalescing(snapshot: &mut Snapshot) {
    snapshot.settings.cache = Some(CacheSettings { coalesce: true, ..settings() });
    snapshot.keys[0].limits.max_parallel = Some(20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_requests_at_once_are_asked_once() {
    let engine = Engine::start(Args { model: "up".into(), tokens: 4, ttft_ms: 700, ..Args::default() }).await;
    let gateway = Arc::new(TestGateway::with(&[&engine], coalescing).await);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let gateway = gateway.clone();
        all.spawn(async move { gateway.post(PATH, CHAT).await });
    }
    let answers = all.join_all().await;
    assert_eq!(asked(&engine).await, 1);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    gateway.settled().await;
    let events = gateway.events().await;
    let billed = events.iter().filter(|event| event.cost > Nanos::ZERO).count();
    assert_eq!((events.len(), billed), (20, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_one_that_leaves_asks_for_itself() {
    let engine = Engine::start(Args { model: "up".into(), tokens: 4, ttft_ms: 3_000, ..Args::default() }).await;
    let gateway = Arc::new(TestGateway::with(&[&engine], coalescing).await);
    let mut leader = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        CHAT.len()
    );
    leader.write_all(format!("{head}{CHAT}").as_bytes()).await.unwrap();
    engine.until_running(1).await;
    let follower = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.post(PATH, CHAT).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(leader);
    let answer = follower.await.unwrap();
    assert_eq!((answer.status.as_u16(), result(&answer)), (200, "miss"));
    assert_eq!(asked(&engine).await, 2);
}
