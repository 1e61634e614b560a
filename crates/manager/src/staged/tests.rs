use http::header;
use serde_json::{Value, json};

use crate::testing::{Answer, Client, TestApp};

mod model;

const DOCUMENT: &str = "
version: 1
models:
  - { name: a, type: chat, price: { input: 1 } }
  - { name: org/b, type: chat, price: { input: 1 } }
";

fn model(name: &str, input: u32) -> Value {
    json!({ "name": name, "type": "chat", "price": { "input": input } })
}

async fn etag(client: &Client, path: &str) -> String {
    client.get(&format!("/api/v1/items/{path}")).await.ok()["etag"].as_str().unwrap().to_owned()
}

async fn stage(client: Client, path: &str, seen: &str, data: &Value) -> Answer {
    let client = match seen {
        "new" => client.with_header(header::IF_NONE_MATCH, "*"),
        seen => client.with_header(header::IF_MATCH, seen),
    };
    client.put(&format!("/api/v1/staged/{path}"), data).await
}

#[tokio::test]
async fn an_edit_is_staged_flagged_planned_and_applied() {
    let app = TestApp::on_new_home().run().await;
    app.apply(DOCUMENT).await;
    let seen = etag(&app.owner(), "model/org%2Fb").await;
    let staged = stage(app.owner(), "model/org%2Fb", &seen, &model("org/b", 9)).await.ok();
    assert_eq!((&staged["flag"], &staged["stale"]), (&json!("changed"), &json!(false)));
    assert_eq!((&staged["applied"]["price"]["input"], &staged["data"]["price"]["input"]), (&json!(1.0), &json!(9.0)));
    assert_eq!(staged["staged"]["author"], "owner");
    stage(app.master(), "model/c", "new", &model("c", 3)).await.ok();
    let star = app.owner().with_header(header::IF_MATCH, "*");
    star.delete("/api/v1/staged/model/a").await.ok();
    let flags: Vec<_> = app
        .owner()
        .get("/api/v1/staged")
        .await
        .ok()
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["name"].clone(), item["flag"].clone()))
        .collect();
    let flag = |name: &str, flag: &str| (json!(name), json!(flag));
    assert_eq!(flags, [flag("org/b", "changed"), flag("c", "new"), flag("a", "deleted")]);
    assert_eq!(app.snapshot().models.len(), 2, "nothing of it applies yet");

    let plan = app.owner().post("/api/v1/plan", &json!({})).await.ok();
    assert_eq!((&plan["revision"], &plan["interrupts"]), (&json!(1), &json!(false)));
    let changed = &plan["items"][0];
    assert_eq!((&changed["name"], &changed["effect"]["action"]), (&json!("org/b"), &json!("hot")));
    assert_eq!(changed["fields"], json!([{"path": "price.input", "old": 1.0, "new": 9.0}]));
    assert_eq!(plan["items"][1]["staged"]["author"], "master");
    assert!(plan["items"][1]["warnings"][0].as_str().unwrap().contains("deployments is empty"), "{plan}");
    assert_eq!((&plan["items"][2]["change"], &plan["items"][2]["new"]), (&json!("deleted"), &Value::Null));

    let one = json!({ "items": [{ "kind": "model", "name": "c" }], "message": "try c" });
    let applied = app.owner().post("/api/v1/staged/apply", &one).await.ok();
    assert_eq!((&applied["revision"], applied["changes"].as_array().unwrap().len()), (&json!(2), 1));
    let of_author = app.owner().post("/api/v1/staged/apply", &json!({ "author": "owner" })).await.ok();
    assert_eq!(of_author["revision"], 3);
    app.owner().post("/api/v1/staged/apply", &json!({ "author": "nobody" })).await.problem(404);
    assert_eq!(app.owner().get("/api/v1/staged").await.ok(), json!([]));
    let served: Vec<_> = app.snapshot().models.iter().map(|model| model.name.to_string()).collect();
    assert_eq!(served, ["org/b", "c"]);
    let history = app.owner().get("/api/v1/revisions").await.ok();
    assert_eq!((&history[1]["message"], &history[0]["message"]), (&json!("try c"), &json!("")));
    app.end(false).await;
}

