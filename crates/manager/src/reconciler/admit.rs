use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ambient::Timestamp;
use hardware::{Inventory, Ticket};
use spec::Document;

use super::Desired;
use super::decide::Action;
use super::replica::{Phase, Replica};
use crate::Manager;
use crate::placement::{Device, Gate, Verdict, of_replica};

/// How long a start waits for memory of a GPU, which drivers free a moment after a program's end.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a start waits for before the first reading.
const UNKNOWN: &str = "waits until the GPUs are known";

/// What a replica that is to start waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wait {
    /// For people.
    pub(super) reason: String,
    /// The look at its GPUs that it waits for.
    look: Option<Ticket>,
    /// Since when memory is missing.
    short_since: Option<Timestamp>,
}

// === impl Manager ===

impl Manager {
    /// Of the starts that a pass decided on, those that may happen now: one engine at a time on a GPU, and only where there is
    /// room. All others wait and say what for, or fail.
    pub(super) fn admit(&self, wanted: &[Desired], actions: Vec<(String, Action)>) -> Vec<(String, Action)> {
        let asks = |id: &str| wanted.iter().find(|desired| desired.id == id && !desired.engine.gpus.is_empty());
        if !actions.iter().any(|(id, action)| *action == Action::Start && asks(id).is_some()) {
            return actions;
        }
        let Some(inventory) = self.inner().gpus.current() else {
            let (held, rest) = split(actions, |id| asks(id).is_some());
            for id in &held {
                self.hold(id, UNKNOWN.to_owned(), None, None);
            }
            return rest;
        };
        let current = self.current();
        let mut gate = self.gate(&current.document, wanted, &inventory);
        let admitted = actions.into_iter().filter_map(|(id, action)| match (&action, asks(&id)) {
            (Action::Start, Some(desired)) => Some((id, self.admit_one(desired, &mut gate)?)),
            _ => Some((id, action)),
        });
        admitted.collect()
    }

    /// What the gate makes of the starts that a pass would decide on, by replica; nobody is held up.
    pub(super) fn foresee(&self, wanted: &[Desired], starts: &[String]) -> BTreeMap<String, Verdict> {
        // A single command knows no GPUs, and starts nothing.
        if !self.runs() {
            return BTreeMap::new();
        }
        let (current, inventory) = (self.current(), self.inner().gpus.current());
        let mut gate = inventory.as_deref().map(|inventory| self.gate(&current.document, wanted, inventory));
        let asking = wanted.iter().filter(|desired| starts.contains(&desired.id) && !desired.engine.gpus.is_empty());
        let verdicts = asking.map(|desired| {
            let verdict = match &mut gate {
                Some(gate) => gate.judge(desired, self.has_looked(&desired.id)),
                None => Verdict::Wait(UNKNOWN.to_owned()),
            };
            (desired.id.clone(), verdict)
        });
        verdicts.collect()
    }

    fn gate<'a>(&self, document: &'a Document, wanted: &[Desired], inventory: &'a Inventory) -> Gate<'a> {
        let (holders, starting) = self.inner().fleet.with(|replicas| {
            let of = |fits: fn(&Replica) -> bool| {
                let fitting = replicas.iter().filter(|(_, replica)| fits(replica));
                fitting.map(|(id, _)| id.clone()).collect::<BTreeSet<_>>()
            };
            (of(Replica::holds_gpus), of(Replica::is_starting))
        });
        Gate::new(document, wanted, inventory, holders, &starting)
    }

    /// Whether the GPUs that a replica waits for were looked at since it was to start.
    fn has_looked(&self, id: &str) -> bool {
        let look = self.inner().fleet.with(|replicas| replicas.get(id)?.wait.as_ref()?.look);
        look.is_some_and(|ticket| self.inner().gpus.answered(ticket))
    }

