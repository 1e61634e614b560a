//! Who gets in, and what they may do.

use std::time::Duration;

use ambient::{Clock, Timestamp};
use http::Method;
use serde_json::{Value, json};

use crate::testing::{Answer, Client, MASTER_KEY, TestApp};

const PASSWORD: &str = "correct horse battery";

async fn app() -> TestApp {
    TestApp::on_new_home().admin_password(PASSWORD).open().await
}

async fn viewer(app: &TestApp) -> Client {
    let new = json!({ "name": "vera", "role": "viewer", "password": PASSWORD });
    app.owner().post("/api/v1/accounts", &new).await.ok();
    app.logged_in("vera", PASSWORD).await
}

fn login(account: &str, password: &str) -> Value {
    json!({ "account": account, "password": password })
}

/// Every operation of the description: method, path with something in its places, path as described.
pub(super) fn operations() -> Vec<(Method, String, String)> {
    let description = serde_json::to_value(crate::api::described().1).unwrap();
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let filled: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for method in item.as_object().unwrap().keys() {
            operations.push((method.to_uppercase().parse().unwrap(), filled.join("/"), path.clone()));
        }
    }
    assert!(operations.len() > 40, "{}", operations.len());
    operations
}

#[tokio::test]
async fn a_session_is_begun_by_password_and_kept_from_scripts_and_other_sites() {
    let app = app().await;
    let answer = app.anonymous().post("/api/v1/session", &login("admin", PASSWORD)).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && cookie.contains("Path=/;"), "{cookie}");
    let browser = answer.into_browser(app.anonymous());
    let shown = browser.get("/api/v1/session").await.ok();
    assert_eq!((&shown["actor"], &shown["via"], &shown["role"]), (&json!("admin"), &json!("session"), &json!("admin")));
    let key = browser.post("/api/v1/keys", &json!({})).await.ok();
    let audit = app.owner().get("/api/v1/audit?action=key.create").await.ok();
    assert_eq!((&audit[0]["actor"], &audit[0]["via"]), (&json!("admin"), &json!("session")));
    assert_eq!(audit[0]["subject"], key["id"]);

    let forgotten = browser.delete("/api/v1/session").await;
    assert_eq!(forgotten.status, 204);
    assert!(forgotten.header("set-cookie").contains("Max-Age=0"));
    browser.get("/api/v1/session").await.problem(401);
    // A store that is opened again knows it no more, too.
    drop(browser);
    let app = app.end(false).await.admin_password(PASSWORD).open().await;
    app.anonymous().with_header("cookie", cookie.split(';').next().unwrap()).get("/api/v1/status").await.problem(401);
}

#[tokio::test]
async fn a_session_outlives_a_restart() {
    let app = app().await;
    let cookie = app.anonymous().post("/api/v1/session", &login("admin", PASSWORD)).await;
    let cookie = cookie.header("set-cookie").split(';').next().unwrap().to_owned();
    let app = app.end(false).await.open().await;
    app.anonymous().with_header("cookie", &cookie).get("/api/v1/status").await.ok();
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_are_refused_alike() {
    let app = app().await;
    let refused = [("admin", "wrong horse"), ("nobody", PASSWORD), ("", ""), ("admin", "")];
    let mut answers = Vec::new();
    for (account, password) in refused {
        answers.push(app.anonymous().post("/api/v1/session", &login(account, password)).await.problem(401));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    app.anonymous().post("/api/v1/session", &json!({ "account": "admin" })).await.problem(422);
}

#[tokio::test]
async fn passwords_can_be_tried_so_often_and_no_more() {
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_795_188_362_000_000));
    let app = TestApp::on_new_home().admin_password(PASSWORD).clock(clock).open().await;
    for _ in 0..10 {
        app.anonymous().post("/api/v1/session", &login("admin", "wrong horse")).await.problem(401);
    }
    let audit = app.owner().get("/api/v1/audit?action=login.failed").await.ok();
    assert_eq!((audit.as_array().unwrap().len(), &audit[0]["subject"]), (10, &json!("admin")));
    assert!(!audit.to_string().contains("wrong horse"));
    let refused = app.anonymous().post("/api/v1/session", &login("admin", PASSWORD)).await;
    assert_eq!(refused.header("retry-after"), "30");
    refused.problem(429);
    hand.advance(Duration::from_secs(30));
    app.anonymous().post("/api/v1/session", &login("admin", PASSWORD)).await.ok();
    // Whoever tries many names comes from one address.
    for n in 0..40 {
        let answer = app.anonymous().post("/api/v1/session", &login(&format!("name{n}"), "wrong horse")).await;
        if answer.status == 429 {
            assert!(n > 10, "{n}");
            return;
        }
    }
    panic!("names can be tried without end");
}

