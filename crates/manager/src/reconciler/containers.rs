use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use runtime::docker::{Container, Handle as ContainerHandle, State, label};
use runtime::{DockerError, Exit, Handle, Listener};
use spec::CONTAINER_PORT;
use tokio_util::sync::CancellationToken;

use super::launch::log_file;
use super::observe::{describe, last_line};
use super::prepare::name_of;
use super::replica::{Phase, Process, Replica};
use super::served::Served;
use super::{desired, prepare};
use crate::Manager;

/// Between two looks at the containers.
const EVERY: Duration = Duration::from_millis(500);
/// The same where no engine runs in a container, nor should.
const RARELY: Duration = Duration::from_secs(30);
/// Largest exit code that stands for a signal, and what is added to that.
const SIGNALS: std::ops::RangeInclusive<i64> = 129..=159;

/// What is known of the Docker daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DockerState {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It has told what runs.
    Here,
    /// It does not answer.
    Away(String),
}

/// The replicas whose containers were known before a look, by the ids of these.
type Known = HashMap<String, String>;

// === impl DockerState ===

impl DockerState {
    /// What is waited for before a container may be made; none if it may.
    pub(super) fn waiting(&self) -> Option<String> {
        match self {
            Self::Unknown => Some("Docker is asked what runs".to_owned()),
            Self::Here => None,
            Self::Away(reason) => Some(reason.clone()),
        }
    }
}

// === impl Manager ===

