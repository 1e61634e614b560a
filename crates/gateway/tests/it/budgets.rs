//! Budgets under load: passed by no more than the one request that gets the last of them.

use std::sync::Arc;

use ledger::Nanos;

use crate::limits::storm;
use crate::support::{Engine, TestGateway};

const CHAT: &str = r#"{"model":"m","max_tokens":8,"messages":[{"role":"user","content":"x"}]}"#;
const PATH: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_against_a_budget() {
    let engine = Engine::chat(8, 0).await;
    let budget = Nanos(20_000);
    let gateway =
        Arc::new(TestGateway::with(&[&engine], |snapshot| snapshot.keys[0].limits.max_budget = Some(budget)).await);
    let (served, rejected, other) = storm(&gateway, 10_000).await;
    assert_eq!((served + rejected, other), (10_000, 0));
    gateway.settled().await;
    let events = gateway.events().await;
    let spent: Nanos = events.iter().map(|event| event.cost).sum();
    // The last of a budget may go to one request alone, which can cost more than what was left.
    let dearest = events.iter().map(|event| event.cost).max().unwrap();
    assert!(spent < budget + dearest, "{spent} of {budget}, one request costs {dearest}");
    assert!(spent.0 > budget.0 - 200, "the budget can be used up: {spent} of {budget}");
    assert_eq!(events.len(), served);
    let refused = gateway.post(PATH, CHAT).await;
    assert!(refused.status == 200 || refused.error().3 == "insufficient_quota");
    gateway.publish(|snapshot| snapshot.keys[0].limits.max_budget = Some(Nanos(budget.0 * 2))).await;
    assert_eq!(gateway.post(PATH, CHAT).await.status, 200, "no reservation leaked");
}

#[tokio::test]
async fn what_the_books_hold_counts_and_a_raised_budget_helps_at_once() {
    let engine = Engine::chat(8, 0).await;
    let gateway = TestGateway::with(&[&engine], |snapshot| {
        snapshot.keys[0].limits.max_budget = Some(Nanos(1_000));
        snapshot.keys[0].spent = Nanos(1_000).into();
    })
    .await;
    let rejected = gateway.post(PATH, CHAT).await;
    assert_eq!(rejected.error(), (429, "insufficient_quota".into(), "-".into(), "insufficient_quota".into()));
    assert!(!rejected.headers.contains_key("retry-after"), "waiting does not help");
    gateway.publish(|snapshot| snapshot.keys[0].limits.max_budget = Some(Nanos(1_001))).await;
    assert_eq!(gateway.post(PATH, CHAT).await.status, 200);
}
