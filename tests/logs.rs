//! `model logs`: what the replicas of a model print, once and as it comes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};
use support::{Server, Signal, document, until};

/// A process with the output of `model logs --follow`; gone when the test ends.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

// === impl Following ===

impl Following {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut command = server.command(&[&["model", "logs", "noisy", "-f"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line, which has come although nothing has ended.
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended");
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Reads to the end: exit status, and what was said about it.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Engines that print a number ten times a second, and never listen.
fn noisy(replicas: u32) -> Value {
    let script = "n=0; while :; do n=$((n+1)); echo \"tick $n\"; sleep 0.1; done";
    let engine = json!({ "source": "/m", "runtime": "process", "replicas": replicas,
        "command": ["sh", "-c", script, "{port}"] });
    document::of(&[json!({ "name": "noisy", "type": "chat", "deployments": [{ "id": "loud", "engine": engine }] })])
}

async fn printing(replicas: u32) -> Server {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    let file = server.folder().join("noisy.json");
    std::fs::write(&file, noisy(replicas).to_string()).unwrap();
    server.cli(&["apply", "-f", file.to_str().unwrap()]).ok();
    until("every replica to print", || {
        let shown = server.cli(&["model", "logs", "noisy", "--tail", "3"]);
        shown.ok().matches("tick 3").count() >= replicas as usize
    })
    .await;
    server
}

/// The number in `tick 7`.
fn tick(line: &str) -> u64 {
    line.strip_prefix("tick ").unwrap_or_else(|| panic!("{line:?}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_shown_per_replica_and_followed_until_ctrl_c() {
    let server = printing(2).await;
    let shown = server.cli(&["model", "logs", "noisy", "--tail", "1"]).ok().to_owned();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2]), (4, "==> loud/0 <==", "==> loud/1 <=="), "{shown}");
    assert!(tick(lines[1]) > 0 && tick(lines[3]) > 0, "{shown}");
    let one = server.cli(&["model", "logs", "noisy", "--tail", "2", "--replica", "loud/1"]).ok().to_owned();
    let ticks: Vec<_> = one.lines().map(tick).collect();
    assert!(ticks.len() == 2 && ticks[1] == ticks[0] + 1, "{one}");

    // One replica: whole lines in their order, none twice, none left out.
    let mut following = Following::start(&server, &["--tail", "1", "--replica", "loud/0"]);
    let first = tick(&following.line());
    for expected in first + 1..first + 8 {
        assert_eq!(tick(&following.line()), expected);
    }
    following.signal(Signal::INT);
    assert_eq!(following.end(), (Some(0), String::new()));

    // Both: each line stands under the replica that printed it.
    let mut both = Following::start(&server, &["--tail", "0"]);
    let mut seen = [0_u64; 2];
    let mut of = None;
    while seen.iter().any(|ticks| *ticks < 5) {
        let line = both.line();
        match line.as_str() {
            "==> loud/0 <==" => of = Some(0),
            "==> loud/1 <==" => of = Some(1),
            line => {
                assert!(tick(line) > 0);
                seen[of.unwrap()] += 1;
            }
        }
    }
    both.signal(Signal::INT);
    assert_eq!(both.end(), (Some(0), String::new()));
    assert!(server.cli(&["model", "logs", "nothing", "-f"]).fails_with(1).contains("no such model"));
    assert!(server.cli(&["model", "logs", "noisy", "-f", "--replica", "x"]).fails_with(1).contains("no such replica"));
}

#[tokio::test(flavor = "multi_thread")]
async fn following_ends_when_the_engine_is_gone_or_the_server_ends_or_dies() {
    let mut server = printing(1).await;
    let mut following = Following::start(&server, &[]);
    assert!(tick(&following.line()) > 0, "one replica needs no name");
    server.apply(&json!({ "version": 1 }));
    let (code, said) = following.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("No replica of the model is left"), "{said}");

    server.cli(&["config", "rollback", "1"]).ok();
    until("it to print again", || server.cli(&["model", "logs", "noisy"]).stdout.contains("tick")).await;
    let mut following = Following::start(&server, &[]);
    following.line();
    server.stop(Signal::TERM).await;
    let (code, said) = following.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("The server ended it"), "{said}");
    let offline = server.cli(&["model", "logs", "noisy", "-f", "--tail", "1"]);
    assert!(offline.ok().contains("tick") && offline.stderr.contains("Nothing runs on this home"), "{offline:?}");

    server.restart().await;
    let mut following = Following::start(&server, &[]);
    following.line();
    server.kill();
    let (code, said) = following.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the server has gone"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_of_a_replacement_are_shown() {
    let program = support::enginehouse!();
    let server = Server::start(&program).await;
    let mut model = document::process("m", "chat", &program, &["--tokens", "5000", "--inter-token-ms", "100"]);
    model["deployments"][0]["id"] = "d".into();
    // One that says something.
    let engine = &mut model["deployments"][0]["engine"];
    let mut command = vec![json!("sh"), json!("-c"), json!("echo up; exec \"$@\""), json!("sh")];
    command.extend(engine["command"].as_array().unwrap().iter().cloned());
    engine["command"] = command.into();
    server.apply(&document::of(&[model]));
    assert_eq!(server.cli(&["model", "logs", "m"]).ok().trim(), "up", "one alone needs no name");
    let messages = json!([{ "role": "user", "content": "Hello" }]);
    let body = json!({ "model": "m", "max_tokens": 5000, "stream": true, "messages": messages });
    let mut stream = server.client().stream("/v1/chat/completions", &body).await;
    stream.next_event().await.unwrap().unwrap();
    server.cli(&["model", "replace", "m"]).ok();
    // The one before answers what it has, for as long as somebody listens.
    until("both to be shown", || {
        let shown = server.cli(&["model", "logs", "m"]).stdout;
        shown.contains("==> d/0 <==") && shown.contains("==> d/0b <==")
    })
    .await;
    stream.next_event().await.unwrap().unwrap();
    let one = server.cli(&["model", "logs", "m", "--replica", "d/0"]);
    assert!(!one.ok().is_empty() && !one.stdout.contains("==>"), "{}", one.stdout);
    drop(stream);
    until("the one before to be gone", || {
        server.cli(&["model", "logs", "m", "--replica", "d/0"]).stderr.contains("no such replica")
    })
    .await;
    assert!(!server.cli(&["model", "logs", "m"]).ok().contains("==>"));
}
