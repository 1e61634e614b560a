use serde_json::json;
use support::docker::IMAGE;

use super::{ask, chat, containers, daemon, document, idle, model, served, until_another, until_ready, until_status};

/// The same image under a name that can be taken away: nobody has to answer for it while it is gone.
const OWN: &str = "127.0.0.1:1/vllm:1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_go_on_when_one_is_killed_and_it_comes_back() {
    let Some(daemon) = daemon().await else { return };
    daemon.docker(&["tag", IMAGE, OWN]).ok();
    let server = served(&daemon, &[model("m", "chat", &json!({"replicas": 4, "image": OWN}))]).await;
    let before = containers(&daemon, "m");
    assert_eq!(before.len(), 4);
    // Without its image it cannot come back before that is seen.
    daemon.docker(&["rmi", OWN]).ok();
    daemon.docker(&["kill", &before[0]]).ok();
    let degraded = until_status(&server, "m", "3/4", |status| status["ready"] == 3).await;
    assert_eq!((&degraded["state"], &degraded["replicas"]), (&json!("degraded"), &json!(4)));
    let listed = server.cli(&["model", "list"]);
    assert!(listed.ok().contains("3/4") && listed.stdout.contains("degraded"), "{}", listed.stdout);
    for _ in 0..8 {
        assert_eq!(ask(&server, "m").await, 200);
    }
    daemon.docker(&["tag", IMAGE, OWN]).ok();
    until_ready(&server, "m").await;
    let after = containers(&daemon, "m");
    assert_eq!(after.len(), 4);
    assert_eq!(after.iter().filter(|id| before.contains(id)).count(), 3, "the others were left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_behind_our_back_is_put_right() {
    let Some(daemon) = daemon().await else { return };
    let server = served(&daemon, &[chat("m")]).await;
    let name = "enginehouse-d-m-0";
    let first = containers(&daemon, "m");

    daemon.docker(&["pause", name]).ok();
    let unpaused = || daemon.inspect(name)["State"]["Paused"] == false;
    support::until("the container to go on", unpaused).await;

    daemon.docker(&["rename", name, "somebody-elses"]).ok();
    support::until("the name to be given back", || daemon.docker(&["inspect", name]).status.success()).await;

    daemon.docker(&["network", "disconnect", "llm-network", name]).ok();
    let connected = || daemon.inspect(name)["NetworkSettings"]["Networks"]["llm-network"].is_object();
    support::until("the container to be in its network", connected).await;
    until_ready(&server, "m").await;
    assert_eq!(containers(&daemon, "m"), first, "all that without a restart");
    support::eventually("an answer", || async { (ask(&server, "m").await == 200).then_some(()) }).await;

    daemon.docker(&["stop", name]).ok();
    let second = until_another(&daemon, "m", &first).await;
    until_ready(&server, "m").await;

    daemon.docker(&["kill", name]).ok();
    let third = until_another(&daemon, "m", &second).await;
    until_ready(&server, "m").await;

    daemon.docker(&["rm", "--force", name]).ok();
    until_another(&daemon, "m", &third).await;
    until_ready(&server, "m").await;
    assert_eq!(ask(&server, "m").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_left_alone() {
    let Some(daemon) = daemon().await else { return };
    let run = |name: &str, labels: &[&str]| {
        let mut arguments = vec!["run", "--detach", "--network=none", "--name", name];
        arguments.extend(labels.iter().flat_map(|label| ["--label", label]));
        arguments.push(IMAGE);
        daemon.docker(&arguments).ok().trim().to_owned()
    };
    let other = ["managed-by=enginehouse", "enginehouse-instance=0123", "enginehouse-deployment=d-m", "replica=0"];
    let foreign = [run("theirs", &[]), run("another-instance", &other), run("enginehouse-d-m-0", &[])];

    let server = idle(&daemon).await;
    super::apply(&server, &document(&[chat("m")])).ok();
    let failed = until_status(&server, "m", "refused", |status| status["state"] == "failed").await;
    let message = super::replica(&failed)["message"].as_str().unwrap();
    assert!(message.contains("a container named `enginehouse-d-m-0` exists and is not managed by this"), "{message}");

    daemon.docker(&["rename", "enginehouse-d-m-0", "elsewhere"]).ok();
    until_ready(&server, "m").await;
    super::apply(&server, &document(&[])).ok();
    support::until("our own container to be gone", || daemon.containers("name=enginehouse-d-m-0").is_empty()).await;
    let mut expected = foreign.to_vec();
    expected.sort();
    assert_eq!(daemon.containers("status=running"), expected);
}