#[tokio::test]
async fn a_login_always_gets_a_new_session_and_ends_the_one_before() {
    let app = app().await;
    let planted = app.anonymous().with_header("cookie", "enginehouse=planted-by-somebody-else");
    let answer = planted.post("/api/v1/session", &login("admin", PASSWORD)).await;
    assert!(!answer.header("set-cookie").contains("planted"));
    planted.get("/api/v1/status").await.problem(401);

    let first = answer.into_browser(app.anonymous());
    let second = first.post("/api/v1/session", &login("admin", PASSWORD)).await.into_browser(app.anonymous());
    first.get("/api/v1/status").await.problem(401);
    second.get("/api/v1/status").await.ok();
}

#[tokio::test]
async fn changes_with_a_session_must_come_from_a_page_of_ours() {
    let app = app().await;
    let ours = app.logged_in("admin", PASSWORD).await;
    let create = async |client: Client| client.post("/api/v1/keys", &json!({})).await;
    create(ours.clone()).await.ok();
    let old = ours.clone().without_header("sec-fetch-site");
    create(old.clone().with_header("origin", "http://127.0.0.1:7860")).await.ok();
    for forged in [
        ours.clone().without_header("x-csrf-token"),
        ours.clone().with_header("x-csrf-token", "guessed"),
        ours.clone().with_header("sec-fetch-site", "cross-site"),
        ours.clone().with_header("sec-fetch-site", "same-site"),
        old.clone(),
        old.clone().with_header("origin", "http://evil.example"),
        old.clone().with_header("origin", "null"),
    ] {
        create(forged).await.problem(403);
    }
    // Looking needs none of it, and logging somebody in from elsewhere is refused.
    old.without_header("x-csrf-token").get("/api/v1/keys").await.ok();
    let elsewhere = app.anonymous().with_header("origin", "http://evil.example");
    elsewhere.post("/api/v1/session", &login("admin", PASSWORD)).await.problem(403);
    // Another session's token is no good.
    let other = app.logged_in("admin", PASSWORD).await.get("/api/v1/session").await.ok();
    create(ours.with_header("x-csrf-token", other["csrf_token"].as_str().unwrap())).await.problem(403);
}

#[tokio::test]
async fn a_viewer_may_look_and_change_nothing() {
    let app = app().await;
    let viewer = viewer(&app).await;
    for (method, path, described) in operations() {
        if described.starts_with("/api/v1/session") {
            continue;
        }
        let answer = viewer.send(method.clone(), &path, Some(&json!({}))).await;
        let looks = method == Method::GET || reads_only(&described);
        if looks {
            assert_ne!(answer.status, 403, "{method} {path} {}", answer.text);
        } else {
            answer.problem(403);
        }
    }
    assert_eq!(viewer.get("/api/v1/session").await.ok()["role"], "viewer");
    let change = json!({ "current": PASSWORD, "new": "another password" });
    let viewer = viewer.put("/api/v1/session/password", &change).await.into_browser(app.anonymous());
    assert_eq!(viewer.delete("/api/v1/session").await.status, 204);
    app.logged_in("vera", "another password").await;
}

fn reads_only(path: &str) -> bool {
    crate::api::openapi::reading(&crate::api::described().1).contains(path)
}

#[tokio::test]
async fn nobody_gets_in_without_being_somebody() {
    let app = app().await;
    for (method, path, described) in operations() {
        if (method.as_str(), described.as_str()) != ("POST", "/api/v1/session") {
            app.anonymous().send(method, &path, Some(&json!({}))).await.problem(401);
        }
    }
    for wrong in ["sk-wrong-0123456789", "ent-wrong", "", "x"] {
        app.anonymous().with_token(wrong).get("/api/v1/status").await.problem(401);
    }
    // A wrong token is not made good by a right session.
    let browser = app.logged_in("admin", PASSWORD).await;
    browser.with_token("ent-wrong").get("/api/v1/status").await.problem(401);
}

