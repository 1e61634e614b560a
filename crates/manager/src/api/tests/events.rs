//! Answers that go on.

use axum::body::Body;
use futures_util::StreamExt as _;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::DOCUMENT;
use crate::AllowedNetworks;
use crate::testing::TestApp;

/// What a follower has heard so far.
struct Heard {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Heard {
    async fn follow(app: &TestApp, path: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut request = Request::get(path).header("host", "127.0.0.1:7860");
        for (name, value) in headers {
            request = request.header(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let own = "127.0.0.1:7860".parse().unwrap();
        let answer = app
            .manager
            .admin_router(own, AllowedNetworks::default())
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body().into_data_stream(), text: String::new() }
    }

    /// Reads on until `wanted` was said.
    async fn until(&mut self, wanted: &str) {
        let reading = async {
            while !self.text.contains(wanted) {
                let bytes = self.body.next().await.expect("the stream goes on").unwrap();
                self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        };
        let heard = tokio::time::timeout(std::time::Duration::from_secs(60), reading).await;
        assert!(heard.is_ok(), "{wanted} was not said: {}", self.text);
    }

    /// Reads on until the stream ends.
    async fn end(mut self) {
        let reading = async { while self.body.next().await.is_some() {} };
        tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.expect("the stream ends");
    }

    fn last_id(&self) -> String {
        let line = self.text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap();
        line.to_owned()
    }
}

const MASTER: (&str, &str) = ("authorization", "Bearer sk-test-master-key");

#[tokio::test]
async fn what_happens_is_told_and_can_be_resumed() {
    let app = TestApp::on_new_home().run().await;
    let mut heard = Heard::follow(&app, "/api/v1/events", &[MASTER]).await;
    heard.until("following").await;
    app.apply(DOCUMENT).await;
    heard.until("\"action\":\"apply\"").await;
    heard.until("event: replica").await;
    app.owner().post("/api/v1/keys", &json!({ "alias": "a" })).await.ok();
    heard.until("\"action\":\"key.create\"").await;
    let last = heard.last_id();
    drop(heard);

    app.owner().post("/api/v1/keys/a/block", &json!({})).await.ok();
    let mut heard = Heard::follow(&app, "/api/v1/events", &[MASTER, ("last-event-id", &last)]).await;
    heard.until("\"action\":\"key.block\"").await;
    assert!(!heard.text.contains("key.create") && !heard.text.contains("missed"), "{}", heard.text);

    let mut stranger = Heard::follow(&app, "/api/v1/events", &[MASTER, ("last-event-id", "1-1")]).await;
    stranger.until("event: missed").await;
    // Nobody has to wait for a follower when the service ends.
    app.manager.closing().cancel();
    heard.end().await;
    stranger.end().await;
}

#[tokio::test]
async fn who_is_logged_out_hears_no_more() {
    let app = TestApp::on_new_home().run().await;
    let made: Value = app.owner().post("/api/v1/tokens", &json!({ "name": "t", "role": "viewer" })).await.ok();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let mut heard = Heard::follow(&app, "/api/v1/events", &[("authorization", &bearer)]).await;
    app.owner().post("/api/v1/keys", &json!({ "alias": "before" })).await.ok();
    heard.until("key.create").await;
    app.owner().delete("/api/v1/tokens/t").await.ok();
    heard.end().await;
}

#[tokio::test]
async fn logs_are_shown_and_followed() {
    use std::io::Write as _;

    let app = TestApp::on_new_home().open().await;
    let engine = "
version: 1
models:
  - name: org/m
    type: chat
    deployments: [{ id: d, engine: { source: /m, runtime: process, command: [sleep, '{port}'] } }]
";
    app.apply(engine).await;
    let path = app.manager.replica_log("d/0");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let shown = app.master().get("/api/v1/models/org%2Fm/logs?tail=2").await;
    assert_eq!((shown.text.as_str(), shown.content_type.as_str()), ("two\nthree\n", "text/plain; charset=utf-8"));
    app.master().get("/api/v1/models/nothing/logs").await.problem(404);
    app.master().get("/api/v1/models/org%2Fm/logs?replica=x").await.problem(404);
    app.master().get("/api/v1/models/org%2Fm/logs?tail=10001").await.problem(422);

    let mut heard = Heard::follow(&app, "/api/v1/models/org%2Fm/logs?follow=true&tail=1", &[MASTER]).await;
    heard.until("three").await;
    let mut log = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    writeln!(log, "four").unwrap();
    heard.until("{\"replica\":\"d/0\",\"line\":\"four\"}").await;
    assert!(!heard.text.contains("two"), "{}", heard.text);
    app.manager.closing().cancel();
    heard.end().await;
}

#[tokio::test]
async fn what_came_at_once_is_told_however_much_it_was() {
    const MANY: usize = 2_500;
    let app = TestApp::on_new_home().run().await;
    let by = crate::Actor::owner();
    let subjects: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    let entries: Vec<_> = subjects
        .iter()
        .map(|subject| store::AuditEntry {
            at: ambient::Timestamp::default(),
            by: by.by(),
            action: "many",
            subject,
            detail: json!({}),
        })
        .collect();
    app.manager.store().staged().remove(&[], &entries).await.unwrap();
    app.manager.inner().events.nudge();
    app.until(async || {
        let (missed, kept) = app.manager.inner().events.after(0);
        let told = usize::try_from(missed).unwrap() + kept.len();
        (told >= MANY && kept.last()?.data.contains("\"2499\"")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn logs_of_what_is_gone_end() {
    let app = TestApp::on_new_home().open().await;
    let endpoint = "
version: 1
models: [{ name: e, type: chat, deployments: [{ endpoint: { url: 'http://127.0.0.1:1/v1' } }] }]
";
    app.apply(endpoint).await;
    let mut heard = Heard::follow(&app, "/api/v1/models/e/logs?follow=true", &[MASTER]).await;
    heard.until("event: end").await;
    heard.end().await;
}

/// Whatever is said to have been read last: events follow, or that some were missed.
#[tokio::test]
async fn any_last_event_id_is_answered() {
    use proptest::strategy::{Strategy as _, ValueTree as _};

    let app = TestApp::on_new_home().run().await;
    app.owner().post("/api/v1/keys", &json!({ "alias": "first" })).await.ok();
    let mut heard = Heard::follow(&app, "/api/v1/events", &[MASTER, ("last-event-id", "0-0")]).await;
    heard.until("missed").await;
    app.owner().post("/api/v1/keys", &json!({ "alias": "second" })).await.ok();
    heard.until("key.create").await;
    let known = heard.last_id();
    let run = known.split('-').next().unwrap();
    let near = [0, 1, u64::MAX].map(|number| format!("{run}-{number}"));
    let far = ["", "-", "--", "0", "-1", "x-1", "0-x", " ", "\t1-1", "9".repeat(4_000).as_str()].map(ToOwned::to_owned);
    let odd = [format!("{run}-18446744073709551616"), format!("{run}--1"), format!("{run}-1-1"), format!("+{run}-1")];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    // What a header may hold: visible ASCII, blanks and bytes that are no ASCII.
    let garbage = (0..100).map(|_| "[ -~\u{80}-\u{ff}]{0,60}".new_tree(&mut runner).unwrap().current());
    for id in near.into_iter().chain(far).chain(odd).chain(garbage) {
        let mut heard = Heard::follow(&app, "/api/v1/events", &[MASTER, ("last-event-id", &id)]).await;
        // At once, without anything that happens.
        heard.until("\n\n").await;
        let first = heard.text.clone();
        let expected = ["event: missed", "event: change", ": following"];
        assert!(expected.iter().any(|begin| first.contains(begin)), "{id:?}: {first}");
        assert!(id != format!("{run}-{}", u64::MAX) || first.contains("missed"), "not from the future: {first}");
    }
}
