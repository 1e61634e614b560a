//! The two planes in one process, wired: what `serve` and `demo` have in common.

use std::net::SocketAddr;
use std::time::Duration;

use ambient::{Clock, Rng};
use anyhow::Context as _;
use gateway::{Gateway, GatewayConfig};
use ledger::{Books, Recovered};
use manager::{Environment, Holder, HomeError, Manager, ManagerConfig, OpenError, Opened, StoreHealth};
use snapshot::{Publisher, Secret, Subscriber};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::home::Home;
use crate::lifecycle::Lifecycle;

/// How long a start waits for a command that works on the home.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two tries.
const POLL: Duration = Duration::from_millis(50);

/// What the planes are started with. Ports are bound already.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) home: Home,
    pub(crate) client: TcpListener,
    pub(crate) admin: TcpListener,
    /// From the environment; none leaves it to the manager.
    pub(crate) master_key: Option<Secret>,
    /// Shows or keeps a master key that was made just now. Called before anything else can fail: it is the only time.
    pub(crate) hand_over_master_key: fn(&Home, &Secret) -> anyhow::Result<()>,
}

/// Both planes, running.
#[derive(Debug)]
pub(crate) struct Planes {
    /// Where clients connect.
    pub(crate) client: SocketAddr,
    /// Where administrators connect.
    pub(crate) admin: SocketAddr,
    /// The master key, if it was made just now.
    pub(crate) made_master_key: Option<Secret>,
    manager: Manager,
    /// Ends what the manager does by itself; later than the ports, because books are drained until the last request.
    end: CancellationToken,
    background: JoinHandle<()>,
    /// The gateway's following of snapshots and its probes.
    following: AbortHandle,
}

// === impl Planes ===

impl Planes {
    /// Opens the home and runs both planes until `lifecycle` says otherwise.
    pub(crate) async fn start(start: Start, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let (client, admin) = (start.client.local_addr()?, start.admin.local_addr()?);
        let home = manager::Home::create(start.home.path())?;
        let (opened, subscriber) = open_manager(&home, start.master_key.as_ref(), client, &lifecycle.soft).await?;
        if let Some(key) = &opened.made_master_key {
            (start.hand_over_master_key)(&start.home, key)?;
        }
        let manager = opened.manager;
        let (books, recovered) = open_books(&home)?;
        let gateway = Gateway::new(GatewayConfig {
            books,
            recovered,
            clock: Clock::system(),
            rng: Rng::system(),
            management_socket: Some(home.control_socket()),
            store_fault: store_fault(manager.store_health()),
        });
        let following = tokio::spawn(gateway.clone().follow(subscriber)).abort_handle();

        let (tasks, soft) = (&lifecycle.tasks, &lifecycle.soft);
        tasks.spawn(gateway.serve(start.client, soft.clone()));
        let control = UnixListener::from_std(home.bind_control()?)?;
        tasks.spawn(server("control socket", manager.clone(), soft.clone(), async move |manager, cancel| {
            manager.serve_control(control, cancel).await
        }));
        tasks.spawn(server("admin port", manager.clone(), soft.clone(), async move |manager, cancel| {
            manager.serve_admin(start.admin, cancel).await
        }));
        let end = CancellationToken::new();
        let background = tokio::spawn({
            let (manager, end) = (manager.clone(), end.clone());
            async move { manager.run(end).await }
        });
        Ok(Self { client, admin, made_master_key: opened.made_master_key, manager, end, background, following })
    }

    /// Ends the manager, and the engines too if `stop_engines`; else they run on and are adopted by the next start.
    pub(crate) async fn end(self, stop_engines: bool) {
        // Engines that are stopped on purpose need not be found missing.
        self.following.abort();
        self.end.cancel();
        if self.background.await.is_err() {
            tracing::error!("the manager's work broke off; see above");
        }
        self.manager.shutdown(stop_engines).await;
    }
}

/// Opens the manager; a command that works on the home just now is waited for, another service is not.
async fn open_manager(
    home: &manager::Home,
    master_key: Option<&Secret>,
    client: SocketAddr,
    soft: &CancellationToken,
) -> Result<(Opened, Subscriber), OpenError> {
    let give_up = Instant::now() + PATIENCE;
    let mut waits = false;
    loop {
        let (publisher, subscriber) = snapshot::channel();
        match Manager::open(manager_config(home, master_key, publisher, client)).await {
            Err(OpenError::Home(HomeError::InUse { holder: Holder::Command | Holder::Unknown, pid, .. }))
                if Instant::now() < give_up && !soft.is_cancelled() =>
            {
                if !waits {
                    tracing::info!(pid, "a command works on this home; waiting for its end");
                    waits = true;
                }
                sleep(POLL).await;
            }
            opened => return Ok((opened?, subscriber)),
        }
    }
}

fn manager_config(
    home: &manager::Home,
    master_key: Option<&Secret>,
    publisher: Publisher,
    client: SocketAddr,
) -> ManagerConfig {
    ManagerConfig {
        home: home.clone(),
        clock: Clock::system(),
        rng: Rng::system(),
        env: Environment::new(|name| std::env::var(name).ok()),
        master_key: master_key.cloned(),
        make_master_key: true,
        publisher: Some(publisher),
        client_url: Some(format!("http://{client}")),
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

fn open_books(home: &manager::Home) -> anyhow::Result<(Books, Recovered)> {
    let folder = home.gateway_spool();
    let opened = Books::open(&folder, ledger::Options::default(), Clock::system(), &Rng::system());
    let (books, recovered) = opened.with_context(|| format!("the books in {} cannot be opened", folder.display()))?;
    if recovered.interrupted > 0 {
        let requests = recovered.interrupted;
        tracing::warn!(requests, "requests ran when the service died; they are in the books as interrupted");
    }
    for damage in &recovered.damage {
        tracing::error!(?damage, "the spool is damaged there");
    }
    Ok((books, recovered))
}

/// What the gateway's readiness shows of the store's health.
fn store_fault(mut health: watch::Receiver<StoreHealth>) -> watch::Receiver<Option<String>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            sender.send_replace(health.borrow_and_update().trouble.clone());
            if health.changed().await.is_err() {
                return;
            }
        }
    });
    receiver
}
