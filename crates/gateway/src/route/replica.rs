use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use http::{HeaderValue, Uri};
use parking_lot::Mutex;
use snapshot::{Replica, Settings};
use tokio::time::Instant;

use crate::surface::Api;
use crate::upstream::{Client, Reason};

/// Probes in a row that must fail before a replica counts as down.
const PROBES_TO_DOWN: u32 = 2;

/// A replica, its connections and how it has been doing. Lives on through snapshots.
#[derive(Debug)]
pub(crate) struct ReplicaState {
    pub(crate) replica: Replica,
    pub(crate) client: Client,
    /// Its id, as answers name it.
    name: HeaderValue,
    /// Where each API is, in the order of [`Api::ALL`].
    uris: [Uri; Api::ALL.len()],
    in_flight: AtomicU32,
    /// Requests that failed since one succeeded.
    failures: AtomicU32,
    /// Until when it is left alone.
    cooling_until: Mutex<Option<Instant>>,
    failed_probes: AtomicU32,
    is_down: AtomicBool,
}

/// What is borne of a failing replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Failures in a row after which it is left alone.
    pub(crate) allowed_fails: u32,
    /// For how long.
    pub(crate) cooldown: Duration,
}

/// Counts one request of a replica for as long as it is held.
#[derive(Debug)]
pub(crate) struct Busy(Arc<ReplicaState>);

// === impl ReplicaState ===

impl ReplicaState {
    pub(crate) fn new(replica: Replica, connect_timeout: Duration) -> Self {
        let client = Client::new(&replica.address, connect_timeout);
        Self {
            uris: Api::ALL.map(|api| Client::uri(&api.upstream_path(&replica.base_path))),
            client,
            // Ids are letters, digits and a slash.
            name: HeaderValue::from_str(&replica.id).unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            replica,
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            cooling_until: Mutex::new(None),
            failed_probes: AtomicU32::new(0),
            is_down: AtomicBool::new(false),
        }
    }

    /// Its id, as answers name it.
    pub(crate) fn name(&self) -> HeaderValue {
        self.name.clone()
    }

    /// Where `api` is.
    pub(crate) fn uri(&self, api: Api) -> Uri {
        self.uris[api as usize].clone()
    }

    /// Where `path` below `api` is.
    pub(crate) fn uri_below(&self, api: Api, path: &str) -> Uri {
        Client::uri(&format!("{}{path}", self.uris[api as usize].path()))
    }

    /// Requests that it works on now.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Whether active probes say that it is up. Without probes it is.
    pub(crate) fn is_up(&self) -> bool {
        !self.is_down.load(Ordering::Relaxed)
    }

    /// Whether it is left alone after failures.
    pub(crate) fn is_cooling(&self, now: Instant) -> bool {
        self.failures.load(Ordering::Relaxed) > 0 && self.cooling_until.lock().is_some_and(|until| now < until)
    }

    /// A request succeeded: all is forgiven.
    pub(crate) fn succeeded(&self) {
        if self.failures.swap(0, Ordering::Relaxed) > 0 {
            *self.cooling_until.lock() = None;
        }
    }

    /// A request failed by the replica's fault; after too many in a row it is left alone for a while.
    pub(crate) fn failed(&self, patience: Patience, now: Instant) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= patience.allowed_fails.max(1) {
            *self.cooling_until.lock() = Some(now + patience.cooldown);
        }
    }

    /// An active probe ended. A refused connection counts at once, anything else when it repeats.
    pub(crate) fn probed(&self, is_healthy: bool, was_refused: bool) {
        if is_healthy {
            self.failed_probes.store(0, Ordering::Relaxed);
            if self.is_down.swap(false, Ordering::Relaxed) {
                tracing::info!(replica = %self.replica.id, "replica `{}` is up again", self.replica.id);
                self.succeeded();
            }
            return;
        }
        let failed = self.failed_probes.fetch_add(1, Ordering::Relaxed) + 1;
        if (was_refused || failed >= PROBES_TO_DOWN) && !self.is_down.swap(true, Ordering::Relaxed) {
            tracing::warn!(replica = %self.replica.id, "replica `{}` does not answer its health check", self.replica.id);
        }
    }
}

// === impl Patience ===

impl Patience {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { allowed_fails: settings.allowed_fails, cooldown: settings.cooldown }
    }

    /// With failures of this cause.
    pub(crate) fn with(settings: &Settings, reason: Reason) -> Self {
        let of_cause = reason.in_policy(&settings.routing.allowed_fails_policy);
        Self { allowed_fails: of_cause.unwrap_or(settings.allowed_fails), cooldown: settings.cooldown }
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