#[tokio::test]
async fn a_token_is_shown_once_confined_to_its_scopes_and_can_be_revoked() {
    let app = app().await;
    let new = json!({ "name": "ci", "role": "admin", "scopes": ["keys", "usage:read"], "duration": "1d" });
    let made = app.master().post("/api/v1/tokens", &new).await.ok();
    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("ent-") && secret.len() > 4 + 40, "256 bits");
    let token = app.anonymous().with_token(secret);
    token.post("/api/v1/keys", &json!({})).await.ok();
    token.get("/api/v1/usage").await.ok();
    for path in ["/api/v1/teams", "/api/v1/tokens", "/api/v1/accounts", "/api/v1/document", "/metrics"] {
        token.get(path).await.problem(403);
    }
    token.post("/api/v1/tokens", &json!({ "name": "more", "role": "admin" })).await.problem(403);
    token.post("/api/v1/master-key/rotate", &json!({})).await.problem(403);
    assert_eq!(token.get("/api/v1/session").await.ok()["scopes"], json!(["keys", "usage:read"]));

    let shown = app.master().get("/api/v1/tokens/ci").await;
    assert!(!shown.text.contains(secret));
    assert_eq!((&shown.body["created_by"], &shown.body["expired"]), (&json!("master"), &json!(false)));
    assert!(shown.body["last_used_at"].is_string());
    let audit = app.owner().get("/api/v1/audit?actor=token:ci").await.ok();
    assert_eq!((&audit[0]["action"], &audit[0]["via"]), (&json!("key.create"), &json!("token")));

    app.master().delete("/api/v1/tokens/ci").await.ok();
    token.get("/api/v1/usage").await.problem(401);
    app.master().delete("/api/v1/tokens/ci").await.problem(404);
}

#[tokio::test]
async fn scopes_are_resources_that_there_are() {
    let app = app().await;
    for (scope, at) in [("colours", "scopes[1]"), ("accounts", "scopes[1]"), ("master-key", "scopes[1]")] {
        let new = json!({ "name": "ci", "role": "admin", "scopes": ["keys", scope] });
        let problem = app.master().post("/api/v1/tokens", &new).await.problem(422);
        assert_eq!(problem["errors"][0]["path"], at, "{problem}");
    }
    let new = json!({ "name": "ci", "role": "viewer", "scopes": ["accounts:read"] });
    let made = app.master().post("/api/v1/tokens", &new).await.ok();
    let token = app.anonymous().with_token(made["token"].as_str().unwrap());
    assert_eq!(token.get("/api/v1/accounts").await.ok()[0]["name"], "admin");
    token.post("/api/v1/accounts", &json!({})).await.problem(403);
}

