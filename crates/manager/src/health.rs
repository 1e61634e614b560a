use std::time::Duration;

use store::{Health, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the store is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Whether the store can be written, as the gateway's readiness shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// What is wrong; none when all is well.
    pub trouble: Option<String>,
}

// === impl StoreHealth ===

impl StoreHealth {
    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        self.trouble.is_none()
    }
}

impl From<Health> for StoreHealth {
    fn from(health: Health) -> Self {
        let texts: Vec<_> = health.problems.iter().map(ToString::to_string).collect();
        Self { trouble: (!texts.is_empty()).then(|| texts.join("; ")) }
    }
}

/// Looks at the store again and again, until cancelled.
pub(crate) async fn watch_store(store: &Store, seen: &watch::Sender<StoreHealth>, cancel: &CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        note(seen, store.health().await.into());
    }
}

fn note(seen: &watch::Sender<StoreHealth>, health: StoreHealth) {
    seen.send_if_modified(|last| {
        if *last == health {
            return false;
        }
        if let Some(trouble) = &health.trouble {
            tracing::warn!(%trouble, "the store cannot be written; the service goes on without it");
        } else {
            tracing::info!("the store can be written again");
        }
        *last = health;
        true
    });
}
