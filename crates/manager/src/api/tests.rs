use serde_json::json;

use crate::testing::TestApp;

mod access;
mod audited;
mod events;
mod lists;

const DOCUMENT: &str = "
version: 1
models:
  - name: org/tiny
    type: chat
    deployments: [{ endpoint: { url: 'http://127.0.0.1:9/v1', model: t } }]
    price: { input: 0.1, output: 0.4 }
";

/// The committed description; a client of the UI is made from it.
const DESCRIPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

#[test]
fn the_description_is_committed() {
    let (_, description) = super::described();
    let current = description.to_pretty_json().unwrap() + "\n";
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(DESCRIPTION, &current).unwrap();
    }
    let committed = std::fs::read_to_string(DESCRIPTION).unwrap_or_default();
    assert!(committed == current, "docs/openapi.json is out of date: `UPDATE=1 cargo test -p manager description`");
}

#[tokio::test]
async fn the_admin_port_asks_for_the_master_key_everywhere() {
    let app = TestApp::on_new_home().open().await;
    for path in ["/api/v1/status", "/api/v1/keys", "/api/openapi.json", "/metrics", "/nowhere"] {
        app.anonymous().get(path).await.problem(401);
        app.anonymous().with_token("sk-wrong-0123456789").get(path).await.problem(401);
    }
    assert_eq!(app.master().get("/api/v1/status").await.ok()["revision"], 0);
    app.master().get("/nowhere").await.problem(404);
    app.master().post("/api/v1/status", &json!({})).await.problem(405);
    assert_eq!(app.master().get("/api/openapi.json").await.ok()["info"]["title"], "Enginehouse admin API");
}

#[tokio::test]
async fn the_admin_port_refuses_foreign_host_names() {
    let app = TestApp::on_new_home().open().await;
    app.master().with_host("evil.example:7860").get("/api/v1/status").await.problem(421);
    app.master().with_host("localhost:7860").get("/api/v1/status").await.ok();
}

#[tokio::test]
async fn the_control_socket_asks_for_nothing() {
    let app = TestApp::on_new_home().open().await;
    let status = app.owner().get("/api/v1/status").await.ok();
    assert_eq!((&status["store"]["state"], &status["models"]), (&json!("ok"), &json!(0)));
    app.owner().get("/metrics").await.problem(404);
}

#[tokio::test]
async fn litellm_paths_are_on_the_control_socket_only() {
    let app = TestApp::on_new_home().open().await;
    app.owner().get("/key/list").await.ok();
    app.master().get("/key/list").await.problem(404);
}

#[tokio::test]
async fn bodies_are_bounded_and_read_strictly() {
    let app = TestApp::on_new_home().open().await;
    let large = json!({ "document": " ".repeat(17 << 20) });
    app.owner().post("/api/v1/apply", &large).await.problem(413);
    let unknown = app.owner().post("/api/v1/keys", &json!({ "tpn": 5 })).await.problem(422);
    assert!(unknown["detail"].as_str().unwrap().contains("tpn"), "{unknown}");
    let nul = app.owner().post("/api/v1/keys", &json!({ "metadata": { "a": ["x\0"] } })).await.problem(422);
    assert_eq!(nul["errors"][0]["path"], "metadata.a[0]", "{nul}");
    let nul = app.owner().post("/key/generate", &json!({ "metadata": { "a": "\0" } })).await;
    assert_eq!((nul.status.as_u16(), &nul.body["error"]["param"]), (400, &json!("metadata.a")), "{nul:?}");
    app.owner().get("/api/v1/usage?by=colour").await.problem(422);
    app.owner().get("/api/v1/usage?nonsense=1").await.problem(400);
}