#[tokio::test]
async fn an_unfit_edit_does_not_hide_the_plan_of_the_others() {
    let app = TestApp::on_new_home().open().await;
    app.apply(
        "version: 1
credentials: [{ name: c, secret: os.environ/C }]
models: [{ name: a, type: chat, deployments: [{ id: d, endpoint: { url: 'http://x/v1', credential: c } }] }]",
    )
    .await;
    app.owner().with_header(header::IF_MATCH, "*").delete("/api/v1/staged/credential/c").await.ok();
    let alone = app.owner().post("/api/v1/plan", &json!({})).await.problem(422);
    assert_eq!(alone["errors"][0]["path"], "credential c", "{alone}");
    let message = alone["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("model a (deployments[0].endpoint.credential) names it"), "{message}");
    assert!(message.ends_with("change it, or keep the credential"), "{message}");

    stage(app.owner(), "model/b", "new", &model("b", 1)).await.ok();
    let plan = app.owner().post("/api/v1/plan", &json!({})).await.ok();
    let names = |list: &Value| list.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!((names(&plan["items"]), names(&plan["unfit"])), (vec![json!("b")], vec![json!("c")]));
    assert_eq!(plan["unfit"][0]["errors"], json!([message]));
    assert_eq!(plan["unfit"][0]["staged"]["author"], "owner");
    app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await.problem(422);
    assert_eq!(app.owner().get("/api/v1/staged").await.ok().as_array().unwrap().len(), 2, "nothing was applied");
}

#[tokio::test]
async fn who_edits_what_is_no_longer_there_is_told_who_was_faster() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    let seen = etag(&app.owner(), "model/a").await;
    app.owner().put("/api/v1/staged/model/a", &model("a", 2)).await.problem(428);
    stage(app.master(), "model/a", &seen, &model("a", 2)).await.ok();
    let told = stage(app.owner(), "model/a", &seen, &model("a", 3)).await.problem(412);
    assert!(told["detail"].as_str().unwrap().contains("edited by master"), "{told}");
    stage(app.owner(), "model/a", "new", &model("a", 3)).await.problem(412);
    let second = etag(&app.owner(), "model/a").await;
    app.master().post("/api/v1/staged/discard", &json!({ "all": true })).await.ok();
    let told = stage(app.owner(), "model/a", &second, &model("a", 3)).await.problem(412);
    assert!(told["detail"].as_str().unwrap().contains("the edit was discarded by master"), "{told}");
    app.apply(&DOCUMENT.replace("name: a, type: chat, price: { input: 1 }", "name: a, type: chat")).await;
    let told = stage(app.owner(), "model/a", &seen, &model("a", 3)).await.problem(412);
    assert!(told["detail"].as_str().unwrap().contains("changed in revision 2 by owner"), "{told}");
}

