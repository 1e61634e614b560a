use http::{StatusCode, header};
use serde_json::{Value, json};
use snapshot::Secret;

use crate::testing::TestApp;

const PLAIN: &str = "sk-plain-0123456789";

fn document(secret: &str) -> String {
    format!(
        "version: 1
credentials: [{{ name: my-openai, provider: openai, secret: '{secret}' }}]
models:
  - {{ name: gpt, type: chat, deployments: [{{ endpoint: {{ url: 'http://127.0.0.1:1/v1', credential: my-openai }} }}] }}"
    )
}

fn presented(app: &TestApp) -> Option<Secret> {
    app.snapshot().models.first()?.deployments.first().and_then(|one| one.credential.clone())
}

/// The sealed text in the projection.
fn sealed(app: &TestApp) -> String {
    let config: Value = serde_json::from_str(&std::fs::read_to_string(app.path("config.json")).unwrap()).unwrap();
    config["document"]["credentials"][0]["secret"].as_str().unwrap().to_owned()
}

/// No file of the home holds the plain text.
fn assert_hidden(app: &TestApp) {
    let mut folders = vec![app.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    let found = bytes.windows(PLAIN.len()).any(|window| window == PLAIN.as_bytes());
                    assert!(!found, "{}", entry.path().display());
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_document_is_sealed_presented_and_never_shown() {
    let app = TestApp::on_new_home().run().await;
    let answer = app.apply(&document(PLAIN)).await;
    assert!(!answer.to_string().contains(PLAIN));
    assert_eq!(presented(&app), Some(Secret::new(PLAIN)));
    assert!(sealed(&app).starts_with("sealed:v1:"));
    for path in ["/api/v1/document", "/api/v1/revisions/1", "/api/v1/credentials", "/api/v1/render/litellm"] {
        let shown = app.owner().get(path).await.ok().to_string();
        assert!(!shown.contains(PLAIN) && !shown.contains("sealed:v1:"), "{path}: {shown}");
    }
    assert_hidden(&app);
    // The same again, with the secret or with what is shown in its place, is no change.
    for secret in [PLAIN, "***"] {
        assert_eq!(app.apply(&document(secret)).await["changed"], false, "{secret}");
    }
    assert_eq!(app.apply(&document("sk-another-0123456789")).await["changed"], true);
    assert_eq!(presented(&app), Some(Secret::new("sk-another-0123456789")));
}

#[tokio::test]
async fn a_trial_makes_no_key() {
    let app = TestApp::on_new_home().open().await;
    assert_eq!(app.apply_with("?dry_run=true", &document(PLAIN)).await.ok()["changed"], true);
    assert!(!app.path("secret.key").exists());
    let unknown = app.apply_with("", &document("***")).await;
    assert_eq!(unknown.body["errors"][0]["path"], "credentials[0].secret", "{unknown:?}");
}

#[tokio::test]
async fn a_sealed_text_fits_its_own_name_only() {
    let app = TestApp::on_new_home().open().await;
    app.apply(&document(PLAIN)).await;
    let moved = document(&sealed(&app)).replace("my-openai", "other");
    let refused = app.apply_with("", &moved).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("sealed under another name"), "{}", refused.text);
    // Under its own it does, in another home with the same key too.
    let other = TestApp::on_new_home();
    std::fs::copy(app.path("secret.key"), other.path().join("secret.key")).unwrap();
    let other = other.run().await;
    other.apply(&document(&sealed(&app))).await;
    assert_eq!(presented(&other), Some(Secret::new(PLAIN)));
}

#[tokio::test]
async fn a_projection_and_its_key_rebuild_the_service_and_without_the_key_the_rest_of_it() {
    let app = TestApp::on_new_home().open().await;
    app.apply(&document(PLAIN)).await;
    let rebuilt = |files: &[&str]| {
        let other = TestApp::on_new_home();
        for file in files {
            std::fs::copy(app.path(file), other.path().join(file)).unwrap();
        }
        other
    };
    let whole = rebuilt(&["config.json", "secret.key"]).run().await;
    whole.until(async || presented(&whole)).await;
    assert_eq!(presented(&whole), Some(Secret::new(PLAIN)));
    let keyless = rebuilt(&["config.json"]).run().await;
    keyless.until(async || (!keyless.snapshot().models.is_empty()).then_some(())).await;
    assert_eq!(presented(&keyless), None, "it is not used");
    let row = &keyless.owner().get("/api/v1/credentials").await.ok()[0];
    assert!(row["fault"].as_str().unwrap().contains("is sealed with the key"), "{row}");
    // Forgetting keys would lose it for good.
    let refused = keyless.owner().post("/api/v1/credentials/reseal", &json!({ "forget": true })).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(refused.text.contains("my-openai") && refused.text.contains("would be lost"), "{}", refused.text);
    // Given anew, it is used again.
    let set = json!({ "secret": PLAIN });
    keyless.owner().put("/api/v1/credentials/my-openai", &set).await.ok();
    assert_eq!(presented(&keyless), Some(Secret::new(PLAIN)));
}

#[tokio::test]
async fn credentials_are_set_listed_and_deleted() {
    let app = TestApp::on_new_home().variable("KEY", "sk-from-environment").run().await;
    let set = |secret: &str| json!({ "provider": "openai", "secret": secret });
    app.owner().put("/api/v1/credentials/my-openai", &set("os.environ/KEY")).await.ok();
    app.apply(&document("***")).await;
    assert_eq!(presented(&app), Some(Secret::new("sk-from-environment")));
    app.owner().put("/api/v1/credentials/my-openai", &set(PLAIN)).await.ok();
    assert_eq!(presented(&app), Some(Secret::new(PLAIN)));
    let rows = app.owner().get("/api/v1/credentials").await.ok();
    assert_eq!((&rows[0]["secret"], &rows[0]["used_by"]), (&json!("***"), &json!(["gpt"])));
    let refused = app.owner().delete("/api/v1/credentials/my-openai").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("refer to the credential my-openai: gpt"), "{}", refused.text);
    for (name, body) in [("UPPER", set(PLAIN)), ("a", set("")), ("a", json!({ "secret": 31_415_926 }))] {
        let refused = app.owner().put(&format!("/api/v1/credentials/{name}"), &body).await;
        assert!(refused.status.is_client_error() && !refused.text.contains("31415926"), "{refused:?}");
    }
    app.apply("version: 1\ncredentials: [{ name: my-openai, secret: '***' }]").await;
    app.owner().delete("/api/v1/credentials/my-openai").await.ok();
    let absent = app.owner().delete("/api/v1/credentials/my-openai").await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_hidden(&app);
}

