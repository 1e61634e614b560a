use serde_json::{Value, json};
use support::eventually;

use super::{
    ask, containers, daemon, replica, served, simulated, status, until_another, until_ready, until_replica,
    until_status,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_stopped_started_and_restarted() {
    let Some(daemon) = daemon().await else { return };
    // Long enough to be seen at work, also where everything takes its time.
    let mut server = served(&daemon, &[simulated("m", "--tokens 100 --inter-token-ms 100")]).await;

    let body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]});
    let client = server.client();
    let long = tokio::spawn(async move { client.post("/v1/chat/completions", &body).await.status.as_u16() });
    eventually("the engine to work", || async {
        let address = replica(&status(&server, "m"))["address"].as_str()?.parse().ok()?;
        let state = support::Http::to(address).get("/sim/state").await.json();
        (state["running"] == 1).then_some(())
    })
    .await;
    server.cli(&["model", "stop", "m"]).ok();
    until_replica(&server, "m", "draining").await;
    assert_eq!(long.await.unwrap(), 200, "what it works on is answered first");
    support::until("no container", || containers(&daemon, "m").is_empty()).await;
    until_status(&server, "m", "stopped", |status| status["state"] == "stopped").await;
    assert_eq!(ask(&server, "m").await, 503);

    // It lasts, and `config.json` tells.
    server.kill();
    server.restart().await;
    assert_eq!(status(&server, "m")["state"], "stopped");
    let config = std::fs::read_to_string(server.home().join("config.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&config).unwrap()["intents"]["stopped"], json!(["m"]));

    server.cli(&["model", "start", "--all"]).ok();
    until_ready(&server, "m").await;
    let before = containers(&daemon, "m");
    server.cli(&["model", "restart", "m"]).ok();
    until_another(&daemon, "m", &before).await;
    until_ready(&server, "m").await;
    let unknown = server.cli(&["model", "stop", "nobody"]);
    assert!(unknown.fails_with(1).contains("there is no such model"), "{}", unknown.stderr);
}
