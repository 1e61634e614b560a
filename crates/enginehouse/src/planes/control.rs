use std::net::SocketAddr;
use std::time::Duration;

use ambient::{Clock, Rng};
use manager::{
    Addresses, Environment, Holder, HomeError, Manager, ManagerConfig, OpenError, Opened, PostgresUrl, StoreCause,
};
use snapshot::{Publisher, link};
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{AdminPort, Given};
use crate::fault_points;
use crate::lifecycle::Lifecycle;

/// How long a start waits for a command that works on the home.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two tries.
const POLL: Duration = Duration::from_millis(50);
/// Between two tries to reach a database server that is away, and how many of them pass between two lines in the log.
const AWAY_POLL: Duration = Duration::from_secs(1);
const AWAY_QUIET: u32 = 30;

/// What the manager is opened with.
pub(super) struct ControlStart {
    pub(super) home: manager::Home,
    /// None keeps the store in the home.
    pub(super) database: Option<PostgresUrl>,
    /// Where clients connect.
    pub(super) client: SocketAddr,
    /// Where administrators connect.
    pub(super) admin: SocketAddr,
    pub(super) given: Given,
    pub(super) publisher: Publisher,
}

/// The manager, running.
#[derive(Debug)]
pub(super) struct ControlPlane {
    manager: Manager,
    /// Ends what the manager does by itself; later than the ports, because books are drained until the last request.
    end: CancellationToken,
    background: JoinHandle<()>,
    /// Where all of it runs.
    rest: Handle,
}

// === impl ControlPlane ===

impl ControlPlane {
    /// Serves the admin API on its port and on the control socket, and lets the manager work.
    pub(super) fn start(
        manager: Manager,
        home: &manager::Home,
        admin: AdminPort,
        lifecycle: &Lifecycle,
        rest: Handle,
    ) -> anyhow::Result<Self> {
        // What is spawned from here on, and waits for sockets, does so there.
        let entered = rest.enter();
        let (tasks, soft) = (&lifecycle.tasks, &lifecycle.soft);
        let control = UnixListener::from_std(home.bind_control()?)?;
        tasks.spawn(server("control socket", manager.clone(), soft.clone(), async move |manager, cancel| {
            manager.serve_control(control, cancel).await
        }));
        tasks.spawn(server("admin port", manager.clone(), soft.clone(), async move |manager, cancel| {
            manager.serve_admin(admin.listener, admin.networks, cancel).await
        }));
        let end = CancellationToken::new();
        let background = tokio::spawn({
            let (manager, end) = (manager.clone(), end.clone());
            async move { manager.run(end).await }
        });
        drop(entered);
        Ok(Self { manager, end, background, rest })
    }

    /// Lets gateways in other processes connect.
    pub(super) fn serve_gateways(
        &self,
        home: &manager::Home,
        publisher: Publisher,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<()> {
        let _entered = self.rest.enter();
        let listener = UnixListener::from_std(home.bind_gateway()?)?;
        let store_fault = follow(self.manager.store_health(), |health| health.trouble.clone());
        lifecycle.tasks.spawn(link::serve(listener, publisher, store_fault, lifecycle.soft.clone()));
        Ok(())
    }

    pub(super) async fn end(self, stop_engines: bool) {
        self.end.cancel();
        if self.background.await.is_err() {
            tracing::error!("the manager's work broke off; see above");
        }
        let manager = self.manager;
        if self.rest.spawn(async move { manager.shutdown(stop_engines).await }).await.is_err() {
            tracing::error!("the manager's end broke off; see above");
        }
    }
}

/// Opens the manager; a command that works on the home just now is waited for, another service is not. A database server
/// that is away is waited for until the service is to stop: both may have been started by the same reboot.
pub(super) async fn open(start: ControlStart, soft: CancellationToken, rest: &Handle) -> Result<Opened, OpenError> {
    let there = rest.clone();
    match rest.spawn_blocking(move || there.block_on(open_here(start, soft))).await {
        Ok(opened) => opened,
        // The task is never cancelled, so it panicked: here, as if it had been awaited directly.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn open_here(start: ControlStart, soft: CancellationToken) -> Result<Opened, OpenError> {
    let give_up = Instant::now() + PATIENCE;
    let mut waits = false;
    let mut tries = 0;
    loop {
        match Manager::open(manager_config(&start)).await {
            Err(OpenError::Home(HomeError::InUse { holder: Holder::Command | Holder::Unknown, pid, .. }))
                if Instant::now() < give_up && !soft.is_cancelled() =>
            {
                if !waits {
                    tracing::info!(pid, "a command works on this home; waiting for its end");
                    waits = true;
                }
                sleep(POLL).await;
            }
            Err(OpenError::Store(error)) if error.cause == StoreCause::Away && !soft.is_cancelled() => {
                if tries % AWAY_QUIET == 0 {
                    tracing::warn!(%error, "the store cannot be opened yet; trying again until it can");
                }
                tries += 1;
                soft.run_until_cancelled(sleep(AWAY_POLL)).await;
            }
            opened => return opened,
        }
    }
}

fn manager_config(start: &ControlStart) -> ManagerConfig {
    ManagerConfig {
        home: start.home.clone(),
        database: start.database.clone(),
        clock: Clock::system(),
        rng: Rng::system(),
        env: Environment::new(|name| std::env::var(name).ok()),
        master_key: start.given.master_key.clone(),
        admin_password: start.given.admin_password.clone(),
        make_secrets: true,
        admin_is_exposed: !start.admin.ip().is_loopback(),
        publisher: Some(start.publisher.clone()),
        secret_keys: start.given.secret_keys.clone(),
        addresses: Addresses { client: start.client, admin: start.admin },
        client_url: Some(format!("http://{}", start.client)),
        fault_points: fault_points::from_environment(),
    }
}

/// Runs one of the manager's servers; one that ends before it is told to is worth a line.
async fn server(
    what: &'static str,
    manager: Manager,
    cancel: CancellationToken,
    serve: impl AsyncFnOnce(&Manager, CancellationToken) -> std::io::Result<()>,
) {
    if let Err(error) = serve(&manager, cancel).await {
        tracing::error!(%error, "the {what} is not served any more");
    }
}

/// What is wrong with the store, as readiness shows it.
pub(super) fn troubles(manager: &Manager) -> watch::Receiver<Vec<String>> {
    follow(manager.store_health(), |health| health.trouble.iter().map(|trouble| format!("store: {trouble}")).collect())
}

/// What `of` makes of what is watched.
fn follow<A, B>(mut watched: watch::Receiver<A>, of: impl Fn(&A) -> B + Send + 'static) -> watch::Receiver<B>
where
    A: Send + Sync + 'static,
    B: Default + Send + Sync + 'static,
{
    let (sender, receiver) = watch::channel(B::default());
    tokio::spawn(async move {
        loop {
            sender.send_replace(of(&watched.borrow_and_update()));
            if watched.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}
