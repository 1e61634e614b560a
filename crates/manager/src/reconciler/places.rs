//! Where the engine of a replica runs. A replica has two places, so that the engine of a new definition can start while
//! the one before serves: `d/0` and `d/0b`. Which one is meant is told by what runs, and nothing else, so that the next
//! manager goes on in the middle.

use std::collections::BTreeMap;

use hardware::Inventory;

use super::Desired;
use super::replica::Replica;
use crate::placement::{are_apart, of_names, of_replica};

/// Behind the id of a replica for its second place.
pub(super) const SECOND: &str = "b";

type Replicas = BTreeMap<String, Replica>;

/// Who runs where, and on which GPUs of the machine: none where these are not known.
struct Seats<'a> {
    replicas: &'a Replicas,
    inventory: Option<&'a Inventory>,
    claims: Vec<Claim>,
}

/// GPUs that a replica needs before it can serve.
struct Claim {
    id: String,
    gpus: Vec<String>,
}

/// Where a replica can run.
pub(crate) fn places(replica: &str) -> [String; 2] {
    [replica.to_owned(), format!("{replica}{SECOND}")]
}

/// The other place of the same replica.
pub(crate) fn other(place: &str) -> String {
    place.strip_suffix(SECOND).map_or_else(|| format!("{place}{SECOND}"), str::to_owned)
}

/// Gives each replica its place, one after the other in each deployment, and adds what serves on meanwhile.
pub(super) fn seat(wanted: &[Desired], replicas: &Replicas, inventory: Option<&Inventory>) -> Vec<Desired> {
    let seats = Seats { replicas, inventory, claims: claims(wanted, replicas, inventory) };
    let mut seated = Vec::with_capacity(wanted.len());
    for deployment in wanted.chunk_by(|one, next| one.deployment() == next.deployment()) {
        let mut moving = deployment.iter().find(|desired| !is_settled(desired, replicas)).map(|found| found.id.clone());
        for desired in deployment {
            let place = seats.place(desired, &mut moving);
            let kept = kept(desired, &place.id, replicas);
            seated.push(place);
            seated.extend(kept);
        }
    }
    seated
}

// === impl Seats ===

impl Seats<'_> {
    fn place(&self, desired: &Desired, moving: &mut Option<String>) -> Desired {
        let at = |id: String| Desired { id, ..desired.clone() };
        let places = places(&desired.id);
        let known = || places.iter().filter_map(|id| Some((id, self.replicas.get(id)?)));
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
        let waiting = |why: String| Desired { waits: Some(why), ..at(id.clone()) };
        if let Some(first) = moving.as_ref().filter(|first| **first != desired.id)
            && !self.is_claimed(replica, &desired.id)
        {
            return waiting(format!(
                "runs from the definition before, and serves on until {first} does: one after the other"
            ));
        }
        *moving = Some(desired.id.clone());
        if !desired.engine.gpus.is_empty() && self.inventory.is_none() {
            return waiting("runs from the definition before, and serves on until the GPUs are known".to_owned());
        }
        let free = other(id);
        let is_free = !self.replicas.get(&free).is_some_and(Replica::is_there);
        if is_free && self.can_double(desired, replica) { at(free) } else { at(id.clone()) }
    }

    /// Whether two engines of a replica can run at once: nothing that only one can have is asked for.
    fn can_double(&self, desired: &Desired, old: &Replica) -> bool {
        if desired.container.as_ref().is_some_and(|container| container.host_port.is_some()) {
            return false;
        }
        // One that names what is not there takes nothing, and fails beside what serves on.
        let Some(gpus) = found(desired, self.inventory) else { return true };
        let mut all = self.replicas.values();
        // Its own old GPUs are among those in use.
        gpus.is_empty()
            || old.gpus().is_some() && all.all(|replica| !replica.is_there() || self.shares_none(replica, &gpus))
    }

    /// Whether somebody else cannot start before this replica has let go of its GPUs.
    fn is_claimed(&self, replica: &Replica, id: &str) -> bool {
        self.claims.iter().any(|claim| claim.id != id && !self.shares_none(replica, &claim.gpus))
    }

    /// Whether a replica certainly has none of these.
    fn shares_none(&self, replica: &Replica, gpus: &[String]) -> bool {
        let Some(own) = replica.gpus() else { return false };
        // Records of earlier versions have names.
        let found = self.inventory.and_then(|inventory| of_names(own, inventory).ok());
        let uuids = found.map(|devices| devices.into_iter().map(|device| device.uuid).collect::<Vec<_>>());
        are_apart(uuids.as_deref().unwrap_or(own), gpus)
    }
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

fn claims(wanted: &[Desired], replicas: &Replicas, inventory: Option<&Inventory>) -> Vec<Claim> {
    let serves = |id: &str| places(id).iter().any(|id| replicas.get(id).is_some_and(Replica::may_serve));
    let waiting = wanted.iter().filter(|desired| !desired.engine.gpus.is_empty() && !serves(&desired.id));
    waiting.filter_map(|desired| Some(Claim { id: desired.id.clone(), gpus: found(desired, inventory)? })).collect()
}

/// UUIDs of the GPUs of a replica; none where it names what is not there, or nobody knows.
fn found(desired: &Desired, inventory: Option<&Inventory>) -> Option<Vec<String>> {
    let devices = of_replica(&desired.engine, desired.number, inventory?).ok()?;
    Some(devices.into_iter().map(|device| device.uuid).collect())
}

#[cfg(test)]
mod tests;
