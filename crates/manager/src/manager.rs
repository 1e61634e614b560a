use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::Timestamp;
use ledger::drain::DrainStatus;
use parking_lot::{Mutex, RwLock};
use runtime::Runtimes;
use snapshot::{Secret, SecretKeyError};
use store::{AuditFilter, Store};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::{self, AccountTable, First, Logins};
use crate::apply::{ApplyTurn, Verification, projection};
use crate::current::{Current, UnreadableRevision};
use crate::edit_lock::EditLock;
use crate::events::Events;
use crate::fault_points::FaultPoint;
use crate::fit::Shapes;
use crate::home::{Holder, HomeLock};
use crate::housekeeping::Housekeeping;
use crate::hub::Pulls;
use crate::images::ImageTasks;
use crate::jobs::Jobs;
use crate::keys::KeyTable;
use crate::open_routes::OpenRoutes;
use crate::passwords::{self, Passwords};
use crate::publish::Outlet;
use crate::reconciler::{DockerState, Fleet, LOOKS_AT_ONCE, Record, Turns};
use crate::rendered::EngineTargets;
use crate::sessions::SessionTable;
use crate::stopped::Stopped;
use crate::teams::TeamTable;
use crate::tokens::TokenTable;
use crate::vault::Vault;
use crate::{
    AdminPasswordError, HomeError, ImportError, ManagerConfig, MasterKeyError, StoreHealth, backup, master_key,
};

mod reread;
mod run;
mod serve;

/// Where Docker listens, as its own programs are told.
const DOCKER_HOST: &str = "DOCKER_HOST";

/// The control plane of one home. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Manager(Arc<Inner>);

/// A manager just opened.
#[derive(Debug)]
pub struct Opened {
    /// The manager.
    pub manager: Manager,
    /// What was made just now: the only time that it can be shown.
    pub made: Made,
}

/// Secrets that were made at the first start. Each lies in its file of the home since before it was taken: whoever shows it
/// removes that.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// The master key.
    pub master_key: Option<Secret>,
    /// The password of the account `admin`.
    pub admin_password: Option<Secret>,
}

