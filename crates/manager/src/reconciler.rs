//! Makes what runs match what should run, again and again.
//!
//! One pass: observe every process, [`decide()`] (pure), act, publish if anything changed. A pass depends on nothing
//! but what it sees, so a missed event or a crash of the manager costs at most one tick. What is started is recorded
//! in the home, beside the store, which may be away, and adopted by the next manager.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Manager;

mod act;
mod adopt;
mod decide;
mod desired;
mod fleet;
mod launch;
mod logs;
mod observe;
mod probe;
mod record;
mod replica;
#[cfg(test)]
mod tests;

pub(crate) use adopt::adopt;
pub(crate) use desired::{Desired, desired};
pub(crate) use fleet::Fleet;
pub(crate) use launch::log_file;
pub(crate) use record::Record;
pub(crate) use replica::ReplicaView;

use decide::decide;

/// Between two passes that nothing asks for.
const TICK: Duration = Duration::from_millis(500);

// === impl Manager ===

impl Manager {
    /// Reconciles at every tick and every nudge, until cancelled.
    pub(crate) async fn reconcile(&self, cancel: &CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.inner().nudge.notified() => {}
            }
            self.reconcile_once().await;
        }
    }

    async fn reconcile_once(&self) {
        let mut changed = self.observe().await;
        let wanted = desired(&self.current().document, &self.config().env);
        self.probe_due(&wanted);
        let actions = self.inner().fleet.with(|replicas| decide(&wanted, replicas, self.config().clock.now()));
        for (id, action) in actions {
            tracing::debug!(replica = id, ?action, "acting");
            let desired = wanted.iter().find(|desired| desired.id == id);
            changed |= self.act(&id, action, desired).await;
        }
        if changed {
            self.publish();
        }
    }
}
