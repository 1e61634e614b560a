//! Engines in containers, on a real Docker daemon: the whole way from a document to an answer, and what becomes of it
//! when the manager, the daemon or somebody else gets in between.

use serde_json::{Value, json};
use support::docker::{Daemon, IMAGE};
use support::{Finished, Server, ServerOptions, eventually};

/// A document whose engines run in containers of the test's image.
fn document(models: &[Value]) -> Value {
    json!({
        "version": 1,
        "defaults": {
            "images": {"vllm": IMAGE, "vllm-omni": IMAGE},
            "containers": {"shm_bytes": 64 << 20},
        },
        "models": models,
    })
}

fn model(name: &str, model_type: &str, engine: &Value) -> Value {
    let mut engine = engine.clone();
    engine["source"] = "Org/Model".into();
    json!({"name": name, "type": model_type, "deployments": [{"id": format!("d-{name}"), "engine": engine}]})
}

fn chat(name: &str) -> Value {
    model(name, "chat", &json!({}))
}

async fn served(daemon: &Daemon, models: &[Value]) -> Server {
    let server = idle(daemon).await;
    server.apply(&document(models));
    server
}

async fn idle(daemon: &Daemon) -> Server {
    let program = support::enginehouse!();
    ServerOptions::new(&program).environment("DOCKER_HOST", &daemon.host()).start().await
}

async fn daemon() -> Option<Daemon> {
    Daemon::start(&support::enginehouse!()).await
}

fn status(server: &Server, name: &str) -> Value {
    server.cli(&["model", "show", name, "--json"]).json()
}

async fn until_status(server: &Server, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name} to be {what}"), || {
        let status = status(server, name);
        std::future::ready(is(&status).then_some(status))
    })
    .await
}

async fn until_ready(server: &Server, name: &str) -> Value {
    until_status(server, name, "ready", |status| status["state"] == "ready").await
}

fn replica(status: &Value) -> &Value {
    &status["deployments"][0]["replicas"][0]
}

