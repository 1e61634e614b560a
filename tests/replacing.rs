//! Engines added and replaced while clients send requests without a pause: none is lost, and the books have all of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Http, Planes, Server, ServerOptions, document, eventually};
use tokio::task::JoinHandle;

const PATH: &str = "/v1/chat/completions";
/// Clients that ask one short thing after the other, and those that read streams.
const CLIENTS: (usize, usize) = (3, 3);
/// Tokens of each answer.
const TOKENS: u64 = 12;

support::in_both_forms!(
    a_replica_is_added_under_load,
    an_engine_is_replaced_under_load,
    a_changed_definition_is_rolled_out_under_load,
);

/// Clients that ask until they are told to stop.
struct Load {
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Result<u64, String>>>,
}

// === impl Load ===

impl Load {
    fn on(server: &Server) -> Self {
        let (short, streams) = CLIENTS;
        let ends = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let clients = (0..short + streams).map(|number| {
            let (client, ends, answered) = (server.client(), ends.clone(), answered.clone());
            tokio::spawn(async move {
                let mut asked = 0;
                while !ends.load(Ordering::Relaxed) {
                    ask(&client, number >= short).await?;
                    asked += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok(asked)
            })
        });
        Self { clients: clients.collect(), ends, answered }
    }

    /// Waits until so many more requests were answered: whatever was just done had its effect under load.
    async fn goes_on(&self, more: u64) {
        let from = self.answered.load(Ordering::Relaxed);
        support::until("more answers", || self.answered.load(Ordering::Relaxed) >= from + more).await;
    }

    /// Ends it; how many requests there were. One that failed fails the test.
    async fn end(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        let mut asked = 0;
        for client in self.clients {
            asked += client.await.unwrap().unwrap();
        }
        asked
    }
}

async fn ask(client: &Http, stream: bool) -> Result<(), String> {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let body = json!({"model": "m", "max_tokens": TOKENS, "stream": stream, "messages": messages});
    let mut answer = client.try_stream(http::Method::POST, PATH, body.to_string().into()).await?;
    if answer.status != 200 {
        let status = answer.status;
        return Err(format!("{status}: {:?}", answer.rest().await));
    }
    if !stream {
        let body = answer.rest().await?;
        let whole: Value = serde_json::from_slice(&body).map_err(|error| format!("{error}: {body:?}"))?;
        return if whole["usage"]["completion_tokens"] == TOKENS { Ok(()) } else { Err(whole.to_string()) };
    }
    let events = answer.events().await?;
    let is_whole =
        events.last().is_some_and(|last| last == "[DONE]") && !events.iter().any(|event| event.contains("\"error\""));
    if is_whole { Ok(()) } else { Err(format!("{events:?}")) }
}

/// A document with the model `m` on `replicas` engines of ours; `more` arguments make it another definition.
fn model(replicas: u32, more: &[&str]) -> Value {
    let tokens = TOKENS.to_string();
    let arguments = [&["--tokens", &tokens, "--inter-token-ms", "15"], more].concat();
    let mut model = document::process("m", "chat", &support::enginehouse!(), &arguments);
    model["deployments"][0]["id"] = "d".into();
    model["deployments"][0]["engine"]["replicas"] = replicas.into();
    document::of(&[model])
}

async fn served(planes: Planes, replicas: u32) -> Server {
    let server = ServerOptions::new(&support::enginehouse!()).planes(planes).start().await;
    server.apply(&model(replicas, &[]));
    server
}

fn status(server: &Server) -> Value {
    server.cli(&["model", "show", "m", "--json"]).json()
}

/// Pids of the replicas, in order.
fn pids(status: &Value) -> Vec<Value> {
    let replicas = status["deployments"][0]["replicas"].as_array().unwrap();
    replicas.iter().map(|replica| replica["pid"].clone()).collect()
}

/// Waits until all replicas are others than those, and those are gone.
async fn until_replaced(server: &Server, before: &[Value]) {
    eventually("all replicas to be replaced", || {
        let status = status(server);
        let now = pids(&status);
        let others = status["state"] == "ready" && now.iter().all(|pid| !pid.is_null() && !before.contains(pid));
        std::future::ready((others && status["deployments"][0].get("before").is_none()).then_some(()))
    })
    .await;
}

async fn check_books(server: &Server, requests: u64) {
    eventually("the books to be drained", || async {
        let usage = server.cli(&["usage", "--json"]).json();
        (usage["total"]["requests"] == requests).then_some(())
    })
    .await;
    let total = server.cli(&["usage", "--json"]).json()["total"].take();
    assert_eq!((&total["failed"], &total["completion_tokens"]), (&json!(0), &json!(requests * TOKENS)), "{total}");
}

async fn a_replica_is_added_under_load(planes: Planes) {
    let server = served(planes, 1).await;
    let before = pids(&status(&server));
    let load = Load::on(&server);
    load.goes_on(20).await;
    server.apply(&model(3, &[]));
    load.goes_on(40).await;
    assert_eq!(pids(&status(&server))[..1], before, "the first one was left alone");
    server.apply(&model(1, &[]));
    load.goes_on(20).await;
    eventually("two to be gone", || async { (server.engine_pids().len() == 1).then_some(()) }).await;
    check_books(&server, load.end().await).await;
}

async fn an_engine_is_replaced_under_load(planes: Planes) {
    let server = served(planes, 1).await;
    let load = Load::on(&server);
    for _ in 0..3 {
        let before = pids(&status(&server));
        load.goes_on(20).await;
        let told = server.cli(&["model", "replace", "m"]);
        assert!(told.ok().is_empty() && told.stderr.contains("m: "), "{}", told.stderr);
        until_replaced(&server, &before).await;
        load.goes_on(20).await;
    }
    let plan = server.cli(&["model", "plan", "m"]);
    assert!(plan.ok().contains("d/0b"), "the third one is in the second place: {}", plan.stdout);
    check_books(&server, load.end().await).await;
}

async fn a_changed_definition_is_rolled_out_under_load(planes: Planes) {
    let server = served(planes, 2).await;
    let before = pids(&status(&server));
    let load = Load::on(&server);
    load.goes_on(20).await;
    let changed = model(2, &["--ttft-ms", "1"]);
    let planned = support::Finished::of(
        &mut server.command(&["apply", "-f", "-", "--dry-run", "--json"]),
        Some(&changed.to_string()),
    );
    let step = &planned.json()["plan"][0];
    assert_eq!((&step["action"], &step["interrupts"]), (&json!("replace"), &json!(false)), "{step}");
    server.apply(&changed);
    until_replaced(&server, &before).await;
    load.goes_on(20).await;
    check_books(&server, load.end().await).await;
}

/// One after the other: while the first does not start, the rest serves on from the definition before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_that_does_not_start_takes_nothing_away() {
    let server = served(Planes::Together, 2).await;
    let before = pids(&status(&server));
    let load = Load::on(&server);
    let broken = model(2, &["--no-such-option"]).to_string();
    support::Finished::of(&mut server.command(&["apply", "-f", "-"]), Some(&broken)).ok();
    let failing = eventually("the first to fail", || {
        let status = status(&server);
        let first = &status["deployments"][0]["replicas"][0];
        std::future::ready((first["restarts"].as_u64() >= Some(2)).then_some(status))
    })
    .await;
    assert_eq!(
        (&failing["state"], &failing["ready"], &failing["serving"]),
        (&json!("replacing"), &json!(0), &json!(2))
    );
    let plan = server.cli(&["model", "plan", "m", "--json"]).json();
    let whys: Vec<_> =
        plan[0]["replicas"].as_array().unwrap().iter().map(|replica| replica["why"].as_str().unwrap()).collect();
    let says = |text: &str| whys.iter().any(|why| why.contains(text));
    assert!(says("serves on until d/0 does as well") || says("serves on until d/0b does"), "{whys:?}");
    load.goes_on(40).await;
    server.apply(&model(2, &[]));
    assert_eq!(pids(&status(&server)), before, "what serves is what is wanted again");
    check_books(&server, load.end().await).await;
}

