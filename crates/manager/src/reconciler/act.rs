use std::time::Duration;

use runtime::{Launch, Listener, STABLE, backoff};

use super::Desired;
use super::decide::Action;
use super::launch::launch;
use super::look::{Look, Looks};
use super::probe::Probe;
use super::record::Record;
use super::replica::{Phase, Process, Replica};
use super::served::Served;
use crate::Manager;
use crate::placement::Placed;

/// How long an engine gets to end by itself.
const GRACE: Duration = Duration::from_secs(30);
/// Pause before something that hangs is stopped again.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

// === impl Manager ===

impl Manager {
    /// Does one action; whether the gateway has to know.
    pub(super) async fn act(&self, id: &str, action: Action, desired: Option<&Desired>, looks: &mut Looks) -> bool {
        match (action, desired) {
            (Action::Start, Some(desired)) => {
                match self.look(desired, looks).await {
                    Some(Look::Fine) => self.start_one(desired).await,
                    Some(Look::Absent(need)) => self.fetch(desired.clone(), *need),
                    Some(Look::Unfit(reason)) => self.fail(desired, reason),
                    // It is seen by a later pass.
                    None => {}
                }
                false
            }
            (Action::Fetch, Some(desired)) => {
                match self.look(desired, looks).await {
                    Some(Look::Fine) => {
                        let ahead = Some(desired.spec_hash.clone());
                        self.inner().fleet.update_known(id, |replica| replica.ahead = ahead);
                    }
                    Some(Look::Absent(need)) => self.fetch(desired.clone(), *need),
                    Some(Look::Unfit(reason)) => self.fail(desired, reason),
                    None => {}
                }
                false
            }
            // Only what is wanted is started.
            (Action::Start | Action::Fetch, None) => false,
            (Action::Stop { failure }, _) => {
                self.begin_stop(id, failure);
                true
            }
            (Action::Abandon, _) => {
                let preparation = self.inner().fleet.update_known(id, |replica| replica.preparation.take()).flatten();
                if let Some(preparation) = preparation {
                    preparation.cancel();
                }
                false
            }
            (Action::Enter(phase), _) => {
                self.enter(id, phase);
                true
            }
            (Action::Forget, _) => {
                self.inner().fleet.remove(id);
                false
            }
        }
    }

    async fn start_one(&self, desired: &Desired) {
        match desired.container.clone() {
            Some(container) => self.prepare(desired.clone(), container),
            None => self.start(desired).await,
        }
    }

    /// Notes that it cannot be started as it is.
    fn fail(&self, desired: &Desired, reason: String) {
        tracing::warn!(replica = desired.id, reason, "engine cannot be started");
        self.begin_start(desired);
        let now = self.config().clock.now();
        self.inner().fleet.update(&desired.id, |replica| replica.fail(reason, now));
    }

    async fn start(&self, desired: &Desired) {
        let taken = self.inner().fleet.with(|replicas| replicas.values().filter_map(port).collect::<Vec<_>>());
        let restarts = self.begin_start(desired);
        let config = self.config();
        let launched = self.devices(desired).and_then(|gpus| {
            let (launch, listener) = launch(desired, &config.home, &config.env, &taken, &gpus)?;
            Ok((launch, listener, Placed::on(&self.current().document, desired, &gpus)))
        });
        let started = match launched {
            Ok((launch, listener, placed)) => {
                let record = Record::intent(desired, listener, self.config().clock.now(), restarts, placed);
                self.launch(launch, record).await
            }
            Err(reason) => Err(reason),
        };
        let now = self.config().clock.now();
        self.inner().fleet.update(&desired.id, |replica| match started {
            Ok(process) => {
                replica.process = Some(process);
                replica.phase = Phase::Starting { since: now };
            }
            Err(reason) => replica.fail(reason, now),
        });
    }

    /// Forgets what was known of earlier runs; how often it was started again.
    pub(super) fn begin_start(&self, desired: &Desired) -> u32 {
        self.inner().fleet.update(&desired.id, |replica| {
            if replica.last_hash.as_ref().is_some_and(|hash| *hash != desired.spec_hash) {
                replica.restarts = 0;
            }
            replica.last_hash = Some(desired.spec_hash.clone());
            (replica.probe, replica.ended, replica.progress) = (Probe::default(), None, None);
            (replica.replace, replica.adopted, replica.wait) = (false, false, None);
            replica.restarts
        })
    }

