//! Responses that engines keep: each is found where it was made, by who made it.

use ledger::{Outcome, UsageSource};
use serde_json::Value;
use snapshot::Snapshot;

use crate::support::{Answer, Engine, KEY, MASTER, TestGateway, key};

const OTHER: &str = "sk-another-0123456789";

/// Two engines, each with its own store, and two keys.
async fn start(engines: &[&Engine]) -> TestGateway {
    TestGateway::with(engines, |snapshot: &mut Snapshot| snapshot.keys.push(key("k2", OTHER))).await
}

async fn make(gateway: &TestGateway, more: &str) -> Answer {
    gateway.post("/v1/responses", &format!(r#"{{"model":"m","input":"hello"{more}}}"#)).await
}

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The id in a stream's first event.
fn streamed_id(answer: &Answer) -> String {
    let data = answer.text().split("data: ").nth(1).unwrap().lines().next().unwrap();
    serde_json::from_str::<Value>(data).unwrap()["response"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_response_is_found_where_it_was_made() {
    let (one, two) = (Engine::chat(3, 0).await, Engine::chat(3, 0).await);
    let gateway = start(&[&one, &two]).await;
    for n in 0..8 {
        let id = if n % 2 == 0 {
            id(&make(&gateway, "").await)
        } else {
            streamed_id(&make(&gateway, r#","stream":true"#).await)
        };
        let got = gateway.get(KEY, &format!("/v1/responses/{id}?include=x")).await;
        assert_eq!((got.status.as_u16(), &got.json()["model"]), (200, &"m".into()), "{}", got.text());
        let next = make(&gateway, &format!(r#","previous_response_id":"{id}""#)).await;
        assert_eq!((next.status.as_u16(), &next.json()["previous_response_id"]), (200, &Value::from(id.as_str())));
        let items = gateway.get(KEY, &format!("/responses/{id}/input_items")).await;
        assert_eq!(items.json()["data"][0], "hello");
        let refused = gateway.call("POST", KEY, &format!("/v1/responses/{id}/cancel")).await;
        assert_eq!((refused.status.as_u16(), refused.error().2.as_str()), (400, "response_id"));
        let deleted = gateway.call("DELETE", KEY, &format!("/v1/responses/{id}")).await;
        assert_eq!(deleted.json()["deleted"], true);
        assert_eq!(gateway.get(KEY, &format!("/v1/responses/{id}")).await.error().3, "response_not_found");
    }
}

#[tokio::test]
async fn a_response_belongs_to_who_made_it() {
    let engine = Engine::chat(3, 0).await;
    let gateway = start(&[&engine]).await;
    let id = id(&make(&gateway, "").await);
    let path = format!("/v1/responses/{id}");
    assert_eq!(
        gateway.get(OTHER, &path).await.error(),
        (404, "invalid_request_error".into(), "response_id".into(), "response_not_found".into())
    );
    let going_on = format!(r#"{{"model":"m","input":"x","previous_response_id":"{id}"}}"#);
    let refused = gateway.post_as(OTHER, "/v1/responses", &going_on).await;
    assert_eq!((refused.status.as_u16(), refused.error().3.as_str()), (404, "previous_response_not_found"));
    assert_eq!(gateway.call("DELETE", OTHER, &path).await.status.as_u16(), 404);
    for key in [KEY, MASTER] {
        assert_eq!(gateway.get(key, &path).await.status.as_u16(), 200);
    }
    gateway.publish(|snapshot| snapshot.keys[0].models = vec!["other".into()]).await;
    assert_eq!(gateway.get(KEY, &path).await.error().3, "model_not_allowed");
    assert_eq!(gateway.get("sk-nobody", &path).await.status.as_u16(), 401);
}

#[tokio::test]
async fn what_is_not_known_is_asked_of_the_only_replica_or_not_found() {
    let (one, two) = (Engine::chat(3, 0).await, Engine::chat(3, 0).await);
    let made = one.post("/v1/responses", r#"{"model":"up","input":"hello"}"#).await;
    let path = format!("/v1/responses/{}", id(&made));
    let alone = start(&[&one]).await;
    assert_eq!(alone.get(KEY, &path).await.status.as_u16(), 200, "as after a restart of the gateway");
    let refused = alone.get(KEY, "/v1/responses/resp_nowhere").await;
    assert_eq!((refused.status.as_u16(), refused.error().2.as_str()), (404, "response_id"));
    let refused = alone.post("/v1/responses", r#"{"model":"m","input":"x","previous_response_id":"resp_no"}"#).await;
    assert_eq!(refused.status.as_u16(), 404, "the engine's word, and nobody's fault: {}", refused.text());
    let both = start(&[&one, &two]).await;
    assert_eq!(both.get(KEY, &path).await.error().3, "response_not_found");
}

#[tokio::test]
async fn a_response_whose_replica_is_gone_is_not_found() {
    let (one, two) = (Engine::chat(3, 0).await, Engine::chat(3, 0).await);
    let gateway = start(&[&one, &two]).await;
    let id = id(&make(&gateway, "").await);
    gateway.publish(|snapshot| snapshot.models[0].deployments.iter_mut().for_each(|d| d.replicas.clear())).await;
    assert_eq!(gateway.get(KEY, &format!("/v1/responses/{id}")).await.error().3, "response_not_found");
    let next = make(&gateway, &format!(r#","previous_response_id":"{id}""#)).await;
    assert_eq!(next.error().3, "previous_response_not_found");
}

#[tokio::test]
async fn a_response_is_billed_once_whether_its_end_is_asked_for_or_not() {
    for background in [false, true] {
        let engine = Engine::chat(3, 0).await;
        let gateway = start(&[&engine]).await;
        let id = id(&make(&gateway, &format!(r#","background":{background}"#)).await);
        for _ in 0..2 {
            gateway.get(KEY, &format!("/v1/responses/{id}")).await;
        }
        gateway.settled().await;
        let mut events = gateway.events().await;
        events.sort_by_key(|event| event.open.sequence);
        let billed: Vec<_> =
            events.iter().map(|event| event.usage_source == UsageSource::Engine && event.cost.0 > 0).collect();
        assert_eq!(billed, [true, false, false], "{events:?}");
        assert!(events.iter().all(|event| event.outcome == Outcome::Completed && &*event.open.surface == "responses"));
    }
}

#[tokio::test]
async fn a_response_in_the_background_is_billed_though_nobody_asks_for_it() {
    let engine = Engine::chat(3, 0).await;
    let gateway = start(&[&engine]).await;
    make(&gateway, r#","background":true"#).await;
    let event = gateway.only_event().await;
    assert_eq!((event.usage_source, event.usage.completion_tokens), (UsageSource::Engine, 3));
}

#[tokio::test]
async fn deleting_a_response_in_the_background_is_no_way_not_to_pay() {
    let engine = Engine::chat(3, 0).await;
    let gateway = start(&[&engine]).await;
    let id = id(&make(&gateway, r#","background":true,"max_output_tokens":50"#).await);
    gateway.call("DELETE", KEY, &format!("/v1/responses/{id}")).await;
    gateway.settled().await;
    let events = gateway.events().await;
    let made = events.iter().find(|event| event.open.sequence == 1).unwrap();
    assert_eq!((made.usage_source, made.usage.completion_tokens), (UsageSource::Estimate, 50), "{events:?}");
}
