use serde_json::json;
use support::docker::Daemon;

use super::{apply, ask, chat, document, idle, replica, until_ready, until_status};

/// Room for the image and for one container.
const BYTES: u64 = 768 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_and_waited_for() {
    let Some(daemon) = Daemon::start_on_disk(&support::enginehouse!(), BYTES).await else { return };
    let server = idle(&daemon).await;
    server.apply(&document(&[chat("first")]));
    let ballast = daemon.fill_disk();
    apply(&server, &document(&[chat("first"), chat("second")])).ok();
    let failed = until_status(&server, "second", "failed", |status| status["state"] == "failed").await;
    let message = replica(&failed)["message"].as_str().unwrap();
    assert!(message.starts_with("the disk that Docker keeps its images and containers on is full"), "{message}");
    assert!(message.contains("docker system prune"), "{message}");
    assert_eq!(ask(&server, "first").await, 200, "what runs serves on");
    assert_eq!(super::status(&server, "first")["state"], json!("ready"));
    std::fs::remove_file(ballast).unwrap();
    until_ready(&server, "second").await;
    assert_eq!(ask(&server, "second").await, 200);
}
