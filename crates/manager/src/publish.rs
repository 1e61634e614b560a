use std::collections::HashMap;
use std::time::Duration;

use ledger::Nanos;
use parking_lot::Mutex;
use snapshot::{KeyHash, Publisher};
use spec::Warning;
use tokio::sync::SetOnce;

use crate::Manager;
use crate::compiler::{self, Compiled, Inputs};

/// How long a change waits for the gateway to take it over.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);

/// The way to the gateway.
#[derive(Debug)]
pub(crate) struct Outlet {
    publisher: Option<Publisher>,
    /// Hash of the master key.
    master_key: Option<KeyHash>,
    /// What the books held for each key at start; set once all that earlier gateways spooled is in them. Nothing
    /// is published before: a budget must never seem less used than it is.
    spent: SetOnce<HashMap<String, Nanos>>,
    /// Held from reading the state to handing it over, so that an older state never overtakes a newer one.
    order: Mutex<Vec<Warning>>,
}

/// A gateway has not taken over the last change in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway has not taken over the change within 1 s; it will when it can")]
pub(crate) struct GatewayBehind;

// === impl Outlet ===

impl Outlet {
    pub(crate) fn new(publisher: Option<Publisher>, master_key: Option<KeyHash>) -> Self {
        Self { publisher, master_key, spent: SetOnce::new(), order: Mutex::new(Vec::new()) }
    }

    /// Whether anybody takes snapshots.
    pub(crate) const fn has_gateway(&self) -> bool {
        self.publisher.is_some()
    }

    /// Hash of the master key.
    pub(crate) const fn master_key(&self) -> Option<KeyHash> {
        self.master_key
    }

    /// Lets snapshots out from now on.
    pub(crate) fn release(&self, spent: HashMap<String, Nanos>) {
        // A second call would come with later sums, which gateways that already count must not get.
        let _ = self.spent.set(spent);
    }
}

// === impl Manager ===

impl Manager {
    /// Compiles what applies now and hands it to the gateway; the epoch, if there is a gateway.
    pub(crate) fn publish(&self) -> Option<u64> {
        let outlet = &self.inner().outlet;
        let (publisher, spent) = (outlet.publisher.as_ref()?, outlet.spent.get()?);
        let mut last_warnings = outlet.order.lock();
        let (current, keys, ready) = (self.current(), self.inner().keys.rows(), self.inner().fleet.ready());
        let inputs = Inputs {
            current: &current,
            ready: &ready,
            keys: &keys,
            spent,
            master_key: outlet.master_key,
            env: &self.config().env,
        };
        let Compiled { snapshot, warnings } = compiler::compile(&inputs);
        let epoch = publisher.publish(snapshot);
        for warning in warnings.iter().filter(|warning| !last_warnings.contains(warning)) {
            tracing::warn!(revision = current.revision, "{warning}");
        }
        *last_warnings = warnings;
        Some(epoch)
    }

    /// Publishes, and waits until the gateway serves from it, for at most a second.
    pub(crate) async fn publish_and_wait(&self) -> Result<(), GatewayBehind> {
        let outlet = &self.inner().outlet;
        let Some(publisher) = &outlet.publisher else { return Ok(()) };
        let taken_over = async {
            // A manager that has just started does not let anything out yet.
            outlet.spent.wait().await;
            let epoch = self.publish().unwrap_or_default();
            publisher.acknowledged(epoch, ACKNOWLEDGE).await
        };
        match tokio::time::timeout(ACKNOWLEDGE, taken_over).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(GatewayBehind),
        }
    }
}
