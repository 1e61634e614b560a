use serde_json::{Value, json};

use crate::current::Current;
use crate::testing::TestApp;
use crate::testing::engine::{Behaviour, document};

const DOCUMENT: &str = "version: 1\nmodels: [{ name: a, type: chat, price: { input: 1 } }]";

async fn drift(app: &TestApp) -> Vec<Value> {
    app.owner().get("/api/v1/drift").await.ok()["differences"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_hand_edit_is_shown_previewed_and_undone() {
    let app = TestApp::on_new_home().open().await;
    assert_eq!(drift(&app).await, [] as [Value; 0], "before the first apply there is nothing to differ from");
    app.apply(DOCUMENT).await;
    assert_eq!(drift(&app).await, [] as [Value; 0]);
    let path = app.path("config.json");
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, written.replace("\"input\": 1.0", "\"input\": 8.0")).unwrap();
    let found = drift(&app).await;
    assert_eq!((&found[0]["kind"], &found[0]["name"]), (&json!("file"), &json!("config.json")));
    assert_eq!(found[0]["diff"], json!(["- model a price.input: 1.0", "+ model a price.input: 8.0"]));

    let preview = app.owner().post("/api/v1/resync?dry_run=true", &json!({})).await.ok();
    assert_eq!(preview["differences"][0]["remedy"], "is written anew");
    assert_eq!(drift(&app).await.len(), 1, "a preview does nothing");
    app.owner().post("/api/v1/resync", &json!({})).await.ok();
    assert_eq!(drift(&app).await, [] as [Value; 0]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);

    std::fs::write(&path, "no document").unwrap();
    assert_eq!(drift(&app).await[0]["message"], "is no document any more");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(drift(&app).await[0]["message"], "is missing");
}

#[tokio::test]
async fn a_gateway_that_is_behind_is_shown() {
    let app = TestApp::on_new_home().stuck_gateway().run().await;
    app.apply(DOCUMENT).await;
    let found = drift(&app).await;
    assert_eq!((found.len(), &found[0]["kind"]), (1, &json!("gateway")), "{found:?}");
    app.end(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_does_not_run_is_shown() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(Behaviour::Crashing, "")).await;
    app.replica(|replica| replica["state"] == "backing_off").await;
    let found = drift(&app).await;
    assert_eq!(
        (&found[0]["kind"], found[0]["message"].as_str().unwrap().contains("does not run")),
        (&json!("replica"), true)
    );
    app.apply(&document(Behaviour::Healthy, "")).await;
    app.replica(|replica| replica["state"] == "ready").await;
    assert_eq!(drift(&app).await, [] as [Value; 0]);

    // As if another definition applied, and nobody had acted on that yet.
    let applied = app.manager.current();
    let mut other = applied.document.clone();
    other.models[0].deployments[0].engine.as_mut().unwrap().args.push("--other".to_owned());
    app.manager.set_current(Current::tentative(other));
    let found = app.manager.drift();
    app.manager.set_current(Current::clone(&applied));
    assert!(found[0].message.ends_with("runs from another definition"), "{found:?}");
    app.end(true).await;
}
