//! The two planes, wired: both in one process, as `serve` and `demo` run them, or each in its own.

use std::net::SocketAddr;

use ambient::Rng;
use manager::{AllowedNetworks, Made, PostgresUrl};
use snapshot::{Keyring, Link, LinkConfig, Publisher, Secret};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::home::Home;
use crate::lifecycle::Lifecycle;

mod control;
mod data;
mod kept;
mod runtimes;

pub(crate) use runtimes::Runtimes;

use control::{ControlPlane, ControlStart};
use data::{DataPlane, DataStart, open_books};

/// What both planes are started with. Ports are bound already.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) home: Home,
    /// The database that holds the store; none keeps it in the home.
    pub(crate) database: Option<PostgresUrl>,
    pub(crate) client: TcpListener,
    pub(crate) admin: AdminPort,
    pub(crate) given: Given,
    /// Shows or keeps secrets that were made just now. Called before anything else can fail: it is the only time.
    pub(crate) hand_over: HandOver,
    /// How large the books are.
    pub(crate) books: ledger::Options,
    /// Where the manager runs.
    pub(crate) rest: Handle,
}

/// Where administrators connect.
#[derive(Debug)]
pub(crate) struct AdminPort {
    pub(crate) listener: TcpListener,
    /// From where.
    pub(crate) networks: AllowedNetworks,
}

/// What a manager without a gateway of its own is started with.
#[derive(Debug)]
pub(crate) struct ManagerStart {
    pub(crate) home: Home,
    /// The database that holds the store; none keeps it in the home.
    pub(crate) database: Option<PostgresUrl>,
    pub(crate) admin: AdminPort,
    /// Where clients connect to the gateway, as people are told.
    pub(crate) client: SocketAddr,
    pub(crate) given: Given,
    pub(crate) hand_over: HandOver,
    /// Where the manager runs.
    pub(crate) rest: Handle,
}

/// What a gateway without a manager of its own is started with.
#[derive(Debug)]
pub(crate) struct GatewayStart {
    pub(crate) home: Home,
    pub(crate) client: TcpListener,
    /// Seals what is kept; none leaves it to a file of the home.
    pub(crate) secret_keys: Option<Keyring>,
    pub(crate) books: ledger::Options,
    /// Where the link to the manager runs.
    pub(crate) rest: Handle,
}

/// Secrets from the environment; none leaves them to the manager.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) master_key: Option<Secret>,
    pub(crate) admin_password: Option<Secret>,
    /// What seals credentials; goes in front of what the home has.
    pub(crate) secret_keys: Option<Keyring>,
}

/// Does something with secrets that were made.
pub(crate) type HandOver = fn(&Home, &Made) -> anyhow::Result<()>;

/// What runs in this process.
#[derive(Debug)]
pub(crate) struct Planes {
    /// Where clients connect, or are told to.
    pub(crate) client: SocketAddr,
    /// Where administrators connect, if the manager runs here.
    pub(crate) admin: Option<SocketAddr>,
    /// Secrets that were made just now.
    pub(crate) made: Made,
    control: Option<ControlPlane>,
    data: Option<DataPlane>,
}

// === impl Planes ===

impl Planes {
    /// Opens the home and runs both planes until `lifecycle` says otherwise.
    pub(crate) async fn both(start: Start, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let (client, admin) = (start.client.local_addr()?, start.admin.listener.local_addr()?);
        let home = manager::Home::create(start.home.path())?;
        let publisher = new_publisher();
        let subscriber = publisher.subscribe("the gateway".to_owned());
        let (database, given) = (start.database, start.given);
        let control = ControlStart { home: home.clone(), database, client, admin, given, publisher };
        let opened = control::open(control, lifecycle.soft.clone(), &start.rest).await?;
        (start.hand_over)(&start.home, &opened.made)?;
        let (books, recovered) = open_books(&home, start.books)?;
        // It would grow old: nobody keeps a newer one while both planes run together. Not before the books are ours: a
        // gateway that runs apart has them, and what it keeps is not ours to take.
        kept::forget(&home)?;
        let behind = control::troubles(&opened.manager);
        let data = DataStart { home: &home, books, recovered, behind, keep: None };
        let data = DataPlane::start(data, subscriber, start.client, lifecycle);
        let control = ControlPlane::start(opened.manager, &home, start.admin, lifecycle, start.rest)?;
        Ok(Self { client, admin: Some(admin), made: opened.made, control: Some(control), data: Some(data) })
    }

    /// Runs the manager, to which gateways connect, until `lifecycle` says otherwise.
    pub(crate) async fn manager(start: ManagerStart, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let (client, admin) = (start.client, start.admin.listener.local_addr()?);
        let home = manager::Home::create(start.home.path())?;
        let publisher = new_publisher();
        let (database, given) = (start.database, start.given);
        let control = ControlStart { home: home.clone(), database, client, admin, given, publisher: publisher.clone() };
        let opened = control::open(control, lifecycle.soft.clone(), &start.rest).await?;
        (start.hand_over)(&start.home, &opened.made)?;
        let control = ControlPlane::start(opened.manager, &home, start.admin, lifecycle, start.rest)?;
        control.serve_gateways(&home, publisher, lifecycle)?;
        tracing::info!(socket = %home.gateway_socket().display(), "gateways can connect");
        Ok(Self { client, admin: Some(admin), made: opened.made, control: Some(control), data: None })
    }

    /// Runs a gateway, which follows a manager in another process whenever there is one, until `lifecycle` says
    /// otherwise.
    pub(crate) fn gateway(start: GatewayStart, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let client = start.client.local_addr()?;
        let home = manager::Home::create(start.home.path())?;
        let file = kept::file(&home, start.secret_keys)?;
        let (books, recovered) = open_books(&home, start.books)?;
        let kept = kept::read(&file, books.gateway(), &recovered);
        let name = format!("gateway {} (pid {})", books.gateway(), std::process::id());
        let (link, subscriber) = Link::new(LinkConfig { socket: home.gateway_socket(), name, kept });
        let data = DataStart { home: &home, books, recovered, behind: link.troubles(), keep: Some(file) };
        let data = DataPlane::start(data, subscriber, start.client, lifecycle).linked(link, &start.rest);
        Ok(Self { client, admin: None, made: Made::default(), control: None, data: Some(data) })
    }

    /// Ends what runs here. Where that is the manager, `stop_engines` says whether engines end too; else they run on and
    /// are adopted by the next start.
    pub(crate) async fn end(self, stop_engines: bool) {
        // Engines that are stopped on purpose need not be found missing.
        if let Some(data) = self.data {
            data.end();
        }
        if let Some(control) = self.control {
            control.end(stop_engines).await;
        }
    }
}

fn new_publisher() -> Publisher {
    // 0 is for gateways that never had a manager.
    Publisher::new(u64::from_le_bytes(Rng::system().bytes()).max(1))
}
