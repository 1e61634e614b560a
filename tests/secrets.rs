//! The hunt for the plain text: credentials come in on every way there is, are used, listed, rendered, resealed and got
//! wrong, and then everything that was said, written or is to be seen is searched for them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};
use support::{Answer, Finished, MASTER_KEY, Planes, Server, ServerOptions};

#[path = "secrets/viewer.rs"]
mod viewer;

/// One for each way in.
const APPLIED: &str = "sk-applied-6b1f0c2d9e";
const PIPED: &str = "sk-piped-93ab51e77c";
const PUT: &str = "sk-put-0d4c8e21fa";
const STAGED: &str = "sk-staged-5f3e7a9b10";
const USED: [&str; 3] = [APPLIED, PIPED, PUT];
const ALL: [&str; 4] = [APPLIED, PIPED, PUT, STAGED];

/// An endpoint that says what it was presented: to who asks, and in its errors.
struct Endpoint {
    address: SocketAddr,
    presented: Arc<Mutex<Vec<String>>>,
}

/// Everything that was said.
#[derive(Default)]
struct Said(Vec<(String, String)>);

// === impl Endpoint ===

impl Endpoint {
    async fn start() -> Self {
        let presented = Arc::new(Mutex::new(Vec::new()));
        let note = presented.clone();
        let answer = async move |headers: HeaderMap, body: String| {
            let key = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            note.lock().push(key.clone());
            let asked: Value = serde_json::from_str(&body).unwrap_or_default();
            if asked["model"] == "broken" {
                let error = json!({ "error": { "message": format!("Incorrect API key provided: {key}"), "code": "invalid_api_key" } });
                return (StatusCode::UNAUTHORIZED, error.to_string());
            }
            let choice =
                json!({ "index": 0, "message": { "role": "assistant", "content": "hi" }, "finish_reason": "stop" });
            let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
            (
                StatusCode::OK,
                json!({ "id": "1", "object": "chat.completion", "choices": [choice], "usage": usage }).to_string(),
            )
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/chat/completions", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, presented }
    }

    fn model(&self, name: &str, credential: &str) -> Value {
        let endpoint = json!({ "url": format!("http://{}/v1", self.address), "credential": credential });
        json!({ "name": name, "type": "chat", "deployments": [{ "endpoint": endpoint }] })
    }
}

// === impl Said ===

impl Said {
    fn finished(&mut self, what: &str, finished: &Finished) {
        self.0.push((what.to_owned(), format!("{}{}", finished.stdout, finished.stderr)));
    }

