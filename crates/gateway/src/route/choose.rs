use std::sync::Arc;

use ambient::Rng;
use snapshot::Strategy;
use tokio::time::Instant;

use super::{Busy, DeploymentState, ReplicaState};
use crate::serving::ModelState;

/// The replica that a request goes to.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) deployment: Arc<DeploymentState>,
    pub(crate) replica: Arc<ReplicaState>,
    /// Counts the request on the replica.
    pub(crate) busy: Busy,
}

type Candidate<'a> = (&'a Arc<DeploymentState>, &'a Arc<ReplicaState>);

/// Chooses a replica of `model`, one that was not `tried` yet if there is any. None: nothing can serve it.
///
/// Replicas whose active probes fail are out. Those that are cooling down after failures are taken only where
/// nothing else is left: a lone replica that fails now and then still serves.
pub(crate) fn choose(model: &ModelState, tried: &[Arc<str>], rng: &Rng, now: Instant) -> Option<Pick> {
    loop {
        let (deployment, replica) = candidate(model, tried, rng, now)?;
        // Another request may take a deployment's last one of this minute meanwhile; then it is no candidate any more.
        if deployment.take(now) {
            return Some(Pick { deployment: deployment.clone(), busy: replica.begin(), replica: replica.clone() });
        }
    }
}

/// The replica of `model` called `id`, however it is doing: only it can answer. None: it is there no more, or its
/// deployment has no room.
pub(crate) fn pinned(model: &ModelState, id: &str, now: Instant) -> Option<Pick> {
    let deployments = model.deployments.iter();
    let mut replicas = deployments.flat_map(|deployment| deployment.replicas.iter().map(move |r| (deployment, r)));
    let (deployment, replica) = replicas.find(|(_, replica)| *replica.replica.id == *id)?;
    deployment.take(now).then(|| Pick {
        deployment: deployment.clone(),
        busy: replica.begin(),
        replica: replica.clone(),
    })
}

fn candidate<'a>(model: &'a ModelState, tried: &[Arc<str>], rng: &Rng, now: Instant) -> Option<Candidate<'a>> {
    let mut up = model
        .deployments
        .iter()
        .filter(|deployment| deployment.has_room(now))
        .flat_map(|deployment| deployment.replicas.iter().map(move |replica| (deployment, replica)))
        .filter(|(_, replica)| replica.is_up());
    let (first, second) = (up.next()?, up.next());
    if second.is_none() && model.model.strategy == Strategy::LeastBusy {
        return Some(first);
    }
    let up: Vec<Candidate<'_>> = std::iter::once(first).chain(second).chain(up).collect();
    let fresh = |(_, replica): &Candidate<'_>| !tried.contains(&replica.replica.id);
    let rested = |(_, replica): &Candidate<'_>| !replica.is_cooling(now);
    let candidates = narrow(narrow(up, rested), fresh);
    match model.model.strategy {
        Strategy::LeastBusy => least_busy(&candidates, rng),
        Strategy::SimpleShuffle => simple_shuffle(&candidates, rng),
    }
}

/// Those that `keep` wants, or all if it wants none.
fn narrow<'a>(candidates: Vec<Candidate<'a>>, keep: impl Fn(&Candidate<'a>) -> bool) -> Vec<Candidate<'a>> {
    let kept: Vec<_> = candidates.iter().copied().filter(keep).collect();
    if kept.is_empty() { candidates } else { kept }
}

/// The one with the fewest requests in flight; ties go by chance, so that idle replicas share alike.
fn least_busy<'a>(candidates: &[Candidate<'a>], rng: &Rng) -> Option<Candidate<'a>> {
    let fewest = candidates.iter().map(|(_, replica)| replica.in_flight()).min()?;
    let idle: Vec<_> = candidates.iter().filter(|(_, replica)| replica.in_flight() <= fewest).collect();
    let chosen = if idle.len() == 1 { 0 } else { rng.below(idle.len() as u64) };
    idle.get(usize::try_from(chosen).unwrap_or(0)).or(candidates.first().as_ref()).map(|candidate| **candidate)
}

/// One deployment at random in proportion to the weights, then its least busy replica. Weight 0 takes none.
fn simple_shuffle<'a>(candidates: &[Candidate<'a>], rng: &Rng) -> Option<Candidate<'a>> {
    let mut deployments: Vec<&Arc<DeploymentState>> = candidates.iter().map(|(deployment, _)| *deployment).collect();
    deployments.dedup_by(|a, b| Arc::ptr_eq(a, b));
    let total = deployments.iter().map(|deployment| u64::from(deployment.deployment.weight)).sum();
    let mut drawn = rng.below(total);
    let chosen = deployments.iter().find(|deployment| {
        let weight = u64::from(deployment.deployment.weight);
        let is_hit = drawn < weight;
        drawn = drawn.saturating_sub(weight);
        is_hit
    })?;
    let replicas: Vec<_> =
        candidates.iter().copied().filter(|(deployment, _)| Arc::ptr_eq(deployment, chosen)).collect();
    least_busy(&replicas, rng)
}

#[cfg(test)]
mod tests;
