//! Key, team, model and everything: all limits of all scopes hold, and the answer says what is left of the tightest.

use std::sync::Arc;

use http::HeaderMap;
use ledger::Nanos;
use snapshot::{Limits, Snapshot, Spent, Team};

use crate::limits::storm;
use crate::support::{Answer, Engine, KEY, MASTER, TestGateway, key, model};

const CHAT: &str = r#"{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

fn rpm(limit: u64) -> Limits {
    Limits { rpm: Some(limit), ..Limits::default() }
}

/// Puts the key into a team.
fn join_team(snapshot: &mut Snapshot, limits: Limits) {
    snapshot.teams = vec![Team {
        id: "t1".into(),
        alias: Some("blue".into()),
        models: Vec::new(),
        limits,
        spent: Spent::default(),
        blocked: false,
    }];
    snapshot.keys[0].team = Some("t1".into());
}

fn told(headers: &HeaderMap, what: &str) -> [String; 3] {
    ["limit", "remaining", "reset"].map(|word| {
        let value = headers.get(format!("x-ratelimit-{word}-{what}"));
        value.map_or_else(|| "-".to_owned(), |value| value.to_str().unwrap().to_owned())
    })
}

fn seconds(reset: &str) -> u64 {
    let (minutes, rest) = reset.split_once('m').unwrap_or(("0", reset));
    minutes.parse::<u64>().unwrap() * 60 + rest.trim_end_matches('s').parse::<u64>().unwrap()
}

