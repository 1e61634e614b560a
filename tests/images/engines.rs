use super::*;

/// The only container of the model.
fn container(daemon: &Daemon) -> String {
    let all = daemon.containers("label=model-name=m");
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

fn read(daemon: &Daemon, path: &str) -> String {
    let read = format!("while read line; do echo \"$line\"; done < {path}");
    daemon.docker(&["exec", &container(daemon), "/bin/sh", "-c", &read]).ok().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_template_is_checked_mounted_and_an_edit_restarts() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    let file = server.folder().join("desired.json");
    let template = server.folder().join("qwen.jinja");
    let engine = json!({"image": TOOLS, "chat_template": "./qwen.jinja"});
    std::fs::write(&file, document(&engine, &json!([])).to_string()).unwrap();
    let applied = |text: &str| {
        std::fs::write(&template, text).unwrap();
        server.cli(&["apply", "-f", file.to_str().unwrap()])
    };
    let refused = applied("first\n{% for m in messages %}{{ m.content }\n");
    let said = refused.fails_with(1);
    let place = "models[0].deployments[0].engine.chat_template";
    assert!(said.contains(place) && said.contains("cannot be read: line 2: syntax error"), "{said}");

    applied("{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}\n").ok();
    until_ready(&server).await;
    let first = daemon.containers("label=model-name=m");
    let inspected = daemon.inspect(&container(&daemon));
    let words: Vec<_> = inspected["Args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let at = words.iter().position(|word| *word == "--chat-template").unwrap();
    assert!(read(&daemon, words[at + 1]).starts_with("{% for m in messages %}{{ m.role }}"), "{words:?}");
    let mount = inspected["Mounts"].as_array().unwrap().iter().find(|mount| mount["Destination"] == words[at + 1]);
    assert_eq!(mount.unwrap()["RW"], false);

    applied("{{ messages[-1].content }} again\n").ok();
    support::until("another container", || {
        let now = daemon.containers("label=model-name=m");
        now.len() == 1 && now != first
    })
    .await;
    until_ready(&server).await;
    assert_eq!(read(&daemon, words[at + 1]).trim(), "{{ messages[-1].content }} again");

    // The API takes texts only, and edits of items are checked as documents are.
    let path = json!({"document": document(&engine, &json!([])).to_string(), "format": "json", "base_dir": "/"});
    let problem = server.admin().post("/api/v1/apply", &path).await;
    let fault = problem.expect(422).json()["errors"][0].clone();
    assert_eq!(fault["path"], place);
    assert!(fault["message"].as_str().unwrap().contains("chat_template is a path (\"/qwen.jinja\")"), "{fault}");
    let set = "deployments[0].engine.chat_template={% if %}";
    let staged = server.cli(&["config", "stage", "model/m", "--set", set]);
    assert!(staged.fails_with(1).contains("line 1: syntax error"), "{}", staged.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_have_limits_and_show_what_they_use() {
    let Some(daemon) = daemon().await else { return };
    let server = server(&daemon).await;
    let engine = json!({"image": TOOLS, "cpus": 1.5, "memory_bytes": 256 << 20});
    apply(&server, &document(&engine, &json!([]))).ok();
    until_ready(&server).await;
    let host = daemon.inspect(&container(&daemon))["HostConfig"].take();
    assert_eq!((&host["NanoCpus"], &host["Memory"]), (&json!(1_500_000_000), &json!(256 << 20)));
    assert_eq!(host["MemorySwap"], json!(256 << 20), "no swap besides");
    let used = server.admin().get("/api/v1/models/m/resources").await.expect(200).json()[0].clone();
    assert_eq!((&used["id"], &used["cpus"], &used["memory_bytes"]), (&json!("d/0"), &json!(1.5), &json!(256 << 20)));
    let bytes = used["memory_bytes_used"].as_u64().unwrap();
    assert!((100_000..256 << 20).contains(&bytes), "{used}");
    assert!(used["cpus_used"].as_f64().unwrap() >= 0.0, "{used}");
    let shown = server.cli(&["model", "show", "m"]);
    assert!(shown.ok().contains("of 1.5") && shown.stdout.contains("of 256.0 MiB"), "{}", shown.stdout);
    server.admin().get("/api/v1/models/nobody/resources").await.expect(404);
}
