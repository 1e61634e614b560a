//! `model add|rm|test|url` as people use them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use http::Method;
use serde_json::{Value, json};
use support::hub::Fault;
use support::{
    Finished, HubServer, InTerminal, MASTER_KEY, Planes, Server, ServerOptions, Signal, document, eventually,
};
use tempfile::TempDir;

const MODEL: &str = "org/Tiny-Chat";
const TYPES: [&str; 7] =
    ["chat", "vision", "embedding", "rerank", "speech-to-text", "text-to-speech", "image-generation"];

/// A hub with a model, and a service with an empty cache.
struct Scene {
    hub: HubServer,
    _cache: TempDir,
    server: Server,
}

impl Scene {
    async fn new() -> Self {
        let (hub, cache) = (HubServer::start().await, tempfile::tempdir().unwrap());
        hub.file(MODEL, "config.json", r#"{"architectures": ["Qwen3ForCausalLM"]}"#, false);
        hub.file(MODEL, "model.safetensors", vec![7; 600_000], true);
        hub.file("org/odd", "config.json", r#"{"architectures": ["NeverHeardOf"]}"#, false);
        let options = ServerOptions::new(&support::enginehouse!()).environment("HF_ENDPOINT", hub.url());
        let server = options.environment("HF_HOME", cache.path().to_str().unwrap()).start().await;
        Self { hub, _cache: cache, server }
    }

    fn cli(&self, arguments: &[&str]) -> Finished {
        self.server.cli(arguments)
    }

    fn run_add(&self, arguments: &[&str]) -> Finished {
        let arguments = add(arguments);
        self.cli(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn names(&self) -> Vec<String> {
        let models = self.cli(&["model", "list", "--json"]).json();
        models.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// `model add` of a process that needs its source.
fn add(arguments: &[&str]) -> Vec<String> {
    let program = support::enginehouse!();
    let engine = ["env", "SOURCE={source}", program.path().to_str().unwrap(), "engine-sim", "--port", "{port}"];
    let all = [&["model", "add"], arguments, &["--runtime", "process", "--"], &engine, &["--model", "{name}"]];
    all.concat().into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_added_followed_asked_and_removed() {
    let scene = Scene::new().await;
    // What somebody else has staged stays staged.
    scene.cli(&["config", "stage", "settings/routing", "--set", "strategy=simple-shuffle"]).ok();
    let planned = scene.run_add(&[MODEL, "--dry-run"]);
    assert!(planned.ok().contains("+ model tiny-chat") && planned.stdout.contains("Dry run"), "{}", planned.stdout);
    assert!(scene.names().is_empty());

    let added = scene.run_add(&[MODEL, "-m", "first"]);
    assert!(added.ok().contains("tiny-chat: chat, by Qwen3ForCausalLM in config.json"), "{}", added.stdout);
    assert!(added.stdout.contains("+ model tiny-chat") && added.stdout.contains("start"), "{}", added.stdout);
    for said in ["/0  downloading  org/Tiny-Chat: ", "/0  ready", "tiny-chat is ready: `enginehouse model url"] {
        assert!(added.stderr.contains(said), "{said}: {}", added.stderr);
    }
    assert!(!added.stderr.contains('\x1b'), "plain lines where nobody watches: {}", added.stderr);
    let staged = scene.cli(&["config", "plan", "--json"]);
    assert!(staged.ok().contains("routing"), "{}", staged.stdout);
    assert!(scene.cli(&["config", "history"]).ok().contains("first"));

    let tested = scene.cli(&["model", "test", "tiny-chat"]);
    assert!(tested.ok().contains("/v1/chat/completions") && tested.stdout.contains("200 ok"), "{}", tested.stdout);
    let url = scene.cli(&["model", "url", "tiny-chat", "--json"]).json();
    let address = scene.server.client_address();
    assert_eq!((&url["base_url"], &url["model"]), (&json!(format!("http://{address}/v1")), &json!("tiny-chat")));
    let shown = scene.cli(&["model", "url", "tiny-chat", "--direct"]);
    assert!(shown.ok().contains(&format!("http://{address}/models/tiny-chat/v1/chat/completions")), "{}", shown.stdout);
    assert!(scene.cli(&["model", "url", "tiny-chat", "--open"]).fails_with(1).contains("is not open"));

    let refused = scene.cli(&["model", "rm", "tiny-chat"]);
    assert!(refused.fails_with(2).contains("give --yes"), "{}", refused.stderr);
    let removed = scene.cli(&["model", "rm", "tiny-chat", "--yes"]);
    removed.ok();
    assert!(removed.stderr.contains("tiny-chat is removed: revision "), "{}", removed.stderr);
    assert!(scene.names().is_empty() && scene.server.engine_pids().is_empty(), "it was waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_redrawn_in_a_terminal() {
    let scene = Scene::new().await;
    scene.hub.fault("signature", 1, Fault::Slow(200_000));
    let arguments = add(&[MODEL, "--replicas", "2"]);
    let command = scene.server.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let shown = InTerminal::run(&command, 60);
    let raw = shown.finished.ok();
    assert!(raw.contains("downloading") && raw.contains("\x1b[2A\x1b[J"), "two lines, again and again: {raw:?}");
    let screen = shown.screen();
    // Each replica stands there once, as it was in the end; a line that wrapped would have thrown that off.
    for number in ["/0  ", "/1  "] {
        let of: Vec<_> = screen.iter().filter(|row| row.contains(number)).collect();
        assert!(matches!(of[..], [row] if row.trim_end().ends_with("ready")), "{number}: {screen:#?}");
    }
    assert!(!screen.iter().any(|row| row.contains("downloading")), "{screen:#?}");
    assert!(screen.iter().any(|row| row.starts_with("tiny-chat is ready: ")), "{screen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_is_known_by_the_hubs_tags_where_files_do_not_tell() {
    let scene = Scene::new().await;
    scene.hub.pipeline("org/odd", "text-ranking");
    let planned = scene.run_add(&["org/odd", "--dry-run"]);
    assert!(planned.ok().contains("odd: rerank, by the tag text-ranking at the Hub"), "{}", planned.stdout);
    // Files go before tags.
    scene.hub.pipeline(MODEL, "feature-extraction");
    let planned = scene.run_add(&[MODEL, "--dry-run"]);
    assert!(planned.ok().contains("tiny-chat: chat, by Qwen3ForCausalLM in config.json"), "{}", planned.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_models_go_in_reverse_order() {
    let scene = Scene::new().await;
    for name in ["a", "b"] {
        scene.run_add(&[name, "--source", MODEL, "--type", "chat"]).ok();
    }
    let gone = scene.cli(&["model", "rm", "--all", "--yes", "--json"]).json();
    let names: Vec<_> = gone.as_array().unwrap().iter().map(|model| model["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["b", "a"]);
    assert!(scene.names().is_empty() && scene.server.engine_pids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_it_running_and_says_so() {
    let scene = Scene::new().await;
    scene.hub.fault("signature", 1, Fault::Slow(40_000));
    let arguments = add(&[MODEL]);
    let mut command = scene.server.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("downloading") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended");
    }
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("it goes on by itself"), "{rest}");
    eventually("it to be ready all the same", || async {
        let model = scene.server.admin().get("/api/v1/models/tiny-chat").await.expect(200).json();
        (model["state"] == "ready").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_up_is_said() {
    let scene = Scene::new().await;
    let failed = scene.cli(&[
        "model",
        "add",
        "bad",
        "--source",
        MODEL,
        "--type",
        "chat",
        "--runtime",
        "process",
        "--command",
        "sh -c 'echo CUDA out of memory; exit 3' {port}",
    ]);
    let said = failed.fails_with(1);
    assert!(said.contains("bad does not come up: ended (exit code 3): out of GPU memory"), "{said}");
    let gated = scene.run_add(&["org/absent", "--type", "chat"]);
    assert!(gated.fails_with(1).contains("org/absent is not at http"), "{}", gated.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_what_to_do() {
    let scene = Scene::new().await;
    scene.run_add(&["qwen", "--source", MODEL]).ok();
    for (arguments, status, said) in [
        (&["model", "add", "qwen", "--source", MODEL][..], 1, "there is a model qwen already: choose another name"),
        (&["model", "add", "org/odd"], 1, "NeverHeardOf"),
        (&["model", "add", "org/odd"], 1, "say it with --type"),
        (&["model", "add", "org/absent"], 1, "org/absent is not at http"),
        (&["model", "add", MODEL, "--type", "chatty"], 2, "speech-to-text"),
        (&["model", "add", "a b", "--type", "chat"], 1, "a b"),
        (&["model", "add", "open", "--source", MODEL, "--type", "chat"], 1, "reserved"),
        (&["model", "add", MODEL, "--replicas", "9", "--name", "x"], 1, "replicas"),
        (&["model", "add", MODEL, "--gpus", "0,1,2", "--replicas", "2", "--name", "x"], 1, "gpus"),
        (&["model", "add", MODEL, "--env", "X"], 2, "NAME=VALUE"),
        (&["model", "add", MODEL, "--env", "HF_TOKEN=hf_literal", "--name", "x"], 1, "os.environ/"),
        (&["model", "add", MODEL, "--runtime", "process", "--command", "a 'b"], 2, "is not closed"),
        (&["model", "rm", "qwne", "--yes"], 1, "did you mean qwen?"),
        (&["model", "rm", "qwen", "llama", "--yes"], 1, "there is no such model"),
        (&["model", "rm", "--yes"], 2, "required"),
        (&["model", "test", "qwem"], 1, "did you mean qwen?"),
        (&["model", "url", "quen"], 1, "did you mean qwen?"),
        (&["model", "logs", "qwan"], 1, "did you mean qwen?"),
        (&["model", "stop", "nothing-like-it"], 1, "`enginehouse model list` shows all"),
    ] {
        let refused = scene.cli(arguments);
        assert!(refused.fails_with(status).contains(said), "{arguments:?}: {}", refused.stderr);
        assert!(!refused.stderr.contains("hf_literal"), "{}", refused.stderr);
    }
    assert_eq!(scene.names(), ["qwen"], "nothing of all that was written");

    // Where nothing runs.
    let home = scene.server.folder().join("elsewhere");
    let command = |arguments: &[&str]| {
        let program = support::enginehouse!();
        let mut command = program.command();
        command.arg("--home").arg(&home).args(arguments);
        Finished::of(&mut command, None)
    };
    assert!(command(&["model", "test", "x"]).fails_with(1).contains("enginehouse serve"));
    let added = command(&["model", "add", "x", "--source", "/models/x", "--type", "chat"]);
    added.ok();
    assert!(added.stderr.contains("started with `enginehouse serve`"), "{}", added.stderr);
    assert!(command(&["model", "test", "x"]).fails_with(1).contains("start `enginehouse serve` first"));
    assert!(command(&["model", "url", "x"]).fails_with(1).contains("nothing runs"));
    command(&["model", "rm", "x", "--yes"]).ok();
}

/// A model of each type.
async fn of_all_types(planes: Planes) -> Server {
    let program = support::enginehouse!();
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let models: Vec<_> = TYPES.iter().map(|kind| document::process(kind, kind, &program, &[])).collect();
    server.apply(&document::of(&models));
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_asked_for_real() {
    let server = of_all_types(Planes::Together).await;
    let tested = server.cli(&["model", "test", "--all", "--json"]);
    let all: Vec<Value> = serde_json::from_str(tested.ok()).unwrap();
    assert_eq!(all.len(), TYPES.len());
    for tested in &all {
        assert!(tested["ok"] == true && tested["deployment"].is_string() && tested["usage"].is_object(), "{tested}");
        let replica = format!("{}/0", tested["deployment"].as_str().unwrap());
        assert_eq!(tested["replica"], json!(replica), "{tested}");
        let request = tested["request_id"].as_str().unwrap();
        let booked = server.admin().get(&format!("/api/v1/usage?model={}", tested["model"].as_str().unwrap())).await;
        assert_eq!(booked.expect(200).json()["total"]["requests"], 1, "{request}");
    }
    let chat = all.iter().find(|tested| tested["model"] == "chat").unwrap();
    assert!(chat["usage"]["completion_tokens"].as_u64() > Some(0), "{chat}");
    // No key of these is left, and none was told.
    let keys = server.admin().get("/api/v1/keys").await.expect(200).json();
    assert_eq!(keys, json!([]));
    for text in [tested.stdout, tested.stderr, server.log()] {
        assert!(!text.contains("sk-") && !text.contains(MASTER_KEY), "{text}");
    }

    // One whose engine is gone.
    server.cli(&["model", "stop", "chat"]).ok();
    let refused = server.cli(&["model", "test", "chat", "embedding"]);
    refused.fails_with(1);
    assert!(refused.stdout.contains("503 failed") && refused.stdout.contains("200 ok"), "{}", refused.stdout);
    // Viewers may look, not ask.
    let token = server.cli(&["token", "create", "look", "--role", "viewer", "--quiet"]);
    let viewer = support::Http::to(server.admin_address()).with_key(token.ok().trim());
    viewer.send(Method::POST, "/api/v1/models/embedding/test", "{}").await.expect(403);
    viewer.send(Method::DELETE, "/api/v1/models/embedding", "").await.expect(403);
    viewer.get("/api/v1/models/embedding").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_elsewhere_is_asked_too() {
    let server = of_all_types(Planes::Apart).await;
    let tested = server.cli(&["model", "test", "embedding"]);
    assert!(tested.ok().contains("200 ok"), "{}", tested.stdout);
}
