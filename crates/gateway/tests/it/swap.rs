//! From one snapshot to the next.

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use crate::support::{Engine, TestGateway};

const CHAT: &str = r#"{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

#[test]
fn requests_go_on_while_a_snapshot_is_made_ready() {
    // Where it is made ready there is one thread, and that is busy.
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::chat(4, 0).await;
        let gateway = TestGateway::start(&[&engine]).await;
        let (go_on, waits) = mpsc::channel::<()>();
        let busy = spawn_blocking(move || waits.recv());
        let mut next = gateway.snapshot.clone();
        next.models[0].name = "renamed".into();
        let epoch = gateway.publisher.publish(next);
        for _ in 0..20 {
            assert_eq!(gateway.post(PATH, CHAT).await.status, 200);
        }
        assert!(gateway.publisher.acknowledged(epoch, Duration::ZERO).await.is_err(), "it was made ready elsewhere");
        drop(go_on);
        let _ = busy.await;
        gateway.publisher.acknowledged(epoch, Duration::from_secs(10)).await.unwrap();
        assert_eq!(gateway.post(PATH, CHAT).await.status, 404);
    });
}
