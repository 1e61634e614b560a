use std::fs;

use serde_json::json;
use support::Signal;

use super::{ask, containers, daemon, model, served, until_ready};

/// Of a home whose store was lost, what it wrote beside it is enough to know its containers again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_of_which_only_its_configuration_is_left_adopts_its_containers() {
    let Some(daemon) = daemon().await else { return };
    let mut server = served(&daemon, &[model("m", "chat", &json!({"replicas": 2}))]).await;
    let before = containers(&daemon, "m");
    server.stop(Signal::TERM).await;
    for entry in fs::read_dir(server.home()).unwrap().flatten() {
        let is_kept = ["config.json", "secret.key"].iter().any(|name| entry.file_name() == *name);
        match entry.file_type().unwrap() {
            _ if is_kept => {}
            kind if kind.is_dir() => fs::remove_dir_all(entry.path()).unwrap(),
            _ => fs::remove_file(entry.path()).unwrap(),
        }
    }
    server.restart().await;
    until_ready(&server, "m").await;
    assert_eq!(containers(&daemon, "m"), before, "adopted, and nothing doubled");
    assert_eq!(ask(&server, "m").await, 200);
}
