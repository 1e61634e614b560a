use serde_json::json;

use super::{ask, chat, containers, daemon, model, served, status};

/// Whether this machine comes up before its services or after, the containers have ended, and nothing of them was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_in_containers_before_a_reboot_is_back() {
    let Some(mut daemon) = daemon().await else { return };
    let models = [model("two", "chat", &json!({"replicas": 2})), chat("one"), chat("resting")];
    let mut server = served(&daemon, &models).await;
    server.cli(&["model", "stop", "resting"]).ok();
    support::until("the stopped one to end", || containers(&daemon, "resting").is_empty()).await;
    let all = || daemon.containers("label=managed-by=enginehouse");
    let before = all();
    assert_eq!(before.len(), 3);

    server.kill();
    daemon.docker(&[&["kill"], before.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat()).ok();
    daemon.kill();
    // The service is up first.
    server.start_manager();
    server.wait_ready().await;
    daemon.restart().await;
    let restored = server.cli(&["restore"]);
    restored.ok();
    for line in [
        "[x] state done: revision 1, 3 models",
        "[x] docker done",
        "[x] network done",
        "[x] images done",
        "two done",
        "one done",
        "resting skipped: it was stopped",
        "[x] gateway done",
        "Everything is back as it was.",
    ] {
        assert!(restored.stderr.contains(line), "{line}: {}", restored.stderr);
    }
    let after = daemon.containers("label=managed-by=enginehouse");
    assert_eq!(after.len(), 3, "each once: {after:?}");
    assert!(after.iter().all(|id| !before.contains(id)), "what had ended was cleared away");
    assert_eq!(daemon.containers("status=exited"), Vec::<String>::new());
    for name in ["two", "one"] {
        assert_eq!(ask(&server, name).await, 200);
    }
    assert_eq!(status(&server, "resting")["state"], "stopped");
    assert_ne!(ask(&server, "resting").await, 200);
}
