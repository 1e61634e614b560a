//! `enginehouse hub` as people use it: on a cache where nothing runs, and through a service, against a stand-in hub.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use http::Method;
use serde_json::{Value, json};
use support::hub::{COMMIT, Fault};
use support::{Finished, HubServer, Mount, Program, Server, ServerOptions, eventually, until};
use tempfile::TempDir;

const MODEL: &str = "org/tiny";
const LARGE: usize = 600_000;

/// A hub with a model, and a user with an empty cache and no home.
struct Scene {
    hub: HubServer,
    folder: TempDir,
    program: Program,
}

impl Scene {
    async fn new() -> Self {
        let hub = HubServer::start().await;
        hub.file(MODEL, "config.json", "{}", false).file(MODEL, "model.safetensors", vec![7; LARGE], true);
        Self { hub, folder: tempfile::tempdir().unwrap(), program: support::enginehouse!() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program.command();
        for name in ["HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command.env("HF_HOME", self.folder.path()).env("HF_ENDPOINT", self.hub.url());
        command.arg("--home").arg(self.folder.path().join("home")).arg("hub").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(&mut self.command(arguments), None)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("hub/models--org--tiny").join(path)
    }

    /// Bytes of the file that is not whole yet.
    fn partial(&self) -> u64 {
        let blobs = fs::read_dir(self.at("blobs")).into_iter().flatten().flatten();
        let partial = blobs.filter(|entry| entry.file_name().to_string_lossy().len() > 64);
        partial.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
    }

    fn assert_whole(&self) {
        let file = self.at(&format!("snapshots/{COMMIT}/model.safetensors"));
        assert_eq!(fs::read(file).unwrap(), vec![7; LARGE]);
        assert_eq!(fs::read_to_string(self.at("refs/main")).unwrap(), COMMIT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_pulled_listed_and_removed_where_nothing_runs() {
    let scene = Scene::new().await;
    let pulled = scene.run(&["pull", MODEL]);
    assert_eq!(pulled.ok().trim(), scene.at(&format!("snapshots/{COMMIT}")).to_str().unwrap());
    assert!(pulled.stderr.contains("100%") && !pulled.stderr.contains('\x1b'), "{}", pulled.stderr);
    scene.assert_whole();
    let again = scene.run(&["pull", MODEL, "--json"]).json();
    assert_eq!((&again["fetched_bytes"], &again["commit"]), (&json!(0), &json!(COMMIT)));

    let listed = scene.run(&["list"]);
    assert!(listed.ok().contains("org/tiny") && listed.stdout.contains("585.9 KiB"), "{}", listed.stdout);
    let listed = scene.run(&["list", "--json"]).json();
    assert_eq!(listed[0]["bytes"], json!(LARGE + 2));
    assert_eq!(listed[0]["revisions"][0]["refs"], json!(["main"]));

    // The home says what is needed, also while nothing runs.
    let home = scene.folder.path().join("home");
    fs::create_dir_all(&home).unwrap();
    let engine = json!({ "source": MODEL, "runtime": "process", "command": ["x", "{port}"] });
    let model = json!({ "name": "chat", "type": "chat", "deployments": [{ "engine": engine }] });
    fs::write(home.join("config.json"), json!({ "version": 1, "models": [model] }).to_string()).unwrap();
    let refused = scene.run(&["rm", MODEL]);
    assert!(refused.fails_with(1).contains("in use by the model chat"), "{}", refused.stderr);
    scene.assert_whole();
    fs::remove_file(home.join("config.json")).unwrap();
    let removed = scene.run(&["rm", MODEL, "--json"]).json();
    assert_eq!(removed["freed_bytes"], json!(LARGE + 2));
    assert!(!scene.at("").exists());
    assert!(scene.run(&["rm", MODEL]).fails_with(1).contains("hub list"));
    assert_eq!(scene.run(&["list", "--json"]).json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_is_killed_goes_on_where_it_was() {
    let scene = Scene::new().await;
    scene.hub.fault("signature", 1, Fault::Slow(100_000));
    let mut child = scene.command(&["pull", MODEL]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("some of it to come", || scene.partial() > 20_000).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = scene.partial();
    assert!(kept < LARGE as u64 && !scene.at("refs/main").exists(), "{kept}");
    let rest = scene.run(&["pull", MODEL, "--json"]).json();
    assert!(rest["fetched_bytes"].as_u64().unwrap() <= LARGE as u64 + 2 - kept, "{rest}: {kept} were there");
    scene.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_names_are_wrong_usage() {
    let scene = Scene::new().await;
    let long = "a".repeat(300);
    for name in ["", "..", "../../etc", "/etc/passwd", "a/b/c", "a b", "a\nb", &long] {
        let refused = scene.run(&["pull", name]);
        assert!(refused.fails_with(2).contains("Qwen/Qwen3-8B"), "{name}: {}", refused.stderr);
        assert!(scene.run(&["rm", name]).fails_with(2).contains("Qwen/Qwen3-8B"), "{name}");
    }
    for flags in
        [["--revision", "../x"], ["--revision", ""], ["--include", "[a"], ["--include", ""], ["--credential", "x"]]
    {
        scene.run(&["pull", MODEL, flags[0], flags[1]]).fails_with(2);
    }
    assert!(scene.hub.seen().is_empty(), "nothing was asked for");
    let mut command = scene.command(&["pull", MODEL]);
    let offline = Finished::of(command.env("HF_HUB_OFFLINE", "1"), None);
    assert!(offline.fails_with(1).contains("HF_HUB_OFFLINE"));
    let mut command = scene.command(&["pull", MODEL]);
    let nowhere = Finished::of(command.env("HF_ENDPOINT", "not an address"), None);
    assert!(nowhere.fails_with(1).contains("HF_ENDPOINT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_before_anything_comes_and_in_the_middle() {
    let scene = Scene::new().await;
    let place = scene.folder.path().join("hub");
    let Some(mount) = Mount::in_memory(&place, 17 << 20) else { return };
    scene.hub.file(MODEL, "huge.safetensors", vec![1; 2 << 20], true);
    let refused = scene.run(&["pull", MODEL]);
    assert!(refused.fails_with(1).contains("are needed: free space"), "{}", refused.stderr);
    assert!(scene.hub.seen().iter().all(|seen| !seen.path.contains("/resolve/")));

    // Somebody else takes the room while it comes.
    scene.hub.fault("signature", 1, Fault::Slow(200_000));
    let include = ["pull", MODEL, "--include", "model.safetensors"];
    let child = scene.command(&include).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("some of it to come", || scene.partial() > 20_000).await;
    let ballast = mount.fill();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("is full: free space"), "{said}");
    fs::remove_file(ballast).unwrap();
    let rest = scene.run(&[&include[..], &["--json"]].concat()).json();
    assert!(rest["fetched_bytes"].as_u64().unwrap() < LARGE as u64, "{rest}");
    scene.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_pulls_lists_and_removes() {
    let scene = Scene::new().await;
    scene.hub.closed(MODEL, "hf_of_the_service", "GatedRepo");
    let options = ServerOptions::new(&scene.program).environment("HF_HOME", scene.folder.path().to_str().unwrap());
    let server: Server = options.environment("HF_ENDPOINT", scene.hub.url()).start().await;
    let refused = server.cli(&["hub", "pull", MODEL]);
    assert!(refused.fails_with(1).contains("is gated"), "{}", refused.stderr);
    let unknown = server.cli(&["hub", "pull", MODEL, "--credential", "hf"]);
    assert!(unknown.fails_with(1).contains("there is no credential hf"), "{}", unknown.stderr);

    let secret = json!({ "secret": "hf_of_the_service" });
    server.admin().send(Method::PUT, "/api/v1/credentials/hf", secret.to_string()).await.expect(200);
    let pulled = server.cli(&["hub", "pull", MODEL, "--credential", "hf"]);
    assert!(pulled.ok().contains(COMMIT), "{}", pulled.stderr);
    scene.assert_whole();
    let listed = server.cli(&["hub", "list", "--json"]).json();
    assert_eq!((&listed[0]["model"], &listed[0]["used_by"]), (&json!(MODEL), &json!([])));

    // Each is told, and noted, and says nothing secret.
    let audit = server.admin().get("/api/v1/audit?action=hub.").await.expect(200).json();
    assert_eq!((&audit[0]["action"], &audit[0]["subject"]), (&json!("hub.pull"), &json!(MODEL)));
    assert!(!server.log().contains("hf_of_the_service"));

    let removed = server.cli(&["hub", "rm", MODEL, "--json"]).json();
    assert_eq!(removed["freed_bytes"], json!(LARGE + 2));
    server.admin().get("/api/v1/hub/pulls/nothing").await.expect(404);
    server.admin().post("/api/v1/hub/pulls", &json!({ "model": "../x" })).await.expect(422);
    server.admin().send(Method::DELETE, "/api/v1/hub/models/..%2Fx", "").await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_of_the_service_can_be_watched_and_ended() {
    let scene = Scene::new().await;
    scene.hub.fault("signature", 9, Fault::Slow(100_000));
    let options = ServerOptions::new(&scene.program).environment("HF_HOME", scene.folder.path().to_str().unwrap());
    let server: Server = options.environment("HF_ENDPOINT", scene.hub.url()).start().await;
    let begun = server.admin().post("/api/v1/hub/pulls", &json!({ "model": MODEL })).await.expect(202).json();
    let path = format!("/api/v1/hub/pulls/{}", begun["id"].as_str().unwrap());
    server.admin().post("/api/v1/hub/pulls", &json!({ "model": MODEL })).await.expect(409);
    let look = || async { server.admin().get(&path).await.expect(200).json() };
    eventually("some of it to come", || async {
        let pull: Value = look().await;
        (pull["progress"]["bytes_done"].as_u64() > Some(20_000)).then_some(())
    })
    .await;
    server.admin().send(Method::DELETE, "/api/v1/hub/models/org%2Ftiny", "").await.expect(409);
    server.admin().send(Method::DELETE, &path, "").await.expect(200);
    eventually("it to end", || async { (look().await["state"] == "cancelled").then_some(()) }).await;
    scene.hub.heal();
    server.cli(&["hub", "pull", MODEL]).ok();
    scene.assert_whole();
}
