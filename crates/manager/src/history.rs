//! What applied before, and which revision changed an item last.

use spec::{Document, ItemId};
use store::RevisionSummary;

use crate::Manager;

/// Revisions that are looked through for the last change of an item.
const LOOKED_THROUGH: u64 = 50;

/// There is no such revision, or it cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("there is no revision {0}")]
    NotFound(u64),
    #[error("revision {0} cannot be read by this version")]
    Unreadable(u64),
    #[error(transparent)]
    Store(#[from] store::Error),
}

// === impl Manager ===

impl Manager {
    /// The document of a revision; an empty one for 0, before the first apply.
    pub(crate) async fn document_of(&self, number: u64) -> Result<Document, HistoryError> {
        if number == 0 {
            return Ok(Document::default());
        }
        let current = self.current();
        if current.revision == number {
            return Ok(current.document.clone());
        }
        let revision = self.store().revisions().get(number).await?.ok_or(HistoryError::NotFound(number))?;
        serde_json::from_str(&revision.document).map_err(|_| HistoryError::Unreadable(number))
    }

    /// The last revision after `since` that changed an item, if it is one of the latest.
    pub(crate) async fn last_change(&self, id: &ItemId, since: u64) -> store::Result<Option<RevisionSummary>> {
        let current = self.current();
        let oldest = since.max(current.revision.saturating_sub(LOOKED_THROUGH));
        let mut after = current.document.item(id);
        for number in (oldest..current.revision).rev() {
            let before = match self.document_of(number).await {
                Ok(document) => document.item(id),
                Err(HistoryError::Store(error)) => return Err(error),
                Err(HistoryError::NotFound(_) | HistoryError::Unreadable(_)) => return Ok(None),
            };
            if before != after {
                return Ok(self.store().revisions().get(number + 1).await?.map(|revision| revision.summary));
            }
            after = before;
        }
        Ok(None)
    }
}
