//! The manager killed in every state that an engine goes through: the next one takes over what is there, and doubles
//! nothing.

use std::fs;
use std::net::TcpListener;

use serde_json::json;
use support::docker::{Hold, IMAGE, Proxy};
use support::{Planes, ServerOptions};

use super::{
    apply, ask, chat, containers, daemon, document, engine_of, idle, idle_at, model, signal, simulated, until_ready,
    until_replica, until_status,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_pulling() {
    let Some(daemon) = daemon().await else { return };
    // A registry that takes connections and never answers.
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/vllm:1", registry.local_addr().unwrap());
    let mut server = idle(&daemon).await;
    apply(&server, &document(&[model("m", "chat", &json!({"image": image}))])).ok();
    until_replica(&server, "m", "pulling").await;
    server.kill();
    server.restart().await;
    let pulling = until_replica(&server, "m", "pulling").await;
    assert!(pulling.to_string().contains(&image), "{pulling}");
    server.kill();
    daemon.docker(&["tag", IMAGE, &image]).ok();
    server.restart().await;
    until_ready(&server, "m").await;
    assert_eq!(containers(&daemon, "m").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_creating_and_starting() {
    let Some(daemon) = daemon().await else { return };
    let proxy = Proxy::before(&daemon);
    let mut server = idle_at(&proxy.host()).await;
    let mut models = Vec::new();
    for (number, hold) in [
        Hold::Question("/containers/create"),
        Hold::Answer("/containers/create"),
        Hold::Question("/start"),
        Hold::Answer("/start"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("m{number}");
        models.push(chat(&name));
        proxy.hold(hold);
        apply(&server, &document(&models)).ok();
        proxy.until_holds().await;
        until_replica(&server, &name, "creating").await;
        server.kill();
        let left = containers(&daemon, &name);
        proxy.release();
        server.restart().await;
        until_ready(&server, &name).await;
        let now = containers(&daemon, &name);
        assert_eq!(now.len(), 1, "{hold:?}");
        if hold == Hold::Answer("/start") {
            assert_eq!(now, left, "what had started is adopted, though nobody wrote it down");
        }
        assert_eq!(ask(&server, &name).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_loading_and_warming() {
    let Some(daemon) = daemon().await else { return };
    let mut server = idle(&daemon).await;
    apply(&server, &document(&[simulated("m", "--start-delay-ms 21000")])).ok();
    let mut first = None;
    for (state, line) in [("loading_weights", "Starting to load model"), ("warming", "Loading weights took")] {
        let log = server.home().join("logs/d-m-0.log");
        support::until(line, || fs::read_to_string(&log).is_ok_and(|log| log.contains(line))).await;
        // It stays so for as long as its process does nothing.
        let engine = engine_of(&daemon, "enginehouse-d-m-0").await;
        signal(&engine, "-STOP");
        until_replica(&server, "m", state).await;
        server.kill();
        server.restart().await;
        until_replica(&server, "m", state).await;
        signal(&engine, "-CONT");
        let now = containers(&daemon, "m");
        assert_eq!(*first.get_or_insert_with(|| now.clone()), now, "{state}");
    }
    until_ready(&server, "m").await;
    assert_eq!(Some(containers(&daemon, "m")), first);
    assert_eq!(ask(&server, "m").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_draining() {
    let Some(daemon) = daemon().await else { return };
    let program = support::enginehouse!();
    // The gateway has a process of its own: it lives on, and so does what it relays.
    let options = ServerOptions::new(&program).planes(Planes::Apart).environment("DOCKER_HOST", &daemon.host());
    let mut server = options.environment("HF_HUB_OFFLINE", "1").start().await;
    server.apply(&document(&[simulated("m", "--tokens 5000 --inter-token-ms 100")]));
    let before = containers(&daemon, "m");
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let body = json!({"model": "m", "max_tokens": 5000, "stream": true, "messages": messages});
    let mut stream = server.client().stream("/v1/chat/completions", &body).await;
    stream.next_event().await.unwrap().unwrap();
    server.cli(&["model", "stop", "m"]).ok();
    until_replica(&server, "m", "draining").await;

    server.kill_manager();
    server.start_manager();
    server.wait_ready().await;
    until_replica(&server, "m", "draining").await;
    assert_eq!(containers(&daemon, "m"), before);
    for _ in 0..5 {
        stream.next_event().await.unwrap().expect("the answer goes on");
    }
    drop(stream);
    until_status(&server, "m", "stopped", |status| status["state"] == "stopped").await;
    support::until("no container", || containers(&daemon, "m").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_stopping() {
    let Some(daemon) = daemon().await else { return };
    let proxy = Proxy::before(&daemon);
    let mut server = idle_at(&proxy.host()).await;
    server.apply(&document(&[chat("m")]));
    for hold in [Hold::Question("/stop"), Hold::Answer("/stop")] {
        proxy.hold(hold);
        server.cli(&["model", "restart", "m"]).ok();
        proxy.until_holds().await;
        until_replica(&server, "m", "stopping").await;
        server.kill();
        proxy.release();
        server.restart().await;
        until_ready(&server, "m").await;
        assert_eq!(containers(&daemon, "m").len(), 1, "{hold:?}");
        assert_eq!(ask(&server, "m").await, 200);
    }
}
