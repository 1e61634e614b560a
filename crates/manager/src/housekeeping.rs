//! What piles up is cleaned up: single requests that are older than they are kept, and keys that expired long ago.
//!
//! Sums are moved when events are taken in, and trimming leaves them alone; so spend, budgets and usage by day never
//! change by it. A run goes in short steps, each a transaction of its own: it can be killed anywhere, and the next one
//! goes on where it ended.

use std::time::Duration;

use ambient::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spec::Housekeeping as Settings;
use store::{AuditEntry, Store};

use crate::{Actor, Manager};

mod schedule;
#[cfg(test)]
mod tests;

/// Where the last run stands among the settings.
const SETTING: &str = "housekeeping";
/// Events that are trimmed in one transaction: the drain waits for no more than these.
const STEP: u32 = 1_000;
/// Between two steps, so that others get their turn.
const BREATH: Duration = Duration::from_millis(2);
/// How long the sums of single hours are kept once their events are gone: the longest period of a budget that can begin
/// within a day has 10,000 hours.
const HOURS_KEPT: Duration = Duration::from_hours(10_000 + 24);

/// What housekeeping is doing and did last.
#[derive(Debug)]
pub(crate) struct Housekeeping(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: Option<Progress>,
    last: Option<Run>,
    /// When one that failed was tried.
    failed: Option<Failure>,
}

/// A run that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) since: Timestamp,
    /// Events trimmed so far.
    pub(crate) events: u64,
}

/// A run that did not get to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) at: Timestamp,
    pub(crate) message: String,
}

/// What a run did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Who asked for it.
    pub(crate) actor: String,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    /// Events closed before this were trimmed.
    pub(crate) events_before: Timestamp,
    pub(crate) events: u64,
    /// Ids of the keys that were deleted.
    pub(crate) keys: Vec<String>,
    /// Bytes that the databases gave back to the disk.
    pub(crate) freed_bytes: u64,
}

/// Housekeeping did not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HousekeepingError {
    #[error("housekeeping runs already, since {0}; wait until it has ended")]
    Runs(Timestamp),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Says that housekeeping runs for as long as it lives.
struct Turn(Manager);

// === impl Housekeeping ===

impl Housekeeping {
    /// With the last run as it was written down.
    pub(crate) async fn read(store: &Store) -> store::Result<Self> {
        let kept = store.settings().get(SETTING).await?;
        let last = kept.and_then(|text| serde_json::from_str(&text).ok());
        Ok(Self(Mutex::new(State { last, ..State::default() })))
    }

    pub(crate) fn running(&self) -> Option<Progress> {
        self.0.lock().running
    }

    pub(crate) fn last(&self) -> Option<Run> {
        self.0.lock().last.clone()
    }

    pub(crate) fn failed(&self) -> Option<Failure> {
        self.0.lock().failed.clone()
    }
}

// === impl Turn ===

impl Turn {
    fn take(manager: &Manager, now: Timestamp) -> Result<Self, HousekeepingError> {
        let mut state = manager.inner().housekeeping.0.lock();
        if let Some(running) = &state.running {
            return Err(HousekeepingError::Runs(running.since));
        }
        state.running = Some(Progress { since: now, events: 0 });
        Ok(Self(manager.clone()))
    }

    fn trimmed(&self, events: u64) {
        if let Some(running) = &mut self.0.inner().housekeeping.0.lock().running {
            running.events += events;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.inner().housekeeping.0.lock().running = None;
    }
}

// === impl Manager ===

impl Manager {
    /// What a run would do now.
    pub(crate) async fn plan_housekeeping(&self, actor: &Actor) -> Result<Run, store::Error> {
        let (settings, now) = (self.current().document.housekeeping.clone(), self.config().clock.now());
        let events_before = trims_before(&settings, now);
        let keys = expired_before(&settings, now).map_or_else(Vec::new, |before| self.keys_expired_before(before));
        Ok(Run {
            actor: actor.name().to_owned(),
            began: now,
            ended: now,
            events_before,
            events: self.store().events().count_before(events_before).await?,
            keys: keys.into_iter().map(|key| key.id).collect(),
            freed_bytes: 0,
        })
    }