/// A manager cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A restore into it was cut off.
    #[error(transparent)]
    Unfinished(#[from] backup::Unfinished),
    /// There is no usable master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// There is no usable password of an administrator.
    #[error(transparent)]
    AdminPassword(#[from] AdminPasswordError),
    /// What seals credentials cannot be read.
    #[error(transparent)]
    SecretKey(#[from] SecretKeyError),
    /// What applies cannot be read.
    #[error(transparent)]
    Revision(#[from] UnreadableRevision),
    /// The projection of an empty store cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
}

#[derive(Debug)]
pub(crate) struct Inner {
    config: ManagerConfig,
    store: Store,
    started_at: Timestamp,
    current: RwLock<Arc<Current>>,
    pub(crate) passwords: Passwords,
    pub(crate) accounts: AccountTable,
    pub(crate) logins: Logins,
    pub(crate) sessions: SessionTable,
    pub(crate) tokens: TokenTable,
    pub(crate) keys: KeyTable,
    pub(crate) teams: TeamTable,
    pub(crate) open_routes: OpenRoutes,
    pub(crate) stopped: Stopped,
    pub(crate) housekeeping: Housekeeping,
    pub(crate) outlet: Outlet,
    pub(crate) fleet: Fleet,
    runtimes: Runtimes,
    /// What GPUs there are.
    pub(crate) gpus: hardware::Sampler,
    /// What tells the containers of this home from those of others.
    pub(crate) instance: String,
    /// What is known of Docker.
    pub(crate) docker: watch::Sender<DockerState>,
    /// Networks of containers that the daemon was seen to have.
    pub(crate) networks: RwLock<BTreeSet<String>>,
    /// Places of looks at models that are to start.
    pub(crate) looks: Semaphore,
    /// In which order containers are made.
    pub(crate) turns: Turns,
    pub(crate) verification: Verification,
    pub(crate) apply_turn: ApplyTurn,
    edit_lock: EditLock,
    pub(crate) jobs: Jobs,
    pub(crate) pulls: Pulls,
    /// What is known of models that are not here.
    pub(crate) shapes: Shapes,
    pub(crate) image_tasks: ImageTasks,
    /// What Prometheus was told of engines last.
    pub(crate) engine_targets: EngineTargets,
    pub(crate) events: Events,
    /// Asks for a pass of the reconciler.
    pub(crate) nudge: Notify,
    /// Engines that an earlier manager recorded; none once this one runs and has adopted them.
    recorded: Mutex<Option<Vec<Record>>>,
    drain: watch::Sender<DrainStatus>,
    health: watch::Sender<StoreHealth>,
    running: AtomicBool,
    /// Whether the store was empty and made anew from the projection.
    pub(crate) rebuilt: AtomicBool,
    /// When all that should run did for the first time.
    pub(crate) restored: RwLock<Option<Timestamp>>,
    /// Ends answers that would go on for ever: the service takes no new work.
    closing: CancellationToken,
    /// Ends what was spawned.
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Released last: while anything of this manager lives, no other one may use the home.
    _lock: HomeLock,
}

// === impl Manager ===

impl Manager {
    /// Takes the home for itself and reads what is stored. Nothing runs yet: a one-shot command can use
    /// [`router`](Self::router) right away; a service calls [`run`](Self::run).
    pub async fn open(mut config: ManagerConfig) -> Result<Opened, OpenError> {
        // One without a gateway serves a single command.
        let holder = if config.publisher.is_some() { Holder::Serve } else { Holder::Command };
        let lock = config.home.lock(holder)?;
        check_given(&config)?;
        let vault = Vault::open(config.home.secret_key(), config.secret_keys.take())?;
        config.env = config.env.clone().with_vault(vault);
        backup::settle(&config.home, config.database.as_ref()).await?;
        config.home.check_store(config.database.is_some())?;
        let store = Store::open_at(&config.location()).await?;
        // Files of the home that a single command does not work on may be meant all the same: a service decides.
        if config.database.is_some() && (holder == Holder::Serve || !config.home.has_store_files()) {
            config.home.set_store_elsewhere()?;
        }
        let passwords = Passwords::new(config.rng.clone());
        let (accounts, admin_password) = accounts::settle(&store, &passwords, &first_account(&config)).await?;
        let given = config.master_key.as_ref();
        let master =
            master_key::settle(&store, &config.rng, given, config.make_secrets.then_some(&config.home)).await?;
        config.fault_points.reach(FaultPoint::SecretsMade);
        let inner = Inner {
            started_at: config.clock.now(),
            current: RwLock::new(Arc::new(read_current(&store).await?)),
            passwords,
            accounts: AccountTable::new(accounts),
            logins: Logins::new(),
            sessions: SessionTable::new(store.sessions().list().await?),
            tokens: TokenTable::new(store.tokens().list().await?),
            keys: KeyTable::new(store.keys().list().await?),
            teams: TeamTable::new(store.teams().list().await?),
            open_routes: OpenRoutes::read(&store).await?,
            stopped: Stopped::read(&store).await?,
            housekeeping: Housekeeping::read(&store).await?,
            outlet: Outlet::new(config.publisher.take(), master.hash),
            fleet: Fleet::default(),
            runtimes: Runtimes::new(config.env.get(DOCKER_HOST)),
            gpus: hardware::Sampler::new(probe(&config)),
            instance: config.home.instance(projection::read_instance(&config.home), &config.rng)?,
            docker: watch::Sender::default(),
            networks: RwLock::default(),
            looks: Semaphore::new(LOOKS_AT_ONCE),
            turns: Turns::default(),
            verification: Verification::default(),
            apply_turn: ApplyTurn::default(),
            edit_lock: EditLock::read(&store).await?,
            jobs: Jobs::default(),
            pulls: Pulls::default(),
            shapes: Shapes::default(),
            image_tasks: ImageTasks::default(),
            engine_targets: EngineTargets::default(),
            events: Events::new(newest_audited(&store).await?),
            nudge: Notify::new(),
            recorded: Mutex::new(Some(config.home.records()?)),
            drain: watch::Sender::new(DrainStatus::default()),
            health: watch::Sender::new(StoreHealth::default()),
            running: AtomicBool::new(false),
            rebuilt: AtomicBool::new(false),
            restored: RwLock::new(None),
            closing: CancellationToken::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            _lock: lock,
            config,
            store,
        };
        let manager = Self(Arc::new(inner));
        manager.settle_projection().await?;
        if manager.0.outlet.has_gateway() {
            manager.announce_unverified().await?;
        } else {
            manager.drain_leftovers().await;
        }
        Ok(Opened { manager, made: Made { master_key: master.made, admin_password } })
    }

    /// Whether the store can be written; changes as it does, while [`run`](Self::run) runs.
    pub fn store_health(&self) -> watch::Receiver<StoreHealth> {
        self.0.health.subscribe()
    }

    /// How far the books of the gateway are in the store, while [`run`](Self::run) runs.
    pub fn drain_status(&self) -> watch::Receiver<DrainStatus> {
        self.0.drain.subscribe()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Where engines run.
    pub(crate) fn runtimes(&self) -> &Runtimes {
        &self.0.runtimes
    }

    pub(crate) fn config(&self) -> &ManagerConfig {
        &self.0.config
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn edit_lock(&self) -> &EditLock {
        &self.0.edit_lock
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// The revision that applies.
    pub(crate) fn current(&self) -> Arc<Current> {
        self.0.current.read().clone()
    }

    pub(crate) fn set_current(&self, current: Current) {
        *self.0.current.write() = Arc::new(current);
    }

    /// Whether engines are supervised: not so in a one-shot command.
    pub(crate) fn runs(&self) -> bool {
        self.0.outlet.has_gateway() || self.0.running.load(Ordering::Relaxed)
    }

    /// Cancelled when the service takes no new work.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Runs a task that ends with the manager.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(async move { stop.run_until_cancelled(task).await });
    }

    /// Cancels what was spawned, and no more.
    #[cfg(test)]
    pub(crate) fn abandon(&self) {
        self.0.stop.cancel();
    }

    /// Runs a change to its end, also when the caller goes away meanwhile: what is committed must be published.
    pub(crate) async fn finish<T: Send + 'static>(&self, change: impl Future<Output = T> + Send + 'static) -> T {
        match self.0.tasks.spawn(change).await {
            Ok(done) => done,
            // The task is never cancelled, so it panicked: here, as if it had been awaited directly.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Before anything is made of them: what refuses a start must leave nothing behind that nobody was shown.
fn check_given(config: &ManagerConfig) -> Result<(), OpenError> {
    config.master_key.as_ref().map_or(Ok(()), master_key::check)?;
    config.admin_password.as_ref().map_or(Ok(()), passwords::check).map_err(AdminPasswordError::from)?;
    Ok(())
}

/// Drivers are asked as the environment says.
fn probe(config: &ManagerConfig) -> hardware::Probe {
    hardware::Probe::new(|name| config.env.get(name), config.clock.clone())
}

fn first_account(config: &ManagerConfig) -> First<'_> {
    First {
        home: &config.home,
        given: config.admin_password.as_ref(),
        make: config.make_secrets,
        required: config.admin_is_exposed,
        now: config.clock.now(),
    }
}

/// The newest row of the audit; 0 before the first.
async fn newest_audited(store: &Store) -> store::Result<u64> {
    let newest = store.audit().find(&AuditFilter::default(), 1).await?;
    Ok(newest.first().map_or(0, |row| row.id))
}

async fn read_current(store: &Store) -> Result<Current, OpenError> {
    match store.revisions().latest().await? {
        Some(revision) => Ok(Current::from_store(revision, store.revisions().models().await?)?),
        None => Ok(Current::default()),
    }
}
