use ambient::Timestamp;
use store::{KeyChange, KeyRow};

use crate::{Actor, Manager};

/// Keys that are deleted in one transaction.
const STEP: usize = 500;

// === impl Manager ===

impl Manager {
    /// Keys that stopped working before `before` because their time was over.
    pub(crate) fn keys_expired_before(&self, before: Timestamp) -> Vec<KeyRow> {
        let rows = self.inner().keys.rows();
        let is_expired = |row: &&KeyRow| row.deleted_at.is_none() && row.expires_at.is_some_and(|at| at < before);
        rows.iter().filter(is_expired).cloned().collect()
    }

    /// Deletes these keys; their ids. The books keep their names.
    pub(crate) async fn delete_keys_expired_before(
        &self,
        before: Timestamp,
        actor: &Actor,
    ) -> Result<Vec<String>, store::Error> {
        let _changing = self.inner().keys.changing().await;
        let mut keys = self.keys_expired_before(before);
        let now = self.config().clock.now();
        for key in &mut keys {
            (key.updated_at, key.deleted_at) = (now, Some(now));
        }
        for step in keys.chunks(STEP) {
            let changes: Vec<_> = step.iter().map(KeyChange::Replace).collect();
            if let Err(behind) = self.commit_keys(&changes, "key.delete", actor).await? {
                tracing::warn!(%behind, "expired keys deleted");
            }
        }
        Ok(keys.into_iter().map(|key| key.id).collect())
    }
}