#[tokio::test]
async fn what_was_applied_can_be_looked_at() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    app.apply(&DOCUMENT.replace("0.1", "0.2")).await;

    let document = app.owner().get("/api/v1/document").await.ok();
    assert_eq!(document["document"]["models"][0]["price"]["input"], 0.2);
    let revisions = app.owner().get("/api/v1/revisions").await.ok();
    let numbers: Vec<_> = revisions.as_array().unwrap().iter().map(|r| r["number"].clone()).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(revisions[0]["author"], "owner");
    assert_eq!(revisions[0]["digest"], document["digest"]);
    let first = app.owner().get("/api/v1/revisions/1").await.ok();
    assert_eq!(first["document"]["models"][0]["price"]["input"], 0.1);
    app.owner().get("/api/v1/revisions/9").await.problem(404);
    app.owner().get("/api/v1/revisions/x").await.problem(404);
    assert!(app.owner().get("/api/v1/schema").await.ok()["properties"]["models"].is_object());
    app.owner().get("/api/v1/jobs/none").await.problem(404);

    let models = app.owner().get("/api/v1/models").await.ok();
    let model = &models[0];
    assert_eq!((&model["name"], &model["type"]), (&json!("org/tiny"), &json!("chat")));
    assert_eq!((&model["ready"], &model["replicas"]), (&json!(1), &json!(1)));
    assert_eq!(model["url"], "http://127.0.0.1:4000/v1");
    let deployment = &model["deployments"][0];
    assert_eq!((&deployment["kind"], &deployment["state"]), (&json!("endpoint"), &json!("ready")));
    let metrics = app.master().get("/metrics").await.text;
    assert!(metrics.contains("enginehouse_replicas{model_name=\"org/tiny\",state=\"ready\"} 1"), "{metrics}");
    assert!(metrics.contains("enginehouse_store_writable{database=\"ledger.db\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_locked_store_is_503_and_shows_in_the_status() {
    let app = TestApp::on_new_home().open().await;
    std::fs::rename(app.path("enginehouse.db"), app.path("aside")).unwrap();
    let problem = app.owner().post("/api/v1/keys", &json!({})).await.problem(503);
    assert_eq!(problem["title"], "Store unavailable");
    let status = app.owner().get("/api/v1/status").await.ok();
    assert_eq!(status["store"]["state"], "degraded");
    app.owner().get("/api/v1/keys").await.ok();
    std::fs::rename(app.path("aside"), app.path("enginehouse.db")).unwrap();
    app.owner().post("/api/v1/keys", &json!({})).await.ok();
}

#[tokio::test]
async fn changes_are_audited_with_who_made_them() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    let key = app.master().post("/api/v1/keys", &json!({ "alias": "a" })).await.ok();
    let rows = app.manager.store().audit().list(10).await.unwrap();
    let shown: Vec<_> = rows.iter().map(|r| (r.actor.as_str(), r.action.as_str(), r.subject.as_str())).collect();
    assert_eq!(shown, [("master", "key.create", key["id"].as_str().unwrap()), ("owner", "apply", "1")]);
    let secret = key["key"].as_str().unwrap();
    assert!(rows.iter().all(|row| !row.detail.to_string().contains(secret)), "{rows:?}");
}

#[tokio::test]
async fn open_routes_are_shut_at_once_and_stay_shut() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&DOCUMENT.replace("type: chat", "type: chat\n    open_access: true")).await;
    assert!(app.snapshot().open_routes && app.snapshot().models[0].open_access);
    let shown = app.owner().get("/api/v1/open-routes").await.ok();
    assert_eq!((&shown["open"], &shown["models"][0]["name"]), (&json!(true), &json!("org/tiny")));
    assert!(shown["models"][0]["url"].as_str().unwrap().ends_with("/open/org%2Ftiny/v1"), "{shown}");

    let shut = app.owner().put("/api/v1/open-routes", &json!({ "open": false })).await.ok();
    assert_eq!(shut["open"], false);
    assert!(!app.snapshot().open_routes, "the answer comes when the gateway has it");
    app.owner().put("/api/v1/open-routes", &json!({ "open": "no" })).await.problem(422);
    app.owner().put("/api/v1/open-routes", &json!({ "opne": false })).await.problem(422);

    let audit = app.manager.store().audit().list(1).await.unwrap();
    assert_eq!((audit[0].action.as_str(), audit[0].actor.as_str()), ("open.off", "owner"));
    let app = app.end(false).await.run().await;
    assert!(!app.snapshot().open_routes, "also after a restart");
    // A home rebuilt from its projection alone.
    let path = app.path("config.json");
    let projection = std::fs::read(&path).unwrap();
    let other = TestApp::on_new_home();
    std::fs::write(other.path().join("config.json"), projection).unwrap();
    let other = other.run().await;
    assert_eq!(other.owner().get("/api/v1/open-routes").await.ok()["open"], false);
}
