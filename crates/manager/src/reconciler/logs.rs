use std::time::Duration;

use runtime::log_file;
use tokio_util::sync::CancellationToken;

use super::launch;
use crate::Manager;

/// How often the logs of engines are looked at.
const EVERY: Duration = Duration::from_secs(30);
/// In so many of these looks, once an hour, those of engines that are gone are looked for.
const SWEEP: u64 = 120;

// === impl Manager ===

impl Manager {
    /// Keeps the logs of running engines bounded, and removes those of engines that are long gone, until cancelled.
    pub(crate) async fn trim_logs(&self, cancel: &CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = 0_u64;
        while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
            if looks.is_multiple_of(SWEEP) {
                self.remove_old_logs().await;
            }
            looks += 1;
            let ids: Vec<_> = self.inner().fleet.with(|replicas| replicas.keys().cloned().collect());
            for id in ids {
                let path = launch::log_file(&self.config().home, &id);
                let trimmed = tokio::task::spawn_blocking(move || log_file::trim(&path)).await;
                match trimmed {
                    Ok(Ok(true)) => tracing::info!(replica = id, "log trimmed"),
                    Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(replica = id, %error, "log cannot be trimmed");
                    }
                    _ => {}
                }
            }
        }
    }
}
