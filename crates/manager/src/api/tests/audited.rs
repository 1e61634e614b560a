//! Whatever changes something leaves a row in the audit, and nothing in it is secret.

use http::Method;
use serde_json::{Value, json};

use super::DOCUMENT;
use super::access::operations;
use crate::testing::{Client, TestApp};

const PASSWORD: &str = "correct horse battery";

/// Who sends it.
#[derive(Clone, Copy)]
enum By {
    Owner,
    Session,
}

/// One successful request of every operation that changes something, in an order in which each has what it needs: operation
/// id, who, path, body. A new operation must stand here, or be marked `x-reads-only`.
fn requests() -> Vec<(&'static str, By, &'static str, Value)> {
    // Nothing runs here, so the engine is never started.
    let with_engine = DOCUMENT.replace("[{ endpoint", "[{ engine: { source: Org/M } }, { endpoint");
    let with_recipe = format!("{with_engine}\nrecipes: [{{ name: audio, apt: [ffmpeg] }}]\n");
    let document = json!({ "document": with_recipe, "format": "yaml", "base_dir": "/" });
    let endpoint = json!({ "endpoint": { "url": "http://127.0.0.1:9/v1", "model": "t" } });
    let edited = json!({ "name": "org/tiny", "type": "chat", "deployments": [endpoint] });
    let new = json!({ "name": "new", "type": "chat" });
    vec![
        ("apply", By::Owner, "/api/v1/apply", document),
        ("stop_model", By::Owner, "/api/v1/models/org%2Ftiny/stop", json!({})),
        ("start_model", By::Owner, "/api/v1/models/org%2Ftiny/start", json!({})),
        ("restart_model", By::Owner, "/api/v1/models/org%2Ftiny/restart", json!({})),
        ("replace_model", By::Owner, "/api/v1/models/org%2Ftiny/replace", json!({})),
        ("add_model", By::Owner, "/api/v1/models", json!({ "source": "/models/added", "type": "chat" })),
        ("test_model", By::Owner, "/api/v1/models/added/test", json!({})),
        ("remove_model", By::Owner, "/api/v1/models/added", json!({})),
        ("set_edit_lock", By::Owner, "/api/v1/lock", json!({ "locked": true, "reason": "kept elsewhere" })),
        ("set_edit_lock", By::Owner, "/api/v1/lock", json!({ "locked": false })),
        ("stage_deletion", By::Owner, "/api/v1/staged/model/org%2Ftiny", json!({})),
        ("apply_staged", By::Owner, "/api/v1/staged/apply", json!({ "all": true })),
        ("roll_back", By::Owner, "/api/v1/revisions/1/rollback", json!({})),
        ("stage_revision", By::Owner, "/api/v1/revisions/0/stage", json!({})),
        ("discard_staged", By::Owner, "/api/v1/staged/discard", json!({ "all": true })),
        ("stage_item", By::Owner, "/api/v1/staged/model/org%2Ftiny", edited),
        (
            "stage_items",
            By::Owner,
            "/api/v1/staged",
            json!({ "items": [{ "kind": "model", "name": "new", "data": new }] }),
        ),
        ("resync", By::Owner, "/api/v1/resync", json!({})),
        ("set_credential", By::Owner, "/api/v1/credentials/c", json!({ "secret": "sk-credential-0815" })),
        ("reseal_credentials", By::Owner, "/api/v1/credentials/reseal", json!({})),
        ("delete_credential", By::Owner, "/api/v1/credentials/c", json!({})),
        ("set_open_routes", By::Owner, "/api/v1/open-routes", json!({ "open": false })),
        ("create_team", By::Owner, "/api/v1/teams", json!({ "alias": "team" })),
        ("update_team", By::Owner, "/api/v1/teams/team", json!({ "rpm": 5 })),
        ("block_team", By::Owner, "/api/v1/teams/team/block", json!({})),
        ("unblock_team", By::Owner, "/api/v1/teams/team/unblock", json!({})),
        ("create_key", By::Owner, "/api/v1/keys", json!({ "alias": "key", "team": "team" })),
        ("update_key", By::Owner, "/api/v1/keys/key", json!({ "rpm": 5 })),
        ("block_key", By::Owner, "/api/v1/keys/key/block", json!({})),
        ("unblock_key", By::Owner, "/api/v1/keys/key/unblock", json!({})),
        ("rotate_key", By::Owner, "/api/v1/keys/key/rotate", json!({})),
        ("delete_key", By::Owner, "/api/v1/keys/key", json!({})),
        ("delete_team", By::Owner, "/api/v1/teams/team", json!({})),
        ("run_housekeeping", By::Owner, "/api/v1/housekeeping/run", json!({})),
        (
            "create_account",
            By::Owner,
            "/api/v1/accounts",
            json!({ "name": "ann", "role": "viewer", "password": PASSWORD }),
        ),
        ("update_account", By::Owner, "/api/v1/accounts/ann", json!({ "role": "admin" })),
        ("reset_password", By::Owner, "/api/v1/accounts/ann/password", json!({ "password": PASSWORD })),
        ("delete_account", By::Owner, "/api/v1/accounts/ann", json!({})),
        ("create_token", By::Owner, "/api/v1/tokens", json!({ "name": "ci", "role": "viewer" })),
        ("revoke_token", By::Owner, "/api/v1/tokens/ci", json!({})),
        ("rotate_master_key", By::Owner, "/api/v1/master-key/rotate", json!({})),
        ("pull_model", By::Owner, "/api/v1/hub/pulls", json!({ "model": "org/absent" })),
        ("cancel_pull", By::Owner, "/api/v1/hub/pulls/pull-1", json!({})),
        ("remove_cached_model", By::Owner, "/api/v1/hub/models/org%2Fcached", json!({})),
        ("build_image", By::Owner, "/api/v1/images/builds", json!({ "recipe": "audio" })),
        ("pull_image", By::Owner, "/api/v1/images/pulls", json!({ "image": "localhost:9/absent:1" })),
        ("prune_images", By::Owner, "/api/v1/images/prune", json!({})),
        ("remove_image", By::Owner, "/api/v1/images/localhost:9%2Fabsent:1?force=true", json!({})),
        ("cancel_image_task", By::Owner, "/api/v1/images/tasks/image-1", json!({})),
        ("log_in", By::Owner, "/api/v1/session", json!({ "account": "admin", "password": PASSWORD })),
        ("set_own_password", By::Session, "/api/v1/session/password", json!({ "current": PASSWORD, "new": PASSWORD })),
        ("log_out", By::Session, "/api/v1/session", json!({})),
    ]
}

