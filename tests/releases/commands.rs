//! What people type.

use serde_json::{Value, json};
use support::{Engine, Finished, Server, document};

fn with_input(server: &Server, arguments: &[&str], input: &Value) -> Finished {
    Finished::of(&mut server.command(arguments), Some(&input.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_staged_looked_at_applied_and_taken_back() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = Server::start(&program).await;
    server.apply(&document::chat("tiny", &engine));

    let staged = server.cli(&["config", "stage", "model/tiny", "--set", "price.input=0.5"]);
    assert_eq!(staged.ok(), "model/tiny is staged: changed.\n");
    let second = document::endpoint("second", "chat", &engine, "tiny");
    with_input(&server, &["config", "stage", "model/second", "-f", "-"], &second).ok();
    let lost = with_input(&server, &["config", "stage", "model/second", "-f", "-"], &second);
    assert!(lost.fails_with(1).contains("is staged already, by owner"), "{lost:?}");

    let shown = server.cli(&["config", "show"]);
    let line =
        |text: &str, start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line(shown.ok(), "model     tiny").contains("changed  owner"), "{shown:?}");
    assert!(shown.stderr.contains("2 changes are staged"), "{shown:?}");
    let plan = server.cli(&["config", "plan"]);
    assert!(
        plan.ok().contains("~ model tiny  [hot: price.input changed]  staged by owner\n    price.input: 0.1 → 0.5"),
        "{plan:?}"
    );
    assert!(plan.stdout.contains("+ model second  [hot: new]"), "{plan:?}");

    // One that cannot be applied hides none of the others.
    let dangling = json!({"name": "third", "type": "chat", "deployments": [{"endpoint": {"url": "http://127.0.0.1:1", "credential": "nobodys"}}]});
    with_input(&server, &["config", "stage", "model/third", "-f", "-"], &dangling).ok();
    let plan = server.cli(&["config", "plan"]);
    let told = plan.fails_with(1);
    assert!(told.contains("one staged change cannot be applied as it is"), "{told}");
    assert!(
        told.contains("model third (by owner): deployments[0].endpoint.credential: there is no credential"),
        "{told}"
    );
    assert!(plan.stdout.contains("~ model tiny") && plan.stdout.contains("+ model second"), "{plan:?}");
    server.cli(&["config", "discard", "model/third"]).ok();

    server.cli(&["config", "discard", "model/second"]).ok();
    server.cli(&["config", "apply"]).fails_with(2);
    let applied = server.cli(&["config", "apply", "--all", "-m", "dearer", "--wait"]);
    assert!(applied.ok().contains("Revision 2 is committed."), "{applied:?}");
    let history = server.cli(&["config", "history"]);
    assert!(line(history.ok(), "       2").contains("owner  dearer"), "{history:?}");

    let diff = server.cli(&["config", "diff", "--from", "1", "--to", "2"]);
    assert!(diff.ok().contains("price.input: 0.1 → 0.5"), "{diff:?}");
    let planned = server.cli(&["config", "plan", "--revision", "1"]);
    assert!(planned.ok().contains("price.input: 0.5 → 0.1"), "{planned:?}");
    server.cli(&["config", "rollback", "1", "--stage"]).ok();
    server.cli(&["config", "discard", "--all"]).ok();
    assert!(server.cli(&["config", "rollback", "1"]).ok().contains("Revision 3 is committed."));
    let [first, third] = ["1", "3"].map(|n| server.cli(&["config", "export", "--revision", n]).ok().to_owned());
    assert_eq!(first, third);
    let exported = server.home().with_file_name("exported.yaml");
    std::fs::write(&exported, server.cli(&["config", "export"]).ok()).unwrap();
    let again = server.cli(&["apply", "-f", exported.to_str().unwrap()]);
    assert!(again.ok().contains("Nothing changed: revision 3 stands."), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_applied_while_editing_is_locked() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = Server::start(&program).await;
    let folder = server.folder().join("desired");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, content: &Value| std::fs::write(folder.join(name), content.to_string()).unwrap();
    write("a.json", &document::of(&[document::endpoint("a", "chat", &engine, "tiny")]));
    write("b.json", &document::of(&[document::endpoint("b", "chat", &engine, "tiny")]));
    std::fs::write(folder.join("routing.yaml"), "version: 1\nrouting: { retries: 1 }\n").unwrap();
    let folder = folder.to_str().unwrap();

    server.cli(&["config", "lock", "--reason", "kept in git: example.com/llm"]).ok();
    server.cli(&["apply", "-f", folder, "-m", "from git"]).ok();
    let refused = server.cli(&["config", "stage", "model/a", "--set", "price.input=9"]);
    assert!(refused.fails_with(1).contains("kept in git: example.com/llm"), "{refused:?}");
    let names: Vec<_> =
        server.cli(&["model", "list", "--json"]).json().as_array().unwrap().iter().map(|m| m["name"].clone()).collect();
    assert_eq!(names, ["a", "b"]);
    server.cli(&["config", "unlock"]).ok();
    server.cli(&["config", "stage", "settings/routing", "--delete"]).ok();
    assert!(server.cli(&["config", "diff"]).ok().contains("retries: 1 → 2"));

    write("c.json", &document::of(&[json!({"name": "c", "type": "chat", "price": {"input": -1}})]));
    let faulty = server.cli(&["apply", "-f", folder]);
    assert!(faulty.fails_with(1).contains("c.json: models[0].price.input"), "{faulty:?}");
    std::fs::write(std::path::Path::new(folder).join("more.yaml"), "version: 1\nrouting: {}\n").unwrap();
    let twice = server.cli(&["apply", "-f", folder]);
    assert!(twice.fails_with(1).contains("`routing` stands in more.yaml and in routing.yaml"), "{twice:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_edit_is_drift_and_is_resynced() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = Server::start(&program).await;
    server.apply(&document::chat("tiny", &engine));
    assert!(server.cli(&["config", "drift"]).ok().contains("Everything is as revision 1 says."));
    let path = server.home().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"input\": 0.1", "\"input\": 7.0")).unwrap();
    let drift = server.cli(&["config", "drift"]);
    drift.fails_with(1);
    assert!(drift.stdout.contains("file config.json: was edited by hand"), "{drift:?}");
    assert!(drift.stdout.contains("+ model tiny price.input: 7.0"), "{drift:?}");
    server.cli(&["config", "resync", "--dry-run"]).ok();
    server.cli(&["config", "drift"]).fails_with(1);
    server.cli(&["config", "resync"]).ok();
    server.cli(&["config", "drift"]).ok();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_where_nothing_runs_is_shown_and_stays() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let mut server = Server::start(&program).await;
    server.apply(&document::chat("tiny", &engine));
    server.stop(support::Signal::TERM).await;
    let (config, proxy) = (server.home().join("config.json"), server.home().join("rendered/Caddyfile"));
    let text = std::fs::read_to_string(&config).unwrap();
    let edited = text.replace("\"input\": 0.1", "\"input\": 7.0");
    std::fs::write(&config, &edited).unwrap();
    std::fs::remove_file(&proxy).unwrap();
    for arguments in [["config", "drift"].as_slice(), &["config", "drift"], &["config", "resync", "--dry-run"]] {
        let seen = server.cli(arguments);
        let shown = format!("{}{}", seen.stdout, seen.stderr);
        assert!(shown.contains("config.json") && shown.contains("rendered/Caddyfile"), "{arguments:?}: {seen:?}");
        assert_eq!(std::fs::read_to_string(&config).unwrap(), edited, "{arguments:?}");
        assert!(!proxy.exists(), "{arguments:?}");
    }
    server.cli(&["config", "drift"]).fails_with(1);
    server.cli(&["config", "resync"]).ok();
    assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
    server.cli(&["config", "drift"]).ok();
}
