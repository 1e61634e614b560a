use std::fmt::Write as _;

use ambient::Timestamp;
use runtime::docker::Pulled;
use runtime::{Handle, Listener, Progress, Stage};
use snapshot::Address;
use tokio_util::sync::CancellationToken;

use super::Desired;
use super::admit::Wait;
use super::decide::UNHEALTHY;
use super::look::Looked;
use super::probe::Probe;
use super::record::Source;
use super::served::Served;
use crate::placement::Placed;
use crate::status::{DownloadStatus, ReplicaState, ReplicaStatus};

/// What is known of one replica.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Replica {
    /// How far it is.
    pub(super) phase: Phase,
    /// What was started and not yet cleared away.
    pub(super) process: Option<Process>,
    /// How that ended; none while it runs.
    pub(super) ended: Option<String>,
    /// The last lines that it printed before it ended, or failed to start.
    pub(super) last_lines: Vec<String>,
    /// How far it is with its start, by its own log.
    pub(super) progress: Option<Progress>,
    /// Whether what is prepared is its model, and no GPU is needed yet.
    pub(super) is_fetching: bool,
    /// What its start waits for.
    pub(super) wait: Option<Wait>,
    /// Whether it was told to be started anew.
    pub(super) restart: bool,
    /// Whether it was told to be replaced by another one of the same definition.
    pub(super) replace: bool,
    /// Whether an earlier manager started it: gateways may know it from that.
    pub(super) adopted: bool,
    /// Gives up what prepares its container.
    pub(super) preparation: Option<CancellationToken>,
    /// What its health checks said.
    pub(super) probe: Probe,
    /// Whether the gateways have it, once it is ready.
    pub(super) served: Served,
    /// What was started last.
    pub(super) last_hash: Option<String>,
    /// What the model was fetched for: it is not asked for again.
    pub(super) fetched: Option<String>,
    /// What the model was seen to be here for, before it could be started.
    pub(super) ahead: Option<String>,
    /// What a look at its model saw that took longer than a pass waits.
    pub(super) look: Option<Looked>,
    /// How often it was started again since it was last ready for long.
    pub(super) restarts: u32,
    /// How often it failed since the manager was opened.
    pub(super) failures: u32,
}

/// How far a replica is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Phase {
    /// Nothing runs, and nothing stands in the way of a start.
    #[default]
    Pending,
    /// Its container is being made.
    Preparing {
        /// What that is about at the moment.
        step: Step,
    },
    /// It was started, or adopted, and has not been healthy since.
    Starting {
        /// When.
        since: Timestamp,
    },
    /// It takes requests.
    Ready {
        /// When it became so.
        since: Timestamp,
    },
    /// It runs and does not pass its health checks.
    Unhealthy,
    /// It failed and is started again later.
    BackingOff {
        /// When.
        until: Timestamp,
        /// Why it failed.
        reason: String,
    },
    /// It cannot be started.
    Failed {
        /// Why.
        reason: String,
    },
    /// It is being stopped, or cleared away after its end.
    Stopping {
        /// Why it failed, if it is started again only after a pause.
        failure: Option<String>,
        /// Whether requests that it works on are waited for.
        drains: bool,
    },
}

/// What happens before a container runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Docker is waited for.
    Waiting {
        /// Why.
        reason: String,
    },
    /// The image is pulled.
    Pulling {
        /// Which.
        image: String,
        /// How far.
        pulled: Pulled,
    },
    /// The image is built.
    Building {
        /// Of what, and how far that is.
        what: String,
    },
    /// The model is fetched from the Hub.
    Downloading {
        /// Its name there.
        model: String,
        /// How far.
        progress: hub::Progress,
    },
    /// The container is made and started.
    Creating,
}

/// A process that was started.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Process {
    pub(super) handle: Handle,
    pub(super) listener: Listener,
    /// What it was started from.
    pub(super) spec_hash: String,
    pub(super) started_at: Timestamp,
    /// GPUs that it was given, by UUID, or as earlier versions wrote them down: by the names in its definition. None where
    /// nobody did.
    pub(super) gpus: Option<Vec<String>>,
    /// What these are, and how much of them it takes; likewise.
    pub(super) placed: Option<Placed>,
    /// Where its model comes from; likewise.
    pub(super) source: Option<Source>,
    /// Type and name under which it answers; none where nobody wrote them down.
    pub(super) serves: Option<String>,
}

/// A replica as people see it.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaView {
    state: ReplicaState,
    spec_hash: Option<String>,
    address: Option<String>,
    pid: Option<u32>,
    container: Option<String>,
    gpus: Option<Vec<String>>,
    placed: Option<Placed>,
    restarts: u32,
    message: Option<String>,
    download: Option<DownloadStatus>,
    last_lines: Vec<String>,
    serves: bool,
}

