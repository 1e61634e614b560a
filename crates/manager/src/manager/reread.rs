use tokio_util::sync::CancellationToken;

use crate::current::Current;
use crate::{Manager, master_key};

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
        is_new |= inner.open_routes.reread(store).await?;
        is_new |= inner.edit_lock.reread(store).await?;
        is_new |= self.reread_master_key().await?;
        is_new |= self.reread_accounts().await?;
        Ok(is_new)
    }

    /// The master key may have been rotated, unless it comes from outside.
    async fn reread_master_key(&self) -> store::Result<bool> {
        let outlet = &self.inner().outlet;
        match master_key::kept(self.store()).await? {
            Some(kept) if self.config().master_key.is_none() && outlet.master_key() != Some(kept) => {
                outlet.set_master_key(kept);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Who may use the admin port.
    async fn reread_accounts(&self) -> store::Result<bool> {
        let (store, inner) = (self.store(), self.inner());
        let _accounts = inner.accounts.changing().await;
        let _tokens = inner.tokens.changing().await;
        let mut is_new = inner.accounts.replace(store.accounts().list().await?);
        is_new |= inner.tokens.replace(store.tokens().list().await?);
        is_new |= inner.sessions.keep_only(&store.sessions().list().await?);
        Ok(is_new)
    }
}
