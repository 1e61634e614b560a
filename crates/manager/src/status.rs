use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use spec::{Deployment, ModelType, environment_variables};
use utoipa::ToSchema;

use crate::Manager;
use crate::placement::{Placed, of_names, placed};
use crate::reconciler::{Desired, ReplicaView, desired, other};

/// What a model's name has to have escaped to be one segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A model and how it is served now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ModelStatus {
    /// Public name.
    pub(crate) name: String,
    /// What it does.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub(crate) model_type: ModelType,
    /// Base address for OpenAI clients; a path where the client port's address is not known.
    pub(crate) url: String,
    /// The same for this model alone, with the master key or a direct-route key.
    pub(crate) direct_url: String,
    /// The same without a key; none where the model does not allow it.
    pub(crate) open_url: Option<String>,
    /// How it is as a whole.
    pub(crate) state: ModelState,
    /// Whether its engines were told to be stopped.
    pub(crate) stopped: bool,
    /// Replicas that take requests.
    pub(crate) ready: u32,
    /// The same with those that run from the definition before until they are replaced.
    pub(crate) serving: u32,
    /// Replicas that should.
    pub(crate) replicas: u32,
    /// What serves it.
    pub(crate) deployments: Vec<DeploymentStatus>,
}

/// How a model is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelState {
    /// All replicas take requests.
    Ready,
    /// All do, some from the definition before: they are being replaced.
    Replacing,
    /// Some do, not all.
    Degraded,
    /// None does yet.
    Starting,
    /// None does, and at least one failed.
    Failed,
    /// It was told to be stopped.
    Stopped,
}

/// A deployment and how it is now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct DeploymentStatus {
    /// Lasts through revisions.
    pub(crate) id: String,
    /// Whether it runs here.
    pub(crate) kind: DeploymentKind,
    /// `ready` if any replica is, else the state of the first one.
    pub(crate) state: ReplicaState,
    /// Why a replica is not ready.
    pub(crate) message: Option<String>,
    /// Its instances.
    pub(crate) replicas: Vec<ReplicaStatus>,
    /// Instances that were replaced, or will be once those that take their place serve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) before: Vec<ReplicaStatus>,
    /// Those of both that take requests.
    #[serde(skip)]
    serving: u32,
}

/// Where a deployment runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeploymentKind {
    /// Here, started and supervised by the manager.
    Engine,
    /// Elsewhere.
    Endpoint,
}

/// A replica and how it is now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ReplicaStatus {
    /// `<deployment id>/<number>`; with a `b` behind it in the second place of the replica, which it has where it was
    /// started beside the one before.
    pub(crate) id: String,
    /// How far it is.
    pub(crate) state: ReplicaState,
    /// Where it listens, once it was started.
    pub(crate) address: Option<String>,
    /// Process id, while it runs here.
    pub(crate) pid: Option<u32>,
    /// Name of its container, where it has one.
    pub(crate) container: Option<String>,
    /// How often it was started again since it was last ready for long.
    pub(crate) restarts: u32,
    /// Why it is not ready.
    pub(crate) message: Option<String>,
    /// How far its model is, while that is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) download: Option<DownloadStatus>,
    /// The GPUs that it was given when it started, or would be; none where it asks for none, or for one that is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) placement: Option<Placed>,
    /// The last lines that it printed, where it failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) last_lines: Vec<String>,
}

/// How far a model is that is fetched before an engine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DownloadStatus {
    /// Bytes of it; 0 before that is known.
    pub(crate) bytes: u64,
    /// Bytes that are there.
    pub(crate) bytes_done: u64,
    /// How many come a second.
    pub(crate) bytes_per_second: u64,
    /// Seconds that it takes at that rate, where there is one.
    pub(crate) seconds_left: Option<u64>,
}

/// How far a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplicaState {
    /// It waits to be started.
    Pending,
    /// Its image is pulled.
    Pulling,
    /// Its image is built.
    Building,
    /// Its container is made.
    Creating,
    /// It was started and is not healthy yet.
    Starting,
    /// Its model is fetched: before it starts, or by itself.
    Downloading,
    /// It was started and reads weights.
    LoadingWeights,
    /// It was started and compiles, measures and captures.
    Warming,
    /// It takes requests.
    Ready,
    /// It runs, but does not pass its health checks; it takes no requests.
    Unhealthy,
    /// It ended and is started again after a pause.
    BackingOff,
    /// It cannot be started.
    Failed,
    /// It takes no new requests, and is stopped once it has answered those it has.
    Draining,
    /// It is being stopped.
    Stopping,
    /// It was told to be stopped.
    Stopped,
}

