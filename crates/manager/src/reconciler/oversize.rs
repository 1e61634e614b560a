use super::Desired;
use crate::Manager;

// === impl Manager ===

impl Manager {
    /// Lets a start fail that could only end without memory. Its model is here by now, so more is known than when it was
    /// applied.
    pub(super) async fn fail_oversize(&self, desired: &Desired) -> bool {
        let Some(reason) = self.too_large(desired).await else { return false };
        tracing::warn!(replica = desired.id, reason, "engine does not fit");
        self.begin_start(desired);
        let now = self.config().clock.now();
        self.inner().fleet.update(&desired.id, |replica| replica.fail(reason, now));
        true
    }
}
