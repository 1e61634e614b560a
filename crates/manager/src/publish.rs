use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ambient::Timestamp;
use parking_lot::Mutex;
use snapshot::{Behind, Booked, Connected, KeyHash, Publisher};
use spec::Warning;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::Manager;
use crate::compiler::{self, Compiled, Inputs};
use crate::spent::Spent;

/// How long a change waits for the gateways to take it over.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);

/// The way to the gateways.
#[derive(Debug)]
pub(crate) struct Outlet {
    publisher: Option<Publisher>,
    /// Hash of the master key.
    master_key: Mutex<Option<KeyHash>>,
    /// What the books hold; none until the store could be read. Nothing is published before: a budget must never seem
    /// less used than it is.
    spent: watch::Sender<Option<Arc<Spent>>>,
    /// Held from reading the state to handing it over, so that an older state never overtakes a newer one.
    order: Mutex<Vec<Warning>>,
}

/// Not every gateway has taken over the last change in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GatewayBehind {
    /// This manager has just started.
    #[error("nothing goes to the gateways before the store could be read; they take the change over when it can")]
    Starting,
    /// Gateways did not say in time that they have it, or there is none.
    #[error(transparent)]
    Gateways(#[from] Behind),
}

// === impl GatewayBehind ===

impl GatewayBehind {
    /// Whether no gateway is connected at all.
    pub(crate) const fn is_nobody_there(&self) -> bool {
        matches!(self, Self::Gateways(Behind::NobodyThere))
    }
}

// === impl Outlet ===

impl Outlet {
    pub(crate) fn new(publisher: Option<Publisher>, master_key: Option<KeyHash>) -> Self {
        Self {
            publisher,
            master_key: Mutex::new(master_key),
            spent: watch::Sender::new(None),
            order: Mutex::new(Vec::new()),
        }
    }

    /// Whether anybody takes snapshots.
    pub(crate) const fn has_gateway(&self) -> bool {
        self.publisher.is_some()
    }

    /// The gateways that are connected.
    pub(crate) fn connected(&self) -> Vec<Connected> {
        self.publisher.as_ref().map(Publisher::connected).unwrap_or_default()
    }

    /// The epoch that every gateway should serve from; none before the first, or without gateways.
    pub(crate) fn newest_epoch(&self) -> Option<u64> {
        self.publisher.as_ref().map(Publisher::newest_epoch).filter(|epoch| *epoch > 0)
    }

    /// Hash of the master key.
    pub(crate) fn master_key(&self) -> Option<KeyHash> {
        *self.master_key.lock()
    }

    /// Puts another master key in place of the one that was; gateways have it once it is published.
    pub(crate) fn set_master_key(&self, master_key: KeyHash) {
        *self.master_key.lock() = Some(master_key);
    }

    /// Whether what goes out includes a gateway's books up to the segment of this position.
    pub(crate) fn knows_of(&self, Booked { gateway, position }: Booked) -> bool {
        let is_that = |known: &Booked| known.gateway == gateway && known.position.segment == position.segment;
        self.spent.borrow().as_ref().is_some_and(|spent| spent.booked.iter().any(is_that))
    }

    /// Whether what goes out includes what was spent since each of `moments`.
    pub(crate) fn knows_since(&self, moments: &BTreeSet<Timestamp>) -> bool {
        self.spent.borrow().as_ref().is_none_or(|spent| moments.iter().all(|at| spent.since.contains_key(at)))
    }

    /// Lets snapshots out from now on, with these sums.
    pub(crate) fn release(&self, spent: Spent) {
        self.spent.send_replace(Some(Arc::new(spent)));
    }
}

// === impl Manager ===

impl Manager {
    /// Compiles what applies now and hands it to the gateways; its epoch, if it goes to any.
    pub(crate) fn publish(&self) -> Option<u64> {
        let outlet = &self.inner().outlet;
        let publisher = outlet.publisher.as_ref()?;
        let mut last_warnings = outlet.order.lock();
        let spent = outlet.spent.borrow().clone()?;
        let (current, keys, ready) = (self.current(), self.inner().keys.rows(), self.inner().fleet.ready());
        let teams = self.inner().teams.rows();
        let inputs = Inputs {
            current: &current,
            ready: &ready,
            keys: &keys,
            teams: &teams,
            now: self.config().clock.now(),
            spent: &spent,
            open_routes: self.inner().open_routes.are_open(),
            master_key: outlet.master_key(),
            env: &self.config().env,
        };
        let Compiled { snapshot, warnings } = compiler::compile(&inputs);
        let epoch = publisher.publish(snapshot);
        self.tell_engine_targets(&current.document, &ready);
        for warning in warnings.iter().filter(|warning| !last_warnings.contains(warning)) {
            tracing::warn!(revision = current.revision, "{warning}");
        }
        *last_warnings = warnings;
        Some(epoch)
    }

    /// Publishes, and waits until every gateway that is connected serves from it, for at most a second.
    pub(crate) async fn publish_and_wait(&self) -> Result<(), GatewayBehind> {
        let outlet = &self.inner().outlet;
        let Some(publisher) = &outlet.publisher else { return Ok(()) };
        let give_up = Instant::now() + ACKNOWLEDGE;
        let mut spent = outlet.spent.subscribe();
        // A manager that has just started does not let anything out yet.
        let is_released = timeout_at(give_up, spent.wait_for(Option::is_some)).await.is_ok_and(|seen| seen.is_ok());
        if !is_released {
            return Err(GatewayBehind::Starting);
        }
        let _ = timeout_at(give_up, self.refresh_spent()).await;
        let epoch = self.publish().unwrap_or_default();
        Ok(publisher.acknowledged(epoch, give_up.saturating_duration_since(Instant::now())).await?)
    }

    /// Waits until every gateway that is connected serves from `epoch`, for as long as `bound`.
    pub(crate) async fn acknowledged(&self, epoch: u64, bound: Duration) -> Result<(), GatewayBehind> {
        let Some(publisher) = &self.inner().outlet.publisher else { return Ok(()) };
        Ok(publisher.acknowledged(epoch, bound).await?)
    }
}
