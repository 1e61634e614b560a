use serde_json::{Value, json};
use support::docker::Proxy;
use support::{Finished, Scene};

use super::{
    ask, containers, daemon, document, engine_of, idle, idle_with, model, replica, signal, simulated, status,
    until_another, until_ready, until_status,
};

fn plan(server: &support::Server, document: &Value) -> Value {
    let planned =
        Finished::of(&mut server.command(&["apply", "-f", "-", "--dry-run", "--json"]), Some(&document.to_string()));
    planned.json()["plan"][0].take()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_container_starts_beside_the_one_that_serves() {
    let Some(daemon) = daemon().await else { return };
    let mut server = idle(&daemon).await;
    server.apply(&document(&[simulated("m", "--tokens 3")]));
    let first = containers(&daemon, "m");
    let changed = document(&[simulated("m", "--tokens 4 --start-delay-ms 7000")]);
    let step = plan(&server, &changed);
    assert_eq!((&step["action"], &step["interrupts"]), (&json!("replace"), &json!(false)), "{step}");
    super::apply(&server, &changed).ok();
    support::until("two containers", || containers(&daemon, "m").len() == 2).await;
    // It takes its time, so that both are seen, and the manager is killed meanwhile.
    let engine = engine_of(&daemon, "enginehouse-d-m-0b").await;
    signal(&engine, "-STOP");
    assert_eq!(ask(&server, "m").await, 200);
    let replacing = status(&server, "m");
    assert_eq!((&replacing["state"], &replacing["serving"]), (&json!("replacing"), &json!(1)), "{replacing}");
    assert_eq!(replacing["deployments"][0]["before"][0]["state"], "ready");
    server.kill();
    server.restart().await;
    assert_eq!(ask(&server, "m").await, 200, "the one before was adopted and serves");
    assert_eq!(containers(&daemon, "m").len(), 2, "and so was the next one");
    signal(&engine, "-CONT");
    until_ready(&server, "m").await;
    let second = until_another(&daemon, "m", &first).await;
    assert_eq!(replica(&status(&server, "m"))["container"], "enginehouse-d-m-0b");
    server.cli(&["model", "replace", "m"]).ok();
    until_another(&daemon, "m", &second).await;
    let ready = until_ready(&server, "m").await;
    assert_eq!(replica(&ready)["container"], "enginehouse-d-m-0", "the first place is free again");
    assert_eq!(ask(&server, "m").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_the_gpus_of_the_next_one_ends_first_and_the_plan_says_so() {
    let Some(daemon) = daemon().await else { return };
    let proxy = Proxy::before(&daemon);
    let server = idle_with(&proxy.host(), &Scene::h100x8()).await;
    let on =
        |gpus: Value, more: &str| document(&[model("m", "chat", &json!({"gpus": gpus, "args": ["--seed", more]}))]);
    server.apply(&on(json!([0, 1]), "1"));
    let first = containers(&daemon, "m");
    let same = plan(&server, &on(json!([0, 1]), "2"));
    assert_eq!((&same["action"], &same["interrupts"]), (&json!("restart"), &json!(true)), "{same}");
    server.apply(&on(json!([0, 1]), "2"));
    let second = until_another(&daemon, "m", &first).await;
    assert_eq!(replica(&status(&server, "m"))["container"], "enginehouse-d-m-0", "in the same place");

    let free = plan(&server, &on(json!([2, 3]), "2"));
    assert_eq!((&free["action"], &free["interrupts"]), (&json!("replace"), &json!(false)), "{free}");
    server.apply(&on(json!([2, 3]), "2"));
    until_another(&daemon, "m", &second).await;
    until_status(&server, "m", "in its second place", |status| {
        status["state"] == "ready" && replica(status)["container"] == "enginehouse-d-m-0b"
    })
    .await;
    assert_eq!(ask(&server, "m").await, 200);
}
