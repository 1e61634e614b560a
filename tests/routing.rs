//! What takes over when a model fails, through the binary: fallbacks by cause, other names, the books, limits and
//! allow-lists on every hop.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use serde_json::{Value, json};
use support::{Answer, Engine, Http, Planes, Server, ServerOptions, document, eventually};

#[path = "routing/keys.rs"]
mod keys;
#[path = "routing/refused.rs"]
mod refused;

const PATH: &str = "/v1/chat/completions";

support::in_both_forms!(another_model_takes_over_whatever_fails);

/// A model `name` on `engine`, which costs `price` a request.
fn model(name: &str, engine: &Engine, price: u32) -> Value {
    let mut model = document::endpoint(name, "chat", engine, "m");
    model["deployments"][0]["id"] = json!(format!("at-{name}"));
    model["price"] = json!({ "request": price });
    model
}

/// A document with these models, which tries none of them twice.
fn desired(models: &[Value], routing: &Value) -> Value {
    let mut document = document::of(models);
    document["routing"] = json!({ "retries": 0, "allowed_fails": 1000 });
    for (field, value) in routing.as_object().into_iter().flatten() {
        document["routing"][field] = value.clone();
    }
    document
}

fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4})
}

/// What an answer says of who gave it: model, deployment, fallbacks; under our names, which LiteLLM's have to repeat.
fn signed(answer: &Answer) -> (String, String, String) {
    let header = |ours: &str, theirs: &str| {
        let [ours, theirs] = [ours, theirs].map(|name| answer.header(name).unwrap_or_default().to_owned());
        assert_eq!(ours, theirs, "{answer:?}");
        ours
    };
    (
        header("x-enginehouse-model", "x-litellm-model-group"),
        header("x-enginehouse-deployment", "x-litellm-model-id"),
        header("x-enginehouse-fallbacks", "x-litellm-attempted-fallbacks"),
    )
}

fn by(model: &str, fallbacks: u32) -> (String, String, String) {
    (model.to_owned(), format!("at-{model}"), fallbacks.to_string())
}

/// The requests that `engine` has seen.
async fn seen(engine: &Engine) -> usize {
    engine.requests().await.len()
}

/// What the books say of a request, once they do.
async fn booked(server: &Server, answer: &Answer) -> Value {
    let id = answer.header("x-request-id").unwrap().to_owned();
    let http = server.client();
    eventually("the request to be in the books", || async {
        let rows = http.get(&format!("/spend/logs?request_id={id}")).await.expect(200).json();
        let rows = rows.as_array().unwrap().clone();
        assert!(rows.len() <= 1, "one event for one request: {rows:?}");
        rows.into_iter().next()
    })
    .await
}

