use serde_json::json;

use super::{apply, ask, containers, daemon, document, idle, model, served, until_ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_was_killed_adopts_what_runs() {
    let Some(daemon) = daemon().await else { return };
    let mut server = served(&daemon, &[model("m", "chat", &json!({"replicas": 2}))]).await;
    let before = containers(&daemon, "m");
    server.kill();
    // As if it had been killed before it could write down what it had started.
    for entry in std::fs::read_dir(server.home().join("run")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().ends_with("-1.json") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    server.restart().await;
    until_ready(&server, "m").await;
    assert_eq!(containers(&daemon, "m"), before, "adopted, and nothing doubled");
    assert_eq!(ask(&server, "m").await, 200);
}

/// At any moment, whatever it is about: those that can be held are in `killed`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_is_killed_while_it_starts_engines_doubles_none() {
    let Some(daemon) = daemon().await else { return };
    let mut server = idle(&daemon).await;
    let slow = json!({"replicas": 3, "env": {"ENGINE_SIM_ARGS": "--start-delay-ms 1500"}});
    apply(&server, &document(&[model("m", "chat", &slow)])).ok();
    for pause in [0, 100, 300, 700] {
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        server.kill();
        server.restart().await;
    }
    until_ready(&server, "m").await;
    assert_eq!(daemon.containers("label=managed-by=enginehouse").len(), 3);
}