#[tokio::test]
async fn an_edit_of_what_has_changed_since_is_stale_and_not_applied_unasked() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    stage(app.owner(), "model/a", "*", &model("a", 5)).await.ok();
    stage(app.owner(), "model/org%2Fb", "*", &model("org/b", 5)).await.ok();
    app.apply(
        &DOCUMENT.replace("name: a, type: chat, price: { input: 1 }", "name: a, type: chat, price: { input: 7 }"),
    )
    .await;
    let items = app.owner().get("/api/v1/staged").await.ok();
    assert_eq!((&items[0]["stale"], &items[1]["stale"]), (&json!(true), &json!(false)), "{items}");
    let told = app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await.problem(412);
    assert_eq!((&told["title"], &told["errors"][0]["path"]), (&json!("Stale changes"), &json!("model a")));
    assert!(told["errors"][0]["message"].as_str().unwrap().contains("revision 2 by owner"), "{told}");
    let plan = app.owner().post("/api/v1/plan", &json!({})).await.ok();
    assert_eq!((&plan["items"][0]["name"], &plan["unfit"][0]["name"]), (&json!("org/b"), &json!("a")), "{plan}");
    assert_eq!(plan["unfit"][0]["errors"][0], told["errors"][0]["message"]);
    let alone = json!({ "staged": { "items": [{ "kind": "model", "name": "a" }] } });
    app.owner().post("/api/v1/plan", &alone).await.problem(412);
    assert_eq!(app.manager.current().revision, 2);
    app.owner().post("/api/v1/staged/apply", &json!({ "all": true, "overwrite": true })).await.ok();
    let applied = app.owner().get("/api/v1/items/model/a").await.ok();
    assert_eq!(applied["applied"]["price"]["input"], 5.0);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_where_it_is_staged() {
    let app = TestApp::on_new_home().open().await;
    let put = async |path: &str, data: Value| stage(app.owner(), path, "new", &data).await;
    let problem = put("model/a", json!({"name": "a", "type": "chat", "deployments": [{"endpoint": {"url": 7}}]}))
        .await
        .problem(422);
    assert_eq!(
        (&problem["title"], &problem["errors"][0]["path"]),
        (&json!("Invalid model a"), &json!("deployments[0].endpoint.url"))
    );
    let problem = put("model/a", json!({"name": "a", "type": "chat", "price": {"input": -1}})).await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "price.input");
    let problem = put("settings/rooting", json!({})).await.problem(422);
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("routing, ledger"), "{problem}");
    put("nonsense/x", json!({})).await.problem(404);
    app.owner().with_header(header::IF_MATCH, "*").delete("/api/v1/staged/model/a").await.problem(404);
    assert_eq!(app.owner().get("/api/v1/staged").await.ok(), json!([]));
    app.owner().post("/api/v1/staged/apply", &json!({})).await.problem(400);
    app.owner().post("/api/v1/staged/apply", &json!({"items": [{"kind": "model", "name": "a"}]})).await.problem(404);
}

#[tokio::test]
async fn settings_go_back_to_their_defaults() {
    let app = TestApp::on_new_home().open().await;
    app.apply("version: 1\nrouting: { retries: 5 }").await;
    let staged = app.owner().with_header(header::IF_MATCH, "*").delete("/api/v1/staged/settings/routing").await.ok();
    assert_eq!((&staged["flag"], &staged["data"]["retries"]), (&json!("changed"), &json!(2)));
    app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await.ok();
    assert_eq!(app.manager.current().document.routing, spec::Routing::default());
}

#[tokio::test]
async fn staging_what_applies_takes_the_edit_back() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    stage(app.owner(), "model/a", "*", &model("a", 5)).await.ok();
    let back = stage(app.owner(), "model/a", "*", &model("a", 1)).await.ok();
    assert_eq!((&back["flag"], &back["staged"]), (&Value::Null, &Value::Null));
    assert_eq!(app.owner().get("/api/v1/staged").await.ok(), json!([]));
}

#[tokio::test]
async fn what_is_staged_outlives_a_restart_and_a_discard_takes_it_away() {
    let app = TestApp::on_new_home().open().await;
    stage(app.owner(), "model/a", "new", &model("a", 5)).await.ok();
    stage(app.master(), "model/b", "new", &model("b", 5)).await.ok();
    let app = app.end(false).await.open().await;
    assert_eq!(app.owner().get("/api/v1/staged").await.ok().as_array().unwrap().len(), 2);
    let gone = app.owner().post("/api/v1/staged/discard", &json!({ "author": "master" })).await.ok();
    assert_eq!(gone["items"], json!([{"kind": "model", "name": "b", "author": "master"}]));
    assert_eq!(app.owner().get("/api/v1/items/model/b").await.status, 404);
    assert_eq!(app.owner().get("/api/v1/items/model/a").await.ok()["flag"], "new");
}

