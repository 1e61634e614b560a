//! An LLM-Manager configuration directory becomes staged changes, with a report that leaves nothing out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Engine, Finished, Server, document};

fn config() -> Value {
    json!({
        "gpus": [{"index": 0, "name": "NVIDIA H100"}],
        "master_key": "sk-master-of-llm-manager-0123",
        "models": {
            "qwen": {"hf_id": "Qwen/Qwen3-8B", "type": "chat", "gpus": [0, 1], "replicas": 2, "quantization": "fp8",
                     "open_access": true, "env": {"API_KEY": "plain_secret_value"}, "status": "running",
                     "extra_args": "--api-key plain_secret_value --seed 1"},
            "tiny": {"hf_id": "x/tiny", "type": "chat"},
            "models": {"hf_id": "x/y", "type": "chat"},
        },
        "direct_route_keys": [{"name": "scanner", "key": "sk-scanner-0123456789abc"}, {"name": "weak", "key": "secret"},
                              {"name": "scanner", "key": "sk-scanner-0123456789abc"}],
    })
}

fn directory(server: &Server, config: &Value) -> PathBuf {
    let path = server.folder().join("llm-manager");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    fs::write(path.join("mig_config.json"), json!({"2": ["3g.40gb", "3g.40gb"]}).to_string()).unwrap();
    path
}

fn import(server: &Server, path: &Path, flags: &[&str]) -> Finished {
    let mut arguments = vec!["import", "llm-manager", path.to_str().unwrap()];
    arguments.extend(flags);
    server.cli(&arguments)
}

async fn staged(server: &Server) -> Vec<String> {
    let answer = server.admin().get("/api/v1/staged").await.expect(200).json();
    let items = answer.as_array().unwrap().iter();
    items.map(|item| format!("{} {}", item["kind"].as_str().unwrap(), item["name"].as_str().unwrap())).collect()
}

/// What the report says of a subject as a whole.
fn verdict<'v>(report: &'v Value, subject: &str) -> &'v str {
    let found = report["report"].as_array().unwrap().iter().find(|row| row["subject"] == subject && row["field"] == "");
    found.unwrap_or_else(|| panic!("{subject} is not in {report:#}"))["verdict"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_becomes_staged_changes_and_keys() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = Server::start(&program).await;
    server.apply(&document::chat("tiny", &engine));
    let path = directory(&server, &config());

    let dry = import(&server, &path, &["--dry-run"]);
    assert!(dry.ok().contains("left out") && dry.stderr.contains("Would stage 2 models and make 1 keys"), "{dry:?}");
    assert!(staged(&server).await.is_empty(), "a dry run stages nothing");
    assert_eq!(server.cli(&["key", "list", "--json"]).json(), json!([]));

    assert!(import(&server, &path, &["--dry-run"]).stdout.contains("`--api-key` holds a secret"));

    let done = import(&server, &path, &["--json"]);
    let report = done.json();
    assert_eq!((&report["staged"], &report["keys"]), (&json!(["qwen"]), &json!(["scanner"])));
    assert_eq!(staged(&server).await, ["model qwen"]);
    assert_eq!(verdict(&report, "model qwen"), "taken");
    for subject in
        ["model tiny", "model models", "direct-route key weak", "master key", "mig 2", "virtual keys", "gpus"]
    {
        assert_eq!(verdict(&report, subject), "left-out", "{subject}");
    }
    for secret in ["plain_secret_value", "sk-scanner", "sk-master-of"] {
        assert!(!done.stdout.contains(secret), "{secret}");
    }
    // Nothing runs yet; the key is good for direct routes already.
    let models = server.cli(&["model", "list", "--json"]).json();
    assert_eq!(models.as_array().unwrap().len(), 1);
    let direct = server.client_with("sk-scanner-0123456789abc");
    direct.get("/models/tiny/v1/models").await.expect(200);
    direct.get("/v1/models").await.expect(403);

    // Again: what is there stays, unless it is to be replaced.
    let again = import(&server, &path, &["--json"]).json();
    assert_eq!((&again["staged"], &again["keys"]), (&json!([]), &json!([])));
    assert_eq!(verdict(&again, "direct-route key scanner"), "left-out");
    let replaced = import(&server, &path, &["--replace", "--no-keys", "--json"]).json();
    assert_eq!(replaced["staged"], json!(["qwen", "tiny"]));
    let said = import(&server, &path, &["--replace", "--no-keys"]).stderr;
    assert!(said.contains("`enginehouse config apply --all`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_changes_nothing() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    let path = directory(&server, &config());
    let file = path.join("config.json");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(import(&server, &path, &[]).fails_with(1).contains("it is not JSON"));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    assert!(import(&server, &path, &[]).fails_with(1).contains("no plain file"));
    assert!(import(&server, &path.join("nowhere"), &[]).fails_with(1).contains("cannot read"));
    assert!(staged(&server).await.is_empty());
}

/// Killed on the way, it has staged every model or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_no_part_of_it() {
    let program = support::enginehouse!();
    let mut server = Server::start(&program).await;
    let models = ["a", "b", "c"].map(|name| (name.to_owned(), json!({"hf_id": format!("x/{name}"), "type": "chat"})));
    let path = directory(&server, &json!({ "models": models.into_iter().collect::<serde_json::Map<_, _>>() }));
    server.stop(support::Signal::TERM).await;
    for (point, count) in [("stage-checked", 0), ("stage-kept", 3)] {
        let mut command = server.command(&["import", "llm-manager", path.to_str().unwrap()]);
        let killed = Finished::of(command.env("ENGINEHOUSE_TEST_FAULT_POINT", point), None);
        assert_eq!(killed.status.code(), None, "{point}: {killed:?}");
        server.restart().await;
        assert_eq!(staged(&server).await.len(), count, "{point}");
        server.stop(support::Signal::TERM).await;
    }
    // One that does not fit keeps all others out.
    server.restart().await;
    server.cli(&["config", "discard", "--all"]).ok();
    let item = |name: &str, kind: &str| json!({"kind": "model", "name": name, "data": {"name": name, "type": kind}});
    let wrong = json!({ "items": [item("a", "chat"), item("b", "no-type"), item("c", "chat")] });
    let refused = server.admin().post("/api/v1/staged", &wrong).await;
    assert!(refused.expect(422).text().contains("model b"), "{}", refused.text());
    assert!(staged(&server).await.is_empty());
}
