use std::collections::BTreeMap;
use std::time::Duration;

use ambient::Timestamp;

use super::Desired;
use super::replica::{Phase, Process, Replica};

/// Failed health checks in a row after which a replica takes no more requests.
const UNHEALTHY: u32 = 3;
/// Failed health checks in a row after which it is started anew.
const HOPELESS: u32 = 20;

/// What is to be done with one replica.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Start it.
    Start,
    /// Stop what runs, or clear away what ended. With a failure, the next start comes after a pause.
    Stop {
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// Give up making its container.
    Abandon,
    /// Note how far it is.
    Enter(Phase),
    /// Forget it: nothing runs, and nothing should.
    Forget,
}

/// What to do next, replica by replica. At most one step each: the next pass sees what came of it.
pub(super) fn decide(
    wanted: &[Desired],
    replicas: &BTreeMap<String, Replica>,
    now: Timestamp,
) -> Vec<(String, Action)> {
    let of_wanted = wanted.iter().map(|desired| {
        let action = match replicas.get(&desired.id) {
            Some(replica) => keep(desired, replica, now),
            None => Some(start(desired)),
        };
        (desired.id.clone(), action)
    });
    let is_wanted = |id: &str| wanted.iter().any(|desired| desired.id == id);
    let rest = replicas.iter().filter(|(id, _)| !is_wanted(id));
    let of_rest = rest.map(|(id, replica)| (id.clone(), dismiss(replica)));
    of_rest.chain(of_wanted).filter_map(|(id, action)| Some((id, action?))).collect()
}

/// A replica that nothing asks for.
fn dismiss(replica: &Replica) -> Option<Action> {
    match (&replica.phase, &replica.process) {
        (Phase::Stopping { .. }, _) => None,
        (Phase::Preparing { .. }, _) => Some(Action::Abandon),
        (_, Some(_)) => Some(Action::Stop { failure: None }),
        (_, None) => Some(Action::Forget),
    }
}

fn keep(desired: &Desired, replica: &Replica, now: Timestamp) -> Option<Action> {
    match (&replica.phase, &replica.process) {
        (Phase::Stopping { .. }, _) => None,
        (Phase::Preparing { .. }, _) => {
            let is_other = replica.last_hash.as_ref() != Some(&desired.spec_hash) || desired.obstacle.is_some();
            is_other.then_some(Action::Abandon)
        }
        (phase, Some(process)) => tend(desired, replica, phase, process, now),
        (Phase::BackingOff { until, .. }, None) => {
            // What is new deserves a try at once.
            let is_new = replica.last_hash.as_ref() != Some(&desired.spec_hash);
            (is_new || now >= *until).then(|| start(desired))
        }
        (Phase::Failed { reason }, None) if desired.obstacle.as_ref() == Some(reason) => None,
        (_, None) => Some(start(desired)),
    }
}

fn start(desired: &Desired) -> Action {
    match &desired.obstacle {
        Some(reason) => Action::Enter(Phase::Failed { reason: reason.clone() }),
        None => Action::Start,
    }
}

/// A replica with a process.
fn tend(desired: &Desired, replica: &Replica, phase: &Phase, process: &Process, now: Timestamp) -> Option<Action> {
    let stop_failed = |reason: String| Some(Action::Stop { failure: Some(reason) });
    if process.spec_hash != desired.spec_hash || desired.obstacle.is_some() || replica.restart {
        return Some(Action::Stop { failure: None });
    }
    if let Some(end) = &replica.ended {
        return stop_failed(end.clone());
    }
    let probe = &replica.probe;
    match phase {
        _ if probe.is_well() && !matches!(phase, Phase::Ready { .. }) => {
            Some(Action::Enter(Phase::Ready { since: now }))
        }
        Phase::Ready { .. } if probe.failures() >= UNHEALTHY => Some(Action::Enter(Phase::Unhealthy)),
        Phase::Unhealthy if probe.failures() >= HOPELESS => {
            stop_failed(format!("{HOPELESS} health checks in a row failed: {}", probe.fault()))
        }
        Phase::Starting { since } if now.since(*since) >= desired.start_timeout => {
            stop_failed(overdue(desired.start_timeout, probe.fault()))
        }
        _ => None,
    }
}

fn overdue(start_timeout: Duration, fault: &str) -> String {
    format!("not healthy within {} s of its start ({fault})", start_timeout.as_secs())
}

#[cfg(test)]
mod tests;
