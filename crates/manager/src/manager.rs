use std::sync::Arc;

use snapshot::Secret;
use store::Store;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::home::HomeLock;
use crate::{HomeError, ManagerConfig, MasterKeyError, StoreHealth, api, health, master_key};

/// The control plane of one home. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Manager(Arc<Inner>);

/// A manager just opened.
#[derive(Debug)]
pub struct Opened {
    /// The manager.
    pub manager: Manager,
    /// The master key, if it was made just now: the only time that it can be shown.
    pub made_master_key: Option<Secret>,
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
    /// There is no usable master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
}

#[derive(Debug)]
struct Inner {
    config: ManagerConfig,
    store: Store,
    health: watch::Sender<StoreHealth>,
    /// Released last: while anything of this manager lives, no other one may use the home.
    _lock: HomeLock,
}

// === impl Manager ===

impl Manager {
    /// Takes the home for itself and reads what is stored. Nothing runs yet: a one-shot command can use
    /// [`router`](Self::router) right away; a service calls [`run`](Self::run).
    pub async fn open(config: ManagerConfig) -> Result<Opened, OpenError> {
        let lock = config.home.lock()?;
        let store = Store::open(config.home.path()).await?;
        let master =
            master_key::settle(&store, &config.rng, config.master_key.as_ref(), config.make_master_key).await?;
        let (health, _) = watch::channel(StoreHealth::default());
        let inner = Inner { config, store, health, _lock: lock };
        Ok(Opened { manager: Self(Arc::new(inner)), made_master_key: master.made })
    }

    /// The admin API for who can open the control socket: nothing is asked for.
    pub fn router(&self) -> axum::Router {
        api::router(self.clone())
    }

    /// Serves [`router`](Self::router) on a socket made by [`Home::bind_control`](crate::Home::bind_control), until cancelled.
    pub async fn serve_control(&self, listener: UnixListener, cancel: CancellationToken) -> std::io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(cancel.cancelled_owned()).await
    }

    /// Serves the admin API to holders of the master key, until cancelled.
    pub async fn serve_admin(&self, listener: TcpListener, cancel: CancellationToken) -> std::io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(cancel.cancelled_owned()).await
    }

    /// Adopts and supervises engines, publishes snapshots and watches the store, until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        health::watch_store(&self.0.store, &self.0.health, &cancel).await;
    }

    /// Ends what [`run`](Self::run) left: stops the engines if told so (else the next manager adopts them),
    /// and closes the store.
    pub async fn shutdown(&self, _stop_engines: bool) {
        self.0.store.close().await;
    }

    /// Whether the store can be written; changes as it does, while [`run`](Self::run) runs.
    pub fn store_health(&self) -> watch::Receiver<StoreHealth> {
        self.0.health.subscribe()
    }

    pub(crate) fn config(&self) -> &ManagerConfig {
        &self.0.config
    }
}