async fn another_model_takes_over_whatever_fails(planes: Planes) {
    let program = support::enginehouse!();
    let mut main = Engine::start(&program, &["--model", "m"]).await;
    let backup = Engine::start(&program, &["--model", "m"]).await;
    let server = ServerOptions::new(&program).planes(planes).start().await;
    let mut slow = model("slow", &main, 1);
    slow["deployments"][0]["timeouts"] = json!({ "first_byte": 0.3, "total": 0.3 });
    let routing = json!({ "fallbacks": { "main": ["backup"], "slow": ["backup"] } });
    server.apply(&desired(&[model("main", &main, 1), model("backup", &backup, 7), slow], &routing));
    let client = server.client_with(&server.create_key(&["--alias", "k"]));

    let answer = client.post(PATH, &chat("main", false)).await;
    assert_eq!(signed(answer.expect(200)), by("main", 0));
    for fault in [
        "status:429",
        "status:500",
        "status:503",
        "status:400",
        "status:401",
        "refuse",
        "bad-json",
        "context-window",
        "content-policy",
    ] {
        main.fail(fault, None).await;
        for stream in [false, true] {
            if stream && fault == "bad-json" {
                continue;
            }
            let before = seen(&backup).await;
            let answer = client.post(PATH, &chat("main", stream)).await;
            assert_eq!(signed(answer.expect(200)), by("backup", 1), "{fault}");
            assert!(answer.text().contains("\"model\":\"backup\""), "{fault}: {}", answer.text());
            assert_eq!(seen(&backup).await, before + 1, "{fault}");
        }
    }
    // It takes the request, and says nothing.
    main.fail("stall", None).await;
    for stream in [false, true] {
        let answer = client.post(PATH, &chat("slow", stream)).await;
        assert_eq!(signed(answer.expect(200)), by("backup", 1));
    }
    main.kill();
    let answer = client.post(PATH, &chat("main", false)).await;
    assert_eq!(signed(answer.expect(200)), by("backup", 1));

    // One event, of the model that answered, at its price; what failed before is listed.
    let row = booked(&server, &answer).await;
    assert_eq!((&row["model"], &row["model_id"], &row["spend"]), (&json!("backup"), &json!("at-backup"), &json!(7.0)));
    let metadata = &row["metadata"];
    assert_eq!((&metadata["requested_model"], &metadata["attempted_fallbacks"]), (&json!("main"), &json!(1)));
    let tried: Vec<_> = metadata["attempts"].as_array().unwrap().iter().map(|one| &one["deployment"]).collect();
    assert_eq!(tried, ["at-main", "at-backup"]);
    let metrics = server.client().get("/metrics").await;
    let counted = "enginehouse_fallbacks_total{model_name=\"main\",model_type=\"chat\",fallback_model=\"backup\",reason=\"context_window\"} 2";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_has_its_own_models_and_those_have_theirs() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let [long, tame, last] = [
        Engine::start(&program, &["--model", "m"]).await,
        Engine::start(&program, &["--model", "m"]).await,
        Engine::start(&program, &["--model", "m"]).await,
    ];
    let server = Server::start(&program).await;
    let models = [model("main", &engine, 1), model("long", &long, 1), model("tame", &tame, 1), model("last", &last, 1)];
    let routing = json!({
        "context_window_fallbacks": { "main": ["long"] },
        "content_policy_fallbacks": { "main": ["tame"] },
        "default_fallbacks": ["last"],
    });
    server.apply(&desired(&models, &routing));
    let client = server.client();
    for (fault, answers) in [("context-window", "long"), ("content-policy", "tame"), ("status:500", "last")] {
        engine.fail(fault, None).await;
        let answer = client.post(PATH, &chat("main", false)).await;
        assert_eq!(signed(answer.expect(200)), by(answers, 1), "{fault}");
    }
    // A fallback that fails has fallbacks of its own.
    engine.fail("context-window", None).await;
    long.fail("status:500", None).await;
    let answer = client.post(PATH, &chat("main", false)).await;
    assert_eq!(signed(answer.expect(200)), by("last", 2));
    // Where none is left, the client reads why the model failed that was asked for.
    last.fail("status:429", None).await;
    let answer = client.post(PATH, &chat("main", false)).await;
    assert_eq!(
        answer.expect(400).json()["error"]["message"].as_str().unwrap().split('.').next(),
        Some("This model's maximum context length is 8192 tokens")
    );
    let row = booked(&server, &answer).await;
    assert_eq!(
        (&row["model"], &row["metadata"]["outcome"], &row["spend"]),
        (&json!("main"), &json!("failed"), &json!(0.0))
    );
    let tried: Vec<_> =
        row["metadata"]["attempts"].as_array().unwrap().iter().map(|one| one["deployment"].clone()).collect();
    assert_eq!(tried, ["at-main", "at-long", "at-last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_begun_to_answer_is_never_passed_on() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m", "--tokens", "20"]).await;
    let backup = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    let routing = json!({ "fallbacks": { "main": ["backup"] }, "retries": 3 });
    server.apply(&desired(&[model("main", &engine, 1), model("backup", &backup, 1)], &routing));
    let client = server.client();
    for fault in ["cut:3", "error-event:3"] {
        engine.fail(fault, None).await;
        let body = json!({"model": "main", "stream": true, "messages": [{"role": "user", "content": "x"}]});
        let answer = client.post(PATH, &body).await;
        assert_eq!(signed(answer.expect(200)), by("main", 0), "{fault}");
        assert!(answer.text().contains("\"error\""), "{fault}: {}", answer.text());
        assert!(!answer.text().contains("backup"), "{fault}: {}", answer.text());
    }
    assert_eq!(seen(&backup).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_is_under_its_own_limits() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    let mut dear = model("dear", &engine, 5);
    dear["limits"] = json!({ "max_budget": 5 });
    let broken = model("main", &Engine::start(&program, &["--model", "other"]).await, 1);
    let routing = json!({ "fallbacks": { "main": ["dear"] } });
    server.apply(&desired(&[broken, dear], &routing));
    let client = server.client_with(&server.create_key(&["--alias", "rich"]));
    let answer = client.post(PATH, &chat("main", false)).await;
    assert_eq!(signed(answer.expect(200)), by("dear", 1));
    // Its budget is spent now: what is told is that the model failed that was asked for.
    let answer = client.post(PATH, &chat("main", false)).await;
    assert_eq!(answer.expect(503).json()["error"]["code"], "upstream_unavailable");
    assert_eq!(seen(&engine).await, 1);
    // The key pays what the fallback costs, and no more than it may.
    let mut free = model("dear", &engine, 5);
    free["limits"] = json!({});
    let broken = model("main", &Engine::start(&program, &["--model", "other"]).await, 1);
    server.apply(&desired(&[broken, free], &routing));
    let poor = server.client_with(&server.create_key(&["--alias", "poor", "--budget", "5"]));
    assert_eq!(signed(poor.post(PATH, &chat("main", false)).await.expect(200)), by("dear", 1));
    poor.post(PATH, &chat("main", false)).await.expect(429);
    assert_eq!(seen(&engine).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_lead_to_models_and_past_no_allow_list() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    let mut desired = desired(&[model("main", &engine, 1), model("other", &engine, 1)], &json!({}));
    desired["aliases"] = json!({ "gpt-4o": "main", "gpt": "gpt-4o", "secret": { "model": "other", "hidden": true } });
    server.apply(&desired);
    let client = server.client_with(&server.create_key(&["--models", "main", "--model-alias", "mine=gpt"]));
    for name in ["main", "gpt-4o", "gpt", "mine"] {
        let answer = client.post(PATH, &chat(name, false)).await;
        assert_eq!(signed(answer.expect(200)), by("main", 0), "{name}");
    }
    for name in ["other", "secret"] {
        let answer = client.post(PATH, &chat(name, false)).await;
        assert_eq!(answer.expect(403).json()["error"]["code"], "model_not_allowed", "{name}");
    }
    let listed = |answer: Answer| -> Vec<String> {
        let list = answer.expect(200).json()["data"].as_array().unwrap().clone();
        list.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(client.get("/v1/models").await), ["main", "mine", "gpt", "gpt-4o"]);
    let all = listed(server.client().get("/v1/models").await);
    assert_eq!(all, ["main", "other", "gpt", "gpt-4o"], "what is hidden is not listed");
    server.client().post(PATH, &chat("secret", false)).await.expect(200);
    server.client().get("/v1/models/secret").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_goes_where_it_fits() {
    let program = support::enginehouse!();
    let [short, long] =
        [Engine::start(&program, &["--model", "m"]).await, Engine::start(&program, &["--model", "m"]).await];
    let server = Server::start(&program).await;
    let limited = |name: &str, engine: &Engine, most: u32| {
        let mut model = model(name, engine, 1);
        model["deployments"][0]["endpoint"]["max_input_tokens"] = json!(most);
        model
    };
    let mut both = limited("both", &short, 50);
    both["deployments"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "roomy", "endpoint": {"url": long.url(), "model": "m", "max_input_tokens": 5000}}));
    let models = [limited("short", &short, 50), limited("long", &long, 5000), both];
    let routing = json!({ "enable_pre_call_checks": true, "context_window_fallbacks": { "short": ["long"] } });
    server.apply(&desired(&models, &routing));
    let client = server.client();
    let wordy = |model: &str, words: usize| json!({"model": model, "messages": [{"role": "user", "content": "word ".repeat(words)}], "max_tokens": 4});
    assert_eq!(signed(client.post(PATH, &wordy("short", 3)).await.expect(200)), by("short", 0));
    let before = seen(&short).await;
    assert_eq!(signed(client.post(PATH, &wordy("short", 300)).await.expect(200)), by("long", 1));
    for _ in 0..10 {
        let answer = client.post(PATH, &wordy("both", 300)).await;
        assert_eq!(signed(answer.expect(200)).1, "roomy");
    }
    assert_eq!(seen(&short).await, before, "what does not fit is not even sent");
    let answer = client.post(PATH, &wordy("long", 9_000)).await;
    let error = answer.expect(400).json()["error"].clone();
    assert_eq!(error["code"], "context_length_exceeded");
    assert!(error["message"].as_str().unwrap().contains("maximum context length is 5000 tokens"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_go_by_the_cause() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    let mut patient = model("patient", &engine, 1);
    patient["retry_policy"] = json!({ "internal_server_error": 3 });
    let routing = json!({ "retries": 1, "retry_policy": { "bad_request": 2, "internal_server_error": 0 } });
    server.apply(&desired(&[model("main", &engine, 1), patient], &routing));
    let tries = async |client: &Http, model: &str, fault: &str| {
        let before = seen(&engine).await;
        engine.fail(fault, None).await;
        client.post(PATH, &chat(model, false)).await;
        seen(&engine).await - before
    };
    let client = server.client();
    assert_eq!(tries(&client, "main", "status:500").await, 1, "policy: no further try");
    assert_eq!(tries(&client, "patient", "status:500").await, 4, "the model's own policy");
    assert_eq!(tries(&client, "main", "status:400").await, 3, "policy: also what is not tried again otherwise");
    assert_eq!(tries(&client, "main", "status:502").await, 2, "no policy for it: retries");
    let own = server.client_with(&server.create_key(&["--retries", "2"]));
    assert_eq!(tries(&own, "main", "status:500").await, 3, "the key's own number");
}
