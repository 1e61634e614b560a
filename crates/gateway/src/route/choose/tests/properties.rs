//! What every strategy keeps to, whatever happens; and what each of them promises, against a model of it.

use proptest::prelude::{Just, ProptestConfig, any, prop_oneof, proptest};
use proptest::strategy::Strategy as Values;

use super::*;
use crate::route::Observed;

/// Something that happens to a model with three deployments of two replicas each.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request comes, and runs.
    Ask,
    /// The oldest request that runs ends with so many tokens, after so many milliseconds.
    End { tokens: u64, took: u64 },
    /// A replica fails so often that it is left alone.
    Fail(usize),
    /// A replica's health check fails, or succeeds again.
    Probe(usize, bool),
    /// Seconds go by.
    Wait(u64),
}

const DEPLOYMENTS: [(&str, u32, usize); 3] = [("a", 1, 2), ("b", 2, 2), ("c", 5, 2)];
const COOLDOWN: Duration = Duration::from_secs(5);

fn steps() -> impl Values<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Ask),
        3 => (0_u64..5_000, 1_u64..5_000).prop_map(|(tokens, took)| Step::End { tokens, took }),
        1 => (0_usize..6).prop_map(Step::Fail),
        1 => (0_usize..6, any::<bool>()).prop_map(|(replica, is_well)| Step::Probe(replica, is_well)),
        1 => (0_u64..40).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

fn strategies() -> impl Values<Value = Strategy> {
    proptest::sample::select(Strategy::ALL.to_vec())
}

fn costed(strategy: Strategy) -> Arc<ModelState> {
    let of = |one: &mut Deployment| one.cost = Some(u64::from(one.weight) * 10);
    model_with(strategy, &DEPLOYMENTS, of)
}

/// Whether the strategy may take `pick` under `model`, by what the deployments say of themselves.
fn is_right(model: &ModelState, fit: &[&Arc<ReplicaState>], pick: &Pick, before: &[(u64, f64)]) -> bool {
    let at = |id: &str| model.deployments.iter().position(|one| *one.deployment.id == *id).unwrap();
    let is_fit = |index: usize| {
        model.deployments[index].replicas.iter().any(|replica| fit.iter().any(|fit| Arc::ptr_eq(fit, replica)))
    };
    let of_fit = || (0..model.deployments.len()).filter(|index| is_fit(*index));
    let chosen = at(&pick.deployment.deployment.id);
    match model.model.strategy {
        Strategy::LeastBusy => {
            // The pick counts itself already.
            let fewest = fit.iter().map(|replica| replica.in_flight() - u32::from(Arc::ptr_eq(replica, &pick.replica)));
            pick.replica.in_flight() - 1 == fewest.min().unwrap()
        }
        Strategy::SimpleShuffle => true,
        Strategy::UsageBasedRouting => chosen == of_fit().min_by_key(|index| before[*index].0).unwrap(),
        Strategy::UsageBasedRoutingV2 => before[chosen].0 == of_fit().map(|index| before[index].0).min().unwrap(),
        Strategy::LatencyBasedRouting => of_fit().all(|index| before[chosen].1 <= before[index].1),
        Strategy::CostBasedRouting => {
            let cost = |index: usize| model.deployments[index].deployment.cost;
            of_fit().all(|index| cost(chosen) <= cost(index))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Never one that is down; never one that cools down while another lives; always one while any is up; and of those
    /// that are fit, one that the strategy takes.
    #[test]
    fn a_pick_is_fit_and_as_the_strategy_says(strategy in strategies(), steps in steps(), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (model, rng, mut running) = (costed(strategy), Rng::seeded(seed), std::collections::VecDeque::new());
            let replicas: Vec<_> = model.deployments.iter().flat_map(|one| &one.replicas).collect();
            let need = need(&model);
            for step in steps {
                let now = Instant::now();
                match step {
                    Step::Wait(seconds) => tokio::time::advance(Duration::from_secs(seconds)).await,
                    Step::Fail(n) => {
                        replicas[n].failed(Patience { allowed_fails: 1, cooldown: COOLDOWN }, now);
                    }
                    Step::Probe(n, is_well) => replicas[n].probed(is_well, true),
                    Step::End { tokens, took } => {
                        let Some((pick, began)) = running.pop_front() else { continue };
                        tokio::time::advance(Duration::from_millis(took)).await;
                        let usage = ledger::Usage { completion_tokens: tokens, ..ledger::Usage::default() };
                        if let Some(observed) = Observed::of(&pick, need.tracks, began, false) {
                            observed.ended(true, &usage);
                        }
                    }
                    Step::Ask => {
                        let up: Vec<_> = replicas.iter().copied().filter(|one| one.is_up()).collect();
                        let rested: Vec<_> = up.iter().copied().filter(|one| !one.is_cooling(now)).collect();
                        let fit = if rested.is_empty() { up } else { rested };
                        let of = |one: &Arc<DeploymentState>| (one.tokens(now), one.latencies().score(false, now));
                        let before: Vec<_> = model.deployments.iter().map(of).collect();
                        let Some(pick) = choose(&model, need, &rng, now) else {
                            assert!(fit.is_empty(), "{strategy}: nobody was asked though {} are up", fit.len());
                            continue;
                        };
                        assert!(fit.iter().any(|one| Arc::ptr_eq(one, &pick.replica)), "{strategy}: {pick:?}");
                        assert!(is_right(&model, &fit, &pick, &before), "{strategy}: {pick:?} of {before:?}");
                        running.push_back((pick, now));
                    }
                }
            }
        });
    }

    /// Fair shares: by weight, by tokens, and alike among those that are as quick as each other.
    #[test]
    fn shares_are_fair(seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (rng, now) = (Rng::seeded(seed), Instant::now());
            let shares = |strategy: Strategy| -> [usize; 3] {
                let model = model(strategy, &DEPLOYMENTS);
                let mut shares = [0; 3];
                for _ in 0..800 {
                    let pick = choose(&model, need(&model), &rng, now).unwrap();
                    shares[usize::from(pick.deployment.deployment.id.as_bytes()[0] - b'a')] += 1;
                }
                shares
            };
            // 800 draws in the proportion 1 : 2 : 5; six times the deviation that there is on average.
            let [a, b, c] = shares(Strategy::SimpleShuffle);
            assert!((45..155).contains(&a) && (126..274).contains(&b) && (418..582).contains(&c), "{a} {b} {c}");
            // Each request weighs ten tokens, so none is ahead by more than one of them.
            for strategy in [Strategy::UsageBasedRouting, Strategy::UsageBasedRoutingV2] {
                let shares = shares(strategy);
                assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{strategy} {shares:?}");
            }
            let [a, b, c] = shares(Strategy::LatencyBasedRouting);
            assert!(a.min(b).min(c) > 180, "{a} {b} {c}: nobody is known to be slower");
        });
    }
}

