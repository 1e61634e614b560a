use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::testing::TestApp;

const CONFIG: &str = r#"{"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}"#;

/// A model of four heads in a folder.
fn tiny(folder: &Path) -> String {
    let header = br#"{"t": {"dtype": "BF16", "shape": [8], "data_offsets": [0, 16]}}"#;
    std::fs::write(folder.join("config.json"), CONFIG).unwrap();
    std::fs::write(folder.join("model.safetensors"), [&(header.len() as u64).to_le_bytes()[..], header].concat())
        .unwrap();
    folder.display().to_string()
}

fn document(source: &str, gpus: &str) -> String {
    format!(
        "version: 1\nmodels: [{{name: m, type: chat, deployments: [{{id: d, engine: {{source: {source}, gpus: {gpus}}}}}]}}]"
    )
}

fn messages(problem: &Value) -> String {
    problem["errors"].to_string()
}

#[tokio::test]
async fn a_split_that_no_engine_can_make_is_refused_before_anything_starts() {
    let app = TestApp::on_new_home().open().await;
    let folder = tempfile::tempdir().unwrap();
    let source = tiny(folder.path());
    let refused = app.apply_with("", &document(&source, "[0, 1, 2]")).await.problem(422);
    assert!(messages(&refused).contains("4 attention heads cannot be split over 3 GPUs; 2 or 4 would do"), "{refused}");
    assert!(messages(&refused).contains("models[0].deployments[0].engine"), "{refused}");
    assert_eq!(app.manager.current().revision, 0);
    app.apply(&document(&source, "[0, 1, 2, 3]")).await;

    // Staged: by the item's name.
    let engine = json!({ "source": source, "gpus": [0, 1, 2] });
    let item = json!({ "name": "n", "type": "chat", "deployments": [{ "engine": engine }] });
    let owner = app.owner().with_header(http::header::IF_NONE_MATCH, "*");
    owner.put("/api/v1/staged/model/n", &item).await.ok();
    let refused = app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await.problem(422);
    assert!(messages(&refused).contains("model n deployments[0].engine"), "{refused}");
}

#[tokio::test]
async fn what_applied_once_is_gone_back_to_with_a_warning() {
    let app = TestApp::on_new_home().open().await;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().display().to_string();
    // While nothing is known of the model, nothing is said.
    app.apply(&document(&source, "[0, 1, 2]")).await;
    tiny(folder.path());
    app.apply(&document(&source, "[0]")).await;
    let back = app.owner().post("/api/v1/revisions/1/rollback", &json!({})).await.ok();
    assert!(back["warnings"].to_string().contains("4 attention heads"), "{back}");
    assert_eq!(app.manager.current().revision, 3);
}

#[tokio::test]
async fn a_hub_that_does_not_answer_is_waited_for_once() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let cache = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            held.push(connection);
        }
    });
    let app = TestApp::on_new_home();
    let app = app.variable("HF_ENDPOINT", &url).variable("HF_HOME", &cache.path().display().to_string()).open().await;
    let model =
        |n| format!("{{name: m{n}, type: chat, deployments: [{{engine: {{source: org/m{n}, gpus: [0, 1]}}}}]}}");
    let models: Vec<_> = (0..3).map(model).collect();
    app.apply(&format!("version: 1\nmodels: [{}]", models.join(", "))).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "its patience is that of the whole apply");
}