    fn answer(&mut self, what: &str, answer: &Answer) {
        self.0.push((what.to_owned(), format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body))));
    }

    /// Runs a command, and notes what it says.
    fn cli(&mut self, server: &Server, arguments: &[&str], input: Option<&str>) -> Finished {
        let finished = Finished::of(&mut server.command(arguments), input);
        self.finished(&arguments.join(" "), &finished);
        finished
    }

    fn expect_none_of(&self, secrets: &[&str]) {
        for (what, text) in &self.0 {
            for secret in secrets {
                assert!(!text.contains(secret), "{what} says {secret}:\n{text}");
            }
        }
    }
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => files_below(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// No file of the home, nor the log, holds a secret; neither do words and environment of what runs.
fn expect_hidden(server: &Server, secrets: &[&str]) {
    let mut files = Vec::new();
    files_below(&server.home(), &mut files);
    assert!(files.iter().any(|file| file.ends_with("enginehouse.db")) && files.len() > 10, "{files:?}");
    for pid in server.engine_pids().into_iter().chain([server.pid()]) {
        files.extend(["cmdline", "environ"].map(|name| PathBuf::from(format!("/proc/{pid}/{name}"))));
    }
    for file in files {
        // What goes away meanwhile holds nothing any more.
        let Ok(bytes) = fs::read(&file) else { continue };
        for secret in secrets {
            assert!(memchr::memmem::find(&bytes, secret.as_bytes()).is_none(), "{} holds {secret}", file.display());
        }
    }
    let log = server.log();
    assert!(log.contains("DEBUG"), "the log is as chatty as it gets");
    for secret in secrets {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

fn document(endpoint: &Endpoint, secret: &str) -> Value {
    let mut models: Vec<Value> = ["applied", "piped", "put"].map(|name| endpoint.model(name, name)).to_vec();
    models.push(endpoint.model("broken", "applied"));
    let engine = json!({ "source": "/m", "runtime": "process", "command": [support::enginehouse!().path(), "engine-sim", "--port", "{port}", "--model", "{name}"] });
    models.push(json!({ "name": "local", "type": "chat", "deployments": [{ "engine": engine }] }));
    json!({
        "version": 1,
        "credentials": [
            { "name": "applied", "provider": "openai", "secret": secret },
            { "name": "piped", "secret": "***" },
            { "name": "put", "secret": "***" },
        ],
        "models": models,
    })
}

/// Sends a request to each model, and sees that the endpoint was presented each secret.
async fn use_all(server: &Server, endpoint: &Endpoint) {
    endpoint.presented.lock().clear();
    for model in ["applied", "piped", "put", "broken", "local"] {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] });
        let status = server.client().post("/v1/chat/completions", &body).await.status;
        assert_eq!(status.is_success(), model != "broken", "{model}: {status}");
    }
    let presented = endpoint.presented.lock().clone();
    for secret in USED {
        assert!(presented.contains(&format!("Bearer {secret}")), "{presented:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plain_text_is_nowhere_but_in_the_request_to_the_endpoint() {
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).planes(Planes::Apart).arguments(&["--log", "debug"]);
    let mut server = options.start().await;
    let (endpoint, mut said) = (Endpoint::start().await, Said::default());

    // In on every way.
    said.cli(&server, &["credential", "set", "piped"], Some(PIPED)).ok();
    let put = json!({ "secret": PUT }).to_string();
    let answer = server.admin().send(hyper::Method::PUT, "/api/v1/credentials/put", put).await;
    assert_eq!(answer.status, 200);
    said.answer("PUT", &answer);
    let file = server.folder().join("document.json");
    fs::write(&file, document(&endpoint, APPLIED).to_string()).unwrap();
    let file = file.to_str().unwrap();
    said.cli(&server, &["apply", "-f", file, "--dry-run", "--json"], None).ok();
    said.cli(&server, &["apply", "-f", file, "--wait"], None).ok();
    use_all(&server, &endpoint).await;
    expect_hidden(&server, &ALL);

    // Got wrong in every way.
    let wrong = |path: &str, value: Value| {
        let mut document = document(&endpoint, APPLIED);
        *document.pointer_mut(path).unwrap() = value;
        document.to_string()
    };
    let yaml = |secret: &str| format!("version: 1\ncredentials:\n  - name: applied\n    secret: {secret}\n");
    for input in [
        wrong("/models/0/deployments/0/endpoint/credential", json!(APPLIED)),
        wrong("/models/0/deployments/0/endpoint/url", json!(format!("http://u:{APPLIED}@h/v1"))),
        wrong("/credentials/0/secret", json!([APPLIED])),
        wrong("/credentials/0/secret", json!({ "key": APPLIED })),
        wrong("/credentials/0/secret", json!(format!("{APPLIED}\n"))),
        wrong("/credentials/0", json!({ "name": "applied", "secret": APPLIED, "secrte": 1 })),
        format!("{}]", document(&endpoint, APPLIED)),
        yaml(&format!("[{APPLIED}")),
        yaml(&format!("'{APPLIED}")),
        yaml(&format!("{APPLIED}: x")),
        yaml(&format!("|\n      {APPLIED}\n    x: [")),
        yaml(&format!("{APPLIED}\n    secret: {APPLIED}")),
    ] {
        let finished = said.cli(&server, &["apply", "-f", "-"], Some(&input));
        assert!(!finished.status.success(), "{input}");
    }
    let body = json!({ "secret": { "a": PUT } }).to_string();
    said.answer("PUT", &server.admin().send(hyper::Method::PUT, "/api/v1/credentials/put", body).await);

    // Staged, then shown, rendered, sealed anew.
    let staged = json!({ "name": "piped", "secret": STAGED }).to_string();
    let editor = server.admin().with_header("if-match", "*");
    let answer = editor.send(hyper::Method::PUT, "/api/v1/staged/credential/piped", staged).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    said.answer("stage", &answer);
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["config", "diff"],
        &["config", "plan"],
        &["config", "plan", "--json"],
        &["config", "export"],
        &["config", "history", "--json"],
        &["config", "drift", "--json"],
        &["render", "litellm", "--staged"],
        &["config", "discard", "--all"],
    ] {
        said.cli(&server, arguments, None);
    }
    for arguments in [
        &["credential", "list"][..],
        &["credential", "list", "--json"],
        &["credential", "reseal", "--json"],
        &["render", "--json"],
        &["render", "litellm"],
        &["render", "compose"],
        &["model", "list", "--json"],
        &["usage", "--json"],
        &["doctor"],
    ] {
        said.cli(&server, arguments, None);
    }
    for path in ["document", "revisions", "revisions/3", "status", "models", "credentials", "render", "items", "staged"]
    {
        said.answer(path, &server.admin().get(&format!("/api/v1/{path}")).await);
    }
    said.answer("/metrics", &server.admin().get("/metrics").await);
    said.cli(&server, &["credential", "delete", "put"], None);
    said.cli(&server, &["credential", "reseal", "--forget"], None).ok();
    use_all(&server, &endpoint).await;

    // After a crash, from what is on the disk.
    server.restart().await;
    support::eventually("the engine to be there again", || async {
        let models = server.admin().get("/api/v1/models").await.json();
        models.to_string().contains("\"ready\"").then_some(())
    })
    .await;
    use_all(&server, &endpoint).await;
    said.expect_none_of(&ALL);
    said.expect_none_of(&[MASTER_KEY]);
    expect_hidden(&server, &ALL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_from_outside_seal_and_the_home_has_none() {
    let (first, second) = ("first-key-first-key-first-key-first-key", "second-key-second-key-second-key-second");
    let program = support::enginehouse!();
    let options = ServerOptions::new(&program).environment("ENGINEHOUSE_SECRET_KEY", first);
    let (home, mut server) = (options.home(), options.start().await);
    let endpoint = Endpoint::start().await;
    let set = |name: &str, secret: &str| {
        let mut command = server.command(&["credential", "set", name]);
        Finished::of(&mut command, Some(secret)).ok();
    };
    set("piped", PIPED);
    set("put", PUT);
    let mut whole = document(&endpoint, APPLIED);
    whole["models"].as_array_mut().unwrap().pop();
    server.apply(&whole);
    assert!(!home.join("secret.key").exists());
    server.stop(support::Signal::TERM).await;
    // A new key in front, the old one behind it, and sealed anew; then the old one can go.
    let offline = |keys: &str, arguments: &[&str]| {
        let mut command = program.command();
        command.arg("--home").arg(&home).args(arguments).env("ENGINEHOUSE_SECRET_KEY", keys);
        Finished::of(&mut command, None)
    };
    let both = format!("{second}\n{first}");
    let resealed = offline(&both, &["credential", "reseal"]);
    assert!(resealed.stderr.contains("Sealed anew: 3"), "{resealed:?}");
    assert!(resealed.ok().is_empty());
    let listed = |keys: &str| offline(keys, &["credential", "list", "--json"]).ok().to_owned();
    assert!(!listed(second).contains("which is neither in secret.key"), "{}", listed(second));
    assert!(listed(first).contains("which is neither in secret.key"), "{}", listed(first));
}