/// The slowest is asked again once what is known of it is old: nobody starves.
#[tokio::test(start_paused = true)]
async fn what_was_slow_once_is_tried_again() {
    let model = model(Strategy::LatencyBasedRouting, &[("slow", 1, 1), ("quick", 1, 1)]);
    let rng = Rng::seeded(1);
    let ids = |times: usize| -> std::collections::BTreeSet<String> {
        let pick = || choose(&model, need(&model), &rng, Instant::now()).unwrap().deployment.deployment.id.to_string();
        (0..times).map(|_| pick()).collect()
    };
    let now = Instant::now();
    model.deployments[0].latencies().timed_out(now);
    model.deployments[1].latencies().answered(Duration::from_secs(2), 1, None, now);
    assert_eq!(ids(50).into_iter().collect::<Vec<_>>(), ["quick"]);
    tokio::time::advance(Duration::from_secs(3_601)).await;
    assert_eq!(ids(50).len(), 2, "both are unknown again");
}

/// Others may be slower by the share that is allowed.
#[tokio::test]
async fn the_buffer_lets_in_those_that_are_nearly_as_quick() {
    let model = model(Strategy::LatencyBasedRouting, &[("a", 1, 1), ("b", 1, 1), ("c", 1, 1)]);
    let (rng, now) = (Rng::seeded(1), Instant::now());
    for (deployment, millis) in model.deployments.iter().zip([1_000, 1_400, 2_000]) {
        deployment.latencies().answered(Duration::from_millis(millis), 1, None, now);
    }
    let ids = |latency_buffer: f64| -> std::collections::BTreeSet<String> {
        let need = Need { latency_buffer, ..need(&model) };
        (0..200).map(|_| choose(&model, need, &rng, now).unwrap().deployment.deployment.id.to_string()).collect()
    };
    assert_eq!((ids(0.0).len(), ids(0.5).len(), ids(1.0).len()), (1, 2, 3));
}

/// A deployment that says nothing of its cost is asked last.
#[tokio::test]
async fn what_costs_nobody_knows_how_much_comes_last() {
    let of = |one: &mut Deployment| one.cost = (&*one.id != "unknown").then_some(u64::from(one.weight));
    let model = model_with(Strategy::CostBasedRouting, &[("unknown", 1, 1), ("dear", 9, 1), ("cheap", 3, 1)], of);
    let (rng, now, mut tried, mut order) = (Rng::seeded(1), Instant::now(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let pick = choose(&model, need(&model).after(&tried), &rng, now).unwrap();
        order.push(pick.deployment.deployment.id.to_string());
        tried.push(pick.replica.replica.id.clone());
    }
    assert_eq!(order, ["cheap", "dear", "unknown"]);
}