/// A model in short, as jobs show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ModelSummary {
    /// Public name.
    pub(crate) name: String,
    /// `ready` once all replicas are, else the state of the first one that is not.
    pub(crate) state: ReplicaState,
    /// Replicas that take requests.
    pub(crate) ready: u32,
    /// Replicas that should.
    pub(crate) replicas: u32,
    /// Why it is not ready.
    pub(crate) message: Option<String>,
}

// === impl Manager ===

impl Manager {
    /// All models and how they are served now.
    pub(crate) fn models(&self) -> Vec<ModelStatus> {
        let current = self.current();
        let wanted = self.seated(&desired(&current.document, &self.config().env));
        let views = self.inner().fleet.views();
        current.document.models.iter().map(|model| self.model(model, &wanted, &views)).collect()
    }

    /// Those of the models that are named.
    pub(crate) fn models_named(&self, names: &[String]) -> Vec<ModelStatus> {
        let mut all = self.models();
        all.retain(|model| names.contains(&model.name));
        all
    }

    /// Replicas that run here though nothing asks for them.
    pub(crate) fn orphans(&self) -> Vec<ReplicaStatus> {
        let wanted = self.seated(&desired(&self.current().document, &self.config().env));
        let views = self.inner().fleet.views();
        let is_of = |replica: &Desired, id: &str| replica.id == id || other(&replica.id) == id;
        let orphans = views.into_iter().filter(|(id, _)| !wanted.iter().any(|replica| is_of(replica, id)));
        orphans.map(|(id, view)| view.into_status(id)).collect()
    }

    fn model(&self, model: &spec::Model, wanted: &[Desired], views: &BTreeMap<String, ReplicaView>) -> ModelStatus {
        let stopped = self.inner().stopped.holds(&model.name);
        let deployments: Vec<_> =
            model.deployments.iter().map(|d| self.deployment(d, wanted, views, stopped)).collect();
        let replicas = || deployments.iter().flat_map(|deployment| &deployment.replicas);
        let wanted = |deployment: &&DeploymentStatus| !(stopped && deployment.kind == DeploymentKind::Engine);
        let wanted_replicas = deployments.iter().filter(wanted).flat_map(|deployment| &deployment.replicas).count();
        let ready = count(replicas().filter(|replica| replica.state == ReplicaState::Ready));
        let serving = deployments.iter().map(|deployment| deployment.serving).sum();
        let wanted_replicas = u32::try_from(wanted_replicas).unwrap_or(u32::MAX);
        let base = self.config().client_url.as_deref().unwrap_or_default().trim_end_matches('/');
        // One segment of the path, whatever the name holds.
        let name = utf8_percent_encode(&model.name, SEGMENT);
        ModelStatus {
            name: model.name.clone(),
            model_type: model.model_type,
            url: format!("{base}/v1"),
            direct_url: format!("{base}/models/{name}/v1"),
            open_url: model.open_access.then(|| format!("{base}/open/{name}/v1")),
            state: state_of(stopped, (ready, serving), wanted_replicas, &deployments),
            stopped,
            ready,
            serving,
            replicas: wanted_replicas,
            deployments,
        }
    }

    fn deployment(
        &self,
        deployment: &Deployment,
        wanted: &[Desired],
        views: &BTreeMap<String, ReplicaView>,
        stopped: bool,
    ) -> DeploymentStatus {
        let id = deployment.id.clone().unwrap_or_default();
        let (kind, replicas, before) = if let Some(endpoint) = &deployment.endpoint {
            (DeploymentKind::Endpoint, vec![self.endpoint(&id, deployment, &endpoint.url)], Vec::new())
        } else {
            let own: Vec<_> = wanted.iter().filter(|desired| desired.deployment() == id && !desired.kept).collect();
            let replicas = self.place(engine(&own, views, stopped), wanted, views);
            (DeploymentKind::Engine, replicas, before(&own, views))
        };
        let ready = || replicas.iter().filter(|replica| replica.state == ReplicaState::Ready);
        let serving = match kind {
            DeploymentKind::Endpoint => count(ready()),
            DeploymentKind::Engine => serving(wanted, &id, views),
        };
        let any_ready = replicas.iter().find(|replica| replica.state == ReplicaState::Ready);
        let state = any_ready.or(replicas.first()).map_or(ReplicaState::Failed, |replica| replica.state);
        let message = replicas.iter().find_map(|replica| replica.message.clone());
        DeploymentStatus { id, kind, state, message, replicas, before, serving }
    }

