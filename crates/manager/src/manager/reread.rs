use tokio_util::sync::CancellationToken;

use crate::Manager;
use crate::current::Current;

// === impl Manager ===

impl Manager {
    /// Whenever the store is back from an outage, reads anew what applies: the answer to a commit may have been lost, and
    /// while a database was away somebody else may have had it. Until cancelled.
    pub(super) async fn reread_after_outages(&self, cancel: &CancellationToken) {
        let mut health = self.store_health();
        let mut was_well = true;
        while let Some(Ok(())) = cancel.run_until_cancelled(health.changed()).await {
            let is_well = health.borrow_and_update().is_well();
            if is_well && !was_well {
                self.reread().await;
            }
            was_well = is_well;
        }
    }

    async fn reread(&self) {
        match self.try_reread().await {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("the store holds something else than before its outage; taken over");
                self.publish();
                self.inner().nudge.notify_one();
            }
            Err(error) => tracing::warn!(%error, "what the store holds after its outage cannot be read"),
        }
    }

    /// Whether anything was different.
    async fn try_reread(&self) -> Result<bool, super::OpenError> {
        let _turn = self.inner().verification.turn().await;
        let _changing = self.inner().keys.changing().await;
        let (store, inner) = (self.store(), self.inner());
        let mut is_new = false;
        if let Some(revision) = store.revisions().latest().await?
            && revision.summary.number != self.current().revision
        {
            self.set_current(Current::from_store(revision, store.revisions().models().await?)?);
            is_new = true;
        }
        is_new |= inner.keys.replace(store.keys().reread().await?);
        is_new |= inner.teams.replace(store.teams().list().await?);
        Ok(is_new)
    }
}