/// Busy for longer than a look takes, it does not tell what it works on: what it works on is waited for all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_hangs_while_it_drains_keeps_its_requests() {
    let server = ServerOptions::new(&support::enginehouse!()).start().await;
    let arguments = ["--tokens", "150", "--inter-token-ms", "50"];
    let mut slow = document::process("m", "chat", &support::enginehouse!(), &arguments);
    slow["deployments"][0]["id"] = "d".into();
    server.apply(&document::of(&[slow]));
    let before = status(&server)["deployments"][0]["replicas"][0]["pid"].as_i64().unwrap();
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let body = json!({"model": "m", "stream": true, "messages": messages});
    let mut stream = server.client().stream(PATH, &body).await;
    assert!(stream.next_event().await.unwrap().is_some());

    server.cli(&["model", "replace", "m"]).ok();
    eventually("the engine before to drain", || {
        let status = status(&server)["deployments"][0].take().to_string();
        std::future::ready(status.contains("draining").then_some(()))
    })
    .await;
    let pid = rustix::process::Pid::from_raw(before.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, support::Signal::STOP).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    rustix::process::kill_process(pid, support::Signal::CONT).unwrap();
    let events = stream.events().await.unwrap();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    assert!(!events.iter().any(|event| event.contains("\"abort\"")), "{events:?}");
    assert!(events.len() > 100, "{}", events.len());
}
