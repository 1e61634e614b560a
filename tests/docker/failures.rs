use serde_json::json;

use support::Scene;

use super::{apply, daemon, document, idle_with, model, replica, simulated, until_status};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_with_their_reason() {
    let Some(daemon) = daemon().await else { return };
    // The daemon knows of no NVIDIA runtime, whatever the driver tells.
    let server = idle_with(&daemon.host(), &Scene::mixed()).await;
    let missing = model("missing", "chat", &json!({"image": "localhost:1/no/such:1"}));
    let gpus = model("gpus", "chat", &json!({"gpus": [0]}));
    let crashing = simulated("crashing", "--no-such-option");
    apply(&server, &document(&[missing, gpus, crashing])).ok();
    let failed = async |name: &str| {
        let status = until_status(&server, name, "failed", |status| status["state"] == "failed").await;
        (replica(&status)["message"].as_str().unwrap().to_owned(), replica(&status)["last_lines"].to_string())
    };
    let (message, _) = failed("missing").await;
    assert!(message.starts_with("the image localhost:1/no/such:1 is not here and cannot be pulled"), "{message}");
    let (message, _) = failed("gpus").await;
    assert!(message.contains("install the NVIDIA Container Toolkit"), "{message}");
    let (message, lines) = failed("crashing").await;
    assert!(message.starts_with("ended (exit code 1)"), "{message}");
    assert!(lines.contains("ENGINE_SIM_ARGS cannot be read"), "{lines}");
    until_status(&server, "crashing", "tried again", |status| replica(status)["restarts"].as_u64() >= Some(2)).await;
}
