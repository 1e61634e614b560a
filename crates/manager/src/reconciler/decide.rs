use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ambient::Timestamp;

use super::Desired;
use super::replica::{Phase, Process, Replica};

/// Failed health checks in a row after which a replica takes no more requests.
pub(super) const UNHEALTHY: u32 = 3;
/// Failed health checks in a row after which it is started anew.
const HOPELESS: u32 = 20;

/// What is to be done with one replica.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Start it.
    Start,
    /// Fetch its model, while it waits for something else.
    Fetch,
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

/// What is done next with one replica, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    /// None where it is left as it is.
    pub(super) action: Option<Action>,
    /// In words.
    pub(super) why: Cow<'static, str>,
}

// === impl Decision ===

impl Decision {
    fn act(action: Action, why: impl Into<Cow<'static, str>>) -> Self {
        Self { action: Some(action), why: why.into() }
    }

    fn leave(why: impl Into<Cow<'static, str>>) -> Self {
        Self { action: None, why: why.into() }
    }

    fn give_up(failure: String) -> Self {
        Self::act(Action::Stop { failure: Some(failure.clone()) }, failure)
    }
}

/// What to do next, replica by replica. At most one step each: the next pass sees what came of it.
pub(super) fn decide(
    wanted: &[Desired],
    replicas: &BTreeMap<String, Replica>,
    now: Timestamp,
) -> Vec<(String, Action)> {
    let all = judge(wanted, replicas, now).into_iter();
    all.filter_map(|(id, decision)| Some((id.to_owned(), decision.action?))).collect()
}

/// What a pass makes of each replica: first those that nothing asks for.
pub(super) fn judge<'a>(
    wanted: &'a [Desired],
    replicas: &'a BTreeMap<String, Replica>,
    now: Timestamp,
) -> Vec<(&'a str, Decision)> {
    let ids: BTreeSet<_> = wanted.iter().map(|desired| desired.id.as_str()).collect();
    let rest = replicas.iter().filter(|(id, _)| !ids.contains(id.as_str()));
    let of_rest = rest.map(|(id, replica)| (id.as_str(), dismiss(replica)));
    let of_wanted = wanted.iter().map(|desired| {
        let decision = match replicas.get(&desired.id) {
            Some(replica) => keep(desired, replica, now),
            None => start(desired, "it should run, and nothing of it does"),
        };
        (desired.id.as_str(), decision)
    });
    of_rest.chain(of_wanted).collect()
}

/// A replica that nothing asks for.
fn dismiss(replica: &Replica) -> Decision {
    match (&replica.phase, &replica.process) {
        (Phase::Stopping { .. }, _) => Decision::leave("nothing asks for it, and it is being stopped"),
        (Phase::Preparing { .. }, _) => Decision::act(Action::Abandon, "nothing asks for its container any more"),
        (_, Some(_)) => Decision::act(Action::Stop { failure: None }, "nothing asks for it any more"),
        (_, None) => Decision::act(Action::Forget, "nothing asks for it, and nothing of it runs"),
    }
}

fn keep(desired: &Desired, replica: &Replica, now: Timestamp) -> Decision {
    let is_other = replica.last_hash.as_ref() != Some(&desired.spec_hash);
    match (&replica.phase, &replica.process) {
        (Phase::Stopping { .. }, _) => Decision::leave("it is being stopped; what follows is decided when it is gone"),
        (Phase::Preparing { .. }, _) if is_other => {
            Decision::act(Action::Abandon, "its container is made from a definition that changed meanwhile")
        }
        (Phase::Preparing { .. }, _) if desired.obstacle.is_some() => {
            Decision::act(Action::Abandon, "it cannot be started any more")
        }
        (Phase::Preparing { .. }, _) if replica.is_fetching => {
            Decision::leave("its model is fetched, or looked at; it is started once it is here")
        }
        (Phase::Preparing { .. }, _) => Decision::leave("its container is being made"),
        (phase, Some(process)) => tend(desired, replica, phase, process, now),
        // What is new deserves a try at once.
        (Phase::BackingOff { .. }, None) if is_other => start(desired, "it failed, and its definition changed since"),
        (Phase::BackingOff { until, .. }, None) if now >= *until => start(desired, "its pause after a failure is over"),
        (Phase::BackingOff { until, reason }, None) => {
            Decision::leave(format!("it failed ({reason}) and is tried again at {until}"))
        }
        (Phase::Failed { reason }, None) if desired.obstacle.as_ref() == Some(reason) => {
            Decision::leave(format!("it cannot be started: {reason}"))
        }
        (_, None) => start(desired, "it should run, and nothing of it does"),
    }
}

fn start(desired: &Desired, why: &'static str) -> Decision {
    match &desired.obstacle {
        Some(reason) => {
            let why = format!("it cannot be started: {reason}");
            Decision::act(Action::Enter(Phase::Failed { reason: reason.clone() }), why)
        }
        None => Decision::act(Action::Start, why),
    }
}

/// A replica with a process.
fn tend(desired: &Desired, replica: &Replica, phase: &Phase, process: &Process, now: Timestamp) -> Decision {
    if let Some(why) = must_go(desired, replica, process) {
        return Decision::act(Action::Stop { failure: None }, why);
    }
    if let Some(end) = &replica.ended {
        return Decision::give_up(end.clone());
    }
    let probe = &replica.probe;
    match phase {
        _ if probe.is_well() && !matches!(phase, Phase::Ready { .. }) => {
            Decision::act(Action::Enter(Phase::Ready { since: now }), "it passed its health check")
        }
        Phase::Ready { .. } if probe.failures() >= UNHEALTHY => {
            let why = format!("{UNHEALTHY} health checks in a row failed: {}", probe.fault());
            Decision::act(Action::Enter(Phase::Unhealthy), why)
        }
        Phase::Unhealthy if probe.failures() >= HOPELESS => {
            Decision::give_up(format!("{HOPELESS} health checks in a row failed: {}", probe.fault()))
        }
        Phase::Starting { since } if now.since(*since) >= desired.start_timeout => {
            Decision::give_up(overdue(desired.start_timeout, probe.fault()))
        }
        Phase::Starting { since } => {
            let left = desired.start_timeout.saturating_sub(now.since(*since)).as_secs();
            Decision::leave(format!("it starts, and has {left} s left for that ({})", probe.fault()))
        }
        Phase::Unhealthy => Decision::leave(format!("it gets time to recover: {}", probe.fault())),
        _ => Decision::leave(desired.waits.clone().map_or("it runs as it should".into(), Cow::Owned)),
    }
}

/// Why what runs must end though it did not fail; none if it need not.
fn must_go(desired: &Desired, replica: &Replica, process: &Process) -> Option<Cow<'static, str>> {
    if let Some(reason) = &desired.obstacle {
        return Some(format!("it cannot be started any more: {reason}").into());
    }
    if replica.restart {
        return Some("it was told to restart".into());
    }
    // It serves on until its turn comes.
    if desired.waits.is_some() && replica.ended.is_none() {
        return None;
    }
    if replica.replace {
        return Some("it was told to be replaced".into());
    }
    (process.spec_hash != desired.spec_hash).then_some("it runs from another definition".into())
}

fn overdue(start_timeout: Duration, fault: &str) -> String {
    format!("not healthy within {} s of its start ({fault})", start_timeout.as_secs())
}

#[cfg(test)]
mod tests;
