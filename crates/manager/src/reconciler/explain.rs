use std::collections::BTreeMap;

use hardware::Inventory;
use serde::Serialize;
use spec::Document;
use utoipa::ToSchema;

use super::decide::{Action, Decision, judge};
use super::desired::gpus_of;
use super::prepare::{add_machine_args, machine_args};
use super::replica::{Phase, Replica, ReplicaView};
use super::{Desired, desired};
use crate::Manager;
use crate::placement::{Placed, Verdict, of_replica, placed};
use crate::status::ReplicaState;

/// Characters of the hash of a definition that tell it from others.
const HASH: usize = 12;

/// What a pass of the reconciler would make of a replica now, and why.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ReplicaPlan {
    /// `<deployment id>/<number>`; with a `b` behind it in the second place of the replica.
    id: String,
    /// What is observed; none where nothing of it is there.
    observed: Option<Observed>,
    /// What is wanted; none where nothing asks for it.
    wanted: Option<Wanted>,
    /// What the pass does.
    action: PlannedAction,
    /// Why, in words.
    why: String,
}

/// What there is of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Observed {
    /// How far it is.
    state: ReplicaState,
    /// What is to be said of that.
    message: Option<String>,
    /// Where it listens.
    address: Option<String>,
    /// Beginning of the hash of the definition that it runs from.
    definition: Option<String>,
    /// UUIDs of the GPUs that it was given; none where nobody wrote them down.
    gpus: Option<Vec<String>>,
}

/// What there should be of a replica.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct Wanted {
    /// The image of its container; none for a process.
    image: Option<String>,
    /// What it runs, before anything is filled in; empty where the image knows.
    command: Vec<String>,
    /// Arguments behind that.
    args: Vec<String>,
    /// Its GPUs, as the definition names them.
    gpus: Vec<String>,
    /// What these are on this machine, and how much of them it takes; none where it asks for none, or for one that is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    placement: Option<Placed>,
    /// Beginning of the hash of its definition.
    definition: String,
}

/// What a pass does with a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PlannedAction {
    /// It leaves it as it is.
    Nothing,
    /// It starts it.
    Start,
    /// It would start it, and waits for its GPUs; its model is fetched meanwhile.
    Wait,
    /// It takes it from the gateways, lets it answer what it has, and ends it.
    Stop,
    /// It clears it away after a failure; it is started again after a pause.
    CleanUp,
    /// It gives up making its container.
    Abandon,
    /// It lets gateways send requests to it.
    Publish,
    /// It takes it from the gateways and lets it run.
    Withdraw,
    /// It notes that it cannot be started.
    Fail,
    /// It forgets it: nothing of it is left.
    Forget,
}

/// What comes next for a replica.
#[derive(Clone, Copy)]
struct Next<'a> {
    /// What a pass decides.
    decision: Option<&'a Decision>,
    /// What the gate makes of that, if it is a start on GPUs.
    gate: Option<&'a Verdict>,
    machine: &'a Machine<'a>,
}

/// Where it would happen.
struct Machine<'a> {
    document: &'a Document,
    inventory: Option<&'a Inventory>,
}

// === impl Machine ===

impl Machine<'_> {
    fn placed(&self, desired: &Desired) -> Option<Placed> {
        placed(self.document, desired, self.inventory?)
    }

    fn args(&self, desired: &Desired) -> Vec<String> {
        let devices = self.inventory.and_then(|known| of_replica(&desired.engine, desired.number, known).ok());
        machine_args(self.document, desired, &devices.unwrap_or_default())
    }
}

// === impl Manager ===

