use serde_json::Value;
use support::docker::Daemon;

use super::{Server, chat, containers, daemon, served, until_ready};

/// Not in the order of their names.
const MODELS: [&str; 4] = ["zeta", "beta", "midway", "alpha"];

/// When a container was started; texts that sort as the times do.
fn started_at(daemon: &Daemon, model: &str) -> String {
    let [container] = &containers(daemon, model)[..] else { panic!("{model} has not one container") };
    let inspected: Value = daemon.inspect(container);
    let text = inspected["State"]["StartedAt"].as_str().unwrap().trim_end_matches('Z').to_owned();
    // Docker leaves zeros at the end out.
    let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{seconds}.{fraction:0<9}")
}

async fn assert_in_order(daemon: &Daemon, server: &Server, when: &str) {
    for name in MODELS {
        until_ready(server, name).await;
    }
    let starts = MODELS.map(|name| started_at(daemon, name));
    assert!(starts.is_sorted(), "{when}: {starts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_are_started_in_the_order_of_the_document() {
    let Some(daemon) = daemon().await else { return };
    let mut server = served(&daemon, &MODELS.map(chat)).await;
    assert_in_order(&daemon, &server, "at first").await;

    // What a reboot leaves: containers that have ended.
    server.kill();
    for name in MODELS {
        daemon.docker(&["kill", &containers(&daemon, name)[0]]).ok();
    }
    let before = server.log().len();
    server.restart().await;
    assert_in_order(&daemon, &server, "after a reboot").await;
    let log = &server.log()[before..];
    assert!(!log.contains("engine failed"), "it is no failure of theirs: {log}");
    let restored = server.cli(&["restore"]);
    restored.ok();
    assert!(restored.stderr.contains("[x] network done: llm-network"), "{}", restored.stderr);
}