#[tokio::test]
async fn sealing_anew_keeps_earlier_keys_until_they_are_forgotten() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(PLAIN)).await;
    let (first, keys) = (sealed(&app), || std::fs::read_to_string(app.path("secret.key")).unwrap().lines().count());
    let reseal =
        async |forget: bool| app.owner().post("/api/v1/credentials/reseal", &json!({ "forget": forget })).await.ok();
    let answer = reseal(false).await;
    assert_eq!((&answer["resealed"], &answer["revision"], keys()), (&json!(1), &json!(2), 2));
    assert_ne!(sealed(&app), first);
    assert_eq!(presented(&app), Some(Secret::new(PLAIN)));
    // What the earlier key sealed can still be gone back to.
    app.apply(&document(&first)).await;
    assert_eq!(presented(&app), Some(Secret::new(PLAIN)));
    assert_eq!(reseal(true).await["forgotten"], 2);
    assert_eq!((keys(), presented(&app)), (1, Some(Secret::new(PLAIN))));
    let refused = app.apply_with("", &document(&first)).await;
    assert!(refused.text.contains("is sealed with the key"), "{}", refused.text);
    assert_hidden(&app);
}

#[tokio::test]
async fn a_staged_secret_is_sealed_before_it_is_kept() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(PLAIN)).await;
    let stage = async |name: &str, secret: &str| {
        let client = app.owner().with_header(header::IF_MATCH, "*");
        let data = json!({ "name": name, "secret": secret });
        client.put(&format!("/api/v1/staged/credential/{name}"), &data).await
    };
    let another = "sk-staged-0123456789";
    let staged = stage("my-openai", another).await;
    assert!(staged.status.is_success() && !staged.text.contains(another), "{staged:?}");
    for path in ["/api/v1/items", "/api/v1/staged", "/api/v1/items/credential/my-openai"] {
        let shown = app.owner().get(path).await;
        assert!(!shown.text.contains(another) && !shown.text.contains("sealed:v1:"), "{path}: {}", shown.text);
    }
    assert_eq!(presented(&app), Some(Secret::new(PLAIN)), "nothing is applied yet");
    // What is shown in its place leaves it as it was staged.
    assert!(stage("my-openai", "***").await.status.is_success());
    let refused = app.owner().post("/api/v1/credentials/reseal", &json!({ "forget": true })).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "its seal would be lost: {}", refused.text);
    app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await.ok();
    assert_eq!(presented(&app), Some(Secret::new(another)));
    let unfit = stage("my-openai", "sk-with\nbreak-0123456789").await;
    assert!(unfit.status.is_client_error() && !unfit.text.contains("break-0123456789"), "{unfit:?}");
    assert_hidden(&app);
}

#[tokio::test]
async fn a_staged_edit_is_not_stale_because_its_credential_was_sealed_anew() {
    let app = TestApp::on_new_home().run().await;
    app.apply(&document(PLAIN)).await;
    let edit = json!({ "name": "my-openai", "provider": "openai-compatible", "secret": "***" });
    let staged =
        app.owner().with_header(header::IF_MATCH, "*").put("/api/v1/staged/credential/my-openai", &edit).await.ok();
    assert_eq!(staged["stale"], false);
    app.owner().post("/api/v1/credentials/reseal", &json!({})).await.ok();
    let staged = app.owner().get("/api/v1/staged").await.ok();
    assert_eq!(staged[0]["stale"], false, "{staged}");
    app.owner().post("/api/v1/staged/apply", &json!({ "all": true })).await.ok();
    assert_eq!(presented(&app), Some(Secret::new(PLAIN)));
    app.end(false).await;
}
