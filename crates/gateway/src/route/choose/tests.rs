use std::collections::HashMap;
use std::time::Duration;

use ambient::Timestamp;
use ledger::Price;
use snapshot::{
    Address, CausePolicy, Deployment, Fallbacks, Limits, Model, ModelType, Replica, RoutingSettings, Snapshot, Spent,
    Strategy, Timeouts,
};

use super::*;
use crate::metrics::Metrics;
use crate::route::{Patience, Tracks};
use crate::serving::Serving;

mod properties;

/// A model of deployments with a name, a weight and so many replicas.
fn model(strategy: Strategy, deployments: &[(&str, u32, usize)]) -> Arc<ModelState> {
    model_with(strategy, deployments, |_| ())
}

fn model_with(
    strategy: Strategy,
    deployments: &[(&str, u32, usize)],
    change: impl Fn(&mut Deployment),
) -> Arc<ModelState> {
    let deployment = |(id, weight, replicas): &(&str, u32, usize)| Deployment {
        id: (*id).into(),
        upstream_model: "m".into(),
        weight: *weight,
        credential: None,
        health_path: None,
        rpm: None,
        tpm: None,
        order: 0,
        max_input_tokens: None,
        cost: None,
        timeouts: Timeouts::default(),
        replicas: (0..*replicas)
            .map(|n| Replica {
                id: format!("{id}/{n}").into(),
                address: Address::Http(format!("127.0.0.1:{}", 9000 + n)),
                base_path: "/v1".into(),
            })
            .collect(),
    };
    let mut model = Model {
        name: "m".into(),
        model_type: ModelType::Chat,
        price: Price::default(),
        limits: Limits::default(),
        spent: Spent::default(),
        context_length: None,
        strategy,
        fallbacks: Fallbacks::default(),
        retries: None,
        retry_policy: CausePolicy::default(),
        created: 0,
        open_access: false,
        deployments: deployments.iter().map(deployment).collect(),
    };
    model.deployments.iter_mut().for_each(change);
    let snapshot = Snapshot { models: vec![model], ..Snapshot::default() };
    Serving::next(&Serving::default(), &snapshot, &Metrics::new(), Timestamp::default()).listed[0].clone()
}

/// What a request of ten tokens wants under the model's own strategy.
fn need(model: &ModelState) -> Need<'static> {
    let need = Need::new(model.model.strategy, 10, false, &RoutingSettings::default());
    Need { tracks: Tracks::of([model.model.strategy].into_iter()), ..need }
}

fn draw(model: &ModelState, times: usize, hold: bool) -> HashMap<String, usize> {
    let (rng, now, mut held, mut counts) = (Rng::seeded(3), Instant::now(), Vec::new(), HashMap::new());
    for _ in 0..times {
        let pick = choose(model, need(model), &rng, now).unwrap();
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
    let (rng, now, tried) = (Rng::seeded(1), Instant::now(), ["a/0".into()]);
    let id = |pick: Pick| pick.replica.replica.id.to_string();
    assert_eq!(id(choose(&model, need(&model).after(&tried), &rng, now).unwrap()), "a/1");

    let replicas = &model.deployments[0].replicas;
    replicas[1].failed(Patience { allowed_fails: 1, cooldown: Duration::from_secs(5) }, now);
    assert_eq!(
        id(choose(&model, need(&model).after(&tried), &rng, now).unwrap()),
        "a/0",
        "rather again than a cooling one"
    );
    assert_eq!(id(choose(&model, need(&model).after(&tried), &rng, now + Duration::from_secs(5)).unwrap()), "a/1");

    replicas[0].probed(false, true);
    assert_eq!(id(choose(&model, need(&model), &rng, now).unwrap()), "a/1", "cooling, but nothing else is left");
    replicas[1].probed(false, true);
    assert!(choose(&model, need(&model), &rng, now).is_none());
    replicas[1].probed(true, false);
    assert_eq!(id(choose(&model, need(&model), &rng, now).unwrap()), "a/1");
}

#[tokio::test]
async fn a_higher_order_is_asked_where_nothing_lower_is_left() {
    let deployments = [("a", 1, 1), ("b", 1, 1), ("c", 1, 1)];
    let model = model_with(Strategy::LeastBusy, &deployments, |one| one.order = u32::from(&*one.id != "b"));
    assert_eq!(draw(&model, 20, true).keys().collect::<Vec<_>>(), ["b/0"]);
    let (rng, now) = (Rng::seeded(1), Instant::now());
    let tried = ["b/0".into()];
    let id = &choose(&model, need(&model).after(&tried), &rng, now).unwrap().deployment.deployment.id;
    assert!(["a", "c"].contains(&&**id));
    model.deployments[1].replicas[0].probed(false, true);
    assert_eq!(draw(&model, 20, true).values().sum::<usize>(), 20);
}

#[tokio::test]
async fn a_prompt_goes_where_it_fits_once_that_is_checked() {
    let deployments = [("short", 1, 1), ("long", 1, 1)];
    let of = |one: &mut Deployment| one.max_input_tokens = Some(if &*one.id == "long" { 100 } else { 9 });
    let model = model_with(Strategy::SimpleShuffle, &deployments, of);
    assert_eq!(draw(&model, 50, false).len(), 2, "not checked");
    let (rng, now) = (Rng::seeded(1), Instant::now());
    let checked = Need { checks_context: true, ..need(&model) };
    assert!((0..50).all(|_| &*choose(&model, checked, &rng, now).unwrap().deployment.deployment.id == "long"));
    assert!(choose(&model, Need { prompt_tokens: 101, ..checked }, &rng, now).is_none());
}

#[tokio::test]
async fn limits_per_minute_of_a_deployment_hold_under_every_strategy() {
    for strategy in Strategy::ALL {
        let of = |one: &mut Deployment| match &*one.id {
            "a" => one.rpm = Some(3),
            _ => one.tpm = Some(50),
        };
        let model = model_with(strategy, &[("a", 1, 1), ("b", 1, 1)], of);
        let (rng, now) = (Rng::seeded(1), Instant::now());
        let picks: Vec<_> = std::iter::from_fn(|| choose(&model, need(&model), &rng, now)).take(20).collect();
        let of = |id: &str| picks.iter().filter(|pick| *pick.deployment.deployment.id == *id).count();
        assert_eq!((of("a"), of("b")), (3, 5), "{strategy}");
        assert!(choose(&model, need(&model), &rng, now + Duration::from_secs(61)).is_some(), "{strategy}");
    }
}
