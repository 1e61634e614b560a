//! `serve` and `demo` as programs: how they start, what they leave, how they end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use support::{Engine, Finished, MASTER_KEY, Server, ServerOptions, Signal, document, fresh_address};

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_is_made_once_and_kept_in_a_file_for_the_owner() {
    let program = support::enginehouse!();
    let mut server = ServerOptions::new(&program).without_master_key().start().await;
    let path = server.home().join("master.key");
    let key = fs::read_to_string(&path).unwrap().trim().to_owned();
    assert!(key.starts_with("sk-") && key.len() >= 3 + 22, "128 random bits or more");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.log().contains(path.to_str().unwrap()), "the log names the file");
    assert!(!server.log().contains(&key), "and not the key");
    server.client_with(&key).get("/v1/models").await.expect(200);
    fs::remove_file(&path).unwrap();
    server.restart().await;
    assert!(!path.exists(), "it is made once");
    server.client_with(&key).get("/v1/models").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_logs_process_lists_or_world_readable_files() {
    const CREDENTIAL: &str = "sk-credential-of-the-endpoint-4711";
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny", "--api-key", CREDENTIAL]).await;
    let options = ServerOptions::new(&program).environment("TINY_KEY", CREDENTIAL).arguments(&["--log", "trace"]);
    let mut server = options.start().await;
    let mut model = document::endpoint("tiny", "chat", &engine, "tiny");
    model["deployments"][0]["endpoint"]["credential"] = json!("os.environ/TINY_KEY");
    let own = document::process("own", "chat", &program, &[]);
    server.apply(&document::of(&[model, own]));
    let key = server.create_key(&["--alias", "a"]);
    let body =
        json!({"model": "tiny", "messages": [{"role": "user", "content": "a prompt that nobody else may read"}]});
    server.client_with(&key).post("/v1/chat/completions", &body).await.expect(200);
    server.client_with("sk-mistyped-mistyped-mistyped").get("/v1/models").await.expect(401);
    let api = server.admin().get("/api/v1/document").await.text().to_owned();
    let listed = server.cli(&["key", "list", "--json"]).ok().to_owned();
    let command_lines = command_lines(&server);
    server.stop(Signal::INT).await;

    let log = server.log();
    for secret in [MASTER_KEY, &key, CREDENTIAL, "sk-mistyped-mistyped-mistyped", "a prompt that nobody else may read"]
    {
        assert!(!log.contains(secret), "in the log: {secret}");
        assert!(!api.contains(secret) && !listed.contains(secret), "in an answer of the API: {secret}");
        assert!(!command_lines.contains(secret), "in a command line: {secret}");
        assert_eq!(files_holding(&server.home(), secret), Vec::<String>::new(), "in a file: {secret}");
    }
    assert_eq!(readable_by_others(&server.home()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_stops_the_engines_and_a_service_manager_leaves_them_to_be_adopted() {
    let program = support::enginehouse!();
    let mut server = Server::start(&program).await;
    server.apply(&document::of(&[document::process("own", "chat", &program, &[])]));
    let engines = server.engine_pids();
    assert_eq!(engines.len(), 1, "one engine runs");

    assert!(server.stop(Signal::TERM).await.success());
    assert_eq!(server.engine_pids(), engines, "left for the next start");
    server.restart().await;
    let body = json!({"model": "own", "messages": [{"role": "user", "content": "hi"}]});
    support::eventually("the adopted engine to serve", || async {
        let answer = server.client().post("/v1/chat/completions", &body).await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(server.engine_pids(), engines, "adopted, not started anew");

    assert!(server.stop(Signal::HUP).await.success());
    assert_eq!(server.engine_pids(), engines, "a terminal that is closed leaves them too");
    server.restart().await;
    server.kill();
    assert_eq!(server.engine_pids(), engines, "a crash leaves them too");
    let listed = server.cli(&["model", "list"]);
    assert!(listed.ok().contains("0/1") && !listed.stdout.contains("/v1"), "no address is made up: {listed:?}");
    assert!(listed.stderr.contains("Nothing runs on this home"), "{listed:?}");
    server.restart().await;
    assert!(server.stop(Signal::INT).await.success());
    assert_eq!(server.engine_pids(), Vec::<u32>::new(), "stopped with the person's Ctrl-C");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_requests_end_before_the_service_does_and_a_second_signal_cuts_them() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny", "--tokens", "30", "--inter-token-ms", "50"]).await;
    let mut server = Server::start(&program).await;
    server.apply(&document::chat("tiny", &engine));
    let body = json!({"model": "tiny", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let mut stream = server.client().stream("/v1/chat/completions", &body).await;
    stream.next_event().await.unwrap().unwrap();
    server.signal(Signal::TERM);
    let events = stream.events().await.unwrap();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "the stream ended whole");
    assert!(server.ended().await.success());

    server.restart().await;
    engine.http().post("/sim/faults", &json!({"tokens": 100_000})).await.expect(200);
    let mut stream = server.client().stream("/v1/chat/completions", &body).await;
    stream.next_event().await.unwrap().unwrap();
    server.signal(Signal::TERM);
    support::until("the first signal to be seen", || server.log().matches("a second signal ends at once").count() == 2)
        .await;
    server.signal(Signal::TERM);
    server.ended().await;
    assert_ne!(stream.events().await.ok().and_then(|mut events| events.pop()).as_deref(), Some("[DONE]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_are_json_if_asked() {
    let program = support::enginehouse!();
    let mut server = ServerOptions::new(&program).arguments(&["--log-format", "json"]).start().await;
    server.stop(Signal::TERM).await;
    let log = server.log();
    assert!(log.lines().count() >= 2, "{log}");
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in: {line}"));
        assert!(entry["level"].is_string() && entry["message"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_has_one_server_and_a_port_one_program() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    let other = fresh_address();
    let second = |client: &str| {
        let admin = format!("{other}:7860");
        let mut command = program.command();
        command.arg("serve").arg("--home").arg(server.home()).args(["--listen", client, "--admin-listen", &admin]);
        Finished::of(&mut command, None)
    };
    let began = tokio::time::Instant::now();
    let same_home = second(&format!("{other}:4000"));
    let pid = server.pid().to_string();
    assert!(same_home.fails_with(1).contains(&pid), "names the process that has it: {same_home:?}");
    assert!(began.elapsed().as_secs() < 10, "a service is not waited for");
    let same_port = second(&server.client_address().to_string());
    assert!(same_port.fails_with(1).contains("--listen"), "{same_port:?}");
    server.client().get("/v1/models").await.expect(200);
}

/// Whoever takes the home first: commands come before, while and after the server does.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_commands_that_start_together_all_succeed() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let document = document::chat("tiny", &engine);
    for round in 0..5 {
        let options = ServerOptions::new(&program);
        let home = options.home();
        let apply = |flags: &[&str]| {
            let mut command = program.command();
            command.arg("--home").arg(&home).args(["apply", "-f", "-"]).args(flags);
            let document = document.to_string();
            std::thread::spawn(move || until_nobody_else_applies(&mut command, &document))
        };
        let before = apply(&[]);
        let mut server = options.spawn();
        let (beside, waiting) = (apply(&[]), apply(&["--wait"]));
        server.wait_ready().await;
        for command in [before, beside, waiting] {
            command.join().unwrap().ok();
        }
        let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "hi"}]});
        let answer = server.client().post("/v1/chat/completions", &body).await;
        assert_eq!(answer.status, 200, "in round {round}");
    }
}

/// Runs an apply, again where it is told that another one is at it: of several at once, one wins.
fn until_nobody_else_applies(command: &mut std::process::Command, document: &str) -> Finished {
    loop {
        let finished = Finished::of(command, Some(document));
        if !finished.stderr.contains("is applying a change") {
            return finished;
        }
    }
}

#[test]
fn a_server_waits_for_a_command_that_has_the_home() {
    use std::io::Read as _;
    let program = support::enginehouse!();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    // This test is the command: it holds the lock as one does.
    let lock = fs::File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    fs::write(home.join("lock"), format!("{} command\n", std::process::id())).unwrap();
    let address = fresh_address();
    let mut command = program.command();
    command.arg("serve").arg("--home").arg(&home).stderr(std::process::Stdio::piped());
    command.args(["--listen", &format!("{address}:4000"), "--admin-listen", &format!("{address}:7860")]);
    let mut server = command.spawn().unwrap();
    let mut said = String::new();
    let mut buffer = [0; 4096];
    let stderr = server.stderr.as_mut().unwrap();
    let mut read_until = |words: &str| {
        while !said.contains(words) {
            let read = stderr.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "it ended without `{words}`: {said}");
            said.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    read_until("waiting for its end");
    drop(lock);
    read_until("serving");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_sees_a_running_service_and_what_is_wrong_with_it() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    server.apply(&document::of(&[document::process("own", "chat", &program, &[])]));
    let (client, admin) = (server.client_address().to_string(), server.admin_address().to_string());
    let flags = ["doctor", "--listen", &client, "--admin-listen", &admin, "--json"];
    let report = server.cli(&flags).json();
    let verdict = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check =
            checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"));
        check["verdict"].as_str().unwrap().to_owned()
    };
    for name in ["home", "clock", "service", "models", "port", "admin port"] {
        assert_eq!(verdict(name), "ok", "{report}");
    }
    let config = server.home().join("config.json");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let finished = server.cli(&flags[..5]);
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished.stdout.contains("FAIL  home") && finished.stdout.contains("docs/operations.md#home"),
        "{finished:?}"
    );
}

#[test]
fn a_demo_serves_one_request_shows_its_books_and_leaves_nothing() {
    let program = support::enginehouse!();
    let temporary = tempfile::tempdir().unwrap();
    let address = fresh_address();
    let (client, admin) = (format!("{address}:4000"), format!("{address}:7860"));
    let mut command = program.command();
    command.args(["demo", "--once", "--listen", &client, "--admin-listen", &admin]).env("TMPDIR", temporary.path());
    let finished = Finished::of(&mut command, None);
    let shown = finished.ok();
    for words in [client.as_str(), admin.as_str(), "sk-", "curl ", "answered ", "prompt + ", "cost 0.0"] {
        assert!(shown.contains(words), "no `{words}` in:\n{shown}");
    }
    let line = |name: &str| format!("  commands     {name} --home {}", temporary.path().display());
    assert!(shown.contains(&line(&program.path().display().to_string())), "a command that can be typed:\n{shown}");
    let named = Finished::of(command.env("PATH", program.path().parent().unwrap()), None);
    assert!(named.ok().contains(&line("enginehouse")), "{named:?}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "the home is gone");
    assert!(!processes_mention(&client), "and so are the engines");
}

/// The command lines of the server and its engines, as anybody on the machine can read them.
fn command_lines(server: &Server) -> String {
    let pids = server.engine_pids().into_iter().chain([server.pid()]);
    let lines = pids.map(|pid| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n").collect()
}

fn processes_mention(text: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let own = std::process::id().to_string();
    let others = entries.filter(|entry| entry.file_name().to_string_lossy() != own);
    others
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(text))
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

fn files_holding(folder: &Path, secret: &str) -> Vec<String> {
    let holds = |path: &Path| memchr::memmem::find(&fs::read(path).unwrap(), secret.as_bytes()).is_some();
    let files = files_below(folder).into_iter().filter(|path| holds(path));
    files.map(|path| path.display().to_string()).collect()
}

fn readable_by_others(folder: &Path) -> Vec<String> {
    let open = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o007 != 0;
    let files = files_below(folder).into_iter().filter(|path| open(path));
    files.map(|path| path.display().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_cache_is_switched_on_and_off_by_the_document() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = Server::start(&program).await;
    let mut wanted = document::of(&[document::endpoint("tiny", "chat", &engine, "tiny")]);
    server.apply(&wanted);
    let key = server.create_key(&[]);
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "again"}]});
    let ask = async || {
        let answer = server.client_with(&key).post("/v1/chat/completions", &body).await;
        answer.expect(200);
        answer.header("x-enginehouse-cache").map(str::to_owned)
    };
    assert_eq!((ask().await, ask().await), (None, None));

    wanted["cache"] = json!({"enabled": true});
    server.apply(&wanted);
    assert_eq!(ask().await.as_deref(), Some("miss"));
    assert_eq!(ask().await.as_deref(), Some("hit"));
    wanted["cache"] = json!({"enabled": false});
    server.apply(&wanted);
    assert_eq!(ask().await, None);
    assert_eq!(engine.state().await["total"], 4, "all but the hit were asked of the engine");

    let logs = support::eventually("five lines in the log", async || {
        let logs = server.client_with(MASTER_KEY).get("/spend/logs").await.json();
        logs.as_array().filter(|logs| logs.len() == 5).cloned()
    })
    .await;
    let hits: Vec<_> = logs.iter().filter(|log| log["cache_hit"] == "True").collect();
    assert_eq!(hits.len(), 1);
    assert_eq!((&hits[0]["spend"], &hits[0]["total_tokens"]), (&json!(0.0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_shuts_all_open_routes() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let mut server = Server::start(&program).await;
    let mut model = document::endpoint("org/tiny", "chat", &engine, "tiny");
    model["open_access"] = json!(true);
    server.apply(&document::of(&[model]));
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    let ask = async |server: &Server| {
        server.client_with("anything").post("/open/org%2Ftiny/v1/chat/completions", &body).await
    };
    assert_eq!(ask(&server).await.expect(200).json()["model"], "org/tiny");
    assert!(server.cli(&["open", "status"]).ok().contains("/open/org%2Ftiny/v1"));

    server.cli(&["open", "off"]).ok();
    assert_eq!(ask(&server).await.expect(403).json()["error"]["code"], "open_access_off");
    server.restart().await;
    ask(&server).await.expect(403);
    server.cli(&["open", "on"]).ok();
    ask(&server).await.expect(200);
    let direct = server.client().post("/models/org%2Ftiny/v1/chat/completions", &body).await;
    assert_eq!(direct.expect(200).json()["model"], "org/tiny");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_tells_of_every_request_and_of_no_prompt() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let options = ServerOptions::new(&program).arguments(&["--log", "info,access=debug", "--log-format", "json"]);
    let server = options.start().await;
    server.apply(&document::of(&[document::endpoint("tiny", "chat", &engine, "tiny")]));
    let client = server.client().with_header("x-request-id", "mine-1");
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "sesame"}]});
    let answer = client.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.expect(200).header("x-request-id"), Some("mine-1"));
    client.post("/v1/chat/completions", &json!({"model": "no"})).await.expect(404);

    let lines = support::eventually("both lines", async || {
        let log = server.log();
        let lines: Vec<serde_json::Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mine: Vec<_> = lines.into_iter().filter(|line| line["target"] == "access").collect();
        (mine.len() == 2).then_some(mine)
    })
    .await;
    let (served, refused) = (&lines[0], &lines[1]);
    assert_eq!(
        (&served["request_id"], &served["status"], &served["model_name"]),
        (&json!("mine-1"), &json!(200), &json!("tiny"))
    );
    assert_eq!(
        (&refused["request_id"], &refused["status"], &refused["code"]),
        (&json!("mine-1"), &json!(404), &json!("model_not_found"))
    );
    assert!(!server.log().contains("sesame"));
}

/// Whether a process is there and not just waiting for its parent to read how it ended.
fn is_running(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_engines_end_with_the_service_is_a_setting() {
    let program = support::enginehouse!();
    let of = |when: &str| ServerOptions::new(&program).arguments(&["--stop-engines", when]);
    for (when, signal, runs_on) in
        [("never", Signal::INT, true), ("always", Signal::TERM, false), ("on-interrupt", Signal::TERM, true)]
    {
        let mut server = of(when).start().await;
        server.apply(&document::of(&[document::process("own", "chat", &program, &[])]));
        let models = server.cli(&["model", "list", "--json"]).json();
        let first = models[0]["deployments"][0]["replicas"][0]["pid"].as_u64().unwrap();
        server.stop(signal).await;
        assert_eq!(is_running(first), runs_on, "{when}");
        if runs_on {
            server.restart().await;
            support::until("the engine to be adopted", || {
                let model = server.cli(&["model", "show", "own", "--json"]).json();
                model["state"] == "ready" && model["deployments"][0]["replicas"][0]["pid"] == first
            })
            .await;
        }
    }
}
