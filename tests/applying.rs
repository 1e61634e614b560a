//! `apply` against a running server: what it plans, commits, waits for and takes back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use serde_json::{Value, json};
use support::{Engine, Finished, Planes, Server, ServerOptions, document};

support::in_both_forms!(
    a_dry_run_shows_what_would_change_and_writes_nothing,
    waiting_ends_when_the_engine_serves,
    waiting_fails_when_an_engine_does_not_come_up_and_says_why,
    atomic_takes_back_what_does_not_come_up,
    while_an_atomic_apply_verifies_another_one_is_refused,
    bounds_on_bodies_hold_from_the_next_request_on,
);

fn apply(server: &Server, document: &Value, flags: &[&str]) -> Finished {
    let mut arguments = vec!["apply", "-f", "-"];
    arguments.extend(flags);
    Finished::of(&mut server.command(&arguments), Some(&document.to_string()))
}

fn names(server: &Server) -> Vec<String> {
    let models = server.cli(&["model", "list", "--json"]).json();
    models.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

async fn chat_status(server: &Server, model: &str) -> u16 {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    server.client().post("/v1/chat/completions", &body).await.status.as_u16()
}

async fn a_dry_run_shows_what_would_change_and_writes_nothing(planes: Planes) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let document = document::chat("tiny", &engine);
    let dry = apply(&server, &document, &["--dry-run"]);
    assert!(dry.ok().contains("+ model tiny"), "{dry:?}");
    assert!(dry.stdout.contains("Dry run"), "{dry:?}");
    assert_eq!(names(&server), Vec::<String>::new());

    let real = apply(&server, &document, &["--json"]).json();
    assert_eq!((&real["revision"], &real["changed"]), (&json!(1), &json!(true)));
    assert_eq!(chat_status(&server, "tiny").await, 200, "in force when the command returns");

    let again = apply(&server, &document, &[]);
    assert!(again.ok().contains("Nothing changed: revision 1 stands."), "{again:?}");

    let mut changed = document.clone();
    changed["models"][0]["price"] = json!({"input": 9.0});
    let dry = apply(&server, &changed, &["--dry-run"]);
    assert!(dry.ok().contains("~ model tiny (price.input, price.output)"), "{dry:?}");
    let gone = apply(&server, &document::of(&[]), &[]);
    assert!(gone.ok().contains("- model tiny"), "{gone:?}");
    assert_eq!(chat_status(&server, "tiny").await, 404);
}

async fn bounds_on_bodies_hold_from_the_next_request_on(planes: Planes) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let mut document = document::chat("tiny", &engine);
    apply(&server, &document, &["--wait"]).ok();
    let long = json!({"model": "tiny", "messages": [{"role": "user", "content": "x".repeat(3_000)}]});
    let post = || async { server.client().post("/v1/chat/completions", &long).await };
    assert_eq!(post().await.status, 200);
    for (requests, status, code) in [
        (json!({"max_body_bytes": 2_000}), 413, "request_too_large"),
        (
            json!({"max_body_bytes": 2_500, "max_response_bytes": 2_500, "max_buffered_bytes": 2_500}),
            413,
            "request_too_large",
        ),
        (json!({"max_body_bytes": 3_200, "max_response_bytes": 2_000, "max_buffered_bytes": 3_200}), 503, "overloaded"),
    ] {
        document["requests"] = requests;
        apply(&server, &document, &[]).ok();
        let refused = post().await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (status, &json!(code)));
    }
    document["requests"] = json!({"max_body_bytes": 12});
    let invalid = apply(&server, &document, &[]);
    assert!(invalid.stderr.contains("requests.max_body_bytes") && !invalid.status.success(), "{invalid:?}");
    document["requests"] = json!({});
    apply(&server, &document, &[]).ok();
    assert_eq!(post().await.status, 200);
}

async fn waiting_ends_when_the_engine_serves(planes: Planes) {
    let program = support::enginehouse!();
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let model = document::process("own", "chat", &program, &["--start-delay-ms", "400"]);
    let waited = apply(&server, &document::of(&[model]), &["--wait"]);
    waited.ok();
    let progress: Vec<&str> = waited.stderr.lines().filter(|line| line.starts_with("own")).collect();
    assert!(progress.len() >= 2, "each state has a line: {waited:?}");
    assert!(progress.last().unwrap().contains("ready 1/1"), "{waited:?}");
    assert_eq!(chat_status(&server, "own").await, 200);
    let listed = server.cli(&["model", "list"]);
    let line = listed.ok().lines().find(|line| line.starts_with("own")).unwrap().to_owned();
    assert!(line.split_whitespace().any(|word| word == "1/1"), "{line}");
}

async fn waiting_fails_when_an_engine_does_not_come_up_and_says_why(planes: Planes) {
    let program = support::enginehouse!();
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let mut model = document::process("broken", "chat", &program, &[]);
    model["deployments"][0]["engine"]["command"] = json!(["/bin/sh", "-c", "echo out of luck; exit 3 # {port}"]);
    let waited = apply(&server, &document::of(&[model]), &["--wait", "--timeout", "5s"]);
    assert!(waited.fails_with(1).contains("broken"), "{waited:?}");
    assert_eq!(names(&server), ["broken"], "without --atomic the revision stands");
    // Between two tries it is starting again, and has no reason to show.
    support::eventually("the reason to be shown", || async {
        server.cli(&["model", "list"]).stderr.contains("out of luck").then_some(())
    })
    .await;
}

async fn atomic_takes_back_what_does_not_come_up(planes: Planes) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "tiny"]).await;
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let good = document::endpoint("tiny", "chat", &engine, "tiny");
    apply(&server, &document::of(std::slice::from_ref(&good)), &[]).ok();
    let mut broken = document::process("broken", "chat", &program, &[]);
    broken["deployments"][0]["engine"]["command"] = json!(["/bin/false", "{port}"]);
    let taken_back = apply(&server, &document::of(&[good, broken]), &["--atomic", "--timeout", "4s"]);
    assert!(taken_back.fails_with(1).contains("rolled back"), "{taken_back:?}");
    assert_eq!(names(&server), ["tiny"]);
    assert_eq!(chat_status(&server, "tiny").await, 200);
}

async fn while_an_atomic_apply_verifies_another_one_is_refused(planes: Planes) {
    let program = support::enginehouse!();
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let slow = document::process("slow", "chat", &program, &["--start-delay-ms", "600000"]);
    let arguments = ["apply", "-f", "-", "--atomic", "--timeout", "6s"];
    let mut first = server.command(&arguments);
    let document = document::of(&[slow]).to_string();
    let first = std::thread::spawn(move || Finished::of(&mut first, Some(&document)));
    support::until("the first apply to be committed", || names(&server) == ["slow"]).await;
    let second = apply(&server, &document::of(&[]), &[]);
    assert!(
        !second.status.success() && second.stderr.contains("an atomic apply by owner is being verified"),
        "{second:?}"
    );
    first.join().unwrap().fails_with(1);
    assert_eq!(names(&server), Vec::<String>::new());
    apply(&server, &document::of(&[]), &[]).ok();
}
