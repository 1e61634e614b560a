//! One file's worth of ways to choose: each takes candidates that are all fit, and says which one it is.

use std::sync::Arc;

use ambient::Rng;
use snapshot::Strategy;
use tokio::time::Instant;

use super::choose::Candidate;
use super::{DeploymentState, Need};

/// Chooses one of `candidates` as the strategy says: a deployment, and of that the least busy replica.
pub(super) fn pick<'a>(
    candidates: &[Candidate<'a>],
    need: &Need<'_>,
    rng: &Rng,
    now: Instant,
) -> Option<Candidate<'a>> {
    if need.strategy == Strategy::LeastBusy {
        return least_busy(candidates, rng);
    }
    let mut deployments: Vec<&Arc<DeploymentState>> = candidates.iter().map(|(deployment, _)| *deployment).collect();
    deployments.dedup_by(|a, b| Arc::ptr_eq(a, b));
    let chosen = match need.strategy {
        Strategy::LeastBusy => None,
        Strategy::SimpleShuffle => weighted(&deployments, rng),
        Strategy::UsageBasedRouting => first_lowest(&deployments, |deployment| deployment.tokens(now)),
        Strategy::UsageBasedRoutingV2 => any_lowest(&deployments, |deployment| deployment.tokens(now), rng),
        Strategy::LatencyBasedRouting => quickest(&deployments, need, rng, now),
        Strategy::CostBasedRouting => {
            first_lowest(&deployments, |deployment| deployment.deployment.cost.unwrap_or(u64::MAX))
        }
    }?;
    let replicas: Vec<_> =
        candidates.iter().copied().filter(|(deployment, _)| Arc::ptr_eq(deployment, chosen)).collect();
    least_busy(&replicas, rng)
}

/// The one with the fewest requests in flight; ties go by chance, so that idle replicas share alike.
fn least_busy<'a>(candidates: &[Candidate<'a>], rng: &Rng) -> Option<Candidate<'a>> {
    let fewest = candidates.iter().map(|(_, replica)| replica.in_flight()).min()?;
    let idle: Vec<_> = candidates.iter().filter(|(_, replica)| replica.in_flight() <= fewest).collect();
    any(&idle, rng).or(candidates.first().as_ref()).map(|candidate| **candidate)
}

/// One at random in proportion to the weights.
fn weighted<'a>(deployments: &[&'a Arc<DeploymentState>], rng: &Rng) -> Option<&'a Arc<DeploymentState>> {
    let total = deployments.iter().map(|deployment| u64::from(deployment.deployment.weight)).sum();
    let mut drawn = rng.below(total);
    let hit = |deployment: &&&Arc<DeploymentState>| {
        let weight = u64::from(deployment.deployment.weight);
        let is_hit = drawn < weight;
        drawn = drawn.saturating_sub(weight);
        is_hit
    };
    deployments.iter().find(hit).copied()
}

/// The first of those for which `of` says the least.
fn first_lowest<'a>(
    deployments: &[&'a Arc<DeploymentState>],
    of: impl Fn(&DeploymentState) -> u64,
) -> Option<&'a Arc<DeploymentState>> {
    deployments.iter().copied().min_by_key(|deployment| of(deployment))
}

/// Any of those for which `of` says the least.
fn any_lowest<'a>(
    deployments: &[&'a Arc<DeploymentState>],
    of: impl Fn(&DeploymentState) -> u64,
    rng: &Rng,
) -> Option<&'a Arc<DeploymentState>> {
    let said: Vec<u64> = deployments.iter().map(|deployment| of(deployment)).collect();
    let least = said.iter().min()?;
    let lowest: Vec<_> =
        deployments.iter().zip(&said).filter(|(_, said)| *said == least).map(|(one, _)| *one).collect();
    any(&lowest, rng).copied()
}

/// Any of those that are not slower than the quickest one by more than the buffer.
fn quickest<'a>(
    deployments: &[&'a Arc<DeploymentState>],
    need: &Need<'_>,
    rng: &Rng,
    now: Instant,
) -> Option<&'a Arc<DeploymentState>> {
    let scores: Vec<f64> =
        deployments.iter().map(|deployment| deployment.latencies().score(need.stream, now)).collect();
    let most = scores.iter().copied().fold(f64::INFINITY, f64::min) * (1.0 + need.latency_buffer);
    let quick: Vec<_> =
        deployments.iter().zip(&scores).filter(|(_, score)| **score <= most).map(|(one, _)| *one).collect();
    any(&quick, rng).copied()
}

fn any<'l, T>(list: &'l [T], rng: &Rng) -> Option<&'l T> {
    let drawn = if list.len() <= 1 { 0 } else { rng.below(list.len() as u64) };
    list.get(usize::try_from(drawn).unwrap_or(0))
}