// === impl Replica ===

impl Replica {
    /// Where it takes requests, if it does.
    pub(super) fn address(&self) -> Option<Address> {
        let (Phase::Ready { .. }, Some(process)) = (&self.phase, &self.process) else { return None };
        Some(match &process.listener {
            Listener::Port(port) => Address::Http(format!("127.0.0.1:{port}")),
            Listener::Address(address) => Address::Http(address.to_string()),
            Listener::Socket(path) => Address::Unix(path.clone()),
        })
    }

    /// What the process was started from; none where there is none, or it has ended.
    pub(super) fn spec_hash(&self) -> Option<String> {
        self.process.as_ref().filter(|_| self.ended.is_none()).map(|process| process.spec_hash.clone())
    }

    /// Whether something of it is there: it runs, starts or ends.
    pub(super) const fn is_there(&self) -> bool {
        self.process.is_some() || matches!(self.phase, Phase::Preparing { .. } | Phase::Stopping { .. })
    }

    /// Whether it takes requests, and gateways know.
    pub(super) fn serves(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. }) && self.served == Served::Yes && self.ended.is_none()
    }

    /// Whether it takes requests, as far as is known: one that was adopted may, until its health checks say otherwise.
    pub(super) fn may_serve(&self) -> bool {
        let may = match self.phase {
            Phase::Ready { .. } => true,
            Phase::Starting { .. } => self.adopted && self.probe.failures() < UNHEALTHY,
            _ => false,
        };
        may && self.ended.is_none() && self.process.is_some()
    }

    /// Whether it is, was or becomes what is desired, and not to be replaced.
    pub(super) fn is_of(&self, desired: &Desired) -> bool {
        let hash = self.process.as_ref().map(|process| &process.spec_hash).or(self.last_hash.as_ref());
        !self.replace && hash == Some(&desired.spec_hash)
    }

    /// Whether it takes requests, as far as is known, and can answer those for what is desired.
    pub(super) fn stands_in_for(&self, desired: &Desired) -> bool {
        let serves = self.process.as_ref().and_then(|process| process.serves.as_deref());
        self.may_serve() && serves == Some(&*desired.serves)
    }

    /// GPUs that it holds, by UUID where those were written down; none where nobody knows.
    pub(super) fn gpus(&self) -> Option<&[String]> {
        self.process.as_ref()?.gpus.as_deref()
    }

    pub(super) fn view(&self) -> ReplicaView {
        let running = self.process.as_ref();
        ReplicaView {
            state: self.state(),
            spec_hash: running.map(|process| process.spec_hash.clone()),
            address: running.map(|process| process.listener.to_string()),
            pid: running.and_then(|process| pid(&process.handle)),
            container: running.and_then(|process| Some(process.handle.as_container()?.name.clone())),
            gpus: running.and_then(|process| process.gpus.clone()),
            placed: running.and_then(|process| process.placed.clone()),
            restarts: self.restarts,
            message: self.message(),
            download: self.download(),
            last_lines: if self.is_down() { self.last_lines.clone() } else { Vec::new() },
            serves: self.serves(),
        }
    }

    fn download(&self) -> Option<DownloadStatus> {
        let Phase::Preparing { step: Step::Downloading { progress, .. } } = &self.phase else { return None };
        Some(DownloadStatus {
            bytes: progress.bytes,
            bytes_done: progress.bytes_done,
            bytes_per_second: progress.bytes_per_second,
            seconds_left: progress.seconds_left,
        })
    }

    const fn is_down(&self) -> bool {
        matches!(self.phase, Phase::BackingOff { .. } | Phase::Failed { .. })
    }

    fn state(&self) -> ReplicaState {
        // Ready is told once a request that follows is answered.
        if matches!(self.phase, Phase::Ready { .. }) && self.served != Served::Yes {
            return ReplicaState::Warming;
        }
        match (&self.phase, self.progress.map(|progress| progress.stage)) {
            (Phase::Starting { .. }, Some(Stage::Downloading)) => ReplicaState::Downloading,
            (Phase::Starting { .. }, Some(Stage::Loading)) => ReplicaState::LoadingWeights,
            (Phase::Starting { .. }, Some(Stage::Warming)) => ReplicaState::Warming,
            (phase, _) => phase.state(),
        }
    }

    fn message(&self) -> Option<String> {
        match &self.phase {
            Phase::BackingOff { until, reason } => Some(format!("{reason}; started again at {until}")),
            Phase::Failed { reason } => Some(reason.clone()),
            Phase::Unhealthy => Some(format!("not healthy: {}", self.probe.fault())),
            Phase::Stopping { failure, .. } => failure.clone(),
            Phase::Preparing { step } => step.message(),
            Phase::Starting { .. } if self.progress.is_some_and(|progress| progress.percent.is_some()) => {
                self.progress.and_then(|progress| Some(format!("{} %", progress.percent?)))
            }
            Phase::Starting { .. } if self.probe.is_noted() => Some(self.probe.fault().to_owned()),
            Phase::Ready { .. } if self.served != Served::Yes => {
                Some("healthy; the gateways take its address over".to_owned())
            }
            Phase::Pending => self.wait.as_ref().map(|wait| wait.reason.clone()),
            Phase::Starting { .. } | Phase::Ready { .. } => None,
        }
    }
}

