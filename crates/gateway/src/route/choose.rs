use std::sync::Arc;

use ambient::Rng;
use tokio::time::Instant;

use super::{Busy, DeploymentState, Need, ReplicaState, Taken, strategy};
use crate::serving::ModelState;

/// The replica that a request goes to.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) deployment: Arc<DeploymentState>,
    pub(crate) replica: Arc<ReplicaState>,
    /// Counts the request on the replica.
    pub(crate) busy: Busy,
    /// What the deployment has counted, where it counts.
    pub(crate) taken: Option<Taken>,
}

pub(super) type Candidate<'a> = (&'a Arc<DeploymentState>, &'a Arc<ReplicaState>);

/// Chooses a replica of `model`, one that was not tried yet if there is any. None: nothing can serve it.
///
/// Replicas whose active probes fail are out. Those that are cooling down after failures are taken only where
/// nothing else is left: a lone replica that fails now and then still serves.
pub(crate) fn choose(model: &ModelState, need: Need<'_>, rng: &Rng, now: Instant) -> Option<Pick> {
    loop {
        let (deployment, replica) = candidate(model, &need, rng, now)?;
        // Another request may take a deployment's last one of this minute meanwhile; then it is no candidate any more.
        if let Ok(taken) = deployment.take(need.prompt_tokens, need.tracks.usage, now) {
            let busy = replica.begin();
            return Some(Pick { deployment: deployment.clone(), busy, replica: replica.clone(), taken });
        }
    }
}

/// The replica of `model` called `id`, however it is doing: only it can answer. None: it is there no more, or its
/// deployment has no room.
pub(crate) fn pinned(model: &ModelState, id: &str, need: Need<'_>, now: Instant) -> Option<Pick> {
    let deployments = model.deployments.iter();
    let mut replicas = deployments.flat_map(|deployment| deployment.replicas.iter().map(move |r| (deployment, r)));
    let (deployment, replica) = replicas.find(|(_, replica)| *replica.replica.id == *id)?;
    let taken = deployment.take(need.prompt_tokens, need.tracks.usage, now).ok()?;
    Some(Pick { deployment: deployment.clone(), busy: replica.begin(), replica: replica.clone(), taken })
}

fn candidate<'a>(model: &'a ModelState, need: &Need<'_>, rng: &Rng, now: Instant) -> Option<Candidate<'a>> {
    let mut up = model
        .deployments
        .iter()
        .filter(|deployment| deployment.has_room(need.prompt_tokens, now))
        .filter(|deployment| need.fits(deployment) && need.admits(deployment))
        .flat_map(|deployment| deployment.replicas.iter().map(move |replica| (deployment, replica)))
        .filter(|(_, replica)| replica.is_up());
    let (first, second) = (up.next()?, up.next());
    if second.is_none() {
        return Some(first);
    }
    let up: Vec<Candidate<'_>> = std::iter::once(first).chain(second).chain(up).collect();
    let fresh = |(_, replica): &Candidate<'_>| !need.tried.contains(&replica.replica.id);
    let rested = |(_, replica): &Candidate<'_>| !replica.is_cooling(now);
    let mut candidates = narrow(narrow(up, rested), fresh);
    let lowest = candidates.iter().map(|(deployment, _)| deployment.deployment.order).min();
    candidates.retain(|(deployment, _)| Some(deployment.deployment.order) == lowest);
    strategy::pick(&candidates, need, rng, now)
}

/// Those that `keep` wants, or all if it wants none.
fn narrow<'a>(candidates: Vec<Candidate<'a>>, keep: impl Fn(&Candidate<'a>) -> bool) -> Vec<Candidate<'a>> {
    let kept: Vec<_> = candidates.iter().copied().filter(keep).collect();
    if kept.is_empty() { candidates } else { kept }
}

#[cfg(test)]
mod tests;