#[tokio::test]
async fn a_locked_home_takes_whole_documents_only_and_says_why() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    stage(app.owner(), "model/a", "*", &model("a", 5)).await.ok();
    app.owner().put("/api/v1/lock", &json!({ "locked": true })).await.problem(422);
    let lock = json!({ "locked": true, "reason": "kept in git at example.com" });
    app.owner().put("/api/v1/lock", &lock).await.ok();
    let app = app.end(false).await.open().await;
    for refused in [
        stage(app.owner(), "model/a", "*", &model("a", 6)).await,
        app.owner().with_header(header::IF_MATCH, "*").delete("/api/v1/staged/model/a").await,
        app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await,
        app.owner().post("/api/v1/revisions/0/rollback", &json!({})).await,
        app.owner().post("/api/v1/revisions/0/stage", &json!({})).await,
    ] {
        let told = refused.problem(423);
        assert!(told["detail"].as_str().unwrap().contains("kept in git at example.com"), "{told}");
    }
    app.owner().post("/api/v1/plan", &json!({})).await.ok();
    app.apply("version: 1").await;
    app.owner().post("/api/v1/staged/discard", &json!({ "all": true })).await.ok();
    let open = app.owner().put("/api/v1/lock", &json!({ "locked": false })).await.ok();
    assert_eq!((&open["locked"], &open["reason"]), (&json!(false), &Value::Null));
    stage(app.owner(), "model/a", "new", &model("a", 6)).await.ok();
}

#[tokio::test]
async fn a_revision_is_compared_applied_again_and_staged() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    app.apply(
        &DOCUMENT.replace("name: a, type: chat, price: { input: 1 }", "name: a, type: chat, price: { input: 7 }"),
    )
    .await;
    let diff = app.owner().get("/api/v1/revisions/1/diff/2").await.ok();
    assert_eq!(diff["items"][0]["fields"], json!([{"path": "price.input", "old": 1.0, "new": 7.0}]));
    app.owner().get("/api/v1/revisions/1/diff/9").await.problem(404);

    let staged = app.owner().post("/api/v1/revisions/1/stage", &json!({})).await.ok();
    assert_eq!((&staged[0]["name"], &staged[0]["data"]["price"]["input"]), (&json!("a"), &json!(1.0)));
    let taken = app.owner().post("/api/v1/revisions/1/stage", &json!({})).await.problem(409);
    assert_eq!(taken["errors"][0]["path"], "model a", "{taken}");
    let plan = app.owner().post("/api/v1/plan", &json!({ "revision": 1 })).await.ok();
    assert_eq!(plan["items"].as_array().unwrap().len(), 1);
    let moved = json!({ "seen_revision": 1 });
    let told = app.owner().post("/api/v1/revisions/1/rollback", &moved).await.problem(412);
    assert!(told["detail"].as_str().unwrap().contains("revision 2 applies since"), "{told}");
    let dry = app.owner().post("/api/v1/revisions/1/rollback?dry_run=true", &json!({})).await.ok();
    assert_eq!((&dry["revision"], &dry["changed"]), (&json!(2), &json!(true)));
    let back = app.owner().post("/api/v1/revisions/1/rollback", &json!({ "seen_revision": 2 })).await.ok();
    assert_eq!(back["revision"], 3);
    let history = app.owner().get("/api/v1/revisions").await.ok();
    assert_eq!(history[0]["message"], "back to revision 1");
    assert_eq!(history[0]["digest"], history[2]["digest"]);
    let idle = app.owner().get("/api/v1/staged").await.ok();
    assert_eq!((&idle[0]["flag"], &idle[0]["stale"]), (&Value::Null, &json!(false)), "it applies already");
    let applied = app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await.ok();
    assert_eq!((&applied["revision"], &applied["changed"]), (&json!(3), &json!(false)));
    assert_eq!(app.owner().get("/api/v1/staged").await.ok(), json!([]));
}

#[tokio::test]
async fn nothing_is_deleted_to_which_a_key_leads() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    let key = json!({ "alias": "ci", "aliases": { "gpt": "a" }, "models": ["a", "gone"] });
    app.owner().post("/api/v1/keys", &key).await.ok();
    let without = "version: 1\nmodels: [{ name: org/b, type: chat, price: { input: 1 } }]";
    let told = app.apply_with("", without).await.problem(422);
    assert_eq!(told["errors"][0]["path"], "model a");
    assert!(told["errors"][0]["message"].as_str().unwrap().contains("key ci leads to it"), "{told}");
    let plan = app.owner().post("/api/v1/plan", &json!({ "document": DOCUMENT })).await.ok();
    assert!(plan["warnings"].to_string().contains("key ci names the model `gone`"), "{plan}");
    app.owner().delete("/api/v1/keys/ci").await.ok();
    app.apply(without).await;
}
