//! What operators see: headers and metrics.

use engine_sim::Args;

use crate::support::{Engine, MASTER, TestGateway};

const CHAT: &str = r#"{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn an_answer_says_what_it_took_apart_from_the_engine() {
    let engine = Engine::start(Args { model: "up".into(), tokens: 4, ttft_ms: 400, ..Args::default() }).await;
    let gateway = TestGateway::start(&[&engine]).await;
    for body in [CHAT.to_owned(), CHAT.replace(r#""model""#, r#""stream":true,"model""#)] {
        let answer = gateway.post(PATH, &body).await;
        let overhead: f64 = answer.headers["x-enginehouse-overhead-duration-ms"].to_str().unwrap().parse().unwrap();
        assert!((0.001..300.0).contains(&overhead), "{overhead} ms, of which none are the engine's 400");
    }
    let page = gateway.get(MASTER, "/metrics").await;
    assert!(page.text().contains(r#"overhead_seconds_count{model_name="m",model_type="chat"} 2"#), "{}", page.text());
}

#[tokio::test]
async fn metrics_tell_how_replicas_and_the_books_are() {
    let (engine, dead) = (Engine::chat(4, 0).await, Engine::failing("status:500").await);
    let gateway = TestGateway::with(&[&engine, &dead], |snapshot| snapshot.settings.allowed_fails = 1).await;
    for _ in 0..20 {
        gateway.post(PATH, CHAT).await;
    }
    let page = gateway.get(MASTER, "/metrics").await;
    for line in [
        r#"enginehouse_replica_up{model_name="m",model_type="chat",replica="d0/0"} 1"#,
        r#"enginehouse_replica_up{model_name="m",model_type="chat",replica="d1/0"} 0"#,
        r#"enginehouse_replica_requests_in_flight{model_name="m",model_type="chat",replica="d0/0"} 0"#,
        "enginehouse_books_sound 1",
        "enginehouse_books_outstanding 0",
        "enginehouse_buffered_bytes 0",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_open_fds ",
    ] {
        assert!(page.text().contains(line), "{line} in {}", page.text());
    }
    assert!(page.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_clients_make_up_makes_no_series() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let series =
        async || gateway.get(MASTER, "/metrics").await.text().lines().filter(|line| !line.starts_with('#')).count();
    gateway.post(PATH, CHAT).await;
    gateway.post(PATH, &CHAT.replace(r#""m""#, r#""made-up""#)).await;
    gateway.post("/v1/made-up", CHAT).await;
    gateway.post_as("sk-made-up", PATH, CHAT).await;
    let before = series().await;
    for number in 0..50 {
        gateway.post(PATH, &CHAT.replace(r#""m""#, &format!("\"made-up-{number}\""))).await;
        gateway.post(&format!("/v1/made-up-{number}"), CHAT).await;
        gateway.post_as(&format!("sk-made-up-{number}"), PATH, CHAT).await;
    }
    assert_eq!(series().await, before);
}
