use std::os::unix::fs::MetadataExt as _;

use http::StatusCode;
use render::Target;

use crate::testing::TestApp;

const DOCUMENT: &str = "version: 1
models:
  - { name: gpt, type: chat, deployments: [{ endpoint: { url: 'http://127.0.0.1:1/v1', credential: os.environ/KEY } }] }
passthrough: { litellm: { litellm_settings: { drop_params: true }, router_settings: { num_retries: 9 } } }";

#[tokio::test]
async fn every_apply_writes_every_file_for_the_owner_only() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    for target in Target::ALL {
        let path = app.path("rendered").join(target.file_name());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# Made by Enginehouse from revision 1 ("), "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "{target}");
        let shown = app.owner().get(&format!("/api/v1/render/{target}")).await.ok();
        assert_eq!((&shown["text"], &shown["path"]), (&text.into(), &path.to_str().unwrap().into()));
    }
    app.apply("version: 1").await;
    let text = std::fs::read_to_string(app.path("rendered/nginx.conf")).unwrap();
    assert!(text.starts_with("# Made by Enginehouse from revision 2 ("), "{text}");
}

#[tokio::test]
async fn what_is_passed_through_is_merged_and_what_loses_is_told() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    let shown = app.owner().get("/api/v1/render/litellm").await.ok();
    let text = shown["text"].as_str().unwrap();
    assert!(text.contains("drop_params: true") && text.contains("num_retries: 2"), "{text}");
    assert!(shown["notes"][0].as_str().unwrap().contains("router_settings.num_retries"), "{shown}");
}

#[tokio::test]
async fn what_could_hurt_is_refused_before_anything_is_written() {
    let app = TestApp::on_new_home().open().await;
    for (passed, path) in [
        ("litellm_settings: { cache_params: { ssl: false } }", "litellm_settings.cache_params.ssl"),
        ("general_settings: { master_key: hunter2 }", "general_settings.master_key"),
        ("general_settings: { database_url: 'postgres://u:hunter2@h/d' }", "general_settings.database_url"),
        ("environment_variables: { A: sk-hunter2 }", "environment_variables.A"),
        ("router_settings: []", "router_settings"),
    ] {
        let answer = app.apply_with("", &format!("version: 1\npassthrough: {{ litellm: {{ {passed} }} }}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{passed}");
        assert_eq!(answer.body["errors"][0]["path"], format!("passthrough.litellm.{path}"), "{passed}");
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    assert_eq!(app.manager.current().revision, 0);
}

#[tokio::test]
async fn a_file_that_was_edited_is_rewritten_at_the_next_start() {
    let app = TestApp::on_new_home().open().await;
    app.apply(DOCUMENT).await;
    let path = app.path("rendered/Caddyfile");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "edited").unwrap();
    let app = app.end(false).await.open().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "edited", "a command leaves it to be seen");
    let _app = app.end(false).await.open_with_gateway().await;
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}