// === impl Phase ===

impl Phase {
    pub(super) const fn state(&self) -> ReplicaState {
        match self {
            Self::Pending | Self::Preparing { step: Step::Waiting { .. } } => ReplicaState::Pending,
            Self::Preparing { step: Step::Pulling { .. } } => ReplicaState::Pulling,
            Self::Preparing { step: Step::Building { .. } } => ReplicaState::Building,
            Self::Preparing { step: Step::Creating } => ReplicaState::Creating,
            Self::Preparing { step: Step::Downloading { .. } } => ReplicaState::Downloading,
            Self::Starting { .. } => ReplicaState::Starting,
            Self::Ready { .. } => ReplicaState::Ready,
            Self::Unhealthy => ReplicaState::Unhealthy,
            Self::BackingOff { .. } => ReplicaState::BackingOff,
            Self::Failed { .. } => ReplicaState::Failed,
            Self::Stopping { drains: true, .. } => ReplicaState::Draining,
            Self::Stopping { drains: false, .. } => ReplicaState::Stopping,
        }
    }
}

// === impl Step ===

impl Step {
    fn message(&self) -> Option<String> {
        match self {
            Self::Waiting { reason } => Some(reason.clone()),
            Self::Pulling { image, pulled } if pulled.total > 0 => {
                let (done, all) = (pulled.bytes >> 20, pulled.total >> 20);
                Some(format!("{image}: {done} of {all} MiB so far"))
            }
            Self::Pulling { image, .. } => Some(image.clone()),
            Self::Downloading { model, progress } => Some(downloaded(model, progress)),
            Self::Building { what } => Some(what.clone()),
            Self::Creating => None,
        }
    }
}

// === impl ReplicaView ===

impl ReplicaView {
    /// As a replica of `desired`: one that still runs from an older definition is not what was asked for.
    pub(crate) fn wanted_as(mut self, desired: &Desired) -> Self {
        let is_older = self.spec_hash.as_ref().is_some_and(|hash| *hash != desired.spec_hash);
        if is_older && !matches!(self.state, ReplicaState::Stopping | ReplicaState::Draining) {
            self.state = ReplicaState::Pending;
            let waits = "waits for the engine of the definition before to be stopped".to_owned();
            self.message = Some(desired.waits.clone().unwrap_or(waits));
        }
        self
    }

    /// GPUs that it has; none where it runs on none that anybody wrote down.
    pub(crate) fn gpus(&self) -> Option<&[String]> {
        self.gpus.as_deref()
    }

    /// Whether it takes requests, from whatever definition.
    pub(crate) const fn serves(&self) -> bool {
        self.serves
    }

    pub(crate) fn into_status(self, id: String) -> ReplicaStatus {
        ReplicaStatus {
            id,
            state: self.state,
            address: self.address,
            pid: self.pid,
            container: self.container,
            restarts: self.restarts,
            message: self.message,
            download: self.download,
            placement: self.placed,
            last_lines: self.last_lines,
        }
    }
}

fn pid(handle: &Handle) -> Option<u32> {
    match handle {
        Handle::Process(process) => Some(process.pid),
        Handle::Docker(_) => None,
    }
}

/// As `Qwen/Qwen3-8B: 6712 of 15623 MiB, 118 MiB/s, 76 s left`.
fn downloaded(model: &str, progress: &hub::Progress) -> String {
    let mebibytes = |bytes: u64| bytes >> 20;
    if progress.bytes == 0 {
        return format!("{model}: the Hub is asked for it");
    }
    let mut text = format!("{model}: {} of {} MiB", mebibytes(progress.bytes_done), mebibytes(progress.bytes));
    if progress.bytes_per_second > 0 {
        let _ = write!(text, ", {} MiB/s", mebibytes(progress.bytes_per_second));
    }
    if let Some(left) = progress.seconds_left {
        let _ = write!(text, ", {left} s left");
    }
    text
}
