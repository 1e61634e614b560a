use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime::docker::{ContainerLaunch, Gpus, Handle as Container, Volume, label};
use runtime::process::{Placeholders, substitute};
use runtime::{DockerError, Handle, Listener};
use spec::{CONTAINER_PORT, CONTAINER_TEMPLATE, Document};
use tokio_util::sync::CancellationToken;

use super::Desired;
use super::desired::DesiredContainer;
use super::launch::{log_file, resolve};
use super::places::SECOND;
use super::record::Record;
use super::replica::{Phase, Process, Step};
use super::template;
use super::turns::Turn;
use crate::Manager;
use crate::placement::{Device, Placed, fitted, share};

/// Where the Hugging Face cache is in a container.
const CACHE: &str = "/root/.cache/huggingface";
/// Pause after the daemon went away in the middle.
const AGAIN: Duration = Duration::from_secs(1);
/// Looks for the address of a container that was just started, and the pause between them.
const LOOKS: (u32, Duration) = (50, Duration::from_millis(100));

/// A container that runs.
struct Made {
    process: Process,
    /// Whether it ran before: an earlier manager made it and was killed before it could say so.
    adopted: bool,
}

/// Id of a container that runs, and the UUIDs of its GPUs where its labels tell.
type LeftBehind = (String, Option<Vec<String>>);

/// A container cannot be made now.
pub(super) enum Obstacle {
    /// The daemon is away: it is waited for.
    Away(DockerError),
    /// It failed, for this reason.
    Failed(String),
}

// === impl Manager ===

impl Manager {
    /// Makes and starts the container of a replica, in a task of its own: an image may have to be pulled first.
    pub(super) fn prepare(&self, desired: Desired, container: Arc<DesiredContainer>) {
        let restarts = self.begin_start(&desired);
        let abandon = CancellationToken::new();
        self.inner().fleet.update(&desired.id, |replica| {
            replica.phase = Phase::Preparing { step: Step::Creating };
            replica.preparation = Some(abandon.clone());
        });
        let (manager, turn) = (self.clone(), self.inner().turns.take());
        self.spawn(async move {
            let made = abandon.run_until_cancelled(manager.make(&desired, &container, restarts, &turn)).await;
            drop(turn);
            manager.prepared(&desired, made).await;
        });
    }

    async fn prepared(&self, desired: &Desired, made: Option<Result<Made, String>>) {
        if !matches!(made, Some(Ok(_))) {
            // What was made half is in nobody's way; what cannot be removed now, the next look finds.
            let _ = self.clear_name(&container_name(desired)).await;
            self.forget(&desired.id).await;
        }
        let now = self.config().clock.now();
        if let Some(Err(reason)) = &made {
            tracing::warn!(replica = desired.id, reason, "container cannot be started");
        }
        let started = self.inner().fleet.update(&desired.id, |replica| {
            replica.preparation = None;
            match made {
                Some(Ok(Made { process, adopted })) => {
                    replica.phase = Phase::Starting { since: now };
                    replica.process = Some(process.clone());
                    replica.adopted = adopted;
                    return Some((process.handle, adopted));
                }
                Some(Err(reason)) => replica.fail(reason, now),
                None => replica.phase = Phase::Pending,
            }
            None
        });
        match started {
            Some((Handle::Docker(container), true)) => self.copy_on(&desired.id, container),
            Some((Handle::Docker(container), false)) => self.copy_log(&desired.id, container, None),
            _ => {}
        }
        self.inner().nudge.notify_one();
    }