    /// What becomes of the wish to start a replica; none where it waits.
    fn admit_one(&self, desired: &Desired, gate: &mut Gate<'_>) -> Option<Action> {
        let id = &desired.id;
        let (wait, phase) = self.inner().fleet.with(|replicas| {
            let replica = replicas.get(id);
            (replica.and_then(|r| r.wait.clone()).unwrap_or_default(), replica.map(|r| r.phase.clone()))
        });
        let gpus = &self.inner().gpus;
        match gate.judge(desired, self.has_looked(id)) {
            Verdict::Start => {
                self.inner().fleet.update_known(id, |replica| replica.wait = None);
                Some(Action::Start)
            }
            Verdict::Fail(reason) => {
                self.inner().fleet.update_known(id, |replica| replica.wait = None);
                let failed = Phase::Failed { reason };
                (phase.as_ref() != Some(&failed)).then_some(Action::Enter(failed))
            }
            Verdict::Wait(reason) => {
                self.hold(id, reason, None, None);
                self.fetch_ahead(desired)
            }
            Verdict::Look(reason) => {
                let look = wait.look.unwrap_or_else(|| gpus.request());
                self.hold(id, reason, Some(look), wait.short_since);
                None
            }
            Verdict::Short(reason) => {
                let now = self.config().clock.now();
                let since = wait.short_since.unwrap_or(now);
                if now.since(since) < PATIENCE {
                    self.hold(id, reason, Some(gpus.request()), Some(since));
                    return self.fetch_ahead(desired);
                }
                let reason = format!("{reason}, for {} s", PATIENCE.as_secs());
                tracing::warn!(replica = id, reason, "engine cannot be started");
                self.inner().fleet.update(id, |replica| {
                    replica.wait = None;
                    replica.last_hash = Some(desired.spec_hash.clone());
                    replica.fail(reason, now);
                });
                None
            }
        }
    }

    /// What waits for its GPUs has its model fetched meanwhile; nothing where that was seen to be here.
    fn fetch_ahead(&self, desired: &Desired) -> Option<Action> {
        let is_here = self.inner().fleet.with(|replicas| {
            replicas.get(&desired.id).is_some_and(|replica| replica.ahead.as_ref() == Some(&desired.spec_hash))
        });
        (!is_here).then_some(Action::Fetch)
    }

    fn hold(&self, id: &str, reason: String, look: Option<Ticket>, short_since: Option<Timestamp>) {
        self.inner().fleet.update(id, |replica| {
            if replica.wait.as_ref().is_none_or(|wait| wait.reason != reason) {
                tracing::info!(replica = id, reason, "engine waits");
            }
            replica.phase = Phase::Pending;
            replica.wait = Some(Wait { reason, look, short_since });
        });
    }

    /// The GPUs of a replica, as it is given them when it starts.
    pub(super) fn devices(&self, desired: &Desired) -> Result<Vec<Device>, String> {
        if desired.engine.gpus.is_empty() {
            return Ok(Vec::new());
        }
        let inventory = self.inner().gpus.current().ok_or("the GPUs of this machine are not known yet")?;
        of_replica(&desired.engine, desired.number, &inventory)
    }

    /// What GPUs there are, as they were read last; none where nobody reads: a single command.
    pub(crate) async fn gpus(&self) -> Option<Arc<Inventory>> {
        self.inner().gpus.known().await
    }

    /// What GPUs there are now; likewise.
    pub(crate) async fn gpus_anew(&self) -> Option<Arc<Inventory>> {
        self.inner().gpus.fresh().await
    }
}

// === impl Replica ===

impl Replica {
    /// Whether it has its GPUs, or gets them now.
    fn holds_gpus(&self) -> bool {
        self.process.is_some() || (!self.is_fetching && matches!(self.phase, Phase::Preparing { .. }))
    }

    /// Whether it is on its way from a start to health: until then it takes memory by and by.
    fn is_starting(&self) -> bool {
        // One that is fetched comes by the gate again once it is there.
        !self.is_fetching && matches!(self.phase, Phase::Preparing { .. } | Phase::Starting { .. })
    }
}

/// The starts of those that `holds` says, and all other actions.
fn split(actions: Vec<(String, Action)>, holds: impl Fn(&str) -> bool) -> (Vec<String>, Vec<(String, Action)>) {
    let (held, rest): (Vec<_>, Vec<_>) =
        actions.into_iter().partition(|(id, action)| *action == Action::Start && holds(id));
    (held.into_iter().map(|(id, _)| id).collect(), rest)
}
