use std::collections::HashMap;
use std::time::Duration;

use ambient::Timestamp;
use ledger::Price;
use snapshot::{Address, Deployment, Limits, Model, ModelType, Replica, Snapshot, Spent, Timeouts};

use super::*;
use crate::metrics::Metrics;
use crate::route::Patience;
use crate::serving::Serving;

fn model(strategy: Strategy, deployments: &[(&str, u32, usize)]) -> Arc<ModelState> {
    let deployment = |(id, weight, replicas): &(&str, u32, usize)| Deployment {
        id: (*id).into(),
        upstream_model: "m".into(),
        weight: *weight,
        credential: None,
        health_path: None,
        rpm: None,
        timeouts: Timeouts::default(),
        replicas: (0..*replicas)
            .map(|n| Replica {
                id: format!("{id}/{n}").into(),
                address: Address::Http(format!("127.0.0.1:{}", 9000 + n)),
                base_path: "/v1".into(),
            })
            .collect(),
    };
    let model = Model {
        name: "m".into(),
        model_type: ModelType::Chat,
        price: Price::default(),
        limits: Limits::default(),
        spent: Spent::default(),
        context_length: None,
        strategy,
        created: 0,
        open_access: false,
        deployments: deployments.iter().map(deployment).collect(),
    };
    let snapshot = Snapshot { models: vec![model], ..Snapshot::default() };
    Serving::next(&Serving::default(), &snapshot, &Metrics::new(), Timestamp::default()).listed[0].clone()
}

fn draw(model: &ModelState, times: usize, hold: bool) -> HashMap<String, usize> {
    let (rng, now, mut held, mut counts) = (Rng::seeded(3), Instant::now(), Vec::new(), HashMap::new());
    for _ in 0..times {
        let pick = choose(model, &[], &rng, now).unwrap();
        *counts.entry(pick.replica.replica.id.to_string()).or_default() += 1;
        if hold {
            held.push(pick);
        }
    }
    counts
}

#[tokio::test]
async fn least_busy_spreads_evenly() {
    let model = model(Strategy::LeastBusy, &[("a", 1, 2), ("b", 1, 1)]);
    assert_eq!(draw(&model, 30, true).values().copied().collect::<Vec<_>>(), [10, 10, 10]);
    assert!(model.deployments.iter().all(|d| d.replicas.iter().all(|r| r.in_flight() == 0)), "guards give back");
}

#[tokio::test]
async fn simple_shuffle_follows_the_weights() {
    let model = model(Strategy::SimpleShuffle, &[("a", 3, 1), ("b", 1, 1), ("c", 0, 1)]);
    let counts = draw(&model, 4000, false);
    assert!((2850..3150).contains(&counts["a/0"]), "{counts:?}");
    assert!(!counts.contains_key("c/0"));
}

#[tokio::test]
async fn tried_and_cooling_replicas_come_last_and_dead_ones_never() {
    let model = model(Strategy::LeastBusy, &[("a", 1, 2)]);
    let (rng, now) = (Rng::seeded(1), Instant::now());
    let id = |pick: Pick| pick.replica.replica.id.to_string();
    assert_eq!(id(choose(&model, &["a/0".into()], &rng, now).unwrap()), "a/1");

    let replicas = &model.deployments[0].replicas;
    replicas[1].failed(Patience { allowed_fails: 1, cooldown: Duration::from_secs(5) }, now);
    assert_eq!(id(choose(&model, &["a/0".into()], &rng, now).unwrap()), "a/0", "rather again than a cooling one");
    assert_eq!(id(choose(&model, &["a/0".into()], &rng, now + Duration::from_secs(5)).unwrap()), "a/1");

    replicas[0].probed(false, true);
    assert_eq!(id(choose(&model, &[], &rng, now).unwrap()), "a/1", "cooling, but nothing else is left");
    replicas[1].probed(false, true);
    assert!(choose(&model, &[], &rng, now).is_none());
    replicas[1].probed(true, false);
    assert_eq!(id(choose(&model, &[], &rng, now).unwrap()), "a/1");
}
