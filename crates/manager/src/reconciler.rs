//! Makes what runs match what should run, again and again.
//!
//! One pass: observe every process, [`seat`] what is wanted and [`decide()`] (both pure), act in the order of the document, publish if
//! anything changed. A pass depends on nothing
//! but what it sees, so a missed event or a crash of the manager costs at most one tick. What is started is recorded
//! in the home, beside the store, which may be away, and adopted by the next manager.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Manager;

mod absence;
mod act;
mod admit;
mod adopt;
mod ask;
mod container_logs;
mod containers;
mod decide;
mod desired;
mod drain;
mod explain;
mod fetch;
mod fleet;
mod images;
mod launch;
mod logs;
mod look;
mod observe;
mod old_logs;
mod places;
mod prepare;
mod probe;
mod record;
mod replica;
mod served;
mod template;
#[cfg(test)]
mod tests;
mod turns;

pub(crate) use adopt::adopt;
pub(crate) use containers::DockerState;
pub(crate) use desired::{Desired, desired, gpus_of};
pub(crate) use explain::ReplicaPlan;
pub(crate) use fleet::Fleet;
pub(crate) use launch::log_file;
pub(crate) use look::AT_ONCE as LOOKS_AT_ONCE;
pub(crate) use places::{other, places};
pub(crate) use record::{Record, Source};
pub(crate) use replica::ReplicaView;
pub(crate) use turns::Turns;

use decide::decide;
use look::Looks;
use places::seat;

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

    /// All replicas that should run now, each in its place, and what serves on while they are replaced.
    pub(crate) fn wanted(&self) -> Vec<Desired> {
        let mut wanted = desired(&self.current().document, &self.config().env);
        wanted.retain(|desired| !self.inner().stopped.holds(&desired.model));
        self.seated(&wanted)
    }

    /// These replicas, each in its place.
    pub(crate) fn seated(&self, wanted: &[Desired]) -> Vec<Desired> {
        let inventory = self.inner().gpus.current();
        self.inner().fleet.with(|replicas| seat(wanted, replicas, inventory.as_deref()))
    }

    /// Stops all replicas of a model that run; they start again by themselves.
    pub(crate) fn restart_replicas(&self, model: &str) {
        for desired in self.wanted().iter().filter(|desired| *desired.model == *model) {
            self.inner().fleet.update_known(&desired.id, |replica| replica.restart = replica.process.is_some());
        }
        self.inner().nudge.notify_one();
    }

    /// Replaces all replicas of a model that run by others of the same definition.
    pub(crate) fn replace_replicas(&self, model: &str) {
        for desired in self.wanted().iter().filter(|desired| *desired.model == *model) {
            self.inner().fleet.update_known(&desired.id, |replica| replica.replace = replica.process.is_some());
        }
        self.inner().nudge.notify_one();
    }

    async fn reconcile_once(&self) {
        let mut changed = self.observe().await;
        self.observe_progress().await;
        let wanted = self.wanted();
        self.probe_due(&wanted);
        let actions = self.inner().fleet.with(|replicas| decide(&wanted, replicas, self.config().clock.now()));
        let mut looks = Looks::default();
        for (id, action) in self.admit(&wanted, actions) {
            tracing::debug!(replica = id, ?action, "acting");
            let desired = wanted.iter().find(|desired| desired.id == id);
            changed |= self.act(&id, action, desired, &mut looks).await;
        }
        if changed {
            self.publish();
        }
        self.confirm_served();
    }
}
