//! Who is to blame: each time-out and fault by its word in books and metrics, and only replicas that fail are left alone.

use std::time::Duration;

use engine_sim::Args;
use ledger::Outcome;
use snapshot::Snapshot;
use tokio::time::sleep;

use crate::raw::{RawEngine, Reply, Then};
use crate::support::{Engine, MASTER, TestGateway, deployment};

const PATH: &str = "/v1/chat/completions";
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Left alone for longer than a test runs, after three failures.
fn long_cooldown(snapshot: &mut Snapshot) {
    snapshot.settings.cooldown = Duration::from_secs(600);
    snapshot.settings.retries = 0;
}

/// An address whose listener takes no connection: the queue is full.
async fn deaf() -> (std::net::SocketAddr, impl Drop) {
    struct Queue(#[expect(dead_code, reason = "held")] tokio::net::TcpListener, Vec<tokio::task::JoinHandle<()>>);
    impl Drop for Queue {
        fn drop(&mut self) {
            self.1.iter().for_each(tokio::task::JoinHandle::abort);
        }
    }
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect =
        |_| tokio::spawn(async move { drop(tokio::net::TcpStream::connect(address).await.map(std::mem::forget)) });
    let waiting = (0..6).map(connect).collect();
    sleep(MS(100)).await;
    (address, Queue(listener, waiting))
}

#[tokio::test]
async fn each_time_out_has_its_word() {
    let dripping = || async {
        Engine::start(Args { model: "up".into(), tokens: 4_000, inter_token_ms: 20, ..Args::default() }).await
    };
    let (engine, slow) = (Engine::failing("stall").await, dripping().await);
    let (stalling, silent) = (Engine::failing("stall:2").await, deaf().await);
    let cases = [
        (STREAM, silent.0, "connect", 503, false),
        (CHAT, silent.0, "connect", 503, false),
        (STREAM, engine.address, "timeout_first_byte", 504, false),
        (CHAT, engine.address, "timeout_total", 504, false),
        (STREAM, stalling.address, "timeout_between_bytes", 200, true),
        (STREAM, slow.address, "timeout_total", 200, true),
    ];
    for (body, address, word, status, has_begun) in cases {
        let gateway = TestGateway::with(&[], |snapshot| {
            snapshot.settings.retries = 0;
            let mut deployment = deployment("d0", address);
            let timeouts = &mut deployment.timeouts;
            (timeouts.connect, timeouts.first_byte, timeouts.between_bytes) = (MS(200), MS(300), MS(400));
            timeouts.total = MS(800);
            snapshot.models[0].deployments.push(deployment);
        })
        .await;
        let began = tokio::time::Instant::now();
        assert_eq!(gateway.post(PATH, body).await.status, status, "{word}");
        assert!(began.elapsed() < Duration::from_secs(8), "{word}: {:?}", began.elapsed());
        let event = gateway.only_event().await;
        assert_eq!((&*event.attempts[0].fault, event.outcome, event.status), (word, Outcome::Failed, status));
        let metrics = gateway.get(MASTER, "/metrics").await;
        let family = if has_begun { "broken_streams" } else { "attempts" };
        let line = format!(
            "enginehouse_{family}_total{{model_name=\"m\",model_type=\"chat\",deployment=\"d0\",fault=\"{word}\"}} 1"
        );
        assert!(metrics.text().contains(&line), "{line}\nnot in\n{}", metrics.text());
    }
}

#[tokio::test]
async fn what_breaks_off_says_how() {
    for (fault, word) in [("cut:2", "cut"), ("error-event:2", "error_event")] {
        let engine = Engine::failing(fault).await;
        let gateway = TestGateway::start(&[&engine]).await;
        gateway.post(PATH, STREAM).await;
        let event = gateway.only_event().await;
        assert_eq!((&*event.attempts[0].fault, event.attempts[0].status), (word, 200));
    }
}

#[tokio::test]
async fn a_refusal_of_the_request_never_cools_a_replica() {
    for status in ["400", "402", "409", "413", "415", "422"] {
        let (picky, spare) = (Engine::failing(&format!("status:{status}")).await, Engine::chat(1, 0).await);
        let gateway = TestGateway::with(&[&picky, &spare], |snapshot| {
            long_cooldown(snapshot);
            snapshot.settings.allowed_fails = 1;
        })
        .await;
        for _ in 0..40 {
            gateway.post(PATH, CHAT).await;
        }
        let asked = picky.state().await["total"].as_u64().unwrap();
        assert!((5..=35).contains(&asked), "{status}: one of two that are both well had {asked} of 40");
    }
}

#[tokio::test]
async fn a_client_that_leaves_or_sends_rubbish_never_cools_a_replica() {
    let engine = Engine::start(Args { model: "up".into(), ttft_ms: 200, ..Args::default() }).await;
    let gateway = TestGateway::with(&[&engine], |snapshot| {
        long_cooldown(snapshot);
        snapshot.settings.allowed_fails = 1;
    })
    .await;
    for _ in 0..5 {
        let leaving = tokio::time::timeout(MS(50), gateway.post(PATH, STREAM)).await;
        assert!(leaving.is_err());
        gateway.post(PATH, "{").await;
    }
    gateway.settled().await;
    let up = "enginehouse_replica_up{model_name=\"m\",model_type=\"chat\",replica=\"d0/0\"} 1";
    let metrics = gateway.get(MASTER, "/metrics").await;
    assert!(metrics.text().contains(up), "{}", metrics.text());
}

#[tokio::test]
async fn replicas_that_begin_too_late_are_left_alone() {
    let (late, good) = (Engine::failing("stall").await, Engine::chat(1, 0).await);
    for body in [STREAM, CHAT] {
        let before = late.state().await["total"].as_u64().unwrap();
        let gateway = TestGateway::with(&[&late, &good], |snapshot| {
            long_cooldown(snapshot);
            let timeouts = &mut snapshot.models[0].deployments[0].timeouts;
            (timeouts.first_byte, timeouts.total) = (MS(150), MS(150));
        })
        .await;
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(gateway.post(PATH, body).await.status.as_u16());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 504).count(), 3, "{statuses:?}");
        assert_eq!(late.state().await["total"].as_u64().unwrap() - before, 3, "three in a row, then none");
    }
}