    async fn make(
        &self,
        desired: &Desired,
        container: &DesiredContainer,
        restarts: u32,
        turn: &Turn,
    ) -> Result<Made, String> {
        loop {
            self.await_docker(&desired.id).await;
            match self.try_make(desired, container, restarts, turn).await {
                Ok(made) => return Ok(made),
                Err(Obstacle::Failed(reason)) => return Err(reason),
                Err(Obstacle::Away(error)) => {
                    self.step(&desired.id, Step::Waiting { reason: error.to_string() });
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Waits until the daemon has told what runs: before, an engine could be started twice.
    async fn await_docker(&self, id: &str) {
        let mut state = self.inner().docker.subscribe();
        loop {
            match state.borrow_and_update().waiting() {
                None => return,
                Some(reason) => self.step(id, Step::Waiting { reason }),
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    }

    async fn try_make(
        &self,
        desired: &Desired,
        container: &DesiredContainer,
        restarts: u32,
        turn: &Turn,
    ) -> Result<Made, Obstacle> {
        let gpus = self.devices(desired).map_err(Obstacle::Failed)?;
        let mut launch = self.container_launch(desired, container, &gpus).map_err(Obstacle::Failed)?;
        let docker = self.runtimes().docker();
        launch.image = self.ensure_image(&desired.id, &container.container.image, turn).await?;
        self.see_entrypoint(&launch).await?;
        self.step(&desired.id, Step::Creating);
        turn.wait().await;
        docker.ensure_network(&launch.network).await?;
        let found = self.left_behind(desired, &launch.name).await?;
        let adopted = found.is_some();
        let started_at = self.config().clock.now();
        let log_file = log_file(&self.config().home, &desired.id);
        let log_start = std::fs::metadata(&log_file).map_or(0, |metadata| metadata.len());
        let (id, had) = if let Some(found) = found { found } else { (self.create(&launch).await?, None) };
        let address = self.await_address(&id, &launch.network).await?;
        let listener = Listener::Address(SocketAddr::new(address, CONTAINER_PORT));
        let handle = Handle::Docker(Container { container: id, name: launch.name, log_file, log_start });
        let placed = Placed::on(&self.current().document, desired, &gpus);
        let mut record = Record::intent(desired, listener.clone(), started_at, restarts, placed);
        // One that ran before may have others: which ones there are can have changed since.
        if let Some(had) = had.filter(|had| record.gpus.as_ref() != Some(had)) {
            (record.gpus, record.placed) = (Some(had), None);
        }
        record.handle = Some(handle.clone());
        self.put(&record).await;
        tracing::info!(replica = desired.id, %listener, adopted, "container started");
        let Record { gpus, placed, source, serves, .. } = record;
        let spec_hash = desired.spec_hash.clone();
        let process = Process { handle, listener, spec_hash, started_at, gpus, placed, source, serves };
        Ok(Made { process, adopted })
    }

    /// A new container, started; its id.
    async fn create(&self, launch: &ContainerLaunch) -> Result<String, DockerError> {
        let docker = self.runtimes().docker();
        self.clear_name(&launch.name).await?;
        let id = docker.create(launch).await?;
        docker.start(&id).await?;
        Ok(id)
    }

    /// An image that starts nothing would take the first of its arguments for a program.
    async fn see_entrypoint(&self, launch: &ContainerLaunch) -> Result<(), DockerError> {
        if !launch.entrypoint.is_empty() {
            return Ok(());
        }
        match self.runtimes().docker().image(&launch.image).await? {
            Some(image) if image.entrypoint.is_empty() => {
                Err(DockerError::NoEngine { image: launch.image.clone(), message: "it has no entry point".to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// The running container that an earlier manager made of the same definition, if there is one, and the GPUs that it got.
    async fn left_behind(&self, desired: &Desired, name: &str) -> Result<Option<LeftBehind>, DockerError> {
        let docker = self.runtimes().docker();
        let Some((id, labels)) = docker.labels_of(name).await? else { return Ok(None) };
        let says = |name: &str, value: &str| labels.get(name).is_some_and(|said| said == value);
        let is_same = says(label::INSTANCE, &self.inner().instance) && says(label::SPEC, &desired.spec_hash);
        let runs = is_same && docker.ended(&id).await?.is_none();
        let gpus = labels.get(label::GPUS).map(|said| gpus_of_label(said));
        Ok(runs.then_some((id, gpus)))
    }

    /// Makes the name free if one of our own has it: an earlier manager was killed before it could say so. That of
    /// anybody else stays.
    async fn clear_name(&self, name: &str) -> Result<(), DockerError> {
        let docker = self.runtimes().docker();
        let Some((id, labels)) = docker.labels_of(name).await? else { return Ok(()) };
        let instance = labels.get(label::INSTANCE).is_some_and(|instance| *instance == self.inner().instance);
        if !instance {
            return Err(DockerError::NameTaken { name: name.to_owned() });
        }
        docker.stop(&id, Duration::ZERO).await
    }

    /// A container gets its address with its start, a moment later on a busy machine. One that ends at once has none;
    /// then any will do, for the next look sees the end.
    async fn await_address(&self, id: &str, network: &str) -> Result<IpAddr, Obstacle> {
        let docker = self.runtimes().docker();
        let (looks, pause) = LOOKS;
        for _ in 0..looks {
            if let Some(address) = docker.address(id, network).await? {
                return Ok(address);
            }
            if docker.ended(id).await?.is_some() {
                return Ok(IpAddr::from([0, 0, 0, 0]));
            }
            tokio::time::sleep(pause).await;
        }
        Err(Obstacle::Failed(format!("its container got no address in the network {network}")))
    }

    pub(super) fn step(&self, id: &str, step: Step) {
        self.inner().fleet.update_known(id, |replica| {
            if let Phase::Preparing { step: current } = &mut replica.phase {
                *current = step;
            }
        });
    }

    fn container_launch(
        &self,
        desired: &Desired,
        container: &DesiredContainer,
        gpus: &[Device],
    ) -> Result<ContainerLaunch, String> {
        let (config, made) = (self.config(), &container.container);
        let source = resolve(&config.env, &desired.engine.source)?;
        let mut volumes = self.volumes(&source, container)?;
        let template = template::write(&config.home, &desired.engine)?;
        volumes.extend(template.as_ref().map(|path| Volume {
            source: path.display().to_string(),
            target: CONTAINER_TEMPLATE.to_owned(),
            read_only: true,
        }));
        let mut env =
            BTreeMap::from([("HF_HUB_OFFLINE", "1"), ("HF_HOME", CACHE)].map(|(n, v)| (n.to_owned(), v.to_owned())));
        for (name, value) in &made.env {
            env.insert(name.clone(), resolve(&config.env, value)?);
        }
        let listener = Listener::Port(CONTAINER_PORT);
        let values = Placeholders {
            source: &source,
            name: &desired.model,
            listener: &listener,
            chat_template: template.as_ref().map(|_| CONTAINER_TEMPLATE),
        };
        let fill = |words: &[String]| substitute(words, &values).map_err(|error| error.to_string());
        let (entrypoint, args) = match made.command.split_first() {
            None => {
                let resolved = |word: &String| if *word == desired.engine.source { &source } else { word }.clone();
                let mut args: Vec<_> = made.args.iter().map(resolved).collect();
                add_machine_args(&mut args, machine_args(&self.current().document, desired, gpus));
                (Vec::new(), args)
            }
            Some((program, rest)) => {
                let words: Vec<_> = rest.iter().chain(&made.args).cloned().collect();
                (fill(std::slice::from_ref(program))?, fill(&words)?)
            }
        };
        Ok(ContainerLaunch {
            name: container_name(desired),
            // Known once it is here.
            image: String::new(),
            entrypoint,
            args,
            env,
            labels: self.labels(desired, container, gpus),
            gpus: requested(gpus),
            network: container.common.network.clone(),
            port: CONTAINER_PORT,
            host_port: container.host_port,
            volumes,
            cpus: desired.engine.cpus,
            memory_bytes: desired.engine.memory_bytes,
            shm_bytes: container.common.shm_bytes,
            log_bytes: container.common.log_bytes,
            log_files: container.common.log_files,
        })
    }

    fn labels(&self, desired: &Desired, container: &DesiredContainer, gpus: &[Device]) -> BTreeMap<String, String> {
        let number = desired.number.to_string();
        let gpus: Vec<_> = gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
        let gpus = gpus.join(",");
        let labels = [
            (label::MANAGED_BY, label::MANAGER),
            (label::INSTANCE, &self.inner().instance),
            (label::DEPLOYMENT, desired.deployment()),
            (label::MODEL_NAME, &desired.model),
            (label::MODEL_TYPE, container.model_type.as_str()),
            (label::REPLICA, &number),
            (label::SPEC, &desired.spec_hash),
            (label::GPUS, &gpus),
        ];
        let place = desired.is_second().then_some((label::PLACE, SECOND));
        labels.into_iter().chain(place).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The shared cache, and the source itself where it is a folder.
    fn volumes(&self, source: &str, container: &DesiredContainer) -> Result<Vec<Volume>, String> {
        let mut volumes = vec![self.cache_volume(container)?];
        if source.starts_with('/') {
            if !Path::new(source).exists() {
                return Err(format!("the source {source} is not there"));
            }
            volumes.push(Volume { source: source.to_owned(), target: source.to_owned(), read_only: true });
        }
        Ok(volumes)
    }

    /// Of a folder only that with the models: beside it lies the token of who logged in.
    fn cache_volume(&self, container: &DesiredContainer) -> Result<Volume, String> {
        let volume = |source, target| Ok(Volume { source, target, read_only: false });
        match container.common.cache.as_deref() {
            Some(name) if !name.starts_with('/') => volume(name.to_owned(), CACHE.to_owned()),
            folder => {
                let cache = self.container_cache(folder)?;
                let made = std::fs::create_dir_all(&cache);
                made.map_err(|error| format!("cannot make the cache {}: {error}", cache.display()))?;
                volume(cache.display().to_string(), format!("{CACHE}/hub"))
            }
        }
    }

    /// Where the models of containers lie.
    pub(super) fn container_cache(&self, folder: Option<&str>) -> Result<PathBuf, String> {
        match folder {
            Some(folder) => Ok(Path::new(folder).join("hub")),
            None => Ok(self.hub_settings().map_err(|error| error.to_string())?.cache),
        }
    }
}

// === impl Obstacle ===

impl From<DockerError> for Obstacle {
    fn from(error: DockerError) -> Self {
        if error.is_away() { Self::Away(error) } else { Self::Failed(error.to_string()) }
    }
}

/// Arguments that only the machine tells.
pub(super) fn machine_args(document: &Document, desired: &Desired, gpus: &[Device]) -> Vec<String> {
    let (unified, words) = (&document.defaults.unified_memory, desired.words());
    fitted(&desired.engine, &words, gpus, share(&desired.engine, &words, gpus, unified), unified)
}

/// Puts them behind the source, and in front of all that says more.
pub(super) fn add_machine_args(args: &mut Vec<String>, added: Vec<String>) {
    let place = 1.min(args.len());
    args.splice(place..place, added);
}

/// The UUIDs that a label tells.
pub(super) fn gpus_of_label(text: &str) -> Vec<String> {
    text.split(',').filter(|uuid| !uuid.is_empty()).map(str::to_owned).collect()
}

/// By UUID, so that a container keeps its GPUs whatever their numbers become.
fn requested(gpus: &[Device]) -> Gpus {
    match gpus {
        [] => Gpus::None,
        gpus => Gpus::Named(gpus.iter().map(|gpu| gpu.uuid.clone()).collect()),
    }
}

/// The name of a replica's container: lasts as the deployment does.
pub(super) fn container_name(desired: &Desired) -> String {
    name_of(&desired.id)
}

pub(super) fn name_of(id: &str) -> String {
    format!("enginehouse-{}", id.replace('/', "-"))
}
