use ambient::Timestamp;
use runtime::{Handle, Listener};
use snapshot::Address;

use super::Desired;
use super::probe::Probe;
use crate::status::{ReplicaState, ReplicaStatus};

/// What is known of one replica.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    /// How far it is.
    pub(super) phase: Phase,
    /// What was started and not yet cleared away.
    pub(super) process: Option<Process>,
    /// How that ended; none while it runs.
    pub(super) ended: Option<String>,
    /// What its health checks said.
    pub(super) probe: Probe,
    /// What was started last.
    pub(super) last_hash: Option<String>,
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
    },
}

/// A process that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) handle: Handle,
    pub(super) listener: Listener,
    /// What it was started from.
    pub(super) spec_hash: String,
    pub(super) started_at: Timestamp,
}

/// A replica as people see it.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaView {
    state: ReplicaState,
    spec_hash: Option<String>,
    address: Option<String>,
    pid: Option<u32>,
    restarts: u32,
    message: Option<String>,
}

// === impl Replica ===

impl Replica {
    /// Where it takes requests, if it does.
    pub(super) fn address(&self) -> Option<Address> {
        let (Phase::Ready { .. }, Some(process)) = (&self.phase, &self.process) else { return None };
        Some(match &process.listener {
            Listener::Port(port) => Address::Http(format!("127.0.0.1:{port}")),
            Listener::Socket(path) => Address::Unix(path.clone()),
        })
    }

    /// What the process was started from; none where there is none, or it has ended.
    pub(super) fn spec_hash(&self) -> Option<String> {
        self.process.as_ref().filter(|_| self.ended.is_none()).map(|process| process.spec_hash.clone())
    }

    pub(super) fn view(&self) -> ReplicaView {
        let running = self.process.as_ref();
        ReplicaView {
            state: self.phase.state(),
            spec_hash: running.map(|process| process.spec_hash.clone()),
            address: running.map(|process| process.listener.to_string()),
            pid: running.map(|process| pid(&process.handle)),
            restarts: self.restarts,
            message: self.message(),
        }
    }

    fn message(&self) -> Option<String> {
        match &self.phase {
            Phase::BackingOff { until, reason } => Some(format!("{reason}; started again at {until}")),
            Phase::Failed { reason } => Some(reason.clone()),
            Phase::Unhealthy => Some(format!("not healthy: {}", self.probe.fault())),
            Phase::Stopping { failure } => failure.clone(),
            Phase::Starting { .. } if self.probe.is_noted() => Some(self.probe.fault().to_owned()),
            Phase::Pending | Phase::Starting { .. } | Phase::Ready { .. } => None,
        }
    }
}

// === impl Phase ===

impl Phase {
    pub(super) const fn state(&self) -> ReplicaState {
        match self {
            Self::Pending => ReplicaState::Pending,
            Self::Starting { .. } => ReplicaState::Starting,
            Self::Ready { .. } => ReplicaState::Ready,
            Self::Unhealthy => ReplicaState::Unhealthy,
            Self::BackingOff { .. } => ReplicaState::BackingOff,
            Self::Failed { .. } => ReplicaState::Failed,
            Self::Stopping { .. } => ReplicaState::Stopping,
        }
    }
}

// === impl ReplicaView ===

impl ReplicaView {
    /// As a replica of `desired`: one that still runs from an older definition is not what was asked for.
    pub(crate) fn wanted_as(mut self, desired: &Desired) -> Self {
        let is_older = self.spec_hash.as_ref().is_some_and(|hash| *hash != desired.spec_hash);
        if is_older && self.state != ReplicaState::Stopping {
            self.state = ReplicaState::Pending;
            self.message = Some("waits for the engine of the definition before to be stopped".to_owned());
        }
        self
    }

    pub(crate) fn into_status(self, id: String) -> ReplicaStatus {
        let Self { state, spec_hash: _, address, pid, restarts, message } = self;
        ReplicaStatus { id, state, address, pid, restarts, message }
    }
}

fn pid(handle: &Handle) -> u32 {
    match handle {
        Handle::Process(process) => process.pid,
    }
}