    /// Starts the engine between two writes of its record: killed at any moment, the manager leaves either a record
    /// that leads to the engine, or an engine that its tag betrays.
    async fn launch(&self, launch: Launch, mut record: Record) -> Result<Process, String> {
        self.put(&record).await;
        let started = self.runtimes().start(launch).await;
        record.handle = started.as_ref().ok().cloned();
        match started {
            Ok(handle) => {
                self.put(&record).await;
                let Record { id, spec_hash, listener, started_at, gpus, placed, source, serves, .. } = record;
                tracing::info!(replica = id, %listener, "engine started");
                Ok(Process { handle, listener, spec_hash, started_at, gpus, placed, source, serves })
            }
            Err(error) => {
                self.forget(&record.id).await;
                Err(error.to_string())
            }
        }
    }

    /// A disk that cannot be written keeps no engine from running: its tag still leads to it.
    pub(super) async fn put(&self, record: &Record) {
        if let Err(error) = record.write(&self.config().home).await {
            let id = &record.id;
            tracing::warn!(replica = id, %error, "cannot record an engine; the next manager starts it anew");
        }
    }

    pub(super) async fn forget(&self, id: &str) {
        if let Err(error) = Record::remove(&self.config().home, id).await {
            tracing::warn!(replica = id, %error, "cannot remove the record of an engine that has ended");
        }
    }

    fn enter(&self, id: &str, phase: Phase) {
        match &phase {
            Phase::Ready { .. } => tracing::info!(replica = id, "engine ready"),
            Phase::Unhealthy => tracing::warn!(replica = id, "engine does not pass its health checks"),
            Phase::Failed { reason } => tracing::warn!(replica = id, reason, "engine cannot be started"),
            _ => {}
        }
        self.inner().fleet.update(id, |replica| {
            if let Phase::Failed { .. } = phase {
                replica.failures = replica.failures.saturating_add(1);
            }
            replica.phase = phase;
            replica.served = Served::No;
        });
    }

    /// Takes the replica from the gateway, then stops it; a later pass sees that it is gone.
    fn begin_stop(&self, id: &str, failure: Option<String>) {
        let (healthy_for, drains) = self.inner().fleet.update(id, |replica| {
            let now = self.config().clock.now();
            let healthy_for = match replica.phase {
                Phase::Ready { since } => now.since(since),
                _ => Duration::ZERO,
            };
            // One that was adopted and not asked yet may serve as well.
            let drains = failure.is_none() && replica.ended.is_none() && replica.process.is_some();
            replica.phase = Phase::Stopping { failure: failure.clone(), drains };
            (healthy_for, drains)
        });
        if let Some(reason) = &failure {
            tracing::warn!(replica = id, reason, "engine failed");
        } else {
            tracing::info!(replica = id, "stopping engine");
        }
        let (manager, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            let told = if drains { manager.publish_until_taken().await } else { manager.publish_and_wait().await };
            if told.is_err() {
                tracing::warn!(replica = id, "the gateway may still send requests to an engine that stops");
            }
            manager.drain_replica(&id).await;
            manager.finish_stop(&id, failure, healthy_for).await;
        });
    }

    /// Stops the replica's process and notes that it is gone. Tries until it is.
    pub(super) async fn finish_stop(&self, id: &str, failure: Option<String>, healthy_for: Duration) {
        let handle = self.inner().fleet.with(|replicas| Some(replicas.get(id)?.process.clone()?.handle));
        if let Some(handle) = handle {
            while let Err(error) = self.runtimes().stop(&handle, GRACE).await {
                tracing::error!(replica = id, %error, "cannot stop an engine; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
        self.forget(id).await;
        let now = self.config().clock.now();
        self.inner().fleet.update(id, |replica| {
            (replica.process, replica.ended) = (None, None);
            (replica.restart, replica.replace) = (false, false);
            if healthy_for >= STABLE {
                replica.restarts = 0;
            }
            match failure {
                Some(reason) => replica.fail(reason, now),
                None => replica.phase = Phase::Pending,
            }
        });
        self.inner().nudge.notify_one();
    }

    /// Stops every engine, all at once.
    pub(crate) async fn stop_all(&self) {
        let ids: Vec<_> = self.inner().fleet.with(|replicas| replicas.keys().cloned().collect());
        let stops = ids.iter().map(|id| self.finish_stop(id, None, Duration::ZERO));
        futures_util::future::join_all(stops).await;
    }
}

// === impl Replica ===

impl Replica {
    /// Notes a failure; the next start comes after a pause that grows with every failure in a row.
    pub(super) fn fail(&mut self, reason: String, now: ambient::Timestamp) {
        self.phase = Phase::BackingOff { until: now.plus(backoff(self.restarts)), reason };
        self.restarts = self.restarts.saturating_add(1);
        self.failures = self.failures.saturating_add(1);
    }
}

fn port(replica: &Replica) -> Option<u16> {
    match replica.process.as_ref()?.listener {
        Listener::Port(port) => Some(port),
        Listener::Socket(_) | Listener::Address(_) => None,
    }
}
