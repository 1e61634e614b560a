use std::sync::Arc;

use ambient::{Clock, Rng};
use anyhow::Context as _;
use gateway::{Gateway, GatewayConfig};
use ledger::{Books, Recovered};
use snapshot::{Link, SealedFile, Subscriber};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::lifecycle::Lifecycle;

/// What the gateway is made of.
pub(super) struct DataStart<'a> {
    pub(super) home: &'a manager::Home,
    pub(super) books: Books,
    pub(super) recovered: Recovered,
    /// What is wrong with the manager or its store.
    pub(super) behind: watch::Receiver<Vec<String>>,
    /// Where the last snapshot is kept, if it is.
    pub(super) keep: Option<SealedFile>,
}

/// The gateway, running.
#[derive(Debug)]
pub(super) struct DataPlane {
    /// Its following of snapshots and its probes, and the link to a manager elsewhere.
    following: Vec<AbortHandle>,
}

// === impl DataPlane ===

impl DataPlane {
    /// Serves clients from what `subscriber` brings.
    pub(super) fn start(
        start: DataStart<'_>,
        subscriber: Subscriber,
        client: TcpListener,
        lifecycle: &Lifecycle,
    ) -> Self {
        let gateway = Gateway::new(GatewayConfig {
            books: start.books,
            recovered: start.recovered,
            clock: Clock::system(),
            rng: Rng::system(),
            management_socket: Some(start.home.control_socket()),
            behind: start.behind,
            keep: start.keep,
        });
        let following = tokio::spawn(Arc::clone(&gateway).follow(subscriber)).abort_handle();
        lifecycle.tasks.spawn(gateway.serve(client, lifecycle.soft.clone()));
        Self { following: vec![following] }
    }

    /// Lets `link` bring what is served; on threads of its own, because what comes can be large.
    pub(super) fn linked(mut self, link: Link, rest: &Handle) -> Self {
        self.following.push(rest.spawn(link.run()).abort_handle());
        self
    }

    pub(super) fn end(self) {
        for task in self.following {
            task.abort();
        }
    }
}

/// Opens the gateway's books.
pub(super) fn open_books(home: &manager::Home, options: ledger::Options) -> anyhow::Result<(Books, Recovered)> {
    let folder = home.gateway_spool();
    let opened = Books::open(&folder, options, Clock::system(), &Rng::system());
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
