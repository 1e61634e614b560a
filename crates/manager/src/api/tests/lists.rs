//! Lists, versions, and what is said about what cannot be read.

use serde_json::{Value, json};

use crate::testing::TestApp;

/// What `field` says in each entry of a list, page by page.
async fn walk(app: &TestApp, path: &str, field: &str) -> Vec<Vec<String>> {
    let (mut pages, mut path) = (Vec::new(), path.to_owned());
    loop {
        let answer = app.owner().get(&path).await;
        let next = answer.header("link").split(['<', '>']).nth(1).map(str::to_owned);
        let text = |entry: &Value| entry[field].as_str().map_or_else(|| entry[field].to_string(), str::to_owned);
        pages.push(answer.ok().as_array().unwrap().iter().map(text).collect());
        match next {
            Some(next) => path = next,
            None => return pages,
        }
    }
}

#[tokio::test]
async fn keys_come_in_pages_and_can_be_chosen() {
    let app = TestApp::on_new_home().open().await;
    app.owner().post("/api/v1/teams", &json!({ "alias": "blue" })).await.ok();
    for n in 0..7 {
        let key = json!({ "alias": format!("k{n}"), "owner": if n % 2 == 0 { "ann" } else { "bob" }, "team": (n > 4).then_some("blue") });
        app.owner().post("/api/v1/keys", &key).await.ok();
    }
    app.owner().post("/api/v1/keys/k3/block", &json!({})).await.ok();
    let aliases = async |query: &str| {
        let answer = app.owner().get(&format!("/api/v1/keys{query}")).await;
        let next = answer.header("link").to_owned();
        let rows = answer.ok();
        (rows.as_array().unwrap().iter().map(|row| row["alias"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), next)
    };
    assert_eq!(aliases("?owner=bob").await.0, ["k1", "k3", "k5"]);
    assert_eq!(aliases("?team=blue").await.0, ["k5", "k6"]);
    assert_eq!(aliases("?blocked=true").await.0, ["k3"]);
    assert_eq!(aliases("?alias=k2").await.0, ["k2"]);
    let (first, next) = aliases("?owner=ann&limit=3").await;
    assert_eq!(first, ["k0", "k2", "k4"]);
    assert!(next.contains("owner=ann") && next.ends_with("rel=\"next\""), "{next}");
    let query = next.split_once("/keys").unwrap().1.split_once('>').unwrap().0;
    // What is deleted meanwhile does not shift the rest.
    app.owner().delete("/api/v1/keys/k4").await.ok();
    assert_eq!(aliases(query).await, (vec!["k6".to_owned()], String::new()));
    let problem = app.owner().get("/api/v1/keys?cursor=nonsense").await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "cursor");
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let app = TestApp::on_new_home().open().await;
    let at = |problem: &Value| problem["errors"][0]["path"].as_str().unwrap_or("-").to_owned();
    for (body, field) in [
        (json!({ "alias": 5 }), "alias"),
        (json!({ "rpm": "many" }), "rpm"),
        (json!({ "tpn": 5 }), "tpn"),
        (json!({ "models": ["a", 5] }), "models[1]"),
        (json!({ "metadata": [] }), "metadata"),
        (json!({ "max_budget": -1 }), "max_budget"),
    ] {
        let problem = app.owner().post("/api/v1/keys", &body).await.problem(422);
        assert_eq!(at(&problem), field, "{body} {problem}");
    }
    for (query, field) in [("limit=x", "limit"), ("blocked=maybe", "blocked"), ("colour=1", "colour")] {
        let problem = app.owner().get(&format!("/api/v1/keys?{query}")).await.problem(400);
        assert_eq!(at(&problem), field, "{query} {problem}");
    }
    for path in [
        "keys/%ff",
        "items/model/%ff",
        "items/%ff/a",
        "render/%ff",
        "revisions/%ff",
        "revisions/1/diff/%ff",
        "models/%ff/logs",
        "teams/%ff",
        "accounts/%ff",
        "tokens/%ff",
        "jobs/%ff",
    ] {
        app.owner().get(&format!("/api/v1/{path}")).await.problem(400);
    }
    for path in ["staged/model/%ff", "credentials/%ff", "keys/%ff", "teams/%ff", "accounts/%ff", "tokens/%ff"] {
        app.owner().delete(&format!("/api/v1/{path}")).await.problem(400);
    }
    app.owner().post("/api/v1/revisions/%ff/rollback", &json!({})).await.problem(400);
    app.owner().post("/api/v1/revisions/%ff/stage", &json!({})).await.problem(400);
    app.owner().send(http::Method::PATCH, "/api/v1/status", None).await.problem(405);
    app.owner().get("/api/v2/keys").await.problem(404);
}

#[tokio::test]
async fn a_key_that_was_changed_meanwhile_is_not_changed_unseen() {
    let app = TestApp::on_new_home().open().await;
    app.owner().post("/api/v1/keys", &json!({ "alias": "k" })).await.ok();
    let seen = app.owner().get("/api/v1/keys/k").await.header("etag").to_owned();
    let made = app.owner().post("/api/v1/keys", &json!({})).await;
    assert_eq!(made.header("cache-control"), "no-store", "there is a secret in it");
    let again = app.owner().with_header("if-none-match", &seen).get("/api/v1/keys/k").await;
    assert_eq!((again.status.as_u16(), again.text.as_str(), again.header("etag")), (304, "", seen.as_str()));

    app.master().patch("/api/v1/keys/k", &json!({ "rpm": 5 })).await.ok();
    assert_eq!(app.owner().with_header("if-none-match", &seen).get("/api/v1/keys/k").await.status, 200);
    let stale = app.owner().with_header("if-match", &seen);
    let problem = stale.patch("/api/v1/keys/k", &json!({ "rpm": 6 })).await.problem(412);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("key.update of rpm by master"), "{detail}");
    stale.delete("/api/v1/keys/k").await.problem(412);
    let fresh = app.owner().get("/api/v1/keys/k").await.header("etag").to_owned();
    app.owner().with_header("if-match", &fresh).patch("/api/v1/keys/k", &json!({ "rpm": 6 })).await.ok();
    app.owner().with_header("if-match", "*").delete("/api/v1/keys/k").await.ok();
}

