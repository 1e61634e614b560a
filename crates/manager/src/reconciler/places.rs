//! Where the engine of a replica runs. A replica has two places, so that the engine of a new definition can start while
//! the one before serves: `d/0` and `d/0b`. Which one is meant is told by what runs, and nothing else, so that the next
//! manager goes on in the middle.

use std::collections::BTreeMap;

use super::Desired;
use super::desired::gpus_of;
use super::replica::Replica;

/// Behind the id of a replica for its second place.
pub(super) const SECOND: &str = "b";

type Replicas = BTreeMap<String, Replica>;

/// Where a replica can run.
pub(crate) fn places(replica: &str) -> [String; 2] {
    [replica.to_owned(), format!("{replica}{SECOND}")]
}

/// The other place of the same replica.
pub(crate) fn other(place: &str) -> String {
    place.strip_suffix(SECOND).map_or_else(|| format!("{place}{SECOND}"), str::to_owned)
}

/// Gives each replica its place, one after the other in each deployment, and adds what serves on meanwhile.
pub(super) fn seat(wanted: &[Desired], replicas: &Replicas) -> Vec<Desired> {
    let claims = claims(wanted, replicas);
    let mut seated = Vec::with_capacity(wanted.len());
    for deployment in wanted.chunk_by(|one, next| one.deployment() == next.deployment()) {
        let mut moving = deployment.iter().find(|desired| !is_settled(desired, replicas)).map(|found| found.id.clone());
        for desired in deployment {
            let place = place(desired, replicas, &mut moving, &claims);
            let kept = kept(desired, &place.id, replicas);
            seated.push(place);
            seated.extend(kept);
        }
    }
    seated
}

fn place(desired: &Desired, replicas: &Replicas, moving: &mut Option<String>, claims: &[Claim]) -> Desired {
    let at = |id: String| Desired { id, ..desired.clone() };
    let places = places(&desired.id);
    let known = || places.iter().filter_map(|id| Some((id, replicas.get(id)?)));
    let current = known().filter(|(_, replica)| replica.is_of(desired));
    // Of two, which a manager left that was killed in the middle, the one that is further.
    if let Some((id, _)) =
        current.max_by_key(|(_, replica)| (replica.serves(), replica.may_serve(), replica.is_there()))
    {
        return at(id.clone());
    }
    let there = known().filter(|(_, replica)| replica.is_there());
    let Some((id, replica)) = there.min_by_key(|(_, replica)| replica.may_serve()) else {
        return at(desired.id.clone());
    };
    if !replica.stands_in_for(desired) || desired.obstacle.is_some() {
        return at(id.clone());
    }
    if let Some(first) = moving.as_ref().filter(|first| **first != desired.id)
        && !is_claimed(replica, &desired.id, claims)
    {
        let waits = format!("runs from the definition before, and serves on until {first} does: one after the other");
        return Desired { waits: Some(waits), ..at(id.clone()) };
    }
    *moving = Some(desired.id.clone());
    let free = other(id);
    let is_free = !replicas.get(&free).is_some_and(Replica::is_there);
    if is_free && can_double(desired, replica, replicas) { at(free) } else { at(id.clone()) }
}

/// What runs in the other place and has to go on until that of `desired`, at `place`, serves.
fn kept(desired: &Desired, place: &str, replicas: &Replicas) -> Option<Desired> {
    let id = other(place);
    let serves_on = replicas.get(&id)?.stands_in_for(desired) && !replicas.get(place).is_some_and(Replica::serves);
    let waits = format!("is replaced, and serves on until {place} does");
    serves_on.then(|| Desired { id, waits: Some(waits), kept: true, obstacle: None, ..desired.clone() })
}

/// Whether it runs in one place and serves there, from whatever definition, and nothing else is tried.
fn is_settled(desired: &Desired, replicas: &Replicas) -> bool {
    let places = places(&desired.id);
    let known = || places.iter().filter_map(|id| replicas.get(id));
    let is_tried = known().any(|replica| replica.is_of(desired) && !replica.serves());
    let mut there = known().filter(|replica| replica.is_there());
    !is_tried && there.next().is_some_and(Replica::serves) && there.next().is_none()
}

/// Whether two engines of a replica can run at once: nothing that only one can have is asked for.
fn can_double(desired: &Desired, old: &Replica, replicas: &Replicas) -> bool {
    if desired.container.as_ref().is_some_and(|container| container.host_port.is_some()) {
        return false;
    }
    let gpus = names(desired);
    // Its own old GPUs are among those in use.
    gpus.is_empty()
        || old.gpus().is_some() && replicas.values().all(|replica| !replica.is_there() || shares_none(replica, &gpus))
}

/// GPUs that a replica needs before it can serve.
struct Claim {
    id: String,
    gpus: Vec<String>,
}

fn claims(wanted: &[Desired], replicas: &Replicas) -> Vec<Claim> {
    let serves = |id: &str| places(id).iter().any(|id| replicas.get(id).is_some_and(Replica::may_serve));
    let waiting = wanted.iter().filter(|desired| !desired.engine.gpus.is_empty() && !serves(&desired.id));
    waiting.map(|desired| Claim { id: desired.id.clone(), gpus: names(desired) }).collect()
}

/// Whether somebody else cannot start before this replica has let go of its GPUs.
fn is_claimed(replica: &Replica, id: &str, claims: &[Claim]) -> bool {
    claims.iter().any(|claim| claim.id != id && !shares_none(replica, &claim.gpus))
}

/// Whether a replica certainly has none of these.
fn shares_none(replica: &Replica, gpus: &[String]) -> bool {
    replica.gpus().is_some_and(|own| are_apart(own, gpus))
}

/// Whether two replicas certainly have no GPU in common.
pub(crate) fn share_no_gpu(one: &Desired, other: &Desired) -> bool {
    are_apart(&names(one), &names(other))
}

/// A GPU has several names: an index says nothing of a UUID.
fn are_apart(some: &[String], others: &[String]) -> bool {
    let is_index = |name: &str| name.parse::<u32>().is_ok();
    let differ =
        |one: &str, other: &str| one != other && is_index(one) == is_index(other) && one != "all" && other != "all";
    some.iter().all(|one| others.iter().all(|other| differ(one, other)))
}

fn names(desired: &Desired) -> Vec<String> {
    gpus_of(&desired.engine, desired.number).iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
