//! Engines as local processes: sockets, logs, how far a start is, why one failed, and whose process is whose.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use support::{Finished, Server, document, eventually};

/// A document with a model `m` that a command serves.
fn served_by(command: &[&str], env: &Value) -> Value {
    let engine = json!({"source": "Org/M", "runtime": "process", "command": command, "env": env});
    let mut document =
        document::of(&[json!({"name": "m", "type": "chat", "deployments": [{"id": "d", "engine": engine}]})]);
    // There is no such model.
    document["defaults"]["offline"] = true.into();
    document
}

fn binary() -> String {
    support::enginehouse!().path().to_str().unwrap().to_owned()
}

fn apply(server: &Server, document: &Value) {
    Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(&document.to_string())).ok();
}

fn replica(server: &Server) -> Value {
    server.cli(&["model", "show", "m", "--json"]).json()["deployments"][0]["replicas"][0].take()
}

async fn until(server: &Server, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || {
        let replica = replica(server);
        std::future::ready(is(&replica).then_some(replica))
    })
    .await
}

async fn ask(server: &Server) {
    let body = json!({"model": "m", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]});
    server.client().post("/v1/chat/completions", &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_on_a_socket_opens_no_port_and_is_adopted() {
    let mut server = Server::start(&support::enginehouse!()).await;
    let program = binary();
    server.apply(&served_by(&[&program, "engine-sim", "--uds", "{socket}", "--model", "{name}"], &json!({})));
    ask(&server).await;
    let first = replica(&server);
    let socket = server.home().join("run/d-0.sock");
    assert!(first["address"].as_str().unwrap().contains(socket.to_str().unwrap()), "{first}");
    let pid = first["pid"].as_u64().unwrap();
    let listening = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let own: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .collect();
    let opens = |line: &str| {
        let inode = line.split_whitespace().nth(9).unwrap_or_default();
        own.iter().any(|target| target.to_string_lossy() == format!("socket:[{inode}]"))
    };
    assert!(!listening.lines().skip(1).any(opens), "no port at all");
    server.kill();
    server.restart().await;
    let adopted = until(&server, "the engine to be adopted", |replica| replica["state"] == "ready").await;
    assert_eq!(adopted["pid"], pid);
    ask(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_tells_how_far_it_is_by_the_engines_own_log() {
    let server = Server::start(&support::enginehouse!()).await;
    let program = binary();
    let command = [&*program, "engine-sim", "--vllm", "{source}", "--served-model-name", "{name}", "--port", "{port}"];
    apply(&server, &served_by(&command, &json!({"ENGINE_SIM_ARGS": "--start-delay-ms 14000"})));
    let pid = until(&server, "its pid", |replica| replica["pid"].is_u64()).await["pid"].to_string();
    let file = server.home().join("logs/d-0.log");
    for (line, state, message) in
        [("50% Completed", "loading_weights", Some("50 %")), ("Loading weights took", "warming", None)]
    {
        support::until(line, || fs::read_to_string(&file).is_ok_and(|log| log.contains(line))).await;
        // It stays so for as long as its process does nothing.
        signal(&pid, "-STOP");
        until(&server, state, |replica| {
            replica["state"] == state && message.is_none_or(|message| replica["message"] == message)
        })
        .await;
        signal(&pid, "-CONT");
    }
    until(&server, "the engine to be ready", |replica| replica["state"] == "ready").await;
    let log = server.cli(&["model", "logs", "m"]);
    assert!(log.ok().contains("Loading weights took"), "{}", log.stdout);
    let file = fs::read_to_string(server.home().join("logs/d-0.log")).unwrap();
    assert!(file.contains("Capturing CUDA graphs"), "{file}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_ran_out_of_memory_is_told_so_with_its_last_lines() {
    let server = Server::start(&support::enginehouse!()).await;
    let script = server.folder().join("engine");
    fs::write(&script, "#!/bin/sh\necho 'INFO loading'\necho 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB'\nexit 1\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    apply(&server, &served_by(&[script.to_str().unwrap(), "{port}"], &json!({})));
    let failed = until(&server, "the engine to fail", |replica| replica["state"] == "backing_off").await;
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("exit code 1") && message.contains("out of GPU memory: give it more GPUs"), "{message}");
    assert_eq!(failed["last_lines"][0], "INFO loading");
    assert!(failed["last_lines"][1].as_str().unwrap().contains("CUDA out of memory"), "{failed}");
    let shown = server.cli(&["model", "show", "m"]);
    assert!(shown.stderr.contains("out of GPU memory") && shown.stderr.contains("| INFO loading"), "{}", shown.stderr);
}

/// A pid alone says nothing: after a reboot, or a while, it is another program's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_started_at_another_time_is_not_taken_for_the_engine() {
    let mut server = Server::start(&support::enginehouse!()).await;
    let program = binary();
    server.apply(&served_by(&[&program, "engine-sim", "--port", "{port}", "--model", "{name}"], &json!({})));
    let first = replica(&server)["pid"].clone();
    server.kill();
    let path = server.home().join("run/d-0.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let ticks = find(&mut record, "start_ticks").unwrap();
    *ticks = json!(ticks.as_u64().unwrap() + 1);
    fs::write(&path, record.to_string()).unwrap();
    server.restart().await;
    let second =
        until(&server, "another engine", |replica| replica["state"] == "ready" && replica["pid"] != first).await;
    eventually("only that one to run", || async {
        let pids = server.engine_pids();
        (pids.len() == 1 && json!(pids[0]) == second["pid"]).then_some(())
    })
    .await;
    ask(&server).await;
}

fn signal(pid: &str, signal: &str) {
    assert!(std::process::Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// The first member of that name, at whatever depth.
fn find<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    let members = value.as_object_mut()?;
    if members.contains_key(name) {
        return members.get_mut(name);
    }
    members.values_mut().find_map(|member| find(member, name))
}