async fn newest(owner: &Client) -> u64 {
    owner.get("/api/v1/audit?limit=1").await.ok()[0]["id"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn every_change_leaves_a_row_in_the_audit_and_no_secret() {
    let builder = TestApp::on_new_home().admin_password(PASSWORD);
    let cache = builder.path().join("hf");
    std::fs::create_dir_all(cache.join("hub/models--org--cached/blobs")).unwrap();
    let builder = builder.variable("HF_HOME", cache.to_str().unwrap()).variable("HF_ENDPOINT", "http://127.0.0.1:9");
    let app = builder.open_as_made().await;
    let description = serde_json::to_value(crate::api::described().1).unwrap();
    let mut missing: Vec<String> = Vec::new();
    for (method, _, path) in operations() {
        let operation = &description["paths"][&path][method.as_str().to_lowercase()];
        let id = operation["operationId"].as_str().unwrap();
        let changes = method != Method::GET && operation["x-reads-only"] != true;
        if changes && !requests().iter().any(|(known, ..)| *known == id) {
            missing.push(id.to_owned());
        }
    }
    assert!(missing.is_empty(), "operations that change something, but are not tried here: {missing:?}");

    let mut secrets = vec![PASSWORD.to_owned(), "sk-credential-0815".to_owned()];
    for (id, by, path, body) in requests() {
        let method = operations().into_iter().find_map(|(method, _, described)| {
            let operation = &description["paths"][&described][method.as_str().to_lowercase()];
            (operation["operationId"] == id).then_some(method)
        });
        let client = match by {
            By::Owner => app.owner(),
            By::Session => app.logged_in("admin", PASSWORD).await,
        };
        let client = client.with_header("if-match", "*");
        let before = newest(&app.owner()).await;
        let answer = client.send(method.unwrap_or_else(|| panic!("{id} is not described")), path, Some(&body)).await;
        assert!(answer.status.is_success(), "{id}: {}", answer.text);
        if id == "run_housekeeping" {
            // It goes on by itself, and is noted when it has ended.
            app.until(async || (newest(&app.owner()).await > before).then_some(())).await;
        }
        assert!(newest(&app.owner()).await > before, "{id} left nothing in the audit");
        let shown =
            ["key", "token", "password", "csrf_token"].map(|field| answer.body[field].as_str().map(str::to_owned));
        // What resealing answers with is the id of the new key, which every sealed text names.
        if id != "reseal_credentials" {
            secrets.extend(shown.into_iter().flatten());
        }
        let cookie = answer.header("set-cookie").split(['=', ';']).nth(1).unwrap_or_default();
        secrets.extend((!cookie.is_empty()).then(|| cookie.to_owned()));
    }
    assert!(secrets.len() > 6, "{}", secrets.len());
    let audit = app.owner().get("/api/v1/audit?limit=1000").await.text;
    let shown: Vec<_> = secrets.iter().filter(|secret| audit.contains(secret.as_str())).collect();
    assert!(shown.is_empty(), "secrets in the audit: {shown:?}");
    // Nor are they in the store as they are.
    app.manager.store().close().await;
    for file in ["enginehouse.db", "enginehouse.db-wal", "ledger.db"] {
        let bytes = std::fs::read(app.path(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let kept: Vec<_> = secrets.iter().filter(|secret| text.contains(secret.as_str())).collect();
        assert!(kept.is_empty(), "secrets in {file}: {kept:?}");
    }
}

#[tokio::test]
async fn the_audit_is_filtered_and_comes_in_pages() {
    let app = TestApp::on_new_home().open().await;
    for n in 0..5 {
        app.owner().post("/api/v1/keys", &json!({ "alias": format!("k{n}") })).await.ok();
    }
    app.master().post("/api/v1/keys/k1/block", &json!({})).await.ok();
    app.owner().post("/api/v1/teams", &json!({})).await.ok();

    let find = async |query: &str| {
        let rows = app.owner().get(&format!("/api/v1/audit?{query}")).await.ok();
        rows.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(find("actor=master").await, ["key.block"]);
    assert_eq!(find("action=team.").await, ["team.create"]);
    assert_eq!(find("action=key.").await.len(), 6);
    assert_eq!(find("action=key").await.len(), 0);
    assert_eq!(find("to=2001-01-01T00:00:00Z").await.len(), 0);
    let blocked = app.owner().get("/api/v1/audit?action=key.block").await.ok();
    assert_eq!(blocked[0]["detail"]["fields"], json!(["blocked"]));
    assert_eq!(
        find(&format!("subject={}", blocked[0]["subject"].as_str().unwrap())).await,
        ["key.block", "key.create"]
    );

    let (mut path, mut seen) = ("/api/v1/audit?limit=2&action=key.".to_owned(), Vec::new());
    loop {
        let page = app.owner().get(&path).await;
        seen.extend(page.body.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()));
        let link = page.header("link").to_owned();
        let Some(next) = link.strip_prefix('<').and_then(|link| link.split_once('>')) else { break };
        next.0.clone_into(&mut path);
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first, each once: {seen:?}");
}