impl Manager {
    /// What the next pass makes of the replicas of a model; none if there is no such model.
    pub(crate) fn explain(&self, model: &str) -> Option<Vec<ReplicaPlan>> {
        let current = self.current();
        let known = current.document.models.iter().find(|known| known.name == model)?;
        let all = self.seated(&desired(&current.document, &self.config().env));
        let wanted = self.wanted();
        let is_own = |deployment: &str| known.deployments.iter().any(|own| own.id.as_deref() == Some(deployment));
        let now = self.config().clock.now();
        let decisions: BTreeMap<String, Decision> = self.inner().fleet.with(|replicas| {
            judge(&wanted, replicas, now).into_iter().map(|(id, decision)| (id.to_owned(), decision)).collect()
        });
        let starts = decisions.iter().filter(|(_, decision)| decision.action == Some(Action::Start));
        let starts: Vec<_> = starts.map(|(id, _)| id.clone()).collect();
        let gate = self.foresee(&wanted, &starts);
        let inventory = self.inner().gpus.current();
        let machine = Machine { document: &current.document, inventory: inventory.as_deref() };
        let next = |id: &str| Next { decision: decisions.get(id), gate: gate.get(id), machine: &machine };
        let plans = self.inner().fleet.with(|replicas| {
            let of_model = all.iter().filter(|desired| &*desired.model == model);
            let mut plans: Vec<_> = of_model.map(|desired| plan(desired, replicas, next(&desired.id))).collect();
            let is_listed = |id: &str| all.iter().any(|desired| desired.id == id);
            for (id, replica) in replicas.iter().filter(|(id, _)| !is_listed(id)) {
                if id.rsplit_once('/').is_some_and(|(deployment, _)| is_own(deployment)) {
                    plans.push(ReplicaPlan::of(id, Some(replica), None, next(id)));
                }
            }
            plans
        });
        Some(plans)
    }
}

fn plan(desired: &Desired, replicas: &BTreeMap<String, Replica>, next: Next<'_>) -> ReplicaPlan {
    ReplicaPlan::of(&desired.id, replicas.get(&desired.id), Some(desired), next)
}

// === impl Next ===

impl Next<'_> {
    /// Without a decision, there is nothing to decide: nothing runs, and its model is stopped.
    fn told(self) -> (PlannedAction, String) {
        let Some(decision) = self.decision else {
            return (PlannedAction::Nothing, "its model is stopped; `enginehouse model start` starts it".to_owned());
        };
        match self.gate {
            Some(Verdict::Wait(why) | Verdict::Look(why) | Verdict::Short(why)) => (PlannedAction::Wait, why.clone()),
            Some(Verdict::Fail(why)) => (PlannedAction::Fail, format!("it cannot be started: {why}")),
            Some(Verdict::Start) | None => {
                (PlannedAction::of(decision.action.as_ref()), decision.why.clone().into_owned())
            }
        }
    }
}

// === impl ReplicaPlan ===

impl ReplicaPlan {
    fn of(id: &str, replica: Option<&Replica>, desired: Option<&Desired>, next: Next<'_>) -> Self {
        let (action, why) = next.told();
        let wanted = desired.map(|desired| Wanted::of(desired, next.machine));
        Self { id: id.to_owned(), observed: replica.map(Observed::of), wanted, action, why }
    }
}

// === impl Observed ===

impl Observed {
    fn of(replica: &Replica) -> Self {
        let view: ReplicaView = replica.view();
        let status = view.into_status(String::new());
        Self {
            state: status.state,
            message: status.message,
            address: status.address,
            definition: replica.spec_hash().map(short),
            gpus: replica.gpus().map(<[String]>::to_vec),
        }
    }
}

// === impl Wanted ===

impl Wanted {
    /// With what the machine adds, where its GPUs are known.
    fn of(desired: &Desired, machine: &Machine<'_>) -> Self {
        let container = desired.container.as_ref().map(|container| &container.container);
        let engine = &desired.engine;
        let mut args = container.map_or_else(|| engine.args.clone(), |container| container.args.clone());
        if container.is_some() && engine.command.is_empty() {
            add_machine_args(&mut args, machine.args(desired));
        }
        Self {
            image: container.map(|container| container.image.to_string()),
            command: engine.command.clone(),
            args,
            placement: machine.placed(desired),
            gpus: gpus_of(engine, desired.number).iter().map(ToString::to_string).collect(),
            definition: short(desired.spec_hash.clone()),
        }
    }
}

// === impl PlannedAction ===

impl PlannedAction {
    const fn of(action: Option<&Action>) -> Self {
        match action {
            None => Self::Nothing,
            Some(Action::Start) => Self::Start,
            Some(Action::Fetch) => Self::Wait,
            Some(Action::Stop { failure: None }) => Self::Stop,
            Some(Action::Stop { failure: Some(_) }) => Self::CleanUp,
            Some(Action::Abandon) => Self::Abandon,
            Some(Action::Enter(Phase::Ready { .. })) => Self::Publish,
            Some(Action::Enter(Phase::Unhealthy)) => Self::Withdraw,
            Some(Action::Enter(_)) => Self::Fail,
            Some(Action::Forget) => Self::Forget,
        }
    }
}

fn short(mut hash: String) -> String {
    hash.truncate(HASH);
    hash
}