async fn ask(server: &Server, name: &str) -> u16 {
    let body = json!({"model": name, "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]});
    server.client().post("/v1/chat/completions", &body).await.status.as_u16()
}

/// Changes nothing of the home and leaves the document unapplied.
fn apply(server: &Server, document: &Value) -> Finished {
    Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(&document.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_seven_types_are_served_from_containers() {
    let Some(daemon) = daemon().await else { return };
    let of = |name: &str, sim: &str| model(name, name, &json!({"env": {"ENGINE_SIM_ARGS": format!("--type {sim}")}}));
    let types = ["chat", "vision", "embedding", "rerank", "speech-to-text", "text-to-speech", "image-generation"];
    let server = served(&daemon, &types.map(|name| of(name, name))).await;
    let message = json!([{"role": "user", "content": "Hello"}]);
    for (name, path, body) in [
        ("chat", "/v1/chat/completions", json!({"messages": message})),
        ("vision", "/v1/chat/completions", json!({"messages": message})),
        ("embedding", "/v1/embeddings", json!({"input": "Hello"})),
        ("rerank", "/v1/rerank", json!({"query": "a", "documents": ["a", "b"]})),
        ("text-to-speech", "/v1/audio/speech", json!({"input": "Hello", "voice": "alloy"})),
        ("image-generation", "/v1/images/generations", json!({"prompt": "a house"})),
    ] {
        let mut body = body;
        body["model"] = name.into();
        server.client().post(path, &body).await.expect(200);
    }
    for name in types {
        let made = daemon.inspect(&format!("enginehouse-d-{name}-0"));
        let labels = &made["Config"]["Labels"];
        assert_eq!(
            (&labels["managed-by"], &labels["model-name"], &labels["model-type"], &labels["replica"]),
            (&json!("enginehouse"), &json!(name), &json!(name), &json!("0"))
        );
        let host = &made["HostConfig"];
        assert_eq!((&host["RestartPolicy"]["Name"], &host["ShmSize"]), (&json!("no"), &json!(64 << 20)));
        assert!(host["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty), "no port of the machine");
        assert_eq!(host["LogConfig"]["Config"]["max-file"], "3");
        let env = made["Config"]["Env"].as_array().unwrap();
        assert!(env.contains(&json!("HF_HUB_OFFLINE=1")), "{env:?}");
        assert!(made["NetworkSettings"]["Networks"]["llm-network"].is_object());
    }
    let listed = server.cli(&["model", "list"]);
    assert_eq!(listed.ok().matches("1/1").count(), 7, "{}", listed.stdout);
    let log = server.cli(&["model", "logs", "chat"]);
    assert!(log.ok().contains("Loading weights took"), "a container's log is read like any: {}", log.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_go_on_when_one_is_killed_and_it_comes_back() {
    let Some(daemon) = daemon().await else { return };
    let slow = json!({"replicas": 4, "env": {"ENGINE_SIM_ARGS": "--start-delay-ms 3000"}});
    let server = served(&daemon, &[model("m", "chat", &slow)]).await;
    let before = daemon.containers("label=model-name=m");
    assert_eq!(before.len(), 4);
    daemon.docker(&["kill", &before[0]]).ok();
    let degraded = until_status(&server, "m", "3/4", |status| status["ready"] == 3).await;
    assert_eq!((&degraded["state"], &degraded["replicas"]), (&json!("degraded"), &json!(4)));
    for _ in 0..8 {
        assert_eq!(ask(&server, "m").await, 200);
    }
    until_ready(&server, "m").await;
    let after = daemon.containers("label=model-name=m");
    assert_eq!(after.len(), 4);
    assert_eq!(after.iter().filter(|id| before.contains(id)).count(), 3, "the others were left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_was_killed_adopts_what_runs() {
    let Some(daemon) = daemon().await else { return };
    let mut server = served(&daemon, &[model("m", "chat", &json!({"replicas": 2}))]).await;
    let before = daemon.containers("label=model-name=m");
    server.kill();
    // As if it had been killed before it could write down what it had started.
    for entry in std::fs::read_dir(server.home().join("run")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().ends_with("-1.json") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    server.restart().await;
    until_ready(&server, "m").await;
    assert_eq!(daemon.containers("label=model-name=m"), before, "adopted, and nothing doubled");
    assert_eq!(ask(&server, "m").await, 200);
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_behind_our_back_is_put_right() {
    let Some(daemon) = daemon().await else { return };
    let server = served(&daemon, &[chat("m")]).await;
    let name = "enginehouse-d-m-0";
    let first = daemon.containers("label=model-name=m");

    daemon.docker(&["pause", name]).ok();
    let unpaused = || daemon.inspect(name)["State"]["Paused"] == false;
    support::until("the container to go on", unpaused).await;

    daemon.docker(&["rename", name, "somebody-elses"]).ok();
    support::until("the name to be given back", || daemon.docker(&["inspect", name]).status.success()).await;

    daemon.docker(&["network", "disconnect", "llm-network", name]).ok();
    let connected = || daemon.inspect(name)["NetworkSettings"]["Networks"]["llm-network"].is_object();
    support::until("the container to be in its network", connected).await;
    until_ready(&server, "m").await;
    assert_eq!(daemon.containers("label=model-name=m"), first, "all that without a restart");
    eventually("an answer", || async { (ask(&server, "m").await == 200).then_some(()) }).await;

    daemon.docker(&["stop", name]).ok();
    support::until("another container", || {
        let now = daemon.containers("label=model-name=m");
        now.len() == 1 && now != first
    })
    .await;
    until_ready(&server, "m").await;
    let second = daemon.containers("label=model-name=m");

    daemon.docker(&["rm", "--force", name]).ok();
    support::until("a third container", || {
        let now = daemon.containers("label=model-name=m");
        now.len() == 1 && now != second
    })
    .await;
    until_ready(&server, "m").await;
    assert_eq!(ask(&server, "m").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_serve_on_while_the_daemon_is_away() {
    let Some(mut daemon) = daemon().await else { return };
    let mut server = served(&daemon, &[chat("m")]).await;
    let before = daemon.containers("label=model-name=m");
    daemon.kill();
    assert_eq!(ask(&server, "m").await, 200);
    apply(&server, &document(&[chat("m"), chat("other")])).ok();
    let waiting = until_status(&server, "other", "waiting for Docker", |status| {
        replica(status)["message"].to_string().contains("Docker does not answer at unix://")
    })
    .await;
    assert_eq!(replica(&waiting)["state"], "pending");
    // A manager that comes up without the daemon serves what it knows.
    server.kill();
    server.restart().await;
    until_ready(&server, "m").await;
    assert_eq!(ask(&server, "m").await, 200);

    daemon.restart().await;
    until_ready(&server, "other").await;
    assert_eq!(daemon.containers("label=model-name=m"), before);
    assert_eq!((ask(&server, "m").await, ask(&server, "other").await), (200, 200));
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
    apply(&server, &document(&[chat("m")])).ok();
    let failed = until_status(&server, "m", "refused", |status| status["state"] == "failed").await;
    let message = replica(&failed)["message"].as_str().unwrap();
    assert!(message.contains("a container named `enginehouse-d-m-0` exists and is not managed by this"), "{message}");

    daemon.docker(&["rename", "enginehouse-d-m-0", "elsewhere"]).ok();
    until_ready(&server, "m").await;
    apply(&server, &document(&[])).ok();
    support::until("our own container to be gone", || daemon.containers("name=enginehouse-d-m-0").is_empty()).await;
    let mut expected = foreign.to_vec();
    expected.sort();
    assert_eq!(daemon.containers("status=running"), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_with_their_reason() {
    let Some(daemon) = daemon().await else { return };
    let server = idle(&daemon).await;
    let missing = model("missing", "chat", &json!({"image": "localhost:1/no/such:1"}));
    let gpus = model("gpus", "chat", &json!({"gpus": [0]}));
    let crashing = model("crashing", "chat", &json!({"env": {"ENGINE_SIM_ARGS": "--no-such-option"}}));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_stopped_started_and_restarted() {
    let Some(daemon) = daemon().await else { return };
    let paced = json!({"host_port": 18_431, "env": {"ENGINE_SIM_ARGS": "--tokens 30 --inter-token-ms 100"}});
    let mut server = served(&daemon, &[model("m", "chat", &paced)]).await;
    let bindings = daemon.inspect("enginehouse-d-m-0")["HostConfig"]["PortBindings"].take();
    assert_eq!(bindings, json!({"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18431"}]}));

    let body = json!({"model": "m", "max_tokens": 30, "messages": [{"role": "user", "content": "Hello"}]});
    let client = server.client();
    let long = tokio::spawn(async move { client.post("/v1/chat/completions", &body).await.status.as_u16() });
    eventually("the engine to work", || async {
        let address = replica(&status(&server, "m"))["address"].as_str()?.parse().ok()?;
        let state = support::Http::to(address).get("/sim/state").await.json();
        (state["running"] == 1).then_some(())
    })
    .await;
    server.cli(&["model", "stop", "m"]).ok();
    until_status(&server, "m", "draining", |status| replica(status)["state"] == "draining").await;
    assert_eq!(long.await.unwrap(), 200, "what it works on is answered first");
    support::until("no container", || daemon.containers("label=model-name=m").is_empty()).await;
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
    let before = daemon.containers("label=model-name=m");
    server.cli(&["model", "restart", "m"]).ok();
    support::until("another container", || {
        let now = daemon.containers("label=model-name=m");
        now.len() == 1 && now != before
    })
    .await;
    until_ready(&server, "m").await;
    let unknown = server.cli(&["model", "stop", "nobody"]);
    assert!(unknown.fails_with(1).contains("there is no such model"), "{}", unknown.stderr);
}