#[tokio::test]
async fn a_token_expires() {
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_795_188_362_000_000));
    let app = TestApp::on_new_home().clock(clock).open().await;
    let made =
        app.owner().post("/api/v1/tokens", &json!({ "name": "a", "role": "viewer", "duration": "1h" })).await.ok();
    let token = app.anonymous().with_token(made["token"].as_str().unwrap());
    token.get("/api/v1/status").await.ok();
    hand.advance(Duration::from_secs(3600));
    token.get("/api/v1/status").await.problem(401);
    let past = json!({ "name": "b", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z" });
    assert!(app.owner().post("/api/v1/tokens", &past).await.problem(422).to_string().contains("expires_at"));
}

#[tokio::test]
async fn sessions_end_with_the_password_the_role_and_the_account() {
    let app = app().await;
    let of = async |change: &dyn AsyncChange| {
        app.owner().delete("/api/v1/accounts/vera").await;
        let viewer = viewer(&app).await;
        viewer.get("/api/v1/status").await.ok();
        change.make(&app.owner()).await.ok();
        viewer.get("/api/v1/status").await.problem(401);
    };
    of(&(Method::POST, "/api/v1/accounts/vera/password", json!({ "password": "another password" }))).await;
    of(&(Method::PATCH, "/api/v1/accounts/vera", json!({ "role": "admin" }))).await;
    of(&(Method::DELETE, "/api/v1/accounts/vera", json!({}))).await;
}

/// A change as a request.
trait AsyncChange {
    fn make<'a>(&'a self, client: &'a Client) -> std::pin::Pin<Box<dyn Future<Output = Answer> + 'a>>;
}

impl AsyncChange for (Method, &str, Value) {
    fn make<'a>(&'a self, client: &'a Client) -> std::pin::Pin<Box<dyn Future<Output = Answer> + 'a>> {
        Box::pin(client.send(self.0.clone(), self.1, Some(&self.2)))
    }
}

#[tokio::test]
async fn the_last_admin_stays() {
    let app = app().await;
    app.owner().delete("/api/v1/accounts/admin").await.problem(409);
    app.owner().patch("/api/v1/accounts/admin", &json!({ "role": "viewer" })).await.problem(409);
    let made = app.owner().post("/api/v1/accounts", &json!({ "name": "ann", "role": "admin" })).await.ok();
    app.logged_in("ann", made["password"].as_str().unwrap()).await;
    app.owner().post("/api/v1/accounts", &json!({ "name": "ann", "role": "viewer" })).await.problem(409);
    for name in ["owner", "token:x", "", "a b"] {
        let problem =
            app.owner().post("/api/v1/accounts", &json!({ "name": name, "role": "viewer" })).await.problem(422);
        assert_eq!(problem["errors"][0]["path"], "name", "{problem}");
    }
    app.owner().delete("/api/v1/accounts/admin").await.ok();
    app.owner().delete("/api/v1/accounts/ann").await.problem(409);
}

#[tokio::test]
async fn one_changes_ones_own_password_by_knowing_it() {
    let app = app().await;
    let browser = app.logged_in("admin", PASSWORD).await;
    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    let problem = browser.put("/api/v1/session/password", &change("wrong", "another password")).await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "current");
    let problem = browser.put("/api/v1/session/password", &change(PASSWORD, "short")).await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "new");
    let answer = browser.put("/api/v1/session/password", &change(PASSWORD, "another password")).await;
    let again = answer.into_browser(app.anonymous());
    browser.get("/api/v1/status").await.problem(401);
    again.get("/api/v1/status").await.ok();
    app.anonymous().post("/api/v1/session", &login("admin", PASSWORD)).await.problem(401);
    app.master().put("/api/v1/session/password", &change(PASSWORD, "another password")).await.problem(409);
}

#[tokio::test]
async fn another_password_in_the_environment_counts_once() {
    let app = app().await;
    app.logged_in("admin", PASSWORD).await;
    let reset = json!({ "password": "chosen by a person" });
    app.owner().post("/api/v1/accounts/admin/password", &reset).await.ok();
    let app = app.end(false).await.admin_password(PASSWORD).open().await;
    app.logged_in("admin", "chosen by a person").await;
    let app = app.end(false).await.admin_password("another password").open().await;
    app.logged_in("admin", "another password").await;
    app.anonymous().post("/api/v1/session", &login("admin", "chosen by a person")).await.problem(401);
}

#[tokio::test]
async fn the_owner_of_the_machine_gets_in_where_there_is_no_account() {
    let app = TestApp::on_new_home().open().await;
    assert_eq!(app.owner().get("/api/v1/accounts").await.ok(), json!([]));
    let made = app.owner().post("/api/v1/accounts/admin/password", &json!({})).await.ok();
    app.logged_in("admin", made["password"].as_str().unwrap()).await;
    app.owner().post("/api/v1/accounts/nobody/password", &json!({})).await.problem(404);
}

#[tokio::test]
async fn a_new_master_key_is_good_at_once_and_the_old_one_dead() {
    let app = TestApp::on_new_home().open_as_made().await;
    std::fs::write(app.path("master.key"), "sk-old").unwrap();
    let old = app.owner().post("/api/v1/master-key/rotate", &json!({})).await.ok()["key"].as_str().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(app.path("master.key")).unwrap(), old);
    let master = app.anonymous().with_token(&old);
    let answer = master.post("/api/v1/master-key/rotate", &json!({})).await.ok();
    assert_eq!(answer["file"], app.path("master.key").to_str().unwrap());
    let new = answer["key"].as_str().unwrap();
    master.get("/api/v1/status").await.problem(401);
    app.anonymous().with_token(new).get("/api/v1/status").await.ok();
    let audit = app.owner().get("/api/v1/audit?action=master-key.rotate").await;
    assert_eq!(audit.body.as_array().unwrap().len(), 2);
    assert!(!audit.text.contains(new) && !audit.text.contains(&old));

    let app = super::access::app().await;
    let problem = app.master().post("/api/v1/master-key/rotate", &json!({})).await.problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("ENGINEHOUSE_MASTER_KEY"), "{problem}");
    app.anonymous().with_token(MASTER_KEY).get("/api/v1/status").await.ok();
}
