use std::time::Duration;

use ambient::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{Actor, Manager};

/// How often it is looked whether a run is due.
const LOOK: Duration = Duration::from_secs(5);
/// After a run that failed, before the next is tried.
const AGAIN: Duration = Duration::from_secs(600);

// === impl Manager ===

impl Manager {
    /// Runs housekeeping whenever it is due, until cancelled.
    pub(crate) async fn keep_house(&self, cancel: &CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(looks.tick()).await.is_some() {
            let is_due = self.housekeeping_due().is_some_and(|due| due <= self.config().clock.now());
            if is_due {
                // One that is under way, or fails, says so itself.
                let _ = cancel.run_until_cancelled(self.keep_house_once(&Actor::schedule())).await;
            }
        }
    }

    /// When the next run is due; none where it does not run by itself. One that was never made is due now.
    pub(crate) fn housekeeping_due(&self) -> Option<Timestamp> {
        let settings = &self.current().document.housekeeping;
        if !settings.enabled {
            return None;
        }
        let housekeeping = &self.inner().housekeeping;
        let interval = Duration::from_hours(settings.interval_hours.into());
        let now = self.config().clock.now();
        // What lies ahead was noted by a clock that has been set back since.
        let after = |at: Timestamp, pause| at.min(now).plus(pause);
        let due = housekeeping.last().map_or(now, |run| after(run.ended, interval));
        Some(housekeeping.failed().map_or(due, |failure| after(failure.at, AGAIN).max(due)))
    }
}