    /// With the GPUs that they would be put on, where they do not run.
    fn place(
        &self,
        replicas: Vec<ReplicaStatus>,
        wanted: &[Desired],
        views: &BTreeMap<String, ReplicaView>,
    ) -> Vec<ReplicaStatus> {
        let Some(inventory) = self.inner().gpus.current() else { return replicas };
        let current = self.current();
        let placed = |id: &str| {
            let desired = wanted.iter().find(|desired| desired.id == id)?;
            match views.get(id).and_then(ReplicaView::gpus) {
                // Only which ones is known: an earlier version, or nobody but its container, wrote them down.
                Some(gpus) => Placed::on(&current.document, desired, &of_names(gpus, &inventory).ok()?),
                None => placed(&current.document, desired, &inventory),
            }
        };
        let fill = |replica: ReplicaStatus| match replica.placement {
            Some(_) => replica,
            None => ReplicaStatus { placement: placed(&replica.id), ..replica },
        };
        replicas.into_iter().map(fill).collect()
    }

    fn endpoint(&self, id: &str, deployment: &Deployment, url: &str) -> ReplicaStatus {
        let env = &self.config().env;
        let unset = environment_variables(deployment).into_iter().find(|name| env.get(name).is_none());
        ReplicaStatus {
            id: format!("{id}/0"),
            state: if unset.is_some() { ReplicaState::Failed } else { ReplicaState::Ready },
            address: Some(url.to_owned()),
            pid: None,
            container: None,
            restarts: 0,
            message: unset.map(|name| format!("the environment variable {name} is not set")),
            download: None,
            placement: None,
            last_lines: Vec::new(),
        }
    }
}

// === impl ReplicaState ===

impl ReplicaState {
    /// The word in metrics and answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Pulling => "pulling",
            Self::Building => "building",
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::Downloading => "downloading",
            Self::LoadingWeights => "loading_weights",
            Self::Warming => "warming",
            Self::Ready => "ready",
            Self::Unhealthy => "unhealthy",
            Self::BackingOff => "backing_off",
            Self::Failed => "failed",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

// === impl DownloadStatus ===

impl DownloadStatus {
    /// 0 before anything is known.
    pub(crate) fn percent(&self) -> u64 {
        self.bytes_done.min(self.bytes).saturating_mul(100).checked_div(self.bytes).unwrap_or(0)
    }
}

// === impl ModelStatus ===

impl ModelStatus {
    /// In short.
    pub(crate) fn summary(&self) -> ModelSummary {
        let replicas = || self.deployments.iter().flat_map(|deployment| &deployment.replicas);
        let rests = |state| matches!(state, ReplicaState::Ready | ReplicaState::Stopped);
        let waiting = replicas().find(|replica| !rests(replica.state));
        ModelSummary {
            name: self.name.clone(),
            state: waiting.map_or(ReplicaState::Ready, |replica| replica.state),
            ready: self.ready,
            replicas: self.replicas,
            message: waiting.and_then(|replica| replica.message.clone()),
        }
    }
}

fn engine(own: &[&Desired], views: &BTreeMap<String, ReplicaView>, stopped: bool) -> Vec<ReplicaStatus> {
    own.iter()
        .map(|desired| match views.get(&desired.id) {
            Some(view) => view.clone().wanted_as(desired).into_status(desired.id.clone()),
            None => ReplicaStatus {
                id: desired.id.clone(),
                state: if stopped { ReplicaState::Stopped } else { ReplicaState::Pending },
                address: None,
                pid: None,
                container: None,
                restarts: 0,
                message: None,
                download: None,
                placement: None,
                last_lines: Vec::new(),
            },
        })
        .collect()
}

/// What is in the other places of replicas.
fn before(own: &[&Desired], views: &BTreeMap<String, ReplicaView>) -> Vec<ReplicaStatus> {
    let others = own.iter().map(|desired| other(&desired.id));
    others.filter_map(|id| Some(views.get(&id)?.clone().into_status(id))).collect()
}

/// Replicas that serve, in whichever place and from whatever definition.
fn serving(wanted: &[Desired], deployment: &str, views: &BTreeMap<String, ReplicaView>) -> u32 {
    let own = wanted.iter().filter(|desired| desired.deployment() == deployment && !desired.kept);
    let serves = |id: &str| views.get(id).is_some_and(ReplicaView::serves);
    count(own.filter(|desired| serves(&desired.id) || serves(&other(&desired.id))))
}

fn state_of(stopped: bool, (ready, serving): (u32, u32), wanted: u32, deployments: &[DeploymentStatus]) -> ModelState {
    let failed = |replica: &ReplicaStatus| matches!(replica.state, ReplicaState::Failed | ReplicaState::BackingOff);
    match (ready, wanted) {
        (_, 0) if stopped => ModelState::Stopped,
        (ready, wanted) if ready > 0 && ready >= wanted => ModelState::Ready,
        _ if serving > 0 && serving >= wanted => ModelState::Replacing,
        _ if serving > 0 => ModelState::Degraded,
        _ if deployments.iter().flat_map(|deployment| &deployment.replicas).any(failed) => ModelState::Failed,
        _ => ModelState::Starting,
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> u32 {
    u32::try_from(things.count()).unwrap_or(u32::MAX)
}