#[tokio::test]
async fn each_scope_is_named_when_it_is_the_one_that_refuses() {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let message = async |change: &dyn Fn(&mut Snapshot)| {
        gateway.publish(change).await;
        let refused = gateway.post(PATH, CHAT).await;
        assert_eq!(refused.error(), (429, "requests".into(), "-".into(), "rate_limit_exceeded".into()));
        let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        let [limit, remaining, reset] = told(&refused.headers, "requests");
        assert_eq!((limit.as_str(), remaining.as_str(), told(&refused.headers, "tokens")[0].as_str()), ("0", "0", "-"));
        assert!(wait <= 60 && seconds(&reset) <= 60, "{wait} {reset}");
        refused.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    let reached = |scope: &str| format!("Reached the limit of 0 requests per minute of {scope}.");
    assert_eq!(message(&|snapshot| snapshot.keys[0].limits = rpm(0)).await, reached("key 'k1-alias'"));
    assert_eq!(message(&|snapshot| join_team(snapshot, rpm(0))).await, reached("team 'blue'"));
    assert_eq!(message(&|snapshot| snapshot.models[0].limits = rpm(0)).await, reached("model 'm'"));
    assert_eq!(message(&|snapshot| snapshot.limits = rpm(0)).await, reached("the whole service"));
    assert_eq!(gateway.post_as(MASTER, PATH, CHAT).await.status, 429, "the whole service is the master key's too");
    gateway.publish(|snapshot| snapshot.keys[0].limits = rpm(0)).await;
    assert_eq!(gateway.post_as(MASTER, PATH, CHAT).await.status, 200, "a key's limit is not");
    assert_eq!(engine.state().await["total"], 1);
}

#[tokio::test]
async fn an_answer_says_what_is_left_and_nothing_where_nothing_is_limited() {
    let engine = Engine::chat(4, 0).await;
    let gateway = TestGateway::start(&[&engine]).await;
    let free = gateway.post(PATH, CHAT).await;
    assert!(!free.headers.keys().any(|name| name.as_str().starts_with("x-ratelimit")), "{:?}", free.headers);
    let limits = Limits { tpm: Some(1_000), ..rpm(10) };
    gateway
        .publish(|snapshot| {
            snapshot.keys[0].limits = limits.clone();
            join_team(snapshot, rpm(2));
        })
        .await;
    let first = gateway.post(PATH, CHAT).await;
    assert_eq!(told(&first.headers, "requests")[..2], ["2", "1"], "the team's, which is tighter");
    // What was used before there was a limit counts; what may be used is set aside.
    let used = |answer: &Answer| answer.json()["usage"]["total_tokens"].as_u64().unwrap();
    let aside = |body: &str| (body.len() as u64).div_ceil(4) + 4;
    let left = 1_000 - used(&free) - aside(CHAT);
    assert_eq!(told(&first.headers, "tokens")[..2], ["1000".to_owned(), left.to_string()]);
    gateway.settled().await;
    let stream = CHAT.replace("\"max", "\"stream\":true,\"max");
    let streamed = gateway.post(PATH, &stream).await;
    let left = 1_000 - used(&free) - used(&first) - aside(&stream);
    assert_eq!(told(&streamed.headers, "tokens")[1], left.to_string());
    assert_eq!(told(&streamed.headers, "requests")[..2], ["2", "0"]);
    assert!((1..=60).contains(&seconds(&told(&streamed.headers, "tokens")[2])));
}

#[tokio::test]
async fn tokens_that_would_not_fit_are_refused_and_those_used_count() {
    let engine = Engine::chat(4, 0).await;
    let limits = Limits { tpm: Some(60), ..Limits::default() };
    let gateway = TestGateway::with(&[&engine], |snapshot| snapshot.keys[0].limits = limits).await;
    let used = gateway.post(PATH, CHAT).await.json()["usage"]["total_tokens"].as_u64().unwrap();
    gateway.settled().await;
    let large = CHAT.replace("\"max_tokens\":4", "\"max_tokens\":500");
    let refused = gateway.post(PATH, &large).await;
    assert_eq!(refused.error(), (429, "tokens".into(), "-".into(), "rate_limit_exceeded".into()));
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("Reached the limit of 60 tokens per minute, of which this request may need 5"),
        "{message}"
    );
    assert_eq!(told(&refused.headers, "tokens")[1], (60 - used).to_string(), "what was used, not what was set aside");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn an_alias_leads_to_a_model_but_not_past_an_allow_list() {
    let engine = Engine::chat(1, 0).await;
    let gateway = TestGateway::with(&[&engine], |snapshot| {
        snapshot.models.push(model("other", Vec::new()));
        snapshot.keys[0].models = vec!["m".into()];
        let aliases = [("gpt", "m"), ("sly", "other"), ("other", "m"), ("gone", "nowhere")];
        snapshot.keys[0].aliases = aliases.map(|(alias, name)| (alias.into(), name.into())).into();
        join_team(snapshot, Limits::default());
        let mut narrow = key("k2", "sk-narrow");
        narrow.team = Some("t1".into());
        snapshot.keys.push(narrow);
    })
    .await;
    let ask = async |name: &str| gateway.post(PATH, &CHAT.replace("\"m\"", &format!("\"{name}\""))).await;
    assert_eq!(ask("gpt").await.status, 200);
    assert_eq!(ask("gpt").await.json()["model"], "m", "the answer names the model");
    assert_eq!(ask("other").await.status, 200, "it means `m` when this key says it");
    assert_eq!(
        ask("sly").await.error(),
        (403, "invalid_request_error".into(), "model".into(), "model_not_allowed".into())
    );
    assert_eq!(ask("gone").await.status, 404);
    let listed = gateway.get(KEY, "/v1/models").await.json();
    let names: Vec<_> = listed["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["m", "gpt", "other"]);
    assert_eq!(gateway.get(KEY, "/v1/models/gpt").await.json()["id"], "gpt");
    assert_eq!(gateway.get(KEY, "/v1/models/sly").await.status, 404);

    gateway.publish(|snapshot| snapshot.teams[0].models = vec!["other".into()]).await;
    assert_eq!(ask("gpt").await.status, 403, "the team does not allow it");
    assert_eq!(gateway.post_as("sk-narrow", PATH, CHAT).await.status, 403);
    gateway.publish(|snapshot| snapshot.teams[0].blocked = true).await;
    assert_eq!(ask("gpt").await.status, 401);
    gateway.publish(|snapshot| snapshot.teams.clear()).await;
    assert_eq!(ask("gpt").await.status, 401, "a key does not get free of a team that is missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_limits_of_all_scopes_hold_at_500_in_parallel() {
    let engine = Engine::chat(4, 0).await;
    let gateway = Arc::new(
        TestGateway::with(&[&engine], |snapshot| {
            snapshot.keys[0].limits = rpm(5_000);
            join_team(snapshot, Limits { max_parallel: Some(20), ..Limits::default() });
            snapshot.models[0].limits = Limits { tpm: Some(20_000), ..Limits::default() };
            snapshot.limits = Limits { max_budget: Some(Nanos(30_000)), ..rpm(500) };
        })
        .await,
    );
    let began = tokio::time::Instant::now();
    let (served, rejected, other) = storm(&gateway, 5_000).await;
    let windows = began.elapsed().as_secs() / 60 + 1;
    assert_eq!((served + rejected, other), (5_000, 0));
    gateway.settled().await;
    let events = gateway.events().await;
    assert_eq!(events.len(), served);
    let spent: Nanos = events.iter().map(|event| event.cost).sum();
    let tokens: u64 = events.iter().map(|event| event.usage.total_tokens()).sum();
    let dearest = events.iter().map(|event| event.cost).max().unwrap();
    assert!(served as u64 <= 500 * windows && spent < Nanos(30_000) + dearest, "{served} served for {spent}");
    assert!(tokens <= 20_000 * windows, "{tokens} tokens in {windows} windows");
    // Nothing leaked: with the limits lifted but for those on what runs, as many fit as may.
    gateway.publish(|snapshot| join_team(snapshot, Limits { max_parallel: Some(1), ..Limits::default() })).await;
    assert_eq!(gateway.post(PATH, CHAT).await.status, 200);
}
