use std::fs::{self, File};

use serde_json::{Value, json};
use support::Registry;
use support::docker::Daemon;

use super::{apply, ask, chat, containers, document, idle, model, replica, status, until_ready, until_status};

/// Room for the image and for one container.
const BYTES: u64 = 768 << 20;
/// Room that lets a pull begin, and never end.
const SOME: u64 = 24 << 20;
/// What a replica says whose disk is full.
const FULL: &str = "the disk that Docker keeps its images and containers on is full";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_and_waited_for() {
    let Some(daemon) = Daemon::start_on_disk(&support::enginehouse!(), BYTES).await else { return };
    let server = idle(&daemon).await;
    server.apply(&document(&[chat("first")]));
    let ballast = daemon.fill_disk();
    apply(&server, &document(&[chat("first"), chat("second")])).ok();
    let failed = until_status(&server, "second", "failed", |status| status["state"] == "failed").await;
    let message = replica(&failed)["message"].as_str().unwrap();
    assert!(message.starts_with(FULL), "{message}");
    assert!(message.contains("docker system prune"), "{message}");
    assert_eq!(ask(&server, "first").await, 200, "what runs serves on");
    assert_eq!(status(&server, "first")["state"], json!("ready"));
    fs::remove_file(ballast).unwrap();
    until_ready(&server, "second").await;
    assert_eq!(ask(&server, "second").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_has_no_room_is_told_leaves_nothing_and_comes_once_it_has() {
    let Some(daemon) = Daemon::start_on_disk(&support::enginehouse!(), BYTES).await else { return };
    let (layer, entrypoint) = daemon.exported();
    assert!(layer.len() as u64 > 2 * SOME, "{}", layer.len());
    let registry = Registry::serving(layer, &entrypoint).await;
    let server = idle(&daemon).await;
    server.apply(&document(&[chat("first")]));
    let ballast = daemon.fill_disk();
    let filled = fs::metadata(&ballast).unwrap().len();
    File::options().write(true).open(&ballast).unwrap().set_len(filled - SOME).unwrap();

    let large = model("large", "chat", &json!({"image": registry.image()}));
    apply(&server, &document(&[chat("first"), large])).ok();
    let failed = until_status(&server, "large", "failed", |status| status["state"] == "failed").await;
    let message = replica(&failed)["message"].as_str().unwrap();
    assert!(message.starts_with(FULL) && message.contains("docker system prune"), "{message}");
    assert!(message.contains(&registry.image()), "{message}");
    assert_eq!(replica(&failed)["state"], "backing_off", "{failed}");
    let typed = server.cli(&["image", "pull", &registry.image()]);
    assert!(typed.fails_with(1).contains(FULL), "{}", typed.stderr);
    assert_eq!(ask(&server, "first").await, 200, "what runs serves on");

    assert!(!daemon.docker(&["image", "inspect", &registry.image()]).status.success(), "half an image is none");
    assert!(containers(&daemon, "large").is_empty());
    // Between two tries of the engine.
    support::until("what came of it to be removed", || daemon.downloads().is_empty()).await;
    fs::remove_file(ballast).unwrap();
    until_ready(&server, "large").await;
    assert_eq!((ask(&server, "large").await, ask(&server, "first").await), (200, 200));
}

/// It prints more than a disk that is full could keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_serves_on_while_its_log_has_no_room() {
    const TALKS: &str = r#"["/bin/sh", "-c", "while :; do n=$((n+1)); echo said $n; sleep 0.02; done & exec /enginehouse engine-sim --vllm \"$@\"", "sh"]"#;
    let Some(daemon) = Daemon::start_on_disk(&support::enginehouse!(), BYTES).await else { return };
    daemon.make_tools();
    daemon.make_starting("talks:1", TALKS);
    let server = idle(&daemon).await;
    server.apply(&document(&[model("m", "chat", &json!({"image": "talks:1"}))]));
    let before = containers(&daemon, "m");
    let ballast = daemon.fill_disk();
    support::until("a line to find no room", || daemon.has_logged("-json.log: no space left on device")).await;
    for _ in 0..8 {
        assert_eq!(ask(&server, "m").await, 200);
    }
    let full = status(&server, "m");
    assert_eq!((&full["state"], &replica(&full)["restarts"]), (&json!("ready"), &json!(0)), "{full}");

    let read = || server.cli(&["model", "logs", "m"]).ok().to_owned();
    let last = said(&read());
    fs::remove_file(ballast).unwrap();
    // What found no room is lost; what follows is there again, and read on.
    support::until("its log to go on", || said(&read()) > last + 50).await;
    assert_eq!(containers(&daemon, "m"), before, "all that without a restart");
    assert_eq!(status(&server, "m")["state"], Value::from("ready"));
}

/// Number of the last line that an engine has printed.
fn said(log: &str) -> u64 {
    log.lines().rev().find_map(|line| line.strip_prefix("said ")?.parse().ok()).unwrap()
}