    /// Begins a run, which goes on by itself; [`Housekeeping::running`] and [`Housekeeping::last`] tell about it.
    pub(crate) fn begin_housekeeping(&self, actor: &Actor) -> Result<Progress, HousekeepingError> {
        let now = self.config().clock.now();
        // Taken before the answer is given: who looks next finds it running.
        let turn = Turn::take(self, now)?;
        let (manager, actor) = (self.clone(), actor.clone());
        self.spawn(async move {
            let _ = manager.house(turn, &actor, now).await;
        });
        Ok(Progress { since: now, events: 0 })
    }

    /// A whole run.
    pub(crate) async fn keep_house_once(&self, actor: &Actor) -> Result<Run, HousekeepingError> {
        let now = self.config().clock.now();
        let turn = Turn::take(self, now)?;
        self.house(turn, actor, now).await
    }

    async fn house(&self, turn: Turn, actor: &Actor, now: Timestamp) -> Result<Run, HousekeepingError> {
        let done = self.try_house(&turn, actor, now).await;
        let mut state = self.inner().housekeeping.0.lock();
        match &done {
            Ok(run) => {
                tracing::info!(
                    events = run.events,
                    keys = run.keys.len(),
                    freed_bytes = run.freed_bytes,
                    "housekeeping"
                );
                (state.last, state.failed) = (Some(run.clone()), None);
            }
            Err(error) => {
                tracing::warn!(%error, "housekeeping did not get to its end");
                state.failed = Some(Failure { at: self.config().clock.now(), message: error.to_string() });
            }
        }
        // The outcome is to be seen no later than the end.
        drop(state);
        drop(turn);
        done
    }

    async fn try_house(&self, turn: &Turn, actor: &Actor, now: Timestamp) -> Result<Run, HousekeepingError> {
        let settings = self.current().document.housekeeping.clone();
        let events_before = trims_before(&settings, now);
        let events = self.trim_events(turn, events_before).await?;
        let forgotten = Timestamp::from_micros(now.as_micros().saturating_sub(micros(HOURS_KEPT)));
        self.store().events().forget_hours(forgotten).await?;
        let keys = match expired_before(&settings, now) {
            Some(before) => self.delete_keys_expired_before(before, actor).await?,
            None => Vec::new(),
        };
        let freed_bytes = self.store().give_back().await?;
        let ended = self.config().clock.now();
        let run = Run { actor: actor.name().to_owned(), began: now, ended, events_before, events, keys, freed_bytes };
        self.write_down(&run, actor).await?;
        Ok(run)
    }

    async fn trim_events(&self, turn: &Turn, before: Timestamp) -> Result<u64, HousekeepingError> {
        let books = self.store().events();
        let mut events = 0;
        loop {
            let step = books.trim(before, STEP).await?;
            turn.trimmed(step);
            events += step;
            if step < u64::from(STEP) {
                return Ok(events);
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    async fn write_down(&self, run: &Run, actor: &Actor) -> Result<(), store::Error> {
        // Cannot fail: every key is a string.
        let text = serde_json::to_string(run).unwrap_or_default();
        let audit = AuditEntry {
            at: run.ended,
            by: actor.by(),
            action: "housekeeping.run",
            subject: "",
            detail: json!({
                "events": run.events, "events_before": run.events_before.to_string(), "keys": run.keys.len(),
                "freed_bytes": run.freed_bytes,
            }),
        };
        self.store().settings().set_audited(SETTING, &text, &audit).await
    }
}

/// Before which moment events are trimmed.
fn trims_before(settings: &Settings, now: Timestamp) -> Timestamp {
    before_days(now, settings.usage_retention_days)
}

/// Keys that expired before this are deleted, if any are.
fn expired_before(settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    settings.expired_keys_days.map(|days| before_days(now, days))
}

fn before_days(now: Timestamp, days: u32) -> Timestamp {
    let span = Duration::from_hours(24).saturating_mul(days);
    Timestamp::from_micros(now.as_micros().saturating_sub(micros(span)))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