impl Manager {
    /// Looks at the containers of this instance again and again, until cancelled.
    pub(crate) async fn watch_containers(&self, cancel: &CancellationToken) {
        let mut is_first = true;
        loop {
            match cancel.run_until_cancelled(self.look_at_containers(is_first)).await {
                None => return,
                Some(has_told) => is_first &= !has_told,
            }
            let pause = if self.needs_docker() { EVERY } else { RARELY };
            let awaited = async {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.until_docker_is_needed(), if pause == RARELY => {}
                }
            };
            if cancel.run_until_cancelled(awaited).await.is_none() {
                return;
            }
        }
    }

    fn needs_docker(&self) -> bool {
        let in_container = |process: &Process| process.handle.as_container().is_some();
        self.inner().fleet.with(|replicas| {
            let mut all = replicas.values();
            all.any(|replica| {
                matches!(replica.phase, Phase::Preparing { .. }) || replica.process.as_ref().is_some_and(in_container)
            })
        })
    }

    async fn until_docker_is_needed(&self) {
        while !self.needs_docker() {
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether the daemon told what runs. With the first look, what has ended did so while no manager looked.
    async fn look_at_containers(&self, is_first: bool) -> bool {
        let known = self.known_containers();
        let found = self.runtimes().docker().list(&self.inner().instance).await;
        let state = match &found {
            Ok(_) => DockerState::Here,
            Err(error) => DockerState::Away(error.to_string()),
        };
        let has_told = found.is_ok();
        if let Ok(containers) = found {
            let known = if is_first { self.clear_ended_containers(known, &containers).await } else { known };
            self.judge(&known, containers).await;
        }
        self.tell_docker(state);
        if has_told && self.inner().restored.read().is_none() {
            self.look_for_networks().await;
        }
        has_told
    }

    /// Clears away those that have ended; the others.
    async fn clear_ended_containers(&self, known: Known, found: &[Container]) -> Known {
        let runs = |container: &String| {
            let mut all = found.iter().filter(|found| found.id == *container);
            all.any(|found| matches!(found.state, State::Running | State::Paused))
        };
        let (living, ended): (Known, Known) = known.into_iter().partition(|(container, _)| runs(container));
        self.clear_away(&ended.into_values().collect::<Vec<_>>()).await;
        living
    }

    fn tell_docker(&self, state: DockerState) {
        let needed = self.needs_docker();
        self.inner().docker.send_if_modified(|current| {
            if *current == state {
                return false;
            }
            if let (DockerState::Away(reason), true) = (&state, needed) {
                tracing::warn!(reason, "engines in containers are on their own");
            }
            if let (DockerState::Away(_), DockerState::Here) = (&*current, &state) {
                tracing::info!("Docker answers again");
            }
            *current = state;
            true
        });
    }

    fn known_containers(&self) -> Known {
        self.inner().fleet.with(|replicas| {
            let watched = replicas.iter().filter(|(_, replica)| {
                replica.ended.is_none() && !matches!(replica.phase, Phase::Stopping { .. } | Phase::Preparing { .. })
            });
            watched
                .filter_map(|(id, replica)| {
                    Some((replica.process.as_ref()?.handle.as_container()?.container.clone(), id.clone()))
                })
                .collect()
        })
    }

    async fn judge(&self, known: &Known, containers: Vec<Container>) {
        let mut changed = false;
        let networks = self.networks();
        let found: BTreeMap<_, _> = containers.iter().map(|container| (container.id.as_str(), container)).collect();
        for (container, id) in known {
            changed |= match found.get(container.as_str()) {
                None => self.note_gone(id, container),
                Some(found) => self.tend_container(id, found, networks.get(id)).await,
            };
        }
        for container in containers.iter().filter(|container| !known.contains_key(&container.id)) {
            changed |= self.take_stranger(container).await;
        }
        if changed {
            self.publish();
            self.inner().nudge.notify_one();
        }
    }

    fn note_gone(&self, id: &str, container: &str) -> bool {
        if !self.is_of(id, container) {
            return false;
        }
        self.note_end(id, "its container was removed by somebody else".to_owned(), "");
        true
    }

    /// A container that should run: whether the gateway has to know of a change.
    async fn tend_container(&self, id: &str, found: &Container, network: Option<&String>) -> bool {
        match found.state {
            State::Running => self.tend_running(id, found, network).await,
            State::Paused => {
                tracing::warn!(
                    replica = id,
                    container = found.name,
                    "a container was paused by somebody else; it goes on"
                );
                if let Err(error) = self.runtimes().docker().unpause(&found.id).await {
                    tracing::warn!(replica = id, %error, "a paused container cannot go on");
                }
                false
            }
            State::Created | State::Ended => self.note_ended(id, found).await,
        }
    }

    async fn tend_running(&self, id: &str, found: &Container, network: Option<&String>) -> bool {
        let wanted = name_of(id);
        if found.name != wanted {
            tracing::warn!(replica = id, container = found.name, "a container was renamed by somebody else");
            if let Err(error) = self.runtimes().docker().rename(&found.id, &wanted).await {
                tracing::warn!(replica = id, %error, "a container cannot be given its name back");
            }
        }
        let Some(network) = network else { return false };
        let Some(address) = found.addresses.get(network) else {
            tracing::warn!(
                replica = id,
                container = found.name,
                network,
                "a container is not in its network; it is put back"
            );
            if let Err(error) = self.runtimes().docker().connect_network(network, &found.id).await {
                tracing::warn!(replica = id, %error, "a container cannot be put back into its network");
            }
            return false;
        };
        let listener = Listener::Address(SocketAddr::new(*address, CONTAINER_PORT));
        let moved = self.inner().fleet.update_known(id, |replica| {
            let process = replica.process.as_mut().filter(|process| process.listener != listener)?;
            process.listener = listener.clone();
            replica.served = Served::No;
            Some(())
        });
        if moved.flatten().is_some() {
            tracing::info!(replica = id, %listener, "container has another address");
        }
        moved.flatten().is_some()
    }

    async fn note_ended(&self, id: &str, found: &Container) -> bool {
        let docker = self.runtimes().docker();
        let Ok(Some(ended)) = docker.ended(&found.id).await else { return false };
        let tail = docker.log_tail(&found.id).await.unwrap_or_default();
        let log = log_file(&self.config().home, id);
        let end = match (&ended.error, ended.out_of_memory) {
            (_, true) => format!(
                "ended: out of the machine's own memory (not the GPU's), the kernel killed it (log: {})",
                log.display()
            ),
            (Some(error), false) => format!("ended: {error}"),
            (None, false) => {
                self.never_ran(id, ended.code, &tail).unwrap_or_else(|| describe(exit(ended.code), &tail, &log))
            }
        };
        if !self.is_of(id, &found.id) {
            return false;
        }
        self.note_end(id, end, &tail);
        true
    }

    /// Why an image is no engine, where what it starts could not be run at all.
    fn never_ran(&self, id: &str, code: i64, tail: &str) -> Option<String> {
        let why = match code {
            126 => "cannot be executed",
            127 => "is not there",
            _ => return None,
        };
        let is_new = |replica: &Replica| matches!(replica.phase, Phase::Starting { .. }) && !replica.adopted;
        if !self.inner().fleet.with(|replicas| replicas.get(id).is_some_and(is_new)) {
            return None;
        }
        let desired = self.wanted().into_iter().find(|desired| desired.id == id && desired.must_be_vllm())?;
        let said = last_line(tail).map(|line| format!(": {line}")).unwrap_or_default();
        let message = format!("it ended with exit code {code}, as where a program {why}{said}");
        Some(DockerError::NoEngine { image: desired.container?.container.image.to_string(), message }.to_string())
    }

    /// One of our own that no replica leads to.
    async fn take_stranger(&self, found: &Container) -> bool {
        let Some(id) = found.replica_id() else { return false };
        let is_busy = self.inner().fleet.with(|replicas| {
            replicas.get(&id).is_some_and(|replica| {
                matches!(replica.phase, Phase::Preparing { .. } | Phase::Stopping { .. })
                    || replica.process.as_ref().is_some_and(|process| is(&process.handle, &found.id))
            })
        });
        if is_busy {
            return false;
        }
        // It may be gone since the look.
        let Ok(ended) = self.runtimes().docker().ended(&found.id).await else { return false };
        let has_other =
            self.inner().fleet.with(|replicas| replicas.get(&id).is_some_and(|replica| replica.process.is_some()));
        if ended.is_none() && !has_other {
            return self.adopt_container(&id, found);
        }
        tracing::warn!(replica = id, container = found.name, "removing a container that no replica needs");
        if let Err(error) = self.runtimes().docker().remove(&found.id).await {
            tracing::warn!(replica = id, %error, "a container cannot be removed");
        }
        false
    }

    fn adopt_container(&self, id: &str, found: &Container) -> bool {
        let spec_hash = found.label(label::SPEC).unwrap_or_default().to_owned();
        let serves = found.label(label::MODEL_TYPE).zip(found.label(label::MODEL_NAME));
        let serves = serves.map(|(model_type, name)| desired::serves(model_type, name));
        let gpus = found.label(label::GPUS).map(prepare::gpus_of_label);
        let address = found.addresses.values().next().copied();
        let Some(address) = address else { return false };
        let listener = Listener::Address(SocketAddr::new(address, CONTAINER_PORT));
        tracing::info!(replica = id, container = found.name, %listener, "adopting a container");
        let (now, log) = (self.config().clock.now(), log_file(&self.config().home, id));
        let log_start = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let handle =
            ContainerHandle { container: found.id.clone(), name: found.name.clone(), log_file: log, log_start };
        self.inner().fleet.update(id, |replica| {
            replica.last_hash = Some(spec_hash.clone());
            let handle = Handle::Docker(handle.clone());
            replica.process = Some(Process {
                handle,
                listener,
                spec_hash,
                started_at: now,
                gpus,
                placed: None,
                source: None,
                serves,
            });
            replica.adopted = true;
            replica.phase = Phase::Starting { since: now };
        });
        self.copy_log(id, handle, Some(now));
        true
    }

    fn is_of(&self, id: &str, container: &str) -> bool {
        self.inner().fleet.with(|replicas| {
            let process = replicas.get(id).and_then(|replica| replica.process.as_ref());
            process.is_some_and(|process| is(&process.handle, container))
        })
    }

    /// The networks of all replicas that something asks for, by id.
    fn networks(&self) -> BTreeMap<String, String> {
        let wanted = self.wanted().into_iter();
        wanted.filter_map(|desired| Some((desired.id, desired.container?.common.network.clone()))).collect()
    }
}

fn is(handle: &Handle, container: &str) -> bool {
    handle.as_container().is_some_and(|handle| handle.container == container)
}

/// Shells and Docker add 128 to the signal that ended a program.
fn exit(code: i64) -> Exit {
    if SIGNALS.contains(&code) {
        return Exit::Signal(i32::try_from(code - 128).unwrap_or_default());
    }
    Exit::Code(i32::try_from(code).unwrap_or(i32::MAX))
}