#[tokio::test]
async fn a_replica_that_recovers_is_asked_again_after_its_rest() {
    let (ill, good) = (Engine::failing("status:500").await, Engine::chat(1, 0).await);
    let rest = MS(600);
    let gateway = TestGateway::with(&[&ill, &good], |snapshot| snapshot.settings.cooldown = rest).await;
    let asked = async |count: usize| {
        let before = ill.state().await["total"].as_u64().unwrap();
        for _ in 0..count {
            assert_eq!(gateway.post(PATH, CHAT).await.status, 200, "nobody notices");
        }
        ill.state().await["total"].as_u64().unwrap() - before
    };
    // Two failures are allowed, the third is one too many.
    while asked(1).await == 0 || ill.state().await["total"].as_u64().unwrap() < 3 {}
    assert_eq!(asked(5).await, 0, "it rests");
    ill.heal().await;
    sleep(rest).await;
    assert!(asked(40).await >= 5, "it is well again");
}

#[tokio::test]
async fn connections_that_break_on_a_new_connection_are_the_replica_s_fault() {
    let engine = RawEngine::start(|_| None).await;
    let good = RawEngine::answering(Reply::new("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Then::Close)).await;
    let gateway = TestGateway::with(&[], |snapshot| {
        long_cooldown(snapshot);
        snapshot.settings.retries = 2;
        let both = [("d0", engine.address), ("d1", good.address)];
        snapshot.models[0].deployments = both.map(|(id, address)| deployment(id, address)).into();
    })
    .await;
    for _ in 0..30 {
        assert_eq!(gateway.post(PATH, CHAT).await.status, 200);
    }
    assert_eq!(engine.seen().len(), 3, "three in a row, then none");
}
