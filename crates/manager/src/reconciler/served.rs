use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::replica::{Phase, Replica};
use crate::Manager;
use crate::publish::GatewayBehind;

/// How long gateways may take to have a replica that became ready, before it is shown as ready all the same: one that
/// hangs must not make all engines look as if they did.
const LONGEST: Duration = Duration::from_secs(10);
/// Pause before a gateway is looked for again: both may have just been started.
const AGAIN: Duration = Duration::from_millis(100);

/// Whether the gateways have a replica that is ready. Until they do, nobody is told that it is: a request that
/// follows at once would find no deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Served {
    /// They were not asked yet.
    #[default]
    No,
    /// Their answer is waited for.
    Asked {
        /// That of the snapshot that has its address.
        epoch: u64,
    },
    /// They do, or had their time.
    Yes,
}

// === impl Manager ===

impl Manager {
    /// Waits, in a task of its own, until the gateways have the replicas that became ready. Call it after these were
    /// published.
    pub(super) fn confirm_served(&self) {
        // Nothing goes out before the store could be read; a later pass sees to it.
        let Some(epoch) = self.inner().outlet.newest_epoch() else { return };
        let mut asked = Vec::new();
        self.inner().fleet.update_all(|id, replica| {
            if replica.ask_if_served(epoch) {
                asked.push(id.to_owned());
            }
        });
        if asked.is_empty() {
            return;
        }
        let manager = self.clone();
        self.spawn(async move {
            if let Err(behind) = manager.await_gateways(epoch).await {
                tracing::warn!(%behind, "engines are ready that gateways do not know yet");
            }
            for id in asked {
                manager.inner().fleet.update_known(&id, |replica| replica.note_served(epoch));
            }
        });
    }

    /// Publishes, and gives gateways all the time that they may need: what is drained after that loses no request.
    pub(super) async fn publish_until_taken(&self) -> Result<(), GatewayBehind> {
        match self.publish() {
            Some(epoch) => self.acknowledged(epoch, LONGEST).await,
            None => self.publish_and_wait().await,
        }
    }

    /// Waits until every gateway serves from `epoch`, and until there is one.
    async fn await_gateways(&self, epoch: u64) -> Result<(), GatewayBehind> {
        let give_up = Instant::now() + LONGEST;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            match self.acknowledged(epoch, left).await {
                Err(behind) if behind.is_nobody_there() && !left.is_zero() => sleep(AGAIN).await,
                told => return told,
            }
        }
    }
}

// === impl Replica ===

impl Replica {
    /// Whether it has to be asked for, from now on.
    fn ask_if_served(&mut self, epoch: u64) -> bool {
        let asks = matches!((&self.phase, self.served), (Phase::Ready { .. }, Served::No));
        if asks {
            self.served = Served::Asked { epoch };
        }
        asks
    }

    /// What was asked for may be gone, or elsewhere by now: that is asked for anew.
    fn note_served(&mut self, epoch: u64) {
        if self.served == (Served::Asked { epoch }) {
            self.served = Served::Yes;
        }
    }
}
