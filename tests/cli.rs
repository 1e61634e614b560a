//! The command line from outside: what it prints, what it returns, what it refuses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};
use support::{Engine, Finished, MASTER_KEY, Program, Server, ServerOptions, document};
use tempfile::TempDir;

/// A home that nobody has made yet, and a folder for documents beside it.
struct Offline {
    program: Program,
    folder: TempDir,
}

impl Offline {
    fn new() -> Self {
        Self { program: support::enginehouse!(), folder: TempDir::new().unwrap() }
    }

    fn home(&self) -> std::path::PathBuf {
        self.folder.path().join("home")
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(self.program.command().arg("--home").arg(self.home()).args(arguments), None)
    }

    fn apply(&self, document: &Value, flags: &[&str]) -> Finished {
        let mut command = self.program.command();
        command.arg("--home").arg(self.home()).args(["apply", "-f", "-"]).args(flags);
        Finished::of(&mut command, Some(&document.to_string()))
    }
}

fn somewhere(name: &str) -> Value {
    let endpoint = json!({"url": "http://127.0.0.1:9/v1", "model": "x"});
    json!({"name": name, "type": "chat", "deployments": [{"endpoint": endpoint}]})
}

#[test]
fn wrong_usage_is_two_and_says_what_would_be_right() {
    let program = support::enginehouse!();
    for (arguments, words) in [
        (vec![], "Usage"),
        (vec!["fly"], "unrecognized subcommand"),
        (vec!["apply"], "--file"),
        (vec!["apply", "-f", "x.yaml", "--timeout", "soon"], "15m"),
        (vec!["apply", "-f", "x.yaml", "--dry-run", "--wait"], "cannot be used with"),
        (vec!["serve", "--role", "nothing"], "all"),
        (vec!["key", "update", "someone"], "--alias"),
        (vec!["key", "create", "--rpm", "many"], "whole number"),
        (vec!["key", "block", "sk-abcdef"], "no secret any more"),
        (vec!["usage", "--from", "yesterday"], "2026-11-20"),
        (vec!["usage", "--csv", "--json"], "cannot be used with"),
        (vec!["--server", "gpu1", "model", "list"], "--server"),
        (vec!["--log", "][", "doctor"], "--log"),
    ] {
        let finished = program.run(&arguments);
        let said = finished.fails_with(2);
        assert!(said.contains(words), "{arguments:?} says: {said}");
    }
}

#[test]
fn every_command_explains_itself() {
    let program = support::enginehouse!();
    assert!(program.run(["--version"]).ok().starts_with("enginehouse "));
    for command in ["serve", "demo", "apply", "schema", "model", "key", "usage", "doctor", "completions", "engine-sim"]
    {
        let finished = program.run([command, "--help"]);
        assert!(finished.ok().contains("enginehouse "), "no example in the help of {command}");
    }
}

