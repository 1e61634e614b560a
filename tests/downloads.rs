//! Models that are not in the cache: the manager fetches them before their engines start, which stay offline.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;

use serde_json::{Value, json};
use support::hub::{COMMIT, Fault};
use support::{HubServer, Mount, Scene as Gpus, Server, ServerOptions, document, eventually, until};
use tempfile::TempDir;

const MODEL: &str = "org/tiny";
const LARGE: usize = 600_000;

/// A hub with a model, an empty cache, and a service between them.
struct Scene {
    hub: HubServer,
    cache: TempDir,
    server: Server,
}

impl Scene {
    async fn new(environment: &[(&str, &str)]) -> Self {
        Self::on(&Gpus::none(), environment).await
    }

    /// On a machine with these GPUs.
    async fn on(gpus: &Gpus, environment: &[(&str, &str)]) -> Self {
        let hub = HubServer::start().await;
        let cache = tempfile::tempdir().unwrap();
        add(&hub, MODEL);
        let mut options = ServerOptions::new(&support::enginehouse!()).environment("HF_ENDPOINT", hub.url());
        options = options.gpus(gpus).environment("HF_HOME", cache.path().to_str().unwrap());
        for (name, value) in environment {
            options = options.environment(name, value);
        }
        Self { hub, cache, server: options.start().await }
    }

    async fn model(&self, name: &str) -> Value {
        self.server.admin().get(&format!("/api/v1/models/{name}")).await.expect(200).json()
    }

    /// The first replica of a model, once it fits.
    async fn replica(&self, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async {
            let model = self.model(name).await;
            Some(model["deployments"][0]["replicas"][0].clone()).filter(&fits)
        })
        .await
    }

    async fn ready(&self, name: &str) {
        self.replica(name, "the engine to be ready", |replica| replica["state"] == "ready").await;
    }

    fn stage_all(&self, models: &[Value]) {
        let file = self.server.folder().join("models.json");
        fs::write(&file, document::of(models).to_string()).unwrap();
        self.server.cli(&["apply", "-f", file.to_str().unwrap()]).ok();
    }

    fn has_model(&self) -> bool {
        let path = format!("hub/models--org--tiny/snapshots/{COMMIT}/model.safetensors");
        fs::metadata(self.cache.path().join(path)).is_ok_and(|file| file.len() == LARGE as u64)
    }

    /// How often the weights were asked for.
    fn asked(&self) -> usize {
        self.hub.seen().iter().filter(|seen| !seen.cdn && seen.path.contains("/resolve/")).count()
    }
}

fn add(hub: &HubServer, model: &str) {
    hub.file(model, "config.json", "{}", false).file(model, "model.safetensors", vec![7; LARGE], true);
    hub.file(model, "pytorch_model.bin", vec![8; LARGE], true);
}

