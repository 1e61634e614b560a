//! The model of a container is fetched before the container is made, into the folder that it sees.

use std::fs;

use serde_json::{Value, json};
use support::hub::{COMMIT, Fault};
use support::{HubServer, ServerOptions};

use super::{containers, daemon, document, model, replica, until_ready, until_status};

const CACHE: &str = "/root/.cache/huggingface/hub";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_is_fetched_before_the_container_is_made() {
    let Some(daemon) = daemon().await else { return };
    let (hub, cache) = (HubServer::start().await, tempfile::tempdir().unwrap());
    hub.file("Org/Model", "config.json", "{}", false);
    hub.file("Org/Model", "model.safetensors", vec![7; 600_000], true);
    hub.fault("signature", 1, Fault::Slow(40_000));
    // What `hf auth login` leaves is nothing for engines.
    fs::write(cache.path().join("token"), "hf_of_the_operator").unwrap();
    let options = ServerOptions::new(&support::enginehouse!()).environment("DOCKER_HOST", &daemon.host());
    let options = options.environment("HF_ENDPOINT", hub.url());
    let server = options.environment("HF_HOME", cache.path().to_str().unwrap()).start().await;
    super::apply(&server, &document(&[model("m", "chat", &json!({ "replicas": 2 }))])).ok();
    let some = |status: &Value| replica(status)["download"]["bytes_done"].as_u64() > Some(20_000);
    let coming = until_status(&server, "m", "on its way", some).await;
    assert_eq!(replica(&coming)["state"], "downloading", "{coming}");
    assert!(containers(&daemon, "m").is_empty());
    until_ready(&server, "m").await;
    let made = containers(&daemon, "m");
    assert_eq!(made.len(), 2);
    for container in &made {
        let inspected = daemon.inspect(container);
        let mounts = inspected["Mounts"].as_array().unwrap();
        let seen: Vec<_> = mounts.iter().map(|mount| (mount["Source"].clone(), mount["Destination"].clone())).collect();
        let folder = cache.path().join("hub").canonicalize().unwrap();
        assert_eq!(seen, [(json!(folder.to_str().unwrap()), json!(CACHE))], "the models, and no token beside them");
        let env = inspected["Config"]["Env"].as_array().unwrap();
        assert!(env.contains(&json!("HF_HUB_OFFLINE=1")), "{env:?}");
    }
    let file = cache.path().join(format!("hub/models--Org--Model/snapshots/{COMMIT}/model.safetensors"));
    assert_eq!(fs::metadata(file).unwrap().len(), 600_000);
}