#[tokio::test]
async fn a_team_that_was_changed_meanwhile_is_not_changed_unseen() {
    let app = TestApp::on_new_home().open().await;
    app.owner().post("/api/v1/teams", &json!({ "alias": "t" })).await.ok();
    let seen = app.owner().get("/api/v1/teams/t").await.header("etag").to_owned();
    assert_eq!(app.owner().with_header("if-none-match", &seen).get("/api/v1/teams/t").await.status, 304);
    app.master().post("/api/v1/teams/t/block", &json!({})).await.ok();
    let stale = app.owner().with_header("if-match", &seen);
    let problem = stale.patch("/api/v1/teams/t", &json!({ "rpm": 6 })).await.problem(412);
    assert!(problem["detail"].as_str().unwrap().contains("team.block of blocked by master at 2"), "{problem}");
    app.master().patch("/api/v1/teams/t", &json!({ "rpm": 7, "models": ["m"], "blocked": true })).await.ok();
    let problem = stale.delete("/api/v1/teams/t").await.problem(412);
    assert!(problem["detail"].as_str().unwrap().contains("team.update of models, rpm by master at 2"), "{problem}");
}

#[tokio::test]
async fn whatever_can_grow_comes_in_pages() {
    let app = TestApp::on_new_home().open().await;
    let model = |name: &str| {
        json!({ "name": name, "type": if name == "c" { "embedding" } else { "chat" },
            "deployments": [{ "endpoint": { "url": "http://127.0.0.1:9/v1", "model": "x" } }] })
    };
    let credentials: Vec<_> = ["z", "y", "x"]
        .map(|name| json!({ "name": name, "provider": "openai", "secret": format!("os.environ/{name}") }))
        .into();
    let models = ["c", "a", "b"].map(model);
    let document = json!({ "version": 1, "models": models, "credentials": credentials });
    app.apply(&document.to_string()).await;
    app.master().put("/api/v1/credentials/w", &json!({ "secret": "os.environ/W" })).await.ok();
    for name in ["b", "new", "a"] {
        let client = app.owner().with_header(if name == "new" { "if-none-match" } else { "if-match" }, "*");
        let mut edited = model(name);
        edited["price"] = json!({ "input": 3 });
        client.put(&format!("/api/v1/staged/model/{name}"), &edited).await.ok();
    }

    assert_eq!(walk(&app, "/api/v1/models?limit=2", "name").await, [vec!["a", "b"], vec!["c"]]);
    assert_eq!(walk(&app, "/api/v1/models?type=embedding", "name").await, [["c"]]);
    assert_eq!(walk(&app, "/api/v1/credentials?limit=3", "name").await, [vec!["w", "x", "y"], vec!["z"]]);
    assert_eq!(walk(&app, "/api/v1/credentials?provider=openai", "name").await, [["x", "y", "z"]]);
    assert_eq!(walk(&app, "/api/v1/items?kind=model&limit=3", "name").await, [vec!["a", "b", "c"], vec!["new"]]);
    assert_eq!(walk(&app, "/api/v1/items?kind=model&author=owner", "name").await, [["a", "b", "new"]]);
    assert_eq!(walk(&app, "/api/v1/staged?limit=2", "name").await, [vec!["b", "new"], vec!["a"]], "oldest first");
    assert_eq!(walk(&app, "/api/v1/staged?author=nobody", "name").await, [[""; 0]]);
    let all = walk(&app, "/api/v1/items?limit=2", "name").await.concat();
    assert_eq!(all, walk(&app, "/api/v1/items?limit=1000", "name").await.concat());
    let problem = app.owner().get("/api/v1/items?kind=modle").await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "kind");
}

#[tokio::test]
async fn revisions_come_in_pages_and_stay_as_they_are() {
    let app = TestApp::on_new_home().open().await;
    for n in 1..=5 {
        let by = if n == 3 { app.master() } else { app.owner() };
        by.put("/api/v1/credentials/w", &json!({ "secret": format!("os.environ/V{n}") })).await.ok();
    }
    assert_eq!(walk(&app, "/api/v1/revisions?limit=2", "number").await, [vec!["5", "4"], vec!["3", "2"], vec!["1"]]);
    assert_eq!(walk(&app, "/api/v1/revisions?author=master", "number").await, [["3"]]);
    assert_eq!(walk(&app, "/api/v1/revisions?from=2999-01-01T00:00:00Z", "number").await, [[""; 0]]);
    let problem = app.owner().get("/api/v1/revisions?to=tomorrow").await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "to");
    app.owner().get("/api/v1/revisions?limit=1001").await.problem(422);
    let seen = app.owner().get("/api/v1/revisions/3").await.header("etag").to_owned();
    assert_eq!(app.owner().with_header("if-none-match", &seen).get("/api/v1/revisions/3").await.status, 304);
    assert_eq!(app.owner().with_header("if-none-match", &seen).get("/api/v1/revisions/2").await.status, 200);
}