/// A model whose engine is told its source, as vLLM would be.
fn model(name: &str, source: &str, more: &Value) -> Value {
    let mut model = document::process(name, "chat", &support::enginehouse!(), &[]);
    let engine = &mut model["deployments"][0]["engine"];
    let mut command = vec![json!("env"), json!("SOURCE={source}")];
    command.extend(engine["command"].as_array().unwrap().iter().cloned());
    (engine["source"], engine["command"]) = (source.into(), command.into());
    engine.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    model
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_fetched_once_before_its_engines_start() {
    let scene = Scene::new(&[]).await;
    scene.hub.fault("signature", 1, Fault::Slow(40_000));
    scene.stage_all(&[
        model("one", MODEL, &json!({ "replicas": 2 })),
        model("two", MODEL, &json!({ "env": { "HF_HUB_OFFLINE": "1" } })),
    ]);
    let some = |replica: &Value| replica["download"]["bytes_done"].as_u64() > Some(20_000);
    let coming = scene.replica("one", "some of it to come", some).await;
    assert_eq!((&coming["state"], &coming["pid"]), (&json!("downloading"), &Value::Null), "{coming}");
    assert_eq!(coming["download"]["bytes"], json!(LARGE + 2), "weights in one format: {coming}");
    assert!(coming["message"].as_str().unwrap().starts_with("org/tiny: "), "{coming}");
    let listed = scene.server.cli(&["model", "list"]);
    assert!(listed.stderr.contains("downloading): org/tiny: "), "{}", listed.stderr);
    let shown = scene.server.cli(&["model", "show", "two"]);
    assert!(shown.ok().contains("downloading"), "{}", shown.stdout);
    for name in ["one", "two"] {
        scene.ready(name).await;
    }
    assert!(scene.has_model());
    assert_eq!(scene.asked(), 2, "one pull for three replicas: config.json and the weights, once");
    let pulls = scene.server.admin().get("/api/v1/hub/pulls").await.expect(200).json();
    assert_eq!((pulls.as_array().unwrap().len(), &pulls[0]["actor"]), (1, &json!("reconciler")), "{pulls}");
    let audit = scene.server.admin().get("/api/v1/audit?action=hub.").await.expect(200).json();
    assert_eq!((&audit[0]["actor"], &audit[0]["subject"]), (&json!("reconciler"), &json!(MODEL)));

    // From now on it starts without the Hub.
    scene.hub.fault("", 1_000, Fault::Status(500, Vec::new()));
    scene.server.cli(&["model", "restart", "one"]).ok();
    until("the engines to be others", || scene.server.log().matches("engine started").count() >= 5).await;
    scene.ready("one").await;
    assert_eq!(scene.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_is_the_reason_and_tried_again() {
    let scene = Scene::new(&[]).await;
    add(&scene.hub, "org/gated");
    scene.hub.closed("org/gated", "hf_token", "GatedRepo");
    // A size that no disk has.
    let weights = json!({ "type": "file", "path": "model.safetensors", "size": 1_u64 << 60, "oid": "0".repeat(40) });
    add(&scene.hub, "org/huge");
    scene.hub.lists("org/huge", json!([weights]));
    scene.stage_all(&[
        model("gated", "org/gated", &json!({})),
        model("absent", "org/absent", &json!({})),
        model("huge", "org/huge", &json!({})),
        model("odd", MODEL, &json!({ "revision": "v9" })),
    ]);
    for (name, why) in [
        ("gated", "org/gated is gated: accept its conditions at http"),
        ("absent", "org/absent is not at http"),
        ("huge", "GiB are needed: free space"),
        ("odd", "org/tiny has no revision v9"),
    ] {
        let down = |replica: &Value| replica["state"] == "backing_off";
        let failed = scene.replica(name, "it to fail", down).await;
        assert!(failed["message"].as_str().unwrap().contains(why), "{name}: {failed}");
        assert_eq!(failed["pid"], Value::Null);
    }
    // Once it is there, nobody has to say so.
    add(&scene.hub, "org/absent");
    scene.ready("absent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_nobody_waits_for_any_more_ends() {
    let scene = Scene::new(&[]).await;
    scene.hub.fault("signature", 9, Fault::Slow(20_000));
    scene.stage_all(&[model("one", MODEL, &json!({})), model("two", MODEL, &json!({}))]);
    let some = |replica: &Value| replica["download"]["bytes_done"].as_u64() > Some(0);
    for name in ["one", "two"] {
        scene.replica(name, "some of it to come", some).await;
    }
    let state =
        || async { scene.server.admin().get("/api/v1/hub/pulls/pull-1").await.expect(200).json()["state"].clone() };
    scene.server.cli(&["model", "stop", "one"]).ok();
    scene.replica("one", "it to be stopped", |replica| replica["state"] == "stopped").await;
    assert_eq!(state().await, "running", "the other one waits for it");
    scene.server.cli(&["model", "stop", "two"]).ok();
    eventually("the pull to end", || async { (state().await == "cancelled").then_some(()) }).await;
    // Taken up again where it was.
    scene.hub.heal();
    scene.server.cli(&["model", "start", "two"]).ok();
    scene.ready("two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_a_person_began_is_joined() {
    let scene = Scene::new(&[]).await;
    scene.hub.fault("signature", 1, Fault::Slow(40_000));
    let begun = scene.server.admin().post("/api/v1/hub/pulls", &json!({ "model": MODEL, "include": ["*.bin"] })).await;
    begun.expect(202);
    scene.stage_all(&[model("one", MODEL, &json!({}))]);
    scene.replica("one", "it to wait", |replica| replica["state"] == "downloading").await;
    // That brings less than the engine needs.
    scene.ready("one").await;
    assert!(scene.has_model());
    let pulls = scene.server.admin().get("/api/v1/hub/pulls").await.expect(200).json();
    let actors: Vec<_> = pulls.as_array().unwrap().iter().map(|pull| pull["actor"].as_str().unwrap()).collect();
    assert_eq!(actors, ["master", "reconciler"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_manager_goes_on_with_a_download() {
    let mut scene = Scene::new(&[]).await;
    scene.hub.fault("signature", 1, Fault::Slow(50_000));
    scene.stage_all(&[model("one", MODEL, &json!({}))]);
    let some = |replica: &Value| replica["download"]["bytes_done"].as_u64() > Some(20_000);
    scene.replica("one", "some of it to come", some).await;
    scene.server.kill();
    scene.hub.seen();
    scene.server.restart().await;
    scene.ready("one").await;
    assert!(scene.has_model());
    assert!(scene.hub.seen().iter().any(|seen| seen.range.is_some()), "what came was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_model_stay_until_its_engine_has_ended() {
    let scene = Scene::new(&[]).await;
    let mut endless = model("one", MODEL, &json!({}));
    let command = endless["deployments"][0]["engine"]["command"].as_array_mut().unwrap();
    command.extend(["--tokens", "5000", "--inter-token-ms", "100"].map(Value::from));
    scene.server.apply(&document::of(&[endless]));
    let messages = json!([{ "role": "user", "content": "Hello" }]);
    let body = json!({ "model": "one", "max_tokens": 5000, "stream": true, "messages": messages });
    let mut stream = scene.server.client().stream("/v1/chat/completions", &body).await;
    stream.next_event().await.unwrap().unwrap();
    scene.server.cli(&["model", "rm", "one", "--yes", "--no-wait"]).ok();
    // It answers what it has.
    stream.next_event().await.unwrap().unwrap();
    let refused = scene.server.cli(&["hub", "rm", MODEL]);
    assert!(refused.fails_with(1).contains("still runs"), "{}", refused.stderr);
    assert!(scene.has_model());
    drop(stream);
    until("the engine to have ended", || scene.server.engine_pids().is_empty()).await;
    until("its files to go", || scene.server.cli(&["hub", "rm", MODEL]).status.success()).await;
    assert!(!scene.has_model());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_where_that_is_switched_off() {
    let scene = Scene::new(&[]).await;
    let mut offline = document::of(&[model("one", MODEL, &json!({}))]);
    offline["defaults"] = json!({ "offline": true });
    scene.server.apply(&offline);
    // One that fetches by itself is left to do so, and one that is told no source needs none.
    let itself = model("itself", MODEL, &json!({ "env": { "HF_HUB_OFFLINE": "0" } }));
    scene.server.apply(&document::of(&[itself, document::process("none", "chat", &support::enginehouse!(), &[])]));
    assert!(scene.hub.seen().is_empty());

    let scene = Scene::new(&[("HF_HUB_OFFLINE", "1")]).await;
    scene.server.apply(&document::of(&[model("one", MODEL, &json!({}))]));
    assert!(scene.hub.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_gpu_has_its_model_fetched_meanwhile() {
    let mut taken = Gpus::mixed();
    taken.devices[0].used = 30 << 30;
    let scene = Scene::on(&taken, &[]).await;
    scene.stage_all(&[model("one", MODEL, &json!({ "gpus": [0], "gpu_memory_utilization": 0.5 }))]);
    until("the model to be here", || scene.has_model()).await;
    let waits = |replica: &Value| replica["message"].as_str().is_some_and(|text| text.starts_with("waits for memory"));
    let waiting = scene.replica("one", "it to wait", waits).await;
    assert_eq!((&waiting["state"], &waiting["pid"]), (&json!("pending"), &Value::Null), "{waiting}");
    let fetched = scene.asked();
    scene.server.play(&Gpus::mixed());
    scene.ready("one").await;
    assert_eq!((fetched, scene.asked()), (2, 0), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_away_is_the_reason_and_nothing_has_to_be_done_once_it_is_back() {
    let cut_off = Scene::new(&[("HF_ENDPOINT", "http://127.0.0.1:1")]).await;
    cut_off.stage_all(&[model("one", MODEL, &json!({}))]);
    let scene = Scene::new(&[]).await;
    scene.hub.fault("", 10_000, Fault::Status(503, Vec::new()));
    scene.stage_all(&[model("one", MODEL, &json!({ "replicas": 2 }))]);
    let down = |replica: &Value| replica["state"] == "backing_off";
    let failed = scene.replica("one", "it to fail", down).await;
    let why = failed["message"].as_str().unwrap();
    assert!(why.contains("answers 503") && why.contains("started again at"), "{why}");
    let failed = cut_off.replica("one", "it to fail", down).await;
    let why = failed["message"].as_str().unwrap();
    assert!(why.contains("127.0.0.1 cannot be reached") && why.contains("name a mirror with HF_ENDPOINT"), "{why}");
    scene.hub.heal();
    scene.ready("one").await;
    until("both to run", || scene.server.engine_pids().len() == 2).await;
    assert!(scene.has_model());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_goes_midway_is_told_and_what_came_is_kept() {
    let scene = Scene::new(&[]).await;
    // So many bytes, then the connection breaks, and from then on nobody can help.
    scene.hub.fault("signature", 1, Fault::Cut(100_000)).fault("signature", 10_000, Fault::Status(502, Vec::new()));
    scene.stage_all(&[model("one", MODEL, &json!({}))]);
    let some = |replica: &Value| replica["download"]["bytes_done"].as_u64() >= Some(100_000);
    scene.replica("one", "some of it to come", some).await;
    let down = |replica: &Value| replica["state"] == "backing_off";
    let failed = scene.replica("one", "it to fail", down).await;
    let why = failed["message"].as_str().unwrap();
    assert!(why.contains("answers 502") && why.contains("what was fetched is kept"), "{why}");
    scene.hub.heal();
    scene.hub.seen();
    scene.ready("one").await;
    assert!(scene.has_model());
    let weights = |seen: &support::hub::Seen| seen.cdn && seen.range.is_some();
    assert!(scene.hub.seen().iter().any(weights), "what came was not fetched again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_midway_is_told_and_gone_on_with_once_there_is_room() {
    let scene = Scene::new(&[]).await;
    let Some(disk) = Mount::in_memory(&scene.cache.path().join("hub"), 40 << 20) else { return };
    scene.hub.fault("signature", 1, Fault::Slow(60_000));
    scene.stage_all(&[model("one", MODEL, &json!({}))]);
    let some = |replica: &Value| replica["download"]["bytes_done"].as_u64() > Some(20_000);
    scene.replica("one", "some of it to come", some).await;
    let ballast = disk.fill();
    let down = |replica: &Value| replica["state"] == "backing_off";
    let failed = scene.replica("one", "it to fail", down).await;
    let why = failed["message"].as_str().unwrap();
    assert!(why.contains("space") && why.contains("started again at"), "{why}");
    assert_eq!(failed["pid"], Value::Null);
    fs::remove_file(ballast).unwrap();
    scene.hub.heal();
    scene.ready("one").await;
    assert!(scene.has_model());
    // The cache is on that disk: nothing may have it open.
    scene.server.cli(&["model", "stop", "one"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_a_download_takes_does_not_count_for_an_apply() {
    let scene = Scene::new(&[]).await;
    // Its engine may take 8 s to start, and half a minute later nobody waits any more: the download alone takes longer.
    scene.hub.fault("signature", 1, Fault::Slow(14_000));
    let file = scene.server.folder().join("models.json");
    fs::write(&file, document::of(&[model("one", MODEL, &json!({ "start_timeout": 8 }))]).to_string()).unwrap();
    let waited = scene.server.cli(&["apply", "-f", file.to_str().unwrap(), "--atomic"]);
    waited.ok();
    assert!(scene.has_model(), "{waited:?}");
    scene.ready("one").await;
}