#[test]
fn the_schema_and_the_completions_are_printed() {
    let program = support::enginehouse!();
    let schema = program.run(["schema"]).json();
    assert!(schema["properties"]["models"].is_object(), "{schema}");
    for (shell, words) in
        [("bash", "_enginehouse"), ("zsh", "#compdef enginehouse"), ("fish", "complete -c enginehouse")]
    {
        assert!(program.run(["completions", shell]).ok().contains(words));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let program = support::enginehouse!();
    let mut child = program.command().arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_home_that_is_not_there_is_not_made_by_looking() {
    let offline = Offline::new();
    for arguments in [&["model", "list"][..], &["key", "list"], &["usage"]] {
        let finished = offline.run(arguments);
        assert!(finished.fails_with(1).contains("enginehouse serve"), "{finished:?}");
    }
    offline.run(&["doctor", "--listen", "127.99.1.1:4000", "--admin-listen", "127.99.1.1:7860"]).ok();
    assert!(!offline.home().exists());
}

#[test]
fn the_home_is_taken_from_the_flag_the_variable_or_its_file() {
    let offline = Offline::new();
    offline.apply(&document::of(&[somewhere("here")]), &[]).ok();
    let file = offline.folder.path().join("home.txt");
    fs::write(&file, offline.home().to_str().unwrap()).unwrap();
    let listed = |name: &str, value: &std::path::Path| {
        Finished::of(offline.program.command().args(["model", "list", "--json"]).env(name, value), None)
    };
    assert_eq!(listed("ENGINEHOUSE_HOME", &offline.home()).json()[0]["name"], "here");
    assert_eq!(listed("ENGINEHOUSE_HOME_FILE", &file).json()[0]["name"], "here");
    let mut both = offline.program.command();
    both.args(["model", "list"]).env("ENGINEHOUSE_HOME", "/x").env("ENGINEHOUSE_HOME_FILE", &file);
    assert!(Finished::of(&mut both, None).fails_with(2).contains("unset one"));
}

#[test]
fn faults_are_all_named_and_nothing_is_written() {
    let offline = Offline::new();
    offline.apply(&document::of(&[somewhere("good")]), &[]).ok();
    let bad = json!({"version": 1, "models": [
        {"name": "open", "type": "chat"},
        {"name": "b", "type": "chat", "deployments": [{"endpoint": {"url": "ftp://x"}}]},
    ]});
    let finished = offline.apply(&bad, &[]);
    let said = finished.fails_with(1);
    assert!(said.contains("\n  models[0].name: "), "{said}");
    assert!(said.contains("\n  models[1].deployments[0].endpoint.url: "), "{said}");
    let names = offline.run(&["model", "list", "--json"]).json();
    assert_eq!(names[0]["name"], "good");
    let typo = offline.folder.path().join("typo.yaml");
    fs::write(&typo, "version: 1\nmodels:\n  - nmae: x\n").unwrap();
    let finished = offline.run(&["apply", "-f", typo.to_str().unwrap()]);
    assert!(finished.fails_with(1).contains("nmae"), "{finished:?}");
}

#[test]
fn an_offline_home_takes_documents_and_keys_and_serves_them_later() {
    let offline = Offline::new();
    let finished = offline.apply(&document::of(&[somewhere("later")]), &[]);
    assert!(finished.ok().contains("+ model later"), "{finished:?}");
    assert!(finished.stderr.contains("Nothing runs"), "{finished:?}");
    let key = offline.run(&["key", "create", "--quiet", "--alias", "early"]).ok().trim().to_owned();
    assert!(key.starts_with("sk-") && !key.contains(char::is_whitespace), "{key}");
    let listed = offline.run(&["key", "list", "--json"]);
    assert!(!listed.ok().contains(&key), "a key is shown once");
    assert_eq!(listed.json()[0]["alias"], "early");
    let unchanged = offline.apply(&document::of(&[somewhere("later")]), &[]);
    assert!(unchanged.ok().contains("Nothing changed"), "{unchanged:?}");
}

#[test]
fn waiting_where_nothing_runs_is_refused_and_nothing_is_written() {
    let offline = Offline::new();
    offline.apply(&document::of(&[somewhere("kept")]), &[]).ok();
    let other = document::of(&[somewhere("other")]);
    std::thread::scope(|scope| {
        for flag in ["--wait", "--atomic"] {
            let (offline, other) = (&offline, &other);
            scope.spawn(move || {
                let refused = offline.apply(other, &[flag]);
                let said = refused.fails_with(1);
                assert!(said.contains("enginehouse serve") && said.contains("leave out --wait"), "{said}");
            });
        }
    });
    assert_eq!(offline.run(&["model", "list", "--json"]).json()[0]["name"], "kept");
}

#[test]
fn the_documents_of_the_guide_are_valid() {
    let offline = Offline::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (page, at_least) in [("README.md", 1), ("docs/getting-started.md", 2), ("docs/desired-state.md", 1)] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let documents = documents_in(&text);
        assert!(documents.len() >= at_least, "{page} shows {}", documents.len());
        for document in documents {
            let mut command = offline.program.command();
            command.arg("--home").arg(offline.home()).args(["apply", "-f", "-", "--dry-run"]);
            let finished = Finished::of(&mut command, Some(&document));
            assert!(finished.status.success(), "{page}: {finished:?}");
        }
    }
}

/// What stands between `version: 1` at the start of a line and the end of its block or of its here-document.
fn documents_in(page: &str) -> Vec<String> {
    let starts = page.match_indices("\nversion: 1\n").map(|(at, _)| &page[at + 1..]);
    let lines = |text: &'_ str| -> Vec<String> {
        let inside = text.lines().take_while(|line| !line.starts_with("```") && *line != "YAML");
        inside.map(str::to_owned).collect()
    };
    starts.map(|text| lines(text).join("\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_offline_is_served() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let options = ServerOptions::new(&program);
    let mut apply = program.command();
    apply.arg("--home").arg(options.home()).args(["apply", "-f", "-"]);
    Finished::of(&mut apply, Some(&document::chat("tiny", &engine).to_string())).ok();
    let mut create = program.command();
    create.arg("--home").arg(options.home()).args(["key", "create", "-q", "--models", "tiny"]);
    let key = Finished::of(&mut create, None).ok().trim().to_owned();
    let server = options.start().await;
    let models = server.client_with(&key).get("/v1/models").await;
    assert_eq!(models.expect(200).json()["data"][0]["id"], "tiny");
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]});
    server.client_with(&key).post("/v1/chat/completions", &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_on_a_server_elsewhere_with_the_master_key_only() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    let url = format!("http://{}", server.admin_address());
    let secret = server.folder().join("token");
    fs::write(&secret, format!("{MASTER_KEY}\n")).unwrap();
    let listed = |name: &str, value: &str| {
        Finished::of(program.command().args(["--server", &url, "key", "list", "--json"]).env(name, value), None)
    };
    assert_eq!(listed("ENGINEHOUSE_TOKEN", MASTER_KEY).json(), json!([]));
    assert_eq!(listed("ENGINEHOUSE_TOKEN_FILE", secret.to_str().unwrap()).json(), json!([]));
    let refused = listed("ENGINEHOUSE_TOKEN", "sk-wrong-wrong-wrong-wrong");
    assert!(refused.fails_with(1).contains("ENGINEHOUSE_TOKEN"), "{refused:?}");
    let key = server.create_key(&[]);
    listed("ENGINEHOUSE_TOKEN", &key).fails_with(1);
    let gone = Finished::of(program.command().args(["--server", "http://127.99.0.1:1", "key", "list"]), None);
    assert!(gone.fails_with(1).contains("cannot reach"), "{gone:?}");
}

#[test]
fn root_acts_as_the_owner_of_the_home() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    const NOBODY: u32 = 65_534;
    let offline = Offline::new();
    fs::create_dir(offline.home()).unwrap();
    if chown(offline.home(), Some(NOBODY), Some(NOBODY)).is_err() {
        eprintln!("SKIPPED: only root can give a home to somebody else");
        return;
    }
    chown(offline.folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    offline.apply(&document::of(&[somewhere("x")]), &[]).ok();
    offline.run(&["key", "create"]).ok();
    for entry in fs::read_dir(offline.home()).unwrap().map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().uid(), NOBODY, "{}", entry.path().display());
    }
}
