//! What comes back after a start, step by step, in the order in which one needs the other: what is desired, GPUs, Docker, its
//! network, images, models, the gateways. Nothing is done here: it is told how far those are who do it, and looked whether GPUs and networks are there.

use std::collections::BTreeSet;

use ambient::Timestamp;
use serde::Serialize;
use spec::Runtime;
use utoipa::ToSchema;

use crate::Manager;
use crate::reconciler::DockerState;
use crate::status::{ModelState, ModelStatus, ReplicaState, ReplicaStatus};

mod gpus;
mod network;

/// One thing that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct RestoreStep {
    /// Which: `state`, `gpus`, `docker`, `network`, `images`, `model` or `gateway`.
    #[serde(rename = "step")]
    pub(crate) what: &'static str,
    /// Name of the model, for a `model`.
    pub(crate) name: Option<String>,
    /// How far it is.
    pub(crate) state: StepState,
    /// What there is to say of it.
    pub(crate) message: Option<String>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepState {
    /// Something before it is not there yet.
    Waiting,
    /// It comes.
    Running,
    /// It is there.
    Done,
    /// Nothing needs it.
    Skipped,
    /// It does not come by itself; what stands in the way is in the message. It is tried again all the same.
    Failed,
}

/// How far the state before is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Restoration {
    /// When this manager was opened.
    pub(crate) began_at: String,
    /// When all of it was back; null before.
    pub(crate) done_at: Option<String>,
    /// Whether any step has failed.
    pub(crate) failed: bool,
    /// In the order in which one needs the other.
    pub(crate) steps: Vec<RestoreStep>,
}

// === impl StepState ===

impl StepState {
    const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

// === impl RestoreStep ===

impl RestoreStep {
    fn new(what: &'static str, state: StepState, message: impl Into<Option<String>>) -> Self {
        Self { what, name: None, state, message: message.into() }
    }

    /// What tells it from the others.
    pub(crate) fn id(&self) -> String {
        self.name.as_ref().map_or_else(|| self.what.to_owned(), |name| format!("{}/{name}", self.what))
    }

    fn of_model(model: &ModelStatus) -> Self {
        let replicas = || model.deployments.iter().flat_map(|deployment| &deployment.replicas);
        let waiting = replicas().find(|replica| !matches!(replica.state, ReplicaState::Ready | ReplicaState::Stopped));
        let why = waiting.map(|replica| {
            let message = replica.message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("{}/{} ready, {}{message}", model.ready, model.replicas, replica.state.as_str())
        });
        let (state, message) = match model.state {
            ModelState::Ready => (StepState::Done, None),
            ModelState::Stopped => (StepState::Skipped, Some("it was stopped".to_owned())),
            _ if replicas().any(is_down) => (StepState::Failed, why),
            ModelState::Degraded | ModelState::Replacing | ModelState::Starting | ModelState::Failed => {
                (StepState::Running, why)
            }
        };
        Self { name: Some(model.name.clone()), ..Self::new("model", state, message) }
    }
}

// === impl Manager ===

impl Manager {
    /// How far the state before is back.
    pub(crate) async fn restoration(&self) -> Restoration {
        if matches!(*self.inner().docker.borrow(), DockerState::Here) {
            self.look_for_networks().await;
        }
        let steps = self.steps();
        Restoration {
            began_at: self.started_at().to_string(),
            done_at: (*self.inner().restored.read()).map(|at: Timestamp| at.to_string()),
            failed: steps.iter().any(|step| step.state == StepState::Failed),
            steps,
        }
    }

    /// Notes once that all is back.
    pub(crate) fn note_restored(&self, steps: &[RestoreStep]) {
        if self.inner().restored.read().is_none() && steps.iter().all(|step| step.state.is_over()) {
            let now = self.config().clock.now();
            *self.inner().restored.write() = Some(now);
            tracing::info!(steps = steps.len(), "everything is back as it was");
        }
    }

    pub(crate) fn steps(&self) -> Vec<RestoreStep> {
        let (wanted, models) = (self.wanted(), self.models());
        let replicas: Vec<_> =
            models.iter().flat_map(|model| &model.deployments).flat_map(|deployment| &deployment.replicas).collect();
        let contained = |replica: &&&ReplicaStatus| {
            wanted.iter().any(|desired| desired.id == replica.id && desired.engine.runtime == Runtime::Docker)
        };
        let contained: Vec<_> = replicas.iter().filter(contained).copied().collect();
        let mut steps = vec![self.state_step(), self.gpu_step(&wanted)];
        steps.extend(self.docker_steps(&contained, &network::networks(&wanted)));
        steps.extend(models.iter().map(RestoreStep::of_model));
        steps.push(self.gateway_step());
        steps
    }

    fn state_step(&self) -> RestoreStep {
        let current = self.current();
        let count = current.document.models.len();
        let mut said = format!("revision {}, {count} model{}", current.revision, if count == 1 { "" } else { "s" });
        if self.inner().rebuilt.load(std::sync::atomic::Ordering::Relaxed) {
            said += "; rebuilt from config.json, in which there are no keys, teams, accounts and usage: make new keys, or \
                     restore a backup";
        }
        RestoreStep::new("state", StepState::Done, said)
    }

    fn docker_steps(&self, contained: &[&ReplicaStatus], networks: &BTreeSet<String>) -> [RestoreStep; 3] {
        let names = ["docker", "network", "images"];
        if contained.is_empty() {
            return names.map(|name| RestoreStep::new(name, StepState::Skipped, None));
        }
        let docker = match &*self.inner().docker.borrow() {
            DockerState::Here => RestoreStep::new(names[0], StepState::Done, None),
            DockerState::Unknown => RestoreStep::new(names[0], StepState::Running, "it is asked what runs".to_owned()),
            DockerState::Away(why) => RestoreStep::new(names[0], StepState::Failed, why.clone()),
        };
        if docker.state != StepState::Done {
            return [
                docker,
                RestoreStep::new(names[1], StepState::Waiting, None),
                RestoreStep::new(names[2], StepState::Waiting, None),
            ];
        }
        let of = |states: &[ReplicaState]| contained.iter().filter(|replica| states.contains(&replica.state)).count();
        let (pulling, early) = (
            of(&[ReplicaState::Pulling, ReplicaState::Building]),
            of(&[ReplicaState::Pending, ReplicaState::Downloading]),
        );
        let images = match (pulling, early) {
            (0, 0) => RestoreStep::new(names[2], StepState::Done, None),
            (0, count) => RestoreStep::new(names[2], StepState::Waiting, format!("{count} replicas are not that far")),
            (count, _) => RestoreStep::new(names[2], StepState::Running, format!("{count} replicas wait for theirs")),
        };
        [docker, self.network_step(networks), images]
    }

    fn gateway_step(&self) -> RestoreStep {
        let newest = self.inner().outlet.newest_epoch();
        let connected = self.inner().outlet.connected();
        let behind = connected.iter().filter(|gateway| Some(gateway.epoch) < newest).count();
        match (connected.len(), behind) {
            (0, _) => RestoreStep::new("gateway", StepState::Running, "no gateway is connected".to_owned()),
            (_, 0) if newest.is_some() => RestoreStep::new("gateway", StepState::Done, None),
            (_, behind) => {
                RestoreStep::new("gateway", StepState::Running, format!("{behind} of them do not serve it yet"))
            }
        }
    }
}

const fn is_down(replica: &ReplicaStatus) -> bool {
    matches!(replica.state, ReplicaState::Failed | ReplicaState::BackingOff)
}
