//! Limits of keys, teams, models and the whole service, through the binary: at once effective, and never forgotten.

use serde_json::{Value, json};
use support::{Engine, Http, Planes, Server, ServerOptions, document};

const PATH: &str = "/v1/chat/completions";

/// One currency unit a request, whatever it says.
fn model(name: &str, engine: &Engine) -> Value {
    let mut model = document::endpoint(name, "chat", engine, "m");
    model["price"] = json!({ "request": 1 });
    model
}

async fn ask(client: &Http, model: &str) -> (u16, String) {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4});
    let answer = client.post(PATH, &body).await;
    let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), message)
}

support::in_both_forms!(budgets_of_every_scope_outlive_kill_9);

async fn budgets_of_every_scope_outlive_kill_9(planes: Planes) {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let mut server = ServerOptions::new(&program).planes(planes).start().await;
    let mut dear = model("dear", &engine);
    dear["limits"] = json!({ "max_budget": 2, "budget_period": "1mo" });
    let mut desired = document::of(&[dear, model("plain", &engine)]);
    server.apply(&desired);
    let two = ["--budget", "2", "--budget-period", "1mo"];
    server.cli(&[&["team", "create", "blue"][..], &two].concat()).ok();
    let keys = [
        (server.create_key(&[&["--alias", "own"][..], &two].concat()), "plain", "key 'own'"),
        (server.create_key(&["--alias", "member", "--team", "blue"]), "plain", "team 'blue'"),
        (server.create_key(&["--alias", "free"]), "dear", "model 'dear'"),
    ];
    for round in 0..2 {
        for (key, model, scope) in &keys {
            assert_eq!(ask(&server.client_with(key), model).await.0, 200, "{scope} in round {round}");
        }
        server.restart().await;
    }
    for (key, model, scope) in &keys {
        let (status, message) = ask(&server.client_with(key), model).await;
        assert_eq!((status, message), (429, format!("Reached the budget of 2 per 1mo of {scope}.")));
    }
    assert_eq!(ask(&server.client_with(&keys[2].0), "plain").await.0, 200, "another model has not spent it");

    // What was spent counts for a budget that is set only now, and after another kill.
    desired["limits"] = json!({ "max_budget": 7 });
    server.apply(&desired);
    for _ in 0..2 {
        let (status, message) = ask(&server.client(), "plain").await;
        assert_eq!((status, message.as_str()), (429, "Reached the budget of 7 of the whole service."));
        server.restart().await;
    }
    desired["limits"] = json!({ "max_budget": 8 });
    server.apply(&desired);
    assert_eq!(ask(&server.client(), "plain").await.0, 200);
    assert_eq!(ask(&server.client(), "plain").await.0, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_and_direct_route_keys_by_the_command_line() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    server.apply(&document::of(&[model("one", &engine), model("two", &engine)]));
    server.cli(&["team", "create", "blue", "--models", "one", "--rpm", "3", "--id", "t1"]).ok();
    let key = server.create_key(&["--alias", "k", "--team", "blue", "--model-alias", "gpt=one", "--tags", "ci,x"]);
    let client = server.client_with(&key);
    assert_eq!((ask(&client, "gpt").await.0, ask(&client, "two").await.0), (200, 403));
    let answer = client.post(PATH, &json!({"model": "one", "messages": [], "max_tokens": 1})).await;
    let told =
        ["limit", "remaining"].map(|word| answer.header(&format!("x-ratelimit-{word}-requests")).map(str::to_owned));
    assert_eq!(told, [Some("3".to_owned()), Some("1".to_owned())]);
    assert_eq!((ask(&client, "one").await.0, ask(&client, "one").await.0), (200, 429));
    server.cli(&["team", "update", "blue", "--rpm", "none", "--models", "all"]).ok();
    assert_eq!(ask(&client, "two").await.0, 200);
    server.cli(&["team", "block", "t1"]).ok();
    assert_eq!(ask(&client, "one").await.0, 401);
    server.cli(&["team", "unblock", "t1"]).ok();
    let shown = server.cli(&["team", "list", "--json"]).json();
    assert_eq!((&shown[0]["id"], &shown[0]["keys"], &shown[0]["models"]), (&json!("t1"), &json!(1), &json!([])));
    assert!(server.cli(&["team", "show", "red"]).fails_with(1).contains("red"));

    let direct = server.create_key(&["--direct", "--alias", "d"]);
    let client = server.client_with(&direct);
    let body = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4});
    client.post("/models/one/v1/chat/completions", &body).await.expect(200);
    assert_eq!(ask(&client, "one").await.0, 403);
    let rotated = server.cli(&["key", "rotate", "d", "--quiet"]).ok().trim().to_owned();
    client.post("/models/one/v1/chat/completions", &body).await.expect(401);
    server.client_with(&rotated).post("/models/one/v1/chat/completions", &body).await.expect(200);

    server.cli(&["team", "delete", "blue"]).ok();
    assert_eq!(ask(&server.client_with(&key), "one").await.0, 401, "its keys go with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn litellm_s_paths_for_teams_and_keys_take_the_same_fields() {
    let program = support::enginehouse!();
    let engine = Engine::start(&program, &["--model", "m"]).await;
    let server = Server::start(&program).await;
    server.apply(&document::of(&[model("mock", &engine), model("other", &engine)]));
    let master = server.client();
    let team = json!({
        "team_id": "team-1", "team_alias": "Team One", "max_budget": 10, "budget_duration": "7d", "models": ["mock"],
        "rpm_limit": 2, "tpm_limit": 5000, "max_parallel_requests": 9,
    });
    let made = master.post("/team/new", &team).await.expect(200).json();
    for field in
        ["team_id", "team_alias", "models", "rpm_limit", "tpm_limit", "max_parallel_requests", "budget_duration"]
    {
        assert_eq!(made[field], team[field], "{field}: {made}");
    }
    assert_eq!((&made["max_budget"], &made["blocked"], &made["spend"]), (&json!(10.0), &json!(false), &json!(0.0)));
    master.post("/team/new", &team).await.expect(400);
    let key = json!({
        "key": "sk-teamkey-000000000001", "team_id": "team-1", "user_id": "u-1", "tpm_limit": 4000, "tags": ["ci"],
        "budget_duration": "1d", "max_budget": 1.5, "aliases": {"gpt": "mock"},
    });
    let issued = master.post("/key/generate", &key).await.expect(200).json();
    for field in ["team_id", "user_id", "tpm_limit", "tags", "budget_duration", "max_budget", "aliases"] {
        assert_eq!(issued[field], key[field], "{field}: {issued}");
    }
    master.post("/key/generate", &json!({"team_id": "nobody"})).await.expect(404);
    let client = server.client_with("sk-teamkey-000000000001");
    assert_eq!((ask(&client, "gpt").await.0, ask(&client, "other").await.0), (200, 403));
    let shown = || async {
        let info = master.get("/team/info?team_id=team-1").await.expect(200).json();
        (info["team_info"]["spend"] == 1.0).then_some(info)
    };
    let info = support::eventually("the team's spend to be in the books", shown).await;
    assert!(info["team_info"]["budget_reset_at"].is_string(), "{info}");
    assert_eq!(info["keys"][0]["team_id"], "team-1");
    let row = &master.get("/key/info?key=sk-teamkey-000000000001").await.expect(200).json()["info"];
    assert_eq!((&row["spend"], &row["user_id"]), (&json!(1.0), &json!("u-1")));
    let log = &master.get("/spend/logs").await.expect(200).json()[0];
    assert_eq!((&log["team_id"], &log["request_tags"]), (&json!("team-1"), &json!(["ci"])));
    let updated = master.post("/team/update", &json!({"team_id": "team-1", "rpm_limit": 1})).await.expect(200).json();
    assert_eq!((&updated["data"]["rpm_limit"], &updated["data"]["tpm_limit"]), (&json!(1), &json!(5000)));
    let (status, message) = ask(&client, "mock").await;
    assert_eq!((status, message.as_str()), (429, "Reached the limit of 1 requests per minute of team 'Team One'."));
    master.post("/team/block", &json!({"team_id": "team-1"})).await.expect(200);
    assert_eq!(ask(&client, "mock").await.0, 401);
    master.post("/team/unblock", &json!({"team_id": "team-1"})).await.expect(200);
    assert_eq!(master.get("/team/list").await.expect(200).json()[0]["team_alias"], "Team One");
    master.post("/team/delete", &json!({"team_ids": ["team-1"]})).await.expect(200);
    assert_eq!(ask(&client, "mock").await.0, 401);
}
